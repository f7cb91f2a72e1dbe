//! Purged walk-forward folds of samples: what each fit may see, and what it is judged on.

use foresail_evaluation::leak_guard::{Gap, Verdict, label_overlap};
use foresail_evaluation::walk_forward::{self, Blocks, Plan, PlanError, Span, TrainingWindow};

use crate::dataset::Sample;

/// One fit and its forecasts.
pub(crate) struct Fold<'a> {
    /// Rows whose labels were known before the first forecast.
    pub train: Vec<&'a Sample>,
    /// Rows that are forecast.
    pub test: Vec<&'a Sample>,
    /// Newest time that anything fitted here may depend on, milliseconds UTC.
    pub fit_until: i64,
}

/// How to cut.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Cut {
    /// Sessions ahead of a label, and of the embargo.
    pub horizon: usize,
    /// Newest sessions that are forecast.
    pub tested: usize,
    /// Parts of them.
    pub blocks: Blocks,
    /// Newest sessions a fit sees; all when `None`.
    pub newest: Option<usize>,
}

/// Cuts samples with known labels, in order of time, and says whether any label overlaps.
///
/// # Errors
/// Too few sessions.
pub(crate) fn cut<'a>(
    known: &[&'a Sample],
    cut: Cut,
) -> Result<(Vec<Fold<'a>>, Verdict), PlanError> {
    let sessions = sessions(known);
    let spans: Vec<Span> = known
        .iter()
        .map(|s| Span {
            event_time: s.event_time,
            label_end: s.labels_end,
        })
        .collect();
    let plan = Plan {
        window: TrainingWindow::Expanding,
        // The first test session is the one that lies `horizon` and `embargo` behind these.
        min_train: sessions.len().saturating_sub(cut.tested + 2 * cut.horizon),
        blocks: cut.blocks,
        embargo: cut.horizon,
        horizon: cut.horizon,
    };
    let folds = walk_forward::folds(&sessions, &spans, &plan)?;
    let gap = Gap {
        horizon: cut.horizon,
        embargo: plan.embargo,
    };
    let overlap = label_overlap(&sessions, &spans, &folds, gap);
    let rows = |indices: &[usize]| -> Vec<&'a Sample> {
        let rows = indices.iter().filter_map(|i| known.get(*i).copied());
        rows.collect()
    };
    let folds = folds.iter().map(|fold| Fold {
        train: newest(rows(&fold.train), cut.newest),
        test: rows(&fold.test),
        fit_until: fold.fit_until,
    });
    Ok((folds.collect(), overlap))
}

/// Distinct session times of samples in order of time.
pub(crate) fn sessions(samples: &[&Sample]) -> Vec<i64> {
    let mut sessions: Vec<i64> = samples.iter().map(|s| s.event_time).collect();
    sessions.dedup();
    sessions
}

/// Rows of the newest `most` sessions, as `training.maxSessions` declares.
pub(crate) fn newest(rows: Vec<&Sample>, most: Option<usize>) -> Vec<&Sample> {
    let Some(most) = most else { return rows };
    let sessions = sessions(&rows);
    let first = sessions.len().saturating_sub(most);
    let from = sessions.get(first).copied().unwrap_or(i64::MIN);
    rows.into_iter().filter(|s| s.event_time >= from).collect()
}

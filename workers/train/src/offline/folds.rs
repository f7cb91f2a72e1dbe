//! What each fit may see, and what it is judged on.

use foresail_evaluation::leak_guard::{Gap, Verdict, label_overlap};
use foresail_evaluation::walk_forward::{self, Blocks, Plan, Span, TrainingWindow};
use foresail_runtime_base::{RoleError, calendar};

use super::Request;
use super::input::Input;
use crate::dataset::{Dataset, Sample};

/// One fit and its forecasts.
pub(super) struct Fold<'a> {
    /// Rows whose labels were known before the first forecast.
    pub train: Vec<&'a Sample>,
    /// Rows that are forecast.
    pub test: Vec<&'a Sample>,
}

/// One fold from `test_from` on, or one per `refit_every` sessions, and the verdict on their overlap.
///
/// # Errors
/// User error `NotEnoughRows`.
pub(super) fn folds<'a>(
    data: &'a Dataset,
    input: &Input,
    request: &Request,
) -> Result<(Vec<Fold<'a>>, Verdict), RoleError> {
    let from = calendar(&input.config).session_end(request.test_from);
    let known: Vec<&Sample> = data.samples.iter().filter(|s| s.labels.is_some()).collect();
    let mut sessions: Vec<i64> = known.iter().map(|s| s.event_time).collect();
    sessions.dedup();
    let before = sessions.partition_point(|time| *time < from);
    let horizon = usize::try_from(input.config.training.horizon).unwrap_or(1);
    let spans: Vec<Span> = known
        .iter()
        .map(|s| Span {
            event_time: s.event_time,
            label_end: s.labels_end,
        })
        .collect();
    let few = |what: String| {
        let message = format!("cannot test from {}: {what}", request.test_from);
        RoleError::user("NotEnoughRows", message)
    };
    // The first test session is the one that lies `horizon` and `embargo` behind `min_train`.
    let min_train = before.checked_sub(2 * horizon).filter(|n| *n > 0);
    let min_train = min_train.ok_or_else(|| few(format!("{before} sessions lie before it")))?;
    let plan = Plan {
        window: TrainingWindow::Expanding,
        min_train,
        blocks: match request.refit_every {
            Some(sessions) => Blocks::Sessions(sessions),
            None => Blocks::Count(1),
        },
        embargo: horizon,
        horizon,
    };
    let folds = walk_forward::folds(&sessions, &spans, &plan).map_err(|e| few(e.to_string()))?;
    let gap = Gap {
        horizon,
        embargo: plan.embargo,
    };
    let overlap = label_overlap(&sessions, &spans, &folds, gap);
    let rows = |indices: &[usize]| -> Vec<&Sample> {
        indices
            .iter()
            .filter_map(|i| known.get(*i).copied())
            .collect()
    };
    let most = input.config.training.max_sessions;
    let most = most.and_then(|n| usize::try_from(n).ok());
    let folds = folds.iter().map(|fold| Fold {
        train: newest(rows(&fold.train), most),
        test: rows(&fold.test),
    });
    Ok((folds.collect(), overlap))
}

/// Rows of the newest `most` sessions, as `training.maxSessions` declares.
fn newest(rows: Vec<&Sample>, most: Option<usize>) -> Vec<&Sample> {
    let Some(most) = most else { return rows };
    let mut sessions: Vec<i64> = rows.iter().map(|s| s.event_time).collect();
    sessions.dedup();
    let first = sessions.len().saturating_sub(most);
    let from = sessions.get(first).copied().unwrap_or(i64::MIN);
    rows.into_iter().filter(|s| s.event_time >= from).collect()
}

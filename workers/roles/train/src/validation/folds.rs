//! Purged walk-forward folds of samples: what each fit may see, and what it forecasts.

use foresail_crds::TrainingParameters;
use foresail_evaluation::leak_guard::{Gap, Verdict, label_overlap};
use foresail_evaluation::walk_forward::{self, Blocks, Plan, PlanError, Span, TrainingWindow};
use foresail_runtime_base::RoleError;

use crate::data::dataset::Sample;
use crate::data::split::{self, hold_out, sessions};

/// Fewest rows a model is fitted on.
const FEWEST_ROWS: usize = 50;
/// Share of the dates before the first fold that the intervals of the first fold are calibrated on.
const CALIBRATION: f64 = 0.2;

/// One fit and its forecasts.
pub(crate) struct Fold<'a> {
    /// Rows whose labels were known before the first forecast.
    pub train: Vec<&'a Sample>,
    /// Rows that are forecast.
    pub test: Vec<&'a Sample>,
    /// Newest time that anything fitted here may depend on, milliseconds UTC.
    pub fit_until: i64,
}

/// Folds in order of time.
pub(crate) struct Folds<'a> {
    pub folds: Vec<Fold<'a>>,
    /// Whether any label overlaps.
    pub overlap: Verdict,
    /// A fit and its forecasts before the first fold, from which the first fold's intervals are
    /// calibrated; they count in no error.
    pub calibration: Option<Fold<'a>>,
}

/// How to cut.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Cut {
    /// Bars ahead of a label, and of the embargo.
    pub horizon: usize,
    /// Newest bars, in time, that are forecast.
    pub tested: usize,
    /// Parts of them.
    pub blocks: Blocks,
    /// Newest bars, in time, that a fit sees; all when `None`.
    pub newest: Option<usize>,
}

/// Cuts samples with known labels, in order of time, and says whether any label overlaps.
///
/// # Errors
/// Too few sessions.
pub(crate) fn cut<'a>(known: &[&'a Sample], cut: Cut) -> Result<Folds<'a>, PlanError> {
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
        train: split::newest(rows(&fold.train), cut.newest),
        test: rows(&fold.test),
        fit_until: fold.fit_until,
    });
    Ok(Folds {
        folds: folds.collect(),
        overlap,
        calibration: None,
    })
}

impl Folds<'_> {
    /// Holds the newest fifth of the dates before the first fold out, so that its intervals can be
    /// calibrated too; one more fit per kind.
    pub(crate) fn with_calibration(mut self) -> Self {
        self.calibration = self.folds.first().and_then(|first| {
            let parts = hold_out(&first.train, CALIBRATION);
            let fit_until = parts.older.iter().filter_map(|s| s.labels_end).max()?;
            Some(Fold {
                train: parts.older,
                test: parts.newer,
                fit_until,
            })
        });
        self
    }
}

/// Cuts the folds `spec.training` declares.
///
/// # Errors
/// User error `NotEnoughRows`.
pub(crate) fn declared<'a>(
    rows: &[&'a Sample],
    parameters: &TrainingParameters,
) -> Result<Folds<'a>, RoleError> {
    let sessions = sessions(rows).len();
    let too_few = |cause: String| {
        let message = format!(
            "{sessions} bars with known labels are too few to validate on ({cause}); widen source.backfill, \
             shorten feature windows or raise training.maxSessions"
        );
        RoleError::user("NotEnoughRows", message)
    };
    let fraction = parameters.validation_fraction;
    let tested = ((sessions as f64 * fraction).round() as usize).max(1);
    let folds = cut(
        rows,
        Cut {
            horizon: parameters.horizon,
            tested,
            blocks: Blocks::Count(parameters.validation_folds.min(tested)),
            newest: None,
        },
    );
    let folds = folds.map_err(|e| too_few(e.to_string()))?;
    let least = folds.folds.iter().map(|fold| fold.train.len()).min();
    match least.unwrap_or(0) {
        least if least >= FEWEST_ROWS => Ok(folds),
        least => Err(too_few(format!(
            "{least} rows to fit on before the first fold, {FEWEST_ROWS} are needed"
        ))),
    }
}

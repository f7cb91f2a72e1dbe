//! `foresail-trainer evaluate`: anyone's Pipeline on anyone's CSV file, without a cluster. The rows go
//! through the checks of ingest, the features of the stream worker and the fit of a training run;
//! what is printed is how the forecasts of later days came out, beside the naive forecast.

mod input;
mod judge;
mod report;

use std::path::PathBuf;

use foresail_crds::pipeline::spec::ModelKind;
use foresail_evaluation::leak_guard::Verdict;
use foresail_evaluation::walk_forward::Blocks;
use foresail_runtime_base::RoleError;
use jiff::civil::Date;

pub use report::Report;

use self::input::Input;
use crate::dataset::Sample;
use crate::folds::{self, Cut, Fold};
use crate::guards::Subject;
use crate::learn;

/// What to evaluate.
#[derive(Clone, Debug)]
pub struct Request {
    /// File of daily bars; its columns are named by `spec.source.csv` of the Pipeline.
    pub csv: PathBuf,
    /// Pipeline as YAML.
    pub pipeline: PathBuf,
    /// First forecast date.
    pub test_from: Date,
    /// Sessions between two refits; none: one fit on everything before `test_from`.
    pub refit_every: Option<usize>,
    /// Kinds beside the declared one and the naive forecast.
    pub kinds: Vec<ModelKind>,
}

/// Trains on what was known before each forecast, and judges every forecast from `test_from` on
/// whose outcome the file holds. `progress` hears what is going on.
///
/// # Errors
/// User errors that name the file, the column or the field.
pub fn evaluate(request: &Request, progress: &dyn Fn(&str)) -> Result<Report, RoleError> {
    let input = input::read(request)?;
    progress(&input.counts());
    let training = &input.config.training;
    let mut kinds = vec![ModelKind::Naive, ModelKind::SeasonalNaive];
    kinds.extend(&request.kinds);
    kinds.push(training.model.kind);
    kinds.sort_unstable();
    kinds.dedup();
    let declared = (
        input.config.features.as_slice(),
        input.config.source.adjustment,
    );
    let data = learn::rows(&input.bars, declared, training, &kinds)?;
    let known = data.known();
    let (folds, overlap) = folds_of(&known, &input, request)?;
    let guards = Subject::of(&input.config, training).verdicts(&input.bars, overlap)?;
    let mut judged = Vec::new();
    for kind in kinds {
        progress(&format!("{kind:?}: {} folds", folds.len()));
        judged.push(judge::judge(kind, &folds, &input)?);
    }
    report::build(judged, (&folds, guards), &input)
}

/// One fold from `test_from` on, or one per `refit_every` sessions, and the verdict on their overlap.
///
/// # Errors
/// User error `NotEnoughRows`.
fn folds_of<'a>(
    known: &[&'a Sample],
    input: &Input,
    request: &Request,
) -> Result<(Vec<Fold<'a>>, Verdict), RoleError> {
    let training = &input.config.training;
    let few = |what: String| {
        let message = format!("cannot test from {}: {what}", request.test_from);
        RoleError::user("NotEnoughRows", message)
    };
    let from = input.config.calendar.session_end(request.test_from);
    let sessions = folds::sessions(known);
    let before = sessions.partition_point(|time| *time < from);
    let horizon = usize::try_from(training.horizon).unwrap_or(1);
    if before <= 2 * horizon {
        return Err(few(format!("{before} sessions lie before it")));
    }
    let cut = Cut {
        horizon,
        tested: sessions.len() - before,
        blocks: match request.refit_every {
            Some(sessions) => Blocks::Sessions(sessions),
            None => Blocks::Count(1),
        },
        newest: training.max_sessions.and_then(|n| usize::try_from(n).ok()),
    };
    folds::cut(known, cut).map_err(|e| few(e.to_string()))
}

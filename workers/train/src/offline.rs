//! `foresail-trainer evaluate`: anyone's Pipeline on anyone's CSV file, without a cluster. The rows go
//! through the checks of ingest, the features of the stream worker and the fit of a training run;
//! what is printed is how the forecasts of later days came out, beside the naive forecast.

mod folds;
mod guards;
mod input;
mod judge;
mod report;

use std::path::PathBuf;

use foresail_crds::pipeline::spec::ModelKind;
use foresail_runtime_base::RoleError;
use jiff::civil::Date;

pub use report::Report;

use crate::dataset;

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
    let lookbacks = kinds.iter().map(|kind| judge::lookback(training, *kind));
    let lookback = lookbacks.max().unwrap_or(1);
    let horizon = usize::try_from(training.horizon).unwrap_or(1);
    let data = dataset::build(
        &input.bars,
        &input.config.features,
        input.config.source.adjustment,
        (lookback, horizon),
        training.target,
    )?;
    let (folds, overlap) = folds::folds(&data, &input, request)?;
    let features = guards::features(&input).map_err(dataset::invalid)?;
    let mut judged = Vec::new();
    for kind in kinds {
        progress(&format!("{kind:?}: {} folds", folds.len()));
        judged.push(judge::judge(kind, &folds, &input)?);
    }
    report::build(judged, (&folds, vec![features, overlap]), &input)
}

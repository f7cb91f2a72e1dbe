//! `foresail-trainer evaluate`: anyone's Pipeline on anyone's CSV file, without a cluster. The rows go
//! through the checks of ingest, the features of the stream worker and the walk-forward of a training run;
//! what is printed is how the forecasts of later days compare with the naive forecast.

mod drawn;
mod input;
mod page;
mod report;

use std::path::PathBuf;

use foresail_crds::TrainingParameters;
use foresail_crds::pipeline::spec::ModelKind;
use foresail_domain::BarGrid;
use foresail_evaluation::walk_forward::Blocks;
use foresail_runtime_base::RoleError;
use jiff::civil::Date;

pub use report::{Report, Rows, Score};

use self::drawn::Drawn;
use crate::data::dataset::Sample;
use crate::data::split::sessions;
use crate::inputs::{Declared, parameters};
use crate::validation::folds::{self, Cut, Folds};
use crate::validation::leak_guard;
use crate::validation::walk_forward::walk_forward;

/// What to evaluate.
#[derive(Clone, Debug)]
pub struct Request {
    /// File of bars; its columns are named by `spec.source.csv` of the Pipeline.
    pub csv: PathBuf,
    /// Pipeline as YAML.
    pub pipeline: PathBuf,
    /// First forecast date; that of the last fifth of the sessions when left out.
    pub test_from: Option<Date>,
    /// Sessions, each of the bars of a usual one, between two refits; none: one fit on everything before `test_from`.
    pub refit_every: Option<usize>,
    /// Kinds beside the declared one and the naive forecast.
    pub kinds: Vec<ModelKind>,
    /// Go on although more than one row in ten is refused.
    pub allow_refused: bool,
    /// Go on although moves of the file may be mistakes and `source.onSuspicion` says to stop, or nothing.
    pub allow_suspicious: bool,
}

/// Trains on what was known before each forecast, and scores every forecast from `test_from` on
/// whose outcome the file holds. `on_progress` is called with a line for people.
///
/// # Errors
/// User errors that name the file, the column or the field.
pub fn evaluate(request: &Request, on_progress: &dyn Fn(&str)) -> Result<Report, RoleError> {
    let input = input::read(request)?;
    on_progress(&input.rows.counts());
    let grid = input.config.model.bar_grid();
    let parameters = parameters(&input.config.model.training, &grid)?;
    let mut kinds = vec![ModelKind::Naive, ModelKind::SeasonalNaive];
    kinds.extend(&request.kinds);
    kinds.push(parameters.model.kind);
    kinds.sort_unstable();
    kinds.dedup();
    let declared = Declared {
        features: &input.config.model.features,
        adjustment: input.config.model.adjustment,
        grid: &grid,
        parameters: &parameters,
    };
    let data = declared.feature_rows(&input.rows.bars, &kinds)?;
    if data.over_gaps > 0 {
        on_progress(&format!(
            "{} rows reach over more missing bars than training.maxGapSessions allows and are left out",
            data.over_gaps
        ));
    }
    let folds = cut(&data.known(), &grid, &parameters, request)?;
    let guards = leak_guard::verdicts(declared, &input.rows.bars, folds.overlap.clone())?;
    let mut results = Vec::new();
    for kind in kinds {
        on_progress(&format!("{kind:?}: {} folds", folds.folds.len()));
        results.push(walk_forward(kind, &folds, &parameters, &|_| {})?);
    }
    let declared = results
        .iter()
        .find(|result| result.kind == parameters.model.kind)
        .ok_or_else(|| RoleError::internal("NoScore", "the declared kind was not evaluated"))?;
    let drawn = Drawn::new(declared, &input, &data.symbols, &parameters);
    report::build(
        &results,
        guards,
        &input,
        drawn,
        (&parameters, data.over_gaps),
    )
}

/// Sessions for training of so many, where nobody says from when on to test.
const TRAINED: [usize; 2] = [4, 5];

/// One fold from `test_from` on, or one per `refit_every` sessions, with calibration of the first.
///
/// # Errors
/// User error `NotEnoughRows`.
fn cut<'a>(
    known: &[&'a Sample],
    grid: &BarGrid,
    parameters: &TrainingParameters,
    request: &Request,
) -> Result<Folds<'a>, RoleError> {
    let (sessions, calendar) = (sessions(known), grid.calendar());
    let before = match request.test_from {
        Some(date) => {
            let from = calendar.session_open(date);
            sessions.partition_point(|time| *time <= from)
        }
        None => sessions.len() * TRAINED[0] / TRAINED[1],
    };
    let too_few = |cause: String| {
        let first = sessions
            .get(before)
            .map(|time| calendar.session_date(*time));
        let from = request.test_from.or(first);
        let from = from.map_or_else(String::new, |date| format!(" from {date}"));
        RoleError::user("NotEnoughRows", format!("cannot test{from}: {cause}"))
    };
    if before <= 2 * parameters.horizon {
        return Err(too_few(format!("{before} bars lie before it")));
    }
    let cut = Cut {
        horizon: parameters.horizon,
        tested: sessions.len() - before,
        blocks: match request.refit_every {
            Some(sessions) => {
                let each = usize::try_from(grid.bars_per_session()).unwrap_or(1);
                Blocks::Sessions(sessions.saturating_mul(each))
            }
            None => Blocks::Count(1),
        },
        newest: parameters.max_sessions,
    };
    let folds = folds::cut(known, cut).map_err(|e| too_few(e.to_string()))?;
    Ok(folds.with_calibration())
}

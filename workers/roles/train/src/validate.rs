//! Walk-forward validation of a training run: every kind is fitted anew before each fold and judged on
//! the rows behind it.

use std::collections::BTreeMap;

use foresail_crds::model_manifest::{Evaluation, ResidualQuantiles};
use foresail_crds::pipeline::spec::{ModelKind, TrainingSpec};
use foresail_evaluation::bootstrap::{self, Bootstrap};
use foresail_evaluation::conformal::Coverage;
use foresail_evaluation::leak_guard::Verdict;
use foresail_evaluation::metrics::{self, Breakdown, Record, Unit};
use foresail_evaluation::walk_forward::Blocks;
use foresail_evaluation::{InputError, clark_west, conformal};
use foresail_model::{ModelError, Predictor};
use foresail_runtime_base::RoleError;

use crate::dataset::Sample;
use crate::evaluate::{records, relative};
use crate::fit::fit;
use crate::folds::{self, Cut, Fold};

/// Fewest rows a model is fitted on.
const FEWEST_ROWS: usize = 50;
/// Levels of the residual quantiles.
const LEVELS: [f64; 5] = [0.1, 0.25, 0.5, 0.75, 0.9];
/// Ends of the interval whose coverage is told, and what it should cover.
pub(crate) const INTERVAL: [f64; 2] = [0.1, 0.9];
const LEVEL: f64 = 0.8;

/// One kind in all folds.
pub(crate) struct Judged {
    pub kind: ModelKind,
    /// One per forecast and step, oldest first.
    pub records: Vec<Record>,
    /// Errors relative to the close, by fold, symbol and step.
    pub breakdown: Breakdown,
    /// As it is stored in the manifest.
    pub evaluation: Evaluation,
    /// Fitted before the newest fold.
    pub newest: Predictor,
}

/// Cuts the folds a spec declares.
///
/// # Errors
/// User error `NotEnoughRows`.
pub(crate) fn folds<'a>(
    rows: &[&'a Sample],
    spec: &TrainingSpec,
) -> Result<(Vec<Fold<'a>>, Verdict), RoleError> {
    let sessions = folds::sessions(rows).len();
    let few = |what: String| {
        let message = format!(
            "{sessions} sessions with known labels are too few to validate on ({what}); widen source.backfill, \
             shorten feature windows or raise training.maxSessions"
        );
        RoleError::user("NotEnoughRows", message)
    };
    let fraction = spec.validation_fraction.as_f64().unwrap_or(0.2);
    let tested = ((sessions as f64 * fraction).round() as usize).max(1);
    let parts = usize::try_from(spec.validation_folds).unwrap_or(1);
    let cut = Cut {
        horizon: usize::try_from(spec.horizon).unwrap_or(1).max(1),
        tested,
        blocks: Blocks::Count(parts.clamp(1, tested)),
        newest: None,
    };
    let (folds, overlap) = folds::cut(rows, cut).map_err(|e| few(e.to_string()))?;
    match folds.iter().map(|fold| fold.train.len()).min() {
        Some(least) if least >= FEWEST_ROWS => Ok((folds, overlap)),
        least => {
            let least = least.unwrap_or(0);
            Err(few(format!(
                "{least} rows to fit on before the first fold, {FEWEST_ROWS} are needed"
            )))
        }
    }
}

/// Judges one kind. `progress` hears of the epochs of a network, fold by fold.
///
/// # Errors
/// A fit that fails, a forecast that is not finite.
pub(crate) fn judge(
    kind: ModelKind,
    folds: &[Fold<'_>],
    spec: &TrainingSpec,
    progress: &dyn Fn(usize, u32, f64),
) -> Result<Judged, RoleError> {
    let wrong = |e: ModelError| RoleError::user("NotFinite", format!("{kind:?}: {e}"));
    let (mut all, mut newest) = (Vec::new(), None);
    for (number, fold) in folds.iter().enumerate() {
        let heard = |epoch, loss| progress(number, epoch, loss);
        let model = fit(kind, &fold.train, spec, &heard)?;
        for sample in &fold.test {
            all.extend(records(&model, sample, (spec.target, number)).map_err(wrong)?);
        }
        newest = Some(model);
    }
    let scales: Vec<Vec<f64>> = folds.iter().map(|fold| scale(fold, spec)).collect();
    let scale = |r: &Record| {
        let steps = scales.get(r.fold);
        steps
            .and_then(|s| s.get(r.step - 1))
            .copied()
            .unwrap_or(0.0)
    };
    let unfit = |e: InputError| RoleError::user("NotFinite", format!("{kind:?}: {e}"));
    let breakdown = metrics::breakdown(&all, Unit::Relative, &scale).map_err(unfit)?;
    let evaluation = evaluation(kind, &all, &breakdown, spec).map_err(unfit)?;
    let newest = newest.ok_or_else(|| RoleError::internal("NoFold", "no fold was fitted"))?;
    Ok(Judged {
        kind,
        records: all,
        breakdown,
        evaluation,
        newest,
    })
}

fn evaluation(
    kind: ModelKind,
    records: &[Record],
    breakdown: &Breakdown,
    spec: &TrainingSpec,
) -> Result<Evaluation, InputError> {
    let steps = breakdown.steps.len().max(1);
    let last = breakdown.steps.values().next_back();
    let losses = metrics::date_losses(records, Unit::Relative)?;
    let terms: Vec<f64> = losses.iter().map(|d| d.clark_west).collect();
    let horizon = usize::try_from(spec.horizon).unwrap_or(1);
    let nested = kind != ModelKind::Naive;
    Ok(Evaluation {
        kind,
        count: (records.len() / steps) as u64,
        rmse: breakdown.all.rmse,
        mae: breakdown.all.mae,
        mase: breakdown.all.mase.unwrap_or(0.0),
        directional_accuracy: last.and_then(|m| m.directional_accuracy).unwrap_or(0.5),
        p_value_vs_naive: nested.then(|| clark_west(&terms, horizon)),
        rmse_per_step: breakdown.steps.values().map(|m| m.rmse).collect(),
    })
}

/// What the naive forecast errs per step on the training rows of a fold.
fn scale(fold: &Fold<'_>, spec: &TrainingSpec) -> Vec<f64> {
    let mut sums = vec![0.0; usize::try_from(spec.horizon).unwrap_or(1)];
    let labels = fold.train.iter().filter_map(|s| s.labels.as_ref());
    for labels in labels {
        for (sum, label) in sums.iter_mut().zip(labels) {
            *sum += (relative(*label, spec.target) - 1.0).abs();
        }
    }
    let rows = fold.train.len().max(1) as f64;
    sums.iter().map(|sum| sum / rows).collect()
}

/// Actual minus forecast, relative to the close at forecast time.
pub(crate) fn residual(record: &Record) -> f64 {
    (record.actual - record.forecast) / record.close
}

/// Residual quantiles of walk-forward forecasts, all symbols together.
///
/// # Errors
/// Residuals that are not finite.
pub(crate) fn quantiles(
    records: &[Record],
    horizon: usize,
) -> Result<ResidualQuantiles, InputError> {
    let of = |step: usize| -> Vec<f64> {
        let own = records.iter().filter(|r| r.step == step);
        own.map(residual).collect()
    };
    let steps = (1..=horizon).map(|step| conformal::residual_quantiles(&of(step), &LEVELS));
    Ok(ResidualQuantiles {
        levels: LEVELS.to_vec(),
        steps: steps.collect::<Result<_, _>>()?,
        count: of(1).len() as u64,
    })
}

/// Realised coverage of the 80 % interval at the last step. Each fold but the first is judged with
/// intervals calibrated on the outcomes known before it; `None` with a single fold or too few dates.
pub(crate) fn coverage(records: &[Record], horizon: usize, seed: u64) -> Option<Coverage> {
    let last: Vec<&Record> = records.iter().filter(|r| r.step == horizon).collect();
    let mut dates: BTreeMap<i64, Vec<bool>> = BTreeMap::new();
    for fold in 1..=last.iter().map(|r| r.fold).max().unwrap_or(0) {
        let mut before: Vec<i64> = last
            .iter()
            .filter(|r| r.fold < fold)
            .map(|r| r.event_time)
            .collect();
        before.dedup();
        // The newest outcomes were not known yet when this fold began.
        let until = before.get(before.len().checked_sub(horizon)?)?;
        let known = last.iter().filter(|r| r.event_time < *until);
        let known: Vec<f64> = known.map(|r| residual(r)).collect();
        let ends = conformal::residual_quantiles(&known, &INTERVAL).ok()?;
        let (low, high) = (*ends.first()?, *ends.last()?);
        for record in last.iter().filter(|r| r.fold == fold) {
            let hit = (low..=high).contains(&residual(record));
            dates.entry(record.event_time).or_default().push(hit);
        }
    }
    let dates: Vec<Vec<bool>> = dates.into_values().collect();
    let shares: Vec<f64> = dates
        .iter()
        .map(|d| d.iter().filter(|hit| **hit).count() as f64 / d.len() as f64)
        .collect();
    let settings = Bootstrap {
        resamples: 1_000,
        confidence: 0.95,
        block: bootstrap::block_length(&shares, horizon).ok()?,
        seed,
    };
    conformal::realised_coverage(&dates, LEVEL, &settings).ok()
}

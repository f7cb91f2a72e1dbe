//! The one walk-forward engine, of training runs and of `evaluate`: a kind is fitted anew before each fold
//! and forecasts the rows behind it; every reported statistic comes from those records.

use foresail_crds::TrainingParameters;
use foresail_crds::model_manifest::{Evaluation, ResidualQuantiles};
use foresail_crds::pipeline::spec::ModelKind;
use foresail_evaluation::metrics::{self, Breakdown};
use foresail_evaluation::{InputError, Record, Unit, against_naive, conformal};
use foresail_model::{ModelError, Predictor};
use foresail_runtime_base::RoleError;

use super::folds::{Fold, Folds};
use crate::errors::{records, relative};
use crate::fit::{SILENT, fit};

/// Levels of the residual quantiles.
const LEVELS: [f64; 5] = [0.1, 0.25, 0.5, 0.75, 0.9];

/// One kind in all folds.
pub(crate) struct WalkForward {
    pub kind: ModelKind,
    /// Sessions ahead of the last step.
    pub horizon: usize,
    /// One per forecast and step, oldest first.
    pub records: Vec<Record>,
    /// Forecasts before the first fold; they calibrate intervals and count in no error.
    pub calibration: Vec<Record>,
    /// Errors relative to the close, by fold, symbol and step.
    pub breakdown: Breakdown,
    /// As it is stored in the manifest.
    pub evaluation: Evaluation,
    /// Fitted before the newest fold.
    pub newest: Predictor,
}

/// How far a walk-forward has come.
pub(crate) struct FoldProgress {
    /// From 0.
    pub fold: usize,
    /// From 1; 0 at the begin of the fold.
    pub epoch: usize,
    /// Mean loss in the epoch.
    pub loss: Option<f64>,
}

/// Forecasts every fold with one kind. `progress` is called at the begin of each fold, and after each epoch
/// of a network.
///
/// # Errors
/// A fit that fails, a forecast that is not finite.
pub(crate) fn walk_forward(
    kind: ModelKind,
    folds: &Folds,
    parameters: &TrainingParameters,
    progress: &dyn Fn(FoldProgress),
) -> Result<WalkForward, RoleError> {
    let not_finite = |cause: String| RoleError::user("NotFinite", format!("{kind:?}: {cause}"));
    let forecast = |model: &Predictor, fold: &Fold, number: usize| {
        let forecasts = fold.test.iter();
        let records = forecasts.map(|sample| records(model, sample, parameters.target, number));
        let records: Result<Vec<Vec<Record>>, ModelError> = records.collect();
        records.map_err(|e| not_finite(e.to_string()))
    };
    let mut calibration = Vec::new();
    if let Some(fold) = &folds.calibration {
        let model = fit(kind, &fold.train, parameters, SILENT)?;
        calibration = forecast(&model, fold, 0)?.concat();
    }
    let (mut all, mut newest) = (Vec::new(), None);
    for (number, fold) in folds.folds.iter().enumerate() {
        let report = |epoch, loss| {
            progress(FoldProgress {
                fold: number,
                epoch,
                loss,
            })
        };
        report(0, None);
        let on_epoch = |epoch, loss| report(epoch, Some(loss));
        let model = fit(kind, &fold.train, parameters, &on_epoch)?;
        all.extend(forecast(&model, fold, number)?.into_iter().flatten());
        newest = Some(model);
    }
    let breakdown = breakdown(&all, folds, parameters).map_err(|e| not_finite(e.to_string()))?;
    let evaluation = evaluation(kind, &all, &breakdown, parameters.horizon);
    Ok(WalkForward {
        kind,
        horizon: parameters.horizon,
        evaluation: evaluation.map_err(|e| not_finite(e.to_string()))?,
        records: all,
        calibration,
        breakdown,
        newest: newest.ok_or_else(|| RoleError::internal("NoFold", "no fold was fitted"))?,
    })
}

/// Metrics relative to the close; MASE is scaled by what the naive forecast errs per step on the training
/// rows of the fold.
fn breakdown(
    records: &[Record],
    folds: &Folds,
    parameters: &TrainingParameters,
) -> Result<Breakdown, InputError> {
    let scales: Vec<Vec<f64>> = folds
        .folds
        .iter()
        .map(|fold| naive_errors(fold, parameters))
        .collect();
    let scale = |r: &Record| {
        let steps = scales.get(r.fold);
        let scale = steps.and_then(|steps| steps.get(r.step - 1));
        scale.copied().unwrap_or(0.0)
    };
    metrics::breakdown(records, Unit::Relative, &scale)
}

fn naive_errors(fold: &Fold, parameters: &TrainingParameters) -> Vec<f64> {
    let mut sums = vec![0.0; parameters.horizon];
    let labels = fold.train.iter().filter_map(|s| s.labels.as_ref());
    for labels in labels {
        for (sum, label) in sums.iter_mut().zip(labels) {
            *sum += (relative(*label, parameters.target) - 1.0).abs();
        }
    }
    let rows = fold.train.len().max(1) as f64;
    sums.iter().map(|sum| sum / rows).collect()
}

fn evaluation(
    kind: ModelKind,
    records: &[Record],
    breakdown: &Breakdown,
    horizon: usize,
) -> Result<Evaluation, InputError> {
    let steps = breakdown.steps.len().max(1);
    let last = breakdown.steps.values().next_back();
    let losses = metrics::date_losses(records, Unit::Relative)?;
    // The naive forecast is not compared with itself.
    let tested = kind != ModelKind::Naive;
    let tests = tested.then(|| against_naive(&losses, horizon));
    Ok(Evaluation {
        kind,
        count: (records.len() / steps) as u64,
        rmse: breakdown.all.rmse,
        mae: breakdown.all.mae,
        mase: breakdown.all.mase.unwrap_or(0.0),
        directional_accuracy: last.and_then(|m| m.directional_accuracy).unwrap_or(0.5),
        p_value_vs_naive: tests.map(|p| p.clark_west),
        p_value_diebold_mariano: tests.map(|p| p.diebold_mariano),
        rmse_per_step: breakdown.steps.values().map(|m| m.rmse).collect(),
    })
}

/// Actual minus forecast, relative to the close at forecast time.
pub(crate) fn residual(record: &Record) -> f64 {
    (record.actual - record.forecast) / record.close
}

impl WalkForward {
    /// Records of the last step.
    pub(crate) fn last_step(&self) -> Vec<Record> {
        let last = self.records.iter().filter(|r| r.step == self.horizon);
        last.copied().collect()
    }

    /// Residual quantiles of the forecasts, all symbols together.
    ///
    /// # Errors
    /// Residuals that are not finite.
    pub(crate) fn residual_quantiles(&self) -> Result<ResidualQuantiles, InputError> {
        let residuals = |step: usize| -> Vec<f64> {
            let own = self.records.iter().filter(|r| r.step == step);
            own.map(residual).collect()
        };
        let steps =
            (1..=self.horizon).map(|step| conformal::residual_quantiles(&residuals(step), &LEVELS));
        Ok(ResidualQuantiles {
            levels: LEVELS.to_vec(),
            steps: steps.collect::<Result<_, _>>()?,
            count: residuals(1).len() as u64,
        })
    }
}

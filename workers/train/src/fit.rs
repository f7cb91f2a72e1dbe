//! Fits the declared kind on given rows. The scaler sees those rows only.

use foresail_crds::model_manifest::ScalerParameters;
use foresail_crds::pipeline::spec::{ModelKind, TrainingSpec};
use foresail_model::linear::Linear;
use foresail_model::{ModelError, Predictor, scaler};
use foresail_runtime_base::RoleError;

use crate::dataset::Sample;
use crate::network::{self, Examples};

/// A fitted model.
pub(crate) struct Fitted {
    pub predictor: Predictor,
    pub scaler: ScalerParameters,
    /// As stored; none for Naive.
    pub weights: Option<Vec<u8>>,
}

/// Fits `kind`.
///
/// # Errors
/// User errors `NotFittable` and `LossNotFinite`. `progress` hears of the epochs of a network.
pub(crate) fn fit(
    kind: ModelKind,
    samples: &[&Sample],
    spec: &TrainingSpec,
    progress: &dyn Fn(u32, f64),
) -> Result<Fitted, RoleError> {
    let raw: Vec<&[f64]> = samples.iter().map(|s| s.values()).collect();
    let scaler = scaler::fit(&raw);
    let horizon = usize::try_from(spec.horizon).unwrap_or(1);
    let wrong = |e: ModelError| RoleError::user("NotFittable", format!("{kind:?}: {e}"));
    let (predictor, weights) = match kind {
        ModelKind::Naive => {
            let predictor = Predictor::naive(scaler.mean.len(), horizon, spec.target);
            (predictor, None)
        }
        ModelKind::Linear => {
            let rows: Vec<Vec<f64>> = raw.iter().map(|r| scaler::apply(&scaler, r)).collect();
            let labels: Vec<&[f64]> = samples.iter().filter_map(|s| s.labels.as_deref()).collect();
            let ridge = spec.model.ridge.as_f64().unwrap_or(0.0);
            let model = Linear::fit(&rows, &labels, ridge).map_err(wrong)?;
            let weights = model.encode().map_err(wrong)?;
            let predictor = Predictor::from_linear(model, scaler.clone(), spec.target);
            (predictor, Some(weights))
        }
        ModelKind::Mlp | ModelKind::Lstm => {
            let sizes = (lookback(spec), horizon);
            let network = network::train(&examples(samples, &scaler, sizes), spec, progress)?;
            let weights = network.encode().map_err(wrong)?;
            let predictor = Predictor::from_network(network, scaler.clone(), spec.target, sizes);
            (predictor, Some(weights))
        }
    };
    Ok(Fitted {
        predictor,
        scaler,
        weights,
    })
}

/// Feature rows the declared kind looks at.
pub(crate) fn lookback(spec: &TrainingSpec) -> usize {
    match spec.model.kind {
        ModelKind::Lstm => usize::try_from(spec.lookback).unwrap_or(1).max(1),
        ModelKind::Naive | ModelKind::Linear | ModelKind::Mlp => 1,
    }
}

/// Scaled inputs and labels, flat.
fn examples(
    samples: &[&Sample],
    scaler: &ScalerParameters,
    (rows, steps): (usize, usize),
) -> Examples {
    let (mut inputs, mut labels) = (Vec::new(), Vec::new());
    let mut count = 0;
    for sample in samples {
        let Some(label) = &sample.labels else {
            continue;
        };
        for row in sample.rows(rows) {
            inputs.extend(scaler::apply(scaler, row).into_iter().map(|v| v as f32));
        }
        labels.extend(label.iter().map(|v| *v as f32));
        count += 1;
    }
    Examples {
        inputs,
        labels,
        count,
        rows,
        features: scaler.mean.len(),
        steps,
    }
}

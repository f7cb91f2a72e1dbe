//! Fits the declared kind on given rows. The scaler sees those rows only.

use foresail_crds::model_manifest::ScalerParameters;
use foresail_crds::pipeline::spec::{ModelKind, TrainingSpec};
use foresail_model::linear::Linear;
use foresail_model::{ModelError, Predictor, scaler};
use foresail_runtime_base::RoleError;

use crate::dataset::Sample;

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
/// User errors `KindNotAvailable` and `NotFittable`.
pub(crate) fn fit(
    kind: ModelKind,
    samples: &[&Sample],
    spec: &TrainingSpec,
) -> Result<Fitted, RoleError> {
    let raw: Vec<&[f64]> = samples.iter().map(|s| s.values.as_slice()).collect();
    let scaler = scaler::fit(&raw);
    let horizon = usize::try_from(spec.horizon).unwrap_or(1);
    let wrong = |e: ModelError| RoleError::user("NotFittable", format!("{kind:?}: {e}"));
    match kind {
        ModelKind::Naive => {
            let predictor = Predictor::naive(scaler.mean.len(), horizon, spec.target);
            Ok(Fitted {
                predictor,
                scaler,
                weights: None,
            })
        }
        ModelKind::Linear => {
            let rows: Vec<Vec<f64>> = raw.iter().map(|r| scaler::apply(&scaler, r)).collect();
            let labels: Vec<&[f64]> = samples.iter().filter_map(|s| s.labels.as_deref()).collect();
            let ridge = spec.model.ridge.as_f64().unwrap_or(0.0);
            let model = Linear::fit(&rows, &labels, ridge).map_err(wrong)?;
            let weights = Some(model.encode().map_err(wrong)?);
            let predictor = Predictor::from_linear(model, scaler.clone(), spec.target);
            Ok(Fitted {
                predictor,
                scaler,
                weights,
            })
        }
        ModelKind::Mlp | ModelKind::Lstm => {
            let message = format!(
                "training.model.kind {kind:?} is not available in this version; use Linear"
            );
            Err(RoleError::user("KindNotAvailable", message))
        }
    }
}

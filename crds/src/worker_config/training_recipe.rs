//! The two halves of `spec.training`: what a model depends on, and how the Job of a run is run.

use k8s_openapi::api::core::v1::ResourceRequirements;
use serde::{Deserialize, Serialize};

use crate::Decimal;
use crate::pipeline::spec::{ModelSpec, Target, TrainingSpec};

/// The part of `spec.training` that a model depends on. It travels in the manifest as well, which is
/// why unknown fields are let pass: older manifests hold the whole of `spec.training`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TrainingRecipe {
    /// Kind and its parameters.
    pub model: ModelSpec,
    /// What the model learns.
    pub target: Target,
    /// Bars ahead.
    pub horizon: u32,
    /// Feature rows a recurrent kind looks at.
    pub lookback: u32,
    /// Share of the newest training dates that are forecast for validation.
    pub validation_fraction: Decimal,
    /// Parts of the validation dates.
    pub validation_folds: u32,
    /// Newest sessions, each of the bars of a usual one, that are trained on; everything when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_sessions: Option<u32>,
    /// Most sessions, each of the bars of a usual one, that may be missing within a row; absent from manifests of a time without a limit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_gap_sessions: Option<u32>,
    /// Random seed.
    pub seed: u64,
}

/// The part of `spec.training` that says how the Job of a run is run, and leaves the model as it is.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct TrainingJob {
    /// CPU and memory of the pod.
    pub resources: Option<ResourceRequirements>,
    /// Longest run.
    pub active_deadline_seconds: i64,
    /// Retries of a failed pod.
    pub backoff_limit: i32,
}

impl From<&TrainingSpec> for TrainingRecipe {
    fn from(spec: &TrainingSpec) -> Self {
        Self {
            model: spec.model.clone(),
            target: spec.target,
            horizon: spec.horizon,
            lookback: spec.lookback,
            validation_fraction: spec.validation_fraction.clone(),
            validation_folds: spec.validation_folds,
            max_sessions: spec.max_sessions,
            max_gap_sessions: Some(spec.max_gap_sessions),
            seed: spec.seed,
        }
    }
}

impl From<&TrainingSpec> for TrainingJob {
    fn from(spec: &TrainingSpec) -> Self {
        Self {
            resources: spec.resources.clone(),
            active_deadline_seconds: spec.active_deadline_seconds,
            backoff_limit: spec.backoff_limit,
        }
    }
}

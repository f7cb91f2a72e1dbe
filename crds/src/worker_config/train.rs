//! What the trainer reads, and apart from it how its Job runs.

use foresail_domain::TradingCalendar;
use k8s_openapi::api::core::v1::ResourceRequirements;
use serde::{Deserialize, Serialize};

use super::RoleConfig;
use crate::Decimal;
use crate::names::{PipelineName, hash8};
use crate::pipeline::spec::{
    Adjustment, FeatureSpec, Instrument, LakeSpec, ModelSpec, PipelineSpec, Target, TrainingSpec,
};

/// Configuration of the trainer and of its tools.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct TrainConfig {
    /// Owner.
    pub pipeline: PipelineName,
    /// Where bars are read and artifacts written.
    pub lake: LakeSpec,
    /// What the model depends on.
    pub model: ModelInputs,
    /// Alarms per year that the level stored with a model accepts.
    pub false_alarms_per_year: Decimal,
}

/// Everything that makes another model from the same bars. Another one of these starts a run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ModelInputs {
    /// Traded instruments.
    pub instruments: Vec<Instrument>,
    /// Trading calendar.
    pub calendar: TradingCalendar,
    /// How corporate actions enter features and labels.
    pub adjustment: Adjustment,
    /// Feature set.
    pub features: Vec<FeatureSpec>,
    /// Model, target, split and seed.
    pub training: TrainingRecipe,
    /// Sessions in the monitor's window, which the drift reference is made for.
    pub drift_window_sessions: u32,
}

impl ModelInputs {
    /// Its identity.
    pub fn hash(&self) -> String {
        hash8(&serde_json::to_vec(self).expect("plain data always serialises"))
    }
}

/// The part of `spec.training` that a model depends on. It travels in the manifest as well, which is
/// why unknown fields are let pass: older manifests hold the whole of `spec.training`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TrainingRecipe {
    /// Kind and its parameters.
    pub model: ModelSpec,
    /// What the model learns.
    pub target: Target,
    /// Sessions ahead.
    pub horizon: u32,
    /// Feature rows a recurrent kind looks at.
    pub lookback: u32,
    /// Share of the newest training dates that are forecast for validation.
    pub validation_fraction: Decimal,
    /// Parts of the validation dates.
    pub validation_folds: u32,
    /// Newest sessions that are trained on; everything when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_sessions: Option<u32>,
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

impl TrainConfig {
    /// Identity of everything that may decide whether a run succeeds: an edit of any of it is worth
    /// another try after a failure.
    pub fn run_hash(&self, job: &TrainingJob) -> String {
        hash8(&serde_json::to_vec(&(self, job)).expect("plain data always serialises"))
    }
}

impl RoleConfig for TrainConfig {
    fn new(pipeline: PipelineName, spec: &PipelineSpec) -> Self {
        Self {
            pipeline,
            lake: spec.lake.clone(),
            model: ModelInputs {
                instruments: spec.instruments.clone(),
                calendar: spec.calendar,
                adjustment: spec.source.adjustment,
                features: spec.features.clone(),
                training: TrainingRecipe::from(&spec.training),
                drift_window_sessions: spec.drift.window_sessions,
            },
            false_alarms_per_year: spec.drift.false_alarms_per_year.clone(),
        }
    }

    fn pipeline(&self) -> &PipelineName {
        &self.pipeline
    }
}

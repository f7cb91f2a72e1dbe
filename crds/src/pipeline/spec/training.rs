//! `spec.training`: model kind, target, split, limits of a run.

use k8s_openapi::api::core::v1::ResourceRequirements;
use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::Decimal;

/// Training of one Pipeline.
#[derive(Serialize, Deserialize, KubeSchema, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct TrainingSpec {
    /// Model to serve.
    pub model: ModelSpec,
    /// What the model learns. Forecasts are served as closes either way.
    #[serde(default)]
    pub target: Target,
    /// Sessions ahead, 1 to 60; every step 1..=horizon is forecast.
    #[serde(default = "default_horizon")]
    #[schemars(range(min = 1, max = 60))]
    pub horizon: u32,
    /// Feature rows an Lstm looks at, 1 to 256; the other kinds use the last row.
    #[serde(default = "default_lookback")]
    #[schemars(range(min = 1, max = 256))]
    pub lookback: u32,
    /// Share of the newest training dates kept for validation, between 0.05 and 0.5.
    #[serde(default = "default_validation")]
    #[x_kube(validation = Rule::new("double(self) >= 0.05 && double(self) <= 0.5").message("training.validationFraction must be between 0.05 and 0.5"))]
    pub validation_fraction: Decimal,
    /// Train on at most this many newest sessions; everything when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 50, max = 100_000))]
    pub max_sessions: Option<u32>,
    /// Random seed.
    #[serde(default = "default_seed")]
    #[schemars(range(min = 0, max = 9007199254740991i64))]
    pub seed: u64,
    /// CPU and memory of the training pod.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resources: Option<ResourceRequirements>,
    /// A run that takes longer fails with reason DeadlineExceeded. 60 to 604800.
    #[serde(default = "default_deadline")]
    #[schemars(range(min = 60, max = 604_800))]
    pub active_deadline_seconds: i64,
    /// Retries of a failed training pod, 0 to 10. Configuration errors and OOM kills are not retried.
    #[serde(default = "default_backoff")]
    #[schemars(range(min = 0, max = 10))]
    pub backoff_limit: i32,
    /// Cron line (minute hour day month weekday) for trigger Schedule, for example `0 22 * * 5`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 9, max = 100), regex(pattern = r"^(\S+\s+){4}\S+$"))]
    pub schedule: Option<String>,
    /// Time zone of `schedule`, an IANA name.
    #[serde(default = "default_time_zone")]
    #[schemars(length(min = 1, max = 64))]
    pub time_zone: String,
}

/// Model kind and its parameters.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct ModelSpec {
    /// Kind to train and serve. The naive forecast is always evaluated beside it.
    pub kind: ModelKind,
    /// Ridge penalty of Linear, relative to the number of rows.
    #[serde(default = "default_ridge")]
    pub ridge: Decimal,
    /// Hidden units per layer of Mlp and Lstm, 1 to 1024.
    #[serde(default = "default_hidden")]
    #[schemars(range(min = 1, max = 1024))]
    pub hidden: u32,
    /// Passes over the training rows of Mlp and Lstm, 1 to 1000.
    #[serde(default = "default_epochs")]
    #[schemars(range(min = 1, max = 1000))]
    pub epochs: u32,
    /// Rows per gradient step, 1 to 65536.
    #[serde(default = "default_batch")]
    #[schemars(range(min = 1, max = 65_536))]
    pub batch_size: u32,
    /// Adam learning rate.
    #[serde(default = "default_learning_rate")]
    pub learning_rate: Decimal,
}

/// Model kinds.
#[derive(
    Serialize, Deserialize, JsonSchema, Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord,
)]
pub enum ModelKind {
    /// Every step equals the last close.
    Naive,
    /// Ridge regression, closed form.
    Linear,
    /// Two-layer perceptron on the last feature row.
    Mlp,
    /// Long short-term memory over `lookback` rows.
    Lstm,
}

/// Quantity a model is fitted to.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Target {
    /// Cumulative adjusted log return from the current close to each step.
    #[default]
    LogReturn,
    /// Relative change of the adjusted close to each step.
    Close,
}

fn default_horizon() -> u32 {
    5
}

fn default_lookback() -> u32 {
    30
}

fn default_validation() -> Decimal {
    "0.2".into()
}

fn default_seed() -> u64 {
    1
}

fn default_deadline() -> i64 {
    3600
}

fn default_backoff() -> i32 {
    2
}

fn default_time_zone() -> String {
    "UTC".into()
}

fn default_ridge() -> Decimal {
    "0.001".into()
}

fn default_hidden() -> u32 {
    32
}

fn default_epochs() -> u32 {
    20
}

fn default_batch() -> u32 {
    64
}

fn default_learning_rate() -> Decimal {
    "0.001".into()
}

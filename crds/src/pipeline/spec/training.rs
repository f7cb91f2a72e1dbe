//! `spec.training`: model kind, target, split, limits of a run.

use k8s_openapi::api::core::v1::ResourceRequirements;
use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::resources;
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
    /// Bars ahead, 1 to 60; every step 1..=horizon is forecast.
    #[serde(default = "default_horizon")]
    #[schemars(range(min = 1, max = 60))]
    pub horizon: u32,
    /// Feature rows an Lstm or a Gru reads, 1 to 256; the other kinds use the last row.
    #[serde(default = "default_lookback")]
    #[schemars(range(min = 1, max = 256))]
    pub lookback: u32,
    /// Share of the newest training dates that are forecast for validation, between 0.05 and 0.5. The
    /// served model is then fitted on all of them.
    #[serde(default = "default_validation")]
    #[x_kube(validation = Rule::new("double(self) >= 0.05 && double(self) <= 0.5").message("training.validationFraction must be between 0.05 and 0.5"))]
    pub validation_fraction: Decimal,
    /// Parts of the validation dates, 1 to 20. The model is fitted again before each (purged
    /// walk-forward), so more of them cost more training time and evaluate a newer model.
    #[serde(default = "default_folds")]
    #[schemars(range(min = 1, max = 20))]
    pub validation_folds: u32,
    /// Train on at most this many newest sessions, each of the bars of a usual one; everything when absent. At least
    /// 50 where a bar is a session.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 100_000))]
    pub max_sessions: Option<u32>,
    /// Most sessions, each of the bars of a usual one, that may be missing between two bars, 0 to 250. A row whose features or labels reach over a longer gap
    /// is left out of training and evaluation, and counted: returns and windows over it are of no single bar.
    #[serde(default = "default_max_gap")]
    #[schemars(range(min = 0, max = 250))]
    pub max_gap_sessions: u32,
    /// Random seed.
    #[serde(default = "default_seed")]
    #[schemars(range(min = 0, max = 9007199254740991i64))]
    pub seed: u64,
    /// CPU and memory of the training pod, as in any container. By default it requests cpu 250m and memory 256Mi, with a
    /// memory limit of 1Gi.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "resources::schema")]
    pub resources: Option<ResourceRequirements>,
    /// A run that takes longer fails with reason DeadlineExceeded. 60 to 604800.
    #[serde(default = "default_deadline")]
    #[schemars(range(min = 60, max = 604_800))]
    pub active_deadline_seconds: i64,
    /// Retries of a failed training pod, 0 to 10. Configuration errors and OOM kills are not retried.
    #[serde(default = "default_backoff")]
    #[schemars(range(min = 0, max = 10))]
    pub backoff_limit: i32,
    /// When trigger Schedule starts a run: a cron line (minute hour day month weekday), for example `0 22 * * 5`, or a time after
    /// the end of each session of the calendar, half days included, for example `close+30m` or `close+2h`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(
        length(min = 8, max = 100),
        regex(pattern = r"^((\S+\s+){4}\S+|close\+[0-9]{1,4}[mh])$")
    )]
    pub schedule: Option<String>,
    /// Time zone of the cron line in `schedule`, an IANA name.
    #[serde(default = "default_time_zone")]
    #[schemars(length(min = 1, max = 64))]
    pub time_zone: String,
}

/// Model kind and its parameters.
#[derive(Serialize, Deserialize, KubeSchema, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct ModelSpec {
    /// Kind to train and serve. The naive forecast is always evaluated beside it.
    pub kind: ModelKind,
    /// Ridge penalty of Linear, relative to the number of rows.
    #[serde(default = "default_ridge")]
    pub ridge: Decimal,
    /// Hidden units per layer of Mlp, Lstm and Gru, 1 to 1024.
    #[serde(default = "default_hidden")]
    #[schemars(range(min = 1, max = 1024))]
    pub hidden: u32,
    /// Layers of Lstm and Gru, 1 to 4.
    #[serde(default = "default_layers")]
    #[schemars(range(min = 1, max = 4))]
    pub layers: u32,
    /// Passes over the training rows of Mlp, Lstm and Gru, 1 to 1000.
    #[serde(default = "default_epochs")]
    #[schemars(range(min = 1, max = 1000))]
    pub epochs: u32,
    /// Lstm and Gru stop after so many epochs without a better loss on the newest tenth of the training
    /// dates (purged), and keep the best weights; 0 (default) runs all epochs on all rows.
    #[serde(default)]
    #[schemars(range(min = 0, max = 1000))]
    pub patience: u32,
    /// Rows per gradient step, 1 to 65536.
    #[serde(default = "default_batch")]
    #[schemars(range(min = 1, max = 65_536))]
    pub batch_size: u32,
    /// Learning rate of Adam.
    #[serde(default = "default_learning_rate")]
    pub learning_rate: Decimal,
    /// Share of `learningRate` that is left at the end of a cosine schedule, 0 to 1; 1 keeps it
    /// constant. Lstm and Gru.
    #[serde(default = "default_one")]
    #[x_kube(validation = Rule::new("double(self) >= 0.0 && double(self) <= 1.0").message("training.model.finalLearningRate must be between 0 and 1"))]
    pub final_learning_rate: Decimal,
    /// Weight decay per unit of learning rate (AdamW), 0 (Adam) to 1. Lstm and Gru.
    #[serde(default = "default_zero")]
    #[x_kube(validation = Rule::new("double(self) >= 0.0 && double(self) <= 1.0").message("training.model.weightDecay must be between 0 and 1"))]
    pub weight_decay: Decimal,
    /// Longest gradient; a longer one is scaled to it. 0: no limit. Lstm and Gru.
    #[serde(default = "default_one")]
    #[x_kube(validation = Rule::new("double(self) >= 0.0").message("training.model.clipNorm must be 0 or above"))]
    pub clip_norm: Decimal,
    /// Probability that a value between layers or of the last hidden state is dropped in training, 0 to
    /// below 1. Lstm and Gru.
    #[serde(default = "default_zero")]
    #[x_kube(validation = Rule::new("double(self) >= 0.0 && double(self) < 1.0").message("training.model.dropout must be 0 or above and below 1"))]
    pub dropout: Decimal,
    /// Trees per step of GradientBoosting, 1 to 2000.
    #[serde(default = "default_trees")]
    #[schemars(range(min = 1, max = 2000))]
    pub trees: u32,
    /// Depth of a tree of GradientBoosting, 1 to 12.
    #[serde(default = "default_depth")]
    #[schemars(range(min = 1, max = 12))]
    pub max_depth: u32,
    /// Weight of each tree of GradientBoosting, above 0 and at most 1.
    #[serde(default = "default_shrinkage")]
    #[x_kube(validation = Rule::new("double(self) > 0.0 && double(self) <= 1.0").message("training.model.shrinkage must be above 0 and at most 1"))]
    pub shrinkage: Decimal,
    /// Bars in a season of SeasonalNaive, 1 to 256.
    #[serde(default = "default_season")]
    #[schemars(range(min = 1, max = 256))]
    pub season: u32,
    /// Kinds an Ensemble averages; their weights come from the newest fifth of the training dates.
    #[serde(default = "default_members")]
    #[schemars(length(min = 1, max = 8))]
    #[x_kube(merge_strategy = ListMerge::Set)]
    #[x_kube(validation = Rule::new("self.all(k, k != 'Ensemble')").message("training.model.members must not hold Ensemble"))]
    pub members: Vec<ModelKind>,
}

/// Model kinds.
#[derive(
    Serialize, Deserialize, JsonSchema, Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord,
)]
pub enum ModelKind {
    /// Every step equals the last close.
    Naive,
    /// Every step equals the adjusted close one `season` before it.
    SeasonalNaive,
    /// Ridge regression, closed form.
    Linear,
    /// Two-layer perceptron on the last feature row.
    Mlp,
    /// Long short-term memory over `lookback` rows.
    Lstm,
    /// Gated recurrent unit over `lookback` rows.
    Gru,
    /// Gradient-boosted trees on the last feature row, one booster per step.
    GradientBoosting,
    /// Weighted mean of `members`.
    Ensemble,
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

fn default_folds() -> u32 {
    3
}

pub(crate) fn default_max_gap() -> u32 {
    10
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

fn default_layers() -> u32 {
    1
}

fn default_zero() -> Decimal {
    "0".into()
}

fn default_one() -> Decimal {
    "1".into()
}

fn default_trees() -> u32 {
    100
}

fn default_depth() -> u32 {
    3
}

fn default_shrinkage() -> Decimal {
    "0.05".into()
}

fn default_season() -> u32 {
    5
}

fn default_members() -> Vec<ModelKind> {
    vec![
        ModelKind::Naive,
        ModelKind::Linear,
        ModelKind::GradientBoosting,
    ]
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

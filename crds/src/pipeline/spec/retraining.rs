//! `spec.drift`, `spec.retraining`, `spec.promotion`: when a model is replaced.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::Decimal;
use crate::duration::DurationString;

/// Drift policy.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase", default)]
pub struct DriftSpec {
    /// Statistic that decides. Both are reported for each feature.
    pub metric: DriftMetric,
    /// `Calibrated`: the alarm level that gives `falseAlarmsPerYear` for the watched features on the training data.
    /// Or a fixed number for the largest raw feature score, for example `"0.2"`; persistent
    /// features exceed such a number in nearly every window.
    #[schemars(
        length(min = 1, max = 16),
        regex(pattern = r"^(Calibrated|[0-9]+(\.[0-9]+)?)$")
    )]
    pub threshold: String,
    /// Alarms per year accepted while nothing changed, between 0.01 and 50. An edit of it, or of `features`, gives
    /// another alarm level without a new version.
    #[schemars(extend("x-kubernetes-validations" = [{"rule": "double(self) >= 0.01 && double(self) <= 50.0", "message": "drift.falseAlarmsPerYear must be between 0.01 and 50"}]))]
    pub false_alarms_per_year: Decimal,
    /// Sessions in the current window, 1 to 1000, each of the bars of a usual one; at least 10 where a bar is a session. The
    /// monitor holds its window in memory: bars of parts of sessions allow fewer of them.
    #[schemars(range(min = 1, max = 1000))]
    pub window_sessions: u32,
    /// Features to watch, by name; all when empty.
    #[schemars(length(max = 64), inner(length(max = 48)))]
    pub features: Vec<String>,
}

impl Default for DriftSpec {
    fn default() -> Self {
        Self {
            metric: DriftMetric::Psi,
            threshold: "Calibrated".into(),
            false_alarms_per_year: "1".into(),
            window_sessions: 60,
            features: Vec::new(),
        }
    }
}

/// Drift statistic.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum DriftMetric {
    /// Population stability index over reference deciles.
    #[default]
    #[serde(rename = "PSI")]
    Psi,
    /// Kolmogorov-Smirnov distance against reference quantiles.
    #[serde(rename = "KS")]
    Ks,
}

/// When a new training run starts. The first run always starts when backfill is in the lake.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase", default)]
pub struct RetrainingSpec {
    /// Observations that start a run. The annotation `foresail.dev/retrain` (any new value)
    /// works always.
    #[schemars(length(max = 4))]
    pub triggers: Vec<RetrainTrigger>,
    /// Shortest time between the start of a run and a later one by Drift, Performance or DataRevised; runs asked
    /// for by a person or a schedule start at once. Counted in event time during replay.
    pub cooldown: DurationString,
    /// Most runs per day before Drift, Performance and DataRevised start no further one, 1 to 100. Counted in
    /// event time during replay.
    #[schemars(range(min = 1, max = 100))]
    pub max_per_day: u32,
    /// Sessions to collect after an alarm before the run starts, 0 to 1000, each of the bars of a usual one, so that the
    /// challenger has seen the new market. An alarm that lasted as long is answered once, also
    /// when it has ended meanwhile, for instance while the cooldown held the run back.
    #[schemars(range(min = 0, max = 1000))]
    pub settle_sessions: u32,
}

impl Default for RetrainingSpec {
    fn default() -> Self {
        Self {
            triggers: vec![RetrainTrigger::Drift, RetrainTrigger::Performance],
            cooldown: "5d".into(),
            max_per_day: 1,
            settle_sessions: 0,
        }
    }
}

/// Observation that starts a training run.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum RetrainTrigger {
    /// Feature drift above the threshold.
    Drift,
    /// Realised error worse than naive beyond its confidence bound.
    Performance,
    /// Bars that the champion was trained on were revised: a corrected close, a split that was told late.
    DataRevised,
    /// `training.schedule` has passed, and the lake has new bars.
    Schedule,
}

/// When a challenger replaces the champion.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase", default)]
pub struct PromotionSpec {
    /// Automatic, or Manual: wait for `championVersion`.
    pub mode: PromotionMode,
    /// Newest sessions kept out of the challenger's training and used to compare it with the
    /// champion, 1 to 1000, each of the bars of a usual one; at least 5 where a bar is a session.
    #[schemars(range(min = 1, max = 1000))]
    pub gate_window_sessions: u32,
    /// Smallest relative RMSE improvement over the champion that promotes, for example `"0.01"` for 1 %.
    #[schemars(extend("x-kubernetes-validations" = [{"rule": "double(self) >= -1.0 && double(self) <= 1.0", "message": "promotion.minimumEffect must be between -1 and 1"}]))]
    pub minimum_effect: Decimal,
    /// Serve exactly this version, whatever the gate says. Remove it to go back to automatic.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1))]
    pub champion_version: Option<u32>,
}

impl Default for PromotionSpec {
    fn default() -> Self {
        Self {
            mode: PromotionMode::Automatic,
            gate_window_sessions: 40,
            minimum_effect: "0".into(),
            champion_version: None,
        }
    }
}

/// Who promotes.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum PromotionMode {
    /// The gate.
    #[default]
    Automatic,
    /// A person, by `championVersion`.
    Manual,
}

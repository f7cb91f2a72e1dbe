//! What the trainer reads.

use foresail_domain::{BarGrid, Calendar, Interval};
use serde::{Deserialize, Serialize};

use super::{RoleConfig, TrainingJob, TrainingRecipe};
use crate::names::{PipelineName, hash8};
use crate::pipeline::spec::{
    Adjustment, FeatureSpec, Instrument, LakeSpec, PipelineSpec, default_max_gap,
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
}

/// Everything that makes another model from the same bars. Another one of these starts a run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ModelInputs {
    /// Traded instruments.
    pub instruments: Vec<Instrument>,
    /// Trading calendar.
    pub calendar: Calendar,
    /// Length of a bar.
    #[serde(default, skip_serializing_if = "Interval::is_default")]
    pub interval: Interval,
    /// How corporate actions enter features and labels.
    pub adjustment: Adjustment,
    /// Feature set.
    pub features: Vec<FeatureSpec>,
    /// Model, target, split and seed.
    pub training: TrainingRecipe,
    /// Sessions in the monitor's window, each of the bars of a usual one, which the drift reference is made for.
    pub drift_window_sessions: u32,
}

impl ModelInputs {
    /// Its identity. It stands in the status of every Pipeline that was trained: the same inputs must
    /// hash to the same in every release, or an upgrade trains every Pipeline again.
    pub fn hash(&self) -> String {
        let parts = (
            &self.instruments,
            &self.calendar,
            self.adjustment,
            &self.features,
            HashedTraining::from(&self.training),
            self.drift_window_sessions,
        );
        let interval = Some(self.interval).filter(|interval| !interval.is_default());
        let json = match interval {
            None => serde_json::to_vec(&parts),
            Some(interval) => serde_json::to_vec(&(parts, interval)),
        };
        hash8(&json.expect("plain data always serialises"))
    }

    /// Declared symbols in order.
    pub fn symbols(&self) -> Vec<String> {
        let symbols = self.instruments.iter().map(|i| i.symbol.to_string());
        symbols.collect()
    }

    /// Where bars begin and end.
    pub fn bar_grid(&self) -> BarGrid {
        BarGrid::new(self.calendar.clone(), self.interval)
    }
}

/// Training as the first release hashed it: with the fields of the Job, blank, and without what came later where that is
/// left at its default.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct HashedTraining {
    #[serde(flatten)]
    recipe: TrainingRecipe,
    active_deadline_seconds: i64,
    backoff_limit: i32,
    time_zone: &'static str,
}

impl From<&TrainingRecipe> for HashedTraining {
    fn from(recipe: &TrainingRecipe) -> Self {
        let mut recipe = recipe.clone();
        recipe.max_gap_sessions = recipe
            .max_gap_sessions
            .filter(|sessions| *sessions != default_max_gap());
        Self {
            recipe,
            active_deadline_seconds: 0,
            backoff_limit: 0,
            time_zone: "",
        }
    }
}

impl TrainConfig {
    /// Identity of everything that may decide whether a run succeeds: an edit of any of it is worth
    /// another try after a failure.
    /// The bars of the gate are among it: a run may have too few rows for them.
    pub fn run_hash(&self, job: &TrainingJob, gate_bars: u32) -> String {
        let all = (self, job, gate_bars);
        hash8(&serde_json::to_vec(&all).expect("plain data always serialises"))
    }
}

impl RoleConfig for TrainConfig {
    fn new(pipeline: PipelineName, spec: &PipelineSpec) -> Self {
        Self {
            pipeline,
            lake: spec.lake.clone(),
            model: ModelInputs {
                instruments: spec.instruments.clone(),
                calendar: spec.trading_calendar(),
                interval: spec.source.interval,
                adjustment: spec.source.adjustment,
                features: spec.features.clone(),
                training: TrainingRecipe::from(&spec.training),
                drift_window_sessions: spec.drift.window_sessions,
            },
        }
    }

    fn pipeline(&self) -> &PipelineName {
        &self.pipeline
    }
}

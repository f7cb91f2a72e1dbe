//! Arguments of a training run beside its configuration.

use serde::{Deserialize, Serialize};

use super::ServedVersion;
use crate::pipeline::status::Trigger;

/// One training run, given to the trainer as `--run <json>` and to nobody else.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TrainingRun {
    /// `hash8` over spec part, Delta version, trigger and attempt.
    pub run_id: String,
    /// Why it runs.
    pub trigger: Trigger,
    /// Pinned Delta table version.
    pub delta_version: u64,
    /// Champion to judge against; absent for a first version.
    pub champion: Option<ServedVersion>,
    /// Newest bars, in time, kept out of training to judge challenger and champion on. It comes with the run
    /// and not with the configuration: a champion does not change what a model depends on.
    pub gate_sessions: u32,
}

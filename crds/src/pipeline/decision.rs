//! The words of a decision: why a run starts, what was decided, for which reason. Each word is the
//! name of its variant, in status, in Events and in a ModelVersion.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Why a training run starts.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Trigger {
    /// The backfill is complete and nothing was trained yet.
    Initial,
    /// A drift alarm that lasted `retraining.settleSessions`.
    Drift,
    /// The champion is worse than the naive forecast beyond chance.
    Performance,
    /// Bars that the champion was trained on were revised.
    DataRevised,
    /// A time of `training.schedule`.
    Schedule,
    /// A new value of the retrain annotation.
    Manual,
    /// An edit of something a model or a failed run depends on.
    SpecChanged,
}

/// What was decided about training or promotion; also the reason of the Event that announces it.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Action {
    /// A run starts.
    TrainingStarted,
    /// A version becomes the champion.
    ModelPromoted,
    /// A version was refused.
    ModelRejected,
    /// A version waits for a person to pin it.
    ModelWaiting,
    /// The previous champion is back.
    RolledBack,
    /// A run is wanted and held back.
    RetrainSkipped,
}

/// Why it was decided.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Reason {
    /// See [`Trigger::Initial`].
    Initial,
    /// See [`Trigger::Drift`].
    Drift,
    /// See [`Trigger::Performance`].
    Performance,
    /// See [`Trigger::DataRevised`].
    DataRevised,
    /// See [`Trigger::Schedule`].
    Schedule,
    /// The retrain annotation started a run, or `promotion.mode` is Manual.
    Manual,
    /// An edit started a run, or only the new version has the declared features.
    SpecChanged,
    /// There was no version before.
    First,
    /// Better than the champion by enough.
    GatePassed,
    /// Not better than the champion by enough.
    GateFailed,
    /// Too few sessions are unseen by the champion to judge on.
    TooFewUnseen,
    /// The leak guard failed.
    LeakFound,
    /// `promotion.championVersion` names it.
    Pinned,
    /// The rollback annotation asks for it.
    Annotation,
    /// The champion's ModelVersion was deleted.
    VersionDeleted,
    /// `retraining.cooldown` has not passed since the last run.
    Cooldown,
    /// `retraining.maxPerDay` runs have started within a day.
    MaxPerDay,
}

impl From<Trigger> for Reason {
    fn from(trigger: Trigger) -> Self {
        match trigger {
            Trigger::Initial => Self::Initial,
            Trigger::Drift => Self::Drift,
            Trigger::Performance => Self::Performance,
            Trigger::DataRevised => Self::DataRevised,
            Trigger::Schedule => Self::Schedule,
            Trigger::Manual => Self::Manual,
            Trigger::SpecChanged => Self::SpecChanged,
        }
    }
}

impl fmt::Display for Trigger {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self:?}")
    }
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self:?}")
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self:?}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_reads_the_same_in_a_message_and_on_the_wire() {
        let words = [
            (
                Trigger::SpecChanged.to_string(),
                serde_json::to_string(&Trigger::SpecChanged),
            ),
            (
                Action::RetrainSkipped.to_string(),
                serde_json::to_string(&Action::RetrainSkipped),
            ),
            (
                Reason::MaxPerDay.to_string(),
                serde_json::to_string(&Reason::MaxPerDay),
            ),
        ];
        for (message, wire) in words {
            assert_eq!(format!("\"{message}\""), wire.unwrap());
        }
    }

    #[test]
    fn a_trigger_is_a_reason_of_the_same_name() {
        for trigger in [
            Trigger::Initial,
            Trigger::Drift,
            Trigger::Performance,
            Trigger::DataRevised,
            Trigger::Schedule,
            Trigger::Manual,
            Trigger::SpecChanged,
        ] {
            assert_eq!(trigger.to_string(), Reason::from(trigger).to_string());
        }
    }
}

//! Drift and realised error: scores, calibrated alarm levels, rolling monitors. Significance tests
//! are in `foresail-evaluation`.
//!
//! Pure: called by the trainer (reference and calibration, gate) and by the monitor (live windows).

mod calibrate;
mod monitor;
pub mod performance;
mod policy;
mod reference;
pub mod score;
mod window;

use thiserror::Error;

pub use monitor::{DriftMonitor, DriftObservation, Episode, FeatureScore};
pub use policy::{DriftPolicy, Threshold};
pub use reference::build_reference;

/// One trading session: the feature rows of all symbols at one event time.
#[derive(Clone, Debug, PartialEq)]
pub struct Session {
    /// Bar end, milliseconds UTC.
    pub event_time: i64,
    /// One row per symbol, values in the order of [`Sessions::names`].
    pub rows: Vec<Vec<f64>>,
}

/// Feature rows grouped by session, oldest first.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Sessions {
    /// Feature names.
    pub names: Vec<String>,
    /// Sessions in order of event time.
    pub sessions: Vec<Session>,
}

/// Why no reference or monitor can be made.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum DriftError {
    /// Fewer sessions than four windows.
    #[error(
        "{sessions} sessions are too few for a drift reference with windows of {window}; at least {needed} are needed"
    )]
    TooFewSessions {
        /// Sessions given.
        sessions: usize,
        /// Sessions in a window.
        window: usize,
        /// Fewest sessions.
        needed: usize,
    },
    /// No feature is named, or no session holds a row.
    #[error("a drift reference needs at least one feature and one feature row")]
    NoData,
    /// A value is NaN or infinite, or a row has the wrong number of values.
    #[error("feature `{name}` has a missing or non-finite value at {event_time} ms")]
    BadValue {
        /// Feature.
        name: String,
        /// Session.
        event_time: i64,
    },
    /// The policy names a feature that the reference does not hold.
    #[error("feature `{name}` of drift.features is not in the reference")]
    UnknownFeature {
        /// Feature.
        name: String,
    },
    /// A number in the policy is out of range.
    #[error("{field} is `{value}`; it must be {expected}")]
    BadPolicy {
        /// Field of the spec.
        field: &'static str,
        /// Its value.
        value: String,
        /// What it must be.
        expected: &'static str,
    },
}

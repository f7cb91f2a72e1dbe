//! What requests are for, and which of them go first.

use std::time::Duration;

use crate::YIELD;

/// What a request is for. A greater one goes first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Purpose {
    /// Reads again what was read before.
    Repair,
    /// Reads history.
    Backfill,
    /// Reads the newest bars.
    Live,
}

impl Purpose {
    /// How much longer this purpose lets a free second lie than live does.
    pub(crate) fn yields(self) -> Duration {
        match self {
            Self::Live => Duration::ZERO,
            Self::Backfill => YIELD,
            Self::Repair => YIELD * 2,
        }
    }
}

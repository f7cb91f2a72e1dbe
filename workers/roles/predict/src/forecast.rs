//! The answer about one symbol, as it is served, remembered and kept in Redis.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Forecast closes of the next bars of one symbol.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub(crate) struct Forecast {
    /// Instrument code.
    pub symbol: String,
    /// End of the bar it was made at, RFC 3339.
    #[schema(format = DateTime)]
    pub as_of: String,
    /// Version that made it.
    pub model_version: u32,
    /// Close of that bar.
    pub close: f64,
    /// Steps forecast.
    pub horizon: u32,
    /// Bars forecast, one per step: dates of sessions, or ends of bars (RFC 3339) where bars are parts of sessions.
    pub dates: Vec<String>,
    /// Forecast closes, raw prices as of `as_of`.
    pub mean_forecast: Vec<f64>,
    /// Closes per level of the version, as `"0.1"`; empty when it has none.
    #[serde(default)]
    #[schema(required)]
    pub quantiles: BTreeMap<String, Vec<f64>>,
    /// Same bar in milliseconds UTC.
    #[serde(skip_serializing, default)]
    #[schema(ignore)]
    pub event_time: i64,
}

/// Where an answer came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Origin {
    Local,
    Redis,
    Computed,
}

impl Origin {
    pub(crate) fn header(self) -> &'static str {
        match self {
            Self::Local => "hit-local",
            Self::Redis => "hit-redis",
            Self::Computed => "miss",
        }
    }
}

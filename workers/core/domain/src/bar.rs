//! A bar as traded, its identity, and the checks every bar passes before it is believed.

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::Interval;

/// One bar of one instrument: a session, or a part of it. Raw prices as traded. The value on the bars topic (JSON).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Bar {
    /// Instrument code.
    pub symbol: String,
    /// Length of the bar.
    pub interval: Interval,
    /// End of the bar, milliseconds since the Unix epoch, UTC.
    pub event_time: i64,
    /// First price, when known.
    pub open: Option<f64>,
    /// Highest price, when known.
    pub high: Option<f64>,
    /// Lowest price, when known.
    pub low: Option<f64>,
    /// Last price, positive.
    pub close: f64,
    /// Traded volume, when known.
    pub volume: Option<f64>,
    /// Shares after / shares before a split effective from this bar on; 1 without one.
    pub split_factor: f64,
    /// Cash dividend per share going ex with this bar; 0 without one.
    pub dividend: f64,
    /// When the row was read, milliseconds since the Unix epoch, UTC.
    pub ingested_at: i64,
    /// Where it came from.
    pub provider: String,
    /// 0 for the first report of a bar, higher for corrections.
    pub revision: u32,
}

/// What makes two records the same bar.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct BarIdentity {
    /// Instrument code.
    pub symbol: String,
    /// Length of the bar.
    pub interval: Interval,
    /// End of the bar, milliseconds UTC.
    pub event_time: i64,
    /// Revision.
    pub revision: u32,
}

/// Why a bar is refused. The variant name is the quarantine reason.
#[derive(Clone, Debug, PartialEq, Error)]
pub enum BarError {
    /// A number is NaN or infinite.
    #[error("{field} is not a finite number")]
    NotFinite {
        /// Field.
        field: &'static str,
    },
    /// A price is zero or below.
    #[error("{field} is {value}; prices must be above zero")]
    NotPositive {
        /// Field.
        field: &'static str,
        /// Value.
        value: f64,
    },
    /// High below low.
    #[error("high {high} is below low {low}")]
    HighBelowLow {
        /// High.
        high: f64,
        /// Low.
        low: f64,
    },
    /// Open or close outside low..=high.
    #[error("{field} {value} is outside low..high {low}..{high}")]
    OutsideRange {
        /// Field.
        field: &'static str,
        /// Value.
        value: f64,
        /// Low.
        low: f64,
        /// High.
        high: f64,
    },
    /// Volume below zero.
    #[error("volume {value} is negative")]
    NegativeVolume {
        /// Value.
        value: f64,
    },
    /// The bar ends after now.
    #[error("the bar ends at {event_time} ms, after now ({now} ms)")]
    InTheFuture {
        /// Bar end.
        event_time: i64,
        /// Clock of the caller.
        now: i64,
    },
    /// A number no market prints; the limits keep every derived feature finite.
    #[error("{field} is {value}; it must be between {least} and {most}")]
    OutOfBounds {
        /// Field.
        field: &'static str,
        /// Value.
        value: f64,
        /// Smallest accepted value.
        least: f64,
        /// Largest accepted value.
        most: f64,
    },
    /// A split factor or dividend that cannot be.
    #[error(
        "{field} is {value}; a split factor must be between 0.0001 and 10000, a dividend between 0 and 1e12"
    )]
    BadCorporateAction {
        /// Field.
        field: &'static str,
        /// Value.
        value: f64,
    },
}

impl BarError {
    /// CamelCase reason for the quarantine record.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::NotFinite { .. } => "NotFinite",
            Self::NotPositive { .. } => "NotPositive",
            Self::HighBelowLow { .. } => "HighBelowLow",
            Self::OutsideRange { .. } => "OutsideRange",
            Self::NegativeVolume { .. } => "NegativeVolume",
            Self::InTheFuture { .. } => "InTheFuture",
            Self::OutOfBounds { .. } => "OutOfBounds",
            Self::BadCorporateAction { .. } => "BadCorporateAction",
        }
    }
}

/// Accepted prices, far outside of any market's.
const PRICES: (f64, f64) = (1e-12, 1e12);
/// Accepted volumes.
const VOLUMES: (f64, f64) = (0.0, 1e24);
/// Accepted split factors.
const SPLITS: (f64, f64) = (1e-4, 1e4);
/// Accepted dividends per share.
const DIVIDENDS: (f64, f64) = (0.0, 1e12);

impl Bar {
    /// Identity within a Pipeline.
    pub fn identity(&self) -> BarIdentity {
        BarIdentity {
            symbol: self.symbol.clone(),
            interval: self.interval,
            event_time: self.event_time,
            revision: self.revision,
        }
    }

    /// Whether this one of two bars of a symbol and event time is the one that counts: a higher revision, unless nothing
    /// can be computed with its numbers and something with those of the other.
    pub fn counts_before(&self, other: &Self) -> bool {
        let usable = |bar: &Self| bar.check_numbers().is_ok();
        (usable(self), self.revision) > (usable(other), other.revision)
    }

    /// Checks the invariants of a bar against the caller's clock `now` (milliseconds UTC).
    ///
    /// # Errors
    /// The first broken invariant.
    pub fn check(&self, now: i64) -> Result<(), BarError> {
        self.check_numbers()?;
        self.check_range()?;
        if self.event_time > now {
            return Err(BarError::InTheFuture {
                event_time: self.event_time,
                now,
            });
        }
        Ok(())
    }

    /// The part of [`Self::check`] that looks at each number alone: finite and within bounds.
    ///
    /// # Errors
    /// The first number that is not.
    pub fn check_numbers(&self) -> Result<(), BarError> {
        for (field, value) in self.prices() {
            check_number(field, value)?;
            if value <= 0.0 {
                return Err(BarError::NotPositive { field, value });
            }
            within(field, value, PRICES)?;
        }
        if let Some(value) = self.volume {
            check_number("volume", value)?;
            if value < 0.0 {
                return Err(BarError::NegativeVolume { value });
            }
            within("volume", value, VOLUMES)?;
        }
        let actions = [
            ("splitFactor", self.split_factor, SPLITS),
            ("dividend", self.dividend, DIVIDENDS),
        ];
        for (field, value, (least, most)) in actions {
            if !(least..=most).contains(&value) {
                return Err(BarError::BadCorporateAction { field, value });
            }
        }
        Ok(())
    }

    fn prices(&self) -> impl Iterator<Item = (&'static str, f64)> + use<> {
        [
            ("open", self.open),
            ("high", self.high),
            ("low", self.low),
            ("close", Some(self.close)),
        ]
        .into_iter()
        .filter_map(|(field, value)| value.map(|v| (field, v)))
    }

    fn check_range(&self) -> Result<(), BarError> {
        let (low, high) = (self.low.unwrap_or(0.0), self.high.unwrap_or(f64::INFINITY));
        if high < low {
            return Err(BarError::HighBelowLow { high, low });
        }
        let outside = |&(_, value): &(&'static str, f64)| value < low || value > high;
        match self.prices().find(outside) {
            Some((field, value)) => Err(BarError::OutsideRange {
                field,
                value,
                low,
                high,
            }),
            None => Ok(()),
        }
    }
}

fn check_number(field: &'static str, value: f64) -> Result<(), BarError> {
    if value.is_finite() {
        Ok(())
    } else {
        Err(BarError::NotFinite { field })
    }
}

fn within(field: &'static str, value: f64, (least, most): (f64, f64)) -> Result<(), BarError> {
    if (least..=most).contains(&value) {
        Ok(())
    } else {
        Err(BarError::OutOfBounds {
            field,
            value,
            least,
            most,
        })
    }
}

#[cfg(test)]
mod tests;

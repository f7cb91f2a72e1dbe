//! A daily bar as traded, its identity, and the checks every bar passes before it is believed.

use serde::{Deserialize, Serialize};
use thiserror::Error;

/// Length of a bar.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize,
)]
pub enum Interval {
    /// One trading session.
    #[default]
    #[serde(rename = "1d")]
    Daily,
}

impl Interval {
    /// The name on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Daily => "1d",
        }
    }
}

/// One session of one instrument, raw prices as traded. The value on the bars topic (JSON).
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
    /// Shares after / shares before a split effective this session; 1 without one.
    pub split_factor: f64,
    /// Cash dividend per share going ex this session; 0 without one.
    pub dividend: f64,
    /// When the row was read, milliseconds since the Unix epoch, UTC.
    pub ingested_at: i64,
    /// Where it came from.
    pub provider: String,
    /// 0 for the first report of a session, higher for corrections.
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
    /// A split factor or dividend that cannot be.
    #[error(
        "{field} is {value}; a split factor must be above zero, a dividend not negative and below the close"
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
            Self::BadCorporateAction { .. } => "BadCorporateAction",
        }
    }
}

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

    /// Checks the invariants of a bar against the caller's clock `now` (milliseconds UTC).
    ///
    /// # Errors
    /// The first broken invariant.
    pub fn check(&self, now: i64) -> Result<(), BarError> {
        let optional = [("open", self.open), ("high", self.high), ("low", self.low)];
        let prices = optional
            .into_iter()
            .filter_map(|(field, value)| value.map(|v| (field, v)))
            .chain([("close", self.close)]);
        for (field, value) in prices.clone() {
            if !value.is_finite() {
                return Err(BarError::NotFinite { field });
            }
            if value <= 0.0 {
                return Err(BarError::NotPositive { field, value });
            }
        }
        self.check_range(prices)?;
        self.check_volume()?;
        self.check_actions()?;
        if self.event_time > now {
            return Err(BarError::InTheFuture {
                event_time: self.event_time,
                now,
            });
        }
        Ok(())
    }

    fn check_range(
        &self,
        prices: impl Iterator<Item = (&'static str, f64)>,
    ) -> Result<(), BarError> {
        let (low, high) = (self.low.unwrap_or(0.0), self.high.unwrap_or(f64::INFINITY));
        if high < low {
            return Err(BarError::HighBelowLow { high, low });
        }
        for (field, value) in prices {
            if value < low || value > high {
                return Err(BarError::OutsideRange {
                    field,
                    value,
                    low,
                    high,
                });
            }
        }
        Ok(())
    }

    fn check_volume(&self) -> Result<(), BarError> {
        match self.volume {
            Some(value) if !value.is_finite() => Err(BarError::NotFinite { field: "volume" }),
            Some(value) if value < 0.0 => Err(BarError::NegativeVolume { value }),
            _ => Ok(()),
        }
    }

    fn check_actions(&self) -> Result<(), BarError> {
        let (split, dividend) = (self.split_factor, self.dividend);
        if !(split.is_finite() && split > 0.0) {
            return Err(BarError::BadCorporateAction {
                field: "splitFactor",
                value: split,
            });
        }
        if !(dividend.is_finite() && dividend >= 0.0) {
            return Err(BarError::BadCorporateAction {
                field: "dividend",
                value: dividend,
            });
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    pub(crate) fn bar() -> Bar {
        Bar {
            symbol: "AAPL".into(),
            interval: Interval::Daily,
            event_time: 1_000,
            open: Some(10.0),
            high: Some(12.0),
            low: Some(9.0),
            close: 11.0,
            volume: Some(5.0),
            split_factor: 1.0,
            dividend: 0.0,
            ingested_at: 2_000,
            provider: "csv".into(),
            revision: 0,
        }
    }

    #[test]
    fn good_bars_pass_with_and_without_optional_fields() {
        assert_eq!(bar().check(1_000), Ok(()));
        let sparse = Bar {
            open: None,
            high: None,
            low: None,
            volume: None,
            ..bar()
        };
        assert_eq!(sparse.check(1_000), Ok(()));
    }

    #[test]
    fn each_broken_invariant_has_its_reason() {
        let cases = [
            (
                Bar {
                    close: f64::NAN,
                    ..bar()
                },
                "NotFinite",
            ),
            (
                Bar {
                    close: 0.0,
                    ..bar()
                },
                "NotPositive",
            ),
            (
                Bar {
                    open: Some(-1.0),
                    ..bar()
                },
                "NotPositive",
            ),
            (
                Bar {
                    high: Some(8.0),
                    ..bar()
                },
                "HighBelowLow",
            ),
            (
                Bar {
                    close: 12.5,
                    ..bar()
                },
                "OutsideRange",
            ),
            (
                Bar {
                    open: Some(8.9),
                    ..bar()
                },
                "OutsideRange",
            ),
            (
                Bar {
                    volume: Some(-1.0),
                    ..bar()
                },
                "NegativeVolume",
            ),
            (
                Bar {
                    volume: Some(f64::INFINITY),
                    ..bar()
                },
                "NotFinite",
            ),
            (
                Bar {
                    event_time: 1_001,
                    ..bar()
                },
                "InTheFuture",
            ),
            (
                Bar {
                    split_factor: 0.0,
                    ..bar()
                },
                "BadCorporateAction",
            ),
            (
                Bar {
                    dividend: -0.1,
                    ..bar()
                },
                "BadCorporateAction",
            ),
        ];
        for (bad, reason) in cases {
            assert_eq!(bad.check(1_000).unwrap_err().reason(), reason, "{bad:?}");
        }
    }

    #[test]
    fn json_round_trips_bit_for_bit() {
        let original = Bar {
            close: 0.1 + 0.2,
            open: None,
            ..bar()
        };
        let text = serde_json::to_string(&original).unwrap();
        let back: Bar = serde_json::from_str(&text).unwrap();
        assert_eq!(back.close.to_bits(), original.close.to_bits());
        assert_eq!(back, original);
        assert!(text.contains("\"eventTime\":1000") && text.contains("\"1d\""));
    }
}

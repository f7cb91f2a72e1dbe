//! How long bars are.

use std::fmt::{self, Display, Formatter};

use serde::{Deserialize, Serialize};

const MINUTE_MS: i64 = 60_000;

/// Length of a bar: `1m`, `5m`, `15m`, `30m`, `1h`, or `1d` for a whole session.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize,
)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum Interval {
    /// A minute.
    #[serde(rename = "1m")]
    OneMinute,
    /// Five minutes.
    #[serde(rename = "5m")]
    FiveMinutes,
    /// Fifteen minutes.
    #[serde(rename = "15m")]
    FifteenMinutes,
    /// Thirty minutes.
    #[serde(rename = "30m")]
    ThirtyMinutes,
    /// An hour.
    #[serde(rename = "1h")]
    OneHour,
    /// A session of the calendar.
    #[default]
    #[serde(rename = "1d")]
    Session,
}

impl Interval {
    /// All of them, the shortest first.
    pub const ALL: [Self; 6] = [
        Self::OneMinute,
        Self::FiveMinutes,
        Self::FifteenMinutes,
        Self::ThirtyMinutes,
        Self::OneHour,
        Self::Session,
    ];

    /// The name on the wire and in a spec.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::OneMinute => "1m",
            Self::FiveMinutes => "5m",
            Self::FifteenMinutes => "15m",
            Self::ThirtyMinutes => "30m",
            Self::OneHour => "1h",
            Self::Session => "1d",
        }
    }

    /// The interval of a name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|one| one.as_str() == name)
    }

    /// Milliseconds of a bar that nothing cuts short; `None` for a session, whose length the calendar knows.
    pub const fn length_ms(self) -> Option<i64> {
        let minutes = match self {
            Self::OneMinute => 1,
            Self::FiveMinutes => 5,
            Self::FifteenMinutes => 15,
            Self::ThirtyMinutes => 30,
            Self::OneHour => 60,
            Self::Session => return None,
        };
        Some(minutes * MINUTE_MS)
    }

    /// Whether a bar is a part of a session.
    pub const fn is_intraday(self) -> bool {
        self.length_ms().is_some()
    }

    /// Whether it is the interval where none is declared: documents of before intervals were declared have no word for it.
    pub fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

impl Display for Interval {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_on_the_wire() {
        for interval in Interval::ALL {
            let json = serde_json::to_value(interval).unwrap();
            assert_eq!(json, interval.as_str());
            assert_eq!(Interval::named(interval.as_str()), Some(interval));
            assert_eq!(serde_json::from_value::<Interval>(json).unwrap(), interval);
        }
        assert_eq!(Interval::named("2m"), None);
        assert_eq!(Interval::default().as_str(), "1d");
    }
}

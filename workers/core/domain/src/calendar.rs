//! Trading calendars: which dates are sessions, when a session begins and when it ends.
//!
//! The exchanges are files in `calendars`, made from the package `exchange_calendars` and compiled in (docs/adr/0025). Each
//! has a range of dates that it knows; outside of it answers are the usual weekdays and hours, and [`TradingCalendar::covers`]
//! tells them from facts.

use jiff::civil::{Date, Time, Weekday};
use jiff::tz::{Offset, TimeZone};
use jiff::{Span, Timestamp};
use serde::{Deserialize, Serialize};

use counting::{Sessions, day_after};
use exchange::Exchange;
pub use overrides::{BadOverride, Calendar, CalendarOverride};

mod counting;
mod exchange;
mod file;
mod overrides;

/// Trading calendar.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum TradingCalendar {
    /// New York Stock Exchange: 09:30 to 16:00 New York time, to 13:00 on half days (14:00 until 1992). Known from 1960
    /// through 2027.
    #[default]
    #[serde(rename = "XNYS")]
    Xnys,
    /// Nasdaq: the sessions of `XNYS`.
    #[serde(rename = "XNAS")]
    Xnas,
    /// London Stock Exchange: 08:00 to 16:30 London time, to 12:30 before Christmas and New Year. Known from 1960 through
    /// 2027.
    #[serde(rename = "XLON")]
    Xlon,
    /// Xetra, Frankfurt: 09:00 to 17:30 Berlin time, since 2010 to 14:00 on the last session of a year. Known from 1960
    /// through 2027.
    #[serde(rename = "XETR")]
    Xetr,
    /// Tokyo Stock Exchange: 09:00 to 15:30 Tokyo time (to 15:00 until November 1st, 2024), with a break from 11:30 to 12:30.
    /// Known from 1997 through 2027.
    #[serde(rename = "XTKS")]
    Xtks,
    /// Hong Kong Stock Exchange: 09:30 to 16:00 Hong Kong time (from 10:00 until March 4th, 2011), with a break from 12:00 to
    /// 13:00; half days end 12:00 (12:30 until 2010). Known from 1960 through 2027.
    #[serde(rename = "XHKG")]
    Xhkg,
    /// Monday to Friday without holidays, sessions end 21:00 UTC.
    Weekdays,
    /// Every day, sessions end 24:00 UTC (crypto).
    AlwaysOpen,
}

impl TradingCalendar {
    /// Every calendar, as a spec may name it.
    pub const ALL: [Self; 8] = [
        Self::Xnys,
        Self::Xnas,
        Self::Xlon,
        Self::Xetr,
        Self::Xtks,
        Self::Xhkg,
        Self::Weekdays,
        Self::AlwaysOpen,
    ];

    /// Its name in a spec.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Xnys => "XNYS",
            Self::Xnas => "XNAS",
            Self::Xlon => "XLON",
            Self::Xetr => "XETR",
            Self::Xtks => "XTKS",
            Self::Xhkg => "XHKG",
            Self::Weekdays => "Weekdays",
            Self::AlwaysOpen => "AlwaysOpen",
        }
    }

    /// True when `date` is a session. Where the calendar does not cover `date`: true on the weekdays that usually are,
    /// holidays included.
    pub fn is_session(self, date: Date) -> bool {
        match self.exchange() {
            Some(exchange) => exchange.is_session(date),
            None => self == Self::AlwaysOpen || is_weekday(date),
        }
    }

    /// The first date that the calendar knows.
    pub fn valid_from(self) -> Date {
        self.range().0
    }

    /// The last date that the calendar knows.
    pub fn valid_through(self) -> Date {
        self.range().1
    }

    /// Whether the calendar knows `date`. Where it does not, sessions are a guess: whoever depends on them has to ask.
    pub fn covers(self, date: Date) -> bool {
        let (from, through) = self.range();
        from <= date && date <= through
    }

    fn range(self) -> (Date, Date) {
        match self {
            Self::Weekdays | Self::AlwaysOpen => (Date::MIN, Date::MAX),
            // Of a calendar that could not be read no date is known.
            _ => self
                .exchange()
                .map_or((Date::MAX, Date::MIN), Exchange::range),
        }
    }

    fn exchange(self) -> Option<&'static Exchange> {
        match self {
            Self::Xnys => exchange::XNYS.as_ref(),
            Self::Xnas => exchange::XNAS.as_ref(),
            Self::Xlon => exchange::XLON.as_ref(),
            Self::Xetr => exchange::XETR.as_ref(),
            Self::Xtks => exchange::XTKS.as_ref(),
            Self::Xhkg => exchange::XHKG.as_ref(),
            Self::Weekdays | Self::AlwaysOpen => None,
        }
    }

    /// Beginning of the session of `date`, milliseconds since the Unix epoch, UTC; of `Weekdays` and `AlwaysOpen` the
    /// midnight of `date`. Also defined for dates that are no session, as [`Self::session_end`] is.
    pub fn session_open(self, date: Date) -> i64 {
        match self.exchange() {
            Some(exchange) => exchange.open(date),
            None => utc(date, 0),
        }
    }

    /// End of the session of `date`, milliseconds since the Unix epoch, UTC. Also defined for dates that are no session, or
    /// not known (the usual end), so that every bar has an event time.
    pub fn session_end(self, date: Date) -> i64 {
        match self.exchange() {
            Some(exchange) => exchange.close(date),
            None if self == Self::AlwaysOpen => utc(day_after(date), 0),
            None => utc(date, 21),
        }
    }

    /// Start and end of the break in the session of `date`, milliseconds since the Unix epoch, UTC.
    pub fn session_break(self, date: Date) -> Option<(i64, i64)> {
        self.exchange()?.pause(date)
    }

    /// The date whose session ends at `event_time`: the inverse of [`Self::session_end`]. Every exchange closes on the date in
    /// UTC that it is on its own clock.
    pub fn session_date(self, event_time: i64) -> Date {
        let at = Timestamp::from_millisecond(event_time).unwrap_or_default();
        let at = match self {
            // The session of a day ends at the next midnight.
            Self::AlwaysOpen => at.checked_sub(Span::new().milliseconds(1)).unwrap_or(at),
            _ => at,
        };
        at.to_zoned(TimeZone::UTC).date()
    }

    /// The date at an instant, on the clock of the exchange. `Weekdays` are the days of no exchange in particular: there
    /// it is the date of `written`, the clock that the instant was written in.
    pub fn date_at(self, at: Timestamp, written: Offset) -> Date {
        match self.exchange() {
            Some(exchange) => exchange.date_at(at),
            None if self == Self::AlwaysOpen => at.to_zoned(TimeZone::UTC).date(),
            None => written.to_datetime(at).date(),
        }
    }

    /// The first session after `date`.
    pub fn next_session(self, date: Date) -> Date {
        counting::next(self, date)
    }

    /// Sessions from `from` to `to`, both included.
    pub fn sessions(self, from: Date, to: Date) -> impl Iterator<Item = Date> {
        counting::between(self, from, to)
    }

    /// Number of sessions that ended after `from` and until `to`, milliseconds since the Unix epoch, UTC.
    pub fn sessions_ended(self, from: i64, to: i64) -> usize {
        counting::ended(self, from, to)
    }

    /// Lengths of the parts of a usual session as the calendar has it last, in milliseconds: one, or two around a break.
    pub fn usual_parts(self) -> [i64; 2] {
        const HOUR: i64 = 3_600_000;
        match self {
            Self::AlwaysOpen => [24 * HOUR, 0],
            Self::Weekdays => [21 * HOUR, 0],
            // Of a calendar that could not be read nothing is known; a session is still one bar or more.
            _ => self.exchange().map_or([HOUR, 0], Exchange::usual_parts),
        }
    }

    /// A time of a date on the clock of the exchange, UTC where there is none, in milliseconds since the Unix epoch; `None`
    /// for what cannot be counted so.
    pub fn instant(self, date: Date, time: Time) -> Option<i64> {
        let zone = self.exchange().map_or(TimeZone::UTC, Exchange::zone);
        let zoned = date.to_datetime(time).to_zoned(zone).ok()?;
        Some(zoned.timestamp().as_millisecond())
    }

    /// Sessions in an average year of this century, for annual rates.
    pub fn sessions_per_year(self) -> f64 {
        match self {
            Self::Xnys | Self::Xnas => 252.0,
            Self::Xlon => 253.0,
            Self::Xetr => 254.0,
            Self::Xtks => 245.0,
            Self::Xhkg => 247.0,
            Self::Weekdays => 261.0,
            Self::AlwaysOpen => 365.25,
        }
    }
}

impl Sessions for TradingCalendar {
    fn holds(&self, date: Date) -> bool {
        self.is_session(date)
    }

    fn end(&self, date: Date) -> i64 {
        self.session_end(date)
    }

    fn date(&self, event_time: i64) -> Date {
        self.session_date(event_time)
    }
}

/// A full hour in UTC.
fn utc(date: Date, hour: i8) -> i64 {
    let zoned = date.at(hour, 0, 0, 0).to_zoned(TimeZone::UTC);
    zoned.map_or(0, |z| z.timestamp().as_millisecond())
}

fn is_weekday(date: Date) -> bool {
    !matches!(date.weekday(), Weekday::Saturday | Weekday::Sunday)
}

#[cfg(test)]
mod tests;

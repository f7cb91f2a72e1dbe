//! Trading calendars: which dates are sessions and when a session ends.
//!
//! XNYS follows the exchange's published holiday rules since 1960 with its special closures;
//! half days end 13:00, all others 16:00 (also before October 1974), in New York time.

use jiff::civil::{Date, Weekday};
use jiff::tz::{Offset, TimeZone};
use jiff::{Span, Timestamp};
use serde::{Deserialize, Serialize};

mod xnys;

/// Trading calendar.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum TradingCalendar {
    /// New York Stock Exchange: sessions end 16:00 New York time, 13:00 on half days.
    #[default]
    #[serde(rename = "XNYS")]
    Xnys,
    /// Monday to Friday without holidays, sessions end 21:00 UTC.
    Weekdays,
    /// Every day, sessions end 24:00 UTC (crypto).
    AlwaysOpen,
}

impl TradingCalendar {
    /// Its name in a spec.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Xnys => "XNYS",
            Self::Weekdays => "Weekdays",
            Self::AlwaysOpen => "AlwaysOpen",
        }
    }

    /// True when `date` is a session.
    pub fn is_session(self, date: Date) -> bool {
        match self {
            Self::AlwaysOpen => true,
            Self::Weekdays => is_weekday(date),
            Self::Xnys => is_weekday(date) && !xnys::holiday(date),
        }
    }

    /// End of the session of `date`, milliseconds since the Unix epoch, UTC. Also defined for
    /// dates that are no session (16:00 New York time), so that every bar has an event time.
    pub fn session_end(self, date: Date) -> i64 {
        let zoned = match self {
            Self::AlwaysOpen => next_day(date).at(0, 0, 0, 0).to_zoned(TimeZone::UTC),
            Self::Weekdays => date.at(21, 0, 0, 0).to_zoned(TimeZone::UTC),
            Self::Xnys => {
                let hour = if xnys::half_day(date) { 13 } else { 16 };
                xnys::new_york(date, hour)
            }
        };
        zoned.map_or(0, |z| z.timestamp().as_millisecond())
    }

    /// The date whose session ends at `event_time`: the inverse of [`Self::session_end`].
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
        match self {
            Self::AlwaysOpen => at.to_zoned(TimeZone::UTC).date(),
            Self::Weekdays => written.to_datetime(at).date(),
            Self::Xnys => xnys::date_at(at),
        }
    }

    /// The first session after `date`.
    pub fn next_session(self, date: Date) -> Date {
        let mut next = next_day(date);
        while !self.is_session(next) && next < Date::MAX {
            next = next_day(next);
        }
        next
    }

    /// Sessions from `from` to `to`, both included.
    pub fn sessions(self, from: Date, to: Date) -> impl Iterator<Item = Date> {
        std::iter::successors(Some(from), |d| Some(next_day(*d)))
            .take_while(move |d| *d <= to)
            .filter(move |d| self.is_session(*d))
    }

    /// Number of sessions that ended after `from` and until `to`, milliseconds since the Unix epoch, UTC.
    pub fn sessions_ended(self, from: i64, to: i64) -> usize {
        if to <= from {
            return 0;
        }
        // A session ends on the date that `session_date` gives for its end, so only the two outer dates need a clock.
        let (first, last) = (self.session_date(from), self.session_date(to));
        let between = self.sessions(first, last).count();
        let before = usize::from(self.is_session(first) && self.session_end(first) <= from);
        let to_come = usize::from(self.is_session(last) && self.session_end(last) > to);
        between - before - to_come
    }

    /// Sessions in an average year, for annual rates.
    pub fn sessions_per_year(self) -> f64 {
        match self {
            Self::Xnys => 252.0,
            Self::Weekdays => 261.0,
            Self::AlwaysOpen => 365.25,
        }
    }
}

fn next_day(date: Date) -> Date {
    date.tomorrow().unwrap_or(Date::MAX)
}

fn is_weekday(date: Date) -> bool {
    !matches!(date.weekday(), Weekday::Saturday | Weekday::Sunday)
}

#[cfg(test)]
mod tests;

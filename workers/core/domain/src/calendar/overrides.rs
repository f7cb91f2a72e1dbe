//! What a user knows better than the calendar of an exchange: a storm that was not foreseen, a closure that has been announced
//! since, a day that the source of the calendar lacks.

use std::sync::Arc;

use jiff::Timestamp;
use jiff::civil::{Date, Time};
use jiff::tz::Offset;
use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::TradingCalendar;
use super::counting::{self, Sessions};

/// A day that is not as the calendar has it. Exactly one of `closed`, `open` and `closesAt` says what it is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct CalendarOverride {
    /// The day, `YYYY-MM-DD`.
    #[cfg_attr(
        feature = "schema",
        schemars(length(equal = 10), regex(pattern = r"^[0-9]{4}-[0-9]{2}-[0-9]{2}$"))
    )]
    pub date: String,
    /// True: the day is no session.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub closed: Option<bool>,
    /// True: the day is a session with the usual hours of its time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub open: Option<bool>,
    /// The day is a session that ends at this time on the clock of the exchange, `HH:MM` (UTC for `Weekdays` and `AlwaysOpen`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(
        feature = "schema",
        schemars(length(equal = 5), regex(pattern = r"^([01][0-9]|2[0-3]):[0-5][0-9]$"))
    )]
    pub closes_at: Option<String>,
}

/// Why an override is none.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("the calendar override of `{date}` {what}")]
pub struct BadOverride {
    date: String,
    what: &'static str,
}

/// What a day is instead.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Change {
    Closed,
    Open,
    /// A session that ends then, milliseconds since the Unix epoch.
    ClosesAt(i64),
}

/// The calendar of an exchange with what its user knows better. Cheap to clone. Without overrides it is written as the name of
/// the exchange alone.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "Written", into = "Written")]
pub struct Calendar {
    exchange: TradingCalendar,
    /// As they were declared.
    overrides: Arc<[CalendarOverride]>,
    /// By date, each once.
    changes: Arc<[(Date, Change)]>,
}

/// A calendar in a document.
#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum Written {
    Plain(TradingCalendar),
    Overridden {
        exchange: TradingCalendar,
        overrides: Vec<CalendarOverride>,
    },
}

impl TryFrom<Written> for Calendar {
    type Error = BadOverride;

    fn try_from(written: Written) -> Result<Self, BadOverride> {
        match written {
            Written::Plain(exchange) => Ok(exchange.into()),
            Written::Overridden {
                exchange,
                overrides,
            } => Self::new(exchange, &overrides),
        }
    }
}

impl From<Calendar> for Written {
    fn from(calendar: Calendar) -> Self {
        match calendar.overrides.is_empty() {
            true => Self::Plain(calendar.exchange),
            false => Self::Overridden {
                exchange: calendar.exchange,
                overrides: calendar.overrides.to_vec(),
            },
        }
    }
}

impl CalendarOverride {
    fn read(&self, exchange: TradingCalendar) -> Result<(Date, Change), &'static str> {
        let date: Date = self
            .date
            .parse()
            .map_err(|_| "needs a date, such as 2023-09-01")?;
        let change = match (self.closed, self.open, self.closes_at.as_deref()) {
            (Some(true), None, None) => Change::Closed,
            (None, Some(true), None) => Change::Open,
            (None, None, Some(time)) => Change::ClosesAt(close(exchange, date, time)?),
            _ => return Err("needs exactly one of `closed: true`, `open: true` and `closesAt`"),
        };
        Ok((date, change))
    }
}

fn close(exchange: TradingCalendar, date: Date, time: &str) -> Result<i64, &'static str> {
    const BAD: &str = "needs a time for `closesAt`, such as 12:30";
    if time.len() != 5 {
        return Err(BAD);
    }
    let time = Time::strptime("%H:%M", time).map_err(|_| BAD)?;
    let at = exchange.instant(date, time).ok_or(BAD)?;
    if at <= exchange.session_open(date) {
        return Err("closes before the session opens");
    }
    // Event times are read back as dates in UTC.
    if exchange.session_date(at) != date {
        return Err("closes when it is another day in UTC");
    }
    Ok(at)
}

impl From<TradingCalendar> for Calendar {
    fn from(exchange: TradingCalendar) -> Self {
        Self {
            exchange,
            overrides: Arc::default(),
            changes: Arc::default(),
        }
    }
}

impl Calendar {
    /// # Errors
    /// When an override has no date, not exactly one change, a time at which the day cannot end, or the date of another one.
    pub fn new(
        exchange: TradingCalendar,
        overrides: &[CalendarOverride],
    ) -> Result<Self, BadOverride> {
        let bad = |of: &CalendarOverride, what| BadOverride {
            date: of.date.clone(),
            what,
        };
        let mut changes = Vec::with_capacity(overrides.len());
        for of in overrides {
            let change = of.read(exchange).map_err(|what| bad(of, what))?;
            if changes.iter().any(|(date, _)| *date == change.0) {
                return Err(bad(of, "is there twice"));
            }
            changes.push(change);
        }
        changes.sort_unstable_by_key(|(date, _)| *date);
        Ok(Self {
            exchange,
            overrides: overrides.into(),
            changes: changes.into(),
        })
    }

    /// The same, and without overrides where one of them cannot be read. Whoever declares a calendar is told of it; whoever
    /// reads it afterwards has no use for an error.
    pub fn lenient(exchange: TradingCalendar, overrides: &[CalendarOverride]) -> Self {
        Self::new(exchange, overrides).unwrap_or_else(|_| exchange.into())
    }

    /// Whose it is.
    pub fn exchange(&self) -> TradingCalendar {
        self.exchange
    }

    /// What is not as the exchange's calendar has it, as it was declared.
    pub fn overrides(&self) -> &[CalendarOverride] {
        &self.overrides
    }

    /// Its name in a spec.
    pub fn name(&self) -> &'static str {
        self.exchange.name()
    }

    /// True when `date` is a session.
    pub fn is_session(&self, date: Date) -> bool {
        match self.change(date) {
            Some(change) => change != Change::Closed,
            None => self.exchange.is_session(date),
        }
    }

    /// As [`TradingCalendar::valid_from`].
    pub fn valid_from(&self) -> Date {
        self.exchange.valid_from()
    }

    /// As [`TradingCalendar::valid_through`], or the last override behind it.
    pub fn valid_through(&self) -> Date {
        let last = self.changes.last().map_or(Date::MIN, |(date, _)| *date);
        self.exchange.valid_through().max(last)
    }

    /// Whether `date` is known, from the calendar or an override.
    pub fn covers(&self, date: Date) -> bool {
        self.change(date).is_some() || self.exchange.covers(date)
    }

    /// Whether `date` is behind the last one that the exchange's calendar knows, and no override says what it is. Whether it
    /// is a session is a guess then, and nothing may be decided by it.
    pub fn is_expired(&self, date: Date) -> bool {
        date > self.exchange.valid_through() && self.change(date).is_none()
    }

    /// The last date up to which every session is known: the end of the exchange's calendar, and the days behind it for as
    /// long as an override says what they are, or their weekday usually is none.
    pub fn known_through(&self) -> Date {
        let end = self.exchange.valid_through();
        let follows = |date: &Date| date.tomorrow().ok();
        let is_told =
            |date: &Date| self.change(*date).is_some() || !self.exchange.is_session(*date);
        let told = std::iter::successors(follows(&end), follows).take_while(is_told);
        told.last().unwrap_or(end)
    }

    /// As [`TradingCalendar::session_open`].
    pub fn session_open(&self, date: Date) -> i64 {
        self.exchange.session_open(date)
    }

    /// As [`TradingCalendar::session_end`].
    pub fn session_end(&self, date: Date) -> i64 {
        match self.change(date) {
            Some(Change::ClosesAt(at)) => at,
            _ => self.exchange.session_end(date),
        }
    }

    /// As [`TradingCalendar::session_break`]; a session that ends before its break is over has none.
    pub fn session_break(&self, date: Date) -> Option<(i64, i64)> {
        let end = self.session_end(date);
        let pause = self.exchange.session_break(date);
        pause.filter(|(_, resumed)| *resumed < end)
    }

    /// As [`TradingCalendar::session_date`].
    pub fn session_date(&self, event_time: i64) -> Date {
        self.exchange.session_date(event_time)
    }

    /// As [`TradingCalendar::date_at`].
    pub fn date_at(&self, at: Timestamp, written: Offset) -> Date {
        self.exchange.date_at(at, written)
    }

    /// The first session after `date`.
    pub fn next_session(&self, date: Date) -> Date {
        counting::next(self, date)
    }

    /// Sessions from `from` to `to`, both included.
    pub fn sessions(&self, from: Date, to: Date) -> impl Iterator<Item = Date> {
        counting::between(self, from, to)
    }

    /// Number of sessions that ended after `from` and until `to`, milliseconds since the Unix epoch, UTC.
    pub fn sessions_ended(&self, from: i64, to: i64) -> usize {
        counting::ended(self, from, to)
    }

    /// Sessions in an average year, for annual rates.
    pub fn sessions_per_year(&self) -> f64 {
        self.exchange.sessions_per_year()
    }

    /// As [`TradingCalendar::usual_parts`].
    pub fn usual_parts(&self) -> [i64; 2] {
        self.exchange.usual_parts()
    }

    fn change(&self, date: Date) -> Option<Change> {
        let place = self.changes.binary_search_by_key(&date, |(date, _)| *date);
        place.ok().map(|place| self.changes[place].1)
    }
}

impl Sessions for &Calendar {
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

#[cfg(test)]
#[path = "overrides_tests.rs"]
mod tests;

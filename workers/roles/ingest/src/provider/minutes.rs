//! Which requests the bars within a session take. Pure.
//!
//! With the first bar of a session the newest `recheckSessions` are read again, with each later one the session so far. One
//! provider is asked for a window until now, the other for calendar months, or for its newest rows where these suffice.

use foresail_domain::Interval;
use foresail_providers::request::{ChartInterval, Kind, Minutes, Month};
use jiff::Span;
use jiff::civil::Date;

use super::entry::{Entry, Parts};
use super::timetable::Timetable;

/// Rows of a short answer, less some that may be of bars that nobody expects.
const SHORT: usize = 95;
/// Rows of months that are held before they are sent: bars of a minute of two months and more.
const MOST_ROWS: usize = 20_000;
/// Months that are asked for before what came is sent.
const MOST_MONTHS: u32 = 48;
/// Years of history that are asked for month by month where nothing says from when on it is wanted.
const HISTORY_YEARS: i16 = 2;

/// The rows of one provider that bars are made of. It may answer `30m` with rows of an hour, so that these are put together.
pub(crate) fn chart_interval(interval: Interval) -> ChartInterval {
    match interval {
        Interval::OneMinute => ChartInterval::OneMinute,
        Interval::FiveMinutes => ChartInterval::FiveMinutes,
        Interval::FifteenMinutes | Interval::ThirtyMinutes => ChartInterval::FifteenMinutes,
        Interval::OneHour => ChartInterval::Hour,
        Interval::Session => ChartInterval::Day,
    }
}

/// Those of the other one, whose hours are those of the clock: New York opens within one.
fn minutes(interval: Interval) -> Option<Minutes> {
    Some(match interval {
        Interval::OneMinute => Minutes::One,
        Interval::FiveMinutes => Minutes::Five,
        Interval::FifteenMinutes => Minutes::Fifteen,
        Interval::ThirtyMinutes | Interval::OneHour => Minutes::Thirty,
        Interval::Session => return None,
    })
}

/// First day of the sessions that are read with the next bar of a symbol, when it has one: those that are compared with the
/// first bar of a session, and the session itself with each later one.
pub(crate) fn first_day(mark: i64, timetable: &Timetable, now: i64) -> Date {
    let session = timetable.session(mark);
    if is_within_session(mark, timetable, now) {
        return session;
    }
    timetable.back(session, timetable.recheck().saturating_sub(1))
}

/// Whether the newest bar that is expected is of the session of the newest one that was sent.
fn is_within_session(mark: i64, timetable: &Timetable, now: i64) -> bool {
    let newest = timetable.newest_expected(now);
    newest.map(|end| timetable.session(end)) == Some(timetable.session(mark))
}

/// The start of the first session from a second on: a window that began within one would cut a bar.
pub(crate) fn first_start(second: i64, timetable: &Timetable) -> i64 {
    let day = timetable.today(second.saturating_mul(1000));
    let weeks = day.saturating_add(Span::new().days(60));
    let starts = timetable
        .sessions(day, weeks)
        .map(|date| timetable.start(date).div_euclid(1000));
    { starts }.find(|start| *start >= second).unwrap_or(second)
}

/// The next rows of one provider that are asked for; `None` when all were.
pub(crate) fn rows(entry: &Entry, timetable: &Timetable, now: i64) -> Option<Kind> {
    let interval = minutes(timetable.grid().interval())?;
    let parts = &entry.parts;
    let month = match (parts.asked_month, &parts.series) {
        // The newest rows were asked for.
        (None, Some(_)) => return None,
        (None, None) if newest_suffice(entry, timetable, now) => None,
        (asked, series) => {
            let held = series.as_ref().map_or(0, |series| series.rows.len());
            let next = match asked {
                Some(_) if held >= MOST_ROWS || parts.months >= MOST_MONTHS => None,
                Some(month) => month.next(),
                None => first_month(entry, timetable, now),
            };
            Some(next.filter(|month| Some(*month) <= last_month(entry, timetable, now))?)
        }
    };
    Some(Kind::Intraday { interval, month })
}

/// Whether the newest rows hold all that is to be read with the next bar.
fn newest_suffice(entry: &Entry, timetable: &Timetable, now: i64) -> bool {
    let Some(mark) = entry.mark.filter(|_| entry.review.is_none()) else {
        return false;
    };
    let interval = timetable.grid().interval();
    let rows_of_a_bar = match (interval.length_ms(), minutes(interval)) {
        (Some(length), Some(rows)) => length / (rows.seconds() * 1000),
        _ => 1,
    };
    let rows = timetable.bars_since(mark, now) * usize::try_from(rows_of_a_bar).unwrap_or(1);
    let is_compared = timetable.recheck() > 0 && !is_within_session(mark, timetable, now);
    entry.history.is_none() && rows <= SHORT && !is_compared
}

fn first_month(entry: &Entry, timetable: &Timetable, now: i64) -> Option<Month> {
    let first = match (entry.review, entry.mark, timetable.from()) {
        (Some(review), ..) => review.from,
        _ if entry.history.is_some() => return entry.history,
        (None, Some(mark), _) => first_day(mark, timetable, now),
        (None, None, Some(from)) => from,
        (None, None, None) => {
            let today = timetable.today(now);
            let back = Span::new().years(HISTORY_YEARS);
            today.saturating_sub(back)
        }
    };
    Month::of(first)
}

fn last_month(entry: &Entry, timetable: &Timetable, now: i64) -> Option<Month> {
    let today = timetable.today(now);
    let wanted = entry.review.map(|review| review.to).or(timetable.to());
    Month::of(wanted.map_or(today, |to| to.min(today)))
}

/// The month that is asked for next, when what was asked is a part of what is to be read.
pub(crate) fn next_month(
    entry: &Entry,
    parts: &Parts,
    timetable: &Timetable,
    now: i64,
) -> Option<Month> {
    let next = parts.asked_month?.next()?;
    (Some(next) <= last_month(entry, timetable, now)).then_some(next)
}

//! Which requests the bars of a symbol take. Pure.

use foresail_providers::request::{Kind, Provider, Size, Window};
use foresail_providers::{Request, Series};
use foresail_quota::{Level, Purpose};
use jiff::civil::Date;

use super::entry::Entry;
use super::timetable::Timetable;
use super::{minutes, part};

/// Rows of a compact answer, less some for days that the calendar does not know of.
const COMPACT: usize = 95;
/// Least sessions before the newest bar that are read again: a window that begins at it may be empty.
pub(crate) const OVERLAP: usize = 5;
/// Rows of a session are stamped some hours before its start by a fault of the provider.
const EARLY_STAMPS: i64 = 3 * 3600;
/// No provider has rows before this second: 1950-01-01.
const FIRST_SECOND: i64 = -631_152_000;
/// Its day.
pub(crate) const FIRST_DAY: Date = Date::constant(1950, 1, 1);
const DAY: i64 = 86_400;
/// Seconds behind now at which a window within a session ends: clocks differ.
const AHEAD: i64 = 3600;

/// What is known of the provider.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Source {
    pub provider: Provider,
    /// How much the key may read.
    pub level: Level,
}

/// What a request is for. A symbol is asked for when a bar of it is expected, and the answer brings that bar along with
/// whatever is older; only a window that ends before now is history alone.
pub(crate) fn purpose(request: &Request, now: i64) -> Purpose {
    match request.kind {
        Kind::Chart {
            window: Window::Period { to, .. },
            ..
        } if to <= now.div_euclid(1000) => Purpose::Backfill,
        _ if part::is_history(request, now) => Purpose::Backfill,
        _ => Purpose::Live,
    }
}

/// The next request about a symbol at `now`, milliseconds UTC; `None` when all is there, or nothing new is.
pub(crate) fn request(
    entry: &Entry,
    source: &Source,
    timetable: &Timetable,
    now: i64,
) -> Option<Request> {
    let kind = match (source.provider, &entry.parts.series) {
        (Provider::AlphaVantage, series) if timetable.is_intraday() => {
            match minutes::rows(entry, timetable, now) {
                Some(kind) => kind,
                None => actions(entry, series.as_ref()?, timetable, now)?,
            }
        }
        (Provider::AlphaVantage, None) => Kind::Daily(size(entry, source.level, timetable, now)),
        (Provider::AlphaVantage, Some(series)) => actions(entry, series, timetable, now)?,
        (Provider::Yahoo, _) => chart(entry, timetable, now)?,
    };
    Some(Request {
        symbol: entry.symbol.clone(),
        kind,
    })
}

/// What happened to the shares is asked once there is a bar that it may have happened to.
fn actions(entry: &Entry, series: &Series, timetable: &Timetable, now: i64) -> Option<Kind> {
    let is_news = entry.review.is_some() || has_news(entry, series, timetable, now);
    if !is_news || !entry.needs_actions(series, timetable) {
        return None;
    }
    match (&entry.parts.splits, &entry.parts.dividends) {
        (None, _) => Some(Kind::Splits),
        (_, None) => Some(Kind::Dividends),
        _ => None,
    }
}

/// Whether a series has a row that is to be sent.
pub(crate) fn has_news(entry: &Entry, series: &Series, timetable: &Timetable, now: i64) -> bool {
    let mut newest_first = series.rows.iter().rev();
    newest_first.any(|row| entry.wants(row, timetable, now))
}

/// All rows where the last ones do not reach back far enough, if the key may read them.
fn size(entry: &Entry, level: Level, timetable: &Timetable, now: i64) -> Size {
    let before = |date: Date| timetable.end(date.yesterday().unwrap_or(date));
    let again = entry.review.map(|review| before(review.from));
    let since = again
        .or(entry.mark)
        .or_else(|| timetable.from().map(before));
    let reaches = since.is_some_and(|since| timetable.bars_since(since, now) <= COMPACT);
    if reaches || entry.is_compact || level == Level::Compact {
        Size::Compact
    } else {
        Size::Full
    }
}

/// The next window. It ends behind now, so that every split up to now is among its events: the prices are restated for all
/// of them.
fn chart(entry: &Entry, timetable: &Timetable, now: i64) -> Option<Kind> {
    let interval = minutes::chart_interval(timetable.grid().interval());
    let second = now.div_euclid(1000);
    let ahead = if timetable.is_intraday() { AHEAD } else { DAY };
    let end = second + ahead;
    let from = match entry.parts.asked_to {
        Some(to) if to > second => return None,
        Some(to) => to,
        None => first_second(entry, timetable, now),
    };
    let widest = entry.widest_days.or(interval.widest_days());
    let widest = widest.map_or(end, |days| from + i64::from(days) * DAY);
    Some(Kind::Chart {
        interval,
        window: Window::Period {
            from,
            to: widest.min(end),
        },
    })
}

fn first_second(entry: &Entry, timetable: &Timetable, now: i64) -> i64 {
    let first = match (entry.review, entry.mark) {
        (Some(review), _) => Some(review.from),
        (None, Some(mark)) if timetable.is_intraday() => {
            Some(minutes::first_day(mark, timetable, now))
        }
        (None, Some(mark)) => {
            let overlap = timetable.recheck().max(OVERLAP);
            Some(timetable.back(timetable.session(mark), overlap))
        }
        (None, None) => timetable.from(),
    };
    let early = if timetable.is_intraday() {
        0
    } else {
        EARLY_STAMPS
    };
    let second = |date| timetable.start(date).div_euclid(1000) - early;
    let from = first.map_or(FIRST_SECOND, second);
    let reach = minutes::chart_interval(timetable.grid().interval()).reach_days();
    let Some(days) = entry.reach_days.or(reach) else {
        return from;
    };
    // A day less than the reach, since it is measured when the request arrives.
    let reach = now.div_euclid(1000) - (i64::from(days) - 1).max(0) * DAY;
    match from >= reach {
        true => from,
        false if timetable.is_intraday() => minutes::first_start(reach, timetable),
        false => reach,
    }
}

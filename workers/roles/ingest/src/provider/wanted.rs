//! Which requests the bars of a symbol take. Pure.

use foresail_providers::request::{ChartInterval, Kind, Provider, Size, Window};
use foresail_providers::{Request, Series};
use foresail_quota::{Level, Purpose};
use jiff::civil::Date;

use super::entry::Entry;
use super::timetable::Timetable;

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
        (Provider::AlphaVantage, None) => Kind::Daily(size(entry, source.level, timetable, now)),
        // What happened to the shares is asked once there is a bar that it may have happened to.
        (Provider::AlphaVantage, Some(series)) => {
            let is_news = entry.review.is_some() || has_news(entry, series, timetable, now);
            let missing = match (&entry.parts.splits, &entry.parts.dividends) {
                (None, _) => Kind::Splits,
                (_, None) => Kind::Dividends,
                _ => return None,
            };
            is_news.then_some(missing)?
        }
        (Provider::Yahoo, _) => chart(entry, timetable, now)?,
    };
    Some(Request {
        symbol: entry.symbol.clone(),
        kind,
    })
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
    let reaches = since.is_some_and(|since| timetable.sessions_since(since, now) <= COMPACT);
    if reaches || entry.is_compact || level == Level::Compact {
        Size::Compact
    } else {
        Size::Full
    }
}

/// The next window. It ends behind now, so that every split up to now is among its events: the prices are restated for all
/// of them.
fn chart(entry: &Entry, timetable: &Timetable, now: i64) -> Option<Kind> {
    let now = now.div_euclid(1000);
    let end = now + DAY;
    let from = match entry.parts.asked_to {
        Some(to) if to >= end - DAY => return None,
        Some(to) => to,
        None => first_second(entry, timetable, now),
    };
    let widest = entry.widest_days.map(|days| from + i64::from(days) * DAY);
    let to = widest.map_or(end, |widest| widest.min(end));
    Some(Kind::Chart {
        interval: ChartInterval::Day,
        window: Window::Period { from, to },
    })
}

fn first_second(entry: &Entry, timetable: &Timetable, now: i64) -> i64 {
    let first = match (entry.mark, timetable.from()) {
        _ if entry.review.is_some() => entry.review.map(|review| review.from),
        (Some(mark), _) => {
            let overlap = timetable.recheck().max(OVERLAP);
            Some(timetable.back(timetable.session(mark), overlap))
        }
        (None, from) => from,
    };
    let second = |date| timetable.start(date).div_euclid(1000) - EARLY_STAMPS;
    let from = first.map_or(FIRST_SECOND, second);
    // A day less than the reach, since it is measured when the request arrives.
    let reach = entry
        .reach_days
        .map(|days| now - (i64::from(days) - 1).max(0) * DAY);
    reach.map_or(from, |reach| from.max(reach))
}

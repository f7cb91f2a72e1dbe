//! Of what a request for bars within a session is a part: of a window, of a month, of history. Pure.

use foresail_providers::Request;
use foresail_providers::request::{Kind, Window};
use jiff::tz::TimeZone;

/// Days after which a month that has ended is history: the one before this one may be compared.
const COMPARED_DAYS: i64 = 45;
const DAY: i64 = 86_400;

/// Whether a request is one of several for the time that is wanted.
pub(crate) fn is_part(request: &Request) -> bool {
    match request.kind {
        Kind::Chart { interval, window } => {
            interval.seconds().is_some() && matches!(window, Window::Period { .. })
        }
        Kind::Intraday { month, .. } => month.is_some(),
        _ => false,
    }
}

/// Whether a request is for a month that has ended.
pub(crate) fn is_past(request: &Request, now: i64) -> bool {
    days_since(request, now).is_some_and(|days| days >= 1)
}

/// Whether a request is for history alone.
pub(crate) fn is_history(request: &Request, now: i64) -> bool {
    days_since(request, now).is_some_and(|days| days >= COMPARED_DAYS)
}

/// Days since the month of a request has ended.
fn days_since(request: &Request, now: i64) -> Option<i64> {
    let Kind::Intraday { month, .. } = request.kind else {
        return None;
    };
    let end = month?.next()?.first().to_zoned(TimeZone::UTC).ok()?;
    Some((now.div_euclid(1000) - end.timestamp().as_second()).div_euclid(DAY))
}

//! Refusals of the chart, told by their code and their words.

use super::document::Error;
use crate::body::folded;
use crate::headers::Headers;
use crate::request::ChartInterval;
use crate::verdict::Verdict;

/// What an error means; `None` when it is of no known kind.
pub(super) fn verdict(
    error: &Error,
    interval: ChartInterval,
    headers: &Headers,
) -> Option<Verdict> {
    let part = |text: &Option<String>| folded(text.as_deref().unwrap_or_default());
    let (code, text) = (part(&error.code), part(&error.description));
    let says = |words: &str| text.contains(words);
    if code == "not found" || says("no data found") {
        Some(Verdict::BadSymbol)
    } else if says("data doesn't exist for startdate") {
        Some(Verdict::Empty)
    } else if says("must be within the last") {
        let told = number_after(&text, "must be within the last ");
        let reach_days = told.or(interval.reach_days())?;
        Some(Verdict::OutOfReach { reach_days })
    } else if says("allowed to be fetched per request") {
        let widest_days = number_after(&text, "only ").or(interval.widest_days())?;
        Some(Verdict::WindowTooWide { widest_days })
    } else if code == "unauthorized"
        || code == "too many requests"
        || says("invalid crumb")
        || says("unable to access this feature")
        || says("too many requests")
    {
        let wait = headers.retry_after();
        Some(Verdict::Refused { wait })
    } else {
        says("will be right back").then_some(Verdict::Down)
    }
}

/// The number that stands behind some words; none of more than a million.
fn number_after(text: &str, words: &str) -> Option<u32> {
    let (_, rest) = text.split_once(words)?;
    let end = rest.find(|sign: char| !sign.is_ascii_digit());
    let digits = rest.get(..end.unwrap_or(rest.len()))?;
    digits
        .parse()
        .ok()
        .filter(|days| (1..1_000_000).contains(days))
}

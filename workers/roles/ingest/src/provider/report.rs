//! What is told of the symbols of a provider. Pure.

use foresail_crds::pipeline::status::{IngestStatus, MissingSymbol, ProviderState, RefetchState};
use foresail_crds::role_error::presentable;

use super::entry::Entry;
use super::timetable::Timetable;

/// Most symbols in status, and the longest texts there.
const MOST_MISSING: usize = 16;
const LONGEST_REASON: usize = 64;
const LONGEST_MESSAGE: usize = 256;

/// Writes into a status how far the source is. What was counted stands in it already.
pub(crate) fn told(entries: &[Entry], timetable: &Timetable, now: i64, status: &mut IngestStatus) {
    let has_bars = |symbol: &str| {
        let mut entries = entries.iter();
        entries.any(|entry| &*entry.symbol == symbol && entry.mark.is_some())
    };
    // Of a symbol that was not asked for since the start nothing is counted.
    status
        .symbols
        .retain(|symbol| symbol.bars > 0 || !has_bars(&symbol.symbol));
    let is_due = |entry: &Entry| entry.is_due(timetable, now);
    status.backfill_complete = entries.iter().all(|entry| entry.is_begun || !is_due(entry));
    // What is overdue and was asked for a moment ago is not there.
    let waits = |entry: &Entry| {
        let next = entry.next_attempt(timetable, now);
        entry.is_begun && next.is_some_and(|next| next > now)
    };
    let is_read = |entry: &Entry| !is_due(entry) || waits(entry);
    status.source_complete = entries.iter().all(is_read);
}

/// When something is due next; `None` when nothing will be.
pub(crate) fn next_time(entries: &[Entry], timetable: &Timetable, now: i64) -> Option<i64> {
    let attempts = entries
        .iter()
        .filter_map(|entry| entry.next_attempt(timetable, now));
    let reviews = entries
        .iter()
        .filter_map(|entry| entry.next_review(timetable, now));
    let reviews = reviews.map(|(at, _)| at);
    attempts
        .chain(reviews)
        .chain(timetable.next_expected(now))
        .min()
}

/// Bars that were sent and are no longer there, and the symbols that the provider has restated.
pub(crate) fn compared(entries: &[Entry], state: &mut ProviderState) {
    let left_out: usize = entries.iter().map(|entry| entry.left_out.len()).sum();
    let gaps = entries.iter().map(|entry| entry.gaps.counts());
    let add = |(a, b): (u64, u64), (open, closed): (u64, u64)| (a + open, b + closed);
    (state.sessions_asked_again, state.sessions_without_bar) = gaps.fold((0, 0), add);
    state.no_longer_sent = u64::try_from(left_out).unwrap_or(u64::MAX);
    let restated = entries.iter().filter(|entry| entry.restated.is_some());
    let restated = restated.map(|entry| entry.symbol.to_string());
    state.restated = restated.take(MOST_MISSING).collect();
}

/// How far what a person wants to be read again is.
pub(crate) fn refetched(entries: &[Entry], asked: &str) -> RefetchState {
    let left = entries.iter().filter(|entry| entry.refetch.is_some());
    RefetchState {
        asked: asked.to_owned(),
        left: u32::try_from(left.count()).unwrap_or(u32::MAX),
    }
}

/// Symbols whose newest expected bar is not there, and why.
pub(crate) fn missing(entries: &[Entry], timetable: &Timetable, now: i64) -> Vec<MissingSymbol> {
    let newest = timetable.newest_expected(now);
    let is_missing = |entry: &&Entry| entry.mark < newest;
    let told = entries.iter().filter(is_missing).filter_map(|entry| {
        let (reason, message) = entry.lack.as_ref()?;
        Some(MissingSymbol {
            symbol: entry.symbol.to_string(),
            reason: presentable(reason, LONGEST_REASON),
            message: presentable(message, LONGEST_MESSAGE),
        })
    });
    told.take(MOST_MISSING).collect()
}

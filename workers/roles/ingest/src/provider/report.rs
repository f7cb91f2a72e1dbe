//! What is told of the symbols of a provider. Pure.

use foresail_crds::pipeline::status::{IngestStatus, MissingSymbol};
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
    status.source_complete = !entries.iter().any(is_due);
}

/// When something is due next; `None` when nothing will be.
pub(crate) fn next_time(entries: &[Entry], timetable: &Timetable, now: i64) -> Option<i64> {
    let attempts = entries
        .iter()
        .filter_map(|entry| entry.next_attempt(timetable, now));
    attempts.chain(timetable.next_expected(now)).min()
}

/// Symbols whose newest expected bar is not there, and why.
pub(crate) fn missing(entries: &[Entry], timetable: &Timetable, now: i64) -> Vec<MissingSymbol> {
    let newest = timetable
        .newest_expected(now)
        .map(|date| timetable.end(date));
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

//! Sends the rows of a round through the one checker, session by session.

use std::collections::BTreeMap;

use foresail_bars::RawRow;
use foresail_crds::names::Topics;
use foresail_crds::records::Refusal;
use foresail_providers::Row;
use foresail_runtime_base::RoleError;
use jiff::civil::Date;

use super::entry::{Entry, Fate};
use super::timetable::Timetable;
use super::traded;
use crate::batch::{Batch, Progress};

/// Rows of all symbols on their way to batches.
pub(crate) struct Harvest {
    /// Oldest first, the symbols of a session in their order.
    rows: std::vec::IntoIter<(usize, Row)>,
    /// Answers of no known kind, with the index of their symbol.
    unknown: std::vec::IntoIter<(usize, String)>,
}

impl Harvest {
    /// What is ready of these symbols, and answers of no known kind.
    pub(crate) fn new(entries: &mut [Entry], unknown: Vec<(usize, String)>) -> Self {
        let mut sessions: BTreeMap<(Date, usize), Row> = BTreeMap::new();
        for (index, entry) in entries.iter_mut().enumerate() {
            let rows = std::mem::take(&mut entry.ready).into_iter();
            sessions.extend(rows.map(|row| ((row.date, index), row)));
        }
        let rows: Vec<_> = sessions
            .into_iter()
            .map(|((_, index), row)| (index, row))
            .collect();
        Self {
            rows: rows.into_iter(),
            unknown: unknown.into_iter(),
        }
    }

    /// The next batch, and whether there may be another. `next` counts the rows of this reading; `now` is wall time,
    /// milliseconds UTC.
    ///
    /// # Errors
    /// Internal error `Encoding`.
    pub(crate) fn batch(
        &mut self,
        (entries, timetable): (&mut [Entry], &Timetable),
        (progress, next): (&mut Progress, &mut u64),
        target: (&Topics, i64),
        now: i64,
    ) -> Result<(Batch, bool), RoleError> {
        let mut batch = Batch::default();
        for (index, scrubbed) in self.unknown.by_ref() {
            let Some(entry) = entries.get(index) else {
                continue;
            };
            let row = numbered(next, |position| {
                traded::unknown(&entry.symbol, &scrubbed, position)
            });
            let message = "an answer of no known kind; tell the makers of Foresail what it means";
            let refusal = Refusal::new("UnknownAnswer", message);
            progress.refuse((&row, refusal), &mut batch, target, now)?;
            if batch.is_full() {
                return Ok((batch, true));
            }
        }
        for (index, row) in self.rows.by_ref() {
            let Some(entry) = entries.get_mut(index) else {
                continue;
            };
            match entry.fate(&row, timetable) {
                Fate::Repeat => progress.repeat(&mut batch),
                Fate::Check => {
                    let raw = numbered(next, |position| traded::raw(&entry.symbol, &row, position));
                    let taken = progress.take(&raw, &mut batch, target, now)?;
                    entry.took(&row, taken, timetable);
                }
            }
            if batch.is_full() {
                return Ok((batch, true));
            }
        }
        Ok((batch, false))
    }
}

fn numbered(next: &mut u64, row: impl FnOnce(u64) -> RawRow) -> RawRow {
    let row = row(*next);
    *next += 1;
    row
}

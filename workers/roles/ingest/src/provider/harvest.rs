//! Sends the rows of a round through the one checker, bar by bar.

use std::collections::{BTreeMap, HashMap};

use foresail_bars::{Quote, RawRow};
use foresail_crds::names::Topics;
use foresail_crds::records::Refusal;
use foresail_providers::Row;
use foresail_runtime_base::RoleError;

use super::entry::{Entry, Fate};
use super::memory::quote;
use super::timetable::Timetable;
use super::traded;
use crate::batch::{Batch, Beside, Progress};

/// Rows of all symbols on their way to batches.
pub(crate) struct Harvest {
    /// Oldest first, the symbols of a bar in their order.
    rows: std::vec::IntoIter<(usize, Row)>,
    /// Answers of no known kind, with the index of their symbol.
    unknown: std::vec::IntoIter<(usize, String)>,
    /// Rows that are refused for a reason that is no fault of their own.
    refused: std::vec::IntoIter<(usize, Row, Refusal)>,
    /// The last row of each symbol that went by.
    passed: HashMap<usize, Quote>,
}

impl Harvest {
    /// What is ready of these symbols, and answers of no known kind.
    pub(crate) fn new(
        entries: &mut [Entry],
        unknown: Vec<(usize, String)>,
        timetable: &Timetable,
    ) -> Self {
        let mut bars: BTreeMap<(i64, usize), Row> = BTreeMap::new();
        for (index, entry) in entries.iter_mut().enumerate() {
            let rows = std::mem::take(&mut entry.ready);
            entry.harvests += u32::from(!rows.is_empty());
            let rows = rows.into_iter();
            bars.extend(rows.map(|row| ((timetable.row_end(&row), index), row)));
        }
        let rows: Vec<_> = bars
            .into_iter()
            .map(|((_, index), row)| (index, row))
            .collect();
        Self {
            rows: rows.into_iter(),
            unknown: unknown.into_iter(),
            refused: Vec::new().into_iter(),
            passed: HashMap::new(),
        }
    }

    /// The same with rows that are refused.
    pub(crate) fn with_refused(self, refused: Vec<(usize, Row, Refusal)>) -> Self {
        Self {
            refused: refused.into_iter(),
            ..self
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
        for (index, row, refusal) in self.refused.by_ref() {
            let Some(entry) = entries.get(index) else {
                continue;
            };
            let row = numbered(next, |position| traded::raw(&entry.symbol, &row, position));
            progress.refuse((&row, refusal), &mut batch, target, now)?;
            if batch.is_full() {
                return Ok((batch, true));
            }
        }
        for (index, row) in self.rows.by_ref() {
            let Some(entry) = entries.get_mut(index) else {
                continue;
            };
            let fate = entry.fate(&row, timetable);
            let raw = |next: &mut u64| {
                numbered(next, |position| traded::raw(&entry.symbol, &row, position))
            };
            let taken = match fate {
                Fate::Repeat => {
                    progress.repeat(&mut batch);
                    None
                }
                Fate::Check => Some(progress.take(&raw(next), &mut batch, target, now)?),
                Fate::Beside(revision) => {
                    let passed = self.passed.get(&index).copied();
                    let beside = Beside {
                        revision,
                        before: entry.memory.before(timetable.row_end(&row)).or(passed),
                        newest: entry.mark,
                        was_judged: entry.harvests <= 1,
                    };
                    Some(progress.beside((&raw(next), &beside), &mut batch, target, now)?)
                }
            };
            if let Some(taken) = taken {
                entry.took(&row, (fate, taken), timetable);
            }
            self.passed
                .insert(index, quote(&row, timetable.row_end(&row)));
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

//! Rows of one transaction: checked, counted, and what is news made into records.

use std::sync::Arc;

use foresail_bars::{CALENDAR_EXPIRED, Checker, Coverage, Quote, RawRow, RowOutcome, UNFINISHED};
use foresail_crds::names::Topics;
use foresail_crds::pipeline::status::IngestStatus;
use foresail_crds::records::{Refusal, SourceState};
use foresail_runtime_base::RoleError;
use foresail_runtime_kafka::Record;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use crate::marks::Marks;
use crate::overlap::Overlap;
use crate::reading::{Start, Trail};
use crate::records::{self, Target};
use crate::refusals::Refusals;
use crate::told::{Told, symbols};

/// Most rows in one transaction, those that leave no record included.
const ROWS: usize = 10_000;
/// Most records in one transaction. Each transaction costs the broker some 10 ms of processor time, whatever it holds; in tests a
/// process has to die between two of them.
const RECORDS: usize = if cfg!(test) { 500 } else { 2_000 };
/// Bytes of records after which a transaction is full: what is refused may be long.
const BYTES: usize = 1 << 20;

/// What is known at a row: the checks so far, and where news begins.
pub(crate) struct Progress {
    checker: Checker,
    trail: Trail,
    marks: Marks,
    start: Start,
    provider: &'static str,
    state: SourceState,
    refusals: Refusals,
    coverage: Coverage,
    overlap: Overlap,
    last_event_time: Option<i64>,
    /// Wall time of the newest record.
    last_news: Option<i64>,
    told: Told,
}

/// What became of a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Taken {
    /// A bar.
    Sent,
    /// A record of the quarantine.
    Refused,
    /// Of a session that was sent before.
    Unchanged,
    /// Not part of the Pipeline.
    OutOfScope,
}

/// A row of a session that is not newer than the newest bar of its symbol.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Beside {
    /// Revision of its bar: 0 when nothing was sent of the session.
    pub revision: u32,
    /// A close of an earlier session, by which its move is judged.
    pub before: Option<Quote>,
    /// Event time of the newest bar of the symbol.
    pub newest: Option<i64>,
    /// What cannot be a bar went to the quarantine before this process began.
    pub was_judged: bool,
}

/// Rows of one transaction.
#[derive(Default)]
pub(crate) struct Batch {
    pub records: Vec<Record>,
    /// Rows in no record, for the metrics: of other symbols or dates, and of sessions sent before.
    pub out_of_scope: u64,
    pub unchanged: u64,
    rows: usize,
    bytes: usize,
    /// What was known at the last record.
    last: Option<(SourceState, Trail)>,
}

impl Batch {
    /// Whether it should be committed before it takes more rows.
    pub(crate) fn is_full(&self) -> bool {
        self.rows >= ROWS || self.records.len() >= RECORDS || self.bytes >= BYTES
    }

    /// Ends it: its last record says how far ingest is.
    ///
    /// # Errors
    /// Internal error `Encoding`.
    pub(crate) fn close(&mut self) -> Result<(), RoleError> {
        let Some((mut state, trail)) = self.last.take() else {
            return Ok(());
        };
        state.digest = trail.digest();
        match self.records.last_mut() {
            Some(record) => records::remember(record, &state),
            None => Ok(()),
        }
    }
}

impl Progress {
    pub(crate) fn new(
        checker: Checker,
        trail: Trail,
        (start, marks): (Start, Marks),
        provider: &'static str,
    ) -> Self {
        let counted = start.counted.clone().unwrap_or_default();
        let state = SourceState {
            reading: start.reading,
            digest: String::new(),
            calendar_overrides: checker.calendar().overrides().to_vec(),
            interval: checker.grid().interval(),
            ..counted
        };
        let coverage = Coverage::new(checker.symbols());
        Self {
            checker,
            trail,
            last_event_time: marks.0.values().max().copied(),
            last_news: start.last_news,
            coverage,
            overlap: Overlap::default(),
            marks,
            start,
            provider,
            state,
            refusals: Refusals::default(),
            told: Told::default(),
        }
    }

    /// The rows that come next are of this file of a source that has several.
    pub(crate) fn enter(&mut self, file: Option<&Arc<str>>) {
        if let Some(file) = file {
            self.overlap.enter(file, &mut self.checker);
        }
    }

    /// The rows that come next are of this provider.
    pub(crate) fn set_provider(&mut self, provider: &'static str) {
        self.provider = provider;
        self.checker.set_provider(provider);
    }

    /// Whether a row leaves a record, as far as its position and its session tell.
    pub(crate) fn is_news(&self, row: &RawRow) -> bool {
        self.is_fresh(row) && !self.is_known(row)
    }

    /// Whether an earlier reading, or an earlier file of this one, has had this session of its symbol.
    fn is_known(&self, row: &RawRow) -> bool {
        let place = self.checker.place(row);
        self.marks.cover(place) || self.overlap.covers(place)
    }

    /// Whether no run has committed a row of this reading.
    pub(crate) fn is_fresh(&self, row: &RawRow) -> bool {
        row.position >= self.start.next
    }

    /// Checks the next row; `now` is wall time in milliseconds UTC.
    ///
    /// # Errors
    /// Internal error `Encoding`.
    pub(crate) fn take(
        &mut self,
        row: &RawRow,
        batch: &mut Batch,
        (topics, written): (&Topics, i64),
        now: i64,
    ) -> Result<Taken, RoleError> {
        self.trail.push(row);
        batch.rows += 1;
        let (fresh, known) = (self.is_fresh(row), self.is_known(row));
        let repeated = self.overlap.repeats(row, &mut self.checker);
        let outcome = self.checker.check(row, now);
        if !repeated {
            self.coverage.add(row, &outcome);
        }
        match &outcome {
            RowOutcome::Bar(bar, notes) => {
                self.last_event_time = self.last_event_time.max(Some(bar.event_time));
                self.overlap.see(bar);
                if !repeated {
                    self.told.add(notes, fresh);
                }
            }
            RowOutcome::Refused(_) if repeated => {}
            RowOutcome::Refused(refusal) => {
                self.refusals.add(row, refusal, self.overlap.file());
            }
            RowOutcome::OutOfScope => {
                batch.out_of_scope += u64::from(fresh);
                return Ok(Taken::OutOfScope);
            }
        }
        if fresh || self.start.counted.is_none() {
            self.count(&outcome, known);
        }
        if let RowOutcome::Refused(refusal) = &outcome {
            self.may_be_a_bar_later(row, refusal.reason);
        }
        batch.unchanged += u64::from(fresh && known);
        if !fresh || known {
            return Ok(Taken::Unchanged);
        }
        let target = Target { topics, written };
        let (record, taken) = match outcome {
            RowOutcome::Bar(bar, _) => (records::bar(&target, row, &bar)?, Taken::Sent),
            RowOutcome::Refused(refusal) => {
                let record = records::refused(&target, row, refusal, self.provider, now)?;
                (record, Taken::Refused)
            }
            RowOutcome::OutOfScope => return Ok(Taken::OutOfScope),
        };
        self.enter_record(record, batch, now);
        Ok(taken)
    }

    /// Keeps in mind when a row that was refused has to be read again.
    fn may_be_a_bar_later(&mut self, row: &RawRow, reason: &str) {
        let first = match reason {
            UNFINISHED => &mut self.state.unfinished,
            CALENDAR_EXPIRED => &mut self.state.expired,
            _ => return,
        };
        let end = self.checker.place(row).map(|(_, end)| end);
        *first = first.iter().copied().chain(end).min();
    }

    /// Counts a row that was taken before and has not changed.
    pub(crate) fn repeat(&mut self, batch: &mut Batch) {
        batch.rows += 1;
        batch.unchanged += 1;
        self.state.rows_read += 1;
        self.state.rows_unchanged += 1;
    }

    /// Checks a row beside the order of sessions: a correction, or a bar that was missing. `now` is wall time in milliseconds
    /// UTC.
    ///
    /// # Errors
    /// Internal error `Encoding`.
    pub(crate) fn beside(
        &mut self,
        (row, beside): (&RawRow, &Beside),
        batch: &mut Batch,
        (topics, written): (&Topics, i64),
        now: i64,
    ) -> Result<Taken, RoleError> {
        self.trail.push(row);
        batch.rows += 1;
        let mut outcome = self.checker.check_beside(row, beside.before, now);
        if matches!(outcome, RowOutcome::OutOfScope) {
            batch.out_of_scope += 1;
            return Ok(Taken::OutOfScope);
        }
        let is_known = beside.was_judged && matches!(outcome, RowOutcome::Refused(_));
        self.count(&outcome, is_known);
        if is_known {
            batch.unchanged += 1;
            return Ok(Taken::Refused);
        }
        if beside.revision == 0 {
            self.coverage.add(row, &outcome);
        }
        let target = Target { topics, written };
        let (mut record, taken) = match &mut outcome {
            RowOutcome::Bar(bar, notes) => {
                bar.revision = beside.revision;
                self.told.add(notes, true);
                let corrects = beside.revision > 0;
                self.state.rows_revised += u64::from(corrects);
                self.state.rows_late += u64::from(!corrects);
                (records::bar(&target, row, bar)?, Taken::Sent)
            }
            RowOutcome::Refused(refusal) => {
                self.refusals.add(row, refusal, None);
                let refusal = refusal.clone();
                let record = records::refused(&target, row, refusal, self.provider, now)?;
                (record, Taken::Refused)
            }
            RowOutcome::OutOfScope => return Ok(Taken::OutOfScope),
        };
        if let (Taken::Sent, Some(newest)) = (taken, beside.newest) {
            records::beside(&mut record, newest);
        }
        self.enter_record(record, batch, now);
        Ok(taken)
    }

    /// Sends what is no row at all to the quarantine; `now` is wall time in milliseconds UTC.
    ///
    /// # Errors
    /// Internal error `Encoding`.
    pub(crate) fn refuse(
        &mut self,
        (row, refusal): (&RawRow, Refusal),
        batch: &mut Batch,
        (topics, written): (&Topics, i64),
        now: i64,
    ) -> Result<(), RoleError> {
        self.trail.push(row);
        batch.rows += 1;
        self.refusals.add(row, &refusal, None);
        self.state.rows_read += 1;
        self.state.rows_quarantined += 1;
        let target = Target { topics, written };
        let record = records::refused(&target, row, refusal, self.provider, now)?;
        self.enter_record(record, batch, now);
        Ok(())
    }

    fn enter_record(&mut self, record: Record, batch: &mut Batch, now: i64) {
        batch.bytes += record.value.len();
        batch.records.push(record);
        self.last_news = Some(now);
        batch.last = Some((self.state.clone(), self.trail.clone()));
    }

    fn count(&mut self, outcome: &RowOutcome, known: bool) {
        let state = &mut self.state;
        state.rows_read += 1;
        match outcome {
            _ if known => state.rows_unchanged += 1,
            RowOutcome::Bar(bar, _) => {
                state.rows_sent += 1;
                let missing = bar.open.is_none() || bar.volume.is_none();
                state.missing_fields += u64::from(missing);
            }
            RowOutcome::Refused(_) => state.rows_quarantined += 1,
            RowOutcome::OutOfScope => {}
        }
    }

    /// Writes what is known into a status.
    pub(crate) fn report(&self, status: &mut IngestStatus) {
        status.rows_read = self.state.rows_read;
        status.rows_sent = self.state.rows_sent;
        status.rows_quarantined = self.state.rows_quarantined;
        status.rows_unchanged = self.state.rows_unchanged;
        status.rows_revised = self.state.rows_revised;
        status.rows_late = self.state.rows_late;
        status.missing_fields = self.state.missing_fields;
        status.refusals = self.refusals.list();
        self.told.report(status);
        status.last_event_time = self.last_event_time.and_then(time);
        status.last_news_time = self.last_news.and_then(time);
        status.symbols = symbols(&self.coverage);
        status.fitting_calendar = self.coverage.off_session().map(|(_, fits)| fits);
    }

    /// Whether a row was refused because its session had not ended, and it has by now, in milliseconds UTC.
    pub(crate) fn has_ended(&self, now: i64) -> bool {
        self.state.unfinished.is_some_and(|end| end <= now)
    }

    /// What a person wanted to be read again has been.
    pub(crate) fn refetched(&mut self, asked: &str) {
        self.state.refetched = Some(asked.to_owned());
    }

    /// Bars sent so far.
    pub(crate) fn rows_sent(&self) -> u64 {
        self.state.rows_sent
    }

    /// Rows read so far.
    pub(crate) fn rows_read(&self) -> u64 {
        self.state.rows_read
    }
}

fn time(ms: i64) -> Option<Time> {
    jiff::Timestamp::from_millisecond(ms).ok().map(Time)
}

#[cfg(test)]
#[path = "batch_tests.rs"]
mod tests;

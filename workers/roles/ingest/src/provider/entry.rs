//! What is known of one symbol: how far its bars were sent, what was answered, and what came of its rows. Pure.

use std::collections::{BTreeMap, BTreeSet};

use foresail_domain::Symbol;
use foresail_providers::request::Month;
use foresail_providers::{Request, Row, Verdict};
use jiff::civil::Date;

use super::gaps::Gaps;
use super::memory::{self, Found, Memory, Sent};
use super::part;
use super::review::Review;
use super::timetable::Timetable;
use crate::batch::Taken;

mod again;
mod listed;
mod own;
mod parts;

pub(crate) use listed::Listed;
pub(crate) use own::Own;
pub(crate) use parts::Parts;

/// A split or dividend: its day, and the ratio or amount.
type Action = (Date, f64);

/// How long a symbol that the provider does not know is left alone.
const REST: i64 = 24 * 60 * 60 * 1000;

/// One symbol.
#[derive(Debug)]
pub(crate) struct Entry {
    pub symbol: Symbol,
    /// Event time of its newest bar that was sent.
    pub mark: Option<i64>,
    /// What was answered about the bars that are due.
    pub parts: Parts,
    /// Rows that are ready to be sent.
    pub ready: Vec<Row>,
    /// When it was asked for last, all of it.
    pub attempted: Option<i64>,
    /// Why its newest expected bar is not there: a reason, and what happens next.
    pub lack: Option<(String, String)>,
    /// It was asked for, all of it, and what came was sent.
    pub is_begun: bool,
    /// The key reads the newest rows alone.
    pub is_compact: bool,
    /// Days back that the provider has.
    pub reach_days: Option<u32>,
    /// Days of the widest window.
    pub widest_days: Option<u32>,
    /// What was sent of its newest bars.
    pub memory: Memory,
    /// Ends of bars that were sent and that the provider no longer has.
    pub left_out: BTreeSet<i64>,
    /// The factor by which the provider has restated its past bars.
    pub restated: Option<f64>,
    /// Sessions without a bar.
    pub gaps: Gaps,
    /// What is read again now.
    pub review: Option<Review>,
    /// Days that a person wants to be read again.
    pub refetch: Option<(Date, Date)>,
    /// How often rows of it were sent since the topic was read.
    pub harvests: u32,
    /// Where its history is asked for month by month: the next one.
    pub history: Option<Month>,
    /// What came is a part of its history, and the rest is asked for as soon as it was sent.
    pub goes_on: bool,
    /// Splits and dividends as they were listed today, for bars within a session.
    pub listed: Option<Listed>,
    /// It is left alone until then.
    rests_until: Option<i64>,
    /// Nothing of it is read again until then.
    review_after: Option<i64>,
    /// The session with whose bar its history was read again last.
    turn: Option<Date>,
    /// Splits and dividends as the provider listed them last.
    actions: Option<Vec<Action>>,
    /// Those of its past have changed since its history was read.
    is_outdated: bool,
    /// End of the newest bar that the checker has had.
    looked: Option<i64>,
    /// Rows that went to the quarantine, by their ends: those behind the mark, and those of bars that are compared.
    refused: BTreeMap<i64, Row>,
    /// The answer of no known kind that went to the quarantine last.
    unknown: Option<String>,
}

/// What an answer leads to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// There may be more to ask.
    On,
    /// Enough of this symbol for now.
    Over,
}

/// What is to be done with a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    /// It goes through the checker, in the order of bars.
    Check,
    /// It goes through the checker by itself: a bar that was sent before, or is older than the newest one that was. It has
    /// this revision.
    Beside(u32),
    /// It was checked before.
    Repeat,
}

impl Entry {
    pub(crate) fn new(symbol: Symbol) -> Self {
        Self {
            symbol,
            mark: None,
            parts: Parts::default(),
            ready: Vec::new(),
            attempted: None,
            lack: None,
            is_begun: false,
            is_compact: false,
            reach_days: None,
            widest_days: None,
            memory: Memory::empty(0),
            left_out: BTreeSet::new(),
            restated: None,
            gaps: Gaps::default(),
            review: None,
            refetch: None,
            harvests: 0,
            history: None,
            goes_on: false,
            listed: None,
            rests_until: None,
            review_after: None,
            turn: None,
            actions: None,
            is_outdated: false,
            looked: None,
            refused: BTreeMap::new(),
            unknown: None,
        }
    }

    /// A new connection: what was sent is what the topic holds, and the checker knows nothing.
    pub(crate) fn reopen(&mut self, mark: Option<i64>, memory: Memory) {
        // What the topic does not hold was lost with its transaction.
        self.is_begun &= self.mark == mark;
        self.mark = mark;
        self.memory = memory;
        self.harvests = 0;
        self.history = None;
        self.goes_on = false;
        self.looked = None;
        self.refused.clear();
        self.unknown = None;
        self.ready.clear();
    }

    /// Whether a bar of it is expected that was not sent.
    pub(crate) fn is_due(&self, timetable: &Timetable, now: i64) -> bool {
        let rests = self.rests_until.is_some_and(|until| now < until);
        !rests && self.misses_newest(timetable, now)
    }

    /// The same, whether or not the account may be asked for it now.
    pub(crate) fn misses_newest(&self, timetable: &Timetable, now: i64) -> bool {
        let newest = timetable.newest_expected(now);
        newest.is_some_and(|end| self.mark.is_none_or(|mark| mark < end))
    }

    /// When it is asked for next, by what is known now; `None` when nothing of it is expected.
    pub(crate) fn next_attempt(&self, timetable: &Timetable, now: i64) -> Option<i64> {
        if let Some(until) = self.rests_until.filter(|until| now < *until) {
            return Some(until);
        }
        let next = |attempted: i64| timetable.again(attempted, now);
        self.is_due(timetable, now)
            .then(|| self.attempted.map_or(now, next))
    }

    /// Takes an answer to `request`.
    pub(crate) fn take(&mut self, request: &Request, verdict: Verdict, now: i64) -> Step {
        let reason = verdict.reason();
        match verdict {
            Verdict::Data(answer) => {
                self.parts.take(request, *answer);
                return Step::On;
            }
            Verdict::NotEntitled { instead: Some(_) } if !self.is_compact => {
                self.is_compact = true;
                return Step::On;
            }
            Verdict::OutOfReach { reach_days } if self.reach_days.is_none() => {
                self.reach_days = Some(reach_days);
                return Step::On;
            }
            Verdict::WindowTooWide { widest_days } if self.widest_days.is_none() => {
                self.widest_days = Some(widest_days.max(1));
                return Step::On;
            }
            // A part of the time without a row is no gap of the whole.
            Verdict::Empty
                if (self.widest_days.is_some() || part::is_part(request))
                    && self.parts.skip(request) =>
            {
                return Step::On;
            }
            // One provider says so of a month without a row as well.
            Verdict::BadSymbol
                if (self.mark.is_some() || part::is_past(request, now))
                    && part::is_part(request)
                    && self.parts.skip(request) =>
            {
                return Step::On;
            }
            Verdict::BadSymbol | Verdict::NotEntitled { .. } => {
                self.rests_until = Some(now.saturating_add(REST));
            }
            _ => {}
        }
        if self.parts.asked_to.is_some() {
            // Windows are asked from the first one again.
            self.parts = Parts::default();
        }
        self.goes_on = false;
        self.lacks(reason, next_step(reason));
        Step::Over
    }

    /// Takes note of why the newest expected bar is not there.
    pub(crate) fn lacks(&mut self, reason: &str, message: impl Into<String>) {
        self.lack = Some((reason.to_owned(), message.into()));
    }

    /// It was asked for, and is asked for again when it is due; at once, when what came was a part of its history.
    pub(crate) fn attempted(&mut self, now: i64) {
        self.attempted = (!self.goes_on).then_some(now);
        self.is_begun |= !self.goes_on;
    }

    /// Whether an answer of no known kind has not been seen yet.
    pub(crate) fn is_news(&mut self, unknown: &str) -> bool {
        let is_news = self.unknown.as_deref() != Some(unknown);
        self.unknown = Some(unknown.to_owned());
        is_news
    }

    /// Whether a row is of a bar that is expected, was not sent and was not refused as it is.
    pub(crate) fn wants(&self, row: &Row, timetable: &Timetable, now: i64) -> bool {
        let end = timetable.row_end(row);
        row.is_final
            && timetable.is_expected(row, now)
            && self.mark.is_none_or(|mark| end > mark)
            && !self
                .refused
                .get(&end)
                .is_some_and(|old| prices(old) == prices(row))
    }

    /// Whether a row would be sent, if it can be a bar.
    pub(crate) fn would_send(&self, row: &Row, timetable: &Timetable) -> bool {
        match self.fate(row, timetable) {
            Fate::Check => self.mark.is_none_or(|mark| timetable.row_end(row) > mark),
            Fate::Beside(_) => true,
            Fate::Repeat => false,
        }
    }

    /// What is to be done with a row.
    pub(crate) fn fate(&self, row: &Row, timetable: &Timetable) -> Fate {
        let end = timetable.row_end(row);
        let was_refused = self.refused.get(&end) == Some(row);
        if self.mark.is_none_or(|mark| end > mark) {
            return if was_refused {
                Fate::Repeat
            } else {
                Fate::Check
            };
        }
        match self.memory.compare(end, row) {
            Found::Known if !self.memory.covers(end) && self.fills_gap(row) => {
                if was_refused {
                    Fate::Repeat
                } else {
                    Fate::Beside(0)
                }
            }
            Found::Known if self.looked.is_some_and(|looked| end <= looked) => Fate::Repeat,
            Found::Known => Fate::Check,
            Found::Missing | Found::Changed(_) if was_refused => Fate::Repeat,
            Found::Missing => Fate::Beside(0),
            Found::Changed(_) if self.is_restated(end, row) => Fate::Repeat,
            Found::Changed(revision) => Fate::Beside(revision),
        }
    }

    /// Whether a row is the bar of a session that has none. Of one that is several bars those that it has are looked up.
    fn fills_gap(&self, row: &Row) -> bool {
        row.start.is_none() && self.gaps.contains(row.date)
    }

    /// Whether a row is one of those that the provider has restated.
    fn is_restated(&self, end: i64, row: &Row) -> bool {
        let both = self.restated.zip(self.memory.factor(end, row));
        both.is_some_and(|(restated, factor)| memory::is_one(factor / restated))
    }

    /// Takes note of how an answer fits what was sent.
    pub(crate) fn compare(&mut self, rows: &[Row], timetable: &Timetable) {
        let end = |row: &Row| timetable.row_end(row);
        self.restated = self.memory.restated(rows, end);
        let ends: Vec<i64> = rows.iter().map(end).collect();
        if let Some((first, last)) = ends.first().zip(ends.last()) {
            let asked = first..=last;
            self.left_out.retain(|end| !asked.contains(&end));
            self.left_out.extend(self.memory.left_out(&ends));
        }
    }

    /// Takes note of what became of a row that was checked.
    pub(crate) fn took(&mut self, row: &Row, (fate, taken): (Fate, Taken), timetable: &Timetable) {
        let end = timetable.row_end(row);
        match taken {
            Taken::Sent => {
                let newest = self.mark.map(|mark| timetable.session(mark));
                self.gaps.see(row.date, newest, timetable);
                self.mark = self.mark.max(Some(end));
                self.looked = self.looked.max(Some(end));
                let revision = match fate {
                    Fate::Beside(revision) => revision,
                    Fate::Check | Fate::Repeat => 0,
                };
                let row = Some(*row);
                self.memory.add(end, Sent { row, revision });
                let (mark, memory, gaps) = (self.mark, &self.memory, &self.gaps);
                self.refused.retain(|end, _| {
                    let session = timetable.session(*end);
                    Some(*end) > mark || memory.covers(*end) || gaps.contains(session)
                });
            }
            Taken::Unchanged => self.looked = self.looked.max(Some(end)),
            Taken::Refused => {
                self.refused.insert(end, *row);
            }
            Taken::OutOfScope => {}
        }
    }
}

/// What a provider said of a session, without the actions that are put to it.
fn prices(row: &Row) -> ([f64; 4], Option<f64>) {
    ([row.open, row.high, row.low, row.close], row.volume)
}

/// What happens next, and who can do something.
fn next_step(reason: &str) -> &'static str {
    match reason {
        "BadSymbol" => {
            "the provider does not know it; it is asked again in a day. Correct spec.instruments if it is written otherwise there"
        }
        "NotEntitled" => {
            "the account does not pay for it; it is asked again in a day. Change the plan with the provider"
        }
        "Unknown" => "the answer is of no known kind and is in the quarantine; it is asked again",
        _ => "the provider has no rows for this time; it is asked again",
    }
}

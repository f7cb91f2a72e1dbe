//! What is known of one symbol: how far its bars were sent, what was answered, and what came of its rows. Pure.

use std::collections::BTreeMap;

use foresail_domain::Symbol;
use foresail_providers::action::{Dividend, Split};
use foresail_providers::request::Window;
use foresail_providers::{Answer, Request, Row, Series, Verdict};
use jiff::civil::Date;

use super::timetable::Timetable;
use crate::batch::Taken;

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
    /// It is left alone until then.
    rests_until: Option<i64>,
    /// The newest session that the checker has had.
    looked: Option<Date>,
    /// Rows behind the mark that went to the quarantine.
    refused: BTreeMap<Date, Row>,
    /// The answer of no known kind that went to the quarantine last.
    unknown: Option<String>,
}

/// What was answered about one symbol.
#[derive(Debug, Default)]
pub(crate) struct Parts {
    pub series: Option<Series>,
    /// First second that was not asked for yet, where windows are asked one by one.
    pub asked_to: Option<i64>,
    pub splits: Option<Vec<Split>>,
    pub dividends: Option<Vec<Dividend>>,
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
    /// It goes through the checker.
    Check,
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
            rests_until: None,
            looked: None,
            refused: BTreeMap::new(),
            unknown: None,
        }
    }

    /// A new connection: what was sent is what the topic holds, and the checker knows nothing.
    pub(crate) fn reopen(&mut self, mark: Option<i64>) {
        // What the topic does not hold was lost with its transaction.
        self.is_begun &= self.mark == mark;
        self.mark = mark;
        self.looked = None;
        self.refused.clear();
        self.unknown = None;
        self.ready.clear();
    }

    /// Whether a bar of it is expected that was not sent.
    pub(crate) fn is_due(&self, timetable: &Timetable, now: i64) -> bool {
        let rests = self.rests_until.is_some_and(|until| now < until);
        let newest = timetable
            .newest_expected(now)
            .map(|date| timetable.end(date));
        !rests && newest.is_some_and(|end| self.mark.is_none_or(|mark| mark < end))
    }

    /// When it is asked for next, by what is known now; `None` when nothing of it is expected.
    pub(crate) fn next_attempt(&self, timetable: &Timetable, now: i64) -> Option<i64> {
        if let Some(until) = self.rests_until.filter(|until| now < *until) {
            return Some(until);
        }
        let next = |attempted: i64| attempted.saturating_add(timetable.poll());
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
            Verdict::Empty if self.widest_days.is_some() && self.parts.skip(request) => {
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
        self.lacks(reason, next_step(reason));
        Step::Over
    }

    /// Takes note of why the newest expected bar is not there.
    pub(crate) fn lacks(&mut self, reason: &str, message: impl Into<String>) {
        self.lack = Some((reason.to_owned(), message.into()));
    }

    /// It was asked for, and is asked for again when it is due.
    pub(crate) fn attempted(&mut self, now: i64) {
        self.attempted = Some(now);
        self.is_begun = true;
    }

    /// Whether an answer of no known kind has not been seen yet.
    pub(crate) fn is_news(&mut self, unknown: &str) -> bool {
        let is_news = self.unknown.as_deref() != Some(unknown);
        self.unknown = Some(unknown.to_owned());
        is_news
    }

    /// Whether a row is of a session that is expected, was not sent and was not refused as it is.
    pub(crate) fn wants(&self, row: &Row, timetable: &Timetable, now: i64) -> bool {
        row.is_final
            && timetable.is_expected(row.date, now)
            && self.mark.is_none_or(|mark| timetable.end(row.date) > mark)
            && !self
                .refused
                .get(&row.date)
                .is_some_and(|old| prices(old) == prices(row))
    }

    /// What is to be done with a row.
    pub(crate) fn fate(&self, row: &Row, timetable: &Timetable) -> Fate {
        let is_sent = self
            .mark
            .is_some_and(|mark| timetable.end(row.date) <= mark);
        let is_old = match is_sent {
            true => self.looked.is_some_and(|looked| row.date <= looked),
            false => self.refused.get(&row.date) == Some(row),
        };
        if is_old { Fate::Repeat } else { Fate::Check }
    }

    /// Takes note of what became of a row that was checked.
    pub(crate) fn took(&mut self, row: &Row, taken: Taken, timetable: &Timetable) {
        match taken {
            Taken::Sent => {
                self.mark = self.mark.max(Some(timetable.end(row.date)));
                self.looked = self.looked.max(Some(row.date));
                self.refused.retain(|date, _| *date > row.date);
            }
            Taken::Unchanged => self.looked = self.looked.max(Some(row.date)),
            Taken::Refused => {
                self.refused.insert(row.date, *row);
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

impl Parts {
    fn take(&mut self, request: &Request, answer: Answer) {
        match answer {
            Answer::Series(series) => {
                self.skip(request);
                match &mut self.series {
                    Some(known) => append(known, series),
                    None => self.series = Some(series),
                }
            }
            Answer::Splits(splits) => self.splits = Some(splits.items),
            Answer::Dividends(dividends) => self.dividends = Some(dividends.items),
        }
    }

    /// The window of a request is asked for; true when it had one.
    fn skip(&mut self, request: &Request) -> bool {
        let foresail_providers::request::Kind::Chart {
            window: Window::Period { to, .. },
            ..
        } = request.kind
        else {
            return false;
        };
        self.asked_to = Some(to);
        true
    }
}

/// The rows of a window that begins where another one ends.
fn append(known: &mut Series, next: Series) {
    let behind = known.rows.last().map(|row| row.date);
    let rows = next.rows.into_iter();
    known
        .rows
        .extend(rows.filter(|row| Some(row.date) > behind));
    known.splits.items.extend(next.splits.items);
    known.dividends.items.extend(next.dividends.items);
    known.capital_gains.items.extend(next.capital_gains.items);
}

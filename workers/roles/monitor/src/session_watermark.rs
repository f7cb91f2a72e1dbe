//! When a bar is complete over all symbols. A session is called here what is a bar in time: the rows of all symbols with one
//! event time. Rows of one session arrive over several partitions in any
//! interleaving; a session closes once every symbol has reached it, so that what is computed
//! per session does not depend on the interleaving. A symbol that has stopped trading is left
//! out, but never while rows are known to be outstanding. Used by both trackers.

use std::collections::{BTreeMap, BTreeSet};

/// Sessions of the calendar that a symbol may lag when the topic is read to its end and quiet.
const LAG_QUIET: usize = 5;
/// Sessions of the calendar that a symbol may lag while rows keep arriving: partitions are read one after the other,
/// so a small lag means nothing then.
const LAG_BUSY: usize = 250;

/// How much is known about rows not read yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reading {
    /// The end of the topic has not been seen: no symbol is left out.
    History,
    /// The end has been seen, and rows keep arriving.
    Busy,
    /// The end is reached and nothing has arrived for a moment.
    Quiet,
}

/// The session that every counted symbol has reached.
#[derive(Clone, Debug)]
pub struct SessionWatermark {
    /// Newest event time per declared symbol.
    newest: BTreeMap<String, Option<i64>>,
    /// Sessions not closed yet.
    open: BTreeSet<i64>,
    /// Newest distinct sessions seen, at most those of `LAG_BUSY` and one more.
    recent: BTreeSet<i64>,
    starts_after: i64,
    /// Bars of a session of the calendar.
    each: usize,
    closed_through: i64,
}

impl SessionWatermark {
    /// A watermark of the declared symbols that reports sessions after `starts_after`.
    pub fn new(symbols: &[String], starts_after: i64) -> Self {
        Self {
            newest: symbols.iter().map(|s| (s.clone(), None)).collect(),
            open: BTreeSet::new(),
            recent: BTreeSet::new(),
            starts_after,
            each: 1,
            closed_through: starts_after,
        }
    }

    /// Sessions up to this one do not count, milliseconds UTC.
    pub fn starts_after(&self) -> i64 {
        self.starts_after
    }

    /// Forgets every row.
    pub fn forget(&mut self) {
        self.newest.values_mut().for_each(|newest| *newest = None);
        self.open.clear();
        self.recent.clear();
        self.closed_through = self.starts_after;
    }

    /// The same where a session of the calendar has so many bars.
    #[must_use]
    pub fn of_bars(mut self, each: u32) -> Self {
        self.each = usize::try_from(each).unwrap_or(1).max(1);
        self
    }

    /// Records a row; false when it is of no declared symbol, a repeat, or of a closed session
    /// (or one before the start).
    pub fn seen(&mut self, symbol: &str, event_time: i64) -> bool {
        let Some(newest) = self.newest.get_mut(symbol) else {
            return false;
        };
        if newest.is_some_and(|time| time >= event_time) {
            return false;
        }
        *newest = Some(event_time);
        self.recent.insert(event_time);
        if self.recent.len() > LAG_BUSY * self.each + 1 {
            self.recent.pop_first();
        }
        let counts = event_time > self.closed_through;
        if counts {
            self.open.insert(event_time);
        }
        counts
    }

    /// Closes what is complete; returns those sessions, oldest first.
    pub fn close(&mut self, reading: Reading) -> Vec<i64> {
        let Some(watermark) = self.watermark(reading) else {
            return Vec::new();
        };
        let mut closed = Vec::new();
        while let Some(session) = self.open.first().copied().filter(|t| *t <= watermark) {
            self.open.remove(&session);
            self.closed_through = session;
            closed.push(session);
        }
        closed
    }

    /// Event time that every counted symbol has reached.
    fn watermark(&self, reading: Reading) -> Option<i64> {
        let lag = match reading {
            Reading::History => return self.newest.values().copied().min().flatten(),
            Reading::Busy => LAG_BUSY * self.each,
            Reading::Quiet => LAG_QUIET * self.each,
        };
        let oldest = self.recent.iter().rev().nth(lag).or(self.recent.first());
        let counted = self.newest.values().flatten();
        counted.filter(|time| Some(*time) >= oldest).min().copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_symbol_that_lags_by_bars_of_a_session_is_waited_for() {
        let quiet = |each, bars| {
            let mut watermark = two_symbols().of_bars(each);
            watermark.seen("B", 1);
            for bar in 1..=bars {
                watermark.seen("A", bar);
            }
            watermark.close(Reading::Quiet).last().copied()
        };
        assert_eq!(quiet(1, 20), Some(20), "B is left out");
        assert_eq!(quiet(7, 20), Some(1), "B is waited for");
        assert_eq!(quiet(7, 40), Some(40));
    }

    fn two_symbols() -> SessionWatermark {
        SessionWatermark::new(&["A".into(), "B".into()], 0)
    }

    #[test]
    fn a_session_closes_when_every_symbol_has_reached_it() {
        let mut watermark = two_symbols();
        assert!(watermark.seen("A", 1));
        assert!(watermark.close(Reading::History).is_empty());
        assert!(watermark.seen("A", 2));
        assert!(watermark.seen("B", 1));
        assert_eq!(watermark.close(Reading::History), [1]);
        // B skips session 2.
        assert!(watermark.seen("B", 3));
        assert_eq!(watermark.close(Reading::History), [2]);
        assert!(!watermark.seen("A", 2), "repeat");
        assert!(!watermark.seen("C", 9), "not declared");
        assert!(watermark.seen("A", 3));
        assert_eq!(watermark.close(Reading::History), [3]);
    }

    #[test]
    fn sessions_before_the_start_are_not_reported_but_move_the_clock() {
        let mut watermark = SessionWatermark::new(&["A".into(), "B".into()], 10);
        assert!(!watermark.seen("A", 9) && !watermark.seen("B", 10));
        assert!(watermark.seen("B", 11));
        assert!(watermark.close(Reading::History).is_empty());
        assert!(watermark.seen("A", 11));
        assert_eq!(watermark.close(Reading::History), [11]);
    }

    #[test]
    fn a_halted_symbol_is_left_out_only_when_nothing_is_outstanding() {
        let mut watermark = two_symbols();
        assert!(watermark.seen("B", 1));
        for t in 1..=300 {
            watermark.seen("A", t);
        }
        assert_eq!(watermark.close(Reading::History), [1]);
        let quiet = watermark.clone().close(Reading::Quiet);
        assert_eq!((quiet.len(), quiet.last()), (299, Some(&300)));
        let busy = watermark.close(Reading::Busy);
        assert_eq!(busy.len(), 299, "B lags by more than {LAG_BUSY}");
        assert!(!watermark.seen("B", 2), "its session is closed");

        let mut close_by = SessionWatermark::new(&["A".into(), "B".into()], 0);
        close_by.seen("B", 1);
        for t in 1..=100 {
            close_by.seen("A", t);
        }
        assert_eq!(close_by.close(Reading::Busy), [1]);
    }

    #[test]
    fn interleaving_does_not_matter() {
        let mut in_turn = two_symbols();
        let mut by_symbol = two_symbols();
        let mut first = Vec::new();
        for t in 1..=50 {
            for symbol in ["A", "B"] {
                in_turn.seen(symbol, t);
                first.extend(in_turn.close(Reading::History));
            }
        }
        let mut second = Vec::new();
        for symbol in ["B", "A"] {
            for t in 1..=50 {
                by_symbol.seen(symbol, t);
                second.extend(by_symbol.close(Reading::History));
            }
        }
        assert_eq!(first, second);
        assert_eq!(first, (1..=50).collect::<Vec<_>>());
    }
}

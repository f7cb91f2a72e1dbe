//! Reads the whole bars topic for what is compared once in a while: which sessions have no bar, and the past bars of a few
//! symbols. Pure: messages are handed in, oldest first.

use std::collections::{BTreeMap, HashMap};

use foresail_runtime_kafka::Message;
use jiff::civil::Date;

use super::gaps::Gaps;
use super::memory::{Memory, Sent};
use super::recent::Wanted;
use crate::marks;

/// What is gathered in a pass.
pub(crate) struct Survey<'a> {
    wanted: Wanted<'a>,
    /// Symbols of which bars are wanted, and from which event time on.
    bars: HashMap<String, i64>,
    found: HashMap<String, Found>,
}

/// What was found of one symbol.
#[derive(Debug, Default)]
pub(crate) struct Found {
    pub gaps: Gaps,
    first: Option<i64>,
    newest: Option<Date>,
    bars: BTreeMap<i64, Sent>,
}

impl<'a> Survey<'a> {
    /// Before the first message.
    pub(crate) fn new(wanted: Wanted<'a>, bars: HashMap<String, i64>) -> Self {
        Self {
            wanted,
            bars,
            found: HashMap::new(),
        }
    }

    /// One more message.
    pub(crate) fn take(&mut self, message: &Message) {
        let Some((symbol, time)) = message.key.as_deref().zip(marks::event_time(message)) else {
            return;
        };
        let timetable = self.wanted.timetable;
        let Some(found) = self.found.get_mut(symbol) else {
            if self
                .wanted
                .symbols
                .iter()
                .any(|declared| declared == symbol)
            {
                self.found.insert(symbol.to_owned(), Found::default());
                self.take(message);
            }
            return;
        };
        let date = timetable.session(time);
        found.gaps.see(date, found.newest, timetable);
        found.newest = found.newest.max(Some(date));
        found.first = Some(found.first.map_or(time, |first| first.min(time)));
        if self.bars.get(symbol).is_some_and(|from| time >= *from) {
            found.bars.insert(time, self.wanted.sent(message));
        }
    }

    /// What was found of each symbol.
    pub(crate) fn found(self) -> HashMap<String, Found> {
        self.found
    }
}

impl Found {
    /// Widens what is known of the symbol to the bars from an event time on; what is older than its first bar is not missing.
    pub(crate) fn widen(&mut self, memory: &mut Memory, from: i64) {
        let from = self.first.map_or(i64::MAX, |first| first.max(from));
        memory.widen(from, std::mem::take(&mut self.bars));
    }
}

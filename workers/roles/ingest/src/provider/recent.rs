//! Reads from the end of the bars topic what was sent of each symbol lately. Pure: messages are handed in, oldest first.
//!
//! A bar that comes after a newer one of its symbol has the time of the newest in a header, so that the last record of a symbol
//! tells how far it was sent. Bars without that header are in order: behind one of them lies all that was sent of later
//! bars, corrections included.

use std::collections::{BTreeMap, HashMap};

use foresail_domain::Bar;
use foresail_runtime_kafka::Message;

use super::memory::{Memory, Sent};
use super::timetable::Timetable;
use crate::marks::{self, Marks};

/// What is looked for.
pub(crate) struct Wanted<'a> {
    /// Declared symbols.
    pub symbols: &'a [String],
    /// Newest bars of each that are to be known.
    pub keep: usize,
    /// Names of the providers that are asked, as their bars carry them.
    pub providers: &'a [&'a str],
    pub timetable: &'a Timetable,
}

/// What was found, by symbol.
#[derive(Debug, Default)]
pub(crate) struct Recent(HashMap<String, Symbol>);

#[derive(Debug, Default)]
struct Symbol {
    newest: Option<i64>,
    /// The oldest bar that came in the order of sessions.
    first: Option<i64>,
    bars: BTreeMap<i64, Sent>,
}

impl Symbol {
    fn is_known(&self, keep: usize) -> bool {
        let complete = |first| self.bars.range(first..).count() >= keep;
        keep == 0 || self.first.is_some_and(complete)
    }
}

impl Wanted<'_> {
    /// Records to read before the first look at what was found.
    pub(crate) fn records(&self) -> usize {
        self.symbols.len().saturating_mul(self.keep + 4)
    }

    /// One more message.
    pub(crate) fn take(&self, recent: &mut Recent, message: &Message) {
        let Some((symbol, time)) = message.key.as_deref().zip(marks::event_time(message)) else {
            return;
        };
        if !self.symbols.iter().any(|declared| declared == symbol) {
            return;
        }
        let found = recent.0.entry(symbol.to_owned()).or_default();
        let late = marks::newest(message);
        found.newest = found.newest.max(late).max(Some(time));
        if late.is_none() {
            found.first = Some(found.first.map_or(time, |first| first.min(time)));
        }
        let sent = self.sent(message);
        let known = found.bars.get(&time).map_or(0, |known| known.revision);
        if sent.revision >= known {
            found.bars.insert(time, sent);
        }
        while found.bars.len() > self.keep {
            found.bars.pop_first();
        }
    }

    /// What a record of the bars topic says.
    pub(crate) fn sent(&self, message: &Message) -> Sent {
        let bar = serde_json::from_slice::<Bar>(&message.value);
        bar.map_or(Sent::UNREADABLE, |bar| {
            let place = self.timetable.place(bar.event_time);
            Sent::of(&bar, place, self.providers)
        })
    }

    /// Whether nothing older is needed.
    pub(crate) fn is_enough(&self, recent: &Recent) -> bool {
        let is_known = |symbol: &String| {
            let found = recent.0.get(symbol);
            found.is_some_and(|found| found.is_known(self.keep))
        };
        self.symbols.iter().all(is_known)
    }
}

impl Recent {
    /// The newest bar of each symbol.
    pub(crate) fn marks(&self) -> Marks {
        let newest = |(symbol, found): (&String, &Symbol)| Some((symbol.clone(), found.newest?));
        Marks(self.0.iter().filter_map(newest).collect())
    }

    /// What is known of a symbol, once enough was read, or all there is.
    pub(crate) fn memory(&mut self, symbol: &str, keep: usize) -> Memory {
        let Some(found) = self.0.remove(symbol) else {
            return Memory::empty(keep);
        };
        // Of a symbol of which less was found, all was read.
        let from = found.bars.keys().next().copied().unwrap_or(i64::MAX);
        Memory::new(from, found.bars, keep)
    }
}

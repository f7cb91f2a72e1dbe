//! What the files of a source have in common. Each may hold sessions that files before it had: they are known, as those of
//! an earlier reading are, and a correction of them comes too late. The rows of a file are compared with each other and
//! not with those of the file before, where they can be: a vendor may have adjusted all prices anew in between.

use std::collections::HashMap;
use std::sync::Arc;

use foresail_bars::{Checker, Kept, RawRow};
use foresail_domain::Bar;

use crate::marks::Marks;

/// The file that is read, and what came before it in this pass. Empty when the source is one file.
#[derive(Default)]
pub(crate) struct Overlap {
    file: Option<Arc<str>>,
    /// Newest bars of the files before.
    before: Marks,
    /// Newest bars of this file.
    current: Marks,
    /// Symbols of which this file repeats sessions, with what was known of them before.
    repeated: HashMap<String, Option<Kept>>,
}

impl Overlap {
    /// Goes on with another file.
    pub(crate) fn enter(&mut self, file: &Arc<str>, checker: &mut Checker) {
        if self.file.as_ref() == Some(file) {
            return;
        }
        self.file = Some(Arc::clone(file));
        for (symbol, kept) in self.repeated.drain() {
            let old = self.before.0.get(&symbol);
            // It ended before the files before it do: what comes next follows those.
            if self.current.0.get(&symbol) < old
                && let Some(kept) = kept
            {
                checker.put_back(&symbol, kept);
            }
        }
        for (symbol, time) in self.current.0.drain() {
            self.before.add(&symbol, time);
        }
    }

    /// The name of the file that is read.
    pub(crate) fn file(&self) -> Option<&str> {
        self.file.as_deref()
    }

    /// Whether a file before this one has had the session.
    pub(crate) fn covers(&self, place: Option<(&str, i64)>) -> bool {
        self.before.cover(place)
    }

    /// The same for a row that is checked next: with the first such row of a symbol, its rows begin anew.
    pub(crate) fn repeats(&mut self, row: &RawRow, checker: &mut Checker) -> bool {
        let place = checker.place(row);
        let Some((symbol, _)) = place.filter(|place| self.before.cover(Some(*place))) else {
            return false;
        };
        if !self.repeated.contains_key(symbol) {
            let kept = checker.set_aside(symbol);
            self.repeated.insert(symbol.to_string(), kept);
        }
        true
    }

    /// Takes note of a bar, known or not.
    pub(crate) fn see(&mut self, bar: &Bar) {
        if self.file.is_some() {
            self.current.add(&bar.symbol, bar.event_time);
        }
    }
}

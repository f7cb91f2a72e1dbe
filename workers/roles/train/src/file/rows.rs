//! Rows of a file, and what became of them.

use std::collections::BTreeMap;

use foresail_bars::{Coverage, Notes, RawRow, RowOutcome, Suspicion};
use foresail_domain::{Bar, TradingCalendar};

use crate::lake::Bars;

/// Most suspicious moves that are listed.
const SHOWN: usize = 20;
/// Most characters of an example of what was refused.
const LONGEST_EXAMPLE: usize = 160;

/// Rows of a file, and what became of them.
#[derive(Debug)]
pub(crate) struct Rows {
    /// Good bars of each symbol that has some, by name.
    pub bars: Bars,
    /// Rows read.
    pub read: u64,
    /// Rows of other symbols.
    pub out_of_scope: u64,
    /// Refused rows by reason.
    pub refused: BTreeMap<&'static str, Refused>,
    /// Accepted moves that may be mistakes of the file.
    pub suspicions: Vec<Suspicion>,
    /// Bars of which high or low gave way in the last bits.
    pub clamped: u64,
    coverage: Coverage,
}

/// Rows refused for one reason.
#[derive(Clone, Debug)]
pub(crate) struct Refused {
    pub rows: u64,
    /// The first of them, and what is wrong with it.
    pub example: String,
}

impl Rows {
    /// Before the first row. Symbols are looked up for each row, so they stand in order.
    pub(super) fn new(mut symbols: Vec<String>) -> Self {
        symbols.sort_unstable();
        symbols.dedup();
        Self {
            coverage: Coverage::new(symbols.clone()),
            bars: symbols.into_iter().map(|s| (s, Vec::new())).collect(),
            read: 0,
            out_of_scope: 0,
            refused: BTreeMap::new(),
            suspicions: Vec::new(),
            clamped: 0,
        }
    }

    /// Every row accounted for, and whatever a person should know about them, in lines.
    pub(crate) fn counts(&self) -> String {
        let mut text = self.accounted();
        for suspicion in self.suspicions.iter().take(SHOWN) {
            text.push_str(&format!("\n  {}", suspected(suspicion)));
        }
        if self.suspicions.len() > SHOWN {
            let others = self.suspicions.len() - SHOWN;
            text.push_str(&format!("\n  {others} more suspicious moves"));
        }
        text
    }

    /// Every row accounted for, in lines.
    pub(crate) fn accounted(&self) -> String {
        let bars: usize = self.bars.iter().map(|(_, bars)| bars.len()).sum();
        let mut text = format!(
            "{} rows: {bars} bars, {} of other symbols, {} refused",
            self.read,
            self.out_of_scope,
            self.all_refused()
        );
        for (reason, refused) in &self.refused {
            let line = format!(
                "\n  {} {reason}, the first is {}",
                refused.rows, refused.example
            );
            text.push_str(&line);
        }
        for (symbol, meant) in self.without_bars() {
            let meant = meant.map_or_else(String::new, |meant| format!("; the file has `{meant}`"));
            text.push_str(&format!("\n  no bar of {symbol}{meant}"));
        }
        if self.clamped > 0 {
            let clamped = self.clamped;
            text.push_str(&format!(
                "\n  {clamped} bars with high or low moved in the last bits"
            ));
        }
        text
    }

    /// Rows refused for any reason.
    pub(crate) fn all_refused(&self) -> u64 {
        self.refused.values().map(|refused| refused.rows).sum()
    }

    /// Rows off the sessions of the calendar and one that has their days, when they are so many that it is not the calendar
    /// of the file.
    pub(crate) fn off_session(&self) -> Option<(u64, TradingCalendar)> {
        self.coverage.off_session()
    }

    /// Declared symbols without a bar, each with the symbol of the file that may be meant.
    pub(crate) fn without_bars(&self) -> BTreeMap<String, Option<String>> {
        self.coverage.without_bars()
    }

    pub(super) fn take(&mut self, row: &RawRow, outcome: RowOutcome) {
        self.read += 1;
        self.coverage.add(row, &outcome);
        match outcome {
            RowOutcome::Bar(bar, Notes { suspicion, clamped }) => {
                self.suspicions.extend(suspicion);
                self.clamped += u64::from(clamped);
                self.push(bar);
            }
            RowOutcome::Refused(refusal) => {
                let first = || Refused {
                    rows: 0,
                    example: row.example(&refusal, LONGEST_EXAMPLE),
                };
                self.refused
                    .entry(refusal.reason)
                    .or_insert_with(first)
                    .rows += 1;
            }
            RowOutcome::OutOfScope => self.out_of_scope += 1,
        }
    }

    fn push(&mut self, bar: Bar) {
        let place = self
            .bars
            .binary_search_by(|(symbol, _)| symbol.as_str().cmp(&bar.symbol));
        if let Some((_, list)) = place.ok().and_then(|place| self.bars.get_mut(place)) {
            list.push(bar);
        }
    }

    /// Leaves out the declared symbols without a bar.
    pub(super) fn close(&mut self) {
        self.bars.retain(|(_, bars)| !bars.is_empty());
    }
}

/// A move that may be a mistake of the file, in a sentence.
pub(crate) fn suspected(suspicion: &Suspicion) -> String {
    format!("{}: {suspicion}", suspicion.reason())
}

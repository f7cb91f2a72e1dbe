//! What the rows of a source cover: bars of each declared symbol, symbols that nobody declared, and days that the calendar
//! does not have. The ingest worker and `foresail-trainer evaluate` tell it alike.

use std::collections::{BTreeMap, BTreeSet};

use foresail_domain::TradingCalendar;

use crate::checks::{RowOutcome, read_date};
use crate::nearest::nearest;
use crate::row::RawRow;

/// One row off the sessions of the calendar in so many is a fault of the row; more say that it is not the calendar of
/// the file.
pub const OFF_SESSION_IN: u64 = 50;
/// Most symbols that are remembered beside the declared ones, to name one that was meant.
const OTHERS: usize = 1_000;

/// Counts over the rows seen so far.
#[derive(Clone, Debug)]
pub struct Coverage {
    bars: BTreeMap<String, u64>,
    others: BTreeSet<String>,
    /// Rows of whatever symbol: days are judged before symbols.
    rows: u64,
    off_session: u64,
    /// Whether all days off the sessions are weekdays.
    weekdays: bool,
}

impl Coverage {
    /// Before the first row; these symbols are declared.
    pub fn new(declared: impl IntoIterator<Item = String>) -> Self {
        Self {
            bars: declared.into_iter().map(|symbol| (symbol, 0)).collect(),
            others: BTreeSet::new(),
            rows: 0,
            off_session: 0,
            weekdays: true,
        }
    }

    /// Takes note of a row and what became of it.
    pub fn add(&mut self, row: &RawRow, outcome: &RowOutcome) {
        self.rows += 1;
        match outcome {
            RowOutcome::Bar(bar, _) => {
                if let Some(bars) = self.bars.get_mut(&bar.symbol) {
                    *bars += 1;
                }
            }
            RowOutcome::Refused(refusal) if refusal.reason == "OffSession" => {
                self.off_session += 1;
                let date = row.fields.date.as_deref().and_then(read_date);
                self.weekdays &= date.is_some_and(|d| TradingCalendar::Weekdays.is_session(d));
            }
            RowOutcome::Refused(_) => {}
            RowOutcome::OutOfScope => self.note(row.fields.symbol.as_deref()),
        }
    }

    fn note(&mut self, symbol: Option<&str>) {
        let Some(symbol) = symbol else { return };
        let is_new = !self.bars.contains_key(symbol) && !self.others.contains(symbol);
        if is_new && self.others.len() < OTHERS {
            self.others.insert(symbol.to_string());
        }
    }

    /// Bars of each declared symbol, by name.
    pub fn bars(&self) -> &BTreeMap<String, u64> {
        &self.bars
    }

    /// Declared symbols without a bar, each with the symbol of the source that may be meant.
    pub fn without_bars(&self) -> BTreeMap<String, Option<String>> {
        let others = || self.others.iter().map(String::as_str);
        let empty = self.bars.iter().filter(|(_, bars)| **bars == 0);
        empty
            .map(|(symbol, _)| {
                (
                    symbol.clone(),
                    nearest(symbol, others()).map(str::to_string),
                )
            })
            .collect()
    }

    /// Rows of days that are no session of the calendar and a calendar that has these days, when they are more than one row
    /// in 50.
    pub fn off_session(&self) -> Option<(u64, TradingCalendar)> {
        let is_many = self.off_session * OFF_SESSION_IN > self.rows;
        is_many.then_some((self.off_session, fitting_calendar(self.weekdays)))
    }
}

/// A calendar that has the days which are off the sessions of another; whether all of them are weekdays.
pub fn fitting_calendar(weekdays: bool) -> TradingCalendar {
    if weekdays {
        TradingCalendar::Weekdays
    } else {
        TradingCalendar::AlwaysOpen
    }
}

#[cfg(test)]
mod tests {
    use foresail_crds::records::Refusal;

    use super::*;
    use crate::row::Fields;

    fn row(symbol: &str, date: &str) -> RawRow {
        RawRow {
            fields: Fields {
                symbol: Some(symbol.into()),
                date: Some(date.into()),
                ..Fields::default()
            },
            ..RawRow::default()
        }
    }

    #[test]
    fn symbols_without_bars_are_named_with_what_may_be_meant() {
        let mut coverage = Coverage::new(["AAPL".to_string(), "TSLA".to_string()]);
        for i in 0..2 * OTHERS {
            coverage.add(&row(&format!("{i}"), "2020-01-02"), &RowOutcome::OutOfScope);
        }
        assert_eq!(coverage.others.len(), OTHERS);
        coverage.others.insert("AAPL.US".into());
        let without = coverage.without_bars();
        assert_eq!(without["AAPL"].as_deref(), Some("AAPL.US"));
        assert_eq!(without["TSLA"], None);
        // A declared symbol outside of the dates of the backfill is no other symbol.
        coverage.add(&row("TSLA", "1990-01-02"), &RowOutcome::OutOfScope);
        assert!(!coverage.others.contains("TSLA"));
    }

    #[test]
    fn more_than_one_row_in_fifty_off_the_sessions_is_another_calendar() {
        let off = RowOutcome::Refused(Refusal::new("OffSession", ""));
        let other = RowOutcome::Refused(Refusal::new("MissingClose", ""));
        let mut coverage = Coverage::new([]);
        coverage.add(&row("X", "2020-07-03"), &off);
        for _ in 0..48 {
            coverage.add(&row("X", "2020-01-02"), &other);
        }
        assert_eq!(coverage.off_session(), Some((1, TradingCalendar::Weekdays)));
        coverage.add(&row("X", "2020-01-02"), &other);
        assert_eq!(
            coverage.off_session(),
            None,
            "one in fifty is a fault of the row"
        );
        coverage.add(&row("X", "2020-07-04 00:00"), &off);
        assert_eq!(
            coverage.off_session(),
            Some((2, TradingCalendar::AlwaysOpen))
        );
    }
}

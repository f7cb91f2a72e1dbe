//! What the rows of a source cover: bars of each declared symbol, symbols that nobody declared, and days that the calendar
//! does not have. The ingest worker and `foresail-trainer evaluate` tell it alike.

use std::collections::{BTreeMap, BTreeSet};

use foresail_domain::TradingCalendar;
use jiff::civil::Date;

use crate::checks::{RowOutcome, read_date};
use crate::nearest::nearest;
use crate::row::RawRow;

/// One row off the sessions of the calendar in so many is a fault of the row; more say that it is not the calendar of
/// the file.
const OFF_SESSION_IN: u64 = 50;
/// Most symbols that are remembered beside the declared ones, to name one that was meant.
const OTHERS: usize = 1_000;

/// Counts over the rows seen so far.
#[derive(Clone, Debug)]
pub struct Coverage {
    bars: BTreeMap<String, u64>,
    others: BTreeSet<String>,
    /// Of rows of whatever symbol: days are judged before symbols.
    days: Days,
}

/// Days of rows, those off the sessions of a calendar apart.
#[derive(Clone, Debug, Default)]
pub struct Days {
    rows: u64,
    off: u64,
    /// Of those off the sessions.
    weekdays: u64,
}

impl Days {
    /// Takes note of a row on a session, or without a day that can be read.
    pub fn on(&mut self) {
        self.rows += 1;
    }

    /// Takes note of a row off the sessions.
    pub fn off(&mut self, day: Option<Date>) {
        self.rows += 1;
        self.off += 1;
        let is_weekday = day.is_some_and(|day| TradingCalendar::Weekdays.is_session(day));
        self.weekdays += u64::from(is_weekday);
    }

    /// Rows off the sessions and a calendar that has their days, when they are more than one row in 50.
    pub fn many_off(&self) -> Option<(u64, TradingCalendar)> {
        let fits = if self.weekdays == self.off {
            TradingCalendar::Weekdays
        } else {
            TradingCalendar::AlwaysOpen
        };
        (self.off * OFF_SESSION_IN > self.rows).then_some((self.off, fits))
    }
}

impl Coverage {
    /// Before the first row; these symbols are declared.
    pub fn new(declared: impl IntoIterator<Item = String>) -> Self {
        Self {
            bars: declared.into_iter().map(|symbol| (symbol, 0)).collect(),
            others: BTreeSet::new(),
            days: Days::default(),
        }
    }

    /// Takes note of a row and what became of it.
    pub fn add(&mut self, row: &RawRow, outcome: &RowOutcome) {
        match outcome {
            RowOutcome::Refused(refusal) if refusal.reason == "OffSession" => {
                self.days
                    .off(row.fields.date.as_deref().and_then(read_date));
            }
            _ => self.days.on(),
        }
        match outcome {
            RowOutcome::Bar(bar, _) => {
                if let Some(bars) = self.bars.get_mut(&bar.symbol) {
                    *bars += 1;
                }
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
        let empty = self.bars.iter().filter(|(_, bars)| **bars == 0);
        let meant = |symbol: &String| self.meant_by(symbol).map(str::to_string);
        empty
            .map(|(symbol, _)| (symbol.clone(), meant(symbol)))
            .collect()
    }

    /// The symbol of the source that may be meant by one that it does not have.
    pub fn meant_by(&self, symbol: &str) -> Option<&str> {
        nearest(symbol, self.others.iter().map(String::as_str))
    }

    /// Rows of days that are no session of the calendar and a calendar that has these days, when they are more than one row
    /// in 50.
    pub fn off_session(&self) -> Option<(u64, TradingCalendar)> {
        self.days.many_off()
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

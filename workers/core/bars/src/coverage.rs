//! What the rows of a source cover: bars of each declared symbol, symbols that nobody declared, and days that the calendar
//! does not have. The ingest worker and `foresail-trainer evaluate` tell it alike.

use std::collections::{BTreeMap, BTreeSet};

use foresail_domain::{Calendar, TradingCalendar};
use jiff::civil::Date;

use crate::checks::{RowOutcome, is_off_session, read_date};
use crate::nearest::nearest;
use crate::row::RawRow;

/// One row off the sessions of the calendar in so many is a fault of the row; more say that it is not the calendar of
/// the file.
const OFF_SESSION_IN: u64 = 50;
/// Rows whose days are compared with calendars, and days that tell one exchange from another.
const LOOKED_AT: u64 = 100_000;
const ENOUGH_DAYS: usize = 250;
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

/// Days of rows, and how many rows are off the sessions of a calendar.
#[derive(Clone, Debug, Default)]
pub struct Days {
    rows: u64,
    off: u64,
    /// Days of the first rows.
    seen: BTreeSet<Date>,
}

impl Days {
    /// Takes note of a row, of its day where that can be read, and whether it is off the sessions. The day is asked for
    /// while days are looked at.
    pub fn add(&mut self, day: impl FnOnce() -> Option<Date>, is_off: bool) {
        if self.rows < LOOKED_AT {
            self.seen.extend(day());
        }
        self.rows += 1;
        self.off += u64::from(is_off);
    }

    /// Rows off the sessions and a calendar that has their days, when they are more than one row in 50.
    pub fn many_off(&self) -> Option<(u64, TradingCalendar)> {
        (self.off * OFF_SESSION_IN > self.rows).then(|| (self.off, self.fitting()))
    }

    /// Of the calendars that have nearly all days of the rows the one that differs least from them, sessions without a row
    /// included: it knows the holidays as well. Few days tell no exchange from another.
    fn fitting(&self) -> TradingCalendar {
        let of_exchanges = self.seen.len() >= ENOUGH_DAYS;
        let of_nobody = [TradingCalendar::Weekdays, TradingCalendar::AlwaysOpen];
        let candidates: &[TradingCalendar] = match of_exchanges {
            true => &TradingCalendar::ALL,
            false => &of_nobody,
        };
        let candidates = candidates.iter().map(|of| (self.off_days(*of), *of));
        let fitting = candidates
            .filter(|(off, _)| *off as u64 * OFF_SESSION_IN <= self.seen.len() as u64)
            .min_by_key(|(off, of)| 2 * off + self.sessions(*of));
        fitting.map_or(TradingCalendar::AlwaysOpen, |(_, of)| of)
    }

    /// Days that are no session of a calendar.
    fn off_days(&self, of: TradingCalendar) -> usize {
        let calendar = Calendar::from(of);
        let is_off = |day: &&Date| is_off_session(&calendar, **day);
        self.seen.iter().filter(is_off).count()
    }

    /// Sessions of a calendar between the first day and the last.
    fn sessions(&self, of: TradingCalendar) -> usize {
        let ends = self.seen.first().zip(self.seen.last());
        ends.map_or(0, |(first, last)| of.sessions(*first, *last).count())
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
        let is_off = match outcome {
            RowOutcome::Refused(refusal) => refusal.reason == "OffSession",
            _ => false,
        };
        self.days
            .add(|| row.fields.date.as_deref().and_then(read_date), is_off);
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
    fn the_calendar_of_an_exchange_is_known_by_its_days() {
        let (from, to) = (
            jiff::civil::date(2015, 1, 1),
            jiff::civil::date(2017, 12, 31),
        );
        for calendar in TradingCalendar::ALL {
            let mut days = Days::default();
            for day in calendar.sessions(from, to) {
                days.add(|| Some(day), true);
            }
            let (_, fits) = days.many_off().unwrap();
            let sessions = |of: TradingCalendar| of.sessions(from, to);
            // New York and Nasdaq have the same days.
            assert!(sessions(fits).eq(sessions(calendar)), "{}", calendar.name());
        }
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

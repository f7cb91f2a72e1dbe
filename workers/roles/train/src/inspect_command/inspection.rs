//! What is found in a file. Nothing here is text for people yet, but for what `file` says of single rows.

use std::path::Path;

use foresail_domain::{Bar, TradingCalendar};
use jiff::civil::Date;

use crate::file::Rows;

/// A move that a split explains within this part of it.
const SPLIT_TOLERANCE: f64 = 0.02;
/// Splits that companies make, as the price before over the price after; the other way round they are reverse splits.
const SPLITS: [f64; 10] = [2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 10.0, 15.0, 20.0];

/// How a file is read and what it holds. [`text`](Self::text) and [`page`](Self::page) show it.
#[derive(Debug)]
pub struct Inspection {
    /// The file as it was named.
    pub(super) file: String,
    /// How it is written.
    pub(super) dialect: String,
    pub(super) calendar: TradingCalendar,
    pub(super) rows: Rows,
    /// What is said of each symbol with bars, in the order of `rows.bars`.
    pub(super) symbols: Vec<Symbol>,
    /// Parts of a spec that read the file, as YAML; none when a Pipeline was given.
    pub(super) spec: Option<String>,
    pipeline: Option<String>,
}

/// What is said of one symbol beside its bars.
#[derive(Debug)]
pub(super) struct Symbol {
    /// Sessions between its first and its last bar that have none.
    pub missing: Vec<Date>,
    /// What looks wrong, in words.
    pub suspicions: Vec<String>,
}

impl Inspection {
    pub(super) fn new(path: &Path, dialect: String, calendar: TradingCalendar, rows: Rows) -> Self {
        let symbols = rows.bars.iter().map(|(_, bars)| Symbol {
            missing: missing(bars, calendar),
            suspicions: suspicions(bars, calendar),
        });
        Self {
            file: path.display().to_string(),
            dialect,
            calendar,
            symbols: symbols.collect(),
            rows,
            spec: None,
            pipeline: None,
        }
    }

    /// With the Pipeline that would read it, and the parts of its spec that speak of the file.
    pub(super) fn declaring(self, spec: String, pipeline: String) -> Self {
        Self {
            spec: Some(spec),
            pipeline: Some(pipeline),
            ..self
        }
    }

    /// A Pipeline as YAML that reads the file, with features and a model to begin with; `None` when one was given.
    pub fn pipeline(&self) -> Option<&str> {
        self.pipeline.as_deref()
    }

    /// Bars of a symbol with what is said of them.
    pub(super) fn each(&self) -> impl Iterator<Item = (&str, &[Bar], &Symbol)> {
        let bars = self.rows.bars.iter();
        bars.zip(&self.symbols)
            .map(|((name, bars), symbol)| (name.as_str(), bars.as_slice(), symbol))
    }

    /// Session of a bar.
    pub(super) fn date(&self, bar: &Bar) -> Date {
        self.calendar.session_date(bar.event_time)
    }

    /// Sessions without a bar, of all symbols; rows off the sessions; rows of a session that has a bar.
    pub(super) fn sessions(&self) -> [(u64, &'static str); 3] {
        let missing: usize = self.symbols.iter().map(|symbol| symbol.missing.len()).sum();
        let refused = |reasons: &[&str]| -> u64 {
            let rows = |reason: &&str| self.rows.refused.get(*reason).map_or(0, |r| r.rows);
            reasons.iter().map(rows).sum()
        };
        [
            (missing as u64, "missing"),
            (refused(&["OffSession"]), "off the calendar"),
            (refused(&["Superseded", "Duplicate"]), "doubled"),
        ]
    }
}

fn missing(bars: &[Bar], calendar: TradingCalendar) -> Vec<Date> {
    let (Some(first), Some(last)) = (bars.first(), bars.last()) else {
        return Vec::new();
    };
    let date = |bar: &Bar| calendar.session_date(bar.event_time);
    calendar
        .sessions(date(first), date(last))
        .filter(|day| {
            bars.binary_search_by_key(&calendar.session_end(*day), |bar| bar.event_time)
                .is_err()
        })
        .collect()
}

fn suspicions(bars: &[Bar], calendar: TradingCalendar) -> Vec<String> {
    let date = |bar: &Bar| calendar.session_date(bar.event_time);
    let suspicion = |pair: &[Bar]| {
        let [before, after] = pair else { return None };
        let split = suspected_split(before, after)?;
        Some(format!(
            "SuspectedSplit: {} closes at {} and {} at {}, as after a split of {split}; no column declares one",
            date(before),
            before.close,
            date(after),
            after.close
        ))
    };
    bars.windows(2).filter_map(suspicion).collect()
}

/// `2:1` when the close moved as after such a split and nothing declares it.
fn suspected_split(before: &Bar, after: &Bar) -> Option<String> {
    if after.split_factor != 1.0 {
        return None;
    }
    let ratio = before.close / after.close;
    let near = |split: f64, ratio: f64| (ratio / split - 1.0).abs() <= SPLIT_TOLERANCE;
    let forward = SPLITS
        .iter()
        .find(|split| near(**split, ratio))
        .map(|split| format!("{split}:1"));
    let reverse = || {
        SPLITS
            .iter()
            .find(|split| near(**split, 1.0 / ratio))
            .map(|split| format!("1:{split}"))
    };
    forward.or_else(reverse)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bar(close: f64) -> Bar {
        Bar {
            close,
            ..crate::testing::bar("X", 1)
        }
    }

    #[test]
    fn moves_of_splits_are_suspected_and_those_of_markets_are_not() {
        let split = |before, after| suspected_split(&bar(before), &bar(after));
        assert_eq!(split(100.0, 50.5).as_deref(), Some("2:1"));
        assert_eq!(split(10.0, 99.0).as_deref(), Some("1:10"));
        assert_eq!(split(100.0, 52.5), None);
        assert_eq!(split(100.0, 101.0), None);
        let declared = Bar {
            split_factor: 2.0,
            ..bar(50.0)
        };
        assert_eq!(suspected_split(&bar(100.0), &declared), None);
    }
}

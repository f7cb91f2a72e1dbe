//! What is found in a file. Nothing here is text for people yet, but for what `file` says of single rows.

use std::collections::BTreeMap;
use std::path::Path;

use foresail_domain::{Bar, BarGrid, Interval};

use crate::file::Rows;

/// How a file is read and what it holds. [`text`](Self::text) and [`page`](Self::page) show it.
#[derive(Debug)]
pub struct Inspection {
    /// The file as it was named.
    pub(super) file: String,
    /// How it is written.
    pub(super) dialect: String,
    pub(super) grid: BarGrid,
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
    /// Bars between its first and its last one that are not there, by their session or their end.
    pub missing: Vec<String>,
    /// What looks wrong, in words.
    pub suspicions: Vec<String>,
}

impl Inspection {
    pub(super) fn new(path: &Path, dialect: String, grid: BarGrid, rows: Rows) -> Self {
        let mut suspicions = suspicions(&rows);
        let symbols = rows.bars.iter().map(|(name, bars)| Symbol {
            missing: missing(bars, &grid),
            suspicions: suspicions.remove(name.as_str()).unwrap_or_default(),
        });
        let symbols = symbols.collect();
        Self {
            file: path.display().to_string(),
            dialect,
            symbols,
            rows,
            grid,
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

    /// Session of a bar, or its end where it is a part of one.
    pub(super) fn date(&self, bar: &Bar) -> String {
        named(bar.event_time, &self.grid)
    }

    /// What bars are called.
    pub(super) fn unit(&self) -> &'static str {
        match self.grid.interval() {
            Interval::Session => "sessions",
            _ => "bars",
        }
    }

    /// What is said of those that are missing.
    pub(super) fn lacking(&self) -> &'static str {
        match self.grid.interval() {
            Interval::Session => "have no bar",
            _ => "are not there",
        }
    }

    /// The head of a column that tells bars apart.
    pub(super) fn head(&self) -> &'static str {
        match self.grid.interval() {
            Interval::Session => "session",
            _ => "end",
        }
    }

    /// Bars that are missing, of all symbols; rows off the bars; rows of a bar that is there already.
    pub(super) fn sessions(&self) -> [(u64, &'static str); 3] {
        let missing: usize = self.symbols.iter().map(|symbol| symbol.missing.len()).sum();
        let refused = |reasons: &[&str]| -> u64 {
            let rows = |reason: &&str| self.rows.refused.get(*reason).map_or(0, |r| r.rows);
            reasons.iter().map(rows).sum()
        };
        [
            (missing as u64, "missing"),
            (
                refused(&["OffSession", "OffHours", "OffGrid"]),
                "off the calendar",
            ),
            (refused(&["Superseded", "Duplicate"]), "doubled"),
        ]
    }
}

fn named(end: i64, grid: &BarGrid) -> String {
    match grid.interval() {
        Interval::Session => grid.calendar().session_date(end).to_string(),
        _ => jiff::Timestamp::from_millisecond(end)
            .map_or_else(|_| end.to_string(), |at| at.to_string()),
    }
}

fn missing(bars: &[Bar], grid: &BarGrid) -> Vec<String> {
    let (Some(first), Some(last)) = (bars.first(), bars.last()) else {
        return Vec::new();
    };
    let calendar = grid.calendar();
    let (first, last) = (first.event_time, last.event_time);
    calendar
        .sessions(calendar.session_date(first), calendar.session_date(last))
        .flat_map(|day| grid.session(day))
        .map(|span| span.end)
        .filter(|end| (first..=last).contains(end))
        .filter(|end| {
            bars.binary_search_by_key(end, |bar| bar.event_time)
                .is_err()
        })
        .map(|end| named(end, grid))
        .collect()
}

/// What looks wrong with each symbol that has something wrong, in words.
fn suspicions(rows: &Rows) -> BTreeMap<&str, Vec<String>> {
    let mut found: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for suspicion in &rows.suspicions {
        let told = format!("{}: {}", suspicion.reason(), suspicion.told());
        found.entry(&suspicion.symbol).or_default().push(told);
    }
    found
}

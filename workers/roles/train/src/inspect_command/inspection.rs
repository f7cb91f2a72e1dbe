//! What is found in a file. Nothing here is text for people yet, but for what `file` says of single rows.

use std::collections::BTreeMap;
use std::path::Path;

use foresail_domain::{Bar, Calendar};
use jiff::civil::Date;

use crate::file::Rows;

/// How a file is read and what it holds. [`text`](Self::text) and [`page`](Self::page) show it.
#[derive(Debug)]
pub struct Inspection {
    /// The file as it was named.
    pub(super) file: String,
    /// How it is written.
    pub(super) dialect: String,
    pub(super) calendar: Calendar,
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
    pub(super) fn new(path: &Path, dialect: String, calendar: &Calendar, rows: Rows) -> Self {
        let mut suspicions = suspicions(&rows);
        let symbols = rows.bars.iter().map(|(name, bars)| Symbol {
            missing: missing(bars, calendar),
            suspicions: suspicions.remove(name.as_str()).unwrap_or_default(),
        });
        let symbols = symbols.collect();
        Self {
            file: path.display().to_string(),
            dialect,
            calendar: calendar.clone(),
            symbols,
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

fn missing(bars: &[Bar], calendar: &Calendar) -> Vec<Date> {
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

/// What looks wrong with each symbol that has something wrong, in words.
fn suspicions(rows: &Rows) -> BTreeMap<&str, Vec<String>> {
    let mut found: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for suspicion in &rows.suspicions {
        let told = format!("{}: {}", suspicion.reason(), suspicion.told());
        found.entry(&suspicion.symbol).or_default().push(told);
    }
    found
}

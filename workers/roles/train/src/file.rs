//! A CSV file on this machine, read as ingest would read it, and the Pipeline that speaks of it. Used by `evaluate` and
//! `inspect`.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::io::{self, BufReader, Read};
use std::path::Path;

use foresail_bars::{Checker, CsvRows, RawRow, RowOutcome, in_order, nearest, unpacked};
use foresail_crds::Pipeline;
use foresail_crds::pipeline::spec::CsvSource;
use foresail_crds::worker_config::IngestConfig;
use foresail_domain::{Bar, TradingCalendar};
use foresail_runtime_base::{RoleError, clock};
use jiff::civil::Date;

use crate::lake::Bars;

/// One row off the sessions of the calendar in so many is a fault of the row; more say that it is not the calendar of
/// the file.
const OFF_SESSION_IN: u64 = 50;
/// Most other symbols that are remembered, to name one that was meant.
const OTHERS: usize = 1_000;

/// Rows of a file, and what became of them.
pub(crate) struct Rows {
    /// Good bars of each symbol that has some, by name.
    pub bars: Bars,
    /// Rows read.
    pub read: u64,
    /// Rows of other symbols.
    pub out_of_scope: u64,
    /// Refused rows by reason.
    pub refused: BTreeMap<&'static str, Refused>,
    /// Declared symbols without a bar, each with the symbol of the file that may be meant.
    pub without_bars: BTreeMap<String, Option<String>>,
    /// Price levels that moved, in words.
    pub rebasings: Vec<String>,
    /// Some of the symbols that are not declared.
    others: BTreeSet<String>,
}

/// Rows refused for one reason.
#[derive(Clone, Debug)]
pub(crate) struct Refused {
    pub rows: u64,
    /// The first of them, and what is wrong with it.
    pub example: String,
    /// Whether all of them are of weekdays.
    pub weekdays: bool,
}

impl Refused {
    /// A calendar that has the days which are off the sessions of another.
    pub(crate) fn fits(&self) -> TradingCalendar {
        if self.weekdays {
            TradingCalendar::Weekdays
        } else {
            TradingCalendar::AlwaysOpen
        }
    }
}

/// Reads it.
///
/// # Errors
/// User error `FileUnreadable`, and those of [`in_order`].
pub(crate) fn read(
    path: &Path,
    config: &IngestConfig,
    spec: &CsvSource,
) -> Result<Rows, RoleError> {
    let mut checker = Checker::new(config, "csv")?;
    let spec = at(path, spec);
    let mut found = Rows {
        bars: config
            .symbols()
            .into_iter()
            .map(|s| (s, Vec::new()))
            .collect(),
        read: 0,
        out_of_scope: 0,
        refused: BTreeMap::new(),
        without_bars: BTreeMap::new(),
        rebasings: Vec::new(),
        others: BTreeSet::new(),
    };
    let now = clock::now_ms();
    for row in in_order(|| text(path), &spec, tempfile::tempfile)? {
        let row = row?;
        let outcome = checker.check(&row, now);
        found.take(&row, outcome);
    }
    found.close();
    Ok(found)
}

/// How it is written, and its symbols; those of the spec when it names one.
///
/// # Errors
/// Those of [`read`].
pub(crate) fn look(path: &Path, spec: &CsvSource) -> Result<(String, BTreeSet<String>), RoleError> {
    let rows = CsvRows::new(text(path)?, &at(path, spec))?;
    let dialect = rows.dialect().to_string();
    let mut symbols = BTreeSet::new();
    for row in rows {
        if symbols.len() < OTHERS {
            symbols.extend(row?.fields.symbol);
        }
    }
    Ok((dialect, symbols))
}

/// The messages speak of the file at hand and not of the one that is declared.
fn at(path: &Path, spec: &CsvSource) -> CsvSource {
    CsvSource {
        uri: path.display().to_string(),
        ..spec.clone()
    }
}

/// A file that is read bit by bit, unpacked.
fn text(path: &Path) -> Result<Box<dyn Read + Send>, RoleError> {
    let open = || unpacked(BufReader::new(File::open(path)?));
    open().map_err(|e| unreadable(path, &e))
}

/// A Pipeline as YAML, judged as kubectl and the API server would.
///
/// # Errors
/// User errors `FileUnreadable` and `BadPipeline`.
pub(crate) fn pipeline(path: &Path) -> Result<Pipeline, RoleError> {
    let bytes = fs::read(path).map_err(|e| unreadable(path, &e))?;
    let text = String::from_utf8_lossy(&bytes);
    foresail_admission::read(&text).map_err(|refused| {
        let what = format!("the API server would refuse this Pipeline:\n{refused}");
        bad_pipeline(path, &what)
    })
}

/// What is wrong with a Pipeline.
pub(crate) fn bad_pipeline(path: &Path, what: &str) -> RoleError {
    RoleError::user("BadPipeline", format!("{}: {what}", path.display()))
}

fn unreadable(path: &Path, error: &io::Error) -> RoleError {
    RoleError::user("FileUnreadable", format!("{}: {error}", path.display()))
}

impl Rows {
    /// Every row accounted for, and whatever a person should know about them, in lines.
    pub(crate) fn counts(&self) -> String {
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
        for (symbol, meant) in &self.without_bars {
            let meant = meant.as_ref();
            let meant = meant.map_or_else(String::new, |meant| format!("; the file has `{meant}`"));
            text.push_str(&format!("\n  no bar of {symbol}{meant}"));
        }
        for rebasing in &self.rebasings {
            text.push_str(&format!("\n  {rebasing}"));
        }
        text
    }

    /// Rows refused for any reason.
    pub(crate) fn all_refused(&self) -> u64 {
        self.refused.values().map(|refused| refused.rows).sum()
    }

    /// Rows off the sessions of the calendar, when they are so many that it is not the calendar of the file.
    pub(crate) fn off_session(&self) -> Option<&Refused> {
        let off = self.refused.get("OffSession");
        off.filter(|off| off.rows * OFF_SESSION_IN > self.read)
    }

    fn take(&mut self, row: &RawRow, outcome: RowOutcome) {
        self.read += 1;
        match outcome {
            RowOutcome::Bar(bar, rebasing) => {
                self.rebasings
                    .extend(rebasing.map(|rebasing| rebasing.to_string()));
                self.push(bar);
            }
            RowOutcome::Refused(refusal) => {
                let first = || Refused {
                    rows: 0,
                    example: format!("row {}: {}", row.position + 1, refusal.message),
                    weekdays: true,
                };
                let refused = self.refused.entry(refusal.reason).or_insert_with(first);
                refused.rows += 1;
                let date: Option<Date> =
                    row.fields.date.as_ref().and_then(|text| text.parse().ok());
                refused.weekdays &=
                    date.is_some_and(|date| TradingCalendar::Weekdays.is_session(date));
            }
            RowOutcome::OutOfScope => {
                self.out_of_scope += 1;
                if self.others.len() < OTHERS {
                    self.others.extend(row.fields.symbol.clone());
                }
            }
        }
    }

    fn push(&mut self, bar: Bar) {
        if let Some((_, list)) = self
            .bars
            .iter_mut()
            .find(|(symbol, _)| *symbol == bar.symbol)
        {
            list.push(bar);
        }
    }

    /// Sets apart the declared symbols without a bar.
    fn close(&mut self) {
        let empty = self.bars.extract_if(.., |(_, bars)| bars.is_empty());
        self.without_bars = empty
            .map(|(symbol, _)| {
                let meant = nearest(&symbol, self.others.iter().map(String::as_str));
                let meant = meant.map(str::to_owned);
                (symbol, meant)
            })
            .collect();
        self.bars.sort_by(|a, b| a.0.cmp(&b.0));
    }
}

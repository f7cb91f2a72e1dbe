//! A CSV file on this machine, read as ingest would read it, and the Pipeline that speaks of it. Used by `evaluate` and
//! `inspect`.

mod rows;

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{self, BufReader, Read};
use std::path::Path;

use foresail_bars::{Checker, CsvRows, RawRow, in_order_seen, is_off_session, unpacked};
use foresail_crds::Pipeline;
use foresail_crds::names::PipelineName;
use foresail_crds::pipeline::spec::{CsvSource, DateRange, Instrument};
use foresail_crds::worker_config::{IngestConfig, RoleConfig};
use foresail_domain::TradingCalendar;
use foresail_runtime_base::{RoleError, clock};

pub(crate) use rows::Rows;
use rows::{OFF_SESSION_IN, OTHERS, date, fitting};

/// How a file is read: what a Pipeline says of its source, of which the whole file is history. What is replayed live in a
/// cluster is judged like the rest, and dates before the backfill count as well.
#[derive(Clone, Debug)]
pub(crate) struct Description {
    config: IngestConfig,
    csv: CsvSource,
}

impl Description {
    /// What `pipeline` says, whose name is `name` where it has none.
    ///
    /// # Errors
    /// In words, that it speaks of no CSV file.
    pub(crate) fn new(pipeline: &Pipeline, name: &str) -> Result<Self, &'static str> {
        let name = pipeline.metadata.name.as_deref().unwrap_or(name);
        let mut config = IngestConfig::new(PipelineName::new("local", name), &pipeline.spec);
        config.source.backfill = DateRange::default();
        config.source.replay = None;
        let csv = config.source.csv.clone();
        let csv = csv.ok_or("spec.source.csv must name the columns of the file")?;
        Ok(Self { config, csv })
    }

    /// How the file is written.
    pub(crate) fn csv(&self) -> &CsvSource {
        &self.csv
    }

    /// Symbols that count.
    pub(crate) fn symbols(&self) -> Vec<String> {
        self.config.symbols()
    }

    /// Calendar of the sessions.
    pub(crate) fn calendar(&self) -> TradingCalendar {
        self.config.calendar
    }
}

/// Reads a file as it is described.
///
/// # Errors
/// User error `FileUnreadable`, and those of [`foresail_bars::in_order`].
pub(crate) fn read(path: &Path, how: &Description) -> Result<Rows, RoleError> {
    let rows = in_order_seen(
        || text(path),
        &at(path, &how.csv),
        tempfile::tempfile,
        &mut |_| {},
    )?;
    checked(rows, &how.config)
}

/// Reads a file whose symbols and calendar nobody has described: every symbol counts, and the calendar is one that has the
/// days of the file. Both are written into `how`.
///
/// # Errors
/// Those of [`read`].
pub(crate) fn read_undescribed(path: &Path, how: &mut Description) -> Result<Rows, RoleError> {
    let mut survey = Survey::default();
    let rows = in_order_seen(
        || text(path),
        &at(path, &how.csv),
        tempfile::tempfile,
        &mut |row| survey.see(row, how.config.calendar),
    )?;
    if let Some(calendar) = survey.fits() {
        how.config.calendar = calendar;
    }
    let symbols = survey.symbols.into_iter();
    how.config.instruments = symbols.map(|symbol| Instrument { symbol }).collect();
    checked(rows, &how.config)
}

fn checked(rows: foresail_bars::Rows<'_>, config: &IngestConfig) -> Result<Rows, RoleError> {
    let mut checker = Checker::new(config, "csv")?;
    let mut found = Rows::new(config.symbols());
    let now = clock::now_ms();
    for row in rows {
        let row = row?;
        let outcome = checker.check(&row, now);
        found.take(&row, outcome);
    }
    found.close();
    Ok(found)
}

/// How the file is written, by its beginning.
///
/// # Errors
/// Those of [`read`].
pub(crate) fn dialect(path: &Path, csv: &CsvSource) -> Result<String, RoleError> {
    let rows = CsvRows::new(text(path)?, &at(path, csv))?;
    Ok(rows.dialect().to_string())
}

/// The symbols of a file, and the days that are off the sessions of a calendar.
#[derive(Default)]
struct Survey {
    symbols: BTreeSet<String>,
    rows: u64,
    off: u64,
    off_weekdays: u64,
}

impl Survey {
    fn see(&mut self, row: &RawRow, calendar: TradingCalendar) {
        self.rows += 1;
        if self.symbols.len() < OTHERS {
            self.symbols.extend(row.fields.symbol.clone());
        }
        if let Some(date) = date(row).filter(|date| is_off_session(calendar, *date)) {
            self.off += 1;
            self.off_weekdays += u64::from(TradingCalendar::Weekdays.is_session(date));
        }
    }

    /// Another calendar, where the days of the file are not those of the one it was compared with.
    fn fits(&self) -> Option<TradingCalendar> {
        let many = self.off * OFF_SESSION_IN > self.rows;
        many.then(|| fitting(self.off == self.off_weekdays))
    }
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

/// A Pipeline as YAML.
///
/// # Errors
/// User errors `FileUnreadable` and `BadPipeline`.
pub(crate) fn pipeline(path: &Path) -> Result<Pipeline, RoleError> {
    let bytes = fs::read(path).map_err(|e| unreadable(path, &e))?;
    let text = String::from_utf8_lossy(&bytes);
    serde_saphyr::from_str(&text)
        .map_err(|e| bad_pipeline(path, &format!("it is no Pipeline: {e}")))
}

/// What is wrong with a Pipeline.
pub(crate) fn bad_pipeline(path: &Path, what: &str) -> RoleError {
    RoleError::user("BadPipeline", format!("{}: {what}", path.display()))
}

fn unreadable(path: &Path, error: &io::Error) -> RoleError {
    RoleError::user("FileUnreadable", format!("{}: {error}", path.display()))
}

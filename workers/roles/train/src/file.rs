//! A CSV file on this machine, read as ingest would read it, and the Pipeline that speaks of it. Used by `evaluate` and
//! `inspect`.

mod rows;

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{self, BufReader, Cursor, Read, Write};
use std::path::Path;
use std::sync::Arc;

use foresail_bars::{
    Checker, CsvRows, Days, Described, RowKey, in_order, in_order_seen, is_off_session, unpacked,
};
use foresail_columnar::{Kind, TELLING};
use foresail_crds::Pipeline;
use foresail_crds::names::PipelineName;
use foresail_crds::pipeline::spec::{CsvSource, DateRange, OnSuspicion};
use foresail_crds::worker_config::{IngestConfig, RoleConfig};
use foresail_domain::{BarGrid, Calendar, Interval};
use foresail_runtime_base::{RoleError, clock};
use jiff::civil::Date;
use serde_json::json;

pub(crate) use rows::{Rows, suspected};

/// Most symbols of a file that nobody has described.
const SYMBOLS: usize = 1_000;

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

    fn described(&self, path: &Path) -> Described {
        Described::new(&self.config, at(path, &self.csv))
    }

    /// How the file is written.
    pub(crate) fn csv(&self) -> &CsvSource {
        &self.csv
    }

    /// Symbols that count.
    pub(crate) fn symbols(&self) -> Vec<String> {
        self.config.symbols()
    }

    /// What becomes of moves that may be mistakes of the file.
    pub(crate) fn on_suspicion(&self) -> Option<OnSuspicion> {
        self.config.source.on_suspicion
    }

    /// The same for bars of another length.
    pub(crate) fn set_interval(&mut self, interval: Interval) {
        self.config.source.interval = interval;
    }

    /// Where bars begin and end.
    pub(crate) fn grid(&self) -> BarGrid {
        self.config.bar_grid()
    }

    /// Calendar of the sessions.
    pub(crate) fn calendar(&self) -> &Calendar {
        &self.config.calendar
    }
}

/// Reads a file as it is described.
///
/// # Errors
/// User error `FileUnreadable`, and those of [`foresail_bars::in_order`].
pub(crate) fn read(path: &Path, how: &Description) -> Result<Rows, RoleError> {
    let described = described(path, how.described(path))?;
    let rows = in_order(|| text(path), &described, tempfile::tempfile)?;
    checked(rows, &how.config)
}

/// Reads a file whose symbols and calendar nobody has described: every symbol counts, and the calendar is one that has the
/// days of the file. Both are written into `how`.
///
/// # Errors
/// Those of [`read`].
pub(crate) fn read_undescribed(path: &Path, how: &mut Description) -> Result<Rows, RoleError> {
    let mut survey = Survey::default();
    let mut alone = Described::alone(at(path, &how.csv));
    alone.interval = how.config.source.interval;
    let mut described = described(path, alone)?;
    let mut rows = in_order_seen(
        || text(path),
        &described,
        tempfile::tempfile,
        |row| survey.see(row, &how.config.calendar),
    )?;
    if let Some((_, calendar)) = survey.days.many_off() {
        how.config.calendar = calendar.into();
        if described.interval.is_intraday() {
            // Times are on another clock then.
            described.calendar = calendar;
            rows = in_order(|| text(path), &described, tempfile::tempfile)?;
        }
    }
    let symbols = survey.symbols.into_iter();
    // Codes that no Pipeline may have are looked at as well; what is wrong with them is said of the Pipeline.
    let instruments = symbols.map(|symbol| serde_json::from_value(json!({"symbol": symbol})));
    how.config.instruments = instruments.filter_map(Result::ok).collect();
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
pub(crate) fn dialect(path: &Path, how: &Description) -> Result<String, RoleError> {
    written(path, how.described(path))
}

/// The same of a file of which nothing but its source is described.
///
/// # Errors
/// Those of [`read`].
pub(crate) fn dialect_undescribed(path: &Path, csv: &CsvSource) -> Result<String, RoleError> {
    written(path, Described::alone(at(path, csv)))
}

fn written(path: &Path, file: Described) -> Result<String, RoleError> {
    let rows = CsvRows::new(text(path)?, &described(path, file)?)?;
    Ok(rows.dialect().to_string())
}

/// The symbols of a file, and the days that are off the sessions of a calendar.
#[derive(Default)]
struct Survey {
    symbols: BTreeSet<String>,
    days: Days,
}

impl Survey {
    fn see(&mut self, row: RowKey<'_>, calendar: &Calendar) {
        if let Some(symbol) = row.symbol
            && self.symbols.len() < SYMBOLS
            && !self.symbols.contains(symbol)
        {
            self.symbols.insert(symbol.to_owned());
        }
        let day: Option<Date> = row
            .date
            .and_then(|text| text.get(..10).unwrap_or(text).parse().ok());
        let is_off = day.is_some_and(|day| is_off_session(calendar, day));
        self.days.add(|| day, is_off);
    }
}

/// The messages speak of the file at hand and not of the one that is declared.
fn at(path: &Path, spec: &CsvSource) -> CsvSource {
    CsvSource {
        uri: path.display().to_string(),
        ..spec.clone()
    }
}

/// The beginning of a file, which tells whether it is one of columns, and what follows; unpacked.
fn begun(path: &Path) -> io::Result<(Vec<u8>, impl Read + Send + use<>)> {
    let mut text = unpacked(BufReader::new(File::open(path)?))?;
    let mut start = Vec::new();
    (&mut text).take(TELLING).read_to_end(&mut start)?;
    Ok((start, text))
}

/// The text of a file, unpacked. That of columns is made bit by bit while it is read.
fn opened(path: &Path) -> io::Result<Box<dyn Read + Send>> {
    let (start, mut text) = begun(path)?;
    let Some(kind) = Kind::of(&start) else {
        return Ok(Box::new(Cursor::new(start).chain(text)));
    };
    let mut file = File::open(path)?;
    let mut stored = Vec::new();
    (&file).take(TELLING).read_to_end(&mut stored)?;
    if stored != start {
        // It is packed, and its parts are read in an order of their own.
        file = tempfile::tempfile()?;
        file.write_all(&start)?;
        io::copy(&mut text, &mut file)?;
    }
    Ok(Box::new(kind.text(Arc::new(file))?))
}

fn text(path: &Path) -> Result<Box<dyn Read + Send>, RoleError> {
    opened(path).map_err(|e| unreadable(path, &e))
}

/// What is said of the text of a file.
fn described(path: &Path, described: Described) -> Result<Described, RoleError> {
    let (start, _) = begun(path).map_err(|e| unreadable(path, &e))?;
    Ok(match Kind::of(&start) {
        Some(_) => described.of_columns(),
        None => described,
    })
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

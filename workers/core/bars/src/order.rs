//! Rows of a file in the order of their sessions. A file that is not written so (newest first, or in no order) is sorted on
//! disk, in memory that does not grow with it. Of several rows of one symbol and session the last one counts: the others
//! are marked as superseded.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap, VecDeque};
use std::fs::File;
use std::io::{self, BufRead, BufReader, BufWriter, Read, Seek, Write};

use foresail_crds::RoleError;
use foresail_crds::pipeline::spec::CsvSource;
use foresail_crds::role_error::shown_address;

use crate::csv_source::{CsvRows, RowMaker};
use crate::row::RawRow;

/// Bytes of rows that are sorted in memory at once.
const RUN: usize = 16 << 20;
/// Most symbols whose order is looked at.
const SYMBOLS: usize = 65_536;
/// Rows of which nothing is concluded.
const FEW: u64 = 20;
/// Most rows of one session that are compared with each other.
const GROUP: usize = 4096;

/// Makes an empty file without a name.
pub type Scratch = fn() -> io::Result<File>;

/// Rows in the order of their sessions.
pub type Rows<'a> = Box<dyn Iterator<Item = Result<RawRow, RoleError>> + Send + 'a>;

/// Opens a file that can be read again and again, and brings its rows in order, on `scratch` where they are not. Positions
/// count in that order.
///
/// # Errors
/// Those of [`CsvRows::new`], and outside error `ScratchFailed` when there is no room to sort.
pub fn in_order<'a, R: Read + Send + 'a>(
    open: impl Fn() -> Result<R, RoleError>,
    spec: &CsvSource,
    scratch: Scratch,
) -> Result<Rows<'a>, RoleError> {
    let order = Order::of(CsvRows::new(open()?, spec)?, spec)?;
    let rows = CsvRows::new(open()?, spec)?;
    let rows: Rows<'a> = match order {
        Order::Rising => Box::new(rows),
        Order::Falling | Order::None => Box::new(sorted(rows, order, scratch)?),
    };
    Ok(Box::new(Latest::new(rows)))
}

/// How the dates of a file follow each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Order {
    /// Those of every symbol rise.
    Rising,
    /// They fall more often than they rise: of two rows of a day the first one was written last.
    Falling,
    None,
}

impl Order {
    fn of(rows: CsvRows<'_>, spec: &CsvSource) -> Result<Self, RoleError> {
        let mut last: HashMap<Option<String>, String> = HashMap::new();
        let (mut rises, mut falls, mut stays) = (0u64, 0u64, 0u64);
        for row in rows {
            let fields = row?.fields;
            let full = last.len() >= SYMBOLS;
            // Normal dates sort as text.
            let Some(date) = fields.date else { continue };
            match last.get_mut(&fields.symbol) {
                Some(before) => {
                    rises += u64::from(date > *before);
                    falls += u64::from(date < *before);
                    stays += u64::from(date == *before);
                    *before = date;
                }
                None if full => {}
                None => {
                    last.insert(fields.symbol, date);
                }
            }
        }
        let moves = rises + falls + stays;
        if moves >= FEW && stays * 3 > moves {
            return Err(several_rows(stays, rises + falls, spec));
        }
        Ok(match (rises, falls) {
            (_, 0) => Self::Rising,
            (rises, falls) if falls > rises => Self::Falling,
            _ => Self::None,
        })
    }
}

/// The file holds parts of sessions: taking the last of them for the day would be a day without its morning.
fn several_rows(stays: u64, moves: u64, spec: &CsvSource) -> RoleError {
    let uri = shown_address(&spec.uri);
    let each = 1 + stays / moves.max(1);
    let message = format!(
        "{uri} has about {each} rows of each symbol and session, and daily bars are read: make one row of each session, \
         or use the daily file"
    );
    RoleError::user("IntervalDoesNotFit", message)
}

/// Date, then place in the file.
type Key = (String, u64);

/// A row as it is sorted: without its fields, which are many times its bytes.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Sorted {
    key: Key,
    length: u64,
    original: Vec<u8>,
}

impl Sorted {
    /// Bytes in memory, with what an allocator adds.
    fn bytes(&self) -> usize {
        self.original.len() + 160
    }
}

fn sorted(mut rows: CsvRows<'_>, order: Order, scratch: Scratch) -> Result<Merged, RoleError> {
    let write = |run| {
        let written = scratch().and_then(|file| Run::write(run, file));
        written.map_err(|e| scratch_failed(&e))
    };
    let maker = rows.maker();
    let (mut runs, mut run, mut bytes) = (Vec::new(), Vec::new(), 0);
    let mut last = String::new();
    for row in &mut rows {
        let row = row?;
        // A row without a date stays with the one before it.
        if let Some(date) = row.fields.date {
            last = date;
        }
        let place = match order {
            Order::Falling => u64::MAX - row.position,
            Order::Rising | Order::None => row.position,
        };
        let row = Sorted {
            key: (last.clone(), place),
            length: row.length,
            original: row.original,
        };
        bytes += row.bytes();
        run.push(row);
        if bytes >= RUN {
            runs.push(write(std::mem::take(&mut run))?);
            bytes = 0;
        }
    }
    runs.push(write(run)?);
    Merged::new(runs, maker).map_err(|e| scratch_failed(&e))
}

fn scratch_failed(error: &io::Error) -> RoleError {
    let message =
        format!("the rows of the source cannot be sorted on disk: {error}; it is retried");
    RoleError::outside("ScratchFailed", message)
}

/// Sorted rows on disk. The file has no name: it goes with its reader.
struct Run(BufReader<File>);

impl Run {
    fn write(mut rows: Vec<Sorted>, file: File) -> io::Result<Self> {
        rows.sort_unstable();
        let mut out = BufWriter::new(file);
        for row in rows {
            put(&mut out, row.key.0.as_bytes())?;
            out.write_all(&row.key.1.to_le_bytes())?;
            out.write_all(&row.length.to_le_bytes())?;
            put(&mut out, &row.original)?;
        }
        let mut file = out.into_inner().map_err(io::IntoInnerError::into_error)?;
        file.rewind()?;
        Ok(Self(BufReader::with_capacity(32 << 10, file)))
    }

    fn next(&mut self) -> io::Result<Option<Sorted>> {
        if self.0.fill_buf()?.is_empty() {
            return Ok(None);
        }
        let date = String::from_utf8_lossy(&self.take()?).into_owned();
        Ok(Some(Sorted {
            key: (date, self.number()?),
            length: self.number()?,
            original: self.take()?,
        }))
    }

    fn number(&mut self) -> io::Result<u64> {
        let mut bytes = [0; 8];
        self.0.read_exact(&mut bytes)?;
        Ok(u64::from_le_bytes(bytes))
    }

    fn take(&mut self) -> io::Result<Vec<u8>> {
        let mut length = [0; 4];
        self.0.read_exact(&mut length)?;
        let mut bytes = vec![0; u32::from_le_bytes(length) as usize];
        self.0.read_exact(&mut bytes)?;
        Ok(bytes)
    }
}

/// Bytes behind their number.
fn put(out: &mut impl Write, bytes: &[u8]) -> io::Result<()> {
    let length = u32::try_from(bytes.len()).map_err(io::Error::other)?;
    out.write_all(&length.to_le_bytes())?;
    out.write_all(bytes)
}

/// All runs as one.
struct Merged {
    runs: Vec<Run>,
    /// The next row of each run that has one, with the number of the run.
    next: BinaryHeap<Reverse<(Sorted, usize)>>,
    maker: RowMaker,
    position: u64,
    failed: bool,
}

impl Merged {
    fn new(runs: Vec<Run>, maker: RowMaker) -> io::Result<Self> {
        let mut merged = Self {
            next: BinaryHeap::new(),
            maker,
            position: 0,
            failed: false,
            runs,
        };
        for run in 0..merged.runs.len() {
            merged.advance(run)?;
        }
        Ok(merged)
    }

    fn advance(&mut self, run: usize) -> io::Result<()> {
        let next = self.runs.get_mut(run).map_or(Ok(None), Run::next)?;
        self.next.extend(next.map(|row| Reverse((row, run))));
        Ok(())
    }
}

impl Iterator for Merged {
    type Item = Result<RawRow, RoleError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.failed {
            return None;
        }
        let Reverse((row, run)) = self.next.pop()?;
        if let Err(error) = self.advance(run) {
            self.failed = true;
            return Some(Err(scratch_failed(&error)));
        }
        let position = self.position;
        self.position += 1;
        Some(Ok(self.maker.row(row.original, row.length, position)))
    }
}

/// Marks the rows after which another one of the same symbol and session comes.
struct Latest<'a> {
    rows: Rows<'a>,
    /// Rows of one session, as far as they stand together.
    group: VecDeque<RawRow>,
    /// The row or error after them.
    ahead: Option<Result<RawRow, RoleError>>,
}

impl<'a> Latest<'a> {
    fn new(mut rows: Rows<'a>) -> Self {
        Self {
            ahead: rows.next(),
            rows,
            group: VecDeque::new(),
        }
    }

    fn fill(&mut self) {
        let mut date: Option<String> = None;
        while self.group.len() < GROUP {
            let of_group = |row: &RawRow| {
                row.fields.date.is_some()
                    && date
                        .as_ref()
                        .is_none_or(|date| row.fields.date.as_ref() == Some(date))
            };
            match self.ahead.take() {
                Some(Ok(row)) if of_group(&row) => {
                    date.clone_from(&row.fields.date);
                    self.group.push_back(row);
                    self.ahead = self.rows.next();
                }
                other => {
                    self.ahead = other;
                    break;
                }
            }
        }
        let mut newest: HashMap<&Option<String>, usize> = HashMap::new();
        for (i, row) in self.group.iter().enumerate() {
            // A row without a price says nothing that could count.
            let close = row.fields.close.as_ref().map(|text| text.parse::<f64>());
            if close.is_some_and(|close| close.is_ok_and(f64::is_finite)) {
                newest.insert(&row.fields.symbol, i);
            }
        }
        let superseded: Vec<bool> = (self.group.iter().enumerate())
            .map(|(i, row)| newest.get(&row.fields.symbol).is_some_and(|last| *last > i))
            .collect();
        for (row, superseded) in self.group.iter_mut().zip(superseded) {
            row.superseded = superseded;
        }
    }
}

impl Iterator for Latest<'_> {
    type Item = Result<RawRow, RoleError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.group.is_empty() {
            self.fill();
        }
        if let Some(row) = self.group.pop_front() {
            return Some(Ok(row));
        }
        let next = self.ahead.take()?;
        if next.is_ok() {
            self.ahead = self.rows.next();
        }
        Some(next)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spec() -> CsvSource {
        serde_json::from_value(serde_json::json!({"uri": "http://host/f.csv"})).unwrap()
    }

    fn read(file: &str) -> Vec<RawRow> {
        let rows = in_order(|| Ok(file.as_bytes()), &spec(), tempfile::tempfile).unwrap();
        rows.collect::<Result<_, _>>().unwrap()
    }

    fn closes(file: &str) -> Vec<(String, bool)> {
        let rows = read(file);
        let positions: Vec<u64> = rows.iter().map(|row| row.position).collect();
        assert_eq!(positions, (0..rows.len() as u64).collect::<Vec<_>>());
        rows.into_iter()
            .map(|row| (row.fields.close.unwrap_or_default(), row.superseded))
            .collect()
    }

    fn plain(closes: &[&str]) -> Vec<(String, bool)> {
        closes
            .iter()
            .map(|close| ((*close).to_owned(), false))
            .collect()
    }

    #[test]
    fn a_file_in_order_is_left_as_it_is() {
        let by_symbol =
            "symbol,date,close\nA,2020-01-02,1\nA,2020-01-03,2\nB,2020-01-02,3\nB,2020-01-03,4\n";
        assert_eq!(closes(by_symbol), plain(&["1", "2", "3", "4"]));
    }

    #[test]
    fn newest_first_and_no_order_are_sorted_and_what_has_no_date_stays_with_its_neighbour() {
        let falling = "symbol,date,close\nA,01/06/2020,4\nbroken\nA,01/03/2020,2\nA,01/02/2020,1\nA,12/31/2019,0\n";
        assert_eq!(closes(falling), plain(&["0", "1", "2", "", "4"]));
        let mixed =
            "symbol,date,close\nA,2020-01-03,2\nA,2020-01-02,1\nB,2020-01-02,3\nB,2020-01-03,4\n";
        assert_eq!(closes(mixed), plain(&["1", "3", "2", "4"]));
    }

    #[test]
    fn the_last_row_of_a_day_counts_whichever_way_the_file_runs() {
        let mut rising = plain(&["1", "2", "3"]);
        rising[1].1 = true;
        let file = "symbol,date,close\nA,2020-01-02,1\nA,2020-01-03,2\nA,2020-01-03,3\n";
        assert_eq!(closes(file), rising);
        let file = "symbol,date,close\nA,2020-01-03,3\nA,2020-01-03,2\nA,2020-01-02,1\n";
        assert_eq!(closes(file), rising);
        // What has no price supersedes nothing.
        let file = "symbol,date,close\nA,2020-01-02,1\nA,2020-01-03,2\nA,2020-01-03,\n";
        assert!(closes(file).iter().all(|(_, superseded)| !superseded));
    }

    #[test]
    fn parts_of_sessions_are_no_daily_bars() {
        let rows: String = (0..40)
            .map(|i| format!("A,2020-01-{:02} 10:{:02}:00,1\n", 2 + i / 10, i % 10))
            .collect();
        let file = format!("symbol,date,close\n{rows}");
        let error = in_order(|| Ok(file.as_bytes()), &spec(), tempfile::tempfile)
            .err()
            .unwrap();
        assert_eq!(error.reason, "IntervalDoesNotFit");
        assert!(error.message.contains("about 13 rows"), "{error}");
    }

    #[test]
    fn many_runs_are_one_file_in_order() {
        let mut date = jiff::civil::date(1990, 1, 1);
        let (mut lines, filler) = (Vec::new(), "x".repeat(60_000));
        for i in 0..1_500 {
            lines.push(format!("A,{date},{i},{filler}"));
            date = date.tomorrow().unwrap();
        }
        let expected: Vec<String> = (0..1_500).map(|i| i.to_string()).collect();
        lines.reverse();
        let file = format!("symbol,date,close,text\n{}\n", lines.join("\n"));
        let found: Vec<String> = closes(&file).into_iter().map(|(close, _)| close).collect();
        assert_eq!(found, expected);
    }
}

//! A file sorted on disk: runs that fit memory, merged while they are read.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::io::{self, BufRead, BufReader, BufWriter, Read, Seek, Write};

use foresail_crds::RoleError;

use crate::csv_source::{CsvRows, RowMaker};
use crate::row::RawRow;

/// Bytes of rows that are sorted in memory at once.
const RUN: usize = 16 << 20;

/// Somewhere to write rows and read them again; a file without a name, where it is real.
pub trait Scratch: Read + Write + Seek + Send + 'static {}

impl<T: Read + Write + Seek + Send + 'static> Scratch for T {}

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

/// All rows by date. Of a day, the last one in the file comes last; in a file that is written newest first, the first one.
///
/// # Errors
/// Those of reading, and outside error `ScratchFailed`.
pub(super) fn sorted<S: Scratch>(
    mut rows: CsvRows<'_>,
    newest_first: bool,
    scratch: fn() -> io::Result<S>,
) -> Result<Merged<S>, RoleError> {
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
        let place = if newest_first {
            u64::MAX - row.position
        } else {
            row.position
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
    Merged::new(runs, maker, newest_first).map_err(|e| scratch_failed(&e))
}

fn scratch_failed(error: &io::Error) -> RoleError {
    let message =
        format!("the rows of the source cannot be sorted on disk: {error}; it is retried");
    RoleError::outside("ScratchFailed", message)
}

/// Sorted rows on disk. The file has no name: it goes with its reader.
struct Run<S>(BufReader<S>);

impl<S: Scratch> Run<S> {
    fn write(mut rows: Vec<Sorted>, file: S) -> io::Result<Self> {
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
pub(super) struct Merged<S> {
    runs: Vec<Run<S>>,
    /// The next row of each run that has one, with the number of the run.
    next: BinaryHeap<Reverse<(Sorted, usize)>>,
    maker: RowMaker,
    newest_first: bool,
    position: u64,
    failed: bool,
}

impl<S: Scratch> Merged<S> {
    fn new(runs: Vec<Run<S>>, maker: RowMaker, newest_first: bool) -> io::Result<Self> {
        let mut merged = Self {
            next: BinaryHeap::new(),
            maker,
            newest_first,
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

impl<S: Scratch> Iterator for Merged<S> {
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
        let place = if self.newest_first {
            u64::MAX - row.key.1
        } else {
            row.key.1
        };
        let mut row = self.maker.row(row.original, row.length, position);
        row.line = self.maker.line(place);
        Some(Ok(row))
    }
}

//! A file sorted on disk: runs that fit memory, merged while they are read.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::io::{self, BufRead, BufReader, BufWriter, Read, Seek, Write};

use foresail_crds::RoleError;
use smol_str::SmolStr;

use crate::csv_source::CsvRows;
use crate::expanded::{Expanded, Placed};
use crate::lines::Line;

/// Bytes of lines that are sorted in memory at once.
const RUN: usize = 16 << 20;

/// Somewhere to write lines and read them again; a file without a name, where it is real.
pub trait Scratch: Read + Write + Seek + Send + 'static {}

impl<T: Read + Write + Seek + Send + 'static> Scratch for T {}

/// Date, then place in the file.
type Key = (SmolStr, u64);

/// A line as it is sorted: without its fields, which are many times its bytes.
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

/// All lines by date. Of a day, the last one in the file comes last; in a file that is written newest first, the first one.
///
/// # Errors
/// Those of reading, and outside error `ScratchFailed`.
pub(super) fn sorted<S: Scratch>(
    rows: CsvRows<'_>,
    newest_first: bool,
    scratch: fn() -> io::Result<S>,
) -> Result<Expanded<Merged<S>>, RoleError> {
    let write = |run| {
        let written = scratch().and_then(|file| Run::write(run, file));
        written.map_err(|e| scratch_failed(&e))
    };
    let (lines, mut maker) = rows.into_lines();
    let (mut runs, mut run, mut bytes) = (Vec::new(), Vec::new(), 0);
    let mut last = SmolStr::default();
    for line in lines {
        let (line, place) = line?;
        // A line without a date stays with the one before it.
        if let Some(date) = maker.date(&line) {
            last = date.into();
        }
        let place = if newest_first {
            u64::MAX - place
        } else {
            place
        };
        let line = Sorted {
            key: (last.clone(), place),
            length: line.length,
            original: line.bytes.to_vec(),
        };
        bytes += line.bytes();
        run.push(line);
        if bytes >= RUN {
            runs.push(write(std::mem::take(&mut run))?);
            bytes = 0;
        }
    }
    runs.push(write(run)?);
    let merged = Merged::new(runs, newest_first).map_err(|e| scratch_failed(&e))?;
    Ok(Expanded::new(merged, maker))
}

fn scratch_failed(error: &io::Error) -> RoleError {
    let message =
        format!("the rows of the source cannot be sorted on disk: {error}; it is retried");
    RoleError::outside("ScratchFailed", message)
}

/// Sorted lines on disk. The file has no name: it goes with its reader.
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
        let date = SmolStr::from(&*String::from_utf8_lossy(&self.take()?));
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

/// All runs as one. An error ends them.
pub(super) struct Merged<S> {
    runs: Vec<Run<S>>,
    /// The next line of each run that has one, with the number of the run.
    next: BinaryHeap<Reverse<(Sorted, usize)>>,
    newest_first: bool,
}

impl<S: Scratch> Merged<S> {
    fn new(runs: Vec<Run<S>>, newest_first: bool) -> io::Result<Self> {
        let mut merged = Self {
            next: BinaryHeap::new(),
            newest_first,
            runs,
        };
        for run in 0..merged.runs.len() {
            merged.advance(run)?;
        }
        Ok(merged)
    }

    fn advance(&mut self, run: usize) -> io::Result<()> {
        let next = self.runs.get_mut(run).map_or(Ok(None), Run::next)?;
        self.next.extend(next.map(|line| Reverse((line, run))));
        Ok(())
    }
}

impl<S: Scratch> Iterator for Merged<S> {
    type Item = Result<Placed, RoleError>;

    fn next(&mut self) -> Option<Self::Item> {
        let Reverse((sorted, run)) = self.next.pop()?;
        if let Err(error) = self.advance(run) {
            return Some(Err(scratch_failed(&error)));
        }
        let (_, place) = sorted.key;
        let place = if self.newest_first {
            u64::MAX - place
        } else {
            place
        };
        let line = Line {
            bytes: sorted.original.into(),
            length: sorted.length,
        };
        Some(Ok((line, place)))
    }
}

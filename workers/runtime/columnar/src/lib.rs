//! Parquet and Arrow files as the text of their table, line by line: whoever reads CSV reads them as well, by the same
//! description. Numbers are written so that they read back equal, instants with the offset of their zone.

mod arrow_file;
mod damage;
mod shared;
mod values;

use std::fs::File;
use std::io::{self, Read};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use arrow_array::RecordBatch;
use arrow_schema::ArrowError;
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::{ParquetRecordBatchReader, ParquetRecordBatchReaderBuilder};

use arrow_file::ArrowFile;
use damage::{damaged, sized};
use shared::Shared;
use values::{Column, put_text};

/// Rows that are made text at once.
const ROWS: usize = 1024;

/// Bytes that tell.
pub const TELLING: u64 = 6;

/// How a file of columns is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Apache Parquet.
    Parquet,
    /// Apache Arrow's file format, which Feather is as well.
    Arrow,
}

impl Kind {
    /// By the first [`TELLING`] bytes of a file, or all there are; `None` when it is something else.
    pub fn of(start: &[u8]) -> Option<Self> {
        if start.starts_with(b"ARROW1") {
            return Some(Self::Arrow);
        }
        start.starts_with(b"PAR1").then_some(Self::Parquet)
    }

    /// The table of a file as CSV: a line with the names of its columns, then a line for each row. Columns of lists and the
    /// like are left out. Readers of one file do not disturb each other.
    ///
    /// # Errors
    /// `InvalidData` for a file that is damaged, or whose parts are too large to be read; those of reading it.
    pub fn text(self, file: Arc<File>) -> io::Result<Text> {
        let shared = Shared::new(file)?;
        let open = || match self {
            Self::Parquet => parquet(shared),
            Self::Arrow => Ok(Batches::Arrow(Box::new(ArrowFile::open(shared)?))),
        };
        let batches = caught(open)?;
        let schema = batches.schema();
        let mut buffer = Vec::new();
        let columns: Vec<usize> = (schema.fields().iter().enumerate())
            .filter(|(_, field)| values::is_plain(field.data_type()))
            .map(|(i, _)| i)
            .collect();
        for (place, column) in columns.iter().enumerate() {
            if place > 0 {
                buffer.push(b',');
            }
            put_text(&mut buffer, schema.field(*column).name());
        }
        buffer.push(b'\n');
        Ok(Text {
            batches,
            columns,
            batch: None,
            buffer,
            at: 0,
        })
    }
}

fn parquet(shared: Shared) -> io::Result<Batches> {
    let builder = ParquetRecordBatchReaderBuilder::try_new(shared).map_err(damaged)?;
    let fields = builder.schema().fields().iter().enumerate();
    let plain = fields.filter(|(_, field)| values::is_plain(field.data_type()));
    let plain = plain.map(|(i, _)| i);
    let mask = ProjectionMask::roots(builder.parquet_schema(), plain);
    for group in builder.metadata().row_groups() {
        for (leaf, column) in group.columns().iter().enumerate() {
            let size = u64::try_from(column.uncompressed_size()).unwrap_or(u64::MAX);
            if mask.leaf_included(leaf) {
                sized("a column of a row group", size)?;
            }
        }
    }
    let builder = builder.with_projection(mask).with_batch_size(ROWS);
    let reader = builder.build().map_err(damaged)?;
    Ok(Batches::Parquet(Box::new(reader)))
}

/// What runs code of others on bytes of others: what it does not expect is an error of the file.
fn caught<T>(work: impl FnOnce() -> io::Result<T>) -> io::Result<T> {
    catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|_| Err(damaged("its columns are damaged")))
}

enum Batches {
    Parquet(Box<ParquetRecordBatchReader>),
    Arrow(Box<ArrowFile>),
}

impl Batches {
    fn schema(&self) -> arrow_schema::SchemaRef {
        match self {
            Self::Parquet(reader) => arrow_array::RecordBatchReader::schema(reader.as_ref()),
            Self::Arrow(file) => file.schema(),
        }
    }

    fn next(&mut self) -> io::Result<Option<RecordBatch>> {
        match self {
            Self::Parquet(reader) => reader.next().transpose().map_err(|error| match error {
                // What the disk says is not a fault of the file.
                ArrowError::IoError(_, error) => error,
                error => damaged(error),
            }),
            Self::Arrow(file) => file.next(),
        }
    }
}

/// The text of a table, made while it is read.
pub struct Text {
    batches: Batches,
    /// Columns that are read, in the batches of an Arrow file; those of Parquet have no other.
    columns: Vec<usize>,
    /// The batch at hand, and its rows that are text already.
    batch: Option<(RecordBatch, usize)>,
    buffer: Vec<u8>,
    at: usize,
}

impl Text {
    /// Makes more text; false at the end.
    fn fill(&mut self) -> io::Result<bool> {
        let (batch, from) = match self.batch.take() {
            Some(batch) => batch,
            None => match self.batches.next()? {
                Some(batch) => (batch, 0),
                None => return Ok(false),
            },
        };
        let to = (from + ROWS).min(batch.num_rows());
        let rows = batch.slice(from, to - from);
        self.buffer.clear();
        self.at = 0;
        let columns = self
            .columns
            .iter()
            .map(|column| Column::new(rows.column(*column)));
        let columns: Vec<Column> = columns.collect::<io::Result<_>>()?;
        for row in 0..rows.num_rows() {
            for (place, column) in columns.iter().enumerate() {
                if place > 0 {
                    self.buffer.push(b',');
                }
                column.put(&mut self.buffer, row)?;
            }
            self.buffer.push(b'\n');
        }
        drop(columns);
        if to < batch.num_rows() {
            self.batch = Some((batch, to));
        }
        Ok(true)
    }
}

impl Read for Text {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        while self.at == self.buffer.len() {
            if !caught(|| self.fill())? {
                return Ok(0);
            }
        }
        let text = &self.buffer[self.at..];
        let length = text.len().min(out.len());
        out[..length].copy_from_slice(&text[..length]);
        self.at += length;
        Ok(length)
    }
}

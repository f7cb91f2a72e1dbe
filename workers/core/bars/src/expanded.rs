//! Lines of a file as rows: one, or one for each bar that a line holds.

use std::io::{self, Read};
use std::vec;

use foresail_crds::RoleError;

use crate::dialect::{Dialect, LastDate};
use crate::lines::{Line, Lines};
use crate::row::{Fields, RawRow, RowKey};
use crate::split::Splitter;

/// A line, and how many lines stand between it and the header.
pub(crate) type Placed = (Line, u64);

/// Lines behind the header of a file. An error ends them.
pub(crate) struct FileLines<'a> {
    lines: Lines<Box<dyn Read + Send + 'a>>,
    place: u64,
}

impl<'a> FileLines<'a> {
    /// Those behind `before` others.
    ///
    /// # Errors
    /// Those of `reader`.
    pub(crate) fn new(
        reader: Box<dyn Read + Send + 'a>,
        end: u8,
        before: usize,
    ) -> io::Result<Self> {
        let mut lines = Lines::new(reader, end);
        for _ in 0..before {
            lines.first()?;
        }
        Ok(Self { lines, place: 0 })
    }

    /// The next line where it stands, for whoever needs no line of his own.
    ///
    /// # Errors
    /// Those of the iterator.
    pub(crate) fn next_here(&mut self) -> Result<Option<Line<&[u8]>>, RoleError> {
        let is_there = self.lines.advance().map_err(|error| read_failed(&error))?;
        Ok(is_there.then(|| self.lines.here()))
    }
}

impl Iterator for FileLines<'_> {
    type Item = Result<Placed, RoleError>;

    fn next(&mut self) -> Option<Self::Item> {
        let line = match self.lines.next() {
            Ok(line) => line?,
            Err(error) => return Some(Err(read_failed(&error))),
        };
        let place = self.place;
        self.place += 1;
        Some(Ok((line, place)))
    }
}

/// What the source holds cannot be read now, or is damaged.
pub(crate) fn read_failed(error: &io::Error) -> RoleError {
    if error.kind() == io::ErrorKind::InvalidData {
        let message = format!("the file of the source cannot be read: {error}; correct it");
        return RoleError::user("SourceUnreadable", message);
    }
    RoleError::outside(
        "SourceReadFailed",
        format!("the file of the source cannot be read: {error}; it is retried"),
    )
}

/// Makes fields of lines.
pub(crate) struct RowMaker {
    splitter: Splitter,
    dialect: Dialect,
    last: LastDate,
}

impl RowMaker {
    pub(crate) fn new(dialect: Dialect) -> Self {
        Self {
            splitter: dialect.splitter(),
            dialect,
            last: LastDate::default(),
        }
    }

    pub(crate) fn dialect(&self) -> &Dialect {
        &self.dialect
    }

    pub(crate) fn into_dialect(self) -> Dialect {
        self.dialect
    }

    /// The date of a line that has one.
    pub(crate) fn date(&mut self, line: &Line) -> Option<String> {
        let row = self.splitter.row(text(line.here(), self.dialect.utf8)?)?;
        self.dialect.date(&row)
    }

    /// The bars of a line: the first of them, which stays empty for one that cannot be read, and the others.
    fn fields(&mut self, line: Line<&[u8]>, first: &mut Fields) -> Vec<Fields> {
        let row = text(line, self.dialect.utf8).and_then(|bytes| self.splitter.row(bytes));
        let others = row.map(|row| self.dialect.fields(&row, &mut self.last, first));
        others.unwrap_or_default()
    }

    /// Symbol and date of each bar of a line, as [`Self::fields`] has them, and nothing else of it.
    pub(crate) fn keys(&mut self, line: Line<&[u8]>, each: &mut impl FnMut(RowKey<'_>)) {
        let row = text(line, self.dialect.utf8).and_then(|bytes| self.splitter.row(bytes));
        let found = row.is_some_and(|row| self.dialect.keys(&row, &mut self.last, each));
        if !found {
            each(RowKey::default());
        }
    }
}

/// The bytes of a line unless it is too long, or not in the encoding that is declared.
fn text(line: Line<&[u8]>, utf8: bool) -> Option<&[u8]> {
    let whole = line.bytes.len() as u64 == line.length;
    let reads = whole && (!utf8 || std::str::from_utf8(line.bytes).is_ok());
    reads.then_some(line.bytes)
}

/// Rows of lines. An error ends them.
pub(crate) struct Expanded<I> {
    lines: I,
    maker: RowMaker,
    position: u64,
    current: Option<Current>,
    failed: bool,
}

/// A line of which more bars follow.
struct Current {
    row: RawRow,
    others: vec::IntoIter<Fields>,
}

impl<I: Iterator<Item = Result<Placed, RoleError>>> Expanded<I> {
    pub(crate) fn new(lines: I, maker: RowMaker) -> Self {
        Self {
            lines,
            maker,
            position: 0,
            current: None,
            failed: false,
        }
    }

    pub(crate) fn dialect(&self) -> &Dialect {
        self.maker.dialect()
    }

    /// The lines themselves, and what makes rows of them. Nothing may have been read.
    pub(crate) fn into_lines(self) -> (I, RowMaker) {
        (self.lines, self.maker)
    }

    fn start(&mut self, (line, place): Placed) -> RawRow {
        let several = self.dialect().has_several();
        let mut row = RawRow {
            position: self.position,
            line: self.dialect().before() as u64 + 1 + place,
            part: several.then_some(0),
            original: line.bytes,
            length: line.length,
            fields: Fields::default(),
            superseded: false,
            next_adjusted: None,
        };
        let line = Line {
            bytes: &*row.original,
            length: row.length,
        };
        let others = self.maker.fields(line, &mut row.fields);
        if !others.is_empty() {
            let others = others.into_iter();
            let row = row.clone();
            self.current = Some(Current { row, others });
        }
        row
    }

    fn following(&mut self) -> Option<RawRow> {
        let current = self.current.as_mut()?;
        let Some(fields) = current.others.next() else {
            self.current = None;
            return None;
        };
        current.row.position = self.position;
        current.row.part = current.row.part.map(|part| part + 1);
        Some(RawRow {
            fields,
            ..current.row.clone()
        })
    }
}

impl<I: Iterator<Item = Result<Placed, RoleError>>> Iterator for Expanded<I> {
    type Item = Result<RawRow, RoleError>;

    fn next(&mut self) -> Option<Self::Item> {
        let following = self.following();
        let row = match following {
            Some(row) => row,
            None if self.failed => return None,
            None => match self.lines.next()? {
                Ok(line) => self.start(line),
                Err(error) => {
                    self.failed = true;
                    return Some(Err(error));
                }
            },
        };
        self.position += 1;
        Some(Ok(row))
    }
}

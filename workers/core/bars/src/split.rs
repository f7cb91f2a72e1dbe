//! One line of a file into its columns.

use std::borrow::Cow;

use csv_core::ReadRecordResult;
use foresail_crds::pipeline::spec::Delimiter;

const BYTE_ORDER_MARK: char = '\u{feff}';

/// Columns of one line.
pub(crate) enum Row<'a> {
    /// As they stand in the line, each up to its end there.
    Plain { text: &'a str, ends: &'a [usize] },
    /// Taken out of the line, since some were quoted, or no UTF-8.
    Taken(Vec<Cow<'a, str>>),
}

impl Row<'_> {
    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        match self {
            Self::Plain { ends, .. } => ends.len(),
            Self::Taken(columns) => columns.len(),
        }
    }

    /// One of them.
    pub(crate) fn get(&self, index: usize) -> Option<&str> {
        match self {
            Self::Plain { text, ends } => {
                let start = match index.checked_sub(1) {
                    Some(before) => ends.get(before)? + 1,
                    None => 0,
                };
                text.get(start..*ends.get(index)?)
            }
            Self::Taken(columns) => columns.get(index).map(|column| &**column),
        }
    }
}

/// Takes lines apart one by one, since a damaged one must not swallow the next. Reader and buffers stay.
pub(crate) struct Splitter {
    delimiter: u8,
    reader: csv_core::Reader,
    text: Vec<u8>,
    ends: Vec<usize>,
}

impl Splitter {
    pub(crate) fn new(delimiter: Delimiter) -> Self {
        Self {
            delimiter: delimiter.byte(),
            reader: csv_core::ReaderBuilder::new()
                .delimiter(delimiter.byte())
                .build(),
            text: Vec::new(),
            ends: Vec::new(),
        }
    }

    /// One line into columns, without copying them where nothing is quoted, as in nearly all files of bars.
    pub(crate) fn row<'a>(&'a mut self, line: &'a [u8]) -> Option<Row<'a>> {
        let plain = memchr::memchr3(b'"', b'\r', b'\n', line).is_none();
        let text = std::str::from_utf8(line)
            .ok()
            .filter(|text| plain && !text.is_empty() && !text.starts_with(BYTE_ORDER_MARK));
        let Some(text) = text else {
            return self.split(line).map(Row::Taken);
        };
        self.ends.clear();
        for (block, start) in line.chunks(BLOCK).zip((0..).step_by(BLOCK)) {
            let mut places = places(block, self.delimiter);
            // Lines of a file have as many columns: a count of them is foreseen, the end of the bits is not.
            for _ in 0..places.count_ones() {
                self.ends.push(start + places.trailing_zeros() as usize);
                places &= places - 1;
            }
        }
        self.ends.push(line.len());
        Some(Row::Plain {
            text,
            ends: &self.ends,
        })
    }

    /// One line into columns; `None` for what is not CSV. Quoted line breaks do not occur in bars.
    /// Bytes that are not UTF-8 are read as Windows-1252: they may stand in a column that nobody reads.
    pub(crate) fn split(&mut self, line: &[u8]) -> Option<Vec<Cow<'_, str>>> {
        self.reader.reset();
        // No text grows by being taken apart, and every column but one has a comma. A full buffer is
        // reported before the end of the line, so one byte stays free.
        self.text.resize(self.text.len().max(line.len() + 1), 0);
        self.ends.resize(self.ends.len().max(line.len() + 1), 0);
        let (text, ends) = (&mut self.text, &mut self.ends);
        let (mut result, _, mut length, mut columns) = self.reader.read_record(line, text, ends);
        if result == ReadRecordResult::InputEmpty {
            // Nothing more comes: the record ends here.
            let (text, ends) = (text.get_mut(length..)?, ends.get_mut(columns..)?);
            let (last, _, more, ended) = self.reader.read_record(&[], text, ends);
            (result, length, columns) = (last, length + more, columns + ended);
        }
        if result != ReadRecordResult::Record {
            return None;
        }
        let text = self.text.get(..length)?;
        let mut start = 0;
        let ends = self.ends.get(..columns)?.iter();
        ends.map(|end| text.get(std::mem::replace(&mut start, *end)..*end))
            .map(|column| column.map(decoded))
            .collect()
    }
}

/// Bytes that are looked at together.
const BLOCK: usize = 64;
/// The lowest bit of each byte.
const LOW: u64 = u64::from_le_bytes([1; 8]);

/// Which bytes of a block are `byte`: a bit for each, the lowest for the first.
fn places(block: &[u8], byte: u8) -> u64 {
    let mut places = 0;
    let (words, rest) = block.as_chunks::<8>();
    for (word, at) in words.iter().zip((0..).step_by(8)) {
        places |= places_in(u64::from_le_bytes(*word), byte) << at;
    }
    if rest.is_empty() {
        return places;
    }
    let mut last = [!byte; 8];
    last[..rest.len()].copy_from_slice(rest);
    places | places_in(u64::from_le_bytes(last), byte) << (8 * words.len())
}

/// The same of eight bytes.
fn places_in(word: u64, byte: u8) -> u64 {
    const SEVEN: u64 = LOW * 0x7f;
    let differ = word ^ (LOW * u64::from(byte));
    // The highest bit of each byte that differs in none: sums of seven bits do not reach into the next byte.
    let same = !(((differ & SEVEN) + SEVEN) | differ | SEVEN);
    // Moves these bits together.
    (same >> 7).wrapping_mul(0x0102_0408_1020_4080) >> 56
}

fn decoded(bytes: &[u8]) -> Cow<'_, str> {
    match std::str::from_utf8(bytes) {
        Ok(text) => Cow::Borrowed(text),
        Err(_) => {
            encoding_rs::WINDOWS_1252
                .decode_without_bom_handling(bytes)
                .0
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A reader of its own for the line, as it may not know of the lines before.
    fn alone(line: &str) -> Option<Vec<String>> {
        let mut reader = csv::ReaderBuilder::new()
            .has_headers(false)
            .flexible(true)
            .from_reader(line.as_bytes());
        let record = reader.records().next()?.ok()?;
        Some(record.iter().map(str::to_string).collect())
    }

    #[test]
    fn no_line_knows_of_the_lines_before() {
        let mut state = 7u64;
        let mut pick = move |choices: usize| {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            (state >> 33) as usize % choices
        };
        let pieces = [
            "X", "1.5", ",", ",", ",", "\"", "\"\"", "\r", " ", "é", "\u{feff}", "\t", "\\", "\0",
        ];
        let mut splitter = Splitter::new(Delimiter::Comma);
        for _ in 0..20_000 {
            let line: String = (0..pick(12)).map(|_| pieces[pick(pieces.len())]).collect();
            let row = splitter.split(line.as_bytes());
            let row = row.map(|row| row.into_iter().map(Cow::into_owned).collect::<Vec<_>>());
            assert_eq!(row, alone(&line), "{line:?}");
            let row = splitter.row(line.as_bytes());
            let columns = |row: Row<'_>| -> Vec<String> {
                let column = |i| row.get(i).map(str::to_owned);
                assert_eq!(column(row.len()), None);
                (0..row.len()).filter_map(column).collect()
            };
            assert_eq!(row.map(columns), alone(&line), "{line:?}");
        }
    }

    #[test]
    fn what_is_not_utf_8_is_windows_1252_and_each_delimiter_divides() {
        let mut splitter = Splitter::new(Delimiter::Semicolon);
        let row = splitter.split(b"a,b;Fran\xe7ois;\"x;y\"").unwrap();
        assert_eq!(row, ["a,b", "François", "x;y"]);
        let mut splitter = Splitter::new(Delimiter::Tab);
        assert_eq!(splitter.split(b"a\tb|c").unwrap(), ["a", "b|c"]);
    }
}

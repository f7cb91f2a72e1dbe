//! Rows of a CSV file. A line that cannot be split is still a row: it goes on with its text and
//! without fields, so that it ends in quarantine and the counts add up.

use std::borrow::Cow;
use std::io::{self, BufRead};

use csv_core::ReadRecordResult;
use foresail_crds::RoleError;
use foresail_crds::pipeline::spec::CsvSource;
use foresail_crds::role_error::shown_address;

use crate::header;
use crate::lines::{Line, Lines};
use crate::row::{Fields, RawRow};

const BYTE_ORDER_MARK: &[u8] = "\u{feff}".as_bytes();

/// Column index of each field.
#[derive(Clone, Debug)]
struct Layout {
    symbol: Option<usize>,
    date: usize,
    open: Option<usize>,
    high: Option<usize>,
    low: Option<usize>,
    close: usize,
    volume: Option<usize>,
    adjusted_close: Option<usize>,
    split_factor: Option<usize>,
    dividend: Option<usize>,
    columns: usize,
}

/// Iterator over data rows. An error ends it.
pub struct CsvRows<R> {
    lines: Lines<R>,
    splitter: Splitter,
    layout: Layout,
    symbol: Option<String>,
    position: u64,
    failed: bool,
}

impl<R: BufRead> CsvRows<R> {
    /// Reads the header. However long the file, its rows are read one by one.
    ///
    /// # Errors
    /// User error `CsvHeader` when date, close, or (without `symbol` in the spec) symbol is absent; outside error
    /// `SourceReadFailed` when `reader` fails.
    pub fn new(reader: R, spec: &CsvSource) -> Result<Self, RoleError> {
        let mut lines = Lines::new(reader);
        let header = lines.first().map_err(|e| read_failed(&e))?.bytes;
        let header = header.strip_prefix(BYTE_ORDER_MARK).unwrap_or(&header);
        let mut splitter = Splitter::new();
        let columns = splitter.split(header).unwrap_or_default();
        let layout = Layout::new(&columns, spec).map_err(|name| no_column(name, header, spec))?;
        Ok(Self {
            lines,
            splitter,
            layout,
            symbol: spec.symbol.clone(),
            position: 0,
            failed: false,
        })
    }

    fn row(&mut self, line: Line) -> RawRow {
        let Line { bytes, length } = line;
        let position = self.position;
        self.position += 1;
        let whole = bytes.len() as u64 == length;
        let columns = if whole {
            self.splitter.split(&bytes)
        } else {
            None
        };
        let fields = match columns {
            Some(row) if row.len() == self.layout.columns => {
                self.layout.fields(&row, self.symbol.as_ref())
            }
            _ => Fields::default(),
        };
        RawRow {
            position,
            original: bytes,
            length,
            fields,
        }
    }
}

fn read_failed(error: &io::Error) -> RoleError {
    RoleError::outside(
        "SourceReadFailed",
        format!("the file of the source cannot be read: {error}; it is retried"),
    )
}

impl Layout {
    /// # Errors
    /// The name of a column that is needed and absent.
    fn new<'a>(header: &[Cow<'_, str>], spec: &'a CsvSource) -> Result<Self, &'a str> {
        let find = |name: &str| {
            header
                .iter()
                .position(|h| h.trim().eq_ignore_ascii_case(name))
        };
        let names = &spec.columns;
        let need = |name: &'a str| find(name).ok_or(name);
        let symbol = match spec.symbol {
            Some(_) => None,
            None => Some(need(&names.symbol)?),
        };
        Ok(Self {
            symbol,
            date: need(&names.date)?,
            open: find(&names.open),
            high: find(&names.high),
            low: find(&names.low),
            close: need(&names.close)?,
            volume: find(&names.volume),
            adjusted_close: find(&names.adjusted_close),
            split_factor: find(&names.split_factor),
            dividend: find(&names.dividend),
            columns: header.len(),
        })
    }

    fn fields(&self, row: &[Cow<'_, str>], symbol: Option<&String>) -> Fields {
        let get = |index: Option<usize>| {
            let text = row.get(index?)?.trim();
            (!text.is_empty()).then(|| text.to_string())
        };
        Fields {
            symbol: symbol.cloned().or_else(|| get(self.symbol)),
            date: get(Some(self.date)),
            open: get(self.open),
            high: get(self.high),
            low: get(self.low),
            close: get(Some(self.close)),
            volume: get(self.volume),
            adjusted_close: get(self.adjusted_close),
            split_factor: get(self.split_factor),
            dividend: get(self.dividend),
        }
    }
}

impl<R: BufRead> Iterator for CsvRows<R> {
    type Item = Result<RawRow, RoleError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.failed {
            return None;
        }
        match self.lines.next() {
            Ok(line) => Some(Ok(self.row(line?))),
            Err(error) => {
                self.failed = true;
                Some(Err(read_failed(&error)))
            }
        }
    }
}

fn no_column(name: &str, header: &[u8], spec: &CsvSource) -> RoleError {
    let uri = shown_address(&spec.uri);
    let found = match header::shown(&String::from_utf8_lossy(header)) {
        Some(shown) => format!("its first line is `{shown}`; set source.csv.columns"),
        None => "its first line does not look like names of columns with commas between them; check what is there".into(),
    };
    RoleError::user(
        "CsvHeader",
        format!("{uri} has no column `{name}`: {found}"),
    )
}

/// Takes lines apart one by one, since a damaged one must not swallow the next. Reader and buffers stay.
struct Splitter {
    reader: csv_core::Reader,
    text: Vec<u8>,
    ends: Vec<usize>,
}

impl Splitter {
    fn new() -> Self {
        Self {
            reader: csv_core::Reader::new(),
            text: Vec::new(),
            ends: Vec::new(),
        }
    }

    /// One line into columns; `None` for what is not CSV. Quoted line breaks do not occur in bars.
    /// Bytes that are not UTF-8 are replaced: they may stand in a column that nobody reads.
    fn split(&mut self, line: &[u8]) -> Option<Vec<Cow<'_, str>>> {
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
            .map(|column| column.map(String::from_utf8_lossy))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spec() -> CsvSource {
        serde_json::from_value(serde_json::json!({"uri": "http://host/file.csv"})).unwrap()
    }

    fn rows(file: &[u8], spec: &CsvSource) -> Vec<RawRow> {
        let rows = CsvRows::new(file, spec).unwrap();
        rows.collect::<Result<_, _>>().unwrap()
    }

    #[test]
    fn columns_are_found_by_name_in_any_order_and_case() {
        let file = "\u{feff}Close,DATE,symbol\r\n1.5,2000-01-03,X\r\n";
        let rows = rows(file.as_bytes(), &spec());
        assert_eq!(rows.len(), 1);
        assert_eq!(rows[0].fields.close.as_deref(), Some("1.5"));
        assert_eq!(rows[0].fields.symbol.as_deref(), Some("X"));
        assert_eq!(rows[0].original, b"1.5,2000-01-03,X");
    }

    #[test]
    fn every_line_is_a_row_however_damaged() {
        let file =
            "symbol,date,close\nX,2000-01-03,1\n\n### noise\n\"open quote\nX,2000-01-04,2\n\n";
        let rows = rows(file.as_bytes(), &spec());
        let positions: Vec<u64> = rows.iter().map(|r| r.position).collect();
        assert_eq!(positions, [0, 1, 2, 3, 4]);
        assert!(rows[1..4].iter().all(|r| r.fields == Fields::default()));
        assert_eq!(rows[4].fields.close.as_deref(), Some("2"));
    }

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
        let mut splitter = Splitter::new();
        for _ in 0..20_000 {
            let line: String = (0..pick(12)).map(|_| pieces[pick(pieces.len())]).collect();
            let row = splitter.split(line.as_bytes());
            let row = row.map(|row| row.into_iter().map(Cow::into_owned).collect::<Vec<_>>());
            assert_eq!(row, alone(&line), "{line:?}");
        }
    }

    #[test]
    fn who_answered_in_place_of_the_file_is_not_quoted() {
        let spec = CsvSource {
            uri: "https://user:word@host/file.csv?X-Signature=hidden".into(),
            ..spec()
        };
        let said = |file: &str| CsvRows::new(file.as_bytes(), &spec).err().unwrap().message;
        let metrics = said("# HELP process_secret_hidden Secrets, hidden.\nprocess_secret 1\n");
        let page = said("<html><title>hidden, hidden</title></html>");
        let document = said("{\"apiVersion\": \"v1\", \"hidden\": true}");
        for message in [metrics, page, document] {
            assert!(
                !message.contains("hidden") && !message.contains("word"),
                "{message}"
            );
            assert!(
                message.starts_with("https://host/file.csv has no column"),
                "{message}"
            );
        }
        let header = said("symbol,day,close\n");
        assert!(header.contains("`symbol,day,close`"), "{header}");
    }

    #[test]
    fn a_missing_column_is_named() {
        let error = CsvRows::new(b"symbol,date\n".as_slice(), &spec())
            .err()
            .unwrap();
        assert!(
            error.message.contains("`close`") && error.reason == "CsvHeader",
            "{error}"
        );
        let single = CsvSource {
            symbol: Some("S".into()),
            ..spec()
        };
        let rows = rows(b"date,close\n2000-01-03,1\n", &single);
        assert_eq!(rows[0].fields.symbol.as_deref(), Some("S"));
    }

    #[test]
    fn a_row_is_kept_byte_for_byte_and_what_nobody_reads_may_be_anything() {
        let file = b"symbol,date,close,name\nX,2000-01-03,1,Fran\xe7ois\n\xff\xfe\n";
        let rows = rows(file, &spec());
        assert_eq!(rows[0].fields.close.as_deref(), Some("1"));
        assert_eq!(rows[0].original, b"X,2000-01-03,1,Fran\xe7ois");
        assert_eq!(rows[1].original, b"\xff\xfe");
        assert_eq!(rows[1].shown(), "0xfffe");
        assert_eq!(rows[1].fields, Fields::default());
    }

    #[test]
    fn a_row_that_is_too_long_is_one_refused_row() {
        let long = "x".repeat(3 * crate::LONGEST_ROW);
        let file = format!("symbol,date,close\nX,2000-01-03,{long}\nX,2000-01-04,2\n");
        let rows = rows(file.as_bytes(), &spec());
        assert_eq!(rows.len(), 2);
        assert_eq!(rows[0].fields, Fields::default());
        assert_eq!(rows[0].original.len(), crate::LONGEST_ROW);
        assert_eq!(rows[0].length, 13 + long.len() as u64);
        assert_eq!(rows[1].fields.close.as_deref(), Some("2"));
    }

    #[test]
    fn what_cannot_be_read_is_an_error_and_not_the_end_of_the_file() {
        struct Broken;
        impl io::Read for Broken {
            fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
                Err(io::Error::other("disk"))
            }
        }
        let start = b"symbol,date,close\nX,2000-01-03,1\n".as_slice();
        let reader = io::BufReader::new(io::Read::chain(start, Broken));
        let rows: Vec<_> = CsvRows::new(reader, &spec()).unwrap().collect();
        assert_eq!(rows.len(), 2);
        assert_eq!(rows[1].as_ref().unwrap_err().reason, "SourceReadFailed");
    }
}

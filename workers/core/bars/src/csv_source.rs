//! Rows of a CSV file. A line that cannot be split is still a row: it goes on with its text and
//! without fields, so that it ends in quarantine and the counts add up.

use std::io::{self, Read};

use encoding_rs_io::{DecodeReaderBytes, DecodeReaderBytesBuilder};
use foresail_crds::RoleError;
use foresail_crds::pipeline::spec::CsvSource;
use foresail_crds::role_error::shown_address;

use crate::described::Described;
use crate::dialect::text::{self, Encoding};
use crate::dialect::{Dialect, HEAD};
use crate::expanded::{Expanded, FileLines, RowMaker, read_failed};
use crate::row::RawRow;

const BYTE_ORDER_MARK: &[u8] = "\u{feff}".as_bytes();

/// Iterator over data rows. An error ends it.
pub struct CsvRows<'a>(Expanded<FileLines<'a>>);

impl<'a> CsvRows<'a> {
    /// Reads the beginning of a file, unpacked, and finds out how it is written. However long the file, its rows are read
    /// one by one.
    ///
    /// # Errors
    /// User errors `NoTable` for what is no text of a table, `CsvHeader` when date, close, or (without `symbol` in the
    /// spec) symbol is absent, `AmbiguousNumbers` and `AmbiguousDates`; outside error `SourceReadFailed` when `reader`
    /// fails.
    pub fn new(reader: impl Read + Send + 'a, of: &Described) -> Result<Self, RoleError> {
        let (reader, head, whole) = opened(Box::new(reader), &of.csv)?;
        Self::behind_header(reader, Dialect::find(&head, whole, of)?)
    }

    /// The rows of a file that is known to be written so.
    ///
    /// # Errors
    /// User error `NoTable`, and outside error `SourceReadFailed` when `reader` fails.
    pub(crate) fn of_dialect(
        reader: impl Read + Send + 'a,
        of: &Described,
        dialect: Dialect,
    ) -> Result<Self, RoleError> {
        let (reader, ..) = opened(Box::new(reader), &of.csv)?;
        Self::behind_header(reader, dialect)
    }

    fn behind_header(
        reader: Box<dyn Read + Send + 'a>,
        dialect: Dialect,
    ) -> Result<Self, RoleError> {
        let lines = FileLines::new(reader, dialect.end, dialect.before());
        let lines = lines.map_err(|e| read_failed(&e))?;
        Ok(Self(Expanded::new(lines, RowMaker::new(dialect))))
    }

    /// How the file is read.
    pub fn dialect(&self) -> &Dialect {
        self.0.dialect()
    }

    /// Its lines, and what makes rows of them.
    pub(crate) fn into_lines(self) -> (FileLines<'a>, RowMaker) {
        self.0.into_lines()
    }
}

impl Iterator for CsvRows<'_> {
    type Item = Result<RawRow, RoleError>;

    fn next(&mut self) -> Option<Self::Item> {
        self.0.next()
    }
}

type Opened<'a> = (Box<dyn Read + Send + 'a>, Vec<u8>, bool);

/// The text of a file, its first [`HEAD`] bytes, and whether these are all.
fn opened<'a>(
    mut reader: Box<dyn Read + Send + 'a>,
    spec: &CsvSource,
) -> Result<Opened<'a>, RoleError> {
    let raw = start_of(&mut reader).map_err(|e| read_failed(&e))?;
    if let Some(what) = text::no_text(&raw) {
        return Err(no_table(what, spec));
    }
    let declared = spec.dialect.as_ref().and_then(|dialect| dialect.encoding);
    let encoding = text::encoding(&raw, declared).map_err(|_| {
        no_table(
            "no text; check its encoding in source.csv.dialect.encoding",
            spec,
        )
    })?;
    let reader = io::Cursor::new(raw).chain(reader);
    let mut text: Box<dyn Read + Send + 'a> = match encoding {
        Encoding::Bytes => Box::new(reader),
        Encoding::Windows1252 => Box::new(decoder(encoding_rs::WINDOWS_1252, reader)),
        Encoding::Utf16Le => Box::new(decoder(encoding_rs::UTF_16LE, reader)),
        Encoding::Utf16Be => Box::new(decoder(encoding_rs::UTF_16BE, reader)),
    };
    let mut head = start_of(&mut text).map_err(|e| read_failed(&e))?;
    if let Some(what) = text::no_table(&head) {
        return Err(no_table(what, spec));
    }
    let whole = head.len() < HEAD;
    if head.starts_with(BYTE_ORDER_MARK) {
        head.drain(..BYTE_ORDER_MARK.len());
    }
    let reader = io::Cursor::new(head.clone()).chain(text);
    Ok((Box::new(reader), head, whole))
}

fn start_of(reader: &mut (impl Read + ?Sized)) -> io::Result<Vec<u8>> {
    let mut start = Vec::new();
    reader.take(HEAD as u64).read_to_end(&mut start)?;
    Ok(start)
}

fn decoder<R: Read>(
    encoding: &'static encoding_rs::Encoding,
    reader: R,
) -> DecodeReaderBytes<R, Vec<u8>> {
    DecodeReaderBytesBuilder::new()
        .encoding(Some(encoding))
        .build(reader)
}

fn no_table(what: &str, spec: &CsvSource) -> RoleError {
    let uri = shown_address(&spec.uri);
    let message =
        format!("{uri} is no table with commas or the like between its columns: it is {what}");
    RoleError::user("NoTable", message)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::row::Fields;

    fn spec() -> CsvSource {
        serde_json::from_value(serde_json::json!({"uri": "http://host/file.csv"})).unwrap()
    }

    fn alone() -> Described {
        Described::alone(spec())
    }

    fn rows(file: &[u8], spec: &CsvSource) -> Vec<RawRow> {
        let rows = CsvRows::new(file, &Described::alone(spec.clone())).unwrap();
        rows.collect::<Result<_, _>>().unwrap()
    }

    #[test]
    fn columns_are_found_by_name_in_any_order_and_case() {
        let file = "\u{feff}Close,DATE,symbol\r\n1.5,2000-01-03,X\r\n";
        let rows = rows(file.as_bytes(), &spec());
        assert_eq!(rows.len(), 1);
        assert_eq!(rows[0].fields.close.as_deref(), Some("1.5"));
        assert_eq!(rows[0].fields.symbol.as_deref(), Some("X"));
        assert_eq!(*rows[0].original, *b"1.5,2000-01-03,X");
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

    #[test]
    fn who_answered_in_place_of_the_file_is_not_quoted() {
        let spec = Described::alone(CsvSource {
            uri: "https://user:word@host/file.csv?X-Signature=hidden".into(),
            ..spec()
        });
        let said = |file: &str| CsvRows::new(file.as_bytes(), &spec).err().unwrap().message;
        let metrics = said("# HELP process_secret_hidden Secrets, hidden.\nprocess_secret 1\n");
        let page = said("<html><title>hidden, hidden</title></html>");
        let document = said("{\"apiVersion\": \"v1\", \"hidden\": true}");
        for message in [metrics, page, document] {
            assert!(
                !message.contains("hidden") && !message.contains("word"),
                "{message}"
            );
            assert!(message.starts_with("https://host/file.csv "), "{message}");
        }
        let header = said("symbol,weekday,close\n");
        assert!(header.contains("`symbol,weekday,close`"), "{header}");
    }

    #[test]
    fn a_missing_column_is_named() {
        let error = CsvRows::new(b"symbol,date\n".as_slice(), &alone())
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
        assert_eq!(*rows[0].original, *b"X,2000-01-03,1,Fran\xe7ois");
        assert_eq!(*rows[1].original, *b"\xff\xfe");
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
        let row = "X,2000-01-03,1\n";
        let start = format!("symbol,date,close\n{}", row.repeat(HEAD / row.len()));
        let reader = io::Read::chain(start.as_bytes(), Broken);
        let mut rows = CsvRows::new(reader, &alone()).unwrap();
        let good = rows.by_ref().take_while(Result::is_ok).count();
        assert_eq!((good, rows.count()), (HEAD / row.len(), 0));
        let at_once = CsvRows::new(Broken, &alone()).err().unwrap();
        assert_eq!(at_once.reason, "SourceReadFailed");
    }

    #[test]
    fn a_declared_encoding_decides() {
        // The bytes of `Ü` in UTF-8 are two signs in Windows-1252.
        let file = "symbol,date,close\nÜ,2000-01-03,1\n".as_bytes();
        let damaged = [file, b"F\xfc,2000-01-04,2\n"].concat();
        let symbols = |encoding: Option<&str>| -> Vec<Option<String>> {
            let mut spec = spec();
            let dialect = serde_json::json!({"encoding": encoding});
            spec.dialect = Some(serde_json::from_value(dialect).unwrap());
            let rows = rows(&damaged, &spec).into_iter();
            rows.map(|row| row.fields.symbol.map(String::from))
                .collect()
        };
        let some = |text: &str| Some(text.to_owned());
        assert_eq!(symbols(None), [some("Ü"), some("Fü")]);
        assert_eq!(symbols(Some("Utf8")), [some("Ü"), None]);
        assert_eq!(symbols(Some("Windows1252")), [some("Ãœ"), some("Fü")]);
        let mut spec = spec();
        spec.dialect =
            Some(serde_json::from_value(serde_json::json!({"encoding": "Utf8"})).unwrap());
        let marked = b"\xff\xfed\0".as_slice();
        let error = CsvRows::new(marked, &Described::alone(spec)).err().unwrap();
        assert_eq!(error.reason, "NoTable", "{error}");
    }
}

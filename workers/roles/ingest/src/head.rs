//! The beginning of a source, as prepare sees it: it is read with the same requests as the whole, and shown in a few words,
//! so that a wrong file is told before anything is built on it.

use std::collections::BTreeSet;
use std::io::{self, Read};

use foresail_bars::{CsvRows, Described, Fields, RawRow, unpacked};
use foresail_columnar::{Kind, TELLING};
use foresail_crds::pipeline::spec::CsvSource;
use foresail_crds::pipeline::status::SourceSummary;
use foresail_crds::role_error::presentable;
use foresail_crds::worker_config::SourceAddress;
use foresail_runtime_base::{Outside, RoleError};
use foresail_runtime_http::Client;
use foresail_runtime_store::{S3Uri, Store};

use crate::folder;
use crate::pattern::Pattern;

/// Bytes that are read: what decides how a file is read, and one more, so that it is known not to be all.
const HEAD: usize = (1 << 20) + 1;
/// Symbols that are named.
const SYMBOLS: usize = 16;
/// Rows that are looked at.
const ROWS: usize = 10_000;
/// Longest text of a summary, and longest symbol.
const LONGEST: usize = 256;
const LONGEST_SYMBOL: usize = 64;

/// Reads the beginning of a source, or of the first of its files.
///
/// # Errors
/// As ingest would meet them, `SourceMissing`, `S3AccessDenied` or `NoTable` for example.
pub async fn look(
    spec: &CsvSource,
    allowed_networks: &[String],
    outside: &Outside,
) -> Result<SourceSummary, RoleError> {
    let address = SourceAddress::new(spec, allowed_networks);
    if !spec.uri.starts_with("s3://") {
        let client = Client::new(allowed_networks, &outside.secrets)?;
        return summary(&client.head(&spec.uri, HEAD).await?, spec);
    }
    let store = Store::of_source(&address, outside)?;
    let Some(pattern) = Pattern::of(&spec.uri)? else {
        return first(&store, &S3Uri::parse(&spec.uri)?, spec).await;
    };
    let listed = folder::list(&pattern, &store, &spec.uri).await?;
    let files = u32::try_from(listed.len()).unwrap_or(u32::MAX);
    // Ingest tells of each file that cannot be read. Here, one that can is enough.
    let mut failed = None;
    for file in listed.iter().take(SYMBOLS) {
        match first(&store, &file.uri, spec).await {
            Ok(summary) => {
                return Ok(SourceSummary {
                    files: Some(files),
                    ..summary
                });
            }
            Err(error) => failed = failed.or(Some(error)),
        }
    }
    Err(failed.unwrap_or_else(|| missing(&spec.uri)))
}

async fn first(store: &Store, uri: &S3Uri, spec: &CsvSource) -> Result<SourceSummary, RoleError> {
    let spec = CsvSource {
        uri: uri.to_string(),
        ..spec.clone()
    };
    match store.head(uri, HEAD).await {
        Ok(head) => summary(&head, &spec),
        Err(error) if error.reason == "S3NotFound" => Err(missing(&spec.uri)),
        Err(error) => Err(error),
    }
}

fn missing(uri: &str) -> RoleError {
    let message = format!("{uri} does not exist; upload it or correct source.csv.uri");
    RoleError::outside("SourceMissing", message)
}

/// What the beginning of a file says. The last row may be cut off, and is not looked at where it is.
fn summary(head: &[u8], spec: &CsvSource) -> Result<SourceSummary, RoleError> {
    let is_whole = head.len() < HEAD;
    let text = unpacked(head).map_err(|e| unreadable(&e))?;
    let mut text = Cut { text, is_whole };
    let mut start = Vec::new();
    let read = (&mut text).take(TELLING).read_to_end(&mut start);
    read.map_err(|e| unreadable(&e))?;
    if let Some(kind) = Kind::of(&start) {
        // It is read from its end.
        return Ok(SourceSummary {
            dialect: format!("a file of columns: {kind:?}"),
            ..SourceSummary::default()
        });
    }
    let text = io::Cursor::new(start).chain(text);
    let rows = match CsvRows::new(text, &Described::alone(spec.clone())) {
        Ok(rows) => rows,
        // Whether its columns are symbols is for ingest to say, which knows the declared ones.
        Err(error) if error.reason == "CsvHeader" => {
            return Ok(SourceSummary {
                dialect: presentable(&error.message, LONGEST),
                ..SourceSummary::default()
            });
        }
        Err(error) => return Err(error),
    };
    let dialect = presentable(&rows.dialect().to_string(), LONGEST);
    let mut symbols = BTreeSet::new();
    let mut first: Option<RawRow> = None;
    // The row behind each one tells that it is not the last.
    let mut rows = rows.take(ROWS).peekable();
    while let Some(row) = rows.next() {
        let row = row?;
        if rows.peek().is_none() && !is_whole {
            break;
        }
        if let Some(symbol) = row
            .fields
            .symbol
            .as_ref()
            .filter(|_| symbols.len() < SYMBOLS)
        {
            symbols.insert(presentable(symbol, LONGEST_SYMBOL));
        }
        if first.is_none() && row.fields.date.is_some() && row.fields.close.is_some() {
            first = Some(row);
        }
    }
    let fields = first.as_ref().map(|row| &row.fields);
    Ok(SourceSummary {
        dialect,
        columns: fields.map(columns).unwrap_or_default(),
        first_bar: fields.map(bar).unwrap_or_default(),
        symbols: symbols.into_iter().collect(),
        files: None,
    })
}

fn unreadable(error: &io::Error) -> RoleError {
    let message =
        format!("the beginning of the source cannot be unpacked: {error}; correct the file");
    RoleError::user("SourceUnreadable", message)
}

/// Names of the fields that a row has.
fn columns(fields: &Fields) -> String {
    let named = [
        ("symbol", &fields.symbol),
        ("date", &fields.date),
        ("open", &fields.open),
        ("high", &fields.high),
        ("low", &fields.low),
        ("close", &fields.close),
        ("volume", &fields.volume),
        ("adjustedClose", &fields.adjusted_close),
        ("splitFactor", &fields.split_factor),
        ("dividend", &fields.dividend),
    ];
    let present = named.iter().filter(|(_, text)| text.is_some());
    let names: Vec<_> = present.map(|(name, _)| *name).collect();
    names.join(", ")
}

fn bar(fields: &Fields) -> String {
    let [symbol, date, close] = [&fields.symbol, &fields.date, &fields.close]
        .map(|field| field.as_deref().unwrap_or_default());
    presentable(&format!("{symbol} {date}: close {close}"), LONGEST)
}

/// A text that may be cut off where its packing breaks.
struct Cut<R> {
    text: R,
    is_whole: bool,
}

impl<R: Read> Read for Cut<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self.text.read(buffer) {
            Err(error) if !self.is_whole && error.kind() == io::ErrorKind::UnexpectedEof => Ok(0),
            other => other,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use flate2::Compression;
    use flate2::write::GzEncoder;
    use serde_json::json;

    use super::*;

    fn spec() -> CsvSource {
        serde_json::from_value(json!({"uri": "https://user:word@h/f.csv?X-Signature=hidden"}))
            .unwrap()
    }

    fn file(rows: usize) -> String {
        let mut file = "Date;Ticker;Close;Volume\n".to_string();
        for i in 0..rows {
            let (month, day) = (i / 28 % 12 + 1, i % 28 + 1);
            file.push_str(&format!("2001-{month:02}-{day:02};S{};{i},5;{i}\n", i % 40));
        }
        file
    }

    #[test]
    fn a_file_is_told_in_a_few_words() {
        let found = summary(file(100).as_bytes(), &spec()).unwrap();
        assert!(found.dialect.contains("Semicolon"), "{}", found.dialect);
        assert_eq!(found.columns, "symbol, date, close, volume");
        assert_eq!(found.first_bar, "S0 2001-01-01: close 0.5");
        assert_eq!(found.symbols.len(), SYMBOLS);
        assert_eq!(found.files, None);
    }

    #[test]
    fn a_beginning_is_enough_packed_or_not() {
        let text = file(200_000);
        assert!(text.len() > HEAD);
        let plain = summary(&text.as_bytes()[..HEAD], &spec()).unwrap();
        // Random digits, so that the packed beginning is as long as it can be.
        let mut packed = GzEncoder::new(Vec::new(), Compression::fast());
        let mut seed = 1u64;
        packed.write_all(b"Date;Ticker;Close;Volume;x\n").unwrap();
        while packed.get_ref().len() <= HEAD {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            writeln!(packed, "2001-01-01;S0;0,5;1;{seed}").unwrap();
        }
        let packed = packed.finish().unwrap();
        let unpacked = summary(&packed[..HEAD], &spec()).unwrap();
        assert_eq!(plain.first_bar, unpacked.first_bar);
        assert_eq!(plain.dialect, unpacked.dialect);
        // A whole file that is cut off is no beginning.
        let cut = summary(&packed[..HEAD / 8], &spec());
        assert!(cut.is_err(), "{cut:?}");
    }

    #[test]
    fn what_is_no_table_is_refused_without_what_the_address_hides() {
        for file in ["<html>sign in</html>", ""] {
            let error = summary(file.as_bytes(), &spec()).unwrap_err();
            assert_eq!(error.reason, "NoTable", "{error}");
            assert!(
                !error.message.contains("hidden") && !error.message.contains("word"),
                "{error}"
            );
        }
    }

    #[test]
    fn what_only_ingest_can_judge_is_no_error() {
        let symbols = summary(b"Date,ABC,XYZ\n2020-01-02,1,2\n", &spec()).unwrap();
        assert_eq!(symbols.first_bar, "");
        let columns = summary(b"PAR1 and so on", &spec()).unwrap();
        assert!(columns.dialect.contains("Parquet"), "{}", columns.dialect);
    }
}

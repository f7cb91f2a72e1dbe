//! The same bars, stored as columns in many ways, are the same bars when they are read by the description of a CSV file.

#![allow(clippy::unwrap_used)]

use std::io::{Read, Write};
use std::sync::Arc;

use arrow_array::types::Int32Type;
use arrow_array::{
    ArrayRef, Date32Array, Decimal128Array, DictionaryArray, Float32Array, Float64Array,
    Int64Array, RecordBatch, StringArray, TimestampNanosecondArray,
};
use arrow_ipc::writer::FileWriter;
use foresail_bars::{Checker, Described, RowOutcome, in_order};
use foresail_columnar::Kind;
use foresail_crds::worker_config::IngestConfig;
use foresail_domain::TradingCalendar;
use jiff::civil::{Date, date};
use parquet::arrow::ArrowWriter;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde_json::json;

const NOW: i64 = 1_700_000_000_000;
const TABLES: u64 = 300;
const SYMBOLS: [&str; 2] = ["ACME", "BRK.B"];
const SESSIONS: usize = 30;

/// Symbol, date, close in cents, volume.
type Row = (&'static str, Date, i64, Option<i64>);

fn market(random: &mut ChaCha8Rng) -> Vec<Row> {
    let sessions = TradingCalendar::Xnys.sessions(date(2019, 12, 2), Date::MAX);
    let mut cents = 5_022;
    let mut rows = Vec::new();
    for day in sessions.take(SESSIONS) {
        for symbol in SYMBOLS {
            cents += random.random_range(-90..100);
            let volume = random
                .random_ratio(9, 10)
                .then(|| random.random_range(0..1_000_000));
            rows.push((symbol, day, cents, volume));
        }
    }
    rows
}

fn dates(rows: &[Row], form: usize) -> ArrayRef {
    let since = |day: Date| {
        let span = day.since((jiff::Unit::Day, date(1970, 1, 1))).unwrap();
        i64::from(span.get_days())
    };
    let days = rows.iter().map(|row| since(row.1));
    let end = |row: &Row| TradingCalendar::Xnys.session_end(row.1);
    // Midnight in New York: 16:00 is 16 hours later, but for half days.
    let open = |row: &Row| end(row) / 86_400_000 * 86_400_000 + 5 * 3_600_000;
    let nanoseconds = rows.iter().map(|row| open(row) * 1_000_000);
    match form {
        0 => Arc::new(StringArray::from_iter_values(
            rows.iter().map(|row| row.1.to_string()),
        )),
        1 => Arc::new(Date32Array::from_iter_values(days.map(|day| day as i32))),
        2 => Arc::new(TimestampNanosecondArray::from_iter_values(
            days.map(|day| day * 86_400_000_000_000),
        )),
        3 => Arc::new(
            TimestampNanosecondArray::from_iter_values(nanoseconds)
                .with_timezone("America/New_York"),
        ),
        4 => Arc::new(TimestampNanosecondArray::from_iter_values(nanoseconds).with_timezone("UTC")),
        5 => Arc::new(Int64Array::from_iter_values(rows.iter().map(end))),
        _ => Arc::new(Int64Array::from_iter_values(rows.iter().map(|row| {
            let day = row.1;
            i64::from(day.year()) * 10_000 + i64::from(day.month()) * 100 + i64::from(day.day())
        }))),
    }
}

fn prices(rows: &[Row], form: usize) -> ArrayRef {
    let cents = rows.iter().map(|row| row.2);
    match form {
        0 => Arc::new(Float64Array::from_iter_values(
            cents.map(|c| c as f64 / 100.0),
        )),
        1 => Arc::new(Float32Array::from_iter_values(
            cents.map(|c| c as f32 / 100.0),
        )),
        2 => {
            let decimal = Decimal128Array::from_iter_values(cents.map(i128::from));
            Arc::new(decimal.with_precision_and_scale(12, 2).unwrap())
        }
        _ => Arc::new(StringArray::from_iter_values(
            cents.map(|c| format!("{}.{:02}", c / 100, c % 100)),
        )),
    }
}

fn volumes(rows: &[Row]) -> ArrayRef {
    Arc::new(rows.iter().map(|row| row.3).collect::<Int64Array>())
}

/// A table of these rows: one for each bar, or one for each session.
fn table(rows: &[Row], random: &mut ChaCha8Rng) -> RecordBatch {
    let (date_form, price_form) = (random.random_range(0..7), random.random_range(0..4));
    let of =
        |symbol: &str| -> Vec<Row> { rows.iter().filter(|row| row.0 == symbol).copied().collect() };
    let columns: Vec<(String, ArrayRef)> = if random.random() {
        let symbols = rows.iter().map(|row| row.0);
        let symbols: ArrayRef = if random.random() {
            Arc::new(symbols.collect::<DictionaryArray<Int32Type>>())
        } else {
            Arc::new(StringArray::from_iter_values(symbols))
        };
        vec![
            ("Ticker".into(), symbols),
            ("Close".into(), prices(rows, price_form)),
            ("Volume".into(), volumes(rows)),
            (
                "__index_level_0__".into(),
                Arc::new(Int64Array::from_iter_values(0..rows.len() as i64)),
            ),
            ("Date".into(), dates(rows, date_form)),
        ]
    } else {
        let mut columns = Vec::new();
        for symbol in SYMBOLS {
            let rows = of(symbol);
            columns.push((format!("('Close', '{symbol}')"), prices(&rows, price_form)));
            columns.push((format!("('Volume', '{symbol}')"), volumes(&rows)));
        }
        columns.push(("Date".into(), dates(&of(SYMBOLS[0]), date_form)));
        columns
    };
    RecordBatch::try_from_iter(columns).unwrap()
}

fn stored(batch: &RecordBatch, kind: Kind) -> Vec<u8> {
    match kind {
        Kind::Parquet => {
            let mut writer = ArrowWriter::try_new(Vec::new(), batch.schema(), None).unwrap();
            writer.write(batch).unwrap();
            writer.into_inner().unwrap()
        }
        Kind::Arrow => {
            let mut writer = FileWriter::try_new(Vec::new(), &batch.schema()).unwrap();
            writer.write(batch).unwrap();
            writer.finish().unwrap();
            writer.into_inner().unwrap()
        }
    }
}

fn config() -> IngestConfig {
    serde_json::from_value(json!({
        "pipeline": {"namespace": "n", "name": "p"},
        "instruments": SYMBOLS.map(|symbol| json!({"symbol": symbol})),
        "calendar": "XNYS",
        // What is said of the text of files says nothing of columns.
        "source": {"csv": {"uri": "http://host/f", "dialect": {"delimiter": "Tab", "encoding": "Utf16Le", "skipLines": 3}}},
        "kafka": {"bootstrapServers": "k:9092", "topicPrefix": ""}
    }))
    .unwrap()
}

#[test]
fn a_table_of_columns_is_read_as_its_text_is() {
    for seed in 0..TABLES {
        let mut random = ChaCha8Rng::seed_from_u64(seed);
        let rows = market(&mut random);
        let batch = table(&rows, &mut random);
        let kind = if random.random() {
            Kind::Parquet
        } else {
            Kind::Arrow
        };
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(&stored(&batch, kind)).unwrap();
        let file = Arc::new(file);
        let config = config();
        let csv = config.source.csv.clone().unwrap();
        let described = Described::new(&config, csv).of_columns();
        let open = || Ok(Box::new(kind.text(Arc::clone(&file)).unwrap()) as Box<dyn Read + Send>);
        let mut checker = Checker::new(&config, "csv").unwrap();
        let mut found = Vec::new();
        for row in in_order(open, &described, tempfile::tempfile).unwrap() {
            match checker.check(&row.unwrap(), NOW) {
                RowOutcome::Bar(bar, _) => {
                    let cents = (bar.close * 100.0).round() as i64;
                    assert!(
                        (bar.close * 100.0 - cents as f64).abs() < 1e-9,
                        "{seed}: {bar:?}"
                    );
                    found.push((
                        bar.symbol,
                        bar.event_time,
                        cents,
                        bar.volume.map(|v| v as i64),
                    ));
                }
                other => panic!("{seed} {kind:?} {:?}: {other:?}", batch.schema()),
            }
        }
        let end = |day| TradingCalendar::Xnys.session_end(day);
        let expected: Vec<_> = rows
            .iter()
            .map(|row| (row.0.to_owned(), end(row.1), row.2, row.3))
            .collect();
        assert_eq!(found, expected, "{seed} {kind:?} {:?}", batch.schema());
    }
}

//! Window functions against the feature set: the same bits, for every function, partition by partition.

#![allow(clippy::unwrap_used)]

use std::sync::Arc;

use datafusion::arrow::array::{
    Array, ArrayRef, AsArray, Float64Array, RecordBatch, StringArray, TimestampMillisecondArray,
};
use datafusion::arrow::datatypes::Float64Type;
use datafusion::prelude::SessionContext;
use foresail_crds::pipeline::spec::{Adjustment, Argument, FeatureSpec};
use foresail_domain::{Bar, Interval};
use foresail_features::FeatureSet;
use foresail_sql::{Entry, entries, register};

const BARS: usize = 120;
const SYMBOLS: [&str; 2] = ["A", "B"];

/// Bars with gaps in everything but the close.
fn bars(symbol: &str) -> Vec<Bar> {
    let mut state = u64::from(symbol.as_bytes()[0]);
    let mut uniform = move || {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (state >> 11) as f64 / (1u64 << 53) as f64
    };
    let mut close = 50.0;
    (0..BARS)
        .map(|i| {
            close *= 1.0 + 0.04 * (uniform() - 0.5);
            let spread = 1.0 + 0.02 * uniform();
            Bar {
                symbol: symbol.into(),
                interval: Interval::Session,
                event_time: 86_400_000 * (i as i64 + 1),
                open: (i % 5 != 0).then_some(close * (1.0 + 0.01 * (uniform() - 0.5))),
                high: (i % 7 != 0).then_some(close * spread),
                low: (i % 6 != 0).then_some(close / spread),
                close,
                volume: (i % 11 != 3).then(|| (1e6 * uniform()).round()),
                split_factor: 1.0,
                dividend: 0.0,
                ingested_at: 0,
                provider: "test".into(),
                revision: 0,
            }
        })
        .collect()
}

fn context() -> SessionContext {
    // Newest first and symbols mixed: the order is the query's business.
    let mut all: Vec<Bar> = SYMBOLS.iter().flat_map(|s| bars(s)).collect();
    all.sort_by_key(|bar| std::cmp::Reverse(bar.event_time));
    let numbers = |get: fn(&Bar) -> Option<f64>| -> ArrayRef {
        Arc::new(all.iter().map(get).collect::<Float64Array>())
    };
    let symbols: StringArray = all.iter().map(|b| Some(b.symbol.clone())).collect();
    let times = TimestampMillisecondArray::from_iter_values(all.iter().map(|b| b.event_time));
    let batch = RecordBatch::try_from_iter_with_nullable([
        ("symbol", Arc::new(symbols) as ArrayRef, false),
        ("event_time", Arc::new(times.with_timezone_utc()), false),
        ("open", numbers(|b| b.open), true),
        ("high", numbers(|b| b.high), true),
        ("low", numbers(|b| b.low), true),
        ("close", numbers(|b| Some(b.close)), true),
        ("volume", numbers(|b| b.volume), true),
    ])
    .unwrap();
    let context = SessionContext::new();
    register(&context);
    context.register_batch("bars", batch).unwrap();
    context
}

async fn column(context: &SessionContext, query: &str) -> Result<Vec<Option<u64>>, String> {
    let frame = context.sql(query).await.map_err(|e| e.to_string())?;
    let batches = frame.collect().await.map_err(|e| e.to_string())?;
    let values = batches.iter().flat_map(|batch| {
        let values = batch.column(0).as_primitive::<Float64Type>();
        (0..values.len()).map(|i| values.is_valid(i).then(|| values.value(i).to_bits()))
    });
    Ok(values.collect())
}

/// Constants for the parameters of a function, and the same as a spec.
fn declared(entry: &Entry) -> (FeatureSpec, Vec<&'static str>) {
    let mut spec: FeatureSpec =
        serde_json::from_value(serde_json::json!({"name": "x", "function": entry.function}))
            .unwrap();
    let mut constants = Vec::new();
    for argument in entry.parameters() {
        constants.push(match argument {
            Argument::Window { .. } => "10",
            Argument::Fast => "3",
            Argument::Slow => "8",
            Argument::Signal => "4",
            Argument::Deviations => "1.5",
            Argument::Quantile => "0.3",
            Argument::Expression => unreachable!("no function of SQL"),
        });
        match argument {
            Argument::Window { .. } => spec.window = Some(10),
            Argument::Fast => spec.fast = Some(3),
            Argument::Slow => spec.slow = Some(8),
            Argument::Signal => spec.signal = Some(4),
            Argument::Deviations => spec.deviations = Some("1.5".into()),
            Argument::Quantile => spec.quantile = Some("0.3".into()),
            Argument::Expression => unreachable!("no function of SQL"),
        }
    }
    (spec, constants)
}

#[tokio::test]
async fn every_function_gives_the_bits_of_the_feature_set() {
    let context = context();
    let entries = entries();
    assert_eq!(entries.len(), 60, "every function but Expression");
    for entry in entries {
        let (spec, constants) = declared(&entry);
        let reads = entry.columns.join(", ").replace("value", "close");
        let arguments = [vec![reads.as_str()], constants].concat().join(", ");
        let query = format!(
            "SELECT {}({arguments}) OVER (PARTITION BY symbol ORDER BY event_time) FROM bars ORDER BY symbol, event_time",
            entry.name
        );
        let mut expected = Vec::new();
        for symbol in SYMBOLS {
            let specs = std::slice::from_ref(&spec);
            let mut set = FeatureSet::new(specs, Adjustment::None).unwrap();
            for bar in bars(symbol) {
                let row = set.push(&bar).unwrap();
                expected.push(row.map(|row| row.values[0].to_bits()));
            }
        }
        let found = column(&context, &query).await.unwrap();
        assert!(found.iter().flatten().count() > BARS, "{query}");
        assert_eq!(found, expected, "{query}");
    }
}

#[tokio::test]
async fn mistakes_are_named() {
    let context = context();
    let over = "OVER (PARTITION BY symbol ORDER BY event_time) FROM bars";
    for (call, says) in [
        (
            "rsi(close)",
            "rsi(close, window) takes 2 arguments, 1 are given",
        ),
        ("rsi(close, close)", "window must be a constant number"),
        ("rsi(close, 2.5)", "window must be a constant number"),
        ("rsi(close, 0)", "`window` must be between 1 and 512"),
        ("rsi(close, 513)", "`window` must be between 1 and 512"),
        ("macd(close, 9, 5)", "`fast` must be below slow"),
        (
            "rolling_quantile(close, 5, 1.5)",
            "`quantile` must be between 0 and 1",
        ),
        (
            "bollinger_upper(close, 5, 0.0)",
            "`deviations` must be above 0",
        ),
        (
            "cci(close, 5)",
            "cci(open, high, low, close, volume, window) takes 6 arguments",
        ),
    ] {
        let error = column(&context, &format!("SELECT {call} {over}")).await;
        let error = error.unwrap_err();
        assert!(error.contains(says), "{call}: {error}");
    }
}

#[tokio::test]
async fn what_is_no_number_is_skipped() {
    let context = context();
    // The mean of the bars with even dates: those between are not seen.
    let odd = "CASE WHEN date_part('day', event_time) % 2 = 0 THEN close ELSE 'NaN'::double END";
    let query = format!(
        "SELECT rolling_mean({odd}, 3) OVER (PARTITION BY symbol ORDER BY event_time) FROM bars ORDER BY symbol, event_time LIMIT 9"
    );
    let found = column(&context, &query).await.unwrap();
    let known: Vec<bool> = found.iter().map(Option::is_some).collect();
    let first = known.iter().position(|known| *known).unwrap();
    // 2 January is the first bar's day: the third even one is three bars further, with one between.
    assert_eq!(first, 4, "{known:?}");
    assert!(!known[5] && known[6], "{known:?}");
}

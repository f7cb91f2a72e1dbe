//! One feature implementation: what the stream worker wrote, what predict computes from bars in a
//! request and what the trainer folded must be the same bits.

use anyhow::{Context, Result, ensure};
use foresail_crds::Role;
use foresail_crds::pipeline::spec::FeatureSpec;
use foresail_crds::records::FeatureRecord;
use foresail_crds::worker_config::TrainConfig;
use foresail_domain::Bar;
use foresail_tests::delta::{self, Columns};
use foresail_tests::predictor::Predictor;
use foresail_tests::topics::Ledger;
use foresail_tests::{Space, programs};
use serde_json::{Value, json};

/// POSTs every bar of every symbol and compares every row.
pub async fn against_requests(
    predictor: &Predictor,
    ledger: &Ledger,
    symbols: &[String],
) -> Result<String> {
    let mut compared = 0;
    for symbol in symbols {
        let rows = rows_of(predictor, &bars(ledger, symbol)).await?;
        let written: Vec<&FeatureRecord> = ledger
            .features
            .values()
            .filter(|f| f.symbol == *symbol)
            .collect();
        ensure!(
            rows.len() == written.len(),
            "{symbol}: {} rows in the answer, {} in Kafka",
            rows.len(),
            written.len()
        );
        for (row, record) in rows.iter().zip(written) {
            same(row, record).with_context(|| format!("{symbol} at {}", record.event_time))?;
            compared += 1;
        }
    }
    ensure!(compared > 0, "nothing to compare");
    Ok(format!("{compared} rows"))
}

/// Compares every row with what the trainer folds from the table.
pub async fn against_dump(space: &Space, pipeline: &str, ledger: &Ledger) -> Result<String> {
    let status = space
        .pipelines()
        .get(pipeline)
        .await?
        .status
        .context("no status")?;
    let version = status.lake.context("no status.lake")?.version;
    let file = programs::dump(space, pipeline, version).await?;
    let config = programs::configuration(space, pipeline, Role::Train).await?;
    let config: TrainConfig = serde_json::from_str(&config)?;
    let mut compared = 0;
    for columns in delta::parquet_rows(file)? {
        let row = record(&columns, &config.model.features)?;
        let at = (row.symbol.clone(), row.event_time);
        let record = ledger
            .features
            .get(&at)
            .with_context(|| format!("{at:?} is not in Kafka"))?;
        same(&row, record).with_context(|| format!("{at:?}"))?;
        compared += 1;
    }
    ensure!(
        compared == ledger.features.len(),
        "{compared} rows, {} in Kafka",
        ledger.features.len()
    );
    Ok(format!("{compared} rows of table version {version}"))
}

/// The same kernels as window functions over the lake: no feature row of the Pipeline differs by a bit.
pub async fn against_sql(space: &Space, pipeline: &str, rows: usize) -> Result<String> {
    let query = "SELECT count(*) AS rows, \
           count(*) FILTER (WHERE f.rsi_14d = s.rsi AND f.macd_histogram = s.macd \
             AND f.bollinger_20d = s.bollinger AND f.volume_20d = s.volume AND f.range_10d = s.range) AS equal \
         FROM features f JOIN (SELECT symbol, event_time, \
           rsi(close, 14) OVER bars AS rsi, macd_histogram(close, 12, 26, 9) OVER bars AS macd, \
           bollinger_percent_b(close, 20, 2) OVER bars AS bollinger, \
           volume_z_score(open, high, low, close, volume, 20) OVER bars AS volume, \
           range_mean(open, high, low, close, volume, 10) OVER bars AS range \
           FROM adjusted_bars WINDOW bars AS (PARTITION BY symbol ORDER BY event_time)) s \
         ON f.symbol = s.symbol AND f.event_time = s.event_time";
    let answer = programs::sql(space, pipeline, query).await?;
    let numbers: Vec<usize> = answer
        .split(|c: char| !c.is_ascii_digit())
        .filter_map(|word| word.parse().ok())
        .collect();
    ensure!(numbers.starts_with(&[rows, rows]), "{rows} rows: {answer}");
    Ok(format!("{rows} rows, five features each"))
}

fn record(columns: &Columns, features: &[FeatureSpec]) -> Result<FeatureRecord> {
    let number = |name: &str| delta::double(columns, &[name])?.context("a null");
    Ok(FeatureRecord {
        symbol: delta::text(columns, &["symbol"])?,
        event_time: delta::integer(columns, &["event_time"])?,
        close: number("close")?,
        adjustment_factor: number("adjustment_factor")?,
        values: features
            .iter()
            .map(|f| number(&f.name))
            .collect::<Result<_>>()?,
    })
}

/// Halves every price from one day on, with a split factor of 2 that day: features must not move.
pub async fn split_day(predictor: &Predictor, ledger: &Ledger) -> Result<String> {
    let symbol = ledger.bars.keys().next().context("no bar")?.0.clone();
    let plain = bars(ledger, &symbol);
    let day = plain.len() / 2;
    let split: Vec<Bar> = plain
        .iter()
        .enumerate()
        .map(|(index, bar)| {
            if index < day {
                bar.clone()
            } else {
                halved(bar, index == day)
            }
        })
        .collect();
    let (before, after) = (
        rows_of(predictor, &plain).await?,
        rows_of(predictor, &split).await?,
    );
    ensure!(
        before.len() == after.len(),
        "{} rows and {}",
        before.len(),
        after.len()
    );
    let at = plain[day].event_time;
    let mut moved = 0;
    for (a, b) in before.iter().zip(&after) {
        // Powers of two change no bit of a ratio of prices; volumes are as traded.
        ensure!(
            bits(&a.values) == bits(&b.values),
            "at {}: {:?} and {:?}",
            a.event_time,
            a.values,
            b.values
        );
        let factor = if a.event_time < at { 1.0 } else { 2.0 };
        ensure!(
            b.adjustment_factor == a.adjustment_factor * factor,
            "factor at {}",
            a.event_time
        );
        moved += usize::from(factor > 1.0);
    }
    ensure!(moved > 0, "the split reached no row");
    Ok(format!("{} rows, {moved} after the split", before.len()))
}

fn halved(bar: &Bar, first: bool) -> Bar {
    Bar {
        open: bar.open.map(|v| v / 2.0),
        high: bar.high.map(|v| v / 2.0),
        low: bar.low.map(|v| v / 2.0),
        close: bar.close / 2.0,
        // Paid per share before the split of that session.
        dividend: if first {
            bar.dividend
        } else {
            bar.dividend / 2.0
        },
        volume: bar.volume.map(|v| v * 2.0),
        split_factor: if first {
            bar.split_factor * 2.0
        } else {
            bar.split_factor
        },
        ..bar.clone()
    }
}

fn bars(ledger: &Ledger, symbol: &str) -> Vec<Bar> {
    ledger
        .bars
        .values()
        .filter(|b| b.symbol == symbol)
        .cloned()
        .collect()
}

async fn rows_of(predictor: &Predictor, bars: &[Bar]) -> Result<Vec<FeatureRecord>> {
    let symbol = &bars.first().context("no bar")?.symbol;
    let bars: Vec<Value> = bars.iter().map(as_requested).collect();
    let answer = predictor
        .post("/v1/features", &json!({ "bars": bars }))
        .await?;
    ensure!(
        answer.status == 200,
        "answer {}: {}",
        answer.status,
        answer.body
    );
    let rows = answer.body["rows"]
        .as_array()
        .context("no rows in the answer")?;
    rows.iter().map(|row| as_recorded(symbol, row)).collect()
}

/// A bar as the predictor takes it.
fn as_requested(bar: &Bar) -> Value {
    json!({
        "symbol": bar.symbol, "event_time": bar.event_time,
        "open": bar.open, "high": bar.high, "low": bar.low, "close": bar.close, "volume": bar.volume,
        "split_factor": bar.split_factor, "dividend": bar.dividend,
    })
}

/// A row of the answer as the stream worker records it. One request is about one symbol, so the rows do
/// not repeat it.
fn as_recorded(symbol: &str, row: &Value) -> Result<FeatureRecord> {
    let number = |field: &str| row[field].as_f64().with_context(|| format!("no {field}"));
    let event_time = row["event_time"].as_i64();
    Ok(FeatureRecord {
        symbol: symbol.into(),
        event_time: event_time.context("no event_time")?,
        close: number("close")?,
        adjustment_factor: number("adjustment_factor")?,
        values: serde_json::from_value(row["values"].clone()).context("no values")?,
    })
}

fn same(row: &FeatureRecord, record: &FeatureRecord) -> Result<()> {
    ensure!(
        row.event_time == record.event_time,
        "another time: {}",
        row.event_time
    );
    ensure!(
        bits(&row.values) == bits(&record.values),
        "{:?} and {:?}",
        row.values,
        record.values
    );
    ensure!(
        row.close.to_bits() == record.close.to_bits(),
        "close {} and {}",
        row.close,
        record.close
    );
    ensure!(
        row.adjustment_factor.to_bits() == record.adjustment_factor.to_bits(),
        "factor"
    );
    Ok(())
}

fn bits(values: &[f64]) -> Vec<u64> {
    values.iter().map(|v| v.to_bits()).collect()
}

//! Our side of `make bench-features`: 24 features, one bar at a time (`push`) or over a Parquet file
//! (`batch`), through [`FeatureSet::push`] as in stream and training. Prints one JSON line.

use std::error::Error;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use arrow::array::{ArrayRef, AsArray, Float64Array, Int64Array, RecordBatch, StringArray};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Float64Type, Int64Type};
use foresail_crds::pipeline::spec::{Adjustment, FeatureSpec};
use foresail_domain::{Bar, Interval};
use foresail_features::FeatureSet;
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use serde_json::json;

type Result<T> = std::result::Result<T, Box<dyn Error + Send + Sync>>;

/// Name, function, window.
const FEATURES: [(&str, &str, u32); 24] = [
    ("log_return_1", "LogReturn", 0),
    ("log_return_5", "LogReturnOver", 5),
    ("log_return_20", "LogReturnOver", 20),
    ("rate_of_change_10", "RateOfChange", 10),
    ("sma_ratio_10", "SmaRatio", 10),
    ("sma_ratio_20", "SmaRatio", 20),
    ("sma_ratio_50", "SmaRatio", 50),
    ("volatility_20", "Volatility", 20),
    ("z_score_20", "ZScore", 20),
    ("bollinger_upper_20", "BollingerUpper", 20),
    ("bollinger_lower_20", "BollingerLower", 20),
    ("bollinger_percent_b_20", "BollingerPercentB", 20),
    ("volume_z_score_20", "VolumeZScore", 20),
    ("range_mean_10", "RangeMean", 10),
    ("min_ratio_20", "MinRatio", 20),
    ("max_ratio_20", "MaxRatio", 20),
    ("drawdown_60", "Drawdown", 60),
    ("stochastic_k_14", "StochasticK", 14),
    ("williams_r_14", "WilliamsR", 14),
    ("return_mean_20", "ReturnMean", 20),
    ("return_min_20", "ReturnMin", 20),
    ("return_max_20", "ReturnMax", 20),
    ("volume_ratio_20", "VolumeRatio", 20),
    ("realised_volatility_20", "RealisedVolatility", 20),
];
/// Rows of a symbol that no program counts: everybody's windows are full after them.
const COLD: u64 = 60;
/// Every so many rows of a symbol go into the sample that is compared.
const SAMPLED: u64 = 997;

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let option = |name: &str| {
        let at = arguments.iter().position(|a| a == name)?;
        arguments.get(at + 1).cloned()
    };
    match arguments.first().map(String::as_str) {
        Some("push") => push(option("--rounds").unwrap_or("5".into()).parse()?),
        Some("batch") => {
            let parquet = option("--parquet").ok_or("--parquet FILE is missing")?;
            let threads = option("--threads").unwrap_or("2".into()).parse()?;
            let sample = option("--sample").map(PathBuf::from);
            batch(Path::new(&parquet), threads, sample.as_deref())
        }
        _ => Err("push --rounds N | batch --parquet FILE [--sample FILE] [--threads N]".into()),
    }
}

fn features(only: Option<usize>) -> Result<FeatureSet> {
    let spec = |(name, function, window): (&str, &str, u32)| {
        let mut spec = json!({"name": name, "function": function});
        if window > 0 {
            spec["window"] = window.into();
        }
        if function.starts_with("Bollinger") {
            spec["deviations"] = "2".into();
        }
        serde_json::from_value(spec)
    };
    let specs: Vec<FeatureSpec> = FEATURES
        .into_iter()
        .enumerate()
        .filter(|(index, _)| only.is_none_or(|only| only == *index))
        .map(|(_, feature)| spec(feature))
        .collect::<std::result::Result<_, _>>()?;
    Ok(FeatureSet::new(&specs, Adjustment::All)?)
}

/// A bar whose text is made once: what changes from row to row are numbers.
fn empty(symbol: &str) -> Bar {
    Bar {
        symbol: symbol.into(),
        interval: Interval::Session,
        event_time: 0,
        open: None,
        high: None,
        low: None,
        close: 0.0,
        volume: None,
        split_factor: 1.0,
        dividend: 0.0,
        ingested_at: 0,
        provider: "bench".into(),
        revision: 0,
    }
}

/// Nanoseconds from one bar to its 24 values, once per round over the same bars.
fn push(rounds: usize) -> Result<()> {
    let mut state = 7u64;
    let mut uniform = move || {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (state >> 11) as f64 / (1u64 << 53) as f64
    };
    let mut close = 100.0;
    let bars: Vec<Bar> = (0..200_000)
        .map(|i| {
            close *= 1.0 + 0.002 * (uniform() - 0.5);
            Bar {
                event_time: 60_000 * (i + 1),
                open: Some(close),
                high: Some(close * (1.0 + 0.001 * uniform())),
                low: Some(close * (1.0 - 0.001 * uniform())),
                close,
                volume: Some(1e4 * uniform()),
                ..empty("X")
            }
        })
        .collect();
    let all: Vec<f64> = (0..rounds)
        .map(|_| timed(&bars, None))
        .collect::<Result<_>>()?;
    let mut alone = serde_json::Map::new();
    for (index, (name, ..)) in FEATURES.iter().enumerate() {
        alone.insert((*name).into(), timed(&bars, Some(index))?.into());
    }
    println!("{}", json!({"ns_per_bar": all, "alone": alone}));
    Ok(())
}

/// Nanoseconds per bar of all features, or of one alone.
fn timed(bars: &[Bar], only: Option<usize>) -> Result<f64> {
    let mut set = features(only)?;
    let mut check = 0.0;
    let start = Instant::now();
    for bar in bars {
        if let Some(row) = set.push(bar)? {
            check += row.values.iter().sum::<f64>();
        }
    }
    std::hint::black_box(check);
    Ok(start.elapsed().as_secs_f64() * 1e9 / bars.len() as f64)
}

/// What one thread has found.
#[derive(Default)]
struct Part {
    rows: u64,
    sums: Vec<f64>,
    sample: Vec<(String, i64, Vec<f64>)>,
}

fn batch(path: &Path, threads: usize, sample: Option<&Path>) -> Result<()> {
    let start = Instant::now();
    let groups = ParquetRecordBatchReaderBuilder::try_new(File::open(path)?)?
        .metadata()
        .num_row_groups();
    let cut = |thread: usize| groups * thread / threads;
    let parts: Vec<Part> = std::thread::scope(|scope| {
        let running: Vec<_> = (0..threads)
            .map(|t| {
                scope.spawn(move || part(path, (cut(t), cut(t + 1)), groups, sample.is_some()))
            })
            .collect();
        let ended = running.into_iter().map(|thread| match thread.join() {
            Ok(part) => part,
            Err(_) => Err("a thread panicked".into()),
        });
        ended.collect::<Result<_>>()
    })?;
    let mut sums = vec![0.0; FEATURES.len()];
    for part in &parts {
        for (total, sum) in sums.iter_mut().zip(&part.sums) {
            *total += sum;
        }
    }
    let seconds = start.elapsed().as_secs_f64();
    let rows: u64 = parts.iter().map(|part| part.rows).sum();
    if let Some(sample) = sample {
        write(sample, parts)?;
    }
    println!(
        "{}",
        json!({"seconds": seconds, "rows": rows, "sums": sums, "peak_rss_mib": peak_rss()?})
    );
    Ok(())
}

/// The symbols that start in row groups `from..to`, to their end.
fn part(path: &Path, (from, to): (usize, usize), groups: usize, sampled: bool) -> Result<Part> {
    let mut part = Part {
        sums: vec![0.0; FEATURES.len()],
        ..Part::default()
    };
    let fresh = features(None)?;
    // The symbol that runs into our first group belongs to the thread before.
    let mut skipped = match from {
        0 => None,
        _ => last_symbol(path, from - 1)?,
    };
    let mut current: Option<(FeatureSet, Bar, u64)> = None;
    for group in from..groups {
        let reader = ParquetRecordBatchReaderBuilder::try_new(File::open(path)?)?
            .with_row_groups(vec![group])
            .with_batch_size(65_536)
            .build()?;
        for batch in reader {
            let batch = Columns::new(&batch?)?;
            for row in 0..batch.rows {
                let symbol = batch.symbols.value(row);
                if skipped.as_deref() == Some(symbol) {
                    continue;
                }
                skipped = None;
                if current
                    .as_ref()
                    .is_none_or(|(_, bar, _)| bar.symbol != symbol)
                {
                    if group >= to {
                        return Ok(part);
                    }
                    current = Some((fresh.clone(), empty(symbol), 0));
                }
                if let Some((set, bar, index)) = &mut current {
                    batch.fill(row, bar);
                    part.take(set, bar, *index, sampled)?;
                    *index += 1;
                }
            }
        }
    }
    Ok(part)
}

impl Part {
    fn take(&mut self, set: &mut FeatureSet, bar: &Bar, index: u64, sampled: bool) -> Result<()> {
        let Some(row) = set.push(bar)?.filter(|_| index >= COLD) else {
            return Ok(());
        };
        self.rows += 1;
        for (sum, value) in self.sums.iter_mut().zip(&row.values) {
            *sum += value;
        }
        if sampled && index.is_multiple_of(SAMPLED) {
            self.sample
                .push((bar.symbol.clone(), row.event_time, row.values));
        }
        Ok(())
    }
}

/// Columns of one batch of the file.
struct Columns {
    rows: usize,
    symbols: StringArray,
    times: Int64Array,
    numbers: Vec<Float64Array>,
}

impl Columns {
    fn new(batch: &RecordBatch) -> Result<Self> {
        let column = |name: &str, kind: &DataType| -> Result<ArrayRef> {
            let array = batch.column_by_name(name).ok_or("a column is missing")?;
            Ok(cast(array, kind)?)
        };
        let names = ["open", "high", "low", "close", "volume"];
        let numbers = names.map(|name| {
            let array = column(name, &DataType::Float64)?;
            Ok(array.as_primitive::<Float64Type>().clone())
        });
        Ok(Self {
            rows: batch.num_rows(),
            symbols: column("symbol", &DataType::Utf8)?
                .as_string::<i32>()
                .clone(),
            times: column("event_time", &DataType::Int64)?
                .as_primitive::<Int64Type>()
                .clone(),
            numbers: numbers.into_iter().collect::<Result<_>>()?,
        })
    }

    fn fill(&self, row: usize, bar: &mut Bar) {
        let number = |column: usize| self.numbers.get(column).map(|values| values.value(row));
        bar.event_time = self.times.value(row);
        bar.open = number(0);
        bar.high = number(1);
        bar.low = number(2);
        bar.close = number(3).unwrap_or(f64::NAN);
        bar.volume = number(4);
    }
}

fn last_symbol(path: &Path, group: usize) -> Result<Option<String>> {
    let reader = ParquetRecordBatchReaderBuilder::try_new(File::open(path)?)?
        .with_row_groups(vec![group])
        .build()?;
    let mut last = None;
    for batch in reader {
        let batch = Columns::new(&batch?)?;
        last = batch
            .rows
            .checked_sub(1)
            .map(|row| batch.symbols.value(row).to_owned());
    }
    Ok(last)
}

fn write(path: &Path, parts: Vec<Part>) -> Result<()> {
    let mut rows: Vec<_> = parts.into_iter().flat_map(|part| part.sample).collect();
    rows.sort_by(|a, b| (&a.0, a.1).cmp(&(&b.0, b.1)));
    let symbols: StringArray = rows.iter().map(|row| Some(&row.0)).collect();
    let times: Int64Array = rows.iter().map(|row| Some(row.1)).collect();
    let mut columns: Vec<(&str, ArrayRef)> = vec![
        ("symbol", Arc::new(symbols)),
        ("event_time", Arc::new(times)),
    ];
    for (index, (name, ..)) in FEATURES.iter().enumerate() {
        let values = rows.iter().map(|row| row.2.get(index).copied());
        columns.push((name, Arc::new(values.collect::<Float64Array>())));
    }
    let batch = RecordBatch::try_from_iter(columns)?;
    let mut writer = ArrowWriter::try_new(File::create(path)?, batch.schema(), None)?;
    writer.write(&batch)?;
    writer.close()?;
    Ok(())
}

/// Highest resident memory of this process so far.
fn peak_rss() -> Result<u64> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kib: u64 = line
        .and_then(|line| line.split_whitespace().next())
        .ok_or("no VmHWM")?
        .parse()?;
    Ok(kib / 1024)
}

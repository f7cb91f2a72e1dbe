//! `foresail-trainer inspect`: how a file of bars is read, what it holds and what looks wrong, before anything is trained.
//! It reads as ingest does; what it prints is for people.

use std::fmt::Write;
use std::path::{Path, PathBuf};

use foresail_crds::names::PipelineName;
use foresail_crds::pipeline::spec::DateRange;
use foresail_crds::worker_config::{IngestConfig, RoleConfig};
use foresail_domain::symbol::LONGEST;
use foresail_domain::{Bar, TradingCalendar};
use foresail_runtime_base::RoleError;
use jiff::civil::Date;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::file;

/// Bars shown at each end.
const SHOWN: usize = 3;
/// Signs of a plot.
const WIDTH: usize = 64;
/// Dates that are named of many.
const NAMED: usize = 3;
/// A move that a split explains within this part of it.
const SPLIT_TOLERANCE: f64 = 0.02;
/// Splits that companies make, as the price before over the price after; the other way round they are reverse splits.
const SPLITS: [f64; 10] = [2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 10.0, 15.0, 20.0];

/// What to look at.
#[derive(Clone, Debug)]
pub struct Request {
    /// File of daily bars.
    pub file: PathBuf,
    /// Pipeline as YAML, which says what its columns are and which symbols count. Without it every symbol counts, and
    /// columns have their usual names.
    pub pipeline: Option<PathBuf>,
}

/// Reads the file and describes it.
///
/// # Errors
/// User errors that name the file, and the column, the number or the date that cannot be read.
pub fn inspect(request: &Request) -> Result<String, RoleError> {
    let path = &request.file;
    let mut declares = None;
    let pipeline = match &request.pipeline {
        Some(pipeline) => file::pipeline(pipeline)?,
        None => {
            let declared = undeclared(path)?;
            let pipeline = parsed(whole(&declared))?;
            declares = Some(declared);
            pipeline
        }
    };
    let mut config = IngestConfig::new(PipelineName::new("local", "inspected"), &pipeline.spec);
    config.source.backfill = DateRange::default();
    config.source.replay = None;
    let spec = config.source.csv.clone().ok_or_else(|| {
        let message =
            "the Pipeline has no spec.source.csv, which says what the columns of the file are";
        RoleError::user("BadPipeline", message)
    })?;
    let (dialect, _) = file::look(path, &spec)?;
    let mut rows = file::read(path, &config, &spec)?;
    if let (Some(declared), Some(off)) = (&mut declares, rows.off_session()) {
        config.calendar = off.fits();
        declared["calendar"] = json!(config.calendar);
        rows = file::read(path, &config, &spec)?;
    }
    let mut text = format!("{}\n  {dialect}\n{}\n", path.display(), rows.counts());
    for (symbol, bars) in &rows.bars {
        describe(&mut text, symbol, bars, config.calendar);
    }
    if let Some(declared) = declares {
        let yaml = serde_saphyr::to_string(&declared).map_err(internal)?;
        text.push_str("\nIn the spec of a Pipeline:\n");
        yaml.lines()
            .for_each(|line| text.push_str(&format!("  {line}\n")));
        let refusals = foresail_admission::judge(&whole(&declared));
        if !refusals.is_empty() {
            text.push_str("The API server would refuse it:\n");
        }
        for refusal in refusals.iter().take(NAMED) {
            text.push_str(&format!("  {refusal}\n"));
        }
    }
    Ok(text)
}

/// What of a spec speaks of the file, by what it says of itself: a column of symbols, or one symbol that is named as the
/// file.
fn undeclared(path: &Path) -> Result<Value, RoleError> {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let mut csv = json!({"uri": format!("s3://BUCKET/{name}"), "endpoint": "https://S3-ENDPOINT"});
    let symbols = match file::look(path, &parsed(csv.clone())?) {
        Err(error) if error.reason == "CsvHeader" => {
            let stem = path
                .file_stem()
                .unwrap_or_default()
                .to_string_lossy()
                .to_uppercase();
            let letters = stem.chars().filter(char::is_ascii_alphanumeric);
            csv["symbol"] = json!(letters.take(LONGEST).collect::<String>());
            // When this is no help either, the first error says what is missing.
            file::look(path, &parsed(csv.clone())?)
                .map_err(|_| error)?
                .1
        }
        looked => looked?.1,
    };
    let instruments: Vec<Value> = symbols
        .iter()
        .map(|symbol| json!({"symbol": symbol}))
        .collect();
    Ok(json!({"instruments": instruments, "source": {"csv": csv}}))
}

/// A whole Pipeline with this in its spec.
fn whole(part: &Value) -> Value {
    let mut spec = part.clone();
    spec["kafka"] = json!({"bootstrapServers": "kafka:9092"});
    spec["lake"] = json!({"uri": "s3://bucket/lake", "endpoint": "http://s3", "secretName": "s3"});
    spec["features"] = json!([{"name": "r", "function": "LogReturn"}]);
    spec["training"] = json!({"model": {"kind": "Linear"}});
    json!({"apiVersion": "foresail.dev/v1alpha1", "kind": "Pipeline", "metadata": {"name": "inspected"}, "spec": spec})
}

fn parsed<T: DeserializeOwned>(value: Value) -> Result<T, RoleError> {
    serde_json::from_value(value).map_err(internal)
}

fn internal(error: impl std::fmt::Display) -> RoleError {
    RoleError::internal(
        "BadDescription",
        format!("the file cannot be described: {error}"),
    )
}

fn describe(text: &mut String, symbol: &str, bars: &[Bar], calendar: TradingCalendar) {
    let date = |bar: &Bar| calendar.session_date(bar.event_time);
    let (Some(first), Some(last)) = (bars.first(), bars.last()) else {
        return;
    };
    let _ = writeln!(
        text,
        "\n{symbol}: {} bars, {} to {}",
        bars.len(),
        date(first),
        date(last)
    );
    let _ = writeln!(text, "  {}", plot(bars));
    let ends = if bars.len() > 2 * SHOWN {
        SHOWN
    } else {
        bars.len()
    };
    let shown = bars
        .iter()
        .take(ends)
        .chain(bars.iter().skip(bars.len().max(2 * SHOWN) - SHOWN));
    for bar in shown {
        let _ = writeln!(text, "  {}", line(bar, date(bar)));
    }
    let missing: Vec<Date> = calendar
        .sessions(date(first), date(last))
        .filter(|day| {
            bars.binary_search_by_key(&calendar.session_end(*day), |bar| bar.event_time)
                .is_err()
        })
        .collect();
    if !missing.is_empty() {
        let _ = writeln!(
            text,
            "  {} sessions of {} have no bar: {}",
            missing.len(),
            calendar.name(),
            some(&missing)
        );
    }
    for pair in bars.windows(2) {
        let (before, after) = (&pair[0], &pair[1]);
        if let Some(split) = suspected_split(before, after) {
            let _ = writeln!(
                text,
                "  SuspectedSplit: {} closes at {} and {} at {}, as after a split of {split}; no column declares one",
                date(before),
                before.close,
                date(after),
                after.close
            );
        }
    }
}

fn line(bar: &Bar, date: Date) -> String {
    let number = |value: Option<f64>| value.map_or_else(|| "-".into(), |v| v.to_string());
    let action = if bar.split_factor == 1.0 {
        String::new()
    } else {
        format!("  split {}", bar.split_factor)
    };
    format!(
        "{date}  open {:>10}  high {:>10}  low {:>10}  close {:>10}  volume {:>12}{action}",
        number(bar.open),
        number(bar.high),
        number(bar.low),
        bar.close,
        number(bar.volume)
    )
}

fn some(dates: &[Date]) -> String {
    let mut named: Vec<String> = dates.iter().take(NAMED).map(Date::to_string).collect();
    if dates.len() > NAMED {
        named.push("...".into());
    }
    named.join(", ")
}

/// `2:1` when the close moved as after such a split and nothing declares it.
fn suspected_split(before: &Bar, after: &Bar) -> Option<String> {
    if after.split_factor != 1.0 {
        return None;
    }
    let ratio = before.close / after.close;
    let near = |split: f64, ratio: f64| (ratio / split - 1.0).abs() <= SPLIT_TOLERANCE;
    let forward = SPLITS
        .iter()
        .find(|split| near(**split, ratio))
        .map(|split| format!("{split}:1"));
    let reverse = || {
        SPLITS
            .iter()
            .find(|split| near(**split, 1.0 / ratio))
            .map(|split| format!("1:{split}"))
    };
    forward.or_else(reverse)
}

/// Closes from first to last, on a logarithmic scale.
fn plot(bars: &[Bar]) -> String {
    const SIGNS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
    let width = WIDTH.min(bars.len());
    let at = |i: usize| {
        bars.get(i * (bars.len() - 1) / width.saturating_sub(1).max(1))
            .map_or(0.0, |bar| bar.close.ln())
    };
    let values: Vec<f64> = (0..width).map(at).collect();
    let low = values.iter().copied().fold(f64::INFINITY, f64::min);
    let high = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let sign = |value: &f64| {
        let part = if high > low {
            (value - low) / (high - low)
        } else {
            0.5
        };
        SIGNS[((part * 8.0) as usize).min(7)]
    };
    values.iter().map(sign).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bar(close: f64) -> Bar {
        Bar {
            close,
            ..crate::testing::bar("X", 1)
        }
    }

    #[test]
    fn moves_of_splits_are_suspected_and_those_of_markets_are_not() {
        let split = |before, after| suspected_split(&bar(before), &bar(after));
        assert_eq!(split(100.0, 50.5).as_deref(), Some("2:1"));
        assert_eq!(split(10.0, 99.0).as_deref(), Some("1:10"));
        assert_eq!(split(100.0, 52.5), None);
        assert_eq!(split(100.0, 101.0), None);
        let declared = Bar {
            split_factor: 2.0,
            ..bar(50.0)
        };
        assert_eq!(suspected_split(&bar(100.0), &declared), None);
    }

    #[test]
    fn a_plot_rises_with_the_closes() {
        let bars: Vec<Bar> = (1..=8).map(|i| bar(f64::from(1 << i))).collect();
        assert_eq!(plot(&bars), "▁▂▃▄▅▆▇█");
        assert_eq!(plot(&[bar(3.0)]).chars().count(), 1);
    }
}

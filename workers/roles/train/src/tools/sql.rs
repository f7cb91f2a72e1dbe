//! `foresail-trainer sql`: a query over a Pipeline's lake, at one Delta version, as it is known or was known at a time. Tables: `bars` (as
//! ingested, highest revision), `adjusted_bars` (what features read), `features` (the declared ones, as
//! `dump` writes them; made only when the query names it). The catalogue is there as window functions.
//! Reads only; the table is held in memory, and what does not fit into DataFusion's share spills to /tmp.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use datafusion::arrow::array::{
    ArrayRef, Float64Array, RecordBatch, StringArray, TimestampMillisecondArray,
};
use datafusion::arrow::util::pretty::pretty_format_batches;
use datafusion::catalog::MemTable;
use datafusion::common::internal_datafusion_err;
use datafusion::dataframe::DataFrame;
use datafusion::error::{DataFusionError, Result};
use datafusion::execution::context::SQLOptions;
use datafusion::execution::runtime_env::RuntimeEnvBuilder;
use datafusion::parquet::arrow::ArrowWriter;
use datafusion::prelude::{SessionConfig, SessionContext};
use foresail_crds::pipeline::spec::Adjustment;
use foresail_crds::worker_config::TrainConfig;
use foresail_domain::Bar;
use foresail_features::adjust::{AdjustedBar, Adjuster};
use foresail_runtime_base::{Outside, RoleError};
use futures::StreamExt;

use super::dump;
use crate::lake::{self, Bars, Reading};

/// Columns of `bars` behind symbol and time, as they are stored.
const RAW: [&str; 8] = [
    "open",
    "high",
    "low",
    "close",
    "volume",
    "split_factor",
    "dividend",
    "provider",
];

/// What is asked.
#[derive(Clone, Debug)]
pub struct Query {
    /// SQL that reads.
    pub text: String,
    /// Delta version, the newest when absent.
    pub delta_version: Option<u64>,
    /// Bars as they were known at this time, milliseconds UTC; as they are known now when absent.
    pub as_of: Option<i64>,
    /// Parquet file to write.
    pub output: Option<PathBuf>,
    /// Most rows printed.
    pub rows: usize,
}

/// Answers with a table, or with a line about the file written.
///
/// # Errors
/// Those of reading the lake; `BadQuery` (user) with what DataFusion says of it; `OutputFailed`.
pub async fn sql(
    config: &TrainConfig,
    outside: &Outside,
    query: &Query,
) -> std::result::Result<String, RoleError> {
    let version = match query.delta_version {
        Some(version) => version,
        None => lake::newest(config, outside).await?,
    };
    let as_of = query.as_of;
    let bars = lake::read(config, outside, Reading { version, as_of }).await?;
    let asked = |e: DataFusionError| {
        let message = format!(
            "{}; the query ran on Delta version {version}",
            e.strip_backtrace()
        );
        RoleError::user("BadQuery", message)
    };
    let context = context(&bars, config.model.adjustment).map_err(asked)?;
    if names(&context, &query.text, "features").map_err(asked)? {
        let rows = dump::rows(config, &bars)?;
        let batch = dump::batch(&rows, &rows.samples).map_err(asked)?;
        table(&context, "features", batch).map_err(asked)?;
    }
    let frame = frame(&context, &query.text).await.map_err(asked)?;
    match &query.output {
        None => shown(frame, query.rows).await.map_err(asked),
        Some(path) => {
            let rows = write(frame, path).await.map_err(|e| {
                let message = format!("writing {}: {}", path.display(), e.strip_backtrace());
                RoleError::outside("OutputFailed", message)
            })?;
            Ok(format!("{rows} rows in {}", path.display()))
        }
    }
}

/// The tables that cost nothing more than the bars, and the functions.
fn context(bars: &Bars, adjustment: Adjustment) -> Result<SessionContext> {
    let runtime = RuntimeEnvBuilder::new()
        .with_memory_limit(lake::MEMORY_BYTES, 1.0)
        .build_arc()?;
    let config = SessionConfig::new().with_information_schema(true);
    let context = SessionContext::new_with_config_rt(config, runtime);
    foresail_sql::register(&context);
    table(&context, "bars", raw(bars)?)?;
    table(&context, "adjusted_bars", adjusted(bars, adjustment)?)?;
    Ok(context)
}

fn table(context: &SessionContext, name: &str, batch: RecordBatch) -> Result<()> {
    let table = MemTable::try_new(batch.schema(), vec![vec![batch]])?;
    context.register_table(name, Arc::new(table)).map(drop)
}

/// Whether the query reads the table.
fn names(context: &SessionContext, text: &str, table: &str) -> Result<bool> {
    let state = context.state();
    let dialect = state.config().options().sql_parser.dialect;
    let statement = state.sql_to_statement(text, &dialect)?;
    let tables = state.resolve_table_references(&statement)?;
    Ok(tables.iter().any(|named| named.table() == table))
}

async fn frame(context: &SessionContext, text: &str) -> Result<DataFrame> {
    let reading = SQLOptions::new()
        .with_allow_ddl(false)
        .with_allow_dml(false)
        .with_allow_statements(false);
    context.sql_with_options(text, reading).await
}

async fn shown(frame: DataFrame, most: usize) -> Result<String> {
    let batches = frame
        .limit(0, Some(most.saturating_add(1)))?
        .collect()
        .await?;
    let count: usize = batches.iter().map(RecordBatch::num_rows).sum();
    let mut left = most;
    let kept: Vec<RecordBatch> = batches
        .iter()
        .map(|batch| {
            let rows = left.min(batch.num_rows());
            left -= rows;
            batch.slice(0, rows)
        })
        .collect();
    let table = pretty_format_batches(&kept)?;
    Ok(if count > most {
        format!("{table}\nthe first {most} rows; --rows shows more")
    } else {
        format!("{table}\n{count} rows")
    })
}

async fn write(frame: DataFrame, path: &Path) -> Result<usize> {
    let mut batches = frame.execute_stream().await?;
    let mut writer = ArrowWriter::try_new(File::create(path)?, batches.schema(), None)?;
    let mut rows = 0;
    while let Some(batch) = batches.next().await {
        let batch = batch?;
        rows += batch.num_rows();
        writer.write(&batch)?;
    }
    writer.close()?;
    Ok(rows)
}

fn raw(bars: &Bars) -> Result<RecordBatch> {
    let all: Vec<&Bar> = bars.iter().flat_map(|(_, bars)| bars).collect();
    let stored = foresail_bar_table::bar_batch(&all)?;
    let (symbol, event_time) = keys(&all);
    let mut columns = vec![("symbol", symbol), ("event_time", event_time)];
    for name in RAW {
        let column = stored.column_by_name(name);
        let column = column.ok_or_else(|| internal_datafusion_err!("no column {name}"))?;
        columns.push((name, Arc::clone(column)));
    }
    batch(columns)
}

fn adjusted(bars: &Bars, adjustment: Adjustment) -> Result<RecordBatch> {
    let all: Vec<&Bar> = bars.iter().flat_map(|(_, bars)| bars).collect();
    let rows: Vec<(AdjustedBar, f64)> = bars
        .iter()
        .flat_map(|(_, bars)| {
            let mut adjuster = Adjuster::new(adjustment);
            let push = move |bar| (adjuster.push(bar), adjuster.factor());
            bars.iter().map(push)
        })
        .collect();
    let must = |get: fn(&AdjustedBar) -> f64| numbers(rows.iter().map(|(row, _)| Some(get(row))));
    let may = |get: fn(&AdjustedBar) -> Option<f64>| numbers(rows.iter().map(|(row, _)| get(row)));
    let (symbol, event_time) = keys(&all);
    batch(vec![
        ("symbol", symbol),
        ("event_time", event_time),
        ("open", may(|b| b.open)),
        ("high", must(|b| b.high)),
        ("low", must(|b| b.low)),
        ("close", must(|b| b.close)),
        ("volume", may(|b| b.volume)),
        (
            "adjustment_factor",
            numbers(rows.iter().map(|(_, factor)| Some(*factor))),
        ),
    ])
}

fn keys(bars: &[&Bar]) -> (ArrayRef, ArrayRef) {
    let symbols: StringArray = bars.iter().map(|bar| Some(&bar.symbol)).collect();
    let times = bars.iter().map(|bar| bar.event_time);
    let times = TimestampMillisecondArray::from_iter_values(times).with_timezone_utc();
    (Arc::new(symbols), Arc::new(times))
}

fn numbers(values: impl Iterator<Item = Option<f64>>) -> ArrayRef {
    Arc::new(values.collect::<Float64Array>())
}

/// Every column may be null, so that an empty lake has the same schema.
fn batch(columns: Vec<(&str, ArrayRef)>) -> Result<RecordBatch> {
    let columns = columns.into_iter().map(|(name, array)| (name, array, true));
    Ok(RecordBatch::try_from_iter_with_nullable(columns)?)
}

#[cfg(test)]
mod tests;

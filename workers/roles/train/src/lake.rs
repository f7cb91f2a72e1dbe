//! Bars of one pinned Delta version, read with DataFusion: the file list comes from the Delta log,
//! the rows from Parquet, ordered per symbol with the highest revision of each bar.

use std::sync::Arc;

use datafusion::arrow::array::{Array, AsArray, RecordBatch};
use datafusion::arrow::compute::cast;
use datafusion::arrow::datatypes::{DataType, Float64Type, Int32Type, Int64Type};
use datafusion::execution::runtime_env::RuntimeEnvBuilder;
use datafusion::prelude::{ParquetReadOptions, SessionConfig, SessionContext};
use deltalake_core::DeltaTable;
use deltalake_core::logstore::{StorageConfig, default_logstore};
use foresail_crds::worker_config::WorkerConfig;
use foresail_domain::{Bar, Interval};
use foresail_runtime_base::RoleError;
use foresail_runtime_store::{S3Uri, object_store};
use object_store::ObjectStore;
use object_store::prefix::PrefixStore;
use url::Url;

/// Memory DataFusion may use for sorting; beyond it spills to /tmp.
pub(crate) const MEMORY_BYTES: usize = 512 << 20;

/// Bars per symbol, oldest first, symbols in order.
pub(crate) type Bars = Vec<(String, Vec<Bar>)>;

/// Reads all bars of `version`.
///
/// # Errors
/// `LakeVersionMissing` (user) when the version is gone, `LakeUnreadable`, S3 failures.
pub(crate) async fn read(config: &WorkerConfig, version: u64) -> Result<Bars, RoleError> {
    let (uri, store) = bars(config)?;
    let files = files(&store, &uri, version).await?;
    if files.is_empty() {
        return Ok(Vec::new());
    }
    let batches = query(store, &uri, files).await.map_err(|e| {
        RoleError::outside(
            "LakeUnreadable",
            format!("reading {uri} at version {version}: {e}; it is retried"),
        )
    })?;
    rows(&batches).map_err(|e| {
        RoleError::internal(
            "LakeSchema",
            format!("{uri} at version {version} is no bar table: {e}"),
        )
    })
}

/// The newest version of the table.
///
/// # Errors
/// `LakeUnreadable` when there is no table yet, S3 failures.
pub(crate) async fn newest(config: &WorkerConfig) -> Result<u64, RoleError> {
    let (uri, store) = bars(config)?;
    let mut table = table(&store, &uri)?;
    let unreadable = |cause: String| {
        let message = format!("{uri}: {cause}; the lake worker writes it with the first bars");
        RoleError::outside("LakeUnreadable", message)
    };
    table.load().await.map_err(|e| unreadable(e.to_string()))?;
    let version = table.version();
    version.ok_or_else(|| unreadable("the table has no version".into()))
}

/// Place of the table.
fn bars(config: &WorkerConfig) -> Result<(S3Uri, Arc<dyn ObjectStore>), RoleError> {
    let uri = S3Uri::parse(&config.places().bars)?;
    Ok((uri, object_store(&config.lake)?))
}

fn table(store: &Arc<dyn ObjectStore>, uri: &S3Uri) -> Result<DeltaTable, RoleError> {
    let url =
        Url::parse(&format!("{uri}/")).map_err(|e| RoleError::user("BadS3Uri", e.to_string()))?;
    let prefixed = Arc::new(PrefixStore::new(Arc::clone(store), uri.key.as_str()));
    let log = default_logstore(prefixed, Arc::clone(store), &url, &StorageConfig::default());
    Ok(DeltaTable::new(log))
}

async fn files(
    store: &Arc<dyn ObjectStore>,
    uri: &S3Uri,
    version: u64,
) -> Result<Vec<String>, RoleError> {
    let mut table = table(store, uri)?;
    let missing = |e: deltalake_core::DeltaTableError| {
        let message =
            format!("{uri} has no readable version {version}: {e}; a new run pins a newer one");
        RoleError::outside("LakeVersionMissing", message)
    };
    table.load_version(version).await.map_err(missing)?;
    let names = table.get_file_uris().map_err(missing)?;
    // The log store answers with URIs of its own making; only the file name is certain.
    let file = |text: String| text.rsplit('/').next().map(|name| format!("{uri}/{name}"));
    Ok(names.filter_map(file).collect())
}

async fn query(
    store: Arc<dyn ObjectStore>,
    uri: &S3Uri,
    files: Vec<String>,
) -> datafusion::error::Result<Vec<RecordBatch>> {
    let runtime = RuntimeEnvBuilder::new()
        .with_memory_limit(MEMORY_BYTES, 1.0)
        .build_arc()?;
    let context =
        SessionContext::new_with_config_rt(SessionConfig::new().with_target_partitions(1), runtime);
    let bucket = Url::parse(&format!("s3://{}", uri.bucket))
        .map_err(|e| datafusion::error::DataFusionError::External(Box::new(e)))?;
    context.register_object_store(&bucket, store);
    let sort = |name: &str| datafusion::prelude::col(name).sort(true, false);
    context
        .read_parquet(files, ParquetReadOptions::default())
        .await?
        .select_columns(&[
            "symbol",
            "event_time",
            "open",
            "high",
            "low",
            "close",
            "volume",
            "split_factor",
            "dividend",
            "ingested_at",
            "provider",
            "revision",
        ])?
        .sort(vec![sort("symbol"), sort("event_time"), sort("revision")])?
        .collect()
        .await
}

fn rows(batches: &[RecordBatch]) -> Result<Bars, String> {
    let mut bars: Bars = Vec::new();
    for batch in batches {
        let column = |name: &str, kind: DataType| {
            let array = batch
                .column_by_name(name)
                .ok_or_else(|| format!("column {name} is missing"))?;
            cast(array, &kind).map_err(|e| format!("column {name}: {e}"))
        };
        let (symbols, providers) = (
            column("symbol", DataType::Utf8)?,
            column("provider", DataType::Utf8)?,
        );
        let (times, ingested) = (
            column("event_time", DataType::Int64)?,
            column("ingested_at", DataType::Int64)?,
        );
        let revisions = column("revision", DataType::Int32)?;
        let numbers: Vec<_> = [
            "open",
            "high",
            "low",
            "close",
            "volume",
            "split_factor",
            "dividend",
        ]
        .into_iter()
        .map(|name| column(name, DataType::Float64))
        .collect::<Result<_, _>>()?;
        for i in 0..batch.num_rows() {
            let number = |n: usize| {
                let array = numbers.get(n)?.as_primitive::<Float64Type>();
                array.is_valid(i).then(|| array.value(i))
            };
            let symbol = symbols.as_string::<i32>().value(i);
            let bar = Bar {
                symbol: symbol.to_string(),
                interval: Interval::Daily,
                event_time: times.as_primitive::<Int64Type>().value(i),
                open: number(0),
                high: number(1),
                low: number(2),
                close: number(3).ok_or("a close is null")?,
                volume: number(4),
                split_factor: number(5).unwrap_or(1.0),
                dividend: number(6).unwrap_or(0.0),
                ingested_at: ingested.as_primitive::<Int64Type>().value(i),
                provider: providers.as_string::<i32>().value(i).to_string(),
                revision: u32::try_from(revisions.as_primitive::<Int32Type>().value(i))
                    .unwrap_or(0),
            };
            push(&mut bars, bar);
        }
    }
    Ok(bars)
}

/// Rows come ordered by symbol, time and revision: a later revision replaces the earlier one.
fn push(bars: &mut Bars, bar: Bar) {
    match bars.last_mut() {
        Some((symbol, list)) if *symbol == bar.symbol => match list.last_mut() {
            Some(last) if last.event_time == bar.event_time => *last = bar,
            _ => list.push(bar),
        },
        _ => bars.push((bar.symbol.clone(), vec![bar])),
    }
}

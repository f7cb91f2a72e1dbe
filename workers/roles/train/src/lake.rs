//! Bars of one pinned Delta version, scanned with DataFusion: the files of the version and the columns come from
//! `foresail-bar-table`, ordered per symbol with the highest revision of each bar.

use std::sync::Arc;

use datafusion::arrow::array::RecordBatch;
use datafusion::execution::runtime_env::RuntimeEnvBuilder;
use datafusion::prelude::{ParquetReadOptions, SessionConfig, SessionContext};
use foresail_crds::worker_config::TrainConfig;
use foresail_domain::Bar;
use foresail_runtime_base::{Outside, RoleError};
use foresail_runtime_store::{S3Uri, object_store};
use object_store::ObjectStore;
use url::Url;

/// Memory DataFusion may use for sorting; beyond it spills to /tmp.
pub(crate) const MEMORY_BYTES: usize = 512 << 20;

/// Bars per symbol, oldest first, symbols in order.
pub(crate) type Bars = Vec<(String, Vec<Bar>)>;

/// Reads all bars of `version`.
///
/// # Errors
/// `LakeVersionMissing` when the version is gone, `LakeUnreadable`, S3 failures.
pub(crate) async fn read(
    config: &TrainConfig,
    outside: &Outside,
    version: u64,
) -> Result<Bars, RoleError> {
    let (uri, store) = bars(config, outside)?;
    let files = foresail_bar_table::files(Arc::clone(&store), &uri, version).await?;
    if files.is_empty() {
        return Ok(Vec::new());
    }
    let batches = query(store, &uri, files).await.map_err(|e| {
        RoleError::outside(
            "LakeUnreadable",
            format!("reading {uri} at version {version}: {e}; it is retried"),
        )
    })?;
    let mut bars = Bars::new();
    for batch in &batches {
        let rows = foresail_bar_table::bars(batch).map_err(|e| {
            let message = format!("{uri} at version {version} is no bar table: {e}");
            RoleError::internal("LakeSchema", message)
        })?;
        rows.into_iter().for_each(|bar| push(&mut bars, bar));
    }
    Ok(bars)
}

/// The newest version of the table.
///
/// # Errors
/// `LakeUnreadable` when there is no table yet, S3 failures.
pub(crate) async fn newest(config: &TrainConfig, outside: &Outside) -> Result<u64, RoleError> {
    let (uri, store) = bars(config, outside)?;
    foresail_bar_table::newest_version(store, &uri).await
}

/// Place of the table.
fn bars(
    config: &TrainConfig,
    outside: &Outside,
) -> Result<(S3Uri, Arc<dyn ObjectStore>), RoleError> {
    let uri = S3Uri::parse(&config.places().bars)?;
    Ok((uri, object_store(&config.lake, outside)?))
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
        .select_columns(&foresail_bar_table::READ)?
        .sort(vec![sort("symbol"), sort("event_time"), sort("revision")])?
        .collect()
        .await
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

//! Bars of one pinned Delta version, scanned with DataFusion: the files of the version and the columns come from
//! `foresail-bar-table`, ordered per symbol; of each bar the revision that counts.

use std::sync::Arc;

use datafusion::arrow::array::RecordBatch;
use datafusion::execution::runtime_env::RuntimeEnvBuilder;
use datafusion::prelude::{ParquetReadOptions, SessionConfig, SessionContext};
use foresail_crds::worker_config::TrainConfig;
use foresail_domain::Bar;
use foresail_domain::as_of::bars_known;
use foresail_runtime_base::{Outside, RoleError};
use foresail_runtime_store::{S3Uri, object_store};
use object_store::ObjectStore;
use url::Url;

/// Memory DataFusion may use for sorting; beyond it spills to /tmp.
pub(crate) const MEMORY_BYTES: usize = 512 << 20;

/// Bars per symbol, oldest first, symbols in order.
pub(crate) type Bars = Vec<(String, Vec<Bar>)>;

/// What is read of the lake.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reading {
    /// Delta version.
    pub version: u64,
    /// Bars as they were known at this time, milliseconds UTC; as they are known to the version when absent.
    pub as_of: Option<i64>,
}

impl From<u64> for Reading {
    /// Everything that a version holds.
    fn from(version: u64) -> Self {
        Self {
            version,
            as_of: None,
        }
    }
}

/// The bars of these symbols alone: the table has those of others where an instrument is declared no more, and where the bars
/// are those of another Pipeline.
pub(crate) fn of_symbols(mut bars: Bars, symbols: &[String]) -> Bars {
    bars.retain(|(symbol, _)| symbols.contains(symbol));
    bars
}

/// Reads the bars that count, one per symbol and event time.
///
/// # Errors
/// `LakeVersionMissing` when the version is gone, `LakeUnreadable`, S3 failures.
pub(crate) async fn read(
    config: &TrainConfig,
    outside: &Outside,
    reading: impl Into<Reading>,
) -> Result<Bars, RoleError> {
    let Reading { version, as_of } = reading.into();
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
    for (_, list) in &mut bars {
        *list = bars_known(std::mem::take(list), as_of);
    }
    bars.retain(|(_, list)| !list.is_empty());
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

/// Rows come ordered by symbol and time.
fn push(bars: &mut Bars, bar: Bar) {
    match bars.last_mut() {
        Some((symbol, list)) if *symbol == bar.symbol => list.push(bar),
        _ => bars.push((bar.symbol.clone(), vec![bar])),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bars_of_symbols_that_are_not_declared_are_not_trained_on() {
        let bars = ["A", "B", "C"].map(|symbol| {
            let bar = crate::testing::bar(symbol, 0);
            (symbol.to_owned(), vec![bar])
        });
        let declared = ["C".to_owned(), "A".to_owned(), "Z".to_owned()];
        let kept = of_symbols(bars.to_vec(), &declared);
        let kept: Vec<&str> = kept.iter().map(|(symbol, _)| symbol.as_str()).collect();
        assert_eq!(kept, ["A", "C"]);
    }
}

//! Which Parquet files a version of the table holds.

use std::sync::Arc;

use deltalake_core::{DeltaTable, DeltaTableError};
use foresail_crds::RoleError;
use foresail_runtime_store::S3Uri;
use object_store::ObjectStore;

use crate::error::{explain, is_of_the_store};
use crate::log::log_store;

/// The newest version of the table.
///
/// # Errors
/// `LakeUnreadable` when there is no table yet; S3 failures.
pub async fn newest_version(store: Arc<dyn ObjectStore>, uri: &S3Uri) -> Result<u64, RoleError> {
    let mut table = DeltaTable::new(log_store(store, uri)?);
    let unreadable = |cause: String| {
        let message = format!("{uri}: {cause}; the lake worker writes it with the first bars");
        RoleError::outside("LakeUnreadable", message)
    };
    let loaded = table.load().await;
    loaded.map_err(|e| in_store(uri, &e).unwrap_or_else(|| unreadable(e.to_string())))?;
    let version = table.version();
    version.ok_or_else(|| unreadable("the table has no version".into()))
}

/// URIs of the Parquet files of one version.
///
/// # Errors
/// `LakeVersionMissing` when the version is gone; S3 failures.
pub async fn files(
    store: Arc<dyn ObjectStore>,
    uri: &S3Uri,
    version: u64,
) -> Result<Vec<String>, RoleError> {
    let mut table = DeltaTable::new(log_store(store, uri)?);
    let missing = |e: DeltaTableError| {
        in_store(uri, &e).unwrap_or_else(|| {
            let message =
                format!("{uri} has no readable version {version}: {e}; a new run pins a newer one");
            RoleError::outside("LakeVersionMissing", message)
        })
    };
    table.load_version(version).await.map_err(missing)?;
    let names = table.get_file_uris().map_err(missing)?;
    // The log store answers with URIs of its own making; only the file name is certain.
    let file = |text: String| text.rsplit('/').next().map(|name| format!("{uri}/{name}"));
    Ok(names.filter_map(file).collect())
}

/// A failure of S3 says nothing about the table.
fn in_store(uri: &S3Uri, error: &DeltaTableError) -> Option<RoleError> {
    is_of_the_store(error).then(|| explain("reading", uri, error))
}

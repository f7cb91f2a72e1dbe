//! The Delta log of a table.

use std::sync::Arc;

use deltalake_core::logstore::{LogStoreRef, StorageConfig, default_logstore};
use foresail_crds::RoleError;
use foresail_runtime_store::S3Uri;
use object_store::ObjectStore;
use object_store::prefix::PrefixStore;
use url::Url;

/// The log of the table at `uri`, whose bucket is `store`.
///
/// # Errors
/// User error `BadS3Uri`.
pub(crate) fn log_store(
    store: Arc<dyn ObjectStore>,
    uri: &S3Uri,
) -> Result<LogStoreRef, RoleError> {
    let url = Url::parse(&format!("{uri}/"))
        .map_err(|e| RoleError::user("BadS3Uri", format!("{uri} is no URL: {e}")))?;
    let prefixed = Arc::new(PrefixStore::new(Arc::clone(&store), uri.key.as_str()));
    Ok(default_logstore(
        prefixed,
        store,
        &url,
        &StorageConfig::default(),
    ))
}

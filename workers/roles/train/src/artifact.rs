//! The artifact: content-addressed files, then the manifest, create-only and last. Its presence
//! means complete, and a run that was already written is reported again, not written twice.

use bytes::Bytes;
use foresail_crds::model_manifest::{ArtifactFile, ModelManifest};
use foresail_crds::names::sha256_hex;
use foresail_crds::worker_config::WorkerConfig;
use foresail_model::artifact;
use foresail_runtime_base::RoleError;
use foresail_runtime_store::{PutNew, S3Uri, Store};

/// A complete artifact.
pub(crate) struct Stored {
    pub manifest: ModelManifest,
    pub uri: S3Uri,
    pub sha256: String,
}

/// What people read beside the weights.
pub(crate) struct Documents {
    /// Model card, JSON.
    pub card: Vec<u8>,
    /// Report, HTML.
    pub report: Vec<u8>,
}

/// Folder of a run: `<lake uri>/<namespace>/<name>/models/<run id>`.
pub(crate) fn folder(config: &WorkerConfig, run_id: &str) -> Result<S3Uri, RoleError> {
    S3Uri::parse(&config.places().run(run_id))
}

/// The artifact of a run, when an earlier pod has completed it.
///
/// # Errors
/// S3 failures; `ManifestUnreadable` when what is there is no manifest.
pub(crate) async fn find(store: &Store, folder: &S3Uri) -> Result<Option<Stored>, RoleError> {
    let uri = folder.join("manifest.json");
    if store.size(&uri).await?.is_none() {
        return Ok(None);
    }
    let bytes = store.get(&uri).await?;
    let manifest = artifact::load(&bytes).map_err(|e| {
        RoleError::user(
            "ManifestUnreadable",
            format!("{uri}: {e}; delete it to train again"),
        )
    })?;
    Ok(Some(Stored {
        manifest,
        sha256: sha256_hex(&bytes),
        uri,
    }))
}

/// Writes weights and documents, then the manifest.
///
/// # Errors
/// S3 failures; internal error `ManifestInvalid`.
pub(crate) async fn write(
    store: &Store,
    folder: &S3Uri,
    mut manifest: ModelManifest,
    (weights, documents): (Option<Vec<u8>>, Documents),
) -> Result<Stored, RoleError> {
    if let Some(weights) = weights {
        manifest.weights = Some(put(store, folder, "", ("bin", weights)).await?);
    }
    manifest.card = Some(put(store, folder, "card-", ("json", documents.card)).await?);
    manifest.report = Some(put(store, folder, "report-", ("html", documents.report)).await?);
    let bytes = artifact::store(&manifest)
        .map_err(|e| RoleError::internal("ManifestInvalid", e.to_string()))?;
    let (uri, sha256) = (folder.join("manifest.json"), sha256_hex(&bytes));
    match store.put_new(&uri, Bytes::from(bytes)).await? {
        PutNew::Created => Ok(Stored {
            manifest,
            uri,
            sha256,
        }),
        PutNew::Exists => find(store, folder).await?.ok_or_else(|| {
            RoleError::outside(
                "S3Inconsistent",
                format!("{uri} exists and cannot be read; it is retried"),
            )
        }),
    }
}

/// Writes `<prefix><sha256>.<ending>`. The same name means the same bytes: there already is as good as
/// written.
async fn put(
    store: &Store,
    folder: &S3Uri,
    prefix: &str,
    (ending, bytes): (&str, Vec<u8>),
) -> Result<ArtifactFile, RoleError> {
    let sha256 = sha256_hex(&bytes);
    let uri = folder.join(&format!("{prefix}{sha256}.{ending}"));
    let file = ArtifactFile {
        key: uri.key.clone(),
        sha256,
        bytes: bytes.len() as u64,
    };
    store.put_new(&uri, Bytes::from(bytes)).await?;
    Ok(file)
}

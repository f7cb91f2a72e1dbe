//! The artifact of a run: content-addressed files, then the manifest, create-only and last. Its presence
//! means complete, and a run that was already written is reported again, not written twice.

use bytes::Bytes;
use foresail_crds::RoleError;
use foresail_crds::model_manifest::{ArtifactFile, GoldenRequests, ModelManifest};
use foresail_crds::names::sha256_hex;
use foresail_model::artifact;
use foresail_runtime_store::{PutNew, S3Uri};

use crate::folder::MANIFEST;
use crate::load::manifest_bytes;
use crate::objects::Objects;

/// A complete artifact.
#[derive(Clone, Debug)]
pub struct Stored {
    /// What was written about it.
    pub manifest: ModelManifest,
    /// Place of the manifest.
    pub uri: S3Uri,
    /// Hex SHA-256 of the manifest.
    pub sha256: String,
}

/// What lies beside the weights. What is empty is not written.
#[derive(Clone, Debug, Default)]
pub struct Documents {
    /// Requests whose answers are known, for whoever loads it; none where no row fits into a request.
    pub golden: Option<GoldenRequests>,
    /// Model card, JSON.
    pub card: Vec<u8>,
    /// Report, HTML.
    pub report: Vec<u8>,
}

/// The artifact in the folder of a run, when an earlier pod has completed it.
///
/// # Errors
/// S3 failures; `ManifestUnreadable` when what is there is no manifest.
pub async fn find(objects: &impl Objects, folder: &S3Uri) -> Result<Option<Stored>, RoleError> {
    let uri = folder.join(MANIFEST);
    if !objects.exists(&uri).await? {
        return Ok(None);
    }
    let unreadable = |cause: &str| {
        let message = format!("{uri}: {cause}; delete it to train again");
        RoleError::user("ManifestUnreadable", message)
    };
    let bytes = manifest_bytes(objects, &uri, &unreadable).await?;
    let manifest = artifact::load(&bytes).map_err(|e| unreadable(&e.to_string()))?;
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
pub async fn write(
    objects: &impl Objects,
    folder: &S3Uri,
    mut manifest: ModelManifest,
    weights: Option<Vec<u8>>,
    documents: Documents,
) -> Result<Stored, RoleError> {
    if let Some(weights) = weights {
        manifest.weights = Some(put(objects, folder, ("", "bin"), weights).await?);
    }
    if let Some(golden) = &documents.golden {
        let golden = serde_json::to_vec(golden)
            .map_err(|e| RoleError::internal("ManifestInvalid", e.to_string()))?;
        manifest.golden = Some(put(objects, folder, ("golden-", "json"), golden).await?);
    }
    if !documents.card.is_empty() {
        manifest.card = Some(put(objects, folder, ("card-", "json"), documents.card).await?);
    }
    if !documents.report.is_empty() {
        manifest.report = Some(put(objects, folder, ("report-", "html"), documents.report).await?);
    }
    let bytes = artifact::store(&manifest)
        .map_err(|e| RoleError::internal("ManifestInvalid", e.to_string()))?;
    let (uri, sha256) = (folder.join(MANIFEST), sha256_hex(&bytes));
    match objects.put_new(&uri, Bytes::from(bytes)).await? {
        PutNew::Created => Ok(Stored {
            manifest,
            uri,
            sha256,
        }),
        PutNew::Exists => find(objects, folder).await?.ok_or_else(|| {
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
    objects: &impl Objects,
    folder: &S3Uri,
    (prefix, ending): (&str, &str),
    bytes: Vec<u8>,
) -> Result<ArtifactFile, RoleError> {
    let sha256 = sha256_hex(&bytes);
    let uri = folder.join(&format!("{prefix}{sha256}.{ending}"));
    let file = ArtifactFile {
        key: uri.key.clone(),
        sha256,
        bytes: bytes.len() as u64,
    };
    objects.put_new(&uri, Bytes::from(bytes)).await?;
    Ok(file)
}

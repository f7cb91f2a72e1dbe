//! From the digest in a serving configuration to a model that has answered once.

use bytes::Bytes;
use foresail_crds::RoleError;
use foresail_crds::model_manifest::{ArtifactFile, ModelManifest};
use foresail_crds::worker_config::ServedVersion;
use foresail_model::{ModelError, Predictor, Row, artifact};
use foresail_runtime_store::{Bounded, S3Uri};

use crate::objects::{Objects, damaged, verified};

/// Longest manifest that is read, in bytes: the drift reference of a hundred features takes less than one MiB.
const LARGEST_MANIFEST: u64 = 16 << 20;
/// Largest weights that are read, in bytes: an ensemble of the largest networks that a spec may declare.
const LARGEST_WEIGHTS: u64 = 512 << 20;

/// A version whose files are what they should be, and whose model answers.
#[derive(Clone, Debug)]
pub struct Loaded {
    /// What the trainer wrote about it.
    pub manifest: ModelManifest,
    /// The model.
    pub predictor: Predictor,
}

/// Loads a version, whatever features it was trained on.
///
/// # Errors
/// User errors `DigestMismatch` and `ModelUnusable` (no manifest of this program, too large, weights that do not
/// fit, or no finite forecast); failures of S3.
pub async fn load(objects: &impl Objects, served: &ServedVersion) -> Result<Loaded, RoleError> {
    let manifest = manifest(objects, served).await?;
    let place = S3Uri::parse(&served.manifest_uri)?;
    let name = format!("v{} at {place}", served.version);
    let weights = match &manifest.weights {
        Some(file) => Some(weights(objects, &place, file, &name).await?),
        None => None,
    };
    let unfit = |e: ModelError| unusable(&name, &e.to_string());
    let predictor = Predictor::load(&manifest, weights.as_deref()).map_err(unfit)?;
    self_test(&manifest, &predictor).map_err(unfit)?;
    Ok(Loaded {
        manifest,
        predictor,
    })
}

/// The manifest of a version.
///
/// # Errors
/// User errors `DigestMismatch` and `ModelUnusable`; failures of S3.
pub async fn manifest(
    objects: &impl Objects,
    served: &ServedVersion,
) -> Result<ModelManifest, RoleError> {
    let uri = S3Uri::parse(&served.manifest_uri)?;
    let unusable = |cause: &str| unusable(&format!("v{} at {uri}", served.version), cause);
    let bytes = manifest_bytes(objects, &uri, &unusable).await?;
    let bytes = verified(&uri, bytes, &served.manifest_sha256)?;
    artifact::load(&bytes).map_err(|e| unusable(&e.to_string()))
}

/// A manifest by its place alone, for a person who names it: its digest is not known.
///
/// # Errors
/// User error `ModelUnusable`; failures of S3.
pub async fn manifest_at(objects: &impl Objects, uri: &S3Uri) -> Result<ModelManifest, RoleError> {
    let unusable = |cause: &str| unusable(&uri.to_string(), cause);
    let bytes = manifest_bytes(objects, uri, &unusable).await?;
    artifact::load(&bytes).map_err(|e| unusable(&e.to_string()))
}

/// The bytes of a manifest, unless there are too many.
pub(crate) async fn manifest_bytes(
    objects: &impl Objects,
    uri: &S3Uri,
    refused: &(impl Fn(&str) -> RoleError + Sync),
) -> Result<Bytes, RoleError> {
    match objects.get_at_most(uri, LARGEST_MANIFEST).await? {
        Bounded::Whole(bytes) => Ok(bytes),
        Bounded::TooLong(bytes) => Err(refused(&format!(
            "it has {bytes} bytes, at most {LARGEST_MANIFEST} are read"
        ))),
    }
}

/// Weights lie beside their manifest, in the same bucket.
async fn weights(
    objects: &impl Objects,
    manifest: &S3Uri,
    file: &ArtifactFile,
    name: &str,
) -> Result<Bytes, RoleError> {
    if file.bytes > LARGEST_WEIGHTS {
        let cause = format!(
            "its weights are {} bytes, at most {LARGEST_WEIGHTS} are read",
            file.bytes
        );
        return Err(unusable(name, &cause));
    }
    let uri = S3Uri {
        bucket: manifest.bucket.clone(),
        key: file.key.clone(),
    };
    match objects.get_at_most(&uri, file.bytes).await? {
        Bounded::Whole(bytes) => verified(&uri, bytes, &file.sha256),
        Bounded::TooLong(bytes) => {
            let what = format!("has {bytes} bytes, expected {}", file.bytes);
            Err(damaged(&uri, &what))
        }
    }
}

/// The mean row must give a finite forecast.
fn self_test(manifest: &ModelManifest, predictor: &Predictor) -> Result<(), ModelError> {
    let row = Row {
        values: &manifest.scaler.mean,
        close: 1.0,
    };
    let rows = vec![row; predictor.lookback()];
    predictor.forecast(&rows, row.close).map(drop)
}

fn unusable(name: &str, cause: &str) -> RoleError {
    let message = format!("{name} cannot be used: {cause}; promote another version");
    RoleError::user("ModelUnusable", message)
}

#[cfg(test)]
mod tests;

//! From the digest in a serving configuration to a model that has answered once.

use bytes::Bytes;
use foresail_crds::RoleError;
use foresail_crds::model_manifest::{ArtifactFile, GoldenRequests, ModelManifest};
use foresail_crds::worker_config::ServedVersion;
use foresail_model::{ModelError, Predictor, Row, artifact, golden};
use foresail_runtime_store::{Bounded, S3Uri};

use crate::objects::{Objects, damaged, verified};

/// Longest manifest that is read, in bytes: the drift reference of a hundred features takes less than one MiB.
const LARGEST_MANIFEST: u64 = 16 << 20;
/// Largest weights that are read, in bytes: an ensemble of the largest networks that a spec may declare.
const LARGEST_WEIGHTS: u64 = 512 << 20;
/// Largest golden requests that are read, in bytes: several times what a trainer writes.
const LARGEST_GOLDEN: u64 = 4 << 20;

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
/// User errors `DigestMismatch`, `ModelUnusable` (no manifest of this program, too large, weights that do not fit, or no
/// finite forecast) and `GoldenMismatch`; failures of S3.
pub async fn load(objects: &impl Objects, served: &ServedVersion) -> Result<Loaded, RoleError> {
    let manifest = manifest(objects, served).await?;
    let place = S3Uri::parse(&served.manifest_uri)?;
    let name = format!("v{} at {place}", served.version);
    let folder = Folder {
        objects,
        manifest: &place,
        name: &name,
    };
    let weights = folder.file("weights", manifest.weights.as_ref(), LARGEST_WEIGHTS);
    let weights = weights.await?;
    let unfit = |e: ModelError| unusable(&name, &e.to_string());
    let predictor = Predictor::load(&manifest, weights.as_deref()).map_err(unfit)?;
    drop(weights);
    self_test(&manifest, &predictor).map_err(unfit)?;
    let golden = folder.file("golden requests", manifest.golden.as_ref(), LARGEST_GOLDEN);
    if let Some(golden) = golden.await? {
        check_golden(&name, &predictor, &golden)?;
    }
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

/// Where the files of a version are: beside their manifest, in the same bucket.
struct Folder<'a, O> {
    objects: &'a O,
    manifest: &'a S3Uri,
    /// Version and place, for people.
    name: &'a str,
}

impl<O: Objects> Folder<'_, O> {
    /// A file that the manifest names, when it is what it names; none where it names none.
    async fn file(
        &self,
        what: &str,
        file: Option<&ArtifactFile>,
        most: u64,
    ) -> Result<Option<Bytes>, RoleError> {
        let Some(file) = file else {
            return Ok(None);
        };
        if file.bytes > most {
            let cause = format!(
                "its {what} are {} bytes, at most {most} are read",
                file.bytes
            );
            return Err(unusable(self.name, &cause));
        }
        let uri = S3Uri {
            bucket: self.manifest.bucket.clone(),
            key: file.key.clone(),
        };
        match self.objects.get_at_most(&uri, file.bytes).await? {
            Bounded::Whole(bytes) => verified(&uri, bytes, &file.sha256).map(Some),
            Bounded::TooLong(bytes) => {
                let what = format!("has {bytes} bytes, expected {}", file.bytes);
                Err(damaged(&uri, &what))
            }
        }
    }
}

/// Asks what was asked when it was trained: what answers otherwise is another model, whatever its digests say.
fn check_golden(name: &str, predictor: &Predictor, golden: &[u8]) -> Result<(), RoleError> {
    let golden: GoldenRequests = serde_json::from_slice(golden)
        .map_err(|e| unusable(name, &format!("its golden requests cannot be read: {e}")))?;
    golden::check(predictor, &golden).map_err(|mismatch| {
        let message = format!(
            "{name} does not compute what it was trained to: {mismatch}; it takes no requests; promote another version, or \
             train a new one"
        );
        RoleError::user("GoldenMismatch", message)
    })
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

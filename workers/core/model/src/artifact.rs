//! The manifest as bytes.

use foresail_crds::model_manifest::{FORMAT_VERSION, ModelManifest};
use foresail_crds::training_parameters::LARGEST_LOOKBACK;

use crate::{ModelError, quantiles};

/// Reads a manifest and checks that its parts fit each other.
///
/// # Errors
/// [`ModelError::Manifest`] for another format version or parts of different lengths.
pub fn load(bytes: &[u8]) -> Result<ModelManifest, ModelError> {
    let to_error = ModelError::Manifest;
    let manifest: ModelManifest =
        serde_json::from_slice(bytes).map_err(|e| to_error(e.to_string()))?;
    if manifest.format_version != FORMAT_VERSION {
        let message = format!(
            "it has format version {}, this program reads {FORMAT_VERSION}",
            manifest.format_version
        );
        return Err(to_error(message));
    }
    let features = manifest.features.len();
    let scaler = &manifest.scaler;
    if features == 0 || scaler.mean.len() != features || scaler.std.len() != features {
        return Err(to_error(format!(
            "it has {features} features and {} scaler means",
            scaler.mean.len()
        )));
    }
    let numbers = scaler.mean.iter().chain(&scaler.std);
    if !numbers.clone().all(|v| v.is_finite()) || scaler.std.iter().any(|s| *s <= 0.0) {
        return Err(to_error("its scaler holds a number that cannot be".into()));
    }
    if manifest.horizon == 0 || manifest.lookback == 0 {
        return Err(to_error("horizon and lookback must be at least 1".into()));
    }
    let sizes = [
        ("horizon", manifest.horizon, 60),
        ("lookback", manifest.lookback, LARGEST_LOOKBACK),
        ("sequence", manifest.sequence, LARGEST_LOOKBACK),
        ("season", manifest.season, LARGEST_LOOKBACK),
        ("hidden", manifest.hidden, 1_024),
        ("layers", manifest.layers, 4),
    ];
    // As the schema of the Pipeline bounds them; beyond, memory would be asked for before anything is checked.
    if let Some((name, size, most)) = sizes.into_iter().find(|(_, size, most)| size > most) {
        return Err(to_error(format!(
            "{name} is {size}, at most {most} is allowed"
        )));
    }
    let horizon = usize::try_from(manifest.horizon).unwrap_or(usize::MAX);
    let fault = manifest.quantiles.as_ref();
    match fault.and_then(|quantiles| quantiles::fault(quantiles, horizon)) {
        Some(fault) => Err(to_error(fault)),
        None => Ok(manifest),
    }
}

/// The manifest as it is stored.
///
/// # Errors
/// [`ModelError::Manifest`] when a number in it is not finite.
pub fn store(manifest: &ModelManifest) -> Result<Vec<u8>, ModelError> {
    let bytes =
        serde_json::to_vec_pretty(manifest).map_err(|e| ModelError::Manifest(e.to_string()))?;
    // JSON has no NaN: serde writes null, which would not read back.
    load(&bytes).map(|_| bytes)
}

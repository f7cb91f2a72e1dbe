//! `foresail-trainer artifact`: weights that were trained elsewhere, with the Pipeline that says what they read, as a version
//! that `foresail-worker serve` serves. No cluster, no bars.

use std::path::{Path, PathBuf};

use foresail_artifacts::{Documents, Folder};
use foresail_crds::model_manifest::{
    DataWindow, DriftReference, FORMAT_VERSION, ModelManifest, ScalerParameters,
};
use foresail_crds::names::PipelineName;
use foresail_crds::worker_config::{RoleConfig, ServedVersion, TrainConfig};
use foresail_features::FeatureSet;
use foresail_runtime_base::RoleError;

use crate::file;
use crate::fit::lookback;
use crate::inputs::parameters;

/// A Pipeline without a name.
const NAME: &str = "model";

/// What the version is made of.
#[derive(Clone, Debug)]
pub struct Request {
    /// Pipeline as YAML: features, and kind and sizes of the model.
    pub pipeline: PathBuf,
    /// Weights in the form of the kind, safetensors for networks; none for kinds that have none.
    pub weights: Option<PathBuf>,
    /// JSON with `mean` and `std`, one number per feature: `(x - mean) / std` is what the model reads. Raw values without it.
    pub scaler: Option<PathBuf>,
    /// Folder of versions: the new one gets the next number.
    pub out: PathBuf,
}

/// Writes the version once it has answered; the folder it is in.
///
/// # Errors
/// User errors: a file that cannot be read, a Pipeline that would be refused, weights that are not those of its model.
pub async fn artifact(request: &Request) -> Result<PathBuf, RoleError> {
    let manifest = manifest(request)?;
    let weights = request.weights.as_deref().map(content).transpose()?;
    std::fs::create_dir_all(&request.out).map_err(|e| unwritten(&request.out, &e))?;
    let version = next(&request.out)?;
    let part = request.out.join(format!(".{version}.part"));
    std::fs::create_dir(&part).map_err(|e| unwritten(&part, &e))?;
    let done = complete(&part, manifest, weights, version).await;
    let folder = request.out.join(version.to_string());
    let moved =
        done.and_then(|()| std::fs::rename(&part, &folder).map_err(|e| unwritten(&folder, &e)));
    if moved.is_err() {
        std::fs::remove_dir_all(&part).ok();
    }
    moved.map(|()| folder)
}

/// Writes all files, and loads them as a server will.
async fn complete(
    folder: &Path,
    manifest: ModelManifest,
    weights: Option<Vec<u8>>,
    version: u32,
) -> Result<(), RoleError> {
    let files = Folder::at(folder);
    let none = Documents::default();
    let stored = foresail_artifacts::write(&files, &Folder::uri(), manifest, weights, none).await?;
    let served = ServedVersion {
        version,
        manifest_uri: stored.uri.to_string(),
        manifest_sha256: stored.sha256,
    };
    let loaded = foresail_artifacts::load(&files, &served).await;
    loaded.map(drop).map_err(|error| files.told(error))
}

fn manifest(request: &Request) -> Result<ModelManifest, RoleError> {
    let pipeline = file::pipeline(&request.pipeline)?;
    let name = pipeline.metadata.name.as_deref().unwrap_or(NAME);
    let config = TrainConfig::new(PipelineName::new("local", name), &pipeline.spec);
    let (model, training) = (&config.model, &config.model.training);
    let parameters = parameters(training, &model.bar_grid())?;
    let invalid = |e: String| RoleError::user("InvalidFeatures", e);
    let set = FeatureSet::new(&model.features, model.adjustment);
    let set = set.map_err(|e| invalid(e.to_string()))?;
    let fingerprint = foresail_features::fingerprint(&model.features, model.adjustment);
    let fingerprint = fingerprint.map_err(|e| invalid(e.to_string()))?;
    let lookback = lookback(&parameters, training.model.kind);
    Ok(ModelManifest {
        format_version: FORMAT_VERSION,
        namespace: config.pipeline.namespace.clone(),
        pipeline: config.pipeline.name.clone(),
        run_id: "imported".into(),
        code_version: env!("CARGO_PKG_VERSION").into(),
        seed: training.seed,
        data: unknown(),
        features: model.features.clone(),
        adjustment: model.adjustment,
        fingerprint,
        warm_up: set.warm_up(),
        target: training.target,
        horizon: training.horizon,
        lookback: u32::try_from(lookback).unwrap_or(u32::MAX),
        kind: training.model.kind,
        hidden: training.model.hidden,
        layers: training.model.layers,
        sequence: training.lookback,
        season: training.model.season,
        instruction_set: String::new(),
        weights: None,
        scaler: scaler(request, model.features.len())?,
        evaluation: Vec::new(),
        quantiles: None,
        leak_guard: None,
        recipe: None,
        golden: None,
        card: None,
        report: None,
        gate: None,
        unseen_sessions: None,
        drift_reference: DriftReference::default(),
    })
}

/// Nothing is known of what the weights were fitted on.
fn unknown() -> DataWindow {
    DataWindow {
        delta_version: 0,
        bars: 0,
        training_rows: 0,
        first_event_time: 0,
        trained_through: 0,
        data_through: 0,
        symbols: Vec::new(),
        refused_bars: Vec::new(),
    }
}

/// How features are scaled: as the file says, which fits so many.
fn scaler(request: &Request, features: usize) -> Result<ScalerParameters, RoleError> {
    let Some(path) = &request.scaler else {
        return Ok(ScalerParameters {
            mean: vec![0.0; features],
            std: vec![1.0; features],
        });
    };
    let refused = |what: String| {
        let message = format!("{}: {what}", path.display());
        RoleError::user("BadScaler", message)
    };
    let read: Result<ScalerParameters, _> = serde_json::from_slice(&content(path)?);
    let scaler = read.map_err(|e| refused(e.to_string()))?;
    let lengths = (scaler.mean.len(), scaler.std.len());
    if lengths != (features, features) {
        let (mean, std) = lengths;
        let what = format!("{mean} means and {std} deviations for {features} features");
        return Err(refused(what));
    }
    Ok(scaler)
}

/// The number behind the highest that is there.
fn next(folder: &Path) -> Result<u32, RoleError> {
    let entries = std::fs::read_dir(folder).map_err(|e| unreadable(folder, &e))?;
    let mut highest = 0_u32;
    for entry in entries {
        let entry = entry.map_err(|e| unreadable(folder, &e))?;
        let number = entry.file_name().to_string_lossy().parse();
        highest = highest.max(number.unwrap_or(0));
    }
    let full = || {
        RoleError::user(
            "FileNotWritten",
            format!("{}: no number is left", folder.display()),
        )
    };
    highest.checked_add(1).ok_or_else(full)
}

fn content(path: &Path) -> Result<Vec<u8>, RoleError> {
    std::fs::read(path).map_err(|e| unreadable(path, &e))
}

fn unreadable(path: &Path, error: &std::io::Error) -> RoleError {
    RoleError::user("FileUnreadable", format!("{}: {error}", path.display()))
}

fn unwritten(path: &Path, error: &std::io::Error) -> RoleError {
    RoleError::user("FileNotWritten", format!("{}: {error}", path.display()))
}

#[cfg(test)]
mod tests {
    use foresail_artifacts::MANIFEST;
    use foresail_model::network::{Network, Shape};

    use super::*;

    const PIPELINE: &str = "
apiVersion: foresail.dev/v1alpha1
kind: Pipeline
metadata: {name: five}
spec:
  instruments: [{symbol: X}]
  source: {csv: {uri: \"http://h/f.csv\"}}
  kafka: {bootstrapServers: \"k:9092\"}
  lake: {uri: \"s3://bucket\", endpoint: \"http://s3\", secretName: s}
  features: [{name: r, function: LogReturn}, {name: q, function: TrueRange}]
  training: {model: {kind: Mlp, hidden: 4}, horizon: 3}
";

    fn weights(hidden: usize) -> Vec<u8> {
        let shape = Shape {
            features: 2,
            hidden,
            steps: 3,
        };
        let device = burn::tensor::Device::flex();
        let network = Network::new(shape, &mut || 0.5, &device);
        network.encode().unwrap()
    }

    #[tokio::test]
    async fn weights_become_the_next_version_and_others_leave_nothing_behind() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        std::fs::write(path("p.yaml"), PIPELINE).unwrap();
        std::fs::write(path("w.safetensors"), weights(4)).unwrap();
        std::fs::write(path("scaler.json"), r#"{"mean": [0.5, 0], "std": [2, 1]}"#).unwrap();
        let mut request = Request {
            pipeline: path("p.yaml"),
            weights: Some(path("w.safetensors")),
            scaler: None,
            out: path("versions"),
        };
        assert_eq!(artifact(&request).await.unwrap(), path("versions/1"));
        request.scaler = Some(path("scaler.json"));
        assert_eq!(artifact(&request).await.unwrap(), path("versions/2"));
        let manifest = std::fs::read(path("versions/2").join(MANIFEST)).unwrap();
        let manifest: ModelManifest = serde_json::from_slice(&manifest).unwrap();
        assert_eq!(manifest.scaler.mean, [0.5, 0.0]);
        assert_eq!((manifest.horizon, manifest.warm_up), (3, 2));
        std::fs::write(path("scaler.json"), r#"{"mean": [0], "std": [2, 1]}"#).unwrap();
        let error = artifact(&request).await.unwrap_err();
        assert!(error.message.contains("1 means and 2"), "{error}");
        request.scaler = None;
        std::fs::write(path("w.safetensors"), weights(5)).unwrap();
        let error = artifact(&request).await.unwrap_err();
        assert_eq!(error.reason, "ModelUnusable", "{error}");
        assert!(!error.message.contains("s3://"), "{error}");
        let left = std::fs::read_dir(path("versions")).unwrap().count();
        assert_eq!(left, 2);
    }
}

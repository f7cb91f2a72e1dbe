//! Models from S3, checked against the digests of the serving configuration. Used by `worker`.

use foresail_crds::model_manifest::ModelManifest;
use foresail_crds::records::FeatureRecord;
use foresail_crds::worker_config::ServedVersion;
use foresail_model::{Predictor, Row, artifact};
use foresail_runtime_base::RoleError;
use foresail_runtime_store::{S3Uri, Store};

use crate::forecast_lane::{Champion, Forecaster};

struct Model(Predictor);

impl Forecaster for Model {
    fn lookback(&self) -> usize {
        self.0.lookback()
    }

    fn horizon(&self) -> usize {
        self.0.horizon()
    }

    fn closes(&self, rows: &[&FeatureRecord]) -> Result<Vec<f64>, String> {
        let close = rows.last().ok_or("there is no row")?.close;
        let known: Vec<Row<'_>> = rows.iter().copied().map(Row::from).collect();
        self.0.forecast(&known, close).map_err(|e| e.to_string())
    }
}

/// Loads a manifest.
pub(crate) async fn manifest(
    store: &Store,
    served: &ServedVersion,
) -> Result<ModelManifest, RoleError> {
    let uri = S3Uri::parse(&served.manifest_uri)?;
    let bytes = store.get_verified(&uri, &served.manifest_sha256).await?;
    artifact::load(&bytes).map_err(|e| unusable(served, &e.to_string()))
}

/// Loads the model of a manifest.
pub(crate) async fn champion(
    store: &Store,
    served: &ServedVersion,
    manifest: &ModelManifest,
) -> Result<Champion, RoleError> {
    let weights = match &manifest.weights {
        None => None,
        Some(file) => {
            let uri = S3Uri {
                key: file.key.clone(),
                ..S3Uri::parse(&served.manifest_uri)?
            };
            Some(store.get_verified(&uri, &file.sha256).await?)
        }
    };
    let model = Predictor::load(manifest, weights.as_deref())
        .map_err(|e| unusable(served, &e.to_string()))?;
    Ok(Champion {
        version: served.version,
        fingerprint: manifest.fingerprint.clone(),
        trained_through: manifest.data.trained_through,
        forecaster: Box::new(Model(model)),
    })
}

fn unusable(served: &ServedVersion, cause: &str) -> RoleError {
    RoleError::user(
        "ModelUnusable",
        format!(
            "version {} at {} cannot be used: {cause}; promote another version",
            served.version, served.manifest_uri
        ),
    )
}

//! Which versions serve: the one document of a Pipeline that changes under its name.

use serde::{Deserialize, Serialize};

use crate::pipeline::spec::ModelKind;

/// Content of the mutable `<pipeline>-serving` ConfigMap: which versions the predictors load.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ServingConfig {
    /// Version that answers requests; none before the first training run.
    pub champion: Option<ServedVersion>,
    /// Version kept loaded for instant rollback.
    pub previous: Option<ServedVersion>,
    /// Manifest whose drift reference the monitor uses after a rejected challenger.
    pub drift_reference: Option<ServedVersion>,
    /// Versions that are loaded beside these, so that requests may name them: those of `spec.serving.versions` that exist, in
    /// its order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub versions: Vec<ServedVersion>,
    /// What their ModelVersions say of the models. Predictors refuse a version whose manifest says something else.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub declared: Vec<DeclaredModel>,
}

impl ServingConfig {
    /// The versions that predictors load, the champion first; one may be there more than once.
    pub fn loaded(&self) -> impl Iterator<Item = &ServedVersion> {
        self.champion
            .iter()
            .chain(&self.previous)
            .chain(&self.versions)
    }
}

/// What a ModelVersion says of its model.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DeclaredModel {
    /// Hex SHA-256 of the manifest that it is said of.
    pub manifest_sha256: String,
    /// Model kind.
    pub kind: ModelKind,
    /// Fingerprint of the features it was trained on.
    pub fingerprint: String,
}

/// One loadable model.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ServedVersion {
    /// ModelVersion number.
    #[schemars(range(min = 1))]
    pub version: u32,
    /// `s3://bucket/key` of the manifest.
    pub manifest_uri: String,
    /// Hex SHA-256 of the manifest bytes.
    pub manifest_sha256: String,
}

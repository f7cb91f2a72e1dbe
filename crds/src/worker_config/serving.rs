//! Which versions serve: the one document of a Pipeline that changes under its name.

use serde::{Deserialize, Serialize};

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

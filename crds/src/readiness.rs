//! The body of `/readyz`: the operator asks predictors for it.

use serde::{Deserialize, Serialize};

use crate::pipeline::status::WorkerError;

/// Body of `/readyz`, whose status is 200 or 503: the operator copies the error up.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Readiness {
    /// Whether requests are welcome.
    pub ready: bool,
    /// Why the program cannot do its work now, ready or not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<WorkerError>,
    /// Digests (SHA-256, hex) of the manifests of the versions that are loaded and verified.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub loaded: Vec<String>,
    /// Versions that are wanted and were refused.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub refused: Vec<RefusedVersion>,
}

/// A version that a predictor should load and does not.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RefusedVersion {
    /// Digest (SHA-256, hex) of its manifest, as its ModelVersion names it.
    pub digest: String,
    /// Why.
    pub error: WorkerError,
}

//! Every name Foresail gives to something outside one process: topics, keys, prefixes, children.
//! All of them start with namespace and name, so Pipelines never collide.

use std::fmt::Write;

use sha2::{Digest, Sha256};

/// Namespace and name of a Pipeline.
#[derive(Clone, Debug, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
pub struct PipelineName {
    /// Kubernetes namespace.
    pub namespace: String,
    /// Object name, at most 40 characters.
    pub name: String,
}

/// Kafka topics of one Pipeline.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Topics {
    /// Good bars, key = symbol.
    pub bars: String,
    /// Refused source rows with reason and original bytes.
    pub quarantine: String,
    /// Feature rows, key = symbol.
    pub features: String,
    /// Canonical forecasts of the champion, key = symbol.
    pub predictions: String,
    /// Forecasts served to clients, key = symbol.
    pub served: String,
    /// Compacted snapshots of the stream worker, key = partition and symbol.
    pub stream_state: String,
}

impl Topics {
    /// All topics, in a fixed order.
    pub fn all(&self) -> [&str; 6] {
        [
            &self.bars,
            &self.quarantine,
            &self.features,
            &self.predictions,
            &self.served,
            &self.stream_state,
        ]
    }
}

impl PipelineName {
    /// New name pair.
    pub fn new(namespace: impl Into<String>, name: impl Into<String>) -> Self {
        Self {
            namespace: namespace.into(),
            name: name.into(),
        }
    }

    /// Topics `<prefix><namespace>.<name>.<what>`.
    pub fn topics(&self, prefix: &str) -> Topics {
        let topic = |what: &str| format!("{prefix}{}.{}.{what}", self.namespace, self.name);
        Topics {
            bars: topic("bars"),
            quarantine: topic("quarantine"),
            features: topic("features"),
            predictions: topic("predictions"),
            served: topic("served"),
            stream_state: topic("stream-state"),
        }
    }

    /// Prefix of every Redis key: `fs:<namespace>/<name>:`.
    pub fn redis_prefix(&self) -> String {
        format!("fs:{}/{}:", self.namespace, self.name)
    }

    /// Folder on S3 below the declared URI: `<namespace>/<name>/`.
    pub fn s3_folder(&self) -> String {
        format!("{}/{}/", self.namespace, self.name)
    }

    /// `transactional.id` or consumer group of one role: `foresail.<namespace>.<name>.<role>`.
    pub fn kafka_identity(&self, role: &str) -> String {
        format!("foresail.{}.{}.{role}", self.namespace, self.name)
    }

    /// Child object `<name>-<suffix>`.
    pub fn child(&self, suffix: &str) -> String {
        format!("{}-{suffix}", self.name)
    }

    /// ModelVersion object `<name>-v<N>`.
    pub fn model_version(&self, version: u32) -> String {
        format!("{}-v{version}", self.name)
    }
}

impl std::fmt::Display for PipelineName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}", self.namespace, self.name)
    }
}

/// First eight hex digits of the SHA-256 of `content`, used in child names.
pub fn hash8(content: &[u8]) -> String {
    let digest = Sha256::digest(content);
    digest
        .iter()
        .take(4)
        .fold(String::with_capacity(8), |mut text, byte| {
            let _ = write!(text, "{byte:02x}");
            text
        })
}

/// Hex SHA-256 of `content`.
pub fn sha256_hex(content: &[u8]) -> String {
    hex::encode(Sha256::digest(content))
}

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

/// Where one Pipeline keeps its data on S3: URIs without a slash at their end.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Places {
    /// Everything of the Pipeline: `<lake uri>/<namespace>/<name>`.
    pub folder: String,
    /// The Delta table of bars.
    pub bars: String,
    /// One folder per training run.
    pub models: String,
}

impl Places {
    /// Artifacts of one training run.
    pub fn run(&self, run_id: &str) -> String {
        format!("{}/{run_id}", self.models)
    }

    /// Whether `uri` names an object of some training run.
    pub fn is_artifact(&self, uri: &str) -> bool {
        let below = uri.strip_prefix(self.models.as_str());
        below.is_some_and(|rest| rest.len() > 1 && rest.starts_with('/'))
    }
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
    /// From namespace and name.
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

    /// The same with the bars of another Pipeline of the namespace in place of its own, where one is named.
    pub fn topics_with_bars_of(&self, other: Option<&str>, prefix: &str) -> Topics {
        let own = self.topics(prefix);
        match other {
            None => own,
            Some(name) => Topics {
                bars: Self::new(&self.namespace, name).topics(prefix).bars,
                ..own
            },
        }
    }

    /// Prefix of every Redis key: `fs:<namespace>/<name>:`.
    pub fn redis_prefix(&self) -> String {
        format!("fs:{}/{}:", self.namespace, self.name)
    }

    /// Places on S3 below the declared URI.
    pub fn places(&self, lake_uri: &str) -> Places {
        let base = lake_uri.trim_end_matches('/');
        let folder = format!("{base}/{}/{}", self.namespace, self.name);
        Places {
            bars: format!("{folder}/bars"),
            models: format!("{folder}/models"),
            folder,
        }
    }

    /// Child object `<name>-<suffix>`.
    pub fn child(&self, suffix: &str) -> String {
        format!("{}-{suffix}", self.name)
    }

    /// ConfigMap that says which versions serve.
    pub fn serving(&self) -> String {
        self.child("serving")
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_have_one_slash_between_their_parts() {
        let name = PipelineName::new("n", "p");
        for (lake, folder) in [
            ("s3://bucket", "s3://bucket/n/p"),
            ("s3://bucket/", "s3://bucket/n/p"),
            ("s3://bucket/a/b", "s3://bucket/a/b/n/p"),
        ] {
            let places = name.places(lake);
            assert_eq!(places.folder, folder);
            assert_eq!(places.bars, format!("{folder}/bars"));
            assert_eq!(places.models, format!("{folder}/models"));
            assert_eq!(places.run("r1"), format!("{folder}/models/r1"));
        }
    }

    #[test]
    fn an_artifact_is_below_the_models_of_its_own_pipeline() {
        let places = PipelineName::new("n", "p").places("s3://bucket/lake");
        assert!(places.is_artifact("s3://bucket/lake/n/p/models/r1/manifest.json"));
        for other in [
            "s3://bucket/lake/n/p/models",
            "s3://bucket/lake/n/p/models/",
            "s3://bucket/lake/n/p/models-2/r1/manifest.json",
            "s3://bucket/lake/n/p2/models/r1/manifest.json",
            "s3://other/lake/n/p/models/r1/manifest.json",
        ] {
            assert!(!places.is_artifact(other), "{other}");
        }
    }
}

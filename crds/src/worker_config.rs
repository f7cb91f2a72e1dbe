//! What the operator mounts into a role's pods as `config.json`: the part of the spec that the role
//! uses, in an immutable ConfigMap named by the hash of its content. One struct per role.

mod cleanup;
mod ingest;
mod installation;
mod kafka;
mod lake;
mod monitor;
mod predict;
mod prepare;
mod serving;
mod stream;
mod train;
mod training_recipe;
mod training_run;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::names::{PipelineName, Places, Topics, hash8};
use crate::pipeline::spec::PipelineSpec;

pub use cleanup::CleanupConfig;
pub use ingest::{BarSource, IngestConfig, OtherAccount};
pub use installation::Installation;
pub use kafka::KafkaAddress;
pub use lake::LakeConfig;
pub use monitor::{DriftWatch, MonitorConfig};
pub use predict::PredictConfig;
pub use prepare::{PrepareConfig, SourceAddress};
pub use serving::{DeclaredModel, ServedVersion, ServingConfig};
pub use stream::StreamConfig;
pub use train::{ModelInputs, TrainConfig};
pub use training_recipe::{TrainingJob, TrainingRecipe};
pub use training_run::TrainingRun;

pub use crate::secret;

/// Folder where `config.json` is mounted.
pub const CONFIG_DIR: &str = "/etc/foresail/config";
/// File name inside [`CONFIG_DIR`] and key of the ConfigMap.
pub const CONFIG_FILE: &str = "config.json";
/// Folder where the `-serving` ConfigMap is mounted.
pub const SERVING_DIR: &str = "/etc/foresail/serving";
/// File name inside [`SERVING_DIR`] and key of the `-serving` ConfigMap.
pub const SERVING_FILE: &str = "serving.json";
/// Secret folders, one per outside system; each key of the Secret is a file.
pub const SECRETS_DIR: &str = "/etc/foresail/secrets";

/// The part of a spec that one role uses, and nothing else: an edit restarts whom it concerns.
pub trait RoleConfig: Serialize + DeserializeOwned {
    /// The role's part of a spec.
    fn new(pipeline: PipelineName, spec: &PipelineSpec) -> Self;

    /// With what the installation settles. Most roles take nothing of it.
    #[must_use]
    fn installed(self, _: &Installation) -> Self {
        self
    }

    /// Owner.
    fn pipeline(&self) -> &PipelineName;
}

/// Configuration of a role as it is mounted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigDocument {
    /// Name of the immutable ConfigMap, `<pipeline>-config-<role>-<hash8>`: another content has another
    /// name.
    pub name: String,
    /// Canonical JSON: the order of fields is fixed, so equal configurations give equal bytes.
    pub json: String,
}

impl ConfigDocument {
    /// The document of the configuration of the role with this name.
    pub fn new(role: &str, pipeline: &PipelineName, config: &impl RoleConfig) -> Self {
        let json = serde_json::to_string_pretty(config).expect("plain data always serialises");
        let hash = hash8(json.as_bytes());
        Self {
            name: pipeline.child(&format!("config-{role}-{hash}")),
            json,
        }
    }
}

/// Methods of configurations that hold a Kafka connection.
macro_rules! with_topics {
    ($($config:ident),+) => {$(
        impl $config {
            /// Topics of this Pipeline.
            pub fn topics(&self) -> Topics {
                self.pipeline.topics(&self.kafka.topic_prefix)
            }
        }
    )+};
}

/// The same where the bars may be those of another Pipeline.
macro_rules! with_topics_read {
    ($($config:ident),+) => {$(
        impl $config {
            /// Topics of this Pipeline, and the topic of bars that it reads.
            pub fn topics(&self) -> Topics {
                let other = self.bars_of.as_deref();
                self.pipeline.topics_with_bars_of(other, &self.kafka.topic_prefix)
            }
        }
    )+};
}

/// Methods of configurations that hold the lake.
macro_rules! with_places {
    ($($config:ident),+) => {$(
        impl $config {
            /// Places of this Pipeline on S3.
            pub fn places(&self) -> Places {
                self.pipeline.places(&self.lake.uri)
            }
        }
    )+};
}

/// Methods of configurations that hold instruments.
macro_rules! with_symbols {
    ($($config:ident),+) => {$(
        impl $config {
            /// Declared symbols in order.
            pub fn symbols(&self) -> Vec<String> {
                let symbols = self.instruments.iter().map(|i| i.symbol.to_string());
                symbols.collect()
            }
        }
    )+};
}

with_topics!(
    PrepareConfig,
    IngestConfig,
    PredictConfig,
    MonitorConfig,
    CleanupConfig
);
with_topics_read!(LakeConfig, StreamConfig);
with_places!(
    PrepareConfig,
    LakeConfig,
    TrainConfig,
    PredictConfig,
    MonitorConfig,
    CleanupConfig
);
with_symbols!(
    IngestConfig,
    LakeConfig,
    StreamConfig,
    PredictConfig,
    MonitorConfig
);

#[cfg(test)]
mod tests;

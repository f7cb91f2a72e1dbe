//! What prepare reads: addresses, and how the file of a source is written. A Pipeline of which these stay is not prepared
//! again.

use serde::{Deserialize, Serialize};

use super::{Installation, KafkaAddress, RoleConfig};
use crate::names::PipelineName;
use crate::pipeline::spec::{CsvSource, LakeSpec, PipelineSpec, RedisSpec};

/// Configuration of the prepare Job.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PrepareConfig {
    /// Owner.
    pub pipeline: PipelineName,
    /// Where topics are made.
    pub kafka: KafkaAddress,
    /// Partitions of each topic.
    pub partitions: i32,
    /// Replicas of each partition.
    pub replication_factor: i32,
    /// The Pipeline whose bars are read: there is no topic of its own to make for them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bars_of: Option<String>,
    /// S3 of the lake and of artifacts.
    pub lake: LakeSpec,
    /// Redis, when declared.
    pub redis: Option<RedisSpec>,
    /// The CSV file, when bars come from one.
    pub csv: Option<CsvSource>,
    /// Networks it may be in, beside the public internet; empty when no file is read.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub allowed_networks: Vec<String>,
}

/// Where a CSV file is, without how it is read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SourceAddress {
    /// `s3://bucket/key`, `http://...` or `https://...`.
    pub uri: String,
    /// S3 endpoint URL.
    pub endpoint: Option<String>,
    /// S3 region.
    pub region: String,
    /// Secret that is mounted.
    pub secret_name: Option<String>,
    /// Networks it may be in, beside the public internet.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub allowed_networks: Vec<String>,
}

impl SourceAddress {
    /// The address of a source.
    pub fn new(spec: &CsvSource, allowed_networks: &[String]) -> Self {
        Self {
            uri: spec.uri.clone(),
            endpoint: spec.endpoint.clone(),
            region: spec.region.clone(),
            secret_name: spec.secret_name.clone(),
            allowed_networks: allowed_networks.to_vec(),
        }
    }
}

impl RoleConfig for PrepareConfig {
    fn new(pipeline: PipelineName, spec: &PipelineSpec) -> Self {
        Self {
            pipeline,
            kafka: KafkaAddress::from(&spec.kafka),
            partitions: spec.kafka.partitions,
            replication_factor: spec.kafka.replication_factor,
            bars_of: spec.bars_of().map(str::to_owned),
            lake: spec.lake.clone(),
            redis: spec.serving.cache.redis.clone(),
            csv: spec.source.csv.as_ref().map(CsvSource::probed),
            allowed_networks: Vec::new(),
        }
    }

    fn installed(mut self, installation: &Installation) -> Self {
        if self.csv.is_some() {
            self.allowed_networks
                .clone_from(&installation.source_networks);
        }
        self
    }

    fn pipeline(&self) -> &PipelineName {
        &self.pipeline
    }
}

//! What the lake sink reads.

use serde::{Deserialize, Serialize};

use super::{KafkaAddress, RoleConfig};
use crate::names::PipelineName;
use crate::pipeline::spec::{LakeSpec, PipelineSpec};

/// Configuration of the lake worker.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct LakeConfig {
    /// Owner.
    pub pipeline: PipelineName,
    /// Where bars come from.
    pub kafka: KafkaAddress,
    /// Partitions of the topic of bars.
    pub partitions: i32,
    /// Where the table is.
    pub lake: LakeSpec,
}

impl RoleConfig for LakeConfig {
    fn new(pipeline: PipelineName, spec: &PipelineSpec) -> Self {
        Self {
            pipeline,
            kafka: KafkaAddress::from(&spec.kafka),
            partitions: spec.kafka.partitions,
            lake: spec.lake.clone(),
        }
    }

    fn pipeline(&self) -> &PipelineName {
        &self.pipeline
    }
}

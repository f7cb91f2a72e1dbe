//! What cleanup reads, once the Pipeline is deleted.

use serde::{Deserialize, Serialize};

use super::{KafkaAddress, RoleConfig};
use crate::names::PipelineName;
use crate::pipeline::spec::{DeletionPolicy, LakeSpec, PipelineSpec, RedisSpec};

/// Configuration of the cleanup Job.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct CleanupConfig {
    /// Owner.
    pub pipeline: PipelineName,
    /// Where the topics are.
    pub kafka: KafkaAddress,
    /// Where table and artifacts are.
    pub lake: LakeSpec,
    /// Where the cache is, when declared.
    pub redis: Option<RedisSpec>,
    /// What is removed.
    pub deletion_policy: DeletionPolicy,
}

impl RoleConfig for CleanupConfig {
    fn new(pipeline: PipelineName, spec: &PipelineSpec) -> Self {
        Self {
            pipeline,
            kafka: KafkaAddress::from(&spec.kafka),
            lake: spec.lake.clone(),
            redis: spec.serving.cache.redis.clone(),
            deletion_policy: spec.deletion_policy.clone(),
        }
    }

    fn pipeline(&self) -> &PipelineName {
        &self.pipeline
    }
}

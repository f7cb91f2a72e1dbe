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
    /// Other Pipelines read the bars: their topic stays.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub bars_are_read: bool,
}

impl CleanupConfig {
    /// The same where other Pipelines read the bars, or none does.
    #[must_use]
    pub fn while_read(mut self, bars_are_read: bool) -> Self {
        self.bars_are_read = bars_are_read;
        self
    }

    /// Topics that are removed, where topics are.
    pub fn removed_topics(&self) -> Vec<String> {
        let topics = self.topics();
        let kept = self.bars_are_read.then_some(topics.bars.as_str());
        let all = topics.all().into_iter();
        all.filter(|topic| kept != Some(*topic))
            .map(str::to_owned)
            .collect()
    }
}

impl RoleConfig for CleanupConfig {
    fn new(pipeline: PipelineName, spec: &PipelineSpec) -> Self {
        Self {
            pipeline,
            kafka: KafkaAddress::from(&spec.kafka),
            lake: spec.lake.clone(),
            redis: spec.serving.cache.redis.clone(),
            deletion_policy: spec.deletion_policy.clone(),
            bars_are_read: false,
        }
    }

    fn pipeline(&self) -> &PipelineName {
        &self.pipeline
    }
}

//! What the stream worker reads.

use serde::{Deserialize, Serialize};

use super::{KafkaAddress, RoleConfig};
use crate::names::PipelineName;
use crate::pipeline::spec::{Adjustment, FeatureSpec, Instrument, PipelineSpec, RedisSpec};

/// Configuration of the stream worker.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct StreamConfig {
    /// Owner.
    pub pipeline: PipelineName,
    /// Symbols whose newest rows are looked for at the start.
    pub instruments: Vec<Instrument>,
    /// Where bars come from and rows go.
    pub kafka: KafkaAddress,
    /// Keeps the newest rows, when declared.
    pub redis: Option<RedisSpec>,
    /// Feature set.
    pub features: Vec<FeatureSpec>,
    /// How corporate actions enter features.
    pub adjustment: Adjustment,
}

impl RoleConfig for StreamConfig {
    fn new(pipeline: PipelineName, spec: &PipelineSpec) -> Self {
        Self {
            pipeline,
            instruments: spec.instruments.clone(),
            kafka: KafkaAddress::from(&spec.kafka),
            redis: spec.serving.cache.redis.clone(),
            features: spec.features.clone(),
            adjustment: spec.source.adjustment,
        }
    }

    fn pipeline(&self) -> &PipelineName {
        &self.pipeline
    }
}

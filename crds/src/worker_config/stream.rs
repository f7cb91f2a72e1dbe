//! What the stream worker reads.

use serde::{Deserialize, Serialize};

use super::{KafkaAddress, RoleConfig};
use crate::names::PipelineName;
use crate::pipeline::spec::{
    Adjustment, FeatureSetSpec, FeatureSpec, Instrument, PipelineSpec, RedisSpec,
};

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
    /// The Pipeline whose bars are read, in place of its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bars_of: Option<String>,
    /// Keeps the newest rows, when declared.
    pub redis: Option<RedisSpec>,
    /// Feature set.
    pub features: Vec<FeatureSpec>,
    /// How corporate actions enter features.
    pub adjustment: Adjustment,
    /// Feature sets of versions that serve, or stand ready to, where the Pipeline declares other features by now.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub served: Vec<FeatureSetSpec>,
}

impl StreamConfig {
    /// With rows of these feature sets beside those that are declared.
    #[must_use]
    pub fn serving(mut self, served: &[FeatureSetSpec]) -> Self {
        self.served = served.to_vec();
        self
    }

    /// All feature sets that rows are made of, the declared one first.
    pub fn feature_sets(&self) -> Vec<FeatureSetSpec> {
        let declared = FeatureSetSpec {
            features: self.features.clone(),
            adjustment: self.adjustment,
        };
        let served = self.served.iter().cloned();
        std::iter::once(declared).chain(served).collect()
    }
}

impl RoleConfig for StreamConfig {
    fn new(pipeline: PipelineName, spec: &PipelineSpec) -> Self {
        Self {
            pipeline,
            instruments: spec.instruments.clone(),
            kafka: KafkaAddress::from(&spec.kafka),
            bars_of: spec.bars_of().map(str::to_owned),
            redis: spec.serving.cache.redis.clone(),
            features: spec.features.clone(),
            adjustment: spec.source.adjustment,
            served: Vec::new(),
        }
    }

    fn pipeline(&self) -> &PipelineName {
        &self.pipeline
    }
}

//! What the lake sink reads.

use serde::{Deserialize, Serialize};

use super::{KafkaAddress, RoleConfig};
use crate::names::PipelineName;
use crate::pipeline::spec::{Instrument, LakeSpec, PipelineSpec};

/// Configuration of the lake worker.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct LakeConfig {
    /// Owner.
    pub pipeline: PipelineName,
    /// Where bars come from.
    pub kafka: KafkaAddress,
    /// The Pipeline whose bars are read, in place of its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bars_of: Option<String>,
    /// Symbols whose revisions concern this Pipeline, where the topic has those of another one; empty for all.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub instruments: Vec<Instrument>,
    /// Partitions of the topic of bars.
    pub partitions: i32,
    /// Where the table is.
    pub lake: LakeSpec,
}

impl RoleConfig for LakeConfig {
    fn new(pipeline: PipelineName, spec: &PipelineSpec) -> Self {
        let bars_of = spec.bars_of().map(str::to_owned);
        let instruments = match bars_of {
            Some(_) => spec.instruments.clone(),
            None => Vec::new(),
        };
        Self {
            pipeline,
            kafka: KafkaAddress::from(&spec.kafka),
            bars_of,
            instruments,
            partitions: spec.kafka.partitions,
            lake: spec.lake.clone(),
        }
    }

    fn pipeline(&self) -> &PipelineName {
        &self.pipeline
    }
}

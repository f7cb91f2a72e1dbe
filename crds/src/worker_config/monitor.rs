//! What the monitor reads.

use serde::{Deserialize, Serialize};

use super::RoleConfig;
use crate::names::PipelineName;
use crate::pipeline::spec::{DriftSpec, Instrument, KafkaSpec, LakeSpec, PipelineSpec};

/// Configuration of the monitor.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct MonitorConfig {
    /// Owner.
    pub pipeline: PipelineName,
    /// Symbols that are forecast and watched.
    pub instruments: Vec<Instrument>,
    /// Where feature rows come from and canonical forecasts go.
    pub kafka: KafkaSpec,
    /// Where models and their drift references are.
    pub lake: LakeSpec,
    /// Drift policy. Its window is also the one realised errors are averaged over.
    pub drift: DriftSpec,
}

impl RoleConfig for MonitorConfig {
    fn new(pipeline: PipelineName, spec: &PipelineSpec) -> Self {
        Self {
            pipeline,
            instruments: spec.instruments.clone(),
            kafka: spec.kafka.clone(),
            lake: spec.lake.clone(),
            drift: spec.drift.clone(),
        }
    }

    fn pipeline(&self) -> &PipelineName {
        &self.pipeline
    }
}

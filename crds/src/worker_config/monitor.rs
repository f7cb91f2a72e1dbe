//! What the monitor reads.

use serde::{Deserialize, Serialize};

use super::{KafkaAddress, RoleConfig};
use crate::Decimal;
use crate::names::PipelineName;
use crate::pipeline::spec::{DriftMetric, DriftSpec, Instrument, LakeSpec, PipelineSpec};

/// Configuration of the monitor.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct MonitorConfig {
    /// Owner.
    pub pipeline: PipelineName,
    /// Symbols that are forecast and watched.
    pub instruments: Vec<Instrument>,
    /// Where feature rows come from and canonical forecasts go.
    pub kafka: KafkaAddress,
    /// Where models and their drift references are.
    pub lake: LakeSpec,
    /// What is watched. Its window is also the one realised errors are averaged over.
    pub drift: DriftWatch,
}

/// `spec.drift`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct DriftWatch {
    /// Statistic per feature.
    pub metric: DriftMetric,
    /// `Calibrated`, or a fixed number for the largest raw feature score.
    pub threshold: String,
    /// Alarms per year that a calibrated level accepts.
    pub false_alarms_per_year: Decimal,
    /// Sessions in the current window.
    pub window_sessions: u32,
    /// Features to watch, by name; all when empty.
    pub features: Vec<String>,
}

impl From<&DriftSpec> for DriftWatch {
    fn from(spec: &DriftSpec) -> Self {
        Self {
            metric: spec.metric,
            threshold: spec.threshold.clone(),
            false_alarms_per_year: spec.false_alarms_per_year.clone(),
            window_sessions: spec.window_sessions,
            features: spec.features.clone(),
        }
    }
}

impl RoleConfig for MonitorConfig {
    fn new(pipeline: PipelineName, spec: &PipelineSpec) -> Self {
        Self {
            pipeline,
            instruments: spec.instruments.clone(),
            kafka: KafkaAddress::from(&spec.kafka),
            lake: spec.lake.clone(),
            drift: DriftWatch::from(&spec.drift),
        }
    }

    fn pipeline(&self) -> &PipelineName {
        &self.pipeline
    }
}

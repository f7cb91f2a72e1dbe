//! What the monitor reads.

use foresail_domain::BarGrid;
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
    /// Bars of a usual session: symbols that are late are waited for in sessions.
    #[serde(default = "one", skip_serializing_if = "is_one")]
    pub bars_per_session: u32,
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
    /// Bars, in time, in the current window: those of the declared sessions.
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

impl DriftWatch {
    /// `spec.drift` with its window in bars of a grid.
    pub fn counted_in(spec: &DriftSpec, grid: &BarGrid) -> Self {
        let of_sessions = Self::from(spec);
        Self {
            window_sessions: grid.bars(spec.window_sessions),
            ..of_sessions
        }
    }
}

impl RoleConfig for MonitorConfig {
    fn new(pipeline: PipelineName, spec: &PipelineSpec) -> Self {
        let grid = spec.bar_grid();
        Self {
            pipeline,
            instruments: spec.instruments.clone(),
            kafka: KafkaAddress::from(&spec.kafka),
            lake: spec.lake.clone(),
            bars_per_session: grid.bars_per_session(),
            drift: DriftWatch::counted_in(&spec.drift, &grid),
        }
    }

    fn pipeline(&self) -> &PipelineName {
        &self.pipeline
    }
}

fn one() -> u32 {
    1
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "as serde calls it")]
fn is_one(bars: &u32) -> bool {
    *bars == 1
}

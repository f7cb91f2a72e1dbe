//! What a predictor reads.

use foresail_domain::{BarGrid, Calendar, Interval};
use serde::{Deserialize, Serialize};

use super::{KafkaAddress, RoleConfig};
use crate::names::PipelineName;
use crate::pipeline::spec::{Instrument, LakeSpec, PipelineSpec, RedisSpec, TlsSpec};

/// Configuration of the predictors. The features are those of the versions they load.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PredictConfig {
    /// Owner.
    pub pipeline: PipelineName,
    /// Symbols that are forecast.
    pub instruments: Vec<Instrument>,
    /// Trading calendar: dates and times of the bars that are forecast.
    pub calendar: Calendar,
    /// Length of a bar: a step of a forecast.
    #[serde(default, skip_serializing_if = "Interval::is_default")]
    pub interval: Interval,
    /// Where feature rows come from and served forecasts go.
    pub kafka: KafkaAddress,
    /// Where models are.
    pub lake: LakeSpec,
    /// Cache, when declared.
    pub redis: Option<RedisSpec>,
    /// Seconds a cached forecast lives.
    pub cache_ttl_seconds: u64,
    /// Certificate they answer with; plain HTTP when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tls: Option<TlsSpec>,
}

impl PredictConfig {
    /// Where bars begin and end.
    pub fn bar_grid(&self) -> BarGrid {
        BarGrid::new(self.calendar.clone(), self.interval)
    }
}

impl RoleConfig for PredictConfig {
    fn new(pipeline: PipelineName, spec: &PipelineSpec) -> Self {
        let cache = &spec.serving.cache;
        Self {
            pipeline,
            instruments: spec.instruments.clone(),
            calendar: spec.trading_calendar(),
            interval: spec.source.interval,
            kafka: KafkaAddress::from(&spec.kafka),
            lake: spec.lake.clone(),
            redis: cache.redis.clone(),
            cache_ttl_seconds: cache.ttl.as_duration().map_or(0, |d| d.as_secs()),
            tls: spec.serving.tls.clone(),
        }
    }

    fn pipeline(&self) -> &PipelineName {
        &self.pipeline
    }
}

//! What the operator mounts into worker pods as `config.json`: the parts of the spec workers
//! need, verbatim, in an immutable ConfigMap named by the hash of its content.

use foresail_domain::TradingCalendar;
use serde::{Deserialize, Serialize};

use crate::names::{PipelineName, Places, Topics, hash8};
use crate::pipeline::spec::{
    DeletionPolicy, DriftSpec, FeatureSpec, Instrument, KafkaSpec, LakeSpec, PipelineSpec,
    RedisSpec, SourceSpec, TrainingSpec,
};
use crate::pipeline::status::Trigger;

/// Folder where `config.json` is mounted.
pub const CONFIG_DIR: &str = "/etc/foresail/config";
/// File name inside [`CONFIG_DIR`] and key of the ConfigMap.
pub const CONFIG_FILE: &str = "config.json";
/// Folder where the `-serving` ConfigMap is mounted.
pub const SERVING_DIR: &str = "/etc/foresail/serving";
/// File name inside [`SERVING_DIR`] and key of the `-serving` ConfigMap.
pub const SERVING_FILE: &str = "serving.json";
/// Secret folders, one per outside system; each key of the Secret is a file.
pub const SECRETS_DIR: &str = "/etc/foresail/secrets";

/// Sub-folder of [`SECRETS_DIR`] of one outside system.
pub mod secret {
    /// S3 of the lake and artifacts: files `accessKeyId`, `secretAccessKey`.
    pub const LAKE: &str = "lake";
    /// S3 or HTTP source: `accessKeyId`, `secretAccessKey`, or `token`.
    pub const SOURCE: &str = "source";
    /// Kafka SASL: files `username`, `password`; optional `ca.crt`.
    pub const KAFKA: &str = "kafka";
    /// Redis: files `username` (optional), `password`.
    pub const REDIS: &str = "redis";
}

/// Configuration of every worker and trainer of one Pipeline.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct WorkerConfig {
    /// Owner.
    pub pipeline: PipelineName,
    /// Traded instruments.
    pub instruments: Vec<Instrument>,
    /// Trading calendar.
    pub calendar: TradingCalendar,
    /// Where bars come from.
    pub source: SourceSpec,
    /// Kafka connection.
    pub kafka: KafkaSpec,
    /// Lake and artifacts.
    pub lake: LakeSpec,
    /// Redis, when declared.
    pub redis: Option<RedisSpec>,
    /// Feature set.
    pub features: Vec<FeatureSpec>,
    /// Training (model, target, horizon, lookback...).
    pub training: TrainingSpec,
    /// Drift policy.
    pub drift: DriftSpec,
    /// Forecast cache time-to-live in seconds.
    pub cache_ttl_seconds: u64,
    /// Sessions kept aside to judge a challenger.
    pub gate_window_sessions: u32,
    /// What `cleanup` removes.
    pub deletion_policy: DeletionPolicy,
}

impl WorkerConfig {
    /// The worker's view of a spec. Fields only the operator acts on are left out, so that
    /// changing them restarts nothing.
    pub fn new(pipeline: PipelineName, spec: &PipelineSpec) -> Self {
        Self {
            pipeline,
            instruments: spec.instruments.clone(),
            calendar: spec.calendar,
            source: spec.source.clone(),
            kafka: spec.kafka.clone(),
            lake: spec.lake.clone(),
            redis: spec.serving.cache.redis.clone(),
            features: spec.features.clone(),
            training: TrainingSpec {
                resources: None,
                active_deadline_seconds: 0,
                backoff_limit: 0,
                schedule: None,
                time_zone: String::new(),
                ..spec.training.clone()
            },
            drift: spec.drift.clone(),
            cache_ttl_seconds: spec
                .serving
                .cache
                .ttl
                .as_duration()
                .map_or(0, |d| d.as_secs()),
            gate_window_sessions: spec.promotion.gate_window_sessions,
            deletion_policy: spec.deletion_policy.clone(),
        }
    }

    /// Topics of this Pipeline.
    pub fn topics(&self) -> Topics {
        self.pipeline.topics(&self.kafka.topic_prefix)
    }

    /// Places of this Pipeline on S3.
    pub fn places(&self) -> Places {
        self.pipeline.places(&self.lake.uri)
    }

    /// Declared symbols in order.
    pub fn symbols(&self) -> Vec<String> {
        self.instruments.iter().map(|i| i.symbol.clone()).collect()
    }

    /// Canonical JSON (struct order is fixed, so equal configs give equal bytes).
    pub fn to_json(&self) -> String {
        serde_json::to_string_pretty(self).expect("plain data always serialises")
    }

    /// Name of the immutable ConfigMap: `<pipeline>-config-<hash8>`.
    pub fn config_map_name(&self) -> String {
        self.pipeline
            .child(&format!("config-{}", hash8(self.to_json().as_bytes())))
    }
}

/// Content of the mutable `<pipeline>-serving` ConfigMap: which versions the predictors load.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ServingConfig {
    /// Version that answers requests; none before the first training run.
    pub champion: Option<ServedVersion>,
    /// Version kept loaded for instant rollback.
    pub previous: Option<ServedVersion>,
    /// Manifest whose drift reference the monitor uses after a rejected challenger.
    pub drift_reference: Option<ServedVersion>,
}

/// One loadable model.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ServedVersion {
    /// ModelVersion number.
    #[schemars(range(min = 1))]
    pub version: u32,
    /// `s3://bucket/key` of the manifest.
    pub manifest_uri: String,
    /// Hex SHA-256 of the manifest bytes.
    pub manifest_sha256: String,
}

/// One training run, given to the trainer as `--run <json>` and to nobody else.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TrainingRun {
    /// `hash8` over spec part, Delta version, trigger and attempt.
    pub run_id: String,
    /// Why it runs.
    pub trigger: Trigger,
    /// Pinned Delta table version.
    pub delta_version: u64,
    /// Champion to judge against; absent for a first version.
    pub champion: Option<ServedVersion>,
}

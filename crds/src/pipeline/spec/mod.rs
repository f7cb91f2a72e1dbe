//! What a user declares. Field comments are the manual: they show in `kubectl explain`.
//! Static rules are CEL; every message says what the value must be.

mod feature;
mod resources;
mod retraining;
mod serving;
mod source;
mod training;
mod workers;

pub use feature::{
    Argument, Column, Description, FeatureFunction, FeatureSetSpec, FeatureSpec, History,
    LONGEST_WINDOW, Reads, WarmUp,
};
pub use retraining::{
    DriftMetric, DriftSpec, PromotionMode, PromotionSpec, RetrainTrigger, RetrainingSpec,
};
pub use serving::{CacheSpec, RedisSpec, ScaleMetric, ServingSpec, TlsSpec};
pub use source::{
    Adjustment, CsvColumns, CsvDialect, CsvEncoding, CsvLayout, CsvSource, DateOrder, DateRange,
    DecimalSign, Delimiter, FallbackSource, OnSuspicion, PipelineRef, ProviderSource, QuorumSource,
    ReplaySpec, SimulatorBreak, SimulatorSource, SourceSpec, Stamp,
};
pub(crate) use training::default_max_gap;
pub use training::{ModelKind, ModelSpec, Target, TrainingSpec};
pub use workers::{WorkerSpec, WorkersSpec};

use foresail_domain::{BarGrid, Calendar, CalendarOverride, Symbol, TradingCalendar};
use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::status::PipelineStatus;

/// A forecasting system: where bars come from, which features and model, how it is served,
/// watched and retrained. The operator turns it into running parts and keeps them right.
#[derive(CustomResource, KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[kube(
    group = "foresail.dev",
    version = "v1alpha1",
    kind = "Pipeline",
    plural = "pipelines",
    shortname = "fpl",
    category = "foresail",
    namespaced,
    status = "PipelineStatus",
    derive = "PartialEq",
    doc = "A forecasting system: where bars come from, which features and model, how it is served, watched and retrained.",
    printcolumn(name = "Ready", type_ = "string", json_path = ".status.conditions[?(@.type==\"Ready\")].status"),
    printcolumn(name = "Champion", type_ = "integer", json_path = ".status.champion.version"),
    printcolumn(name = "DataAge", type_ = "date", json_path = ".status.ingest.lastEventTime"),
    printcolumn(name = "LastTrained", type_ = "date", json_path = ".status.lastTrainedTime"),
    printcolumn(name = "Reason", type_ = "string", priority = 1, json_path = ".status.conditions[?(@.type==\"Ready\")].reason"),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp"),
    validation = Rule::new("size(self.metadata.name) <= 40").message("metadata.name must have at most 40 characters, since topics, buckets and child objects are named by it"),
    validation = Rule::new("self.metadata.name.matches('^[a-z]([-a-z0-9]*[a-z0-9])?$')").message("metadata.name must be a DNS label that starts with a letter (no dots)"),
    validation = Rule::new("!has(self.spec.source.pipelineRef) || self.spec.source.pipelineRef.name != self.metadata.name").message("source.pipelineRef must name another Pipeline")
)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new("!(self.training.model.kind in ['Naive', 'SeasonalNaive']) || self.retraining.triggers.size() == 0 || !self.retraining.triggers.exists(t, t == 'Drift' || t == 'Performance')").message("retraining.triggers must not hold Drift or Performance when training.model.kind is Naive or SeasonalNaive: a naive forecast cannot be retrained"),
    validation = Rule::new("!has(self.drift.features) || self.drift.features.all(d, self.features.exists(f, f.name == d))").message("drift.features must only name entries of features"),
    validation = Rule::new("!self.retraining.triggers.exists(t, t == 'Schedule') || has(self.training.schedule)").message("training.schedule must be set when retraining.triggers holds Schedule"),
    validation = Rule::new("self.source.interval != '1d' || !has(self.drift.windowSessions) || self.drift.windowSessions >= 10").message("drift.windowSessions must be at least 10 when source.interval is 1d"),
    validation = Rule::new("self.source.interval != '1d' || !has(self.promotion.gateWindowSessions) || self.promotion.gateWindowSessions >= 5").message("promotion.gateWindowSessions must be at least 5 when source.interval is 1d"),
    validation = Rule::new("self.source.interval != '1d' || !has(self.training.maxSessions) || self.training.maxSessions >= 50").message("training.maxSessions must be at least 50 when source.interval is 1d"),
    validation = Rule::new("!has(self.source.simulator) || self.instruments.size() <= 64").message("instruments must hold at most 64 entries when source.simulator is used")
)]
pub struct PipelineSpec {
    /// Instruments to forecast, 1 to 256. One model serves all of them.
    #[schemars(length(min = 1, max = 256))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["symbol".into()]))]
    pub instruments: Vec<Instrument>,
    /// Trading calendar that horizons and windows are counted in. Exchanges, on their own clock: XNYS and XNAS (New York, 09:30
    /// to 16:00, half days to 13:00), XLON (London, 08:00 to 16:30), XETR (Frankfurt, 09:00 to 17:30), XTKS (Tokyo, 09:00 to
    /// 15:30, known from 1997 on), XHKG (Hong Kong, 09:30 to 16:00). Their sessions are known from 1960 through 2027; a bar
    /// behind that goes to quarantine as `CalendarExpired`. `Weekdays` has no holidays, and sessions end 21:00 UTC;
    /// `AlwaysOpen` (crypto) has every day, which ends 24:00 UTC.
    #[serde(default)]
    pub calendar: TradingCalendar,
    /// Days that are not as the calendar has them, up to 64: a storm, a closure that was announced late, a session that ended
    /// early. Each day is named once. An edit that changes days of which bars are stored is refused as `CalendarConflict`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64))]
    #[x_kube(
        merge_strategy = ListMerge::Map(vec!["date".into()]),
        validation = Rule::new("self.all(o, [has(o.closed), has(o.open), has(o.closesAt)].filter(p, p).size() == 1 && (!has(o.closed) || o.closed) && (!has(o.open) || o.open))").message("calendarOverrides: each day must have exactly one of closed: true, open: true and closesAt")
    )]
    pub calendar_overrides: Vec<CalendarOverride>,
    /// Where bars come from. Exactly one of `csv`, `provider`, `simulator` and `pipelineRef`, or `provider` with `csv` as
    /// its history.
    pub source: SourceSpec,
    /// Kafka cluster that carries bars, features and predictions.
    pub kafka: KafkaSpec,
    /// S3 place of the bar table (Delta Lake) and of model artifacts.
    pub lake: LakeSpec,
    /// Features of the model input, in this order, 1 to 64. An edit trains a version of the new ones, which passes the same
    /// gate as any other; the champion is served on with rows of its own.
    #[schemars(length(min = 1, max = 64))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["name".into()]))]
    pub features: Vec<FeatureSpec>,
    /// How models are trained.
    pub training: TrainingSpec,
    /// How forecasts are served.
    #[serde(default)]
    pub serving: ServingSpec,
    /// How live features are compared with the training data.
    #[serde(default)]
    pub drift: DriftSpec,
    /// When a new training run starts.
    #[serde(default)]
    pub retraining: RetrainingSpec,
    /// When a challenger replaces the champion.
    #[serde(default)]
    pub promotion: PromotionSpec,
    /// CPU and memory of the pods that neither train nor serve.
    #[serde(default, skip_serializing_if = "WorkersSpec::is_empty")]
    pub workers: WorkersSpec,
    /// Stops ingest, stream and new training runs; predictors serve on. A running training
    /// Job is suspended.
    #[serde(default)]
    pub suspend: bool,
    /// What happens to data outside the cluster when the Pipeline is deleted.
    #[serde(default)]
    pub deletion_policy: DeletionPolicy,
}

impl PipelineSpec {
    /// The calendar with its overrides; without them where one of them cannot be read, which the operator refuses.
    pub fn trading_calendar(&self) -> Calendar {
        Calendar::lenient(self.calendar, &self.calendar_overrides)
    }

    /// Name of the Pipeline whose bars are read, where the source names one.
    pub fn bars_of(&self) -> Option<&str> {
        self.source.pipeline_ref.as_ref().map(|r| r.name.as_str())
    }

    /// The bars of that calendar at the interval of the source.
    pub fn bar_grid(&self) -> BarGrid {
        BarGrid::new(self.trading_calendar(), self.source.interval)
    }
}

/// One traded instrument.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct Instrument {
    /// Code as the source writes it, case included, for example `AAPL`, `^GSPC`, `EURUSD=X`, `M&M.NS`, `BTC/USDT`, `GC1!`,
    /// `NYSE:BRK.B`, `$SPX` or `BF B`: 1 to 32 letters, digits and `. _ - ^ = & / ! : $ @ # + *`, and spaces only between
    /// them. Quote it where YAML reads something else: `"ON"`, `"NO"`, `"Y"`, `"TRUE"`, `"1234"`, `"@ES#"`, `"&ES"`. How to
    /// ask for the forecast of such a symbol stands in docs/http.md.
    pub symbol: Symbol,
}

/// Kafka connection and topics `<topicPrefix><namespace>.<name>.<what>`.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct KafkaSpec {
    /// Comma-separated `host:port` list.
    #[schemars(
        length(min = 3, max = 1024),
        regex(pattern = r"^[A-Za-z0-9.\-]+:[0-9]{1,5}(,[A-Za-z0-9.\-]+:[0-9]{1,5})*$")
    )]
    pub bootstrap_servers: String,
    /// Secret in this namespace with `username` and `password` (SASL SCRAM) and optional `ca.crt`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253))]
    pub secret_name: Option<String>,
    /// Put before every topic name, for clusters with naming rules.
    #[serde(default)]
    #[schemars(length(max = 64), regex(pattern = r"^[A-Za-z0-9._-]*$"))]
    pub topic_prefix: String,
    /// Partitions of each topic, 1 to 64. Cannot be changed once the topics exist: symbols would move.
    #[serde(default = "default_partitions")]
    #[schemars(range(min = 1, max = 64))]
    pub partitions: i32,
    /// Replicas of each partition, 1 to 9.
    #[serde(default = "default_replication")]
    #[schemars(range(min = 1, max = 9))]
    pub replication_factor: i32,
}

/// S3 place of bars and artifacts: `<uri>/<namespace>/<name>/`.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct LakeSpec {
    /// `s3://bucket` or `s3://bucket/prefix`, without a trailing slash.
    #[schemars(
        length(min = 8, max = 512),
        regex(pattern = r"^s3://[a-z0-9][a-z0-9.-]{2,62}(/[A-Za-z0-9._=/-]*[A-Za-z0-9._=-])?$")
    )]
    pub uri: String,
    /// S3 endpoint URL. The store must honour `If-None-Match` and `If-Match` on PUT.
    #[schemars(length(min = 8, max = 512), regex(pattern = r"^https?://\S+$"))]
    pub endpoint: String,
    /// S3 region.
    #[serde(default = "default_region")]
    #[schemars(length(min = 1, max = 64))]
    pub region: String,
    /// Secret in this namespace with `accessKeyId` and `secretAccessKey`, mounted as files.
    #[schemars(length(min = 1, max = 253))]
    pub secret_name: String,
}

/// What happens to each asset outside the cluster when the Pipeline is deleted.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase", default)]
pub struct DeletionPolicy {
    /// Kafka topics.
    pub topics: Deletion,
    /// Bar table on S3.
    pub lake: Deletion,
    /// Models on S3.
    pub artifacts: Deletion,
    /// Redis keys.
    pub cache: Deletion,
}

impl DeletionPolicy {
    /// True when anything outside the cluster must be removed.
    pub fn deletes_anything(&self) -> bool {
        [self.topics, self.lake, self.artifacts, self.cache].contains(&Deletion::Delete)
    }
}

/// Keep or remove.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Deletion {
    /// Keep.
    #[default]
    Retain,
    /// Remove.
    Delete,
}

fn default_region() -> String {
    "us-east-1".into()
}

fn default_partitions() -> i32 {
    3
}

fn default_replication() -> i32 {
    1
}

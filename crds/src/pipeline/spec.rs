//! What a user declares. Field comments are the manual: they show in `kubectl explain`.
//! Static rules are CEL; every message says what the value must be.

use k8s_openapi::api::autoscaling::v2::HorizontalPodAutoscalerBehavior;
use k8s_openapi::api::core::v1::ResourceRequirements;
use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::status::PipelineStatus;
use crate::Decimal;
use crate::duration::DurationString;

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
    printcolumn(name = "Ready", type_ = "string", json_path = ".status.conditions[?(@.type==\"Ready\")].status"),
    printcolumn(name = "Champion", type_ = "integer", json_path = ".status.champion.version"),
    printcolumn(name = "DataAge", type_ = "date", json_path = ".status.ingest.lastEventTime"),
    printcolumn(name = "LastTrained", type_ = "date", json_path = ".status.lastTrainedTime"),
    printcolumn(name = "Reason", type_ = "string", priority = 1, json_path = ".status.conditions[?(@.type==\"Ready\")].reason"),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp"),
    validation = Rule::new("size(self.metadata.name) <= 40").message("metadata.name must have at most 40 characters, since topics, buckets and child objects are named by it"),
    validation = Rule::new("self.metadata.name.matches('^[a-z]([-a-z0-9]*[a-z0-9])?$')").message("metadata.name must be a DNS label that starts with a letter (no dots)")
)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new("self.training.model.kind != 'Naive' || self.retraining.triggers.size() == 0 || !self.retraining.triggers.exists(t, t == 'Drift' || t == 'Performance')").message("retraining.triggers must not hold Drift or Performance when training.model.kind is Naive: a naive forecast cannot be retrained"),
    validation = Rule::new("!has(self.drift.features) || self.drift.features.all(d, self.features.exists(f, f.name == d))").message("drift.features must only name entries of features"),
    validation = Rule::new("!self.retraining.triggers.exists(t, t == 'Schedule') || has(self.training.schedule)").message("training.schedule must be set when retraining.triggers holds Schedule"),
    validation = Rule::new("!has(self.source.simulator) || self.instruments.size() <= 64").message("instruments must hold at most 64 entries when source.simulator is used")
)]
pub struct PipelineSpec {
    /// Instruments to forecast, 1 to 256. One model serves all of them.
    #[schemars(length(min = 1, max = 256))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["symbol".into()]))]
    pub instruments: Vec<Instrument>,
    /// Trading calendar that horizons, windows and data age are counted in.
    #[serde(default)]
    pub calendar: Calendar,
    /// Where bars come from. Exactly one of `csv` and `simulator`.
    pub source: SourceSpec,
    /// Kafka cluster that carries bars, features and predictions.
    pub kafka: KafkaSpec,
    /// S3 place of the bar table (Delta Lake) and of model artifacts.
    pub lake: LakeSpec,
    /// Features of the model input, in this order, 1 to 64.
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
    /// Stops ingest, stream and new training runs; predictors serve on. A running training
    /// Job is suspended.
    #[serde(default)]
    pub suspend: bool,
    /// What happens to data outside the cluster when the Pipeline is deleted.
    #[serde(default)]
    pub deletion_policy: DeletionPolicy,
}

/// One traded instrument.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct Instrument {
    /// Code as the source writes it, for example `AAPL`; letters, digits and `. _ - ^ =`.
    #[schemars(length(min = 1, max = 24), regex(pattern = r"^[A-Za-z0-9^][A-Za-z0-9._=^-]*$"))]
    pub symbol: String,
}

/// Trading calendar.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Calendar {
    /// New York Stock Exchange: sessions end 16:00 New York time, 13:00 on half days.
    #[default]
    #[serde(rename = "XNYS")]
    Xnys,
    /// Monday to Friday without holidays, sessions end 21:00 UTC.
    Weekdays,
    /// Every day, sessions end 24:00 UTC (crypto).
    AlwaysOpen,
}

/// Where bars come from.
#[derive(Serialize, Deserialize, KubeSchema, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new("(has(self.csv) ? 1 : 0) + (has(self.simulator) ? 1 : 0) == 1").message("source must have exactly one of csv and simulator"),
    validation = Rule::new("!has(self.backfill.from) || !has(self.backfill.to) || self.backfill.from <= self.backfill.to").message("source.backfill.from must not be after source.backfill.to"),
    validation = Rule::new("!has(self.replay) || has(self.backfill.to)").message("source.backfill.to must be set when source.replay is used: replay starts on the next session")
)]
pub struct SourceSpec {
    /// Daily bars in a CSV file on S3 or HTTP.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub csv: Option<CsvSource>,
    /// Deterministic market simulator.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub simulator: Option<SimulatorSource>,
    /// How corporate actions enter features, labels and errors. Raw bars are stored either way.
    #[serde(default)]
    pub adjustment: Adjustment,
    /// Range that is loaded as fast as possible before anything else.
    #[serde(default)]
    pub backfill: DateRange,
    /// Plays later rows of the source as if they arrived live. Without it the source is read
    /// to its end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replay: Option<ReplaySpec>,
}

/// Daily bars in a CSV file.
#[derive(Serialize, Deserialize, KubeSchema, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new("!self.uri.startsWith('s3://') || has(self.endpoint)").message("source.csv.endpoint must be set when source.csv.uri starts with s3://")
)]
pub struct CsvSource {
    /// `s3://bucket/key`, `http://...` or `https://...`; `.gz` is unpacked.
    #[schemars(length(min = 8, max = 1024), regex(pattern = r"^(s3|https?)://[^\s/]+/\S+$"))]
    pub uri: String,
    /// S3 endpoint URL, for example `https://s3.eu-west-1.amazonaws.com`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 8, max = 512), regex(pattern = r"^https?://\S+$"))]
    pub endpoint: Option<String>,
    /// S3 region.
    #[serde(default = "default_region")]
    #[schemars(length(min = 1, max = 64))]
    pub region: String,
    /// Secret in this namespace with `accessKeyId` and `secretAccessKey` (S3) or `token`
    /// (HTTP bearer). Mounted as files.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253))]
    pub secret_name: Option<String>,
    /// Column names of the file.
    #[serde(default)]
    pub columns: CsvColumns,
    /// Symbol of every row when the file has no symbol column.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 24))]
    pub symbol: Option<String>,
    /// How a zero open is read: vendors write 0 where the open is unknown.
    #[serde(default = "yes")]
    pub zero_open_is_missing: bool,
}

/// Column names of a CSV file, matched without regard to case.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase", default)]
pub struct CsvColumns {
    /// Instrument code; ignored when `symbol` is set on the source.
    #[schemars(length(min = 1, max = 64))]
    pub symbol: String,
    /// Session date, `YYYY-MM-DD`.
    #[schemars(length(min = 1, max = 64))]
    pub date: String,
    /// First price.
    #[schemars(length(min = 1, max = 64))]
    pub open: String,
    /// Highest price.
    #[schemars(length(min = 1, max = 64))]
    pub high: String,
    /// Lowest price.
    #[schemars(length(min = 1, max = 64))]
    pub low: String,
    /// Last price, as traded.
    #[schemars(length(min = 1, max = 64))]
    pub close: String,
    /// Traded volume.
    #[schemars(length(min = 1, max = 64))]
    pub volume: String,
    /// Fully adjusted close; splits and dividends are derived from it when the columns below are absent.
    #[schemars(length(min = 1, max = 64))]
    pub adjusted_close: String,
    /// Split factor effective that day (2 for a 2:1 split).
    #[schemars(length(min = 1, max = 64))]
    pub split_factor: String,
    /// Cash dividend that goes ex that day, per share.
    #[schemars(length(min = 1, max = 64))]
    pub dividend: String,
}

impl Default for CsvColumns {
    fn default() -> Self {
        Self {
            symbol: "symbol".into(),
            date: "date".into(),
            open: "open".into(),
            high: "high".into(),
            low: "low".into(),
            close: "close".into(),
            volume: "volume".into(),
            adjusted_close: "adj_close".into(),
            split_factor: "split_factor".into(),
            dividend: "dividend".into(),
        }
    }
}

/// Deterministic market: the same seed gives the same bars, bit for bit.
#[derive(Serialize, Deserialize, KubeSchema, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct SimulatorSource {
    /// Seed of the generator.
    #[schemars(range(min = 0, max = 9007199254740991i64))]
    pub seed: u64,
    /// First session, `YYYY-MM-DD`.
    #[schemars(length(equal = 10), regex(pattern = r"^[0-9]{4}-[0-9]{2}-[0-9]{2}$"))]
    pub start: String,
    /// Number of sessions to generate, 1 to 100000.
    #[schemars(range(min = 1, max = 100_000))]
    pub sessions: u32,
    /// Annualised volatility of daily log returns in the calm regime.
    #[serde(default = "default_volatility")]
    pub annual_volatility: Decimal,
    /// Strength of volatility clustering, 0 (none) to 0.98 (weight of yesterday's variance and shock).
    #[serde(default = "default_clustering")]
    pub volatility_clustering: Decimal,
    /// First-order autocorrelation of log returns, -0.9 to 0.9: what a model can learn.
    #[serde(default = "default_autocorrelation")]
    pub autocorrelation: Decimal,
    /// Mean sessions between 2:1 splits; 0 for none.
    #[serde(default)]
    #[schemars(range(min = 0, max = 100_000))]
    pub split_every_sessions: u32,
    /// One in this many rows is damaged on purpose and must end in quarantine; 0 for none.
    #[serde(default)]
    #[schemars(range(min = 0, max = 1_000_000))]
    pub bad_row_every: u32,
    /// One in this many sessions of a symbol is missing; 0 for none.
    #[serde(default)]
    #[schemars(range(min = 0, max = 1_000_000))]
    pub gap_every_sessions: u32,
    /// A structural break: from that session on the market follows other parameters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[serde(rename = "break")]
    pub break_: Option<SimulatorBreak>,
}

/// New parameters from one session on.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct SimulatorBreak {
    /// Zero-based session index at which the new parameters start.
    #[schemars(range(min = 1, max = 100_000))]
    pub at_session: u32,
    /// Annualised volatility after the break.
    pub annual_volatility: Decimal,
    /// Autocorrelation after the break.
    pub autocorrelation: Decimal,
}

/// Price adjustment.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Adjustment {
    /// Prices as traded.
    None,
    /// Splits only.
    Splits,
    /// Splits and cash dividends (total return).
    #[default]
    All,
}

/// A range of session dates, both ends included.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct DateRange {
    /// First date, `YYYY-MM-DD`; the start of the source when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(equal = 10), regex(pattern = r"^[0-9]{4}-[0-9]{2}-[0-9]{2}$"))]
    pub from: Option<String>,
    /// Last date, `YYYY-MM-DD`; the end of the source when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(equal = 10), regex(pattern = r"^[0-9]{4}-[0-9]{2}-[0-9]{2}$"))]
    pub to: Option<String>,
}

/// Accelerated live replay.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct ReplaySpec {
    /// Last date to replay, `YYYY-MM-DD`; the end of the source when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(equal = 10), regex(pattern = r"^[0-9]{4}-[0-9]{2}-[0-9]{2}$"))]
    pub to: Option<String>,
    /// Speed: sessions per second of wall time, up to 10000. Replay starts when the first
    /// champion serves.
    pub sessions_per_second: Decimal,
}

/// Kafka connection and topics `<topicPrefix><namespace>.<name>.<what>`.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct KafkaSpec {
    /// Comma-separated `host:port` list.
    #[schemars(length(min = 3, max = 1024), regex(pattern = r"^[A-Za-z0-9.\-]+:[0-9]{1,5}(,[A-Za-z0-9.\-]+:[0-9]{1,5})*$"))]
    pub bootstrap_servers: String,
    /// Secret in this namespace with `username` and `password` (SASL SCRAM) and optional `ca.crt`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253))]
    pub secret_name: Option<String>,
    /// Put before every topic name, for clusters with naming rules.
    #[serde(default)]
    #[schemars(length(max = 64), regex(pattern = r"^[A-Za-z0-9._-]*$"))]
    pub topic_prefix: String,
    /// Partitions of each topic, 1 to 64. Cannot be lowered.
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
    #[schemars(length(min = 8, max = 512), regex(pattern = r"^s3://[a-z0-9][a-z0-9.-]{2,62}(/[A-Za-z0-9._=/-]*[A-Za-z0-9._=-])?$"))]
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

/// One named feature: a function bound to its parameters.
#[derive(Serialize, Deserialize, KubeSchema, Clone, Debug, PartialEq, Eq, Hash)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new("self.function == 'LogReturn' || self.function == 'Macd' || self.function == 'MacdSignal' || self.function == 'MacdHistogram' || has(self.window)").message("features[].window must be set for this function"),
    validation = Rule::new("!(self.function in ['Macd', 'MacdSignal', 'MacdHistogram']) || (has(self.fast) && has(self.slow) && self.fast < self.slow)").message("features[].fast and slow must be set with fast < slow for Macd functions"),
    validation = Rule::new("!(self.function in ['MacdSignal', 'MacdHistogram']) || has(self.signal)").message("features[].signal must be set for MacdSignal and MacdHistogram"),
    validation = Rule::new("!(self.function in ['BollingerUpper', 'BollingerLower', 'BollingerWidth', 'BollingerPercentB']) || has(self.deviations)").message("features[].deviations must be set for Bollinger functions"),
    validation = Rule::new("!(self.function in ['Volatility', 'ZScore', 'VolumeZScore', 'BollingerUpper', 'BollingerLower', 'BollingerWidth', 'BollingerPercentB']) || !has(self.window) || self.window >= 2").message("features[].window must be at least 2 for this function")
)]
pub struct FeatureSpec {
    /// Name, unique in the Pipeline; lower case letters, digits and `_`.
    #[schemars(length(min = 1, max = 48), regex(pattern = r"^[a-z][a-z0-9_]*$"))]
    pub name: String,
    /// What is computed.
    pub function: FeatureFunction,
    /// Window in sessions, 1 to 512.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 512))]
    pub window: Option<u32>,
    /// Fast window of the MACD functions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 512))]
    pub fast: Option<u32>,
    /// Slow window of the MACD functions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 2, max = 512))]
    pub slow: Option<u32>,
    /// Signal window of the MACD functions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 512))]
    pub signal: Option<u32>,
    /// Width of Bollinger bands in standard deviations, for example `"2"`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deviations: Option<Decimal>,
}

/// Feature functions. All read adjusted prices of one symbol up to the current bar.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum FeatureFunction {
    /// ln(close / previous close); no window.
    LogReturn,
    /// ln(close / close `window` sessions ago).
    LogReturnOver,
    /// close / close `window` sessions ago - 1.
    RateOfChange,
    /// Mean close of the last `window` sessions divided by close, minus 1.
    SmaRatio,
    /// Exponential mean of close (alpha = 2/(window+1)) divided by close, minus 1.
    EmaRatio,
    /// Sample standard deviation of the last `window` log returns.
    Volatility,
    /// (close - mean) / sample standard deviation of the last `window` closes; 0 when constant.
    ZScore,
    /// (mean + deviations * std) / close - 1 over `window` closes (population std).
    BollingerUpper,
    /// (mean - deviations * std) / close - 1.
    BollingerLower,
    /// (upper - lower) / mean.
    BollingerWidth,
    /// (close - lower) / (upper - lower); 0.5 when the band has no width.
    BollingerPercentB,
    /// (EMA fast - EMA slow) / close.
    Macd,
    /// EMA `signal` of Macd.
    MacdSignal,
    /// Macd - MacdSignal.
    MacdHistogram,
    /// Relative strength index after Wilder over `window`, 0 to 100; 50 when nothing moved.
    Rsi,
    /// (volume - mean) / sample standard deviation of the last `window` volumes; 0 when constant.
    /// A missing volume repeats the last known one.
    VolumeZScore,
    /// (high - low) / close averaged over `window`; a bar without high or low counts 0.
    RangeMean,
}

/// Training of one Pipeline.
#[derive(Serialize, Deserialize, KubeSchema, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct TrainingSpec {
    /// Model to serve.
    pub model: ModelSpec,
    /// What the model learns. Forecasts are served as closes either way.
    #[serde(default)]
    pub target: Target,
    /// Sessions ahead, 1 to 60; every step 1..=horizon is forecast.
    #[serde(default = "default_horizon")]
    #[schemars(range(min = 1, max = 60))]
    pub horizon: u32,
    /// Feature rows an Lstm looks at, 1 to 256; the other kinds use the last row.
    #[serde(default = "default_lookback")]
    #[schemars(range(min = 1, max = 256))]
    pub lookback: u32,
    /// Share of the newest training dates kept for validation, between 0.05 and 0.5.
    #[serde(default = "default_validation")]
    #[x_kube(validation = Rule::new("double(self) >= 0.05 && double(self) <= 0.5").message("training.validationFraction must be between 0.05 and 0.5"))]
    pub validation_fraction: Decimal,
    /// Train on at most this many newest sessions; everything when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 50, max = 100_000))]
    pub max_sessions: Option<u32>,
    /// Random seed.
    #[serde(default = "default_seed")]
    #[schemars(range(min = 0, max = 9007199254740991i64))]
    pub seed: u64,
    /// CPU and memory of the training pod.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resources: Option<ResourceRequirements>,
    /// A run that takes longer fails with reason DeadlineExceeded. 60 to 604800.
    #[serde(default = "default_deadline")]
    #[schemars(range(min = 60, max = 604_800))]
    pub active_deadline_seconds: i64,
    /// Retries of a failed training pod, 0 to 10. Configuration errors and OOM kills are not retried.
    #[serde(default = "default_backoff")]
    #[schemars(range(min = 0, max = 10))]
    pub backoff_limit: i32,
    /// Cron line (minute hour day month weekday) for trigger Schedule, for example `0 22 * * 5`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 9, max = 100), regex(pattern = r"^(\S+\s+){4}\S+$"))]
    pub schedule: Option<String>,
    /// Time zone of `schedule`, an IANA name.
    #[serde(default = "default_time_zone")]
    #[schemars(length(min = 1, max = 64))]
    pub time_zone: String,
}

/// Model kind and its parameters.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct ModelSpec {
    /// Kind to train and serve. The naive forecast is always evaluated beside it.
    pub kind: ModelKind,
    /// Ridge penalty of Linear, relative to the number of rows.
    #[serde(default = "default_ridge")]
    pub ridge: Decimal,
    /// Hidden units per layer of Mlp and Lstm, 1 to 1024.
    #[serde(default = "default_hidden")]
    #[schemars(range(min = 1, max = 1024))]
    pub hidden: u32,
    /// Passes over the training rows of Mlp and Lstm, 1 to 1000.
    #[serde(default = "default_epochs")]
    #[schemars(range(min = 1, max = 1000))]
    pub epochs: u32,
    /// Rows per gradient step, 1 to 65536.
    #[serde(default = "default_batch")]
    #[schemars(range(min = 1, max = 65_536))]
    pub batch_size: u32,
    /// Adam learning rate.
    #[serde(default = "default_learning_rate")]
    pub learning_rate: Decimal,
}

/// Model kinds.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum ModelKind {
    /// Every step equals the last close.
    Naive,
    /// Ridge regression, closed form.
    Linear,
    /// Two-layer perceptron on the last feature row.
    Mlp,
    /// Long short-term memory over `lookback` rows.
    Lstm,
}

/// Quantity a model is fitted to.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Target {
    /// Cumulative adjusted log return from the current close to each step.
    #[default]
    LogReturn,
    /// Relative change of the adjusted close to each step.
    Close,
}

/// Serving of one Pipeline.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase", default)]
#[schemars(extend("x-kubernetes-validations" = [{"rule": "self.minReplicas <= self.maxReplicas", "message": "serving.minReplicas must not be above serving.maxReplicas"}]))]
pub struct ServingSpec {
    /// Fewest predictor pods, 1 to 100.
    #[schemars(range(min = 1, max = 100))]
    pub min_replicas: i32,
    /// Most predictor pods, 1 to 100.
    #[schemars(range(min = 1, max = 100))]
    pub max_replicas: i32,
    /// What the autoscaler looks at.
    pub scale_metric: ScaleMetric,
    /// Average utilisation in percent of the request, 1 to 100.
    #[schemars(range(min = 1, max = 100))]
    pub scale_target: i32,
    /// Scaling behaviour, passed on to the HorizontalPodAutoscaler unchanged.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub behavior: Option<HorizontalPodAutoscalerBehavior>,
    /// Forecast cache.
    pub cache: CacheSpec,
    /// CPU and memory of a predictor pod.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub resources: Option<ResourceRequirements>,
}

impl Default for ServingSpec {
    fn default() -> Self {
        Self {
            min_replicas: 1,
            max_replicas: 3,
            scale_metric: ScaleMetric::Cpu,
            scale_target: 70,
            behavior: None,
            cache: CacheSpec::default(),
            resources: None,
        }
    }
}

/// Metric of the predictor autoscaler.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ScaleMetric {
    /// CPU utilisation.
    #[default]
    Cpu,
    /// Memory utilisation.
    Memory,
}

/// Where forecasts and feature rows are cached.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase", default)]
pub struct CacheSpec {
    /// Redis shared by the predictor pods; only the in-process cache when absent. Predictors
    /// serve without it when it is down.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub redis: Option<RedisSpec>,
    /// Time a cached forecast lives in Redis.
    pub ttl: DurationString,
}

impl Default for CacheSpec {
    fn default() -> Self {
        Self { redis: None, ttl: "1d".into() }
    }
}

/// Redis connection.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct RedisSpec {
    /// `redis://host:port` or `rediss://host:port`, without credentials.
    #[schemars(length(min = 10, max = 512), regex(pattern = r"^rediss?://[A-Za-z0-9.-]+(:[0-9]{1,5})?(/[0-9]{1,2})?$"))]
    pub url: String,
    /// Secret in this namespace with `password` and optional `username`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253))]
    pub secret_name: Option<String>,
}

/// Drift policy.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase", default)]
pub struct DriftSpec {
    /// Statistic per feature.
    pub metric: DriftMetric,
    /// `Calibrated`: the alarm level that gives `falseAlarmsPerYear` on the training data.
    /// Or a fixed number for the largest raw feature score, for example `"0.2"`; persistent
    /// features exceed such a number in nearly every window.
    #[schemars(length(min = 1, max = 16), regex(pattern = r"^(Calibrated|[0-9]+(\.[0-9]+)?)$"))]
    pub threshold: String,
    /// Alarms per year accepted while nothing changed, between 0.01 and 50.
    #[schemars(extend("x-kubernetes-validations" = [{"rule": "double(self) >= 0.01 && double(self) <= 50.0", "message": "drift.falseAlarmsPerYear must be between 0.01 and 50"}]))]
    pub false_alarms_per_year: Decimal,
    /// Sessions in the current window, 10 to 1000.
    #[schemars(range(min = 10, max = 1000))]
    pub window_sessions: u32,
    /// Features to watch, by name; all when empty.
    #[schemars(length(max = 64), inner(length(max = 48)))]
    pub features: Vec<String>,
}

impl Default for DriftSpec {
    fn default() -> Self {
        Self {
            metric: DriftMetric::Psi,
            threshold: "Calibrated".into(),
            false_alarms_per_year: "1".into(),
            window_sessions: 60,
            features: Vec::new(),
        }
    }
}

/// Drift statistic.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum DriftMetric {
    /// Population stability index over reference deciles.
    #[default]
    #[serde(rename = "PSI")]
    Psi,
    /// Kolmogorov-Smirnov distance against reference quantiles.
    #[serde(rename = "KS")]
    Ks,
}

/// When a new training run starts. The first run always starts when backfill is in the lake.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase", default)]
pub struct RetrainingSpec {
    /// Observations that start a run. The annotation `foresail.dev/retrain` (any new value)
    /// works always.
    #[schemars(length(max = 3))]
    pub triggers: Vec<RetrainTrigger>,
    /// Shortest time between the starts of two runs. Counted in event time during replay.
    pub cooldown: DurationString,
    /// Most runs per day, 1 to 100. Counted in event time during replay.
    #[schemars(range(min = 1, max = 100))]
    pub max_per_day: u32,
    /// Sessions to collect after an alarm before the run starts, 0 to 1000, so that the
    /// challenger has seen the new market.
    #[schemars(range(min = 0, max = 1000))]
    pub settle_sessions: u32,
}

impl Default for RetrainingSpec {
    fn default() -> Self {
        Self {
            triggers: vec![RetrainTrigger::Drift, RetrainTrigger::Performance],
            cooldown: "5d".into(),
            max_per_day: 1,
            settle_sessions: 0,
        }
    }
}

/// Observation that starts a training run.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum RetrainTrigger {
    /// Feature drift above the threshold.
    Drift,
    /// Realised error worse than naive beyond its confidence bound.
    Performance,
    /// `training.schedule`.
    Schedule,
}

/// When a challenger replaces the champion.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase", default)]
pub struct PromotionSpec {
    /// Automatic, or Manual: wait for `championVersion`.
    pub mode: PromotionMode,
    /// Newest sessions kept out of the challenger's training and used to compare it with the
    /// champion, 5 to 1000.
    #[schemars(range(min = 5, max = 1000))]
    pub gate_window_sessions: u32,
    /// Smallest relative RMSE improvement over the champion that promotes, for example `"0.01"` for 1 %.
    #[schemars(extend("x-kubernetes-validations" = [{"rule": "double(self) >= -1.0 && double(self) <= 1.0", "message": "promotion.minimumEffect must be between -1 and 1"}]))]
    pub minimum_effect: Decimal,
    /// Serve exactly this version, whatever the gate says. Remove it to go back to automatic.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1))]
    pub champion_version: Option<u32>,
}

impl Default for PromotionSpec {
    fn default() -> Self {
        Self {
            mode: PromotionMode::Automatic,
            gate_window_sessions: 40,
            minimum_effect: "0".into(),
            champion_version: None,
        }
    }
}

/// Who promotes.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum PromotionMode {
    /// The gate.
    #[default]
    Automatic,
    /// A person, by `championVersion`.
    Manual,
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
fn yes() -> bool {
    true
}
fn default_volatility() -> Decimal {
    "0.2".into()
}
fn default_clustering() -> Decimal {
    "0.5".into()
}
fn default_autocorrelation() -> Decimal {
    "0".into()
}
fn default_partitions() -> i32 {
    3
}
fn default_replication() -> i32 {
    1
}
fn default_horizon() -> u32 {
    5
}
fn default_lookback() -> u32 {
    30
}
fn default_validation() -> Decimal {
    "0.2".into()
}
fn default_seed() -> u64 {
    1
}
fn default_deadline() -> i64 {
    3600
}
fn default_backoff() -> i32 {
    2
}
fn default_time_zone() -> String {
    "UTC".into()
}
fn default_ridge() -> Decimal {
    "0.001".into()
}
fn default_hidden() -> u32 {
    32
}
fn default_epochs() -> u32 {
    20
}
fn default_batch() -> u32 {
    64
}
fn default_learning_rate() -> Decimal {
    "0.001".into()
}

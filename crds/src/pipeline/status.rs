//! What is observed. Each sub-object has one writer (its field manager is named in its comment);
//! workers report observations, the operator judges.

use foresail_domain::TradingCalendar;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use super::decision::{Action, Reason, Trigger};
use super::spec::{DriftMetric, FeatureSetSpec, ModelKind};
use crate::Decimal;
use crate::model_manifest::{GateResult, LeakGuardResult, RefusedBars};
use crate::worker_config::ServedVersion;

/// Observed state of a Pipeline.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase", default)]
pub struct PipelineStatus {
    /// Generation this status speaks for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// Ready, SourcesReady, FeaturesReady, TrainingHealthy, ServingReady, DataFresh; while they
    /// apply also Reconciling and Stalled.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["type"]))]
    pub conditions: Vec<Condition>,
    /// Version that answers requests. Written by foresail-operator.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub champion: Option<ServedVersion>,
    /// Version kept loaded for instant rollback. Written by foresail-operator.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub previous: Option<ServedVersion>,
    /// Last decision about training or promotion. Written by foresail-operator.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_decision: Option<Decision>,
    /// Training run in flight or last finished, as the operator started it. Written by foresail-operator.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub run: Option<RunRecord>,
    /// Version whose drift reference the monitor uses after a rejected challenger, so that the same
    /// alarm does not come again. Written by foresail-operator.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub drift_reference: Option<ServedVersion>,
    /// Start of the drift alarm that was announced as an Event. Written by foresail-operator.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub alarm_announced: Option<Time>,
    /// Value of the rollback annotation that was carried out. Written by foresail-operator.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rollback: Option<String>,
    /// Wall time the last successful run was recorded. Written by foresail-operator.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_trained_time: Option<Time>,
    /// Address of the predictor Service inside the cluster, `https` with `serving.tls`. Written by foresail-operator.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub serving_url: Option<String>,
    /// Written by foresail-prepare.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub prepare: Option<PrepareStatus>,
    /// Written by foresail-ingest.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ingest: Option<IngestStatus>,
    /// Written by foresail-lake.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lake: Option<LakeStatus>,
    /// Written by foresail-stream.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stream: Option<StreamStatus>,
    /// Written by foresail-train.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub training: Option<TrainingStatus>,
    /// Written by foresail-monitor.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub drift: Option<DriftStatus>,
    /// Written by foresail-monitor.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub performance: Option<PerformanceStatus>,
    /// Error of the monitor itself. Written by foresail-monitor.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub monitor_error: Option<WorkerError>,
}

/// Why something does not work, as the worker saw it.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct WorkerError {
    /// Who can mend it.
    pub class: ErrorClass,
    /// CamelCase reason, for example `S3AccessDenied`, `KafkaUnreachable`, `TopicRecreated`.
    #[schemars(length(max = 64))]
    pub reason: String,
    /// What failed, on which object, and what happens next.
    #[schemars(length(max = 1024))]
    pub message: String,
}

/// Who can mend an error.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ErrorClass {
    /// The declared configuration or data: a person edits it.
    User,
    /// A system outside Foresail: it is retried.
    Outside,
    /// A fault of Foresail: report it.
    Internal,
}

/// A decision of the operator.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct Decision {
    /// What was decided.
    pub action: Action,
    /// Why, in one word.
    pub reason: Reason,
    /// Sentence with the numbers.
    pub message: String,
    /// Wall time.
    pub time: Time,
}

/// The operator's own record of a training run: finished means result or failure is recorded here.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct RunRecord {
    /// Run identity.
    pub id: String,
    /// Why it started.
    pub trigger: Trigger,
    /// Attempt number of this trigger, from 0.
    #[schemars(range(min = 0))]
    pub attempt: u32,
    /// Delta version pinned.
    #[schemars(range(min = 0))]
    pub delta_version: u64,
    /// Newest event time in the lake when the run started, milliseconds UTC.
    pub event_time: i64,
    /// Wall time of the start.
    pub started_time: Time,
    /// `Running`, `Succeeded` or `Failed`.
    pub state: RunState,
    /// Version made from it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1))]
    pub version: Option<u32>,
    /// Value of the retrain annotation it consumed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub annotation: Option<String>,
    /// Hash of everything a model depends on.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub model_hash: String,
    /// Hash of everything a training run depends on, resources included.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub run_hash: String,
    /// Both hashes with a colon between them, as older operators wrote them. Read and not
    /// written; it stays in the schema because the API server drops what the schema lacks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub spec_hash: Option<String>,
    /// Failure, when it failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<WorkerError>,
    /// Starts of the last day of event time (milliseconds UTC), for maxPerDay.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 100))]
    pub recent_starts: Vec<i64>,
    /// Start of the newest drift alarm that a run has answered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub alarm_answered: Option<Time>,
    /// Event time from which a new version can be compared with the champion on sessions that neither has seen: a run
    /// starts then by itself. Present when there were too few.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub comparable_from: Option<Time>,
}

impl RunRecord {
    /// The record with both hashes in fields of their own, whichever release wrote it. Without
    /// this an upgrade of the operator would train every Pipeline again.
    pub fn with_separate_hashes(mut self) -> Self {
        if let Some(old) = self.spec_hash.take()
            && self.model_hash.is_empty()
        {
            let (model, run) = old.split_once(':').unwrap_or((&old, ""));
            self.model_hash = model.into();
            self.run_hash = run.into();
        }
        self
    }
}

/// State of a training run.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Copy, Debug, PartialEq, Eq)]
pub enum RunState {
    /// In flight.
    Running,
    /// Result recorded.
    Succeeded,
    /// Failure recorded.
    Failed,
}

/// Result of the prepare Job.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase", default)]
pub struct PrepareStatus {
    /// Config the probes ran with.
    pub config: String,
    /// Topics exist, S3 honours conditional writes, Kafka and Redis answer.
    pub complete: bool,
    /// What the beginning of the source looks like, when it is a CSV file.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source: Option<SourceSummary>,
    /// First failed probe.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<WorkerError>,
}

/// How the beginning of a CSV file, its first mebibyte, was read by prepare.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase", default)]
pub struct SourceSummary {
    /// How it is written, in words.
    #[schemars(length(max = 256))]
    pub dialect: String,
    /// Which fields of bars its columns have.
    #[schemars(length(max = 256))]
    pub columns: String,
    /// Its first row that has a date and a close.
    #[schemars(length(max = 256))]
    pub first_bar: String,
    /// Some of the symbols in it, by name.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16))]
    pub symbols: Vec<String>,
    /// Files that match `source.csv.uri`, when it names several; the first one is summarised.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0))]
    pub files: Option<u32>,
}

/// Progress of the ingest worker. rowsRead = rowsSent + rowsQuarantined + rowsUnchanged, always. The counts are of the
/// source as it reads now: they start over when rows that were read before have changed.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase", default)]
pub struct IngestStatus {
    /// Source rows committed to Kafka, good or refused.
    #[schemars(range(min = 0))]
    pub rows_read: u64,
    /// Bars sent.
    #[schemars(range(min = 0))]
    pub rows_sent: u64,
    /// Rows in quarantine.
    #[schemars(range(min = 0))]
    pub rows_quarantined: u64,
    /// Rows of bars up to the newest bar that was sent of their symbol before the source changed: not sent again.
    #[schemars(range(min = 0))]
    pub rows_unchanged: u64,
    /// Bars among those sent that correct one of before: the same session with a higher revision.
    #[schemars(range(min = 0))]
    pub rows_revised: u64,
    /// Bars among those sent whose session is older than the newest bar of their symbol then: they had been missing.
    #[schemars(range(min = 0))]
    pub rows_late: u64,
    /// Why rows of the source are in quarantine, the most frequent reason first.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16))]
    #[schemars(extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["reason"]))]
    pub refusals: Vec<RefusalCount>,
    /// Moves of the source that may be mistakes and were accepted.
    #[schemars(range(min = 0))]
    pub suspicious_moves: u64,
    /// The newest of these moves, the newest last. See `source.onSuspicion`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 8))]
    #[schemars(extend("x-kubernetes-list-type" = "atomic"))]
    pub suspicions: Vec<SuspiciousMove>,
    /// Bars of which high or low gave way to open or close in the last bits (a part in 10^12).
    #[schemars(range(min = 0))]
    pub clamped_bars: u64,
    /// Bars accepted without an open or a volume.
    #[schemars(range(min = 0))]
    pub missing_fields: u64,
    /// Newest bar sent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_event_time: Option<Time>,
    /// Bars of declared symbols in the source as it reads now, those with the fewest first; at most 64 of them.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64))]
    #[schemars(extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["symbol"]))]
    pub symbols: Vec<SymbolBars>,
    /// A calendar that has the days of the source, when more than one row in 50 is of a day that `spec.calendar` does not
    /// have.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fitting_calendar: Option<TradingCalendar>,
    /// Files of a source that names several.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub files: Option<SourceFiles>,
    /// What was asked of a provider.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub provider: Option<ProviderState>,
    /// Every row of the backfill range is committed.
    pub backfill_complete: bool,
    /// Every row of the source as it is now is committed. A source that is looked at again may have more tomorrow.
    pub source_complete: bool,
    /// Wall time of the newest record that was made of a row: since then the source has had nothing new.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_news_time: Option<Time>,
    /// Error, while there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<WorkerError>,
}

/// Rows that were refused for one reason.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct RefusalCount {
    /// CamelCase reason, as in the records of the quarantine.
    #[schemars(length(max = 64))]
    pub reason: String,
    /// Rows of the source.
    #[schemars(range(min = 0))]
    pub rows: u64,
    /// One of them: its line in the file, the value and what was expected, cut at 80 characters; bytes that are no text
    /// in hexadecimal.
    #[schemars(length(max = 80))]
    pub example: String,
}

/// Bars of one declared symbol.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct SymbolBars {
    /// Instrument code.
    #[schemars(length(max = 64))]
    pub symbol: String,
    /// Good bars of it.
    #[schemars(range(min = 0))]
    pub bars: u64,
    /// The symbol of the source that may be meant, when there is no bar.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64))]
    pub nearest: Option<String>,
}

/// What was asked of a provider of market data, and what is not there.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase", default)]
pub struct ProviderState {
    /// Answers received since the worker started.
    #[schemars(range(min = 0))]
    pub answers: u64,
    /// Entries of answers that hold no bar (days without a price, repetitions), since the worker started. They are not among
    /// the rows read.
    #[schemars(range(min = 0))]
    pub entries_without_bar: u64,
    /// Sessions between the first and the newest bar of a symbol that have no bar and are asked for again, three times, with
    /// growing pauses.
    #[schemars(range(min = 0))]
    pub sessions_asked_again: u64,
    /// Those that have no bar after that: nobody traded in them, as far as the provider knows.
    #[schemars(range(min = 0))]
    pub sessions_without_bar: u64,
    /// Bars that were sent and that the provider no longer has, as far as its answers since the worker started tell. They stay.
    #[schemars(range(min = 0))]
    pub no_longer_sent: u64,
    /// Symbols whose past bars the provider has multiplied by one factor without a split that explains it, as of its last
    /// answer. These are not taken for corrections; at most 16 of them.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16), inner(length(max = 64)))]
    #[schemars(extend("x-kubernetes-list-type" = "set"))]
    pub restated: Vec<String>,
    /// What the annotation `foresail.dev/refetch` asks for, while it is there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub refetch: Option<RefetchState>,
    /// When the provider is asked next.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_attempt: Option<Time>,
    /// The accounts that the source names, the one of `source.provider` first, when there are several.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 4))]
    #[schemars(extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["account"]))]
    pub accounts: Vec<AccountState>,
    /// What became of bars that the account of `source.quorum` is to confirm.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub quorum: Option<QuorumState>,
    /// Declared symbols whose newest expected bar is not there, and why; at most 16 of them.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16))]
    #[schemars(extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["symbol"]))]
    pub missing: Vec<MissingSymbol>,
}

/// What came from one of several accounts of a source.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct AccountState {
    /// Its name.
    #[schemars(length(max = 63))]
    pub account: String,
    /// Answers received from it since the worker started.
    #[schemars(range(min = 0))]
    pub answers: u64,
    /// Bars that were taken from it since the worker started.
    #[schemars(range(min = 0))]
    pub bars: u64,
    /// Declared symbols whose newest bar is from it, in place of an account before it.
    #[schemars(range(min = 0))]
    pub standing_in: u32,
    /// CamelCase reason why it could not be asked when it was to be last, such as `QuotaExhausted`; absent when it could.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64))]
    pub reason: Option<String>,
    /// What keeps it from being asked, and what happens next.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 256))]
    pub message: Option<String>,
}

/// What became of bars that a second account is to confirm, since the worker started.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase", default)]
pub struct QuorumState {
    /// Bars that it has confirmed.
    #[schemars(range(min = 0))]
    pub confirmed: u64,
    /// Bars that were sent without it, since it has none of their session, or could not be asked in time.
    #[schemars(range(min = 0))]
    pub unconfirmed: u64,
    /// Sessions of which the two differ now; their bars are in quarantine as `SourcesDiffer`.
    #[schemars(range(min = 0))]
    pub differing: u64,
}

/// How far the annotation `foresail.dev/refetch` was followed.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase", default)]
pub struct RefetchState {
    /// Its value.
    #[schemars(length(max = 1024))]
    pub asked: String,
    /// Symbols that are still to be read again; 0 when all were. The annotation may be removed then.
    #[schemars(range(min = 0))]
    pub left: u32,
}

/// A declared symbol whose newest expected bar is not there.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct MissingSymbol {
    /// Instrument code.
    #[schemars(length(max = 64))]
    pub symbol: String,
    /// CamelCase reason: what the last answer was, such as `BadSymbol`, `Empty` or `NotEntitled`.
    #[schemars(length(max = 64))]
    pub reason: String,
    /// What happens next, and who can do something.
    #[schemars(length(max = 256))]
    pub message: String,
}

/// What became of the files of a source that names several with `*`.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase", default)]
pub struct SourceFiles {
    /// Files that match.
    #[schemars(range(min = 0))]
    pub found: u32,
    /// Those that cannot be read as a table. The others are read without them.
    #[schemars(range(min = 0))]
    pub refused: u32,
    /// The first of these.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 8))]
    #[schemars(extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["name"]))]
    pub examples: Vec<RefusedFile>,
}

/// A file that cannot be read as a table.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct RefusedFile {
    /// Its key below the bucket.
    #[schemars(length(max = 256))]
    pub name: String,
    /// CamelCase reason, as for a source of one file.
    #[schemars(length(max = 64))]
    pub reason: String,
    /// What is wrong with it.
    #[schemars(length(max = 512))]
    pub message: String,
}

/// A move between two bars that may be a mistake of the source.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct SuspiciousMove {
    /// `SuspectedSplit`, `SuspectedUnit` or `PriceJump`.
    #[schemars(length(max = 64))]
    pub reason: String,
    /// Symbol, both dates and both prices in a sentence.
    #[schemars(length(max = 256))]
    pub message: String,
}

/// Progress of the lake sink.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase", default)]
pub struct LakeStatus {
    /// Newest Delta table version.
    #[schemars(range(min = 0))]
    pub version: u64,
    /// Bars in it.
    #[schemars(range(min = 0))]
    pub rows: u64,
    /// Records of the bars topic that Kafka had removed before they could be stored, at most: marks that Kafka writes
    /// itself count with them.
    #[schemars(range(min = 0))]
    pub lost_records: u64,
    /// Newest bar in it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_event_time: Option<Time>,
    /// Bars that were revised after they were stored, by the table version that holds the revisions, as far as they can
    /// concern a version: of two entries the later one stands for both when it reaches back as far. At most 8.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 8))]
    #[schemars(extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["deltaVersion"]))]
    pub revised: Vec<RevisedBars>,
    /// Error, while there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<WorkerError>,
}

/// Bars that were revised after they were stored.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct RevisedBars {
    /// First Delta table version that holds all of these revisions.
    #[schemars(range(min = 0))]
    pub delta_version: u64,
    /// Oldest bar among them.
    pub first_event_time: Time,
    /// Revisions, those of the entries this one stands for included.
    #[schemars(range(min = 0))]
    pub bars: u64,
    /// When the newest of them was ingested.
    pub last_ingested_time: Time,
}

/// Progress of the stream worker.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase", default)]
pub struct StreamStatus {
    /// Bars consumed since the start of the topic.
    #[schemars(range(min = 0))]
    pub bars: u64,
    /// Feature rows produced.
    #[schemars(range(min = 0))]
    pub rows: u64,
    /// Records of the bars topic that Kafka had removed before they could be used, at most: marks that Kafka writes
    /// itself count with them.
    #[schemars(range(min = 0))]
    pub lost_records: u64,
    /// Feature-set fingerprint.
    pub fingerprint: String,
    /// Newest feature row.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_event_time: Option<Time>,
    /// Error, while there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<WorkerError>,
}

/// Progress and result of the training run, as the trainer reports it.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase", default)]
pub struct TrainingStatus {
    /// Run it speaks of.
    pub run_id: String,
    /// 0 to 100.
    #[schemars(range(min = 0, max = 100))]
    pub progress_percentage: u32,
    /// Seconds until the model is fitted, from the pace of the fits so far; absent before a tenth of them is done, and
    /// after them.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0))]
    pub estimated_remaining_seconds: Option<u64>,
    /// What the trainer is doing.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub stage: String,
    /// Named numbers of the run so far.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["name"]))]
    pub metrics: Vec<NamedNumber>,
    /// Wall time of this report.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_updated_time: Option<Time>,
    /// Result, once the manifest is written.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub result: Option<TrainingResult>,
    /// Error that ended the run.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<WorkerError>,
}

/// A named decimal.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, PartialEq, Eq)]
pub struct NamedNumber {
    /// Metric or feature.
    #[schemars(length(max = 64))]
    pub name: String,
    /// Rounded to six decimals.
    pub value: Decimal,
}

/// What a finished run hands to the operator.
#[derive(Serialize, Deserialize, KubeSchema, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct TrainingResult {
    /// `s3://bucket/key` of the manifest.
    pub manifest_uri: String,
    /// Hex SHA-256 of the manifest bytes.
    pub manifest_sha256: String,
    /// Delta version read.
    #[schemars(range(min = 0))]
    pub delta_version: u64,
    /// Last row whose label was used.
    pub trained_through: Time,
    /// Feature-set fingerprint.
    pub fingerprint: String,
    /// Features it was trained on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub feature_set: Option<FeatureSetSpec>,
    /// Model kind.
    pub kind: ModelKind,
    /// Validation metrics: `rmse`, `mae`, `mase`, `directionalAccuracy`, `naiveRmse`, ...
    #[serde(default)]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["name".into()]))]
    pub metrics: Vec<NamedNumber>,
    /// Comparison with the champion; absent for a first version.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gate: Option<GateResult>,
    /// Bars, in time, of the gate window that the champion had not seen in training, when they were too few to compare on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0))]
    pub unseen_sessions: Option<u32>,
    /// What the leak guard found. A version whose guard failed is rejected.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub leak_guard: Option<LeakGuardResult>,
    /// Bars of the lake that no feature could be computed with, and rows that reach over a gap, by reason: both were left out.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 8))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["reason".into()]))]
    pub refused_bars: Vec<RefusedBars>,
}

/// Drift of live features against the reference of a version.
#[derive(Serialize, Deserialize, KubeSchema, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct DriftStatus {
    /// Version whose reference was used.
    #[schemars(range(min = 1))]
    pub model_version: u32,
    /// Statistic.
    pub metric: DriftMetric,
    /// Combined score of the newest full window.
    pub score: Decimal,
    /// Alarm level.
    pub threshold: Decimal,
    /// Score above threshold.
    pub alarm: bool,
    /// First window end of the present alarm.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub alarm_since: Option<Time>,
    /// Bars, in time, since the alarm was first raised.
    #[serde(default)]
    #[schemars(range(min = 0))]
    pub sessions_since_alarm: u32,
    /// Longest alarm against this version's reference, ended or not. It is answered although it
    /// has ended: replay or a late start can carry a whole alarm past between two reconciles.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub longest_alarm: Option<AlarmEpisode>,
    /// Event time of the newest session in the window.
    pub window_end_time: Time,
    /// Watched features, largest value first.
    #[serde(default)]
    #[schemars(length(max = 64))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["name".into()]))]
    pub features: Vec<FeatureDrift>,
}

/// Drift of one feature in the newest full window.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, PartialEq, Eq)]
pub struct FeatureDrift {
    /// Feature.
    #[schemars(length(max = 64))]
    pub name: String,
    /// What is compared with `threshold`: the statistic of `metric`, for a calibrated level divided by its 95 % point
    /// on the training data. The largest is `score`.
    pub value: Decimal,
    /// Population stability index over the deciles of the reference, whatever `metric` is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub psi: Option<Decimal>,
    /// Kolmogorov-Smirnov distance from the quantiles of the reference, 0 to 1, whatever `metric` is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ks: Option<Decimal>,
}

/// A drift alarm from its start to its end.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct AlarmEpisode {
    /// First window end above the level.
    pub since: Time,
    /// Bars, in time, after that while the alarm held.
    #[schemars(range(min = 0))]
    pub sessions: u32,
}

/// Realised error of the champion's matured canonical forecasts.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct PerformanceStatus {
    /// Version measured.
    #[schemars(range(min = 1))]
    pub model_version: u32,
    /// Labels are known up to forecasts made at this time.
    pub matured_through: Time,
    /// Forecast dates in the window.
    #[schemars(range(min = 0))]
    pub dates: u32,
    /// RMSE of the champion, relative to price.
    pub rmse: Decimal,
    /// RMSE of the naive forecast.
    pub naive_rmse: Decimal,
    /// Lower 95 % bound of the mean loss difference champion - naive, divided by the naive loss;
    /// above zero the champion is worse than naive beyond chance.
    pub excess_lower_bound: Decimal,
    /// `excessLowerBound` > 0.
    pub worse_than_naive: bool,
    /// First time it was worse, while it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub worse_since: Option<Time>,
    /// Bars, in time, since then.
    #[serde(default)]
    #[schemars(range(min = 0))]
    pub sessions_since_worse: u32,
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn record(hashes: serde_json::Value) -> RunRecord {
        let mut value = json!({
            "id": "r1", "trigger": "SpecChanged", "attempt": 0, "deltaVersion": 3, "eventTime": 0,
            "startedTime": "2026-01-01T00:00:00Z", "state": "Succeeded"
        });
        for (key, hash) in hashes.as_object().unwrap() {
            value[key] = hash.clone();
        }
        serde_json::from_value(value).unwrap()
    }

    #[test]
    fn both_forms_of_the_hashes_are_read_and_only_the_new_one_is_written() {
        let new = json!({"modelHash": "0011aabb", "runHash": "2233ccdd"});
        for form in [json!({"specHash": "0011aabb:2233ccdd"}), new] {
            let record = record(form).with_separate_hashes();
            assert_eq!(
                (record.model_hash.as_str(), record.run_hash.as_str()),
                ("0011aabb", "2233ccdd")
            );
            let written = serde_json::to_value(&record).unwrap();
            assert!(written.get("specHash").is_none(), "{written}");
        }
    }

    #[test]
    fn an_unknown_word_is_refused_and_not_taken_for_another() {
        let decision = |action: &str| {
            json!({
                "action": action, "reason": "Initial", "message": "m", "time": "2026-01-01T00:00:00Z"
            })
        };
        assert!(serde_json::from_value::<Decision>(decision("ModelPromoted")).is_ok());
        assert!(serde_json::from_value::<Decision>(decision("ModelBlessed")).is_err());
    }
}

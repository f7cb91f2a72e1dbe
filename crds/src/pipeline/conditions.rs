//! The condition types and annotations of a Pipeline. None whose False means healthy, except
//! the kstatus pair, which is removed rather than set to False.

/// Summary.
pub const READY: &str = "Ready";
/// Bars arrive.
pub const SOURCES_READY: &str = "SourcesReady";
/// Feature rows are produced.
pub const FEATURES_READY: &str = "FeaturesReady";
/// The last training run succeeded, or none was needed yet.
pub const TRAINING_HEALTHY: &str = "TrainingHealthy";
/// A champion answers requests.
pub const SERVING_READY: &str = "ServingReady";
/// Lake and features keep up with ingest (at most three sessions behind, in a replay 20 seconds of it more), and ingest with
/// the clock: at most `source.staleAfterSessions` sessions of the calendar have ended since the newest bar.
pub const DATA_FRESH: &str = "DataFresh";
/// kstatus: moving towards the declared state; removed otherwise.
pub const RECONCILING: &str = "Reconciling";
/// kstatus: a person must act; removed otherwise.
pub const STALLED: &str = "Stalled";

/// Any new value starts a training run.
pub const RETRAIN_ANNOTATION: &str = "foresail.dev/retrain";
/// Any new value puts the previous champion back.
pub const ROLLBACK_ANNOTATION: &str = "foresail.dev/rollback";
/// Sessions that are read again from the provider, once for each new value: `AAPL 2024-01-01..2024-03-31`, several by comma.
pub const REFETCH_ANNOTATION: &str = "foresail.dev/refetch";
/// Finalizer, present only while `deletionPolicy` asks to remove something outside the cluster.
pub const CLEANUP_FINALIZER: &str = "foresail.dev/cleanup";

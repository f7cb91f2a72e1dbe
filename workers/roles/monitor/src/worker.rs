//! The IO loop: waits for a champion, loads it, reads the predictions topic, and the features topic from before the
//! champion's and the reference's training ended, then follows. A failure, another champion or another drift reference ends
//! the connection; the next one arrives at the same state from Kafka alone.

use std::time::Duration;

use foresail_crds::Role;
use foresail_crds::names::Topics;
use foresail_crds::pipeline::status::WorkerError;
use foresail_crds::records::{FeatureRecord, header};
use foresail_crds::worker_config::{MonitorConfig, ServedVersion, ServingConfig};
use foresail_drift::DriftPolicy;
use foresail_runtime_base::{
    Connecting, RoleContext, RoleError, Supervised, spawn_blocking, supervise,
};
use foresail_runtime_kafka::{Message, Reader, Record, Settings, TransactionalProducer};
use foresail_runtime_store::Store;
use tokio::sync::watch::Receiver;

use crate::beginning::{self, Past};
use crate::drift_tracker::DriftTracker;
use crate::engine::MonitorEngine;
use crate::forecast_tracker::ForecastTracker;
use crate::metrics::Metrics;
use crate::session_watermark::Reading;
use crate::status::MonitorStatus;
use crate::{champion, history};

/// Most feature rows handled together.
const BATCH: usize = 256;
/// Longest wait for rows before the loop does anything else.
const WAIT: Duration = Duration::from_millis(200);

/// Runs until shutdown.
///
/// # Errors
/// A drift policy that cannot be, or the admin port in use. Failures of Kafka and S3 are
/// reported in status and waited out.
pub async fn run(
    context: RoleContext<MonitorConfig, MonitorStatus>,
    serving: Receiver<ServingConfig>,
) -> Result<(), RoleError> {
    let policy = DriftPolicy::try_from(&context.config.drift).map_err(|e| {
        RoleError::user(
            "InvalidDriftPolicy",
            format!("spec.drift: {e}; correct the spec"),
        )
    })?;
    let worker = Worker {
        topics: context.config.topics(),
        metrics: Metrics::new(&context.registry),
        policy,
        serving,
        context,
    };
    supervise(&worker, &worker.context).await
}

struct Worker {
    context: RoleContext<MonitorConfig, MonitorStatus>,
    topics: Topics,
    policy: DriftPolicy,
    serving: Receiver<ServingConfig>,
    metrics: Metrics,
}

/// What a connection is made for; another target needs another connection.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Target {
    champion: ServedVersion,
    reference: ServedVersion,
}

impl Target {
    fn from_serving(serving: &ServingConfig) -> Option<Self> {
        let champion = serving.champion.clone()?;
        Some(Self {
            reference: serving
                .drift_reference
                .clone()
                .unwrap_or_else(|| champion.clone()),
            champion,
        })
    }
}

/// An open connection to Kafka, and everything that was read through it.
struct Connection {
    producer: TransactionalProducer,
    reader: Reader,
    engine: MonitorEngine,
    reading: Reading,
    /// Why drift is not watched.
    policy_mismatch: Option<WorkerError>,
}

impl Supervised for Worker {
    type Status = MonitorStatus;

    /// Nobody waits for the monitor, and without a champion it waits itself.
    const STAYS_READY: bool = true;

    /// Follows one target; returns at shutdown or when the target has changed.
    async fn run_connected(&self, connecting: &Connecting<'_>) -> Result<(), RoleError> {
        connecting.ready();
        let mut serving = self.serving.clone();
        let Some(target) = self.wait_for_target(&mut serving).await else {
            return Ok(());
        };
        let mut connection = self.open(&target).await?;
        connecting.succeeded();
        while !self.context.shutdown.is_cancelled() {
            let wanted = Target::from_serving(&serving.borrow_and_update());
            if wanted.is_some_and(|wanted| wanted != target) {
                tracing::info!("champion or drift reference has changed");
                return Ok(());
            }
            let messages = connection.reader.next_batch(BATCH, WAIT).await?;
            connection.reading = match (connection.reading, messages.is_empty()) {
                (Reading::History, _) if !connection.reader.caught_up() => Reading::History,
                (_, true) => Reading::Quiet,
                (_, false) => Reading::Busy,
            };
            connection = self.advance(connection, messages).await?;
            if connection.reading != Reading::History {
                self.observe(&connection);
            }
        }
        Ok(())
    }

    fn connection_failed(&self) {
        self.metrics.connections_failed.inc();
    }
}

impl Worker {
    async fn wait_for_target(&self, serving: &mut Receiver<ServingConfig>) -> Option<Target> {
        loop {
            if let Some(target) = Target::from_serving(&serving.borrow_and_update()) {
                return Some(target);
            }
            tokio::select! {
                changed = serving.changed() => if changed.is_err() {
                    // Nobody follows the versions any more: there is nothing to do but to end with the others.
                    self.context.shutdown.cancelled().await;
                    return None;
                },
                () = self.context.shutdown.cancelled() => return None,
            }
        }
    }

    async fn open(&self, target: &Target) -> Result<Connection, RoleError> {
        let store = Store::of_lake(&self.context.config.lake, &self.context.outside)?;
        // Whatever features it reads: rows of other ones are left alone.
        let loaded = foresail_artifacts::load(&store, &target.champion).await?;
        let reference = if target.reference == target.champion {
            loaded.manifest.clone()
        } else {
            foresail_artifacts::manifest(&store, &target.reference).await?
        };
        let champion = champion::champion(target.champion.version, loaded);
        let symbols = self.context.config.symbols();
        let each = self.context.config.bars_per_session;
        let drift = DriftTracker::new(
            target.reference.version,
            &reference,
            self.policy.clone(),
            &symbols,
        );
        let (drift, policy_mismatch) = match drift {
            Ok(tracker) => (Some(tracker.of_bars(each)), None),
            Err(error) => {
                let message = format!("drift is not watched: {error}");
                (None, Some(RoleError::user("DriftPolicyMismatch", message)))
            }
        };
        let settings = Settings::new(&self.context.config.kafka, &self.context.outside)?;
        let identity = self.context.config.pipeline.kafka_identity(Role::Monitor);
        // First fence off older instances: what is read after it can no longer change.
        let producer = TransactionalProducer::open(&settings, &identity).await?;
        let version = champion.version;
        let pasts = [
            Past {
                fingerprint: champion.fingerprint.clone(),
                after: champion.trained_through,
                rows: champion.forecaster.lookback().max(1),
            },
            Past {
                fingerprint: reference.fingerprint.clone(),
                after: reference.data.trained_through,
                rows: 1,
            },
        ];
        let predicted = history::read(&settings, &self.topics.predictions, version).await?;
        let window = self.policy.window_sessions;
        let forecasts = ForecastTracker::new(champion, predicted, &symbols, window).of_bars(each);
        let features = &self.topics.features;
        let start = beginning::find(&settings, features, &symbols, &pasts).await?;
        let reader = Reader::open(&settings, features, start).await?;
        tracing::info!(
            version,
            reference = target.reference.version,
            "connection open"
        );
        Ok(Connection {
            producer,
            reader,
            engine: MonitorEngine::new(forecasts, drift, &symbols),
            reading: Reading::History,
            policy_mismatch: policy_mismatch.map(|error| error.to_worker_error()),
        })
    }

    /// Runs the engine over one batch, off the async threads since models compute, and commits
    /// the forecasts.
    async fn advance(
        &self,
        mut connection: Connection,
        messages: Vec<Message>,
    ) -> Result<Connection, RoleError> {
        self.metrics.rows.inc_by(messages.len() as u64);
        let (topic, reading) = (self.topics.predictions.clone(), connection.reading);
        let mut engine = connection.engine;
        let work = move || {
            let records = forecast(&mut engine, &topic, &messages);
            engine.settle(reading);
            (engine, records)
        };
        let done = spawn_blocking(work).await;
        let (engine, records) =
            done.map_err(|e| RoleError::internal("MonitorPanicked", e.to_string()))?;
        connection.engine = engine;
        if !records.is_empty() {
            let count = records.len() as u64;
            connection.producer.commit(records).await?;
            self.metrics.predictions.inc_by(count);
        }
        Ok(connection)
    }

    /// Shows what is known, once the whole history is read: half of it would show the past as
    /// the present.
    fn observe(&self, connection: &Connection) {
        let engine = &connection.engine;
        self.metrics
            .show_drift(engine.drift.as_ref().and_then(DriftTracker::latest));
        self.metrics.show_performance(engine.forecasts.latest());
        let failures = engine.forecasts.failures();
        let failures = i64::try_from(failures).unwrap_or(i64::MAX);
        self.metrics.failed.set(failures);
        self.context.reporter.update(|status| {
            *status = MonitorStatus::from_engine(engine, self.policy.metric);
            if connection.policy_mismatch.is_some() {
                status.monitor_error.clone_from(&connection.policy_mismatch);
            }
        });
    }
}

fn forecast(engine: &mut MonitorEngine, topic: &str, messages: &[Message]) -> Vec<Record> {
    let mut records = Vec::new();
    for message in messages {
        let Some(fingerprint) = message.header(header::FINGERPRINT) else {
            continue;
        };
        let row: FeatureRecord = match serde_json::from_slice(&message.value) {
            Ok(row) => row,
            Err(error) => {
                tracing::warn!(offset = message.offset, %error, "feature row cannot be read");
                continue;
            }
        };
        if let Some(prediction) = engine.push(fingerprint, &row) {
            records.push(history::record(topic, message, &prediction));
        }
    }
    records
}

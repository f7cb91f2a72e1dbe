//! The IO loop: waits for a champion, loads it, reads the predictions and features topics from
//! their beginning, then follows. A failure, another champion or another drift reference ends
//! the session; the next one arrives at the same state from Kafka alone.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use foresail_crds::Role;
use foresail_crds::names::Topics;
use foresail_crds::pipeline::status::WorkerError;
use foresail_crds::records::{FeatureRecord, header};
use foresail_crds::role::ADMIN_PORT;
use foresail_crds::worker_config::{ServedVersion, ServingConfig, WorkerConfig};
use foresail_drift::DriftPolicy;
use foresail_runtime_base::retry::Backoff;
use foresail_runtime_base::{Health, RoleError, Shutdown, admin};
use foresail_runtime_cluster::{StatusReporter, serving};
use foresail_runtime_kafka::{Message, Reader, Record, Settings, Start, TransactionalProducer};
use foresail_runtime_store::Store;
use tokio::sync::watch::Receiver;

use crate::drift_tracker::DriftTracker;
use crate::engine::MonitorEngine;
use crate::forecast_tracker::ForecastTracker;
use crate::session_watermark::Reading;
use crate::status::MonitorStatus;
use crate::{champion, history, metrics};

/// Most feature rows handled together.
const BATCH: usize = 256;
/// Longest wait for rows before the loop does anything else.
const WAIT: Duration = Duration::from_millis(200);

/// Runs until shutdown.
///
/// # Errors
/// A drift policy that cannot be, or the admin port in use. Failures of Kafka and S3 are
/// reported in status and waited out.
pub async fn run(config: WorkerConfig, shutdown: Shutdown) -> Result<(), RoleError> {
    let serving = serving::watch(&config.pipeline, shutdown.clone());
    let bind = (Ipv4Addr::UNSPECIFIED, ADMIN_PORT).into();
    run_on(config, shutdown, serving, bind).await
}

/// As [`run`], with a serving configuration from elsewhere and another admin address.
///
/// # Errors
/// As [`run`].
pub async fn run_on(
    config: WorkerConfig,
    shutdown: Shutdown,
    serving: Receiver<ServingConfig>,
    bind: SocketAddr,
) -> Result<(), RoleError> {
    let policy = DriftPolicy::try_from(&config.drift).map_err(|e| {
        RoleError::user(
            "InvalidDriftPolicy",
            format!("spec.drift: {e}; correct the spec"),
        )
    })?;
    let health = Health::new();
    admin::serve(bind, health.clone(), shutdown.clone()).await?;
    let worker = Worker {
        topics: config.topics(),
        policy,
        serving,
        reporter: StatusReporter::start(&config.pipeline, Role::Monitor, shutdown.clone()),
        status: Mutex::default(),
        health,
        config,
        shutdown,
    };
    let mut backoff = Backoff::new(Duration::from_millis(500), Duration::from_secs(10));
    while !worker.shutdown.is_cancelled() {
        let Err(error) = worker.session(&mut backoff).await else {
            continue;
        };
        metrics::SESSIONS_FAILED.inc();
        tracing::error!(
            reason = error.reason,
            message = error.message,
            "session failed"
        );
        let monitor_error = Some(error.to_worker_error());
        worker.report(|status| status.monitor_error = monitor_error);
        backoff.wait(&worker.shutdown).await;
    }
    worker.reporter.flush().await;
    Ok(())
}

struct Worker {
    config: WorkerConfig,
    topics: Topics,
    policy: DriftPolicy,
    serving: Receiver<ServingConfig>,
    reporter: StatusReporter<MonitorStatus>,
    status: Mutex<MonitorStatus>,
    health: Health,
    shutdown: Shutdown,
}

/// What a session is made for; another target needs another session.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Target {
    champion: ServedVersion,
    reference: ServedVersion,
}

impl Target {
    fn of(serving: &ServingConfig) -> Option<Self> {
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

struct Session {
    producer: TransactionalProducer,
    reader: Reader,
    engine: MonitorEngine,
    reading: Reading,
    /// Why drift is not watched.
    policy_mismatch: Option<WorkerError>,
}

impl Worker {
    /// Follows one target; returns at shutdown or when the target has changed.
    async fn session(&self, backoff: &mut Backoff) -> Result<(), RoleError> {
        self.health.set_ready(true);
        let mut serving = self.serving.clone();
        let Some(target) = self.wait_for_target(&mut serving).await else {
            return Ok(());
        };
        let mut session = self.open(&target).await?;
        backoff.reset();
        while !self.shutdown.is_cancelled() {
            let wanted = Target::of(&serving.borrow_and_update());
            if wanted.is_some_and(|wanted| wanted != target) {
                tracing::info!("champion or drift reference has changed");
                return Ok(());
            }
            let messages = session.reader.next_batch(BATCH, WAIT).await?;
            session.reading = match (session.reading, messages.is_empty()) {
                (Reading::History, _) if !session.reader.caught_up() => Reading::History,
                (_, true) => Reading::Quiet,
                (_, false) => Reading::Busy,
            };
            session = self.advance(session, messages).await?;
            if session.reading != Reading::History {
                self.observe(&session);
            }
        }
        Ok(())
    }

    async fn wait_for_target(&self, serving: &mut Receiver<ServingConfig>) -> Option<Target> {
        loop {
            if let Some(target) = Target::of(&serving.borrow_and_update()) {
                return Some(target);
            }
            tokio::select! {
                changed = serving.changed() => changed.ok()?,
                () = self.shutdown.cancelled() => return None,
            }
        }
    }

    async fn open(&self, target: &Target) -> Result<Session, RoleError> {
        let store = Store::of_lake(&self.config.lake)?;
        // Whatever features it reads: rows of other ones are left alone.
        let loaded = foresail_artifacts::load(&store, &target.champion, None).await?;
        let reference = if target.reference == target.champion {
            loaded.manifest.clone()
        } else {
            foresail_artifacts::manifest(&store, &target.reference).await?
        };
        let champion = champion::champion(target.champion.version, loaded);
        let symbols = self.config.symbols();
        let drift = DriftTracker::new(
            target.reference.version,
            &reference,
            self.policy.clone(),
            &symbols,
        );
        let (drift, policy_mismatch) = match drift {
            Ok(tracker) => (Some(tracker), None),
            Err(error) => {
                let message = format!("drift is not watched: {error}");
                (None, Some(RoleError::user("DriftPolicyMisfit", message)))
            }
        };
        let settings = Settings::new(&self.config.kafka)?;
        let identity = self.config.pipeline.kafka_identity(Role::Monitor);
        // First fence off older instances: what is read after it can no longer change.
        let producer = TransactionalProducer::open(&settings, &identity).await?;
        let version = champion.version;
        let predicted = history::read(&settings, &self.topics.predictions, version).await?;
        let window = self.policy.window_sessions;
        let forecasts = ForecastTracker::new(champion, predicted, &symbols, window);
        let reader = Reader::open(&settings, &self.topics.features, Start::Beginning).await?;
        tracing::info!(
            version,
            reference = target.reference.version,
            "session open"
        );
        Ok(Session {
            producer,
            reader,
            engine: MonitorEngine { forecasts, drift },
            reading: Reading::History,
            policy_mismatch: policy_mismatch.map(|error| error.to_worker_error()),
        })
    }

    /// Runs the engine over one batch, off the async threads since models compute, and commits
    /// the forecasts.
    async fn advance(
        &self,
        mut session: Session,
        messages: Vec<Message>,
    ) -> Result<Session, RoleError> {
        metrics::ROWS.inc_by(messages.len() as u64);
        let (topic, reading) = (self.topics.predictions.clone(), session.reading);
        let mut engine = session.engine;
        let work = move || {
            let records = forecast(&mut engine, &topic, &messages);
            engine.settle(reading);
            (engine, records)
        };
        let done = tokio::task::spawn_blocking(work).await;
        let (engine, records) =
            done.map_err(|e| RoleError::internal("MonitorPanicked", e.to_string()))?;
        session.engine = engine;
        if !records.is_empty() {
            let count = records.len() as u64;
            session.producer.commit(records).await?;
            metrics::PREDICTIONS.inc_by(count);
        }
        Ok(session)
    }

    /// Shows what is known, once the whole history is read: half of it would show the past as
    /// the present.
    fn observe(&self, session: &Session) {
        let engine = &session.engine;
        metrics::show_drift(engine.drift.as_ref().and_then(DriftTracker::latest));
        metrics::show_performance(engine.forecasts.latest());
        let failures = engine.forecasts.failures();
        metrics::FAILED.set(i64::try_from(failures).unwrap_or(i64::MAX));
        self.report(|status| {
            *status = MonitorStatus::of(engine, self.policy.metric);
            if session.policy_mismatch.is_some() {
                status.monitor_error.clone_from(&session.policy_mismatch);
            }
        });
    }

    fn report(&self, change: impl FnOnce(&mut MonitorStatus)) {
        let mut status = self.status.lock().unwrap_or_else(PoisonError::into_inner);
        change(&mut status);
        self.reporter.set(status.clone());
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

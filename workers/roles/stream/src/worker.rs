//! The IO loop: opens a Kafka session, recovers, then one transaction per batch of bars, and
//! Redis after it. Any failure ends the session; the next one finds its position again.

use std::collections::BTreeSet;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::{Duration, Instant};

use foresail_crds::Role;
use foresail_crds::names::Topics;
use foresail_crds::pipeline::status::{StreamStatus, WorkerError};
use foresail_crds::role::ADMIN_PORT;
use foresail_crds::worker_config::WorkerConfig;
use foresail_runtime_base::retry::Backoff;
use foresail_runtime_base::{Health, RoleError, Shutdown, admin};
use foresail_runtime_cache::Cache;
use foresail_runtime_cluster::StatusReporter;
use foresail_runtime_kafka::{Reader, Record, Settings, Start, TransactionalProducer};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use crate::engine::{Output, Step, StreamEngine};
use crate::mirror::Mirror;
use crate::{metrics, records, recovery};

/// Most bars in one transaction.
const BATCH: usize = 500;
/// Longest wait for bars before the loop does anything else.
const WAIT: Duration = Duration::from_millis(200);
/// Quiet time after which state is saved.
const QUIET: Duration = Duration::from_secs(2);
/// Most feature rows per partition read back at the start.
const LONGEST_TAIL: usize = 2_000;

/// Runs until shutdown.
///
/// # Errors
/// A feature spec that cannot be computed, or the admin port in use. Failures of Kafka and Redis
/// are reported in status and waited out.
pub async fn run(config: WorkerConfig, shutdown: Shutdown) -> Result<(), RoleError> {
    run_on(config, shutdown, (Ipv4Addr::UNSPECIFIED, ADMIN_PORT).into()).await
}

/// As [`run`], with the admin server on another address.
///
/// # Errors
/// As [`run`].
pub async fn run_on(
    config: WorkerConfig,
    shutdown: Shutdown,
    bind: SocketAddr,
) -> Result<(), RoleError> {
    let worker = Worker::new(config, shutdown)?;
    admin::serve(bind, worker.health.clone(), worker.shutdown.clone()).await?;
    let mut backoff = Backoff::new(Duration::from_millis(500), Duration::from_secs(10));
    while !worker.shutdown.is_cancelled() {
        let Err(error) = worker.session(&mut backoff).await else {
            break;
        };
        worker.health.set_ready(false);
        metrics::REOPENED.inc();
        tracing::error!(
            reason = error.reason,
            message = error.message,
            "session failed"
        );
        worker.report(None, Some(error.to_worker_error()));
        backoff.wait(&worker.shutdown).await;
    }
    worker.reporter.flush().await;
    Ok(())
}

struct Worker {
    config: WorkerConfig,
    topics: Topics,
    fingerprint: String,
    cache: Option<Cache>,
    reporter: StatusReporter<StreamStatus>,
    status: std::sync::Mutex<StreamStatus>,
    health: Health,
    shutdown: Shutdown,
}

/// An open session.
struct Session {
    producer: TransactionalProducer,
    reader: Reader,
    engine: StreamEngine,
    mirror: Mirror,
    last_work: Instant,
}

impl Worker {
    fn new(config: WorkerConfig, shutdown: Shutdown) -> Result<Self, RoleError> {
        let engine =
            StreamEngine::new(&config.features, config.source.adjustment).map_err(|e| {
                RoleError::user(
                    "InvalidFeatures",
                    format!("spec.features: {e}; correct the spec"),
                )
            })?;
        let prefix = config.pipeline.redis_prefix();
        Ok(Self {
            topics: config.topics(),
            fingerprint: engine.fingerprint().to_string(),
            cache: config.redis.as_ref().map(|spec| Cache::open(spec, prefix)),
            reporter: StatusReporter::start(&config.pipeline, Role::Stream, shutdown.clone()),
            status: std::sync::Mutex::default(),
            health: Health::new(),
            config,
            shutdown,
        })
    }

    /// One Kafka session; returns at shutdown.
    async fn session(&self, backoff: &mut Backoff) -> Result<(), RoleError> {
        let mut session = self.open().await?;
        backoff.reset();
        self.health.set_ready(true);
        self.report(Some(&session.engine), None);
        loop {
            let messages = session.reader.next_batch(BATCH, WAIT).await?;
            let empty = messages.is_empty();
            metrics::BARS.inc_by(messages.len() as u64);
            let steps: Vec<Step> = messages
                .into_iter()
                .filter_map(|message| session.engine.push(&records::bar_message(message)))
                .collect();
            let stop = self.shutdown.is_cancelled();
            if !empty {
                session.last_work = Instant::now();
            }
            let idle = stop || session.last_work.elapsed() >= QUIET;
            self.commit(&mut session, &steps, idle).await?;
            for step in steps {
                if let Output::Row(row) = step.output {
                    session.mirror.remember(row);
                }
            }
            if let Some(cache) = &self.cache {
                session.mirror.flush(cache, &self.fingerprint).await;
            }
            if !empty {
                self.report(Some(&session.engine), None);
            }
            if stop {
                return Ok(());
            }
        }
    }

    async fn open(&self) -> Result<Session, RoleError> {
        let settings = Settings::new(&self.config.kafka)?;
        let identity = self.config.pipeline.kafka_identity(Role::Stream);
        // First fence off older instances: what is read after it can no longer change.
        let producer = TransactionalProducer::open(&settings, &identity).await?;
        let keep = self.config.training.lookback.max(1) as usize;
        let tail = (keep * self.config.instruments.len()).min(LONGEST_TAIL);
        let recovery =
            recovery::read(&settings, &self.topics, &self.fingerprint, tail.max(1)).await?;
        let (specs, adjustment) = (&self.config.features, self.config.source.adjustment);
        let engine = StreamEngine::recover(specs, adjustment, &recovery.recovered)
            .map_err(|e| RoleError::internal("FeatureSet", e.to_string()))?;
        let start = Start::Offsets(engine.positions());
        let reader = Reader::open(&settings, &self.topics.bars, start).await?;
        recovery::check_same_topic(&engine, &self.topics.bars, &reader.ends().await?)?;
        let mut mirror = Mirror::new(keep);
        recovery
            .rows
            .into_iter()
            .for_each(|row| mirror.remember(row));
        tracing::info!(positions = ?engine.positions(), "session open");
        Ok(Session {
            producer,
            reader,
            engine,
            mirror,
            last_work: Instant::now(),
        })
    }

    /// Writes everything that is new since the last commit, and due snapshots, in one transaction.
    async fn commit(
        &self,
        session: &mut Session,
        steps: &[Step],
        idle: bool,
    ) -> Result<(), RoleError> {
        let (mut batch, mut rows, mut refused_in) = (Vec::<Record>::new(), 0, BTreeSet::new());
        for step in steps.iter().filter(|step| step.fresh) {
            match &step.output {
                Output::Row(_) => rows += 1,
                Output::Refused(refused) => {
                    refused_in.insert(step.partition);
                    let (partition, offset) = (step.partition, step.offset);
                    tracing::warn!(partition, offset, reason = refused.reason, "bar refused");
                }
            }
            batch.push(records::output(&self.topics, &self.fingerprint, step));
        }
        let refused = batch.len() as u64 - rows;
        for partition in session.engine.due(idle) {
            refused_in.remove(&partition);
            let snapshots = session.engine.snapshots(partition);
            batch.extend(snapshots.iter().map(|s| records::snapshot(&self.topics, s)));
        }
        for partition in refused_in {
            let snapshot = session.engine.partition_snapshot(partition);
            batch.push(records::snapshot(&self.topics, &snapshot));
        }
        if !batch.is_empty() {
            session.producer.commit(batch).await?;
            metrics::ROWS.inc_by(rows);
            metrics::REFUSED.inc_by(refused);
        }
        Ok(())
    }

    /// Reports progress of `engine`, or the last known one, with the error there is.
    fn report(&self, engine: Option<&StreamEngine>, error: Option<WorkerError>) {
        let mut status = self
            .status
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        status.fingerprint.clone_from(&self.fingerprint);
        status.error = error;
        if let Some(engine) = engine {
            let totals = engine.totals();
            status.bars = totals.bars;
            status.rows = totals.rows;
            let newest = totals.last_event_time;
            metrics::LAST_EVENT.set(newest.unwrap_or(0).div_euclid(1_000));
            let time =
                newest.and_then(|ms| k8s_openapi::jiff::Timestamp::from_millisecond(ms).ok());
            status.last_event_time = time.map(Time);
        }
        self.reporter.set(status.clone());
    }
}

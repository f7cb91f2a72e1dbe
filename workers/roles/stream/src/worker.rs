//! The IO loop: connects, recovers, then one transaction per batch of bars, and
//! Redis after it. Any failure ends the connection; the next one finds its position again.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use foresail_crds::Role;
use foresail_crds::names::Topics;
use foresail_crds::pipeline::status::StreamStatus;
use foresail_crds::training_parameters::LARGEST_LOOKBACK;
use foresail_crds::worker_config::StreamConfig;
use foresail_runtime_base::{Connecting, RoleContext, RoleError, Supervised, supervise};
use foresail_runtime_cache::Cache;
use foresail_runtime_kafka::{Reader, Record, Settings, Start, TransactionalProducer};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use crate::engine::{Output, Step, StreamEngine};
use crate::metrics::Metrics;
use crate::mirror::Mirror;
use crate::{records, recovery};

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
pub async fn run(context: RoleContext<StreamConfig, StreamStatus>) -> Result<(), RoleError> {
    let worker = Worker::new(context)?;
    supervise(&worker, &worker.context).await
}

struct Worker {
    context: RoleContext<StreamConfig, StreamStatus>,
    topics: Topics,
    fingerprint: String,
    cache: Option<Cache>,
    metrics: Metrics,
}

/// An open connection: reader and producer, and what is known at the reader's position.
struct Connection {
    producer: TransactionalProducer,
    reader: Reader,
    engine: StreamEngine,
    mirror: Mirror,
    last_work: Instant,
}

impl Supervised for Worker {
    type Status = StreamStatus;

    async fn run_connected(&self, connecting: &Connecting<'_>) -> Result<(), RoleError> {
        let mut connection = self.open().await?;
        connecting.ready();
        // An open connection alone does not take back what made the last one fail.
        let mut proved = false;
        loop {
            let messages = connection.reader.next_batch(BATCH, WAIT).await?;
            let empty = messages.is_empty();
            self.metrics.bars.inc_by(messages.len() as u64);
            let steps: Vec<Step> = messages
                .into_iter()
                .filter_map(|message| connection.engine.push(&records::bar_message(message)))
                .collect();
            let stop = self.context.shutdown.is_cancelled();
            if !empty {
                connection.last_work = Instant::now();
            }
            let idle = stop || connection.last_work.elapsed() >= QUIET;
            self.commit(&mut connection, &steps, idle).await?;
            for step in steps {
                if let Output::Row(row) = step.output {
                    connection.mirror.remember(row);
                }
            }
            if let Some(cache) = &self.cache {
                connection.mirror.flush(cache, &self.fingerprint).await;
            }
            // Something was written, or there is nothing to write.
            let proves = !proved && (!empty || connection.reader.caught_up());
            if proves {
                connecting.succeeded();
                proved = true;
            }
            if !empty || proves {
                self.report(&connection.engine);
            }
            if stop {
                return Ok(());
            }
        }
    }

    fn connection_failed(&self) {
        self.metrics.connections_failed.inc();
    }
}

impl Worker {
    fn new(context: RoleContext<StreamConfig, StreamStatus>) -> Result<Self, RoleError> {
        let config = &context.config;
        let engine = StreamEngine::new(&config.features, config.adjustment).map_err(|e| {
            RoleError::user(
                "InvalidFeatures",
                format!("spec.features: {e}; correct the spec"),
            )
        })?;
        let fingerprint = engine.fingerprint();
        context
            .reporter
            .note(|status| status.fingerprint = fingerprint.to_string());
        let prefix = config.pipeline.redis_prefix();
        let open = |spec| Cache::open(spec, prefix, &context.outside, &context.registry);
        Ok(Self {
            topics: config.topics(),
            fingerprint: fingerprint.to_string(),
            cache: config.redis.as_ref().map(open),
            metrics: Metrics::new(&context.registry),
            context,
        })
    }

    async fn open(&self) -> Result<Connection, RoleError> {
        let settings = Settings::new(&self.context.config.kafka, &self.context.outside)?;
        let identity = self.context.config.pipeline.kafka_identity(Role::Stream);
        // First fence off older instances: what is read after it can no longer change.
        let producer = TransactionalProducer::open(&settings, &identity).await?;
        let keep = LARGEST_LOOKBACK as usize;
        let tail = (keep * self.context.config.instruments.len()).min(LONGEST_TAIL);
        let recovery =
            recovery::read(&settings, &self.topics, &self.fingerprint, tail.max(1)).await?;
        let (specs, adjustment) = (
            &self.context.config.features,
            self.context.config.adjustment,
        );
        let mut engine = StreamEngine::recover(specs, adjustment, &recovery.recovered)
            .map_err(|e| RoleError::internal("FeatureSet", e.to_string()))?;
        let start = Start::Offsets(engine.positions());
        let reader = Reader::open(&settings, &self.topics.bars, start).await?;
        recovery::check_same_topic(&engine, &self.topics.bars, &reader.ends().await?)?;
        for (partition, records) in reader.removed() {
            engine.lose(*partition, u64::try_from(*records).unwrap_or(0));
        }
        let mut mirror = Mirror::new(keep, self.metrics.repairs.clone());
        recovery
            .rows
            .into_iter()
            .for_each(|row| mirror.remember(row));
        tracing::info!(positions = ?engine.positions(), "connection open");
        Ok(Connection {
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
        connection: &mut Connection,
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
        for partition in connection.engine.due(idle) {
            refused_in.remove(&partition);
            let snapshots = connection.engine.snapshots(partition);
            batch.extend(snapshots.iter().map(|s| records::snapshot(&self.topics, s)));
        }
        for partition in refused_in {
            let snapshot = connection.engine.partition_snapshot(partition);
            batch.push(records::snapshot(&self.topics, &snapshot));
        }
        if !batch.is_empty() {
            connection.producer.commit(batch).await?;
            self.metrics.rows.inc_by(rows);
            self.metrics.refused.inc_by(refused);
        }
        Ok(())
    }

    /// Reports how far `engine` is.
    fn report(&self, engine: &StreamEngine) {
        let totals = engine.totals();
        let newest = totals.last_event_time;
        let seconds = newest.unwrap_or(0).div_euclid(1_000);
        self.metrics.last_event_time.set(seconds);
        self.context.reporter.update(|status| {
            status.bars = totals.bars;
            status.rows = totals.rows;
            status.lost_records = totals.lost;
            let time =
                newest.and_then(|ms| k8s_openapi::jiff::Timestamp::from_millisecond(ms).ok());
            status.last_event_time = time.map(Time);
        });
    }
}

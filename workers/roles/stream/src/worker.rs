//! The IO loop: connects, recovers, then one transaction per batch of bars, and
//! Redis after it. Any failure ends the connection; the next one finds its position again.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use foresail_crds::Role;
use foresail_crds::names::Topics;
use foresail_crds::pipeline::spec::FeatureSetSpec;
use foresail_crds::pipeline::status::StreamStatus;
use foresail_crds::training_parameters::LARGEST_LOOKBACK;
use foresail_crds::worker_config::StreamConfig;
use foresail_runtime_base::{Connecting, RoleContext, RoleError, Supervised, supervise};
use foresail_runtime_cache::Cache;
use foresail_runtime_kafka::{Message, Reader, Settings, Start, TransactionalProducer};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use crate::batch::Batch;
use crate::engine::{BarMessage, Output, Step};
use crate::engines::Engines;
use crate::metrics::Metrics;
use crate::mirror::Mirror;
use crate::{past, records, recovery};

/// Most bars in one transaction.
const BATCH: usize = 500;
/// Longest wait for bars before the loop does anything else.
const WAIT: Duration = Duration::from_millis(200);
/// While bars change the past, their rows wait for further ones this long, and until so many bars are kept or rows are to
/// be made: a history that is sent again as a whole is computed again once and not with each of its bars.
const COMPANY: Duration = Duration::from_millis(100);
const LONGEST_COMPANY: Duration = Duration::from_secs(10);
const MOST_KEPT: usize = 1_000_000;
const MOST_REWRITES: usize = 2_000_000;
/// Most rows in one transaction, those of one symbol aside.
const LARGEST_TRANSACTION: usize = 50_000;
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
    sets: Vec<FeatureSetSpec>,
    /// Of each of them.
    fingerprints: Vec<String>,
    cache: Option<Cache>,
    metrics: Metrics,
}

/// An open connection: reader and producer, and what is known at the reader's position.
struct Connection {
    producer: TransactionalProducer,
    reader: Reader,
    engines: Engines,
    /// Of each feature set.
    mirrors: Vec<Mirror>,
    settings: Settings,
    last_work: Instant,
}

impl Connection {
    /// Takes over what Redis is to hold once it is committed.
    fn remember(&mut self, steps: Vec<Step>) {
        for step in steps {
            if let Output::Row(row) = step.output
                && let Some(mirror) = self.mirrors.get_mut(step.set)
            {
                mirror.remember(row, step.offset);
            }
        }
    }
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
            let mut steps = self.take(&mut connection, messages).await?;
            self.gather(&mut connection, &mut steps).await?;
            let stop = self.context.shutdown.is_cancelled();
            if !empty {
                connection.last_work = Instant::now();
            }
            let idle = stop || connection.last_work.elapsed() >= QUIET;
            self.commit(&mut connection, steps, idle).await?;
            self.mirror(&mut connection).await;
            // Something was written, or there is nothing to write.
            let proves = !proved && (!empty || connection.reader.caught_up());
            if proves {
                connecting.succeeded();
                proved = true;
            }
            if !empty || proves {
                self.report(&connection.engines);
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
        let sets = config.feature_sets();
        let computed = sets
            .iter()
            .map(|set| foresail_features::fingerprint(&set.features, set.adjustment));
        let fingerprints = computed.collect::<Result<Vec<String>, _>>().map_err(|e| {
            RoleError::user(
                "InvalidFeatures",
                format!("spec.features: {e}; correct the spec"),
            )
        })?;
        let declared = fingerprints.first().cloned().unwrap_or_default();
        context
            .reporter
            .note(|status| status.fingerprint = declared);
        let prefix = config.pipeline.redis_prefix();
        let open = |spec| Cache::open(spec, prefix, &context.outside, &context.registry);
        Ok(Self {
            topics: config.topics(),
            sets,
            fingerprints,
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
        let config = &self.context.config;
        let tail = match config.bars_of {
            None => (keep * config.instruments.len()).clamp(1, LONGEST_TAIL),
            // Rows of symbols that are not declared stand between those that are.
            Some(_) => LONGEST_TAIL,
        };
        let tail = tail * self.sets.len();
        let mut recovery =
            recovery::read(&settings, &self.topics, &self.fingerprints, tail).await?;
        let recovered = self.fingerprints.iter().map(|set| recovery.of(set));
        let mut engines = Engines::recover(self.sets.iter().zip(recovered))
            .map_err(|e| RoleError::internal("FeatureSet", e.to_string()))?;
        let start = Start::Offsets(engines.positions());
        let reader = Reader::open(&settings, &self.topics.bars, start).await?;
        let ends = reader.ends().await?;
        recovery::check_same_topic(engines.known_ends(), &self.topics.bars, &ends)?;
        for (partition, records) in reader.removed() {
            engines.lose(*partition, u64::try_from(*records).unwrap_or(0));
        }
        let mirrors = self.fingerprints.iter().map(|set| {
            let mut mirror = Mirror::new(keep, self.metrics.repairs.clone());
            let rows = recovery.rows(set).into_iter();
            rows.for_each(|(row, offset)| mirror.remember(row, offset));
            mirror.distrust();
            mirror
        });
        let mirrors = mirrors.collect();
        tracing::info!(positions = ?engines.positions(), "connection open");
        Ok(Connection {
            producer,
            reader,
            engines,
            mirrors,
            settings,
            last_work: Instant::now(),
        })
    }

    /// Takes messages, after what they need of the topic before them.
    async fn take(
        &self,
        connection: &mut Connection,
        messages: Vec<Message>,
    ) -> Result<Vec<Step>, RoleError> {
        self.metrics.bars.inc_by(messages.len() as u64);
        let mut steps = Vec::new();
        let messages = messages.into_iter().map(records::bar_message);
        let mut messages: VecDeque<BarMessage> = messages.collect();
        while let Some(message) = messages.front() {
            match connection.engines.push(message) {
                Ok(made) => {
                    steps.extend(made);
                    messages.pop_front();
                }
                Err(_) => {
                    let waiting = messages.make_contiguous();
                    self.look_back(connection, waiting).await?;
                }
            }
        }
        Ok(steps)
    }

    /// Reads the bars of symbols again that the first message and those behind it lack.
    async fn look_back(
        &self,
        connection: &mut Connection,
        waiting: &[BarMessage],
    ) -> Result<(), RoleError> {
        let lacking = past::lacking(&connection.engines, waiting);
        let (settings, topic) = (&connection.settings, &self.topics.bars);
        let mut pasts = past::read(settings, topic, &lacking).await?;
        self.metrics.look_backs.inc();
        for (symbol, message) in &lacking.messages {
            let past = pasts.remove(symbol).unwrap_or_default();
            connection.engines.supply(message, &past);
        }
        Ok(())
    }

    /// While rows are to be made once more: takes further messages, as long as some are at hand.
    async fn gather(
        &self,
        connection: &mut Connection,
        steps: &mut Vec<Step>,
    ) -> Result<(), RoleError> {
        let since = Instant::now();
        let is_open = |connection: &Connection| {
            let (kept, rows) = (connection.engines.kept(), connection.engines.rewrites());
            rows > 0
                && kept < MOST_KEPT
                && rows < MOST_REWRITES
                && since.elapsed() < LONGEST_COMPANY
                && !self.context.shutdown.is_cancelled()
        };
        while is_open(connection) {
            let messages = connection.reader.next_batch(BATCH, COMPANY).await?;
            if messages.is_empty() {
                return Ok(());
            }
            steps.extend(self.take(connection, messages).await?);
        }
        Ok(())
    }

    /// Writes everything that is new since the last commit, and due snapshots, in one transaction; in several when the
    /// past has changed so much, of which the last one is the one that counts.
    async fn commit(
        &self,
        connection: &mut Connection,
        steps: Vec<Step>,
        idle: bool,
    ) -> Result<(), RoleError> {
        let mut batch = Batch::default();
        let mut made = steps;
        loop {
            made.iter()
                .for_each(|step| batch.add(step, &self.topics, &self.fingerprints));
            connection.remember(made);
            made = connection.engines.rewrite();
            if made.is_empty() {
                break;
            }
            if batch.records.len() >= LARGEST_TRANSACTION {
                let part = std::mem::take(&mut batch.records).into_iter();
                let part = part.map(records::unfinished).collect();
                connection.producer.commit(part).await?;
                // The last part says for every partition that everything is written.
                batch.noted.extend(connection.engines.partitions());
            }
        }
        connection.engines.trim();
        let Batch {
            mut records,
            mut noted,
            rows,
            refused,
        } = batch;
        for due in connection.engines.due(idle) {
            noted.remove(&due);
            let engine = connection.engines.of(due.set);
            let snapshots = engine.map(|engine| engine.snapshots(due.partition));
            let snapshots = snapshots.iter().flatten();
            records.extend(snapshots.map(|s| records::snapshot(&self.topics, s)));
        }
        for due in noted {
            let engine = connection.engines.of(due.set);
            let snapshot = engine.map(|engine| engine.partition_snapshot(due.partition));
            records.extend(snapshot.map(|s| records::snapshot(&self.topics, &s)));
        }
        if !records.is_empty() {
            connection.producer.commit(records).await?;
            self.metrics.rows.inc_by(rows);
            self.metrics.refused.inc_by(refused);
        }
        Ok(())
    }

    /// Brings Redis up to date with what was committed.
    async fn mirror(&self, connection: &mut Connection) {
        let Some(cache) = &self.cache else {
            return;
        };
        for (mirror, fingerprint) in connection.mirrors.iter_mut().zip(&self.fingerprints) {
            mirror.flush(cache, fingerprint).await;
        }
    }

    /// Reports how far the declared features are.
    fn report(&self, engines: &Engines) {
        let totals = engines.totals();
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

//! The IO loop: open table and topic at the table's own positions, then batches of bars, one
//! commit each. Any failure ends the session; the next one starts from what was committed.

use std::collections::{BTreeMap, HashSet};
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{LazyLock, Mutex, PoisonError};
use std::time::{Duration, Instant};

use foresail_bar_table::{BarTable, Placed};
use foresail_crds::Role;
use foresail_crds::pipeline::status::LakeStatus;
use foresail_crds::role::ADMIN_PORT;
use foresail_crds::worker_config::WorkerConfig;
use foresail_domain::{Bar, BarIdentity};
use foresail_runtime_base::retry::Backoff;
use foresail_runtime_base::{Health, RoleError, Shutdown, admin};
use foresail_runtime_cluster::StatusReporter;
use foresail_runtime_kafka::{Message, Reader, Settings, Start};
use foresail_runtime_store::{S3Uri, object_store};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use prometheus::{IntCounterVec, register_int_counter_vec};

/// Most bars in one commit.
const BATCH: usize = 2_000;
/// Longest a bar waits for company before it is committed.
const LINGER: Duration = Duration::from_secs(1);

static BARS: LazyLock<IntCounterVec> = LazyLock::new(|| {
    register_int_counter_vec!(
        "foresail_lake_bars_total",
        "Messages of the bars topic: committed, repeated, or unreadable.",
        &["outcome"]
    )
    .expect("the metric is registered once, with a valid name")
});

/// Runs until shutdown.
///
/// # Errors
/// The admin port in use. Everything else is reported in status and waited out.
pub async fn run(config: WorkerConfig, shutdown: Shutdown) -> Result<(), RoleError> {
    let bind = SocketAddr::from((Ipv4Addr::UNSPECIFIED, ADMIN_PORT));
    let health = Health::new();
    admin::serve(bind, health.clone(), shutdown.clone()).await?;
    let worker = Worker {
        topic: config.topics().bars,
        reporter: StatusReporter::start(&config.pipeline, Role::Lake, shutdown.clone()),
        status: Mutex::default(),
        health,
        config,
        shutdown,
    };
    let mut backoff = Backoff::new(Duration::from_millis(500), Duration::from_secs(10));
    while !worker.shutdown.is_cancelled() {
        let Err(error) = worker.session(&mut backoff).await else {
            break;
        };
        worker.health.set_ready(false);
        tracing::error!(
            reason = error.reason,
            message = error.message,
            "session failed"
        );
        worker.report(|status| status.error = Some(error.to_worker_error()));
        backoff.wait(&worker.shutdown).await;
    }
    worker.reporter.flush().await;
    Ok(())
}

struct Worker {
    config: WorkerConfig,
    topic: String,
    reporter: StatusReporter<LakeStatus>,
    status: Mutex<LakeStatus>,
    health: Health,
    shutdown: Shutdown,
}

/// Bars read and not yet committed.
#[derive(Default)]
struct Pending {
    bars: Vec<Placed>,
    next: BTreeMap<i32, i64>,
    newest: Option<i64>,
    since: Option<Instant>,
    seen: HashSet<BarIdentity>,
}

impl Worker {
    async fn session(&self, backoff: &mut Backoff) -> Result<(), RoleError> {
        let (mut table, mut reader, newest) = self.open().await?;
        self.health.set_ready(true);
        self.publish(&table, newest);
        let mut pending = Pending {
            newest,
            ..Pending::default()
        };
        while !self.shutdown.is_cancelled() {
            let room = BATCH - pending.bars.len().min(BATCH - 1);
            for message in reader.next_batch(room, Duration::from_millis(200)).await? {
                pending.take(&message);
            }
            if pending.due() {
                table
                    .append(
                        &pending.bars,
                        &self.topic,
                        &pending.next,
                        pending.newest.unwrap_or(0),
                    )
                    .await?;
                BARS.with_label_values(&["committed"])
                    .inc_by(pending.bars.len() as u64);
                pending.clear();
                self.publish(&table, pending.newest);
                backoff.reset();
            }
        }
        if !pending.bars.is_empty() {
            table
                .append(
                    &pending.bars,
                    &self.topic,
                    &pending.next,
                    pending.newest.unwrap_or(0),
                )
                .await?;
            self.publish(&table, pending.newest);
        }
        Ok(())
    }

    async fn open(&self) -> Result<(BarTable, Reader, Option<i64>), RoleError> {
        let settings = Settings::new(&self.config.kafka)?;
        let uri = S3Uri::parse(&self.config.places().bars)?;
        let table = BarTable::open(object_store(&self.config.lake)?, &uri).await?;
        let partitions: Vec<i32> = (0..self.config.kafka.partitions).collect();
        let positions = table.positions(&self.topic, &partitions).await?;
        let reader = Reader::open(&settings, &self.topic, Start::Offsets(positions)).await?;
        let newest = table.newest_event_time().await?;
        Ok((table, reader, newest))
    }

    fn publish(&self, table: &BarTable, newest: Option<i64>) {
        self.report(|status| {
            status.version = table.version();
            status.rows = table.rows();
            let newest = newest.and_then(|ms| jiff::Timestamp::from_millisecond(ms).ok());
            status.last_event_time = newest.map(Time);
        });
    }

    fn report(&self, change: impl FnOnce(&mut LakeStatus)) {
        let mut status = self.status.lock().unwrap_or_else(PoisonError::into_inner);
        status.error = None;
        change(&mut status);
        self.reporter.set(status.clone());
    }
}

impl Pending {
    fn take(&mut self, message: &Message) {
        self.next.insert(message.partition, message.offset + 1);
        let bar: Bar = match serde_json::from_slice(&message.value) {
            Ok(bar) => bar,
            Err(error) => {
                // The stream worker quarantines it; here it is only counted.
                BARS.with_label_values(&["unreadable"]).inc();
                let (partition, offset) = (message.partition, message.offset);
                tracing::warn!(%error, partition, offset, "message is not a bar, left out");
                return;
            }
        };
        if !self.seen.insert(bar.identity()) {
            BARS.with_label_values(&["repeated"]).inc();
            return;
        }
        self.newest = self.newest.max(Some(bar.event_time));
        self.since.get_or_insert_with(Instant::now);
        self.bars.push(Placed {
            bar,
            partition: message.partition,
            offset: message.offset,
        });
    }

    fn due(&self) -> bool {
        let waited = self.since.is_some_and(|since| since.elapsed() >= LINGER);
        self.bars.len() >= BATCH || (waited && !self.bars.is_empty())
    }

    fn clear(&mut self) {
        self.bars.clear();
        self.next.clear();
        self.since = None;
        // Repeats come close together; the offsets in the commit guard everything older.
        if self.seen.len() > 100_000 {
            self.seen.clear();
        }
    }
}

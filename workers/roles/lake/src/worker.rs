//! The IO loop: open table and topic at the table's own positions, then batches of bars, one
//! commit each. Any failure ends the connection; the next one starts from what was committed.

use std::collections::{BTreeMap, HashSet};
use std::time::{Duration, Instant};

use foresail_bar_table::{BarTable, Placed, Progress};
use foresail_crds::pipeline::status::LakeStatus;
use foresail_crds::worker_config::LakeConfig;
use foresail_domain::{Bar, BarIdentity};
use foresail_runtime_base::{Connecting, RoleContext, RoleError, Supervised, supervise};
use foresail_runtime_kafka::{Message, Reader, Settings, Start};
use foresail_runtime_store::{S3Uri, object_store};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use crate::metrics::Metrics;
use crate::revisions::Revisions;

/// Most bars in one commit.
const BATCH: usize = 2_000;
/// Bytes of messages after which a commit is due, however few they are.
const LARGEST_BATCH: usize = 16 << 20;
/// Longest a bar waits for company before it is committed.
const LINGER: Duration = Duration::from_secs(1);

/// Runs until shutdown.
///
/// # Errors
/// The admin port in use. Everything else is reported in status and waited out.
pub async fn run(context: RoleContext<LakeConfig, LakeStatus>) -> Result<(), RoleError> {
    let worker = Worker {
        topic: context.config.topics().bars,
        symbols: context.config.symbols(),
        metrics: Metrics::new(&context.registry),
        context,
    };
    supervise(&worker, &worker.context).await
}

struct Worker {
    context: RoleContext<LakeConfig, LakeStatus>,
    topic: String,
    /// Those whose revisions count; empty for all.
    symbols: Vec<String>,
    metrics: Metrics,
}

/// An open connection: the table, and a reader at the table's own positions.
struct Connection {
    table: BarTable,
    reader: Reader,
    /// Event time of the newest bar of the table.
    newest: Option<i64>,
    /// Records that were gone before they could be stored.
    lost: i64,
    revisions: Revisions,
}

/// Bars read and not yet committed.
#[derive(Default)]
struct Pending {
    bars: Vec<Placed>,
    next: BTreeMap<i32, i64>,
    bytes: usize,
    newest: Option<i64>,
    lost: i64,
    revisions: Revisions,
    since: Option<Instant>,
    seen: HashSet<BarIdentity>,
}

impl Supervised for Worker {
    type Status = LakeStatus;

    async fn run_connected(&self, connecting: &Connecting<'_>) -> Result<(), RoleError> {
        let Connection {
            mut table,
            mut reader,
            newest,
            lost,
            revisions,
        } = self.open().await?;
        connecting.ready();
        let mut pending = Pending {
            newest,
            lost,
            revisions,
            ..Pending::default()
        };
        self.publish(&table, &pending);
        while !self.context.shutdown.is_cancelled() {
            let room = BATCH - pending.bars.len().min(BATCH - 1);
            for message in reader.next_batch(room, Duration::from_millis(200)).await? {
                pending.take(&message, &self.metrics);
            }
            if pending.due() {
                self.commit(&mut table, &mut pending).await?;
                connecting.succeeded();
            }
        }
        if !pending.bars.is_empty() {
            self.commit(&mut table, &mut pending).await?;
        }
        Ok(())
    }
}

impl Worker {
    async fn open(&self) -> Result<Connection, RoleError> {
        let RoleContext {
            config, outside, ..
        } = &self.context;
        let settings = Settings::new(&config.kafka, outside)?;
        let uri = S3Uri::parse(&config.places().bars)?;
        let store = object_store(&config.lake, outside)?;
        let table = BarTable::open(store, &uri, outside.effects.clone()).await?;
        let partitions: Vec<i32> = (0..config.partitions).collect();
        let positions = table.positions(&self.topic, &partitions).await?;
        let reader = Reader::open(&settings, &self.topic, Start::Offsets(positions)).await?;
        let newest = table.newest_event_time().await?;
        let lost = table.lost().await? + reader.removed().values().sum::<i64>();
        let revisions = Revisions::read(&table).await?;
        Ok(Connection {
            table,
            reader,
            newest,
            lost,
            revisions,
        })
    }

    async fn commit(&self, table: &mut BarTable, pending: &mut Pending) -> Result<(), RoleError> {
        let next_version = table.version() + 1;
        let has_revisions = pending
            .revisions
            .take(&pending.bars, &self.symbols, next_version);
        let progress = Progress {
            next: std::mem::take(&mut pending.next),
            newest: pending.newest.unwrap_or(0),
            lost: pending.lost,
            notes: if has_revisions {
                pending.revisions.notes()
            } else {
                Vec::new()
            },
        };
        table.append(&pending.bars, &self.topic, &progress).await?;
        let committed = self.metrics.bars.with(["committed"]);
        committed.inc_by(pending.bars.len() as u64);
        pending.clear();
        self.publish(table, pending);
        Ok(())
    }

    fn publish(&self, table: &BarTable, pending: &Pending) {
        self.context.reporter.update(|status| {
            status.version = table.version();
            status.rows = table.rows();
            status.lost_records = u64::try_from(pending.lost).unwrap_or(0);
            let newest = pending
                .newest
                .and_then(|ms| jiff::Timestamp::from_millisecond(ms).ok());
            status.last_event_time = newest.map(Time);
            status.revised = pending.revisions.to_status();
        });
    }
}

impl Pending {
    fn take(&mut self, message: &Message, metrics: &Metrics) {
        self.next.insert(message.partition, message.offset + 1);
        let bar: Bar = match serde_json::from_slice(&message.value) {
            Ok(bar) => bar,
            Err(error) => {
                // The stream worker quarantines it; here it is only counted.
                metrics.bars.with(["unreadable"]).inc();
                let (partition, offset) = (message.partition, message.offset);
                tracing::warn!(%error, partition, offset, "message is not a bar, left out");
                return;
            }
        };
        if !self.seen.insert(bar.identity()) {
            metrics.bars.with(["repeated"]).inc();
            return;
        }
        self.bytes += message.value.len();
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
        let full = self.bars.len() >= BATCH || self.bytes >= LARGEST_BATCH;
        full || (waited && !self.bars.is_empty())
    }

    fn clear(&mut self) {
        self.bars.clear();
        self.next.clear();
        self.bytes = 0;
        self.since = None;
        // Repeats come close together; the offsets in the commit guard everything older.
        if self.seen.len() > 100_000 {
            self.seen.clear();
        }
    }
}

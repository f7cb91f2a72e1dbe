//! The IO loop: open (fence, find the position), then batches of rows, one transaction each. Any
//! failure ends the connection; the next one finds its position again in what was committed.

use std::iter::Peekable;
use std::time::{Duration, Instant};

use foresail_bars::{Checker, RawRow, RowOutcome, date_of};
use foresail_crds::Role;
use foresail_crds::names::Topics;
use foresail_crds::pipeline::status::IngestStatus;
use foresail_crds::worker_config::{IngestConfig, ServingConfig};
use foresail_runtime_base::{Connecting, RoleContext, RoleError, Supervised, clock, supervise};
use foresail_runtime_kafka::{Record, Settings, TransactionalProducer, end_offset_sum};
use jiff::civil::Date;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use tokio::sync::watch;

use crate::metrics::Metrics;
use crate::pace::Pace;
use crate::position::{self, Position};
use crate::records::{self, Target};
use crate::source::{self, Rows};

/// Most rows in one transaction of the backfill.
const BATCH: usize = 500;
/// How often an open connection makes sure that its topic is still the same one.
const CHECK_TOPIC_EVERY: Duration = Duration::from_secs(30);

/// Runs until shutdown, also after the source is exhausted.
///
/// # Errors
/// The admin port in use. Everything else is reported in status and waited out.
pub async fn run(
    context: RoleContext<IngestConfig, IngestStatus>,
    serving: watch::Receiver<ServingConfig>,
) -> Result<(), RoleError> {
    let worker = Worker {
        topics: context.config.topics(),
        metrics: Metrics::new(&context.registry),
        serving,
        context,
    };
    supervise(&worker, &worker.context).await
}

struct Worker {
    context: RoleContext<IngestConfig, IngestStatus>,
    topics: Topics,
    serving: watch::Receiver<ServingConfig>,
    metrics: Metrics,
}

/// An open connection: source, position and producer.
struct Connection {
    producer: TransactionalProducer,
    rows: Peekable<Rows>,
    checker: Checker,
    provider: &'static str,
    settings: Settings,
    /// First position that is not committed.
    next: u64,
    /// Offsets the bars topic has given out, as far as this connection knows.
    written: i64,
    /// When the topic was last checked.
    checked: Instant,
    status: IngestStatus,
    /// Last date of the backfill; everything is backfill when absent.
    backfill_to: Option<Date>,
}

/// Rows of one transaction, checked.
#[derive(Default)]
struct Batch {
    records: Vec<Record>,
    status: IngestStatus,
    out_of_scope: u64,
}

impl Supervised for Worker {
    type Status = IngestStatus;

    async fn run_connected(&self, connecting: &Connecting<'_>) -> Result<(), RoleError> {
        let mut connection = self.open().await?;
        connecting.opened();
        self.context.reporter.update(|_| ());
        self.backfill(&mut connection).await?;
        if connection.rows.peek().is_some() && !self.context.shutdown.is_cancelled() {
            self.champion().await;
            self.replay(&mut connection).await?;
        }
        if connection.rows.peek().is_none() {
            connection.status.source_complete = true;
            self.publish(&connection);
            tracing::info!(rows = connection.status.rows_read, "source complete");
        }
        while !self.context.shutdown.is_cancelled() {
            tokio::select! {
                () = tokio::time::sleep(CHECK_TOPIC_EVERY) => self.check_topic(&mut connection).await?,
                () = self.context.shutdown.cancelled() => {}
            }
        }
        Ok(())
    }
}

impl Worker {
    /// Makes sure, from time to time, that the topic still holds what was sent.
    async fn check_topic(&self, connection: &mut Connection) -> Result<(), RoleError> {
        if connection.checked.elapsed() < CHECK_TOPIC_EVERY {
            return Ok(());
        }
        connection.checked = Instant::now();
        let written = end_offset_sum(&connection.settings, &self.topics.bars).await?;
        position::check_same_topic(&self.topics.bars, written, connection.written)?;
        connection.written = written;
        Ok(())
    }

    async fn open(&self) -> Result<Connection, RoleError> {
        let settings = Settings::new(&self.context.config.kafka, &self.context.outside)?;
        let (rows, provider) = source::open(&self.context.config, &self.context.outside).await?;
        let identity = self.context.config.pipeline.kafka_identity(Role::Ingest);
        // First fence off older instances: what is read after it can no longer change.
        let producer = TransactionalProducer::open(&settings, &identity).await?;
        let Position { next, written } = position::read(&settings, &self.topics).await?;
        tracing::info!(next, written, provider, "source open");
        let replays = self.context.config.source.replay.is_some();
        let to = self
            .context
            .config
            .source
            .backfill
            .to
            .as_deref()
            .filter(|_| replays);
        Ok(Connection {
            producer,
            rows: rows.peekable(),
            checker: Checker::new(&self.context.config, provider)?,
            provider,
            settings,
            next,
            written,
            checked: Instant::now(),
            status: IngestStatus::default(),
            backfill_to: date_of(to, "source.backfill.to")?,
        })
    }

    async fn backfill(&self, connection: &mut Connection) -> Result<(), RoleError> {
        while !self.context.shutdown.is_cancelled() {
            let (batch, more) = self.batch(connection, BATCH)?;
            self.commit(connection, batch).await?;
            if !more {
                break;
            }
        }
        connection.status.backfill_complete = !self.context.shutdown.is_cancelled();
        self.publish(connection);
        tracing::info!(rows = connection.status.rows_read, "backfill complete");
        Ok(())
    }

    /// Replay starts when a champion serves.
    async fn champion(&self) {
        let mut serving = self.serving.clone();
        let serves = async {
            if serving.wait_for(|s| s.champion.is_some()).await.is_err() {
                // Nobody follows the versions any more: that is no champion.
                std::future::pending::<()>().await;
            }
        };
        tokio::select! {
            () = serves => {}
            () = self.context.shutdown.cancelled() => {}
        }
    }

    async fn replay(&self, connection: &mut Connection) -> Result<(), RoleError> {
        let speed = self.context.config.source.replay.as_ref();
        let speed = speed
            .and_then(|r| r.sessions_per_second.as_f64())
            .unwrap_or(1.0);
        let mut pace = Pace::new(speed);
        while connection.rows.peek().is_some() && !self.context.shutdown.is_cancelled() {
            let resumed = connection
                .rows
                .peek()
                .is_some_and(|row| row.position < connection.next);
            if !resumed {
                pace.next(&self.context.shutdown).await;
            }
            connection.backfill_to = next_date(&mut connection.rows).or(connection.backfill_to);
            let (batch, _) = self.batch(connection, usize::MAX)?;
            self.commit(connection, batch).await?;
            self.publish(connection);
        }
        Ok(())
    }

    /// Checks rows up to `most` or up to the last row dated at or before `backfill_to`; false when
    /// the next row lies behind it or there is none.
    fn batch(&self, connection: &mut Connection, most: usize) -> Result<(Batch, bool), RoleError> {
        let mut batch = Batch::default();
        let limit = connection.backfill_to;
        while let Some(row) = connection.rows.next_if(|row| within(row, limit)) {
            self.check(connection, &row, &mut batch)?;
            if batch.records.len() >= most {
                return Ok((batch, true));
            }
        }
        Ok((batch, false))
    }

    fn check(
        &self,
        connection: &mut Connection,
        row: &RawRow,
        batch: &mut Batch,
    ) -> Result<(), RoleError> {
        let now = clock::now_ms();
        let fresh = row.position >= connection.next;
        let target = Target {
            topics: &self.topics,
            written: connection.written,
        };
        let status = &mut batch.status;
        let record = match connection.checker.check(row, now) {
            RowOutcome::OutOfScope => {
                batch.out_of_scope += u64::from(fresh);
                return Ok(());
            }
            RowOutcome::Bar(bar, _) => {
                status.rows_sent += 1;
                status.missing_fields += u64::from(bar.open.is_none() || bar.volume.is_none());
                status.last_event_time = time(bar.event_time);
                records::bar(&target, row, &bar)?
            }
            RowOutcome::Refused(refusal) => {
                status.rows_quarantined += 1;
                records::refused(&target, row, refusal, connection.provider, now)?
            }
        };
        status.rows_read += 1;
        if fresh {
            batch.records.push(record);
        }
        Ok(())
    }

    async fn commit(&self, connection: &mut Connection, batch: Batch) -> Result<(), RoleError> {
        let bars = batch
            .records
            .iter()
            .filter(|r| r.topic == self.topics.bars)
            .count() as u64;
        let refused = batch.records.len() as u64 - bars;
        connection.producer.commit(batch.records).await?;
        connection.written += i64::try_from(bars).unwrap_or(i64::MAX);
        let rows = &self.metrics.rows;
        rows.with(["sent"]).inc_by(bars);
        rows.with(["quarantined"]).inc_by(refused);
        rows.with(["out_of_scope"]).inc_by(batch.out_of_scope);
        let (total, new) = (&mut connection.status, batch.status);
        total.rows_read += new.rows_read;
        total.rows_sent += new.rows_sent;
        total.rows_quarantined += new.rows_quarantined;
        total.missing_fields += new.missing_fields;
        total.last_event_time = new.last_event_time.or(total.last_event_time.take());
        if connection
            .rows
            .peek()
            .is_none_or(|row| row.position >= connection.next)
        {
            self.publish(connection);
        }
        self.check_topic(connection).await
    }

    fn publish(&self, connection: &Connection) {
        self.context
            .reporter
            .update(|status| *status = connection.status.clone());
    }
}

/// The date that decides which session a row belongs to. Rows without a date, or with one in the
/// future, go with the row before: a typing error must not pull the rest of the file forward.
fn row_date(row: &RawRow) -> Option<Date> {
    let date = date_of(row.fields.date.as_deref(), "date").ok().flatten()?;
    let now = jiff::Timestamp::from_millisecond(clock::now_ms()).ok()?;
    let today = now.to_zoned(jiff::tz::TimeZone::UTC).date();
    (date <= today).then_some(date)
}

fn within(row: &RawRow, limit: Option<Date>) -> bool {
    match (row_date(row), limit) {
        (Some(date), Some(limit)) => date <= limit,
        _ => true,
    }
}

/// Date of the next session to replay.
fn next_date(rows: &mut Peekable<Rows>) -> Option<Date> {
    rows.peek().and_then(row_date)
}

fn time(ms: i64) -> Option<Time> {
    jiff::Timestamp::from_millisecond(ms).ok().map(Time)
}

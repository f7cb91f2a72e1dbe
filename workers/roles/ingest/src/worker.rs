//! The IO loop: open (fence, find the position), then batches of rows, one transaction each. Any
//! failure ends the session; the next one finds its position again in what was committed.

use std::iter::Peekable;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{LazyLock, Mutex, PoisonError};
use std::time::{Duration, Instant};

use foresail_bars::{Checker, RawRow, Verdict, date_of};
use foresail_crds::Role;
use foresail_crds::names::Topics;
use foresail_crds::pipeline::status::IngestStatus;
use foresail_crds::role::ADMIN_PORT;
use foresail_crds::worker_config::{ServingConfig, WorkerConfig};
use foresail_runtime_base::retry::Backoff;
use foresail_runtime_base::{Health, RoleError, Shutdown, admin, clock};
use foresail_runtime_cluster::{StatusReporter, serving};
use foresail_runtime_kafka::{Record, Settings, TransactionalProducer, written};
use jiff::civil::Date;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use prometheus::{IntCounterVec, register_int_counter_vec};
use tokio::sync::watch;

use crate::pace::Pace;
use crate::position::{self, Position};
use crate::records::{self, Target};
use crate::source::{self, Rows};

/// Most rows in one transaction of the backfill.
const BATCH: usize = 500;
/// How often an open session makes sure that its topic is still the same one.
const CHECK_TOPIC_EVERY: Duration = Duration::from_secs(30);

static ROWS: LazyLock<IntCounterVec> = LazyLock::new(|| {
    register_int_counter_vec!(
        "foresail_ingest_rows_total",
        "Source rows committed by this process: sent, quarantined, or out of scope.",
        &["outcome"]
    )
    .expect("the metric is registered once, with a valid name")
});

/// Runs until shutdown, also after the source is exhausted.
///
/// # Errors
/// The admin port in use. Everything else is reported in status and waited out.
pub async fn run(config: WorkerConfig, shutdown: Shutdown) -> Result<(), RoleError> {
    let bind = SocketAddr::from((Ipv4Addr::UNSPECIFIED, ADMIN_PORT));
    let health = Health::new();
    admin::serve(bind, health.clone(), shutdown.clone()).await?;
    let worker = Worker {
        topics: config.topics(),
        reporter: StatusReporter::start(&config.pipeline, Role::Ingest, shutdown.clone()),
        serving: serving::watch(&config.pipeline, shutdown.clone()),
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
    topics: Topics,
    reporter: StatusReporter<IngestStatus>,
    serving: watch::Receiver<ServingConfig>,
    status: Mutex<IngestStatus>,
    health: Health,
    shutdown: Shutdown,
}

/// An open session.
struct Session {
    producer: TransactionalProducer,
    rows: Peekable<Rows>,
    checker: Checker,
    provider: &'static str,
    settings: Settings,
    /// First position that is not committed.
    next: u64,
    /// Offsets the bars topic has given out, as far as this session knows.
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

impl Worker {
    async fn session(&self, backoff: &mut Backoff) -> Result<(), RoleError> {
        let mut session = self.open().await?;
        backoff.reset();
        self.health.set_ready(true);
        self.report(|_| ());
        self.backfill(&mut session).await?;
        if session.rows.peek().is_some() && !self.shutdown.is_cancelled() {
            self.champion().await;
            self.replay(&mut session).await?;
        }
        if session.rows.peek().is_none() {
            session.status.source_complete = true;
            self.publish(&session);
            tracing::info!(rows = session.status.rows_read, "source complete");
        }
        while !self.shutdown.is_cancelled() {
            tokio::select! {
                () = tokio::time::sleep(CHECK_TOPIC_EVERY) => self.check_topic(&mut session).await?,
                () = self.shutdown.cancelled() => {}
            }
        }
        Ok(())
    }

    /// Makes sure, from time to time, that the topic still holds what was sent.
    async fn check_topic(&self, session: &mut Session) -> Result<(), RoleError> {
        if session.checked.elapsed() < CHECK_TOPIC_EVERY {
            return Ok(());
        }
        session.checked = Instant::now();
        let written = written(&session.settings, &self.topics.bars).await?;
        position::check_same_topic(&self.topics.bars, written, session.written)?;
        session.written = written;
        Ok(())
    }

    async fn open(&self) -> Result<Session, RoleError> {
        let settings = Settings::new(&self.config.kafka)?;
        let (rows, provider) = source::open(&self.config).await?;
        let identity = self.config.pipeline.kafka_identity(Role::Ingest);
        // First fence off older instances: what is read after it can no longer change.
        let producer = TransactionalProducer::open(&settings, &identity).await?;
        let Position { next, written } = position::read(&settings, &self.topics).await?;
        tracing::info!(next, written, provider, "source open");
        let replays = self.config.source.replay.is_some();
        let to = self
            .config
            .source
            .backfill
            .to
            .as_deref()
            .filter(|_| replays);
        Ok(Session {
            producer,
            rows: rows.peekable(),
            checker: Checker::new(&self.config, provider)?,
            provider,
            settings,
            next,
            written,
            checked: Instant::now(),
            status: IngestStatus::default(),
            backfill_to: date_of(to, "source.backfill.to")?,
        })
    }

    async fn backfill(&self, session: &mut Session) -> Result<(), RoleError> {
        while !self.shutdown.is_cancelled() {
            let (batch, more) = self.batch(session, BATCH)?;
            self.commit(session, batch).await?;
            if !more {
                break;
            }
        }
        session.status.backfill_complete = !self.shutdown.is_cancelled();
        self.publish(session);
        tracing::info!(rows = session.status.rows_read, "backfill complete");
        Ok(())
    }

    /// Replay starts when a champion serves.
    async fn champion(&self) {
        let mut serving = self.serving.clone();
        tokio::select! {
            _ = serving.wait_for(|s| s.champion.is_some()) => {}
            () = self.shutdown.cancelled() => {}
        }
    }

    async fn replay(&self, session: &mut Session) -> Result<(), RoleError> {
        let speed = self.config.source.replay.as_ref();
        let speed = speed
            .and_then(|r| r.sessions_per_second.as_f64())
            .unwrap_or(1.0);
        let mut pace = Pace::new(speed);
        while session.rows.peek().is_some() && !self.shutdown.is_cancelled() {
            let resumed = session
                .rows
                .peek()
                .is_some_and(|row| row.position < session.next);
            if !resumed {
                pace.next(&self.shutdown).await;
            }
            session.backfill_to = next_date(&mut session.rows).or(session.backfill_to);
            let (batch, _) = self.batch(session, usize::MAX)?;
            self.commit(session, batch).await?;
            self.publish(session);
        }
        Ok(())
    }

    /// Checks rows up to `most` or up to the last row dated at or before `backfill_to`; false when
    /// the next row lies behind it or there is none.
    fn batch(&self, session: &mut Session, most: usize) -> Result<(Batch, bool), RoleError> {
        let mut batch = Batch::default();
        let limit = session.backfill_to;
        while let Some(row) = session.rows.next_if(|row| within(row, limit)) {
            self.check(session, &row, &mut batch)?;
            if batch.records.len() >= most {
                return Ok((batch, true));
            }
        }
        Ok((batch, false))
    }

    fn check(
        &self,
        session: &mut Session,
        row: &RawRow,
        batch: &mut Batch,
    ) -> Result<(), RoleError> {
        let now = clock::now_ms();
        let fresh = row.position >= session.next;
        let target = Target {
            topics: &self.topics,
            written: session.written,
        };
        let status = &mut batch.status;
        let record = match session.checker.judge(row, now) {
            Verdict::OutOfScope => {
                batch.out_of_scope += u64::from(fresh);
                return Ok(());
            }
            Verdict::Good(bar, _) => {
                status.rows_sent += 1;
                status.missing_fields += u64::from(bar.open.is_none() || bar.volume.is_none());
                status.last_event_time = time(bar.event_time);
                records::bar(&target, row, &bar)?
            }
            Verdict::Refused(refusal) => {
                status.rows_quarantined += 1;
                records::refused(&target, row, refusal, session.provider, now)?
            }
        };
        status.rows_read += 1;
        if fresh {
            batch.records.push(record);
        }
        Ok(())
    }

    async fn commit(&self, session: &mut Session, batch: Batch) -> Result<(), RoleError> {
        let bars = batch
            .records
            .iter()
            .filter(|r| r.topic == self.topics.bars)
            .count() as u64;
        let refused = batch.records.len() as u64 - bars;
        session.producer.commit(batch.records).await?;
        session.written += i64::try_from(bars).unwrap_or(i64::MAX);
        ROWS.with_label_values(&["sent"]).inc_by(bars);
        ROWS.with_label_values(&["quarantined"]).inc_by(refused);
        ROWS.with_label_values(&["out_of_scope"])
            .inc_by(batch.out_of_scope);
        let (total, new) = (&mut session.status, batch.status);
        total.rows_read += new.rows_read;
        total.rows_sent += new.rows_sent;
        total.rows_quarantined += new.rows_quarantined;
        total.missing_fields += new.missing_fields;
        total.last_event_time = new.last_event_time.or(total.last_event_time.take());
        if session
            .rows
            .peek()
            .is_none_or(|row| row.position >= session.next)
        {
            self.publish(session);
        }
        self.check_topic(session).await
    }

    fn publish(&self, session: &Session) {
        self.report(|status| *status = session.status.clone());
    }

    fn report(&self, change: impl FnOnce(&mut IngestStatus)) {
        let mut status = self.status.lock().unwrap_or_else(PoisonError::into_inner);
        status.error = None;
        change(&mut status);
        self.reporter.set(status.clone());
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

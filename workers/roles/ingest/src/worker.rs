//! The IO loop: open (fetch, fence, find the position), then batches of rows, one transaction each, then look for a
//! changed file. Any failure ends the connection; the next one finds its position again in what was committed.

use std::time::Instant;

use foresail_bars::{Checker, RawRow, date_of};
use foresail_crds::pipeline::status::IngestStatus;
use foresail_crds::worker_config::{IngestConfig, ServingConfig};
use foresail_runtime_base::{
    Connecting, RoleContext, RoleError, Supervised, clock, spawn_blocking, supervise,
};
use foresail_runtime_cluster::Api;
use jiff::civil::Date;
use tokio::sync::watch;

use crate::batch::{Batch, Progress};
use crate::marks::Marks;
use crate::metrics::Metrics;
use crate::pace::Pace;
use crate::provider::Polling;
use crate::reading::{self, Trail};
use crate::sessions;
use crate::sink::{CHECK_TOPIC_EVERY, Sink};
use crate::source::{Rows, Source};

/// Runs until shutdown, also after the source is exhausted. Through `api` the requests to a provider are entered in the
/// ledger of its account; no other source needs it.
///
/// # Errors
/// The admin port in use. Everything else is reported in status and waited out.
pub async fn run(
    context: RoleContext<IngestConfig, IngestStatus>,
    serving: watch::Receiver<ServingConfig>,
    api: Api,
) -> Result<(), RoleError> {
    let provider = context.config.source.provider.as_ref();
    let polling = provider.map(|source| Polling::new(source, api));
    let worker = Worker {
        metrics: Metrics::new(&context.registry),
        polling,
        serving,
        context,
    };
    supervise(&worker, &worker.context).await
}

struct Worker {
    context: RoleContext<IngestConfig, IngestStatus>,
    serving: watch::Receiver<ServingConfig>,
    metrics: Metrics,
    /// When the source is a provider of market data.
    polling: Option<Polling>,
}

/// An open connection: source, position and producer.
struct Connection {
    sink: Sink,
    source: Source,
    rows: Rows,
    progress: Progress,
    /// Something was written, or there is nothing to write: an error from before is over.
    proved: bool,
    backfill_complete: bool,
    source_complete: bool,
    /// Last date of the backfill; everything is backfill when absent.
    backfill_to: Option<Date>,
}

impl Supervised for Worker {
    type Status = IngestStatus;

    async fn run_connected(&self, connecting: &Connecting<'_>) -> Result<(), RoleError> {
        if let Some(polling) = &self.polling {
            if self.context.config.source.csv.is_some() {
                self.history(connecting).await?;
            }
            return polling.run(&self.context, &self.metrics, connecting).await;
        }
        let mut connection = self.open().await?;
        connecting.ready();
        self.backfill(&mut connection, connecting).await?;
        if connection.rows.peek().is_some() && !self.context.shutdown.is_cancelled() {
            self.champion(&mut connection, connecting).await;
            self.replay(&mut connection, connecting).await?;
        }
        if connection.rows.peek().is_none() {
            connection.source_complete = true;
            self.prove(&mut connection, connecting);
            tracing::info!(rows = connection.progress.rows_read(), "source complete");
        }
        self.watch(&mut connection).await
    }
}

impl Worker {
    /// Reads the file beside a provider, unless the provider was asked before and every symbol has a bar: its records follow
    /// those of the file.
    async fn history(&self, connecting: &Connecting<'_>) -> Result<(), RoleError> {
        let (config, outside) = (&self.context.config, &self.context.outside);
        let (sink, position) = Sink::open(config, outside, &self.metrics).await?;
        let symbols = config.symbols();
        if position.state.is_some_and(|state| state.asked)
            && sink.marks(&symbols).await?.0.len() == symbols.len()
        {
            return Ok(());
        }
        drop(sink);
        let mut connection = self.open().await?;
        connecting.ready();
        self.session(&mut connection, connecting).await?;
        self.prove(&mut connection, connecting);
        let rows = connection.progress.rows_read();
        tracing::info!(rows, "the history in the file is read");
        Ok(())
    }

    /// Until shutdown, or until the file has changed or an unfinished bar of it is one: then it is opened like after a
    /// restart.
    async fn watch(&self, connection: &mut Connection) -> Result<(), RoleError> {
        let poll = connection.source.poll();
        let mut polled = Instant::now();
        while !self.context.shutdown.is_cancelled() {
            let left = poll.map(|every| every.saturating_sub(polled.elapsed()));
            let wait = left.unwrap_or(CHECK_TOPIC_EVERY).min(CHECK_TOPIC_EVERY);
            tokio::select! {
                () = tokio::time::sleep(wait) => {}
                () = self.context.shutdown.cancelled() => return Ok(()),
            }
            connection.sink.check_topic().await?;
            if connection.progress.has_ended(clock::now_ms()) {
                tracing::info!("a session has ended of which the source had an unfinished bar");
                return Ok(());
            }
            if poll.is_none_or(|every| polled.elapsed() < every) {
                continue;
            }
            match connection.source.has_changed(&self.context.outside).await {
                Ok(true) => {
                    tracing::info!("the file of the source has changed");
                    return Ok(());
                }
                Ok(false) => self.publish(connection),
                // What was read stands; the file is asked for again.
                Err(error) => self.context.reporter.fail(&error),
            }
            polled = Instant::now();
        }
        Ok(())
    }

    async fn open(&self) -> Result<Connection, RoleError> {
        let config = &self.context.config;
        let source = Source::open(config, &self.context.outside).await?;
        let rows = source.rows(config)?;
        let (sink, position) = Sink::open(config, &self.context.outside, &self.metrics).await?;
        let written = position.written;
        let mut compared = source.rows(config)?;
        let trail = Trail::new(config);
        let (state, calendar) = (position.state.clone(), config.calendar.clone());
        let work = spawn_blocking(move || {
            let judged = (clock::now_ms(), &calendar);
            reading::start(&position, trail, &mut compared, judged)
        });
        let start = work.await.map_err(|_| {
            RoleError::internal(
                "TaskLost",
                "comparing the source with what was read; it is retried",
            )
        })??;
        let (reading, next) = (start.reading, start.next);
        let marks = match reading {
            0 => Marks::default(),
            _ => sink.marks(&config.symbols()).await?,
        };
        sessions::check(state.as_ref(), &marks, &config.bar_grid())?;
        let provider = source.provider();
        tracing::info!(reading, next, written, provider, "source open");
        let checker = Checker::new(config, provider)?;
        let to = config.source.backfill.to.as_deref();
        let to = to.filter(|_| config.source.replay.is_some());
        Ok(Connection {
            sink,
            source,
            rows,
            progress: Progress::new(checker, Trail::new(config), (start, marks), provider),
            proved: false,
            backfill_complete: false,
            source_complete: false,
            backfill_to: date_of(to, "source.backfill.to")?,
        })
    }

    async fn backfill(
        &self,
        connection: &mut Connection,
        connecting: &Connecting<'_>,
    ) -> Result<(), RoleError> {
        self.session(connection, connecting).await?;
        connection.backfill_complete = !self.context.shutdown.is_cancelled();
        self.publish(connection);
        tracing::info!(rows = connection.progress.rows_read(), "backfill complete");
        Ok(())
    }

    /// Replay starts when a champion serves.
    async fn champion(&self, connection: &mut Connection, connecting: &Connecting<'_>) {
        let mut serving = self.serving.clone();
        if serving.borrow().champion.is_none() {
            // Nothing is left to do, and nothing failed.
            self.prove(connection, connecting);
        }
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

    async fn replay(
        &self,
        connection: &mut Connection,
        connecting: &Connecting<'_>,
    ) -> Result<(), RoleError> {
        let speed = self.context.config.source.replay.as_ref();
        let speed = speed
            .and_then(|r| r.sessions_per_second.as_f64())
            .unwrap_or(1.0);
        let mut pace = Pace::new(speed);
        while let Some(row) = connection.rows.peek() {
            if self.context.shutdown.is_cancelled() {
                break;
            }
            let news = connection.progress.is_news(row);
            connection.backfill_to = row_date(row).or(connection.backfill_to);
            if news {
                pace.next(&self.context.shutdown).await;
            }
            self.session(connection, connecting).await?;
        }
        Ok(())
    }

    /// Commits rows up to the last one dated at or before `backfill_to`.
    async fn session(
        &self,
        connection: &mut Connection,
        connecting: &Connecting<'_>,
    ) -> Result<(), RoleError> {
        while !self.context.shutdown.is_cancelled() {
            let (batch, more) = self.batch(connection)?;
            self.commit(connection, batch, connecting).await?;
            if !more {
                break;
            }
            // A long stretch without news waits for nothing.
            tokio::task::yield_now().await;
        }
        Ok(())
    }

    /// False when the next row lies behind `backfill_to` or there is none.
    fn batch(&self, connection: &mut Connection) -> Result<(Batch, bool), RoleError> {
        let mut batch = Batch::default();
        let limit = connection.backfill_to;
        let target = connection.sink.target();
        while let Some(row) = connection.rows.next_if(|row| within(row, limit))? {
            let now = clock::now_ms();
            connection.progress.enter(connection.rows.file());
            connection.progress.take(&row, &mut batch, target, now)?;
            if batch.is_full() {
                return Ok((batch, true));
            }
        }
        Ok((batch, false))
    }

    async fn commit(
        &self,
        connection: &mut Connection,
        batch: Batch,
        connecting: &Connecting<'_>,
    ) -> Result<(), RoleError> {
        if connection.sink.commit(batch).await? {
            self.prove(connection, connecting);
        }
        connection.sink.check_topic().await
    }

    /// Work has succeeded: an error from before is over, and the next failure is the first one.
    fn prove(&self, connection: &mut Connection, connecting: &Connecting<'_>) {
        connection.proved = true;
        connecting.succeeded();
        self.publish(connection);
    }

    /// Reports how far ingest is. An open connection alone does not take back what made the last one fail.
    fn publish(&self, connection: &Connection) {
        if !connection.proved {
            return;
        }
        self.context.reporter.update(|status| {
            connection.progress.report(status);
            status.backfill_complete = connection.backfill_complete;
            status.source_complete = connection.source_complete;
            status.files = connection.rows.told().cloned();
        });
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

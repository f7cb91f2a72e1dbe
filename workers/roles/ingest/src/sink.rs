//! Where records go: one transaction after another into topics that are still the same ones. Used for files and for
//! providers alike.

use std::time::{Duration, Instant};

use foresail_crds::Role;
use foresail_crds::names::Topics;
use foresail_crds::worker_config::IngestConfig;
use foresail_runtime_base::{Outside, RoleError};
use foresail_runtime_kafka::{Settings, TransactionalProducer, end_offset_sum};

use crate::batch::Batch;
use crate::marks::Marks;
use crate::metrics::Metrics;
use crate::position::{self, Position};
use crate::provider::{Recent, Survey, Wanted};

/// How often it is made sure that the topic is still the same one.
pub(crate) const CHECK_TOPIC_EVERY: Duration = Duration::from_secs(30);

/// An open producer, alone under its name.
pub(crate) struct Sink {
    producer: TransactionalProducer,
    settings: Settings,
    topics: Topics,
    metrics: Metrics,
    /// Offsets the bars topic has given out, as far as this connection knows.
    written: i64,
    /// When the topic was last checked.
    checked: Instant,
}

impl Sink {
    /// Fences off older instances, and finds out where they ended: what is read after it can no longer change.
    ///
    /// # Errors
    /// Those of Kafka, and `TopicRecreated`.
    pub(crate) async fn open(
        config: &IngestConfig,
        outside: &Outside,
        metrics: &Metrics,
    ) -> Result<(Self, Position), RoleError> {
        let settings = Settings::new(&config.kafka, outside)?.frugal();
        let identity = config.pipeline.kafka_identity(Role::Ingest);
        let producer = TransactionalProducer::open(&settings, &identity).await?;
        let topics = config.topics();
        let position = position::read(&settings, &topics).await?;
        let sink = Self {
            producer,
            settings,
            topics,
            metrics: metrics.clone(),
            written: position.written,
            checked: Instant::now(),
        };
        Ok((sink, position))
    }

    /// The newest bar of each of these symbols.
    ///
    /// # Errors
    /// Those of reading Kafka.
    pub(crate) async fn marks(&self, symbols: &[String]) -> Result<Marks, RoleError> {
        position::marks(&self.settings, &self.topics, symbols).await
    }

    /// The newest bars of each symbol.
    ///
    /// # Errors
    /// Those of reading Kafka.
    pub(crate) async fn recent(&self, wanted: &Wanted<'_>) -> Result<Recent, RoleError> {
        position::recent(&self.settings, &self.topics, wanted).await
    }

    /// Reads the whole bars topic once.
    ///
    /// # Errors
    /// Those of reading Kafka.
    pub(crate) async fn survey(&self, survey: &mut Survey<'_>) -> Result<(), RoleError> {
        position::survey(&self.settings, &self.topics, survey).await
    }

    /// What records are made for.
    pub(crate) fn target(&self) -> (&Topics, i64) {
        (&self.topics, self.written)
    }

    /// Commits a batch; true when it held a record.
    ///
    /// # Errors
    /// Those of Kafka.
    pub(crate) async fn commit(&mut self, batch: Batch) -> Result<bool, RoleError> {
        let (wrote, ()) = self.commit_while(batch, |_| Ok(())).await?;
        Ok(wrote)
    }

    /// Commits a batch, and meanwhile makes the next one for what [`Self::target`] is behind it. When the commit fails, what
    /// was made is lost with it.
    ///
    /// # Errors
    /// Those of Kafka and of `make`.
    pub(crate) async fn commit_while<T>(
        &mut self,
        mut batch: Batch,
        make: impl FnOnce((&Topics, i64)) -> Result<T, RoleError>,
    ) -> Result<(bool, T), RoleError> {
        batch.close()?;
        let is_bar = |topic: &String| *topic == self.topics.bars;
        let bars = batch.records.iter().filter(|r| is_bar(&r.topic)).count() as u64;
        let refused = batch.records.len() as u64 - bars;
        let written = self.written + i64::try_from(bars).unwrap_or(i64::MAX);
        let target = (&self.topics, written);
        // The first one is under way as soon as it was asked for once.
        let commit = self.producer.commit(batch.records);
        let (committed, made) = tokio::join!(biased; commit, async { make(target) });
        committed?;
        self.written = written;
        let rows = &self.metrics.rows;
        rows.with(["sent"]).inc_by(bars);
        rows.with(["quarantined"]).inc_by(refused);
        rows.with(["unchanged"]).inc_by(batch.unchanged);
        rows.with(["out_of_scope"]).inc_by(batch.out_of_scope);
        Ok((bars + refused > 0, made?))
    }

    /// Makes sure, from time to time, that the topic still holds what was sent.
    ///
    /// # Errors
    /// Those of Kafka, and `TopicRecreated`.
    pub(crate) async fn check_topic(&mut self) -> Result<(), RoleError> {
        if self.checked.elapsed() < CHECK_TOPIC_EVERY {
            return Ok(());
        }
        self.checked = Instant::now();
        let written = end_offset_sum(&self.settings, &self.topics.bars).await?;
        position::check_same_topic(&self.topics.bars, written, self.written)?;
        self.written = written;
        Ok(())
    }
}

//! Transactions: all records of one call become visible together, or none.
//!
//! Opening fences every earlier producer of the same transactional id and ends its open
//! transaction. After an unknown result the producer is destroyed; callers open a new one and
//! find their position again in what was really written.

use std::time::{Duration, Instant};

use foresail_runtime_base::effects::Effects;
use foresail_runtime_base::{RoleError, spawn_blocking};
use rdkafka::config::FromClientConfig;
use rdkafka::message::{Header, OwnedHeaders};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};

use crate::error::{explain, lost};
use crate::{Record, Settings};

/// Largest record in bytes; a topic that takes as much is made with `max.message.bytes`.
pub const LARGEST_RECORD: &str = "16777216";

/// Time for one whole transaction; below the broker's transaction timeout set beside it.
const COMMIT_TIMEOUT: Duration = Duration::from_secs(30);

/// Pause between two looks at whether the broker has all records. A wait within `poll` is no pause below two milliseconds: what
/// is left of it is cut to whole milliseconds, so that it asks again and again and takes a core from the broker.
const DRAIN_PAUSE: Duration = Duration::from_micros(250);

/// A fencing producer.
pub struct TransactionalProducer {
    /// Absent after a failure.
    producer: Option<BaseProducer>,
    id: String,
    servers: String,
    effects: Effects,
}

impl TransactionalProducer {
    /// Connects, fences earlier holders of `transactional_id`, waits until their transaction has ended.
    ///
    /// # Errors
    /// `KafkaUnreachable`, `KafkaAuthFailed`, `KafkaAccessDenied`.
    pub async fn open(settings: &Settings, transactional_id: &str) -> Result<Self, RoleError> {
        let mut config = settings.client();
        config
            .set("transactional.id", transactional_id)
            .set("transaction.timeout.ms", "60000")
            .set("message.timeout.ms", "20000")
            .set("partitioner", "murmur2_random")
            .set("compression.type", "zstd")
            // The broker and its topics say what is too long.
            .set("message.max.bytes", LARGEST_RECORD)
            .set("linger.ms", "1")
            // Paid on every CONCURRENT_TRANSACTIONS answer while the last markers are written.
            .set("retry.backoff.ms", "1");
        let what = format!("opening transactional producer `{transactional_id}`");
        let servers = settings.servers().to_string();
        let (id, task) = (transactional_id.to_string(), what.clone());
        let opened = spawn_blocking(move || {
            let producer = BaseProducer::from_config(&config)?;
            producer.init_transactions(COMMIT_TIMEOUT)?;
            Ok::<_, rdkafka::error::KafkaError>(producer)
        })
        .await
        .map_err(|_| lost(&task))?;
        let producer = opened.map_err(|e| explain(&what, &servers, &e))?;
        Ok(Self {
            producer: Some(producer),
            id,
            servers,
            effects: settings.effects().clone(),
        })
    }

    /// Writes all records in one transaction. An empty list does nothing.
    ///
    /// # Errors
    /// Any failure leaves the transaction aborted or unknown and this producer unusable: open a
    /// new one and find the position again.
    pub async fn commit(&mut self, records: Vec<Record>) -> Result<(), RoleError> {
        if records.is_empty() {
            return Ok(());
        }
        let what = format!("transaction of `{}`", self.id);
        let producer = self.producer.take().ok_or_else(|| {
            RoleError::internal(
                "ProducerClosed",
                format!("{what}: the producer failed before"),
            )
        })?;
        let (task, servers) = (what.clone(), self.servers.clone());
        let write = spawn_blocking(move || {
            let result = transaction(&producer, records);
            if result.is_err() {
                // Best effort: the next open aborts it in any case.
                producer.abort_transaction(Duration::from_secs(2)).ok();
            }
            (producer, result)
        });
        let (producer, result) = self
            .effects
            .perform("kafka", "commit", write)
            .await
            .map_err(|_| lost(&task))?;
        result.map_err(|e| explain(&what, &servers, &e))?;
        self.producer = Some(producer);
        Ok(())
    }
}

fn transaction(
    producer: &BaseProducer,
    records: Vec<Record>,
) -> Result<(), rdkafka::error::KafkaError> {
    let deadline = Instant::now() + COMMIT_TIMEOUT;
    producer.begin_transaction()?;
    for record in records {
        // Each is gone once the client has it.
        send(producer, &record, deadline)?;
    }
    // commit_transaction polls in steps of 100 ms; draining first keeps a commit at a few ms.
    while producer.in_flight_count() > 0 && Instant::now() < deadline {
        producer.poll(Duration::ZERO);
        std::thread::sleep(DRAIN_PAUSE);
    }
    producer.commit_transaction(COMMIT_TIMEOUT)
}

fn send(
    producer: &BaseProducer,
    record: &Record,
    deadline: Instant,
) -> Result<(), rdkafka::error::KafkaError> {
    let mut base = to_base(record);
    loop {
        match producer.send(base) {
            Ok(()) => return Ok(()),
            Err((error, again)) => {
                let full =
                    error.rdkafka_error_code() == Some(rdkafka::error::RDKafkaErrorCode::QueueFull);
                if !full || Instant::now() >= deadline {
                    return Err(error);
                }
                producer.poll(Duration::from_millis(10));
                base = again;
            }
        }
    }
}

pub(crate) fn to_base(record: &Record) -> BaseRecord<'_, str, [u8]> {
    let mut headers = OwnedHeaders::new_with_capacity(record.headers.len());
    for (key, value) in &record.headers {
        headers = headers.insert(Header {
            key,
            value: Some(value.as_bytes()),
        });
    }
    let mut base = BaseRecord::to(&record.topic).headers(headers);
    if !record.value.is_empty() {
        base = base.payload(record.value.as_slice());
    }
    if let Some(key) = &record.key {
        base = base.key(key.as_str());
    }
    if let Some(partition) = record.partition {
        base = base.partition(partition);
    }
    if let Some(timestamp) = record.timestamp {
        base = base.timestamp(timestamp);
    }
    base
}

//! A log that never holds up its caller: a bounded buffer, and what does not fit is counted.

use std::time::Duration;

use foresail_runtime_base::RoleError;
use foresail_runtime_base::effects::Effects;
use foresail_runtime_base::metrics::Counter;
use rdkafka::ClientContext;
use rdkafka::config::FromClientConfigAndContext;
use rdkafka::error::RDKafkaErrorCode;
use rdkafka::producer::{BaseProducer, DeliveryResult, Producer, ProducerContext, PurgeConfig};

use crate::error::explain;
use crate::producer::to_base;
use crate::{Record, Settings};

/// Longest wait for the reports of records that were given up.
const PURGED: Duration = Duration::from_millis(500);

/// Counts the records that Kafka has not taken.
struct Reports {
    dropped: Counter,
}

impl ClientContext for Reports {}

impl ProducerContext for Reports {
    type DeliveryOpaque = ();

    fn delivery(&self, result: &DeliveryResult<'_>, (): ()) {
        if result.is_err() {
            self.dropped.inc();
        }
    }
}

/// Fire-and-forget producer. Acknowledgements are taken with the next record: a thread that polls
/// for them would cost an idle predictor half of its CPU.
pub struct LossyProducer {
    producer: BaseProducer<Reports>,
    effects: Effects,
}

impl LossyProducer {
    /// Connects in the background; `buffer` records wait at most 30 s for a broker. What is dropped
    /// counts in `dropped`.
    ///
    /// # Errors
    /// Only settings that cannot be used at all.
    pub fn open(settings: &Settings, buffer: usize, dropped: Counter) -> Result<Self, RoleError> {
        let mut config = settings.client();
        config
            .set("queue.buffering.max.messages", buffer.max(1).to_string())
            .set("message.timeout.ms", "30000")
            .set("partitioner", "murmur2_random")
            .set("compression.type", "zstd")
            .set("linger.ms", "50");
        let producer = BaseProducer::from_config_and_context(&config, Reports { dropped })
            .map_err(|e| explain("opening the served log", settings.servers(), &e))?;
        Ok(Self {
            producer,
            effects: settings.effects().clone(),
        })
    }

    /// Hands a record over; true when it fits the buffer, otherwise it is dropped and counted.
    pub async fn send(&self, record: &Record) -> bool {
        self.producer.poll(Duration::ZERO);
        let sent = self
            .effects
            .perform("kafka", "log", async {
                self.producer.send(to_base(record))
            })
            .await;
        match sent {
            Ok(()) => true,
            Err((error, _)) => {
                if error.rdkafka_error_code() != Some(RDKafkaErrorCode::QueueFull) {
                    tracing::debug!(%error, "served forecast not logged");
                }
                self.producer.context().dropped.inc();
                false
            }
        }
    }

    /// Waits up to `limit` until Kafka has taken everything; what remains is given up, and counted as dropped.
    pub async fn drain(&self, limit: Duration) {
        self.settle(limit).await;
        self.producer
            .purge(PurgeConfig::default().queue().inflight());
        self.settle(PURGED).await;
    }

    /// Takes reports until none is awaited, or `limit` is over.
    async fn settle(&self, limit: Duration) {
        let deadline = tokio::time::Instant::now() + limit;
        loop {
            self.producer.poll(Duration::ZERO);
            if self.producer.in_flight_count() == 0 || tokio::time::Instant::now() >= deadline {
                return;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }
}

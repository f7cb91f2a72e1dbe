//! The log of served forecasts: a bounded buffer in front of Kafka; what does not fit is counted.

use std::sync::LazyLock;

use foresail_crds::records::{PredictionRecord, header};
use foresail_runtime_kafka::{LossyProducer, Record};
use prometheus::{IntCounter, register_int_counter};
use tokio::sync::mpsc;

/// Records that wait in front of the producer.
const BUFFER: usize = 4_096;

static DROPPED: LazyLock<IntCounter> = LazyLock::new(|| {
    register_int_counter!(
        "foresail_served_log_overflow_total",
        "Served forecasts that were not logged because the buffer was full."
    )
    .expect("the metric is registered once, with a valid name")
});

/// Handle of the log.
pub(crate) struct ServedLog(mpsc::Sender<PredictionRecord>);

impl ServedLog {
    /// Starts the task that hands records to Kafka.
    pub(crate) fn start(producer: LossyProducer, topic: String) -> Self {
        let (sender, mut records) = mpsc::channel::<PredictionRecord>(BUFFER);
        tokio::spawn(async move {
            while let Some(record) = records.recv().await {
                let Ok(value) = serde_json::to_vec(&record) else {
                    continue;
                };
                let headers = vec![
                    (
                        header::EVENT_TIME.to_string(),
                        record.event_time.to_string(),
                    ),
                    (
                        header::MODEL_VERSION.to_string(),
                        record.model_version.to_string(),
                    ),
                ];
                let record = Record {
                    topic: topic.clone(),
                    partition: None,
                    key: Some(record.symbol),
                    value,
                    headers,
                    timestamp: None,
                };
                producer.send(&record).await;
            }
        });
        Self(sender)
    }

    /// Never waits.
    pub(crate) fn send(&self, record: PredictionRecord) {
        if self.0.try_send(record).is_err() {
            DROPPED.inc();
        }
    }
}

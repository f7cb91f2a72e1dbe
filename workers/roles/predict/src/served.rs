//! The log of served forecasts: a bounded buffer in front of Kafka; what does not fit is counted.

use foresail_crds::records::{PredictionRecord, header};
use foresail_runtime_base::metrics::Counter;
use foresail_runtime_base::spawn;
use foresail_runtime_kafka::{LossyProducer, Record};
use tokio::sync::mpsc;

/// Records that wait in front of the producer.
const BUFFER: usize = 4_096;

/// Handle of the log.
pub(crate) struct ServedLog {
    sender: mpsc::Sender<PredictionRecord>,
    overflow: Counter,
}

impl ServedLog {
    /// Starts the task that hands records to Kafka; those that do not fit count in `overflow`.
    pub(crate) fn start(producer: LossyProducer, topic: String, overflow: Counter) -> Self {
        let (sender, mut records) = mpsc::channel::<PredictionRecord>(BUFFER);
        spawn(async move {
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
        Self { sender, overflow }
    }

    /// Never waits.
    pub(crate) fn send(&self, record: PredictionRecord) {
        if self.sender.try_send(record).is_err() {
            self.overflow.inc();
        }
    }
}

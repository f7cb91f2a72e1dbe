//! The log of served forecasts: a bounded buffer in front of Kafka; what does not fit is counted.

use std::time::Duration;

use foresail_crds::records::{PredictionRecord, header};
use foresail_runtime_base::metrics::Counter;
use foresail_runtime_base::spawn;
use foresail_runtime_kafka::{LossyProducer, Record};
use tokio::sync::{mpsc, oneshot};

/// Records that wait in front of the producer.
const BUFFER: usize = 4_096;

/// What a served forecast was made from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Origin {
    /// The Pipeline's own feature rows.
    Pipeline,
    /// A series in the request: its symbol and its time are what the client says.
    Request,
}

impl Origin {
    const fn name(self) -> &'static str {
        match self {
            Self::Pipeline => "pipeline",
            Self::Request => "request",
        }
    }
}

/// What the task of the log gets.
enum Entry {
    /// A forecast that was served.
    Served(Box<PredictionRecord>, Origin),
    /// No more follow: what was handed over gets this long to arrive.
    Close(Duration, oneshot::Sender<()>),
}

/// Handle of the log.
pub(crate) struct ServedLog {
    sender: mpsc::Sender<Entry>,
    overflow: Counter,
}

impl ServedLog {
    /// Starts the task that hands records to Kafka; those that do not fit count in `overflow`.
    pub(crate) fn start(producer: LossyProducer, topic: String, overflow: Counter) -> Self {
        let (sender, mut entries) = mpsc::channel(BUFFER);
        spawn(async move {
            while let Some(entry) = entries.recv().await {
                match entry {
                    Entry::Served(record, origin) => {
                        if let Some(record) = to_record(*record, origin, &topic) {
                            producer.send(&record).await;
                        }
                    }
                    Entry::Close(limit, closed) => {
                        producer.drain(limit).await;
                        // Who asked may have gone.
                        closed.send(()).ok();
                        return;
                    }
                }
            }
        });
        Self { sender, overflow }
    }

    /// Never waits.
    pub(crate) fn send(&self, record: PredictionRecord, origin: Origin) {
        let entry = Entry::Served(Box::new(record), origin);
        if self.sender.try_send(entry).is_err() {
            self.overflow.inc();
        }
    }

    /// Waits up to `limit` for what was sent; what Kafka has not acknowledged by then is counted as dropped.
    pub(crate) async fn close(&self, limit: Duration) {
        let (closed, done) = oneshot::channel();
        if self.sender.send(Entry::Close(limit, closed)).await.is_ok() {
            // The task ends only after it has answered.
            done.await.ok();
        }
    }
}

fn to_record(record: PredictionRecord, origin: Origin, topic: &str) -> Option<Record> {
    let value = serde_json::to_vec(&record).ok()?;
    let headers = [
        (header::EVENT_TIME, record.event_time.to_string()),
        (header::MODEL_VERSION, record.model_version.to_string()),
        (header::ORIGIN, origin.name().to_owned()),
    ];
    Some(Record {
        topic: topic.to_owned(),
        partition: None,
        key: Some(record.symbol).filter(|symbol| !symbol.is_empty()),
        value,
        headers: headers.map(|(name, value)| (name.to_owned(), value)).into(),
        timestamp: None,
    })
}

//! Reads all partitions of one topic by manual assignment, committed records only.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use foresail_runtime_base::{RoleError, spawn_blocking};
use rdkafka::TopicPartitionList;
use rdkafka::config::{ClientConfig, FromClientConfig};
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::KafkaError;
use rdkafka::topic_partition_list::Offset;

use crate::error::{explain, lost, recreated};
use crate::settings::REQUEST_TIMEOUT;
use crate::{Message, Settings};

/// Longest wait for a further message of a batch: a live bar must not wait for the end of its
/// partition to be known.
const LINGER: Duration = Duration::from_millis(2);

/// Where reading starts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Start {
    /// The oldest record of every partition.
    Beginning,
    /// These offsets; partitions not named from their beginning.
    Offsets(BTreeMap<i32, i64>),
    /// About this many offsets before the end of every partition (control records count).
    Tail(usize),
}

/// Offsets by partition.
type ByPartition = BTreeMap<i32, i64>;

/// A reader of one topic.
pub struct Reader {
    consumer: Arc<BaseConsumer>,
    topic: String,
    servers: String,
    partitions: Vec<i32>,
    /// Partitions of which not everything that was there at the opening has been read, with the
    /// offset that ends it.
    unread: ByPartition,
}

impl Reader {
    /// Connects and takes all partitions the topic has now.
    ///
    /// # Errors
    /// `KafkaUnreachable`, `KafkaAuthFailed`, `TopicMissing`; `TopicRecreated` (user) when a
    /// requested offset lies beyond the end of its partition.
    pub async fn open(settings: &Settings, topic: &str, start: Start) -> Result<Self, RoleError> {
        let config = config(settings);
        let what = reading(topic);
        let servers = settings.servers().to_string();
        let (task, name, at) = (what.clone(), topic.to_string(), servers.clone());
        spawn_blocking(move || {
            let (consumer, partitions) = connect(&config, &name, &at)?;
            let (offsets, unread) = starts(&consumer, &name, &partitions, &start)
                .map_err(|e| e.into_role_error(&name, &at))?;
            let mut list = TopicPartitionList::new();
            for (partition, offset) in offsets {
                list.add_partition_offset(&name, partition, Offset::Offset(offset))
                    .map_err(|e| explain(&task, &at, &e))?;
            }
            consumer
                .assign(&list)
                .map_err(|e| explain(&task, &at, &e))?;
            Ok(Self {
                consumer: Arc::new(consumer),
                topic: name,
                servers: at,
                partitions,
                unread,
            })
        })
        .await
        .map_err(|_| lost(&what))?
    }

    /// Partitions read.
    pub fn partitions(&self) -> &[i32] {
        &self.partitions
    }

    /// Up to `max` messages, in offset order per partition; waits up to `wait` for the first one (the
    /// batch is empty when none comes), and returns as soon as no further one is at hand.
    ///
    /// # Errors
    /// `KafkaUnreachable` and the like; the reader can be asked again.
    pub async fn next_batch(
        &mut self,
        max: usize,
        wait: Duration,
    ) -> Result<Vec<Message>, RoleError> {
        let what = reading(&self.topic);
        let consumer = Arc::clone(&self.consumer);
        let mut unread = std::mem::take(&mut self.unread);
        let (batch, unread) = spawn_blocking(move || {
            let batch = poll(&consumer, max, wait, &mut unread);
            (batch, unread)
        })
        .await
        .map_err(|_| lost(&what))?;
        self.unread = unread;
        batch.map_err(|e| explain(&what, &self.servers, &e))
    }

    /// True when everything that was there at the opening has been read, and ever after: a busy
    /// topic has no other end.
    pub fn caught_up(&self) -> bool {
        self.unread.is_empty()
    }

    /// First and next offset of every partition; the next one is the last stable offset or above.
    ///
    /// # Errors
    /// `KafkaUnreachable`.
    pub async fn ends(&self) -> Result<BTreeMap<i32, (i64, i64)>, RoleError> {
        let what = format!("asking for the ends of topic `{}`", self.topic);
        let (consumer, topic) = (Arc::clone(&self.consumer), self.topic.clone());
        let partitions = self.partitions.clone();
        let ends = spawn_blocking(move || watermarks(&consumer, &topic, &partitions))
            .await
            .map_err(|_| lost(&what))?;
        ends.map_err(|e| explain(&what, &self.servers, &e))
    }
}

/// Offsets given out by a topic so far: the sum of its partitions' ends. It never falls unless the
/// topic is re-created.
///
/// # Errors
/// `KafkaUnreachable`, `KafkaAuthFailed`, `TopicMissing`.
pub async fn end_offset_sum(settings: &Settings, topic: &str) -> Result<i64, RoleError> {
    let (config, name, at) = (
        config(settings),
        topic.to_string(),
        settings.servers().to_string(),
    );
    // Asked without an assignment: nothing is to be read.
    let sum = move || {
        let (consumer, partitions) = connect(&config, &name, &at)?;
        let ends = watermarks(&consumer, &name, &partitions);
        let ends = ends.map_err(|e| explain(&reading(&name), &at, &e))?;
        Ok(ends.values().map(|(_, high)| high).sum())
    };
    spawn_blocking(sum)
        .await
        .map_err(|_| lost(&reading(topic)))?
}

fn poll(
    consumer: &BaseConsumer,
    max: usize,
    wait: Duration,
    unread: &mut BTreeMap<i32, i64>,
) -> Result<Vec<Message>, KafkaError> {
    let deadline = std::time::Instant::now() + wait;
    let mut batch = Vec::new();
    while batch.len() < max {
        let mut left = deadline.saturating_duration_since(std::time::Instant::now());
        if !batch.is_empty() {
            left = left.min(LINGER);
        }
        if left.is_zero() {
            break;
        }
        match consumer.poll(left) {
            None => break,
            Some(Ok(message)) => {
                let message = Message::owned(&message);
                if unread
                    .get(&message.partition)
                    .is_some_and(|end| message.offset + 1 >= *end)
                {
                    unread.remove(&message.partition);
                }
                batch.push(message);
            }
            // What ends a partition may be control records, which are never handed out.
            Some(Err(KafkaError::PartitionEOF(partition))) => {
                unread.remove(&partition);
            }
            // What was read is handed out; a lasting error comes again with the next call.
            Some(Err(_)) if !batch.is_empty() => break,
            Some(Err(error)) => return Err(error),
        }
    }
    Ok(batch)
}

fn partitions(consumer: &BaseConsumer, topic: &str) -> Result<Vec<i32>, KafkaError> {
    let metadata = consumer.fetch_metadata(Some(topic), REQUEST_TIMEOUT)?;
    let mut ids: Vec<i32> = metadata
        .topics()
        .iter()
        .filter(|t| t.name() == topic)
        .flat_map(|t| t.partitions().iter().map(|p| p.id()))
        .collect();
    ids.sort_unstable();
    Ok(ids)
}

fn config(settings: &Settings) -> ClientConfig {
    let mut config = settings.client();
    config
        // Required by librdkafka; nothing is ever committed to it.
        .set("group.id", "foresail-reader")
        .set("enable.auto.commit", "false")
        .set("enable.auto.offset.store", "false")
        .set("enable.partition.eof", "true")
        .set("isolation.level", "read_committed")
        .set("auto.offset.reset", "error")
        // A record is handed out at once; this is only how often an idle topic is asked, and how
        // late its end is known.
        .set("fetch.wait.max.ms", "250")
        .set("queued.max.messages.kbytes", "8192");
    config
}

/// A consumer and the partitions its topic has now.
fn connect(
    config: &ClientConfig,
    topic: &str,
    servers: &str,
) -> Result<(BaseConsumer, Vec<i32>), RoleError> {
    let what = reading(topic);
    let to_error = |e: KafkaError| explain(&what, servers, &e);
    let consumer = BaseConsumer::from_config(config).map_err(to_error)?;
    let partitions = partitions(&consumer, topic).map_err(to_error)?;
    if partitions.is_empty() {
        let message = format!("{what} on Kafka {servers}: the topic does not exist; it is retried");
        return Err(RoleError::outside("TopicMissing", message));
    }
    Ok((consumer, partitions))
}

fn reading(topic: &str) -> String {
    format!("reading topic `{topic}`")
}

fn watermarks(
    consumer: &BaseConsumer,
    topic: &str,
    partitions: &[i32],
) -> Result<BTreeMap<i32, (i64, i64)>, KafkaError> {
    let one = |p: &i32| Ok((*p, consumer.fetch_watermarks(topic, *p, REQUEST_TIMEOUT)?));
    partitions.iter().map(one).collect()
}

enum StartError {
    Kafka(KafkaError),
    Beyond {
        partition: i32,
        offset: i64,
        end: i64,
    },
}

impl StartError {
    fn into_role_error(self, topic: &str, servers: &str) -> RoleError {
        match self {
            Self::Kafka(error) => explain(&reading(topic), servers, &error),
            Self::Beyond {
                partition,
                offset,
                end,
            } => recreated(
                topic,
                format_args!(
                    "partition {partition} ends at {end}, offset {offset} was read before"
                ),
            ),
        }
    }
}

/// Where each partition is read from, and the ends of those with something to read.
fn starts(
    consumer: &BaseConsumer,
    topic: &str,
    partitions: &[i32],
    start: &Start,
) -> Result<(ByPartition, ByPartition), StartError> {
    let ends = watermarks(consumer, topic, partitions).map_err(StartError::Kafka)?;
    let one = |(&partition, &(low, high)): (&i32, &(i64, i64))| {
        let offset = match start {
            Start::Beginning => low,
            Start::Tail(count) => low.max(high - i64::try_from(*count).unwrap_or(i64::MAX)),
            Start::Offsets(offsets) => match offsets.get(&partition) {
                Some(offset) if *offset > high => {
                    return Err(StartError::Beyond {
                        partition,
                        offset: *offset,
                        end: high,
                    });
                }
                Some(offset) => low.max(*offset),
                None => low,
            },
        };
        Ok((partition, offset))
    };
    let starts: BTreeMap<i32, i64> = ends.iter().map(one).collect::<Result<_, _>>()?;
    let to_read = |(partition, (_, high)): (i32, (i64, i64))| {
        (starts.get(&partition)? < &high).then_some((partition, high))
    };
    let unread = ends.into_iter().filter_map(to_read).collect();
    Ok((starts, unread))
}

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
/// Bytes of values and keys after which a batch is full, however few its messages: a topic may hold records as large as
/// its broker takes.
const LARGEST_BATCH: usize = 8 << 20;

/// Where reading starts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Start {
    /// The oldest record of every partition.
    Beginning,
    /// These offsets; partitions not named from their beginning.
    Offsets(BTreeMap<i32, i64>),
    /// About this many offsets before the end of every partition (control records count).
    Tail(usize),
    /// The oldest record of this partition; no other one is read.
    Partition(i32),
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
    removed: ByPartition,
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
            let starts = starts(&consumer, &name, &partitions, &start)
                .map_err(|e| e.into_role_error(&name, &at))?;
            if !starts.removed.is_empty() {
                let partitions = &starts.removed;
                tracing::error!(
                    topic = name,
                    ?partitions,
                    "records were removed before they were read"
                );
            }
            let mut list = TopicPartitionList::new();
            for (partition, offset) in starts.offsets {
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
                unread: starts.unread,
                removed: starts.removed,
            })
        })
        .await
        .map_err(|_| lost(&what))?
    }

    /// Partitions read.
    pub fn partitions(&self) -> &[i32] {
        &self.partitions
    }

    /// Offsets between where reading was to start and what the broker still holds, by partition: records that were
    /// removed before they were read. Some of them may be control records. Empty when nothing is missing.
    pub fn removed(&self) -> &BTreeMap<i32, i64> {
        &self.removed
    }

    /// Up to `max` messages and some 8 MiB, in offset order per partition; waits up to `wait` for the first one (the
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
    let (mut batch, mut bytes) = (Vec::new(), 0);
    while batch.len() < max && bytes < LARGEST_BATCH {
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
                bytes += message.bytes();
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
        .set("fetch.wait.max.ms", "250");
    for (name, value) in settings.ahead() {
        config.set(name, value);
    }
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

/// Where each partition is read from.
#[derive(Debug, Default, PartialEq, Eq)]
struct Starts {
    offsets: ByPartition,
    /// Ends of those with something to read.
    unread: ByPartition,
    removed: ByPartition,
}

fn starts(
    consumer: &BaseConsumer,
    topic: &str,
    partitions: &[i32],
    start: &Start,
) -> Result<Starts, StartError> {
    let ends = watermarks(consumer, topic, partitions).map_err(StartError::Kafka)?;
    starts_within(&ends, start)
}

/// Decides from the first and next offset of every partition.
fn starts_within(ends: &BTreeMap<i32, (i64, i64)>, start: &Start) -> Result<Starts, StartError> {
    let mut starts = Starts::default();
    for (&partition, &(low, high)) in ends {
        let offset = match start {
            Start::Partition(only) if *only != partition => continue,
            Start::Beginning | Start::Partition(_) => low,
            Start::Tail(count) => low.max(high - i64::try_from(*count).unwrap_or(i64::MAX)),
            Start::Offsets(offsets) => {
                let wanted = offsets.get(&partition).copied().unwrap_or(0);
                if wanted > high {
                    return Err(StartError::Beyond {
                        partition,
                        offset: wanted,
                        end: high,
                    });
                }
                // The offset behind the last record of a transaction is the mark of its end.
                if low - wanted > 1 {
                    starts.removed.insert(partition, low - wanted);
                }
                low.max(wanted)
            }
        };
        starts.offsets.insert(partition, offset);
        if offset < high {
            starts.unread.insert(partition, high);
        }
    }
    Ok(starts)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn starts_of(low: i64, high: i64, start: Start) -> Option<(i64, bool, i64)> {
        let starts = starts_within(&[(0, (low, high))].into(), &start).ok()?;
        let removed = starts.removed.get(&0).copied().unwrap_or(0);
        Some((starts.offsets[&0], !starts.unread.is_empty(), removed))
    }

    #[test]
    fn what_a_broker_has_removed_before_it_was_read_is_counted() {
        let at = |offset: i64| Start::Offsets([(0, offset)].into());
        assert_eq!(starts_of(0, 9, at(4)), Some((4, true, 0)));
        assert_eq!(starts_of(7, 9, at(4)), Some((7, true, 3)));
        assert_eq!(starts_of(9, 9, at(4)), Some((9, false, 5)));
        assert_eq!(
            starts_of(7, 9, Start::Offsets(ByPartition::new())),
            Some((7, true, 7))
        );
        assert_eq!(
            starts_of(9, 9, at(8)),
            Some((9, false, 0)),
            "a mark of the end"
        );
        assert_eq!(starts_of(0, 9, at(10)), None, "another topic");
        assert_eq!(starts_of(7, 9, Start::Beginning), Some((7, true, 0)));
        assert_eq!(starts_of(0, 9, Start::Tail(3)), Some((6, true, 0)));
    }

    #[test]
    fn one_partition_is_read_alone() {
        let ends = [(0, (0, 9)), (1, (2, 7))].into();
        let starts = starts_within(&ends, &Start::Partition(1)).ok().unwrap();
        assert_eq!(starts.offsets, [(1, 2)].into());
        assert_eq!(starts.unread, [(1, 7)].into());
        assert!(starts.removed.is_empty());
    }
}

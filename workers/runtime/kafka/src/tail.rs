//! The newest records of a topic, without reading it from its beginning.

use std::collections::BTreeMap;
use std::time::Duration;

use foresail_runtime_base::RoleError;

use crate::{Message, Reader, Settings, Start};

/// How much further back the next attempt reads.
const FURTHER: usize = 8;

/// How far back an attempt has read.
#[derive(Debug)]
pub struct Reach {
    offsets: usize,
    ends: BTreeMap<i32, (i64, i64)>,
}

impl Reach {
    /// Whether all there is of a partition has been read.
    pub fn is_whole(&self, partition: i32) -> bool {
        let within = |(low, high): &(i64, i64)| {
            usize::try_from(high - low).unwrap_or(usize::MAX) <= self.offsets
        };
        self.ends.get(&partition).is_none_or(within)
    }

    fn all_whole(&self) -> bool {
        self.ends.keys().all(|partition| self.is_whole(*partition))
    }
}

/// Opens a topic so that what `take` has gathered of its last records is `enough`, or all there is, and goes on behind
/// them. The first attempt reads `records` back; control records and aborted ones take offsets too, so a further one
/// starts over from further back, with an empty `T`.
///
/// # Errors
/// Those of [`Reader::open`] and [`Reader::next_batch`].
pub async fn open_tail<T: Default>(
    settings: &Settings,
    topic: &str,
    records: usize,
    mut take: impl FnMut(&mut T, Message),
    enough: impl Fn(&T, &Reach) -> bool,
) -> Result<(Reader, T), RoleError> {
    let mut offsets = records.saturating_mul(2).saturating_add(8);
    loop {
        let mut reader = Reader::open(settings, topic, Start::Tail(offsets)).await?;
        let mut gathered = T::default();
        while !reader.caught_up() {
            for message in reader.next_batch(1_000, Duration::from_millis(500)).await? {
                take(&mut gathered, message);
            }
        }
        let ends = reader.ends().await?;
        let reach = Reach { offsets, ends };
        if reach.all_whole() || enough(&gathered, &reach) {
            return Ok((reader, gathered));
        }
        offsets = offsets.saturating_mul(FURTHER);
    }
}

/// The last `per_partition` committed messages of every partition, in offset order.
///
/// # Errors
/// Those of [`open_tail`].
pub async fn read_tail(
    settings: &Settings,
    topic: &str,
    per_partition: usize,
) -> Result<Vec<Message>, RoleError> {
    type ByPartition = BTreeMap<i32, Vec<Message>>;
    let take = |lists: &mut ByPartition, message: Message| {
        let list = lists.entry(message.partition).or_default();
        list.push(message);
        if list.len() > per_partition {
            list.remove(0);
        }
    };
    let enough = |lists: &ByPartition, reach: &Reach| {
        let count = |partition: &i32| lists.get(partition).map_or(0, Vec::len);
        let known =
            |partition: &i32| reach.is_whole(*partition) || count(partition) >= per_partition;
        reach.ends.keys().all(known)
    };
    let (_, lists) = open_tail(settings, topic, per_partition, take, enough).await?;
    Ok(lists.into_values().flatten().collect())
}

//! Finds out where earlier runs stopped: the newest feature rows and the state snapshots, both
//! read from Kafka after older instances were fenced off. Used by `worker`.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use foresail_crds::names::Topics;
use foresail_crds::records::{FeatureRecord, StreamSnapshot};
use foresail_runtime_base::RoleError;
use foresail_runtime_kafka::{Reader, Settings, Start, read_tail, recreated};

use crate::engine::{Recovered, StreamEngine};
use crate::records;

const BATCH: usize = 1_000;
const WAIT: Duration = Duration::from_millis(200);

/// What the topics hold of earlier runs.
#[derive(Default)]
pub(crate) struct Recovery {
    /// For the engine.
    pub(crate) recovered: Recovered,
    /// Newest rows of our feature set, oldest first per symbol.
    pub(crate) rows: Vec<FeatureRecord>,
}

/// Reads the features and stream-state topics. `tail` feature rows per partition are looked at
/// first; a partition whose tail holds only other feature sets is read from its beginning.
pub(crate) async fn read(
    settings: &Settings,
    topics: &Topics,
    fingerprint: &str,
    tail: usize,
) -> Result<Recovery, RoleError> {
    let mut recovery = Recovery::default();
    let mut foreign = BTreeSet::new();
    for message in read_tail(settings, &topics.features, tail).await? {
        match records::source_offset(&message, fingerprint) {
            Some(offset) => {
                record_position(&mut recovery, message.partition, offset);
                recovery.rows.extend(serde_json::from_slice(&message.value));
            }
            None => {
                foreign.insert(message.partition);
            }
        }
    }
    let known: BTreeSet<i32> = recovery
        .recovered
        .last_source_offsets
        .keys()
        .copied()
        .collect();
    if !foreign.is_subset(&known) {
        scan(settings, topics, fingerprint, &mut recovery).await?;
    }
    recovery.recovered.snapshots = snapshots(settings, topics).await?;
    Ok(recovery)
}

fn record_position(recovery: &mut Recovery, partition: i32, offset: i64) {
    let last = recovery.recovered.last_source_offsets.entry(partition);
    let last = last.or_insert(offset);
    *last = offset.max(*last);
}

async fn scan(
    settings: &Settings,
    topics: &Topics,
    fingerprint: &str,
    recovery: &mut Recovery,
) -> Result<(), RoleError> {
    let mut reader = Reader::open(settings, &topics.features, Start::Beginning).await?;
    while !reader.caught_up() {
        for message in reader.next_batch(BATCH, WAIT).await? {
            if let Some(offset) = records::source_offset(&message, fingerprint) {
                record_position(recovery, message.partition, offset);
            }
        }
    }
    Ok(())
}

async fn snapshots(settings: &Settings, topics: &Topics) -> Result<Vec<StreamSnapshot>, RoleError> {
    let mut newest = BTreeMap::new();
    let mut reader = Reader::open(settings, &topics.stream_state, Start::Beginning).await?;
    while !reader.caught_up() {
        for message in reader.next_batch(BATCH, WAIT).await? {
            let Some(key) = message.key else { continue };
            match serde_json::from_slice::<StreamSnapshot>(&message.value) {
                Ok(snapshot) => newest.insert(key, snapshot),
                Err(error) => {
                    tracing::warn!(key, %error, "state snapshot cannot be read");
                    newest.remove(&key)
                }
            };
        }
    }
    Ok(newest.into_values().collect())
}

/// Refuses a bars topic that ends before bars that were used already: it is another topic, and
/// going on would mix two histories.
///
/// # Errors
/// User error `TopicRecreated`.
pub(crate) fn check_same_topic(
    engine: &StreamEngine,
    topic: &str,
    ends: &BTreeMap<i32, (i64, i64)>,
) -> Result<(), RoleError> {
    for (partition, known) in engine.known_ends() {
        let end = ends.get(&partition).map_or(0, |(_, high)| *high);
        if end < known {
            return Err(recreated(
                topic,
                format_args!(
                    "partition {partition} ends at {end}, bars up to {known} were used before"
                ),
            ));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use foresail_crds::pipeline::spec::{Adjustment, FeatureFunction, FeatureSpec};

    use super::*;

    #[test]
    fn a_topic_that_ends_too_early_is_refused() {
        let specs = [FeatureSpec::new("r", FeatureFunction::LogReturn)];
        let recovered = Recovered {
            last_source_offsets: [(0, 9), (1, 4)].into(),
            snapshots: vec![],
        };
        let engine = StreamEngine::recover(&specs, Adjustment::None, &recovered).unwrap();
        let same = [(0, (0, 10)), (1, (0, 30))].into();
        assert_eq!(check_same_topic(&engine, "bars", &same), Ok(()));
        let short = [(0, (0, 9)), (1, (0, 30))].into();
        let error = check_same_topic(&engine, "bars", &short).unwrap_err();
        assert_eq!(error.reason, "TopicRecreated");
        let fewer = [(0, (0, 10))].into();
        assert!(check_same_topic(&engine, "bars", &fewer).is_err());
    }
}

//! Finds out where earlier runs stopped: the newest feature rows and the state snapshots, both
//! read from Kafka after older instances were fenced off. Used by `worker`.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use foresail_crds::names::Topics;
use foresail_crds::records::{FeatureRecord, StreamSnapshot, header};
use foresail_runtime_base::RoleError;
use foresail_runtime_kafka::{Message, Reader, Settings, Start, read_tail, recreated};

use crate::engine::Recovered;
use crate::records;

const BATCH: usize = 1_000;
const WAIT: Duration = Duration::from_millis(200);

/// What the topics hold of earlier runs.
pub(crate) struct Recovery {
    /// Per fingerprint of a live feature set.
    written: BTreeMap<String, Written>,
    snapshots: Vec<StreamSnapshot>,
}

/// What the features topic holds of one feature set.
#[derive(Default)]
struct Written {
    last_source_offsets: BTreeMap<i32, i64>,
    /// With the offset of the newest bar in each.
    rows: Vec<(FeatureRecord, i64)>,
}

impl Recovery {
    /// What the engine of a feature set needs.
    pub(crate) fn of(&self, fingerprint: &str) -> Recovered {
        let written = self.written.get(fingerprint);
        Recovered {
            last_source_offsets: written
                .map(|written| written.last_source_offsets.clone())
                .unwrap_or_default(),
            snapshots: self.snapshots.clone(),
        }
    }

    /// Newest rows of a feature set with the offset of the newest bar in each, as they were written.
    pub(crate) fn rows(&mut self, fingerprint: &str) -> Vec<(FeatureRecord, i64)> {
        let written = self.written.get_mut(fingerprint);
        written
            .map(|written| std::mem::take(&mut written.rows))
            .unwrap_or_default()
    }
}

/// Reads the features and stream-state topics. `tail` feature rows per partition are looked at
/// first; for a set that lacks rows in a partition whose tail holds others, all rows are.
pub(crate) async fn read(
    settings: &Settings,
    topics: &Topics,
    fingerprints: &[String],
    tail: usize,
) -> Result<Recovery, RoleError> {
    let sets = fingerprints.iter().cloned();
    let mut written: BTreeMap<String, Written> =
        sets.map(|set| (set, Written::default())).collect();
    let mut partitions = BTreeSet::new();
    for message in read_tail(settings, &topics.features, tail).await? {
        partitions.insert(message.partition);
        if let Some(set) = set_of(&mut written, &message) {
            set.record_position(&message);
            let row: Option<FeatureRecord> = serde_json::from_slice(&message.value).ok();
            set.rows.extend(row.zip(records::source_offset(&message)));
        }
    }
    let lacks = |set: &Written| {
        let known: BTreeSet<i32> = set.last_source_offsets.keys().copied().collect();
        !partitions.is_subset(&known)
    };
    if written.values().any(lacks) {
        scan(settings, topics, &mut written).await?;
    }
    Ok(Recovery {
        written,
        snapshots: snapshots(settings, topics).await?,
    })
}

/// The live feature set of a row.
fn set_of<'a>(
    written: &'a mut BTreeMap<String, Written>,
    message: &Message,
) -> Option<&'a mut Written> {
    written.get_mut(message.header(header::FINGERPRINT)?)
}

impl Written {
    fn record_position(&mut self, message: &Message) {
        let finished = records::is_finished(message);
        let Some(offset) = records::source_offset(message).filter(|_| finished) else {
            return;
        };
        let last = self.last_source_offsets.entry(message.partition);
        let last = last.or_insert(offset);
        *last = offset.max(*last);
    }
}

async fn scan(
    settings: &Settings,
    topics: &Topics,
    written: &mut BTreeMap<String, Written>,
) -> Result<(), RoleError> {
    let mut reader = Reader::open(settings, &topics.features, Start::Beginning).await?;
    while !reader.caught_up() {
        for message in reader.next_batch(BATCH, WAIT).await? {
            if let Some(set) = set_of(written, &message) {
                set.record_position(&message);
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
    known_ends: BTreeMap<i32, i64>,
    topic: &str,
    ends: &BTreeMap<i32, (i64, i64)>,
) -> Result<(), RoleError> {
    for (partition, known) in known_ends {
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
    use crate::engine::StreamEngine;

    #[test]
    fn a_topic_that_ends_too_early_is_refused() {
        let specs = [FeatureSpec::new("r", FeatureFunction::LogReturn)];
        let recovered = Recovered {
            last_source_offsets: [(0, 9), (1, 4)].into(),
            snapshots: vec![],
        };
        let engine = StreamEngine::recover(&specs, Adjustment::None, &recovered).unwrap();
        let same = [(0, (0, 10)), (1, (0, 30))].into();
        assert_eq!(check_same_topic(engine.known_ends(), "bars", &same), Ok(()));
        let short = [(0, (0, 9)), (1, (0, 30))].into();
        let error = check_same_topic(engine.known_ends(), "bars", &short).unwrap_err();
        assert_eq!(error.reason, "TopicRecreated");
        let fewer = [(0, (0, 10))].into();
        assert!(check_same_topic(engine.known_ends(), "bars", &fewer).is_err());
    }
}

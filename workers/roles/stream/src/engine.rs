//! The pure heart of the stream worker: bars in, feature rows and refusals out, with snapshots
//! and recovery. No Kafka, no clock: the same messages give the same outputs wherever a run was
//! interrupted. Driven by `worker`, and by the tests without any server.

use std::collections::BTreeMap;

use foresail_crds::pipeline::spec::{Adjustment, FeatureSpec};
use foresail_crds::records::{FeatureRecord, QuarantineRecord, StreamSnapshot};
use foresail_features::{FeatureError, FeatureSet};
use foresail_runtime_kafka::Message;

use crate::partition::Partition;

/// Something the worker writes.
#[derive(Clone, Debug, PartialEq)]
pub enum Output {
    /// A feature row.
    Row(FeatureRecord),
    /// A bar that cannot be used.
    Refused(QuarantineRecord),
}

/// What one message led to.
#[derive(Clone, Debug, PartialEq)]
pub struct Step {
    /// Partition of the bar, and of the output.
    pub partition: i32,
    /// Offset of the bar.
    pub offset: i64,
    /// Time the bar was read from its source, the record timestamp of the output.
    pub timestamp: Option<i64>,
    /// Key of the output: the symbol, where it is known.
    pub key: Option<String>,
    /// Row or refusal.
    pub output: Output,
    /// False when an earlier run has written it already.
    pub fresh: bool,
}

/// Counts since the start of the topic.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// Bars read, used or refused; repeats are not counted.
    pub bars: u64,
    /// Feature rows made.
    pub rows: u64,
    /// Event time of the newest feature row, milliseconds UTC.
    pub last_event_time: Option<i64>,
}

/// What earlier runs left behind.
#[derive(Clone, Debug, Default)]
pub struct Remains {
    /// Per partition, offset of the bar behind the newest feature row with our fingerprint.
    pub last_source_offsets: BTreeMap<i32, i64>,
    /// Newest snapshot per key, of any fingerprint.
    pub snapshots: Vec<StreamSnapshot>,
}

/// Feature state of all symbols of all partitions.
pub struct StreamCore {
    blank: FeatureSet,
    partitions: BTreeMap<i32, Partition>,
}

impl StreamCore {
    /// An empty core.
    ///
    /// # Errors
    /// A feature spec that cannot be computed.
    pub fn new(specs: &[FeatureSpec], adjustment: Adjustment) -> Result<Self, FeatureError> {
        Ok(Self {
            blank: FeatureSet::new(specs, adjustment)?,
            partitions: BTreeMap::new(),
        })
    }

    /// A core that goes on where earlier runs stopped. Each partition is read from
    /// [`StreamCore::positions`] on, partitions not named there from their beginning.
    ///
    /// # Errors
    /// A feature spec that cannot be computed.
    pub fn recover(
        specs: &[FeatureSpec],
        adjustment: Adjustment,
        remains: &Remains,
    ) -> Result<Self, FeatureError> {
        let mut core = Self::new(specs, adjustment)?;
        for (number, offset) in &remains.last_source_offsets {
            let partition = core.partitions.entry(*number).or_default();
            partition.written_before = offset + 1;
        }
        for snapshot in &remains.snapshots {
            let partition = core.partitions.entry(snapshot.partition).or_default();
            let ours = snapshot.fingerprint == core.blank.fingerprint();
            if snapshot.symbol.is_empty() {
                partition.restore_marker(snapshot, ours);
            } else if ours {
                partition.restore_symbol(snapshot, specs, adjustment);
            }
        }
        core.partitions.values_mut().for_each(Partition::rewind);
        Ok(core)
    }

    /// Fingerprint of the feature set (hex).
    pub fn fingerprint(&self) -> &str {
        self.blank.fingerprint()
    }

    /// First offset to read, per known partition.
    pub fn positions(&self) -> BTreeMap<i32, i64> {
        let partitions = self.partitions.iter();
        partitions.map(|(n, p)| (*n, p.next_offset)).collect()
    }

    /// Highest offset, plus one, that anything written earlier refers to, per known partition.
    /// A bars topic that ends below is another topic.
    pub fn known_ends(&self) -> BTreeMap<i32, i64> {
        let partitions = self.partitions.iter();
        partitions.map(|(n, p)| (*n, p.known_end())).collect()
    }

    /// Takes the next message of its partition. Messages handled before, bars of the warm-up
    /// and repeats of a bar lead to nothing.
    pub fn push(&mut self, message: &Message) -> Option<Step> {
        let partition = self.partitions.entry(message.partition).or_default();
        partition.push(message, &self.blank)
    }

    /// Partitions whose next snapshot is due; with `idle` all that changed since the last one.
    pub fn due(&self, idle: bool) -> Vec<i32> {
        let due = self.partitions.iter().filter(|(_, p)| p.due(idle));
        due.map(|(n, _)| *n).collect()
    }

    /// State of one partition: one document per symbol and one for the partition itself (empty
    /// symbol). Written in one transaction with the outputs of all messages pushed so far.
    pub fn snapshots(&mut self, number: i32) -> Vec<StreamSnapshot> {
        let partition = self.partitions.entry(number).or_default();
        partition.snapshots(number, self.blank.fingerprint())
    }

    /// The partition's own document. Written with every transaction that holds a refusal, so
    /// that no bar is quarantined twice.
    pub fn marker(&mut self, number: i32) -> StreamSnapshot {
        let partition = self.partitions.entry(number).or_default();
        partition.marker(number, self.blank.fingerprint())
    }

    /// Counts over all partitions.
    pub fn totals(&self) -> Totals {
        let mut totals = Totals::default();
        for partition in self.partitions.values() {
            partition.add_to(&mut totals);
        }
        totals
    }
}

#[cfg(test)]
mod tests;

//! The pure heart of the stream worker: bars in, feature rows and refusals out, with snapshots
//! and recovery, of one feature set. No Kafka, no clock: the same messages give the same outputs
//! wherever a run was interrupted. Driven by `engines`, and by the tests without any server.

use std::collections::BTreeMap;

use foresail_crds::pipeline::spec::{Adjustment, FeatureSpec};
use foresail_crds::records::StreamSnapshot;
use foresail_features::{FeatureError, FeatureSet};

pub use crate::history::Past;
use crate::partition::{Partition, ReadBar};
pub use crate::step::{BarMessage, Lack, Output, Step, Totals};

/// What was recovered of earlier runs.
#[derive(Clone, Debug, Default)]
pub struct Recovered {
    /// Per partition, offset of the bar behind the newest feature row with our fingerprint.
    pub last_source_offsets: BTreeMap<i32, i64>,
    /// Newest snapshot per key, of any fingerprint and in any order.
    pub snapshots: Vec<StreamSnapshot>,
}

/// Feature state of all symbols of all partitions.
pub struct StreamEngine {
    template: FeatureSet,
    partitions: BTreeMap<i32, Partition>,
}

impl StreamEngine {
    /// An engine that has seen nothing.
    ///
    /// # Errors
    /// A feature spec that cannot be computed.
    pub fn new(specs: &[FeatureSpec], adjustment: Adjustment) -> Result<Self, FeatureError> {
        Ok(Self {
            template: FeatureSet::new(specs, adjustment)?,
            partitions: BTreeMap::new(),
        })
    }

    /// An engine that goes on where earlier runs stopped. Each partition is read from
    /// [`StreamEngine::positions`] on, partitions not named there from their beginning.
    ///
    /// # Errors
    /// A feature spec that cannot be computed.
    pub fn recover(
        specs: &[FeatureSpec],
        adjustment: Adjustment,
        recovered: &Recovered,
    ) -> Result<Self, FeatureError> {
        let mut engine = Self::new(specs, adjustment)?;
        for (number, offset) in &recovered.last_source_offsets {
            let partition = engine.partitions.entry(*number).or_default();
            partition.written_before = offset.saturating_add(1);
        }
        // Older releases kept one snapshot of all feature sets: the newest of ours counts.
        let mut snapshots: Vec<_> = recovered.snapshots.iter().collect();
        snapshots.sort_by_key(|snapshot| snapshot.next_offset);
        for snapshot in snapshots {
            let partition = engine.partitions.entry(snapshot.partition).or_default();
            let ours = snapshot.fingerprint == engine.template.fingerprint();
            if snapshot.symbol.is_empty() {
                partition.restore(snapshot, ours);
            } else if ours {
                partition.restore_symbol(snapshot, specs, adjustment);
            }
        }
        engine.partitions.values_mut().for_each(Partition::rewind);
        Ok(engine)
    }

    /// Fingerprint of the feature set (hex).
    pub fn fingerprint(&self) -> &str {
        self.template.fingerprint()
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

    /// Takes note of records of a partition that were gone before they were read: reading goes on behind them.
    pub fn lose(&mut self, partition: i32, records: u64) {
        self.partitions.entry(partition).or_default().lose(records);
    }

    /// Takes the next message of its partition. Messages handled before, bars of the warm-up and repeats of a bar lead to
    /// nothing; a bar that changes the past to rows that [`Self::rewrite`] makes, or the next new bar of its symbol.
    pub(crate) fn push(&mut self, read: &ReadBar<'_>) -> Vec<Step> {
        let partition = self.partitions.entry(read.message.partition).or_default();
        partition.push(read, &self.template)
    }

    /// The symbol whose bars are needed before the message can be taken; without them it is refused.
    pub(crate) fn lacks<'a>(&self, read: &'a ReadBar<'_>) -> Option<&'a str> {
        let partition = self.partitions.get(&read.message.partition)?;
        partition.lacks(read)
    }

    /// Takes all bars of the message's symbol that lie below it.
    pub(crate) fn supply(&mut self, read: &ReadBar<'_>, past: Past) {
        if let Some(partition) = self.partitions.get_mut(&read.message.partition) {
            partition.supply(read, past, &self.template);
        }
    }

    /// Rows that are to be made once more, at most.
    pub(crate) fn rewrites(&self) -> usize {
        let partitions = self.partitions.values().flat_map(Partition::rewrites);
        partitions.map(|(_, _, rows)| rows).sum()
    }

    /// Makes those of one symbol, that which has waited the longest; empty when there are none.
    pub(crate) fn rewrite(&mut self) -> Vec<Step> {
        while let Some((_, number, symbol)) = self.waiting() {
            let partition = self.partitions.entry(number).or_default();
            let steps = partition.rewrite(number, &symbol);
            // There are none while the features of the symbol are not warm.
            if !steps.is_empty() {
                return steps;
            }
        }
        Vec::new()
    }

    fn waiting(&self) -> Option<(i64, i32, String)> {
        let waiting = self.partitions.iter().flat_map(|(number, partition)| {
            let of = partition.rewrites();
            of.map(move |(symbol, rewrite, _)| (rewrite.offset, *number, symbol.to_owned()))
        });
        waiting.min()
    }

    /// As [`Self::trim`], to any length.
    #[cfg(test)]
    pub(crate) fn trim_to(&mut self, keep: usize) {
        let partitions = self.partitions.values_mut();
        partitions.for_each(|partition| partition.trim_to(keep));
    }

    /// Bars that are kept to compute from.
    pub(crate) fn kept(&self) -> usize {
        self.partitions.values().map(Partition::kept).sum()
    }

    /// Forgets bars beyond what may be kept.
    pub(crate) fn trim(&mut self) {
        self.partitions.values_mut().for_each(Partition::trim);
    }

    /// Partitions whose next snapshot is due; with `idle` all that changed since the last one.
    pub fn due(&self, idle: bool) -> Vec<i32> {
        let due = self.partitions.iter().filter(|(_, p)| p.due(idle));
        due.map(|(n, _)| *n).collect()
    }

    /// State of one partition: one document per symbol and one for the partition itself (empty
    /// symbol). Written in one transaction with the outputs of all messages pushed so far, those made once more included.
    pub fn snapshots(&mut self, number: i32) -> Vec<StreamSnapshot> {
        let partition = self.partitions.entry(number).or_default();
        partition.snapshots(number, self.template.fingerprint())
    }

    /// The partition's own document. Written with every transaction that holds a refusal, so
    /// that no bar is quarantined twice.
    pub fn partition_snapshot(&mut self, number: i32) -> StreamSnapshot {
        let partition = self.partitions.entry(number).or_default();
        partition.partition_snapshot(number, self.template.fingerprint())
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

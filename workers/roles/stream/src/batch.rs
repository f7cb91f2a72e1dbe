//! What goes into one transaction. Used by `worker`.

use std::collections::BTreeSet;

use foresail_crds::names::Topics;
use foresail_runtime_kafka::Record;

use crate::engine::{Output, Step};
use crate::engines::Due;
use crate::records;

/// Records of one transaction.
#[derive(Default)]
pub(crate) struct Batch {
    pub records: Vec<Record>,
    /// Partitions whose own document is written with them.
    pub noted: BTreeSet<Due>,
    pub rows: u64,
    pub refused: u64,
}

impl Batch {
    /// Adds an output that no earlier run has written.
    pub(crate) fn add(&mut self, step: &Step, topics: &Topics, fingerprints: &[String]) {
        if !step.fresh {
            return;
        }
        match &step.output {
            Output::Row(_) => self.rows += 1,
            Output::Refused(refused) => {
                let (set, partition, offset) = (step.set, step.partition, step.offset);
                self.refused += 1;
                self.noted.insert(Due { set, partition });
                tracing::warn!(partition, offset, reason = refused.reason, "bar refused");
            }
        }
        let fingerprint = fingerprints.get(step.set).map_or("", String::as_str);
        self.records
            .push(records::output(topics, fingerprint, step));
    }
}

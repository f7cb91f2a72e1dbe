//! State of one symbol: its feature set, what was counted, and the newest identities, so that a
//! repeated bar can be distinguished from a late one. Used by `engine` only.

use std::collections::VecDeque;

use foresail_crds::pipeline::spec::{Adjustment, FeatureSpec};
use foresail_crds::records::{FeatureRecord, Refusal, StreamSnapshot};
use foresail_domain::Bar;
use foresail_features::FeatureSet;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Bars whose identity is remembered. A repeat older than this is refused as out of order.
const REMEMBERED: usize = 64;

/// What a bar led to.
pub(crate) enum Outcome {
    /// A repeat, or contained in the restored state.
    Known,
    /// Used; the first rows need more bars.
    WarmUp,
    /// Used, and complete: the feature row.
    Row(FeatureRecord),
    /// Not used; the feature state is unchanged.
    Refused(Refusal),
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Counts {
    bars: u64,
    rows: u64,
    last_row_time: Option<i64>,
    /// Event time and revision of the newest bars.
    recent: VecDeque<(i64, u32)>,
}

#[derive(Deserialize)]
struct Stored {
    counts: Counts,
    set: Value,
}

/// What has to survive a restart for one symbol, and the offset it contains.
pub(crate) struct SymbolState {
    set: FeatureSet,
    counts: Counts,
    contains_below: i64,
}

impl SymbolState {
    pub(crate) fn new(template: &FeatureSet) -> Self {
        Self {
            set: template.clone(),
            counts: Counts::default(),
            contains_below: 0,
        }
    }

    /// The state inside a snapshot, or `None` when it cannot be used.
    pub(crate) fn restore(
        specs: &[FeatureSpec],
        adjustment: Adjustment,
        snapshot: &StreamSnapshot,
    ) -> Option<Self> {
        let stored = Stored::deserialize(&snapshot.state).ok()?;
        let set = FeatureSet::restore(specs, adjustment, &stored.set).ok()?;
        Some(Self {
            set,
            counts: stored.counts,
            contains_below: snapshot.next_offset,
        })
    }

    pub(crate) fn to_json(&self) -> Value {
        serde_json::json!({ "counts": self.counts, "set": self.set.snapshot() })
    }

    /// Bars below this offset are contained in the restored state.
    pub(crate) fn contains_below(&self) -> i64 {
        self.contains_below
    }

    pub(crate) fn bars(&self) -> u64 {
        self.counts.bars
    }

    pub(crate) fn rows(&self) -> u64 {
        self.counts.rows
    }

    pub(crate) fn last_row_time(&self) -> Option<i64> {
        self.counts.last_row_time
    }

    pub(crate) fn push(&mut self, bar: &Bar, offset: i64) -> Outcome {
        if offset < self.contains_below {
            return Outcome::Known;
        }
        let identity = (bar.event_time, bar.revision);
        if self.counts.recent.contains(&identity) {
            return Outcome::Known;
        }
        self.counts.bars += 1;
        self.counts.recent.push_back(identity);
        if self.counts.recent.len() > REMEMBERED {
            self.counts.recent.pop_front();
        }
        // Only the feature set decides whether a bar is used, so that the trainer agrees.
        let row = match self.set.push(bar) {
            Ok(row) => row,
            Err(error) => return Outcome::Refused(Refusal::from(error)),
        };
        let Some(row) = row else {
            return Outcome::WarmUp;
        };
        self.counts.rows += 1;
        self.counts.last_row_time = Some(row.event_time);
        Outcome::Row(FeatureRecord {
            symbol: bar.symbol.clone(),
            event_time: row.event_time,
            close: row.close,
            adjustment_factor: row.adjustment_factor,
            values: row.values,
        })
    }
}

//! State of one partition of the bars topic: its symbols, what earlier runs have written, and
//! which refusals are in quarantine. Used by `engine` only.

use std::collections::BTreeMap;

use foresail_crds::pipeline::spec::{Adjustment, FeatureSpec};
use foresail_crds::records::{Original, QuarantineRecord, Refusal, StreamSnapshot};
use foresail_domain::Bar;
use foresail_features::FeatureSet;
use serde::{Deserialize, Serialize};

use crate::history::Past;
use crate::step::{BarMessage, Output, Step, Totals};
use crate::symbol::{Arrival, Outcome, Rewrite, Rewritten, SymbolState};

/// Bars between two snapshots; more where a partition holds many symbols, so that snapshots
/// stay a small part of what is written.
const SNAPSHOT_BARS: u64 = 500;
const SNAPSHOT_BARS_PER_SYMBOL: u64 = 20;
/// Symbols that a partition keeps state of. A Pipeline declares far fewer; what else comes is refused, so that whoever
/// may write to the topic does not decide how much memory is used.
const MOST_SYMBOLS: usize = 1_024;
/// Bars that the symbols of a partition keep together, some 25 MiB: those that change one of them are computed again at
/// once, and what is older is read from the topic.
const MOST_KEPT: usize = 1 << 18;
/// Bars that a symbol keeps at least, and at most.
const KEPT: (usize, usize) = (64, 4_096);

/// The partition's own part of a snapshot, stored under the empty symbol.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct PartitionState {
    /// Messages that are no bar.
    unreadable: u64,
    /// Every refusal below this offset is in quarantine, whatever the feature set was.
    refused_before: i64,
    /// Records that were gone before they were read.
    #[serde(default)]
    lost: u64,
}

/// One partition; offsets below a named one are handled, written or counted.
#[derive(Default)]
pub(crate) struct Partition {
    /// Messages below were handled in this run or are contained in the states.
    pub(crate) next_offset: i64,
    /// Rows of bars below were written by an earlier run.
    pub(crate) written_before: i64,
    /// `state` contains messages below.
    state_before: i64,
    state: PartitionState,
    since_snapshot: u64,
    symbols: BTreeMap<String, SymbolState>,
    /// A symbol's snapshot could not be used: its bars are needed from the beginning.
    damaged: bool,
}

impl Partition {
    /// Takes the next message, which was read as `read`: rows that wait for it to be made once more, and what it leads to
    /// itself. `template` is the state of a symbol seen for the first time.
    pub(crate) fn push(&mut self, read: &ReadBar<'_>, template: &FeatureSet) -> Vec<Step> {
        let message = read.message;
        let offset = message.offset;
        if offset < self.next_offset {
            return Vec::new();
        }
        self.next_offset = offset.saturating_add(1);
        self.since_snapshot += 1;
        let read = read.bar.as_ref().map_err(Clone::clone);
        let read = read.and_then(|bar| self.has_room_for(bar).map(|()| bar));
        let bar = match read {
            Ok(bar) => bar,
            Err(refusal) => return vec![self.unreadable(message, refusal)],
        };
        let entry = self.symbols.entry(bar.symbol.clone());
        let state = entry.or_insert_with(|| SymbolState::new(template));
        let mut steps = Vec::new();
        if state.is_due_before(bar, offset) {
            steps = rewritten(state, message.partition, &bar.symbol);
        }
        let fresh = offset >= self.written_before;
        let output = match state.push(Arrival { bar, offset, fresh }) {
            Outcome::Known | Outcome::NoRow => return steps,
            Outcome::Row(row) => Output::Row(row),
            Outcome::Refused(refusal) => Output::Refused(quarantine(message, Some(bar), refusal)),
        };
        let fresh = match output {
            Output::Row(_) => fresh,
            Output::Refused(_) => self.refuse(offset),
        };
        steps.push(Step {
            set: 0,
            partition: message.partition,
            offset,
            timestamp: Some(bar.ingested_at),
            key: Some(bar.symbol.clone()),
            output,
            fresh,
        });
        steps
    }

    /// The symbol whose bars are needed from the first before the message can be taken.
    pub(crate) fn lacks<'a>(&self, read: &'a ReadBar<'_>) -> Option<&'a str> {
        let offset = read.message.offset;
        let bar = read.bar.as_ref().ok()?;
        let state = self.symbols.get(&bar.symbol)?;
        let lacks = offset >= self.next_offset && state.lacks(bar, offset);
        lacks.then_some(bar.symbol.as_str())
    }

    /// Takes all bars of the message's symbol that lie below it.
    pub(crate) fn supply(&mut self, read: &ReadBar<'_>, past: Past, template: &FeatureSet) {
        let offset = read.message.offset;
        let Ok(bar) = &read.bar else { return };
        let fresh = offset >= self.written_before;
        if let Some(state) = self.symbols.get_mut(&bar.symbol) {
            state.supply(past, template, Arrival { bar, offset, fresh });
        }
    }

    /// The rows that are to be made once more, per symbol that has some: their rewrite, and their number at most.
    pub(crate) fn rewrites(&self) -> impl Iterator<Item = (&str, Rewrite, usize)> {
        let symbols = self.symbols.iter();
        symbols.filter_map(|(symbol, state)| {
            let (rewrite, rows) = state.rewrites()?;
            Some((symbol.as_str(), rewrite, rows))
        })
    }

    /// Makes the rows of a symbol that are to be made once more.
    pub(crate) fn rewrite(&mut self, number: i32, symbol: &str) -> Vec<Step> {
        let state = self.symbols.get_mut(symbol);
        state.map_or_else(Vec::new, |state| rewritten(state, number, symbol))
    }

    /// Bars that are kept.
    pub(crate) fn kept(&self) -> usize {
        self.symbols.values().map(SymbolState::kept).sum()
    }

    /// Forgets bars beyond what the symbols may keep.
    pub(crate) fn trim(&mut self) {
        let (least, most) = KEPT;
        self.trim_to((MOST_KEPT / 2 / self.symbols.len().max(1)).clamp(least, most));
    }

    pub(crate) fn trim_to(&mut self, keep: usize) {
        for (symbol, state) in &mut self.symbols {
            state.trim(keep, symbol);
        }
    }

    fn has_room_for(&self, bar: &Bar) -> Result<(), Refusal> {
        if self.symbols.len() < MOST_SYMBOLS || self.symbols.contains_key(&bar.symbol) {
            return Ok(());
        }
        let message = format!("the partition holds bars of {MOST_SYMBOLS} other symbols already");
        Err(Refusal::new("TooManySymbols", message))
    }

    /// Takes note of records that were gone before they were read.
    pub(crate) fn lose(&mut self, records: u64) {
        self.state.lost += records;
        self.since_snapshot += 1;
    }

    /// True when a snapshot is due; with `idle` when anything changed since the last one.
    pub(crate) fn due(&self, idle: bool) -> bool {
        let symbols = self.symbols.len() as u64;
        let limit = SNAPSHOT_BARS.max(SNAPSHOT_BARS_PER_SYMBOL * symbols);
        // Rows that are still to be made would be missing in it.
        let settled = self.rewrites().next().is_none();
        settled && self.since_snapshot >= if idle { 1 } else { limit }
    }

    /// All documents of a snapshot.
    pub(crate) fn snapshots(&mut self, number: i32, fingerprint: &str) -> Vec<StreamSnapshot> {
        self.since_snapshot = 0;
        let mut documents = vec![self.partition_snapshot(number, fingerprint)];
        documents.extend(self.symbols.iter().map(|(symbol, state)| StreamSnapshot {
            partition: number,
            next_offset: self.next_offset.max(state.contains_below()),
            fingerprint: fingerprint.to_string(),
            symbol: symbol.clone(),
            state: state.to_json(),
        }));
        documents
    }

    /// The partition's own document.
    pub(crate) fn partition_snapshot(&self, number: i32, fingerprint: &str) -> StreamSnapshot {
        StreamSnapshot {
            partition: number,
            next_offset: self.next_offset.max(self.state_before),
            fingerprint: fingerprint.to_string(),
            symbol: String::new(),
            state: serde_json::to_value(&self.state).expect("plain numbers always serialise"),
        }
    }

    /// Takes over the partition's own document; `ours`: it was made with our feature set.
    pub(crate) fn restore(&mut self, snapshot: &StreamSnapshot, ours: bool) {
        let Ok(state) = PartitionState::deserialize(&snapshot.state) else {
            return;
        };
        // Whoever has refused a bar: it is in quarantine once.
        let refused_before = self.state.refused_before.max(state.refused_before);
        if ours {
            self.state_before = snapshot.next_offset;
            self.written_before = self.written_before.max(snapshot.next_offset);
            self.state = state;
        }
        self.state.refused_before = refused_before;
    }

    /// Takes over a symbol's snapshot made with our feature set.
    pub(crate) fn restore_symbol(
        &mut self,
        snapshot: &StreamSnapshot,
        specs: &[FeatureSpec],
        adjustment: Adjustment,
    ) {
        self.written_before = self.written_before.max(snapshot.next_offset);
        match SymbolState::restore(specs, adjustment, snapshot) {
            Some(state) => {
                self.symbols.insert(snapshot.symbol.clone(), state);
            }
            None => {
                tracing::warn!(
                    partition = snapshot.partition,
                    symbol = snapshot.symbol,
                    "state snapshot cannot be used; computing from the first bar"
                );
                self.damaged = true;
            }
        }
    }

    /// Called once after all snapshots: where to read from. Every snapshot covers all symbols
    /// seen until then, so a symbol without one has its first bar behind it.
    pub(crate) fn rewind(&mut self) {
        let oldest = self.symbols.values().map(SymbolState::contains_below);
        self.next_offset = match oldest.min() {
            Some(offset) if !self.damaged => offset,
            _ => 0,
        };
    }

    /// Highest offset, plus one, that anything written earlier refers to.
    pub(crate) fn known_end(&self) -> i64 {
        let known = self.written_before.max(self.state_before);
        known.max(self.next_offset).max(self.state.refused_before)
    }

    pub(crate) fn add_to(&self, totals: &mut Totals) {
        totals.bars += self.state.unreadable;
        totals.lost += self.state.lost;
        for state in self.symbols.values() {
            totals.bars += state.bars();
            totals.rows += state.rows();
            totals.revised += state.revised();
            totals.last_event_time = totals.last_event_time.max(state.last_row_time());
        }
    }

    /// Records a refusal at `offset`; true when no run has written it.
    fn refuse(&mut self, offset: i64) -> bool {
        let fresh = offset >= self.state.refused_before;
        self.state.refused_before = self.state.refused_before.max(offset.saturating_add(1));
        fresh
    }

    fn unreadable(&mut self, message: &BarMessage, refusal: Refusal) -> Step {
        if message.offset >= self.state_before {
            self.state.unreadable += 1;
        }
        Step {
            set: 0,
            partition: message.partition,
            offset: message.offset,
            timestamp: None,
            key: message.key.clone(),
            output: Output::Refused(quarantine(message, None, refusal)),
            fresh: self.refuse(message.offset),
        }
    }
}

fn rewritten(state: &mut SymbolState, partition: i32, symbol: &str) -> Vec<Step> {
    let Some(Rewritten { rewrite, rows }) = state.rewritten(symbol) else {
        return Vec::new();
    };
    let step = |(row, fresh)| Step {
        set: 0,
        partition,
        offset: rewrite.offset,
        timestamp: Some(rewrite.timestamp),
        key: Some(symbol.to_owned()),
        output: Output::Row(row),
        fresh,
    };
    rows.into_iter().map(step).collect()
}

/// A message, and the bar in it.
pub(crate) struct ReadBar<'a> {
    pub message: &'a BarMessage,
    pub bar: Result<Bar, Refusal>,
}

impl<'a> ReadBar<'a> {
    pub(crate) fn of(message: &'a BarMessage) -> Self {
        let refuse = |message| Refusal::new("NotABar", message);
        let bar = serde_json::from_slice(&message.value)
            .map_err(|error| refuse(format!("the message is not a bar: {error}")))
            .and_then(|bar: Bar| {
                if bar.symbol.is_empty() {
                    return Err(refuse("the bar has no symbol".into()));
                }
                Ok(bar)
            });
        Self { message, bar }
    }
}

fn quarantine(message: &BarMessage, bar: Option<&Bar>, refusal: Refusal) -> QuarantineRecord {
    let provider = bar.map(|b| b.provider.as_str());
    let provider = provider.or(message.provider.as_deref());
    QuarantineRecord::new(
        provider.unwrap_or("unknown"),
        message.source_position.unwrap_or(0),
        refusal,
        Original::whole(&message.value),
    )
}

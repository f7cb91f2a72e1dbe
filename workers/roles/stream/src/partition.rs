//! State of one partition of the bars topic: its symbols, what earlier runs have written, and
//! the ledger of refusals. Used by `engine` only.

use std::collections::BTreeMap;

use foresail_crds::pipeline::spec::{Adjustment, FeatureSpec};
use foresail_crds::records::{QuarantineRecord, StreamSnapshot, header};
use foresail_domain::Bar;
use foresail_features::FeatureSet;
use foresail_runtime_kafka::Message;
use serde::{Deserialize, Serialize};

use crate::engine::{Output, Step, Totals};
use crate::symbol::{Refusal, SymbolState, Taken};

/// Bars between two snapshots; more where a partition holds many symbols, so that snapshots
/// stay a small part of what is written.
const SNAPSHOT_BARS: u64 = 500;
const SNAPSHOT_BARS_PER_SYMBOL: u64 = 20;
/// Longest original kept in a quarantine record, in bytes: the record must fit a Kafka message.
const LONGEST_ORIGINAL: usize = 256 * 1024;

/// The partition's own part of a snapshot, stored under the empty symbol.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Ledger {
    /// Messages that are no bar.
    unreadable: u64,
    /// Every refusal below this offset is in quarantine, whatever the feature set was.
    refused_before: i64,
}

/// See the module.
#[derive(Default)]
pub(crate) struct Partition {
    /// Messages below were handled in this run or are contained in the states.
    pub(crate) next_offset: i64,
    /// Rows of bars below were written by an earlier run.
    pub(crate) written_before: i64,
    /// The ledger contains messages below.
    ledger_before: i64,
    ledger: Ledger,
    since_snapshot: u64,
    symbols: BTreeMap<String, SymbolState>,
    /// A symbol's snapshot could not be used: its bars are needed from the beginning.
    damaged: bool,
}

impl Partition {
    /// Takes the next message. `blank` is the state of a symbol seen for the first time.
    pub(crate) fn push(&mut self, message: &Message, blank: &FeatureSet) -> Option<Step> {
        let offset = message.offset;
        if offset < self.next_offset {
            return None;
        }
        self.next_offset = offset + 1;
        self.since_snapshot += 1;
        let bar = match read_bar(message) {
            Ok(bar) => bar,
            Err(refusal) => return Some(self.unreadable(message, refusal)),
        };
        let entry = self.symbols.entry(bar.symbol.clone());
        let state = entry.or_insert_with(|| SymbolState::new(blank));
        let output = match state.push(&bar, offset) {
            Taken::Known | Taken::WarmUp => return None,
            Taken::Row(row) => Output::Row(row),
            Taken::Refused(refusal) => Output::Refused(quarantine(message, Some(&bar), refusal)),
        };
        let fresh = match output {
            Output::Row(_) => offset >= self.written_before,
            Output::Refused(_) => self.refuse(offset),
        };
        Some(Step {
            partition: message.partition,
            offset,
            timestamp: Some(bar.ingested_at),
            key: Some(bar.symbol),
            output,
            fresh,
        })
    }

    /// True when a snapshot is due; with `idle` when anything changed since the last one.
    pub(crate) fn due(&self, idle: bool) -> bool {
        let symbols = self.symbols.len() as u64;
        let limit = SNAPSHOT_BARS.max(SNAPSHOT_BARS_PER_SYMBOL * symbols);
        self.since_snapshot >= if idle { 1 } else { limit }
    }

    /// All documents of a snapshot.
    pub(crate) fn snapshots(&mut self, number: i32, fingerprint: &str) -> Vec<StreamSnapshot> {
        self.since_snapshot = 0;
        let mut documents = vec![self.marker(number, fingerprint)];
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
    pub(crate) fn marker(&self, number: i32, fingerprint: &str) -> StreamSnapshot {
        StreamSnapshot {
            partition: number,
            next_offset: self.next_offset.max(self.ledger_before),
            fingerprint: fingerprint.to_string(),
            symbol: String::new(),
            state: serde_json::to_value(&self.ledger).expect("plain numbers always serialise"),
        }
    }

    /// Takes over the partition's own document; `ours`: it was made with our feature set.
    pub(crate) fn restore_marker(&mut self, snapshot: &StreamSnapshot, ours: bool) {
        let Ok(ledger) = Ledger::deserialize(&snapshot.state) else {
            return;
        };
        if ours {
            self.ledger_before = snapshot.next_offset;
            self.written_before = self.written_before.max(snapshot.next_offset);
            self.ledger = ledger;
        } else {
            self.ledger.refused_before = ledger.refused_before;
        }
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
        let known = self.written_before.max(self.ledger_before);
        known.max(self.next_offset).max(self.ledger.refused_before)
    }

    pub(crate) fn add_to(&self, totals: &mut Totals) {
        totals.bars += self.ledger.unreadable;
        for state in self.symbols.values() {
            totals.bars += state.bars();
            totals.rows += state.rows();
            totals.last_event_time = totals.last_event_time.max(state.last_row_time());
        }
    }

    /// Records a refusal at `offset`; true when no run has written it.
    fn refuse(&mut self, offset: i64) -> bool {
        let fresh = offset >= self.ledger.refused_before;
        self.ledger.refused_before = self.ledger.refused_before.max(offset + 1);
        fresh
    }

    fn unreadable(&mut self, message: &Message, refusal: Refusal) -> Step {
        if message.offset >= self.ledger_before {
            self.ledger.unreadable += 1;
        }
        Step {
            partition: message.partition,
            offset: message.offset,
            timestamp: None,
            key: message.key.clone(),
            output: Output::Refused(quarantine(message, None, refusal)),
            fresh: self.refuse(message.offset),
        }
    }
}

fn read_bar(message: &Message) -> Result<Bar, Refusal> {
    let refuse = |message: String| Refusal {
        reason: "NotABar",
        message,
    };
    let bar: Bar = serde_json::from_slice(&message.value)
        .map_err(|error| refuse(format!("the message is not a bar: {error}")))?;
    if bar.symbol.is_empty() {
        return Err(refuse("the bar has no symbol".into()));
    }
    Ok(bar)
}

fn quarantine(message: &Message, bar: Option<&Bar>, refusal: Refusal) -> QuarantineRecord {
    let provider = bar.map(|b| b.provider.as_str());
    let position = message.header(header::SOURCE_POSITION);
    let end = message.value.len().min(LONGEST_ORIGINAL);
    QuarantineRecord {
        provider: provider
            .or(message.header(header::PROVIDER))
            .unwrap_or("unknown")
            .to_string(),
        source_position: position.and_then(|p| p.parse().ok()).unwrap_or(0),
        reason: refusal.reason.to_string(),
        message: refusal.message,
        original: String::from_utf8_lossy(&message.value[..end]).into_owned(),
    }
}

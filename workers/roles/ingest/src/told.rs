//! What is told of accepted bars, for status. It is counted anew at each start, since every row is checked anew.

use std::collections::VecDeque;

use foresail_bars::{Coverage, Notes};
use foresail_crds::pipeline::status::{IngestStatus, SuspiciousMove, SymbolBars};
use foresail_crds::role_error::presentable;

/// Most moves in status.
const MOST: usize = 8;
/// Longest sentence about one, as the schema of status has it.
const LONGEST: usize = 256;
/// Most symbols in status, and the longest one.
const MOST_SYMBOLS: usize = 64;
const LONGEST_SYMBOL: usize = 64;

/// Suspicious moves, and bars whose prices were clamped.
#[derive(Clone, Debug, Default)]
pub(crate) struct Told {
    moves: u64,
    newest: VecDeque<SuspiciousMove>,
    clamped: u64,
}

impl Told {
    /// Takes note of a bar; one that a run before has seen is not logged again.
    pub(crate) fn add(&mut self, notes: &Notes, fresh: bool) {
        self.clamped += u64::from(notes.clamped);
        let Some(suspicion) = &notes.suspicion else {
            return;
        };
        if fresh {
            let reason = suspicion.reason();
            tracing::warn!(reason, %suspicion, "a move that may be a mistake of the source");
        }
        self.moves += 1;
        if self.newest.len() == MOST {
            self.newest.pop_front();
        }
        self.newest.push_back(SuspiciousMove {
            reason: suspicion.reason().into(),
            message: presentable(&suspicion.to_string(), LONGEST),
        });
    }

    /// Writes it into a status.
    pub(crate) fn report(&self, status: &mut IngestStatus) {
        status.suspicious_moves = self.moves;
        status.suspicions = self.newest.iter().cloned().collect();
        status.clamped_bars = self.clamped;
    }
}

/// Bars of declared symbols, those with the fewest first.
pub(crate) fn symbols(coverage: &Coverage) -> Vec<SymbolBars> {
    let mut counts: Vec<_> = coverage.bars().iter().collect();
    counts.sort_by_key(|(_, bars)| **bars);
    let count = |(symbol, bars): (&String, &u64)| SymbolBars {
        symbol: symbol.clone(),
        bars: *bars,
        nearest: (*bars == 0)
            .then(|| coverage.meant_by(symbol))
            .flatten()
            .map(|nearest| presentable(nearest, LONGEST_SYMBOL)),
    };
    counts.into_iter().take(MOST_SYMBOLS).map(count).collect()
}

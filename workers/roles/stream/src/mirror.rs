//! The newest rows per symbol as they should stand in Redis: what was not written yet is kept
//! and tried again, what Redis lost is put back. Redis never holds up the stream.
//! Driven by `worker`.

use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, Instant};

use foresail_crds::records::FeatureRecord;
use foresail_runtime_base::metrics::Counter;
use foresail_runtime_cache::Cache;

/// Time between two checks that Redis still has everything, when no rows come.
const CHECK_EVERY: Duration = Duration::from_secs(3);

#[derive(Default)]
struct Tail {
    rows: VecDeque<FeatureRecord>,
    /// Newest rows that Redis has not confirmed.
    unsent: usize,
}

/// See the module.
pub(crate) struct Mirror {
    keep: usize,
    tails: BTreeMap<String, Tail>,
    checked: Option<Instant>,
    /// Symbols whose rows were put back.
    repairs: Counter,
}

impl Mirror {
    /// Keeps the last `keep` rows per symbol.
    pub(crate) fn new(keep: usize, repairs: Counter) -> Self {
        Self {
            keep: keep.max(1),
            tails: BTreeMap::new(),
            checked: None,
            repairs,
        }
    }

    /// Adds a row; older and repeated ones are left out.
    pub(crate) fn remember(&mut self, row: FeatureRecord) {
        let tail = self.tails.entry(row.symbol.clone()).or_default();
        let newest = tail.rows.back().map(|r| r.event_time);
        if newest.is_some_and(|time| time >= row.event_time) {
            return;
        }
        tail.rows.push_back(row);
        if tail.rows.len() > self.keep {
            tail.rows.pop_front();
        }
        tail.unsent = (tail.unsent + 1).min(tail.rows.len());
    }

    /// Brings Redis up to date with what is remembered. From time to time also checks that rows
    /// confirmed earlier are still there.
    pub(crate) async fn flush(&mut self, cache: &Cache, fingerprint: &str) {
        let now = Instant::now();
        let check = self.checked.is_none_or(|at| now - at >= CHECK_EVERY);
        let rows = self.unsent(check);
        if rows.is_empty() {
            return;
        }
        // A failure is counted and logged by the cache; the rows stay unsent.
        let Ok(lengths) = cache.push_rows(fingerprint, &rows, self.keep).await else {
            return;
        };
        if check {
            self.checked = Some(now);
        }
        for symbol in self.confirm(&lengths) {
            let Some(tail) = self.tails.get_mut(&symbol) else {
                continue;
            };
            let rows = tail.rows.make_contiguous();
            tracing::info!(symbol, "rows were missing in Redis; putting them back");
            self.repairs.inc();
            if cache
                .replace_rows(fingerprint, rows, self.keep)
                .await
                .is_err()
            {
                tail.unsent = tail.rows.len();
                return;
            }
        }
    }

    /// Rows to send: the unconfirmed ones, and with `all` at least the newest of every symbol.
    fn unsent(&self, all: bool) -> Vec<FeatureRecord> {
        let mut rows = Vec::new();
        for tail in self.tails.values() {
            let count = tail.unsent.max(usize::from(all)).min(tail.rows.len());
            rows.extend(tail.rows.iter().skip(tail.rows.len() - count).cloned());
        }
        rows
    }

    /// Takes over the lengths Redis reports; returns the symbols with fewer rows than here.
    fn confirm(&mut self, lengths: &BTreeMap<String, usize>) -> Vec<String> {
        let mut lost = Vec::new();
        for (symbol, length) in lengths {
            if let Some(tail) = self.tails.get_mut(symbol) {
                tail.unsent = 0;
                if *length < tail.rows.len() {
                    lost.push(symbol.clone());
                }
            }
        }
        lost
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(symbol: &str, event_time: i64) -> FeatureRecord {
        FeatureRecord {
            symbol: symbol.into(),
            event_time,
            close: 1.0,
            adjustment_factor: 1.0,
            values: vec![],
        }
    }

    fn times(rows: &[FeatureRecord]) -> Vec<i64> {
        rows.iter().map(|r| r.event_time).collect()
    }

    #[test]
    fn unconfirmed_rows_are_sent_again_and_bounded() {
        let mut mirror = Mirror::new(3, Counter::default());
        for t in 1..=5 {
            mirror.remember(row("A", t));
        }
        mirror.remember(row("A", 4));
        assert_eq!(times(&mirror.unsent(false)), [3, 4, 5]);
        assert_eq!(times(&mirror.unsent(false)), [3, 4, 5], "not confirmed");
        assert_eq!(mirror.confirm(&[("A".into(), 3)].into()), [""; 0]);
        assert!(mirror.unsent(false).is_empty());
        assert_eq!(times(&mirror.unsent(true)), [5]);
        mirror.remember(row("A", 6));
        assert_eq!(times(&mirror.unsent(false)), [6]);
    }

    #[test]
    fn short_lists_are_reported_as_lost() {
        let mut mirror = Mirror::new(3, Counter::default());
        for t in 1..=3 {
            mirror.remember(row("A", t));
            mirror.remember(row("B", t));
        }
        let lost = mirror.confirm(&[("A".into(), 1), ("B".into(), 3)].into());
        assert_eq!(lost, ["A"]);
    }
}

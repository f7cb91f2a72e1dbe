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
    /// Offset of the newest bar that is in them.
    offset: Option<i64>,
    /// Redis may hold other rows of their event times.
    superseded: bool,
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

    /// Adds a row, which holds the bars up to `offset` of its partition. Rows that hold less are left out; one that is
    /// no newer than the newest comes in place of those from its event time on, which follow it.
    pub(crate) fn remember(&mut self, row: FeatureRecord, offset: i64) {
        let tail = self.tails.entry(row.symbol.clone()).or_default();
        if tail.offset.is_some_and(|known| known > offset) {
            return;
        }
        tail.offset = Some(offset);
        while let Some(newest) = tail.rows.back() {
            if newest.event_time < row.event_time {
                break;
            }
            tail.rows.pop_back();
            tail.superseded = true;
        }
        tail.rows.push_back(row);
        if tail.rows.len() > self.keep {
            tail.rows.pop_front();
        }
        tail.unsent = (tail.unsent + 1).min(tail.rows.len());
    }

    /// Takes note that Redis may hold rows that were superseded when nobody could tell it.
    pub(crate) fn distrust(&mut self) {
        let tails = self.tails.values_mut();
        tails.for_each(|tail| tail.superseded = true);
    }

    /// Brings Redis up to date with what is remembered. From time to time also checks that rows
    /// confirmed earlier are still there.
    pub(crate) async fn flush(&mut self, cache: &Cache, fingerprint: &str) {
        if !self.supersede(cache, fingerprint).await {
            return;
        }
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

    /// Puts the rows of symbols whose past has changed in place of those that Redis has of their event times; false when
    /// it did not take them: they are tried again.
    async fn supersede(&mut self, cache: &Cache, fingerprint: &str) -> bool {
        for tail in self.tails.values_mut().filter(|tail| tail.superseded) {
            let rows = tail.rows.make_contiguous();
            let done = cache.supersede_rows(fingerprint, rows, self.keep).await;
            let Ok(length) = done else {
                return false;
            };
            tail.superseded = false;
            // Those that Redis has lost are found missing with the next rows.
            tail.unsent = usize::from(length < tail.rows.len());
        }
        true
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
            mirror.remember(row("A", t), t);
        }
        mirror.remember(row("A", 4), 4);
        assert_eq!(times(&mirror.unsent(false)), [3, 4, 5]);
        assert_eq!(times(&mirror.unsent(false)), [3, 4, 5], "not confirmed");
        assert_eq!(mirror.confirm(&[("A".into(), 3)].into()), [""; 0]);
        assert!(mirror.unsent(false).is_empty());
        assert_eq!(times(&mirror.unsent(true)), [5]);
        mirror.remember(row("A", 6), 6);
        assert_eq!(times(&mirror.unsent(false)), [6]);
    }

    #[test]
    fn short_lists_are_reported_as_lost() {
        let mut mirror = Mirror::new(3, Counter::default());
        for t in 1..=3 {
            mirror.remember(row("A", t), t);
            mirror.remember(row("B", t), t);
        }
        let lost = mirror.confirm(&[("A".into(), 1), ("B".into(), 3)].into());
        assert_eq!(lost, ["A"]);
    }

    #[test]
    fn rows_that_were_made_once_more_come_in_place_of_those_before() {
        let mut mirror = Mirror::new(4, Counter::default());
        let known = |mirror: &Mirror| -> Vec<(i64, f64)> {
            let rows = mirror.tails["A"].rows.iter();
            rows.map(|row| (row.event_time, row.close)).collect()
        };
        let revised = |event_time| FeatureRecord {
            close: 2.0,
            ..row("A", event_time)
        };
        for t in [1, 2, 4, 5] {
            mirror.remember(row("A", t), t);
        }
        assert!(!mirror.tails["A"].superseded);
        // A bar that was missing: its row is new, and those after it are others.
        for t in [3, 4, 5] {
            mirror.remember(revised(t), 6);
        }
        assert!(mirror.tails["A"].superseded);
        assert_eq!(
            known(&mirror),
            [(1, 1.0), (2, 1.0), (3, 2.0), (4, 2.0), (5, 2.0)][1..]
        );
        // What a restart makes of earlier offsets is older.
        for t in [4, 5] {
            mirror.remember(row("A", t), t);
        }
        assert_eq!(known(&mirror), [(2, 1.0), (3, 2.0), (4, 2.0), (5, 2.0)]);
        // The whole past.
        for t in 1..=3 {
            mirror.remember(revised(t), 7);
        }
        assert_eq!(known(&mirror), [(1, 2.0), (2, 2.0), (3, 2.0)]);
    }
}

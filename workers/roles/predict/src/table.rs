//! The newest feature rows per symbol, in memory; rows only get newer.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{PoisonError, RwLock};

use foresail_crds::records::FeatureRecord;
use foresail_runtime_base::metrics::Gauge;

/// Shared table.
#[derive(Debug)]
pub(crate) struct Table {
    keep: usize,
    rows: RwLock<BTreeMap<String, VecDeque<FeatureRecord>>>,
    held: Gauge,
}

impl Table {
    /// An empty table that keeps `keep` rows per symbol; `held` shows how many it has.
    pub(crate) fn new(keep: usize, held: Gauge) -> Self {
        Self {
            keep: keep.max(1),
            rows: RwLock::default(),
            held,
        }
    }

    /// Takes a row; an older or equal event time changes nothing.
    pub(crate) fn push(&self, row: FeatureRecord) {
        let mut rows = self.rows.write().unwrap_or_else(PoisonError::into_inner);
        let list = rows.entry(row.symbol.clone()).or_default();
        if list
            .back()
            .is_some_and(|last| last.event_time >= row.event_time)
        {
            return;
        }
        list.push_back(row);
        if list.len() > self.keep {
            list.pop_front();
        } else {
            self.held.inc();
        }
    }

    /// The last `count` rows of a symbol, oldest first; `None` when there are fewer.
    pub(crate) fn last(&self, symbol: &str, count: usize) -> Option<Vec<FeatureRecord>> {
        let rows = self.rows.read().unwrap_or_else(PoisonError::into_inner);
        let list = rows.get(symbol)?;
        let from = list.len().checked_sub(count)?;
        Some(list.iter().skip(from).cloned().collect())
    }

    /// Symbols with at least one row.
    pub(crate) fn symbols(&self) -> Vec<String> {
        let rows = self.rows.read().unwrap_or_else(PoisonError::into_inner);
        rows.keys().cloned().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(event_time: i64) -> FeatureRecord {
        FeatureRecord {
            symbol: "X".into(),
            event_time,
            close: 1.0,
            adjustment_factor: 1.0,
            values: vec![],
        }
    }

    #[test]
    fn rows_only_get_newer_and_old_ones_leave() {
        let table = Table::new(2, Gauge::default());
        for time in [1, 3, 2, 3, 4] {
            table.push(row(time));
        }
        let times = |n| {
            table
                .last("X", n)
                .map(|r| r.iter().map(|r| r.event_time).collect::<Vec<_>>())
        };
        assert_eq!(times(2), Some(vec![3, 4]));
        assert_eq!((times(3), table.last("Y", 1)), (None, None));
    }
}

//! The newest feature rows per symbol, in memory; rows only get newer. As many are kept as any model may look at, so
//! that a version trained with another `lookback` or `season` finds its rows.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{PoisonError, RwLock};

use foresail_crds::records::FeatureRecord;
use foresail_crds::training_parameters::LARGEST_LOOKBACK;
use foresail_runtime_base::metrics::Gauge;

/// Rows of a symbol that are kept.
pub(crate) const KEPT: usize = LARGEST_LOOKBACK as usize;

/// Rows by symbol, oldest first.
pub(crate) type Rows = BTreeMap<String, VecDeque<FeatureRecord>>;

/// Shared table.
#[derive(Debug)]
pub(crate) struct Table {
    rows: RwLock<Rows>,
    held: Gauge,
}

/// Takes a row; an older or equal event time changes nothing.
pub(crate) fn push(rows: &mut Rows, row: FeatureRecord) {
    let list = rows.entry(row.symbol.clone()).or_default();
    let newest = list.back().map(|last| last.event_time);
    if newest.is_some_and(|time| time >= row.event_time) {
        return;
    }
    if list.len() == KEPT {
        list.pop_front();
    }
    list.push_back(row);
}

impl Table {
    /// An empty table; `held` shows how many rows it has.
    pub(crate) fn new(held: Gauge) -> Self {
        Self {
            rows: RwLock::default(),
            held,
        }
    }

    /// Takes rows; see [`push`].
    pub(crate) fn extend(&self, new: impl IntoIterator<Item = FeatureRecord>) {
        self.change(|rows| new.into_iter().for_each(|row| push(rows, row)));
    }

    /// Puts whole lists in place of what is there of their symbols, unless that is newer.
    pub(crate) fn adopt(&self, lists: Rows) {
        let newest = |list: &VecDeque<FeatureRecord>| list.back().map(|row| row.event_time);
        self.change(|rows| {
            for (symbol, list) in lists {
                let ours = rows.get(&symbol).and_then(newest);
                if newest(&list) >= ours {
                    rows.insert(symbol, list);
                }
            }
        });
    }

    fn change(&self, change: impl FnOnce(&mut Rows)) {
        let mut rows = self.rows.write().unwrap_or_else(PoisonError::into_inner);
        change(&mut rows);
        let held: usize = rows.values().map(VecDeque::len).sum();
        self.held.set(i64::try_from(held).unwrap_or(i64::MAX));
    }

    /// Rows of the symbol that has most.
    pub(crate) fn longest(&self) -> usize {
        let rows = self.rows.read().unwrap_or_else(PoisonError::into_inner);
        rows.values().map(VecDeque::len).max().unwrap_or(0)
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

    fn times(table: &Table, count: usize) -> Option<Vec<i64>> {
        let rows = table.last("X", count)?;
        Some(rows.iter().map(|row| row.event_time).collect())
    }

    #[test]
    fn rows_only_get_newer_and_old_ones_leave() {
        let held = Gauge::default();
        let table = Table::new(held.clone());
        table.extend([1, 3, 2, 3, 4].map(row));
        assert_eq!(times(&table, 3), Some(vec![1, 3, 4]));
        assert_eq!((times(&table, 4), table.last("Y", 1)), (None, None));
        table.extend((5..5 + KEPT as i64).map(row));
        assert_eq!(table.longest(), KEPT);
        assert_eq!(held.get(), KEPT as i64);
        assert_eq!(times(&table, 1), Some(vec![4 + KEPT as i64]));
    }

    #[test]
    fn whole_lists_leave_no_hole_and_nothing_newer_is_lost() {
        let table = Table::new(Gauge::default());
        let list = |times: &[i64]| {
            let mut rows = Rows::new();
            times.iter().for_each(|time| push(&mut rows, row(*time)));
            rows
        };
        // What Redis had lies far behind.
        table.extend([1, 2].map(row));
        table.adopt(list(&[8, 9]));
        assert_eq!(
            (times(&table, 2), times(&table, 3)),
            (Some(vec![8, 9]), None)
        );
        table.adopt(list(&[5, 6, 7]));
        assert_eq!(times(&table, 2), Some(vec![8, 9]));
        table.adopt(list(&[7, 8, 9]));
        assert_eq!(times(&table, 3), Some(vec![7, 8, 9]));
    }
}

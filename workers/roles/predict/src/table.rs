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

/// Shared table: rows of each feature set that a version here was trained on.
#[derive(Debug)]
pub(crate) struct Table {
    sets: RwLock<BTreeMap<String, Set>>,
    held: Gauge,
}

/// Rows of one feature set.
#[derive(Debug, Default)]
struct Set {
    rows: Rows,
    /// It has caught up once.
    filled: bool,
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
            sets: RwLock::default(),
            held,
        }
    }

    /// Makes place for a feature set. Rows of other ones are not taken.
    pub(crate) fn want(&self, fingerprint: &str) {
        self.change(|sets| {
            sets.entry(fingerprint.to_owned()).or_default();
        });
    }

    /// Lets the rows of a feature set go.
    pub(crate) fn forget(&self, fingerprint: &str) {
        self.change(|sets| {
            sets.remove(fingerprint);
        });
    }

    /// Takes rows; see [`push`].
    pub(crate) fn extend(&self, fingerprint: &str, new: impl IntoIterator<Item = FeatureRecord>) {
        self.change(|sets| {
            if let Some(set) = sets.get_mut(fingerprint) {
                new.into_iter().for_each(|row| push(&mut set.rows, row));
            }
        });
    }

    /// Puts whole lists in place of what is there of their symbols, unless that is newer.
    pub(crate) fn adopt(&self, fingerprint: &str, lists: Rows) {
        let newest = |list: &VecDeque<FeatureRecord>| list.back().map(|row| row.event_time);
        self.change(|sets| {
            let Some(set) = sets.get_mut(fingerprint) else {
                return;
            };
            for (symbol, list) in lists {
                let ours = set.rows.get(&symbol).and_then(newest);
                if newest(&list) >= ours {
                    set.rows.insert(symbol, list);
                }
            }
        });
    }

    /// Takes note that a feature set has caught up.
    pub(crate) fn fill(&self, fingerprint: &str) {
        self.change(|sets| {
            if let Some(set) = sets.get_mut(fingerprint) {
                set.filled = true;
            }
        });
    }

    fn change(&self, change: impl FnOnce(&mut BTreeMap<String, Set>)) {
        let mut sets = self.sets.write().unwrap_or_else(PoisonError::into_inner);
        change(&mut sets);
        let lists = sets.values().flat_map(|set| set.rows.values());
        let held: usize = lists.map(VecDeque::len).sum();
        self.held.set(i64::try_from(held).unwrap_or(i64::MAX));
    }

    fn read<T>(&self, fingerprint: &str, look: impl FnOnce(&Set) -> T) -> Option<T> {
        let sets = self.sets.read().unwrap_or_else(PoisonError::into_inner);
        sets.get(fingerprint).map(look)
    }

    /// Whether a feature set has caught up once.
    pub(crate) fn is_filled(&self, fingerprint: &str) -> bool {
        self.read(fingerprint, |set| set.filled).unwrap_or(false)
    }

    /// Rows of the symbol that has most.
    pub(crate) fn longest(&self, fingerprint: &str) -> usize {
        let longest = |set: &Set| set.rows.values().map(VecDeque::len).max();
        self.read(fingerprint, longest).flatten().unwrap_or(0)
    }

    /// Event time of the newest row of all symbols.
    pub(crate) fn newest(&self, fingerprint: &str) -> Option<i64> {
        let newest = |set: &Set| {
            let lists = set.rows.values();
            lists.filter_map(|list| Some(list.back()?.event_time)).max()
        };
        self.read(fingerprint, newest).flatten()
    }

    /// The last `count` rows of a symbol, oldest first; `None` when there are fewer.
    pub(crate) fn last(
        &self,
        fingerprint: &str,
        symbol: &str,
        count: usize,
    ) -> Option<Vec<FeatureRecord>> {
        let last = |set: &Set| {
            let list = set.rows.get(symbol)?;
            let from = list.len().checked_sub(count)?;
            Some(list.iter().skip(from).cloned().collect())
        };
        self.read(fingerprint, last).flatten()
    }

    /// Symbols with at least one row.
    pub(crate) fn symbols(&self, fingerprint: &str) -> Vec<String> {
        let symbols = |set: &Set| set.rows.keys().cloned().collect();
        self.read(fingerprint, symbols).unwrap_or_default()
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
        let rows = table.last("f", "X", count)?;
        Some(rows.iter().map(|row| row.event_time).collect())
    }

    #[test]
    fn rows_only_get_newer_and_old_ones_leave() {
        let held = Gauge::default();
        let table = Table::new(held.clone());
        table.want("f");
        table.extend("f", [1, 3, 2, 3, 4].map(row));
        assert_eq!(times(&table, 3), Some(vec![1, 3, 4]));
        assert_eq!((times(&table, 4), table.last("f", "Y", 1)), (None, None));
        table.extend("f", (5..5 + KEPT as i64).map(row));
        assert_eq!(table.longest("f"), KEPT);
        assert_eq!(held.get(), KEPT as i64);
        assert_eq!(times(&table, 1), Some(vec![4 + KEPT as i64]));
    }

    #[test]
    fn whole_lists_leave_no_hole_and_nothing_newer_is_lost() {
        let table = Table::new(Gauge::default());
        table.want("f");
        let list = |times: &[i64]| {
            let mut rows = Rows::new();
            times.iter().for_each(|time| push(&mut rows, row(*time)));
            rows
        };
        // What Redis had lies far behind.
        table.extend("f", [1, 2].map(row));
        table.adopt("f", list(&[8, 9]));
        assert_eq!(
            (times(&table, 2), times(&table, 3)),
            (Some(vec![8, 9]), None)
        );
        table.adopt("f", list(&[5, 6, 7]));
        assert_eq!(times(&table, 2), Some(vec![8, 9]));
        table.adopt("f", list(&[7, 8, 9]));
        assert_eq!(times(&table, 3), Some(vec![7, 8, 9]));
    }

    #[test]
    fn rows_of_two_feature_sets_never_meet() {
        let held = Gauge::default();
        let table = Table::new(held.clone());
        table.want("f");
        table.extend("f", [1, 2].map(row));
        table.extend("of nobody here", [3].map(row));
        assert_eq!((table.longest("of nobody here"), held.get()), (0, 2));
        table.want("g");
        assert_eq!(table.last("g", "X", 1), None);
        table.extend("g", [row(7)]);
        table.fill("g");
        assert_eq!(times(&table, 2), Some(vec![1, 2]));
        assert_eq!((table.is_filled("f"), table.is_filled("g")), (false, true));
        table.forget("f");
        // A batch that was on its way.
        table.extend("f", [row(3)]);
        assert_eq!((table.longest("f"), held.get()), (0, 1));
    }
}

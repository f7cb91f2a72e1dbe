//! The newest feature rows per symbol, in memory. As many are kept as any model may look at, so that a version trained
//! with another `lookback` or `season` finds its rows. Of two rows of one event time the later one counts.

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

/// Takes a row in place of that of its event time, or where it belongs: a bar was corrected, or came late. One that is
/// older than all changes nothing when there is no room.
pub(crate) fn push(rows: &mut Rows, row: FeatureRecord) {
    let list = rows.entry(row.symbol.clone()).or_default();
    let newer = list.iter().rev();
    let newer = newer.take_while(|known| known.event_time > row.event_time);
    let at = list.len() - newer.count();
    let before = at.checked_sub(1);
    let of_time = before.filter(|before| {
        let known = list.get(*before);
        known.is_some_and(|known| known.event_time == row.event_time)
    });
    if let Some(known) = of_time.and_then(|at| list.get_mut(at)) {
        *known = row;
    } else if before.is_some() || list.len() < KEPT {
        list.insert(at, row);
        if list.len() > KEPT {
            list.pop_front();
        }
    }
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
    fn rows_are_in_order_and_old_ones_leave() {
        let held = Gauge::default();
        let table = Table::new(held.clone());
        table.want("f");
        table.extend("f", [1, 3, 2, 3, 4].map(row));
        assert_eq!(times(&table, 4), Some(vec![1, 2, 3, 4]));
        assert_eq!((times(&table, 5), table.last("f", "Y", 1)), (None, None));
        table.extend("f", (5..5 + KEPT as i64).map(row));
        assert_eq!(table.longest("f"), KEPT);
        assert_eq!(held.get(), KEPT as i64);
        assert_eq!(times(&table, 1), Some(vec![4 + KEPT as i64]));
    }

    #[test]
    fn rows_that_are_made_once_more_come_in_place_of_those_before() {
        let mut rows = Rows::new();
        let known = |rows: &Rows| -> Vec<(i64, f64)> {
            let of_x = rows["X"].iter();
            of_x.map(|row| (row.event_time, row.close)).collect()
        };
        let revised = |event_time| FeatureRecord {
            close: 2.0,
            ..row(event_time)
        };
        [1, 2, 4]
            .map(row)
            .into_iter()
            .for_each(|row| push(&mut rows, row));
        [2, 3, 4, 5]
            .map(revised)
            .into_iter()
            .for_each(|row| push(&mut rows, row));
        let expected = [(1, 1.0), (2, 2.0), (3, 2.0), (4, 2.0), (5, 2.0)];
        assert_eq!(known(&rows), expected);
        // Far back there is no place for it, and the newest stay.
        let many = (6..6 + KEPT as i64).map(row);
        many.for_each(|row| push(&mut rows, row));
        [3, 4]
            .map(revised)
            .into_iter()
            .for_each(|row| push(&mut rows, row));
        let kept = known(&rows);
        assert_eq!((kept.len(), kept[0]), (KEPT, (6, 1.0)));
        // A late bar within them takes the place of the oldest.
        push(&mut rows, revised(6));
        assert_eq!(known(&rows)[0], (6, 2.0));
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

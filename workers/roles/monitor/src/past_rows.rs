//! The newest row of each symbol and event time since the trackers began: what they are computed from once more when a bar
//! of the past was corrected. Driven by `engine`.

use std::collections::BTreeMap;

use foresail_crds::records::FeatureRecord;

/// Rows that are kept at most. A Pipeline with more of them leaves what was observed as it was.
const MOST_ROWS: usize = 500_000;

/// What a row is to those before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Taken {
    /// It follows them.
    Next,
    /// It is known.
    Repeated,
    /// It comes in place of another, or between two.
    Again,
    /// Of a symbol that is not declared.
    Foreign,
}

/// Rows of one feature set and symbol by event time.
type Series = BTreeMap<i64, FeatureRecord>;

/// See the module.
pub(crate) struct PastRows {
    series: BTreeMap<(String, String), Series>,
    /// Rows up to this event time are needed for the lookback of the first forecast only, milliseconds UTC.
    after: i64,
    lookback: usize,
    rows: usize,
    most: usize,
    is_cut: bool,
}

impl PastRows {
    /// Keeps the rows of these feature sets and symbols: every one after an event time, and `lookback` of those before.
    pub(crate) fn new(
        fingerprints: &[&str],
        symbols: &[String],
        after: i64,
        lookback: usize,
    ) -> Self {
        let keys = fingerprints.iter().flat_map(|print| {
            symbols
                .iter()
                .map(|symbol| ((*print).to_owned(), symbol.clone()))
        });
        Self {
            series: keys.map(|key| (key, Series::new())).collect(),
            after,
            lookback,
            rows: 0,
            most: MOST_ROWS,
            is_cut: false,
        }
    }

    /// Takes the next row of its symbol, in the order of the topic.
    pub(crate) fn take(&mut self, fingerprint: &str, row: &FeatureRecord) -> Taken {
        let key = (fingerprint.to_owned(), row.symbol.clone());
        let Some(series) = self.series.get_mut(&key) else {
            return Taken::Foreign;
        };
        let newest = series.last_key_value().map(|(time, _)| *time);
        let taken = match series.get(&row.event_time) {
            Some(known) if known == row => return Taken::Repeated,
            None if newest.is_none_or(|time| time < row.event_time) => Taken::Next,
            _ => Taken::Again,
        };
        // What lies before everything that is kept is needed by nobody.
        let first = series.first_key_value().map(|(time, _)| *time);
        if taken == Taken::Again && first.is_some_and(|time| row.event_time < time) {
            return Taken::Repeated;
        }
        self.rows += usize::from(series.insert(row.event_time, row.clone()).is_none());
        if row.event_time <= self.after && series.len() > self.lookback && taken == Taken::Next {
            series.pop_first();
            self.rows -= 1;
        }
        if self.rows > self.most {
            self.cut();
        }
        taken
    }

    /// Forgets all but the newest row of each series.
    fn cut(&mut self) {
        if !self.is_cut {
            tracing::warn!(
                rows = self.rows,
                "too many rows to compute drift and realised errors again when a bar is corrected: what was observed stays"
            );
        }
        self.is_cut = true;
        self.rows = 0;
        for series in self.series.values_mut() {
            if let Some((time, _)) = series.last_key_value() {
                let time = *time;
                series.retain(|at, _| *at == time);
            }
            self.rows += series.len();
        }
    }

    /// Every row with its feature set, ordered by event time and symbol; `None` when there were too many.
    pub(crate) fn all(&self) -> Option<Vec<(&str, &FeatureRecord)>> {
        if self.is_cut {
            return None;
        }
        let each = self.series.iter();
        let mut all: Vec<(&str, &FeatureRecord)> = each
            .flat_map(|((print, _), series)| series.values().map(|row| (print.as_str(), row)))
            .collect();
        all.sort_by_key(|(_, row)| row.event_time);
        Some(all)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(symbol: &str, event_time: i64, close: f64) -> FeatureRecord {
        FeatureRecord {
            symbol: symbol.into(),
            event_time,
            close,
            adjustment_factor: 1.0,
            values: vec![],
        }
    }

    fn kept(rows: &PastRows) -> Vec<(i64, f64)> {
        let all = rows.all().unwrap();
        all.iter()
            .map(|(_, row)| (row.event_time, row.close))
            .collect()
    }

    #[test]
    fn the_newest_row_of_each_event_time_is_kept_and_few_of_those_before_training_ended() {
        let mut rows = PastRows::new(&["f"], &["A".into()], 4, 2);
        for time in 1..=6 {
            assert_eq!(rows.take("f", &row("A", time, 1.0)), Taken::Next);
        }
        assert_eq!(rows.take("f", &row("B", 9, 1.0)), Taken::Foreign);
        assert_eq!(rows.take("g", &row("A", 9, 1.0)), Taken::Foreign);
        assert_eq!(kept(&rows), [(3, 1.0), (4, 1.0), (5, 1.0), (6, 1.0)]);
        assert_eq!(rows.take("f", &row("A", 6, 1.0)), Taken::Repeated);
        assert_eq!(rows.take("f", &row("A", 2, 9.0)), Taken::Repeated);
        assert_eq!(rows.take("f", &row("A", 5, 2.0)), Taken::Again);
        assert_eq!(kept(&rows), [(3, 1.0), (4, 1.0), (5, 2.0), (6, 1.0)]);
    }

    #[test]
    fn too_many_rows_are_not_kept() {
        let mut rows = PastRows::new(&["f"], &["A".into()], 0, 1);
        rows.most = 10;
        for time in 1..=11 {
            rows.take("f", &row("A", time, 1.0));
        }
        assert!(rows.all().is_none());
        assert_eq!(rows.rows, 1);
        assert_eq!(rows.take("f", &row("A", 11, 1.0)), Taken::Repeated);
        assert_eq!(rows.take("f", &row("A", 12, 1.0)), Taken::Next);
    }
}

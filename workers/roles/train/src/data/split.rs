//! Splits by time: everything a run may learn from | purge | gate. No label of the first part reaches
//! into the gate, so nothing fitted has seen what it is judged on there.

use crate::data::dataset::{Dataset, Sample};

/// Parts of the data.
#[derive(Clone, Debug)]
pub(crate) struct Split<'a> {
    /// For walk-forward validation, then for the served model.
    pub before: Vec<&'a Sample>,
    /// For challenger against champion; empty for a first version.
    pub gate: Vec<&'a Sample>,
}

/// How to split.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Plan {
    /// Newest dates kept for the gate; 0 for a first version.
    pub gate_sessions: usize,
    /// Newest dates used at all before the gate.
    pub max_sessions: Option<usize>,
}

/// Splits; rows without known labels are in no part.
pub(crate) fn split(data: &Dataset, plan: Plan) -> Split<'_> {
    let all = data.known();
    let dates = sessions(&all);
    let first = dates.len().saturating_sub(plan.gate_sessions);
    let start = dates.get(first).copied().unwrap_or(i64::MAX);
    let (before, gate): (Vec<&Sample>, Vec<&Sample>) =
        all.into_iter().partition(|s| s.event_time < start);
    let before = newest(before, plan.max_sessions);
    // Purge: a label that is known only in the gate would leak it.
    let purged = before
        .into_iter()
        .filter(|s| s.labels_end.is_some_and(|end| end < start));
    Split {
        before: purged.collect(),
        gate,
    }
}

/// Two parts of rows; no label of the older ones reaches into the newer ones.
#[derive(Clone, Debug)]
pub(crate) struct HeldOut<'a> {
    pub older: Vec<&'a Sample>,
    pub newer: Vec<&'a Sample>,
}

/// The rows of the newest `share` of the dates, and before them those whose labels end earlier.
/// `samples` are in order of time.
pub(crate) fn hold_out<'a>(samples: &[&'a Sample], share: f64) -> HeldOut<'a> {
    let dates = sessions(samples);
    let held = (dates.len() as f64 * share).round() as usize;
    let start = dates.get(dates.len().saturating_sub(held)).copied();
    let start = start.unwrap_or(i64::MAX);
    let newer = samples.iter().filter(|s| s.event_time >= start);
    let older = samples
        .iter()
        .filter(|s| s.labels_end.is_some_and(|end| end < start));
    HeldOut {
        older: older.copied().collect(),
        newer: newer.copied().collect(),
    }
}

/// Distinct session times of samples in order of time.
pub(crate) fn sessions(samples: &[&Sample]) -> Vec<i64> {
    let mut sessions: Vec<i64> = samples.iter().map(|s| s.event_time).collect();
    sessions.dedup();
    sessions
}

/// Rows of the newest `most` sessions, as `training.maxSessions` declares.
pub(crate) fn newest(rows: Vec<&Sample>, most: Option<usize>) -> Vec<&Sample> {
    let Some(most) = most else { return rows };
    let sessions = sessions(&rows);
    let first = sessions.len().saturating_sub(most);
    let from = sessions.get(first).copied().unwrap_or(i64::MIN);
    rows.into_iter().filter(|s| s.event_time >= from).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::dataset::FeatureSnapshot;

    fn data(dates: usize, horizon: usize) -> Dataset {
        let sample = |t: usize, symbol: usize| Sample {
            symbol,
            event_time: t as i64,
            close: 1.0,
            adjustment_factor: 1.0,
            window: vec![FeatureSnapshot::new(&[0.0], 1.0)],
            labels: (t + horizon < dates).then(|| vec![0.0; horizon]),
            labels_end: (t + horizon < dates).then_some((t + horizon) as i64),
        };
        let samples = (0..dates)
            .flat_map(|t| [sample(t, 0), sample(t, 1)])
            .collect();
        Dataset {
            samples,
            ..Dataset::default()
        }
    }

    #[test]
    fn no_label_reaches_into_the_gate() {
        for horizon in [1, 5, 20] {
            let data = data(400, horizon);
            let plan = Plan {
                gate_sessions: 40,
                max_sessions: Some(200),
            };
            let split = split(&data, plan);
            let start = |part: &[&Sample]| part.iter().map(|s| s.event_time).min().unwrap();
            let end = split.before.iter().filter_map(|s| s.labels_end).max();
            assert!(end.unwrap() < start(&split.gate));
            assert_eq!(split.gate.len(), 80);
            let span = start(&split.gate) - start(&split.before);
            assert_eq!(span, 200, "maxSessions counts the dates before the gate");
        }
    }

    #[test]
    fn a_first_version_has_no_gate() {
        let plan = Plan {
            gate_sessions: 0,
            max_sessions: None,
        };
        let data = data(100, 5);
        let split = split(&data, plan);
        assert!(split.gate.is_empty());
        assert_eq!(split.before.len(), 190);
    }

    #[test]
    fn held_out_rows_are_the_newest_dates_and_no_label_reaches_into_them() {
        let data = data(100, 5);
        let all = data.known();
        let HeldOut { older, newer } = hold_out(&all, 0.2);
        let start = newer.iter().map(|s| s.event_time).min().unwrap();
        assert_eq!(newer.len(), 2 * 19);
        assert!(older.iter().all(|s| s.labels_end.unwrap() < start) && !older.is_empty());
    }
}

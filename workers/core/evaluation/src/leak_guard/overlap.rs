//! The check of labels against folds; it trusts no number that the folds were made from.

use std::collections::BTreeMap;

use super::verdict::{Evidence, Guard, Verdict, Violation};
use crate::walk_forward::{Fold, Span};

/// Sessions that must lie between training and test.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Gap {
    /// Steps forecast: a label ends at least so many sessions after its row.
    pub horizon: usize,
    /// Sessions between the newest training label's end and the test block.
    pub embargo: usize,
}

/// Checks the rows of each fold: every training label ends before the session `embargo` before the
/// first test row, no label ends sooner than `horizon` sessions can pass, no row is tested twice.
pub fn label_overlap(sessions: &[i64], spans: &[Span], folds: &[Fold], gap: Gap) -> Verdict {
    let guard = Guard::LabelOverlap;
    let (mut checked, mut tested) = (0, BTreeMap::new());
    for (index, fold) in folds.iter().enumerate() {
        let rows = Rows {
            sessions,
            spans,
            fold,
        };
        let checked_rows = rows.limit(gap).and_then(|limit| rows.check(limit, gap));
        let twice = fold
            .test
            .iter()
            .find_map(|row| tested.insert(*row, index).map(|first| (row, first)));
        let twice = twice.map(|(row, first)| {
            let time = spans.get(*row).map(|s| s.event_time);
            Box::new((
                "a row is tested in two folds",
                label_evidence(time, "one fold", first),
            ))
        });
        match checked_rows.and_then(|count| twice.map_or(Ok(count), Err)) {
            Ok(count) => checked += count,
            Err(violation) => {
                let (detail, evidence) = *violation;
                let evidence = Evidence {
                    fold: Some(index),
                    ..evidence
                };
                return Verdict::fail(guard, checked, detail.into(), Some(evidence));
            }
        }
    }
    if checked == 0 {
        return Verdict::fail(guard, 0, "there is no training row to check".into(), None);
    }
    let detail = format!("{} folds, no training label reaches a test", folds.len());
    Verdict::pass(guard, checked, detail)
}

/// One fold and what its indices point into.
struct Rows<'a> {
    sessions: &'a [i64],
    spans: &'a [Span],
    fold: &'a Fold,
}

impl Rows<'_> {
    /// Time that no training label may reach.
    fn limit(&self, gap: Gap) -> Result<i64, Violation> {
        let times = self.fold.test.iter().map(|row| self.spans.get(*row));
        let times: Option<Vec<i64>> = times.map(|s| s.map(|s| s.event_time)).collect();
        let first = times.and_then(|t| t.into_iter().min());
        let place = first.and_then(|t| self.sessions.binary_search(&t).ok());
        let barrier = place.and_then(|p| self.sessions.get(p.checked_sub(gap.embargo)?));
        barrier.copied().ok_or_else(|| {
            let detail = "a fold has no test row on a session with an embargo before it";
            Box::new((detail, label_evidence(first, "a session", "none")))
        })
    }

    /// Training rows whose label ends before `limit`, and no sooner than it can.
    fn check(&self, limit: i64, gap: Gap) -> Result<usize, Violation> {
        for row in &self.fold.train {
            let span = self.spans.get(*row);
            let time = span.map(|s| s.event_time);
            let Some((span, end)) = span.and_then(|s| Some((s, s.label_end?))) else {
                let detail = "a training row has no known label";
                return Err(Box::new((detail, label_evidence(time, "a label", "none"))));
            };
            if end >= limit || span.event_time >= limit {
                let detail = "a training label reaches the test block or its embargo";
                let evidence = label_evidence(time, format!("before {limit}"), end);
                return Err(Box::new((detail, evidence)));
            }
            let place = self.sessions.binary_search(&span.event_time).ok();
            let soonest = place.and_then(|p| self.sessions.get(p.checked_add(gap.horizon)?));
            if soonest.is_none_or(|soonest| end < *soonest) {
                let detail = "a label is said to end sooner than its horizon allows";
                let allowed = soonest.map_or("none".into(), |s| format!("{s} or later"));
                return Err(Box::new((detail, label_evidence(time, allowed, end))));
            }
        }
        Ok(self.fold.train.len())
    }
}

fn label_evidence(time: Option<i64>, expected: impl ToString, found: impl ToString) -> Evidence {
    Evidence {
        time,
        column: Some("label end".into()),
        expected: expected.to_string(),
        found: found.to_string(),
        ..Evidence::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Sessions 0..20, one row each, labels two sessions ahead, embargo two.
    fn check(folds: &[(&[usize], &[usize])], late: Option<usize>) -> Verdict {
        let sessions: Vec<i64> = (0..20).collect();
        let span = |t: i64| Span {
            event_time: t,
            label_end: Some(t + if late == Some(t as usize) { 9 } else { 2 }),
        };
        let spans: Vec<Span> = sessions.iter().map(|t| span(*t)).collect();
        let fold = |(train, test): &(&[usize], &[usize])| Fold {
            train_sessions: 0..0,
            test_sessions: 0..0,
            train: train.to_vec(),
            test: test.to_vec(),
            purged: 0,
            fit_until: i64::MAX,
        };
        let folds: Vec<Fold> = folds.iter().map(fold).collect();
        let gap = Gap {
            horizon: 2,
            embargo: 2,
        };
        label_overlap(&sessions, &spans, &folds, gap)
    }

    #[test]
    fn the_barrier_by_hand() {
        // Test from 10: labels must end before 8.
        let good: &[(&[usize], &[usize])] = &[(&[0, 5], &[10, 11]), (&[0, 7], &[12])];
        assert!(check(good, None).passed);
        for (train, time) in [(6, 6), (7, 7), (9, 9), (12, 12)] {
            let seen = check(&[(&[0, train], &[10, 11])], None);
            assert_eq!(seen.evidence.unwrap().time, Some(time));
        }
        let late = check(good, Some(5)).evidence.unwrap();
        assert_eq!(
            (late.time, late.fold, late.found.as_str()),
            (Some(5), Some(0), "14")
        );
    }

    #[test]
    fn folds_that_make_no_sense() {
        let twice = check(&[(&[0], &[10]), (&[0], &[10])], None);
        assert!(!twice.passed && twice.detail.contains("two folds"));
        assert_eq!(twice.evidence.unwrap().fold, Some(1));
        for (train, test) in [
            (&[99][..], &[10][..]),
            (&[0], &[99]),
            (&[0], &[1]),
            (&[0], &[]),
        ] {
            assert!(!check(&[(train, test)], None).passed);
        }
        assert!(!check(&[(&[], &[10])], None).passed);
    }
}

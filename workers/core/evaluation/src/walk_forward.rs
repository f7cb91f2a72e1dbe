//! Purged walk-forward folds: train on the past, leave a gap, test on the block that follows.
//!
//! Lopez de Prado (2018), chapter 7, for the terms. Training always lies before the test block, so
//! the embargo is the gap between the end of the newest training label and the test block.

use std::ops::Range;

use serde::{Deserialize, Serialize};
use thiserror::Error;

/// Which past a fold is trained on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum TrainingWindow {
    /// Everything before.
    Expanding,
    /// The newest so many sessions.
    Rolling(usize),
}

/// How the test sessions are cut into blocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Blocks {
    /// So many sessions each; the last block holds what is left.
    Sessions(usize),
    /// So many blocks, sizes differing by at most one session.
    Count(usize),
}

/// A plan of folds. All lengths are in sessions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Plan {
    /// Training window.
    pub window: TrainingWindow,
    /// Sessions the first fold is trained on, at least 1.
    pub min_train: usize,
    /// Test blocks.
    pub blocks: Blocks,
    /// Sessions between the end of the newest training label and the test block; at least `horizon`.
    pub embargo: usize,
    /// Steps forecast, at least 1.
    pub horizon: usize,
}

/// When a row is forecast from, and when its last label is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Span {
    /// Milliseconds UTC; one of the sessions.
    pub event_time: i64,
    /// Event time of the last bar the labels look at; `None` while unknown.
    pub label_end: Option<i64>,
}

/// One fold. Rows without a known label are in neither part.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Fold {
    /// Sessions that rows are trained on (indices into the sessions).
    pub train_sessions: Range<usize>,
    /// Sessions that are tested.
    pub test_sessions: Range<usize>,
    /// Training rows (indices into the spans), ascending.
    pub train: Vec<usize>,
    /// Test rows, ascending.
    pub test: Vec<usize>,
    /// Rows of the training sessions that the purge left out.
    pub purged: usize,
    /// Newest time that anything fitted in this fold may depend on, milliseconds UTC.
    pub fit_until: i64,
}

/// Why there are no folds.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum PlanError {
    /// A number of the plan is out of range.
    #[error("{field} is {value}; it must be at least {least}")]
    TooSmall {
        /// Field of the plan.
        field: &'static str,
        /// Its value.
        value: usize,
        /// The least allowed.
        least: usize,
    },
    /// The plan needs more sessions than there are.
    #[error(
        "{found} sessions with known labels are too few: {needed} are needed (first training window, horizon, embargo, one per block)"
    )]
    TooFewSessions {
        /// Sessions up to the newest known label.
        found: usize,
        /// Sessions needed.
        needed: usize,
    },
    /// Sessions are not strictly ascending.
    #[error("session {index} is not later than the one before")]
    NotAscending {
        /// Index into the sessions.
        index: usize,
    },
    /// A row lies on no session.
    #[error("row {row} at {event_time} ms is on no session")]
    NoSession {
        /// Index into the rows.
        row: usize,
        /// Its time.
        event_time: i64,
    },
    /// A label is known before it can be.
    #[error("the label of row {row} ends at {label_end} ms, not after the row at {event_time} ms")]
    LabelTooEarly {
        /// Index into the rows.
        row: usize,
        /// Its time.
        event_time: i64,
        /// Its label's end.
        label_end: i64,
    },
    /// A fold has no row to train or to test on.
    #[error("fold {fold} has {train} training and {test} test rows")]
    EmptyFold {
        /// Index of the fold.
        fold: usize,
        /// Training rows.
        train: usize,
        /// Test rows.
        test: usize,
    },
}

/// Cuts folds: `sessions` are the distinct session times, ascending; `spans` one per row in any
/// order. Every label in training ends before the session that lies `embargo` sessions before the
/// test block; every session from the first test block to the newest known label is tested once.
///
/// # Errors
/// A plan that cannot be kept, see [`PlanError`]. Never fewer folds than asked for.
pub fn folds(sessions: &[i64], spans: &[Span], plan: &Plan) -> Result<Vec<Fold>, PlanError> {
    check_plan(plan)?;
    let rows = Rows {
        sessions,
        spans,
        positions: positions(sessions, spans)?,
    };
    // Sessions after the newest labelled row have nothing to compare a forecast with.
    let end = rows
        .positions
        .iter()
        .zip(spans)
        .filter(|(_, s)| s.label_end.is_some())
        .map(|(p, _)| p + 1)
        .max()
        .unwrap_or(0);
    let lost = plan.horizon.saturating_add(plan.embargo);
    let first = plan.min_train.saturating_add(lost);
    let wanted = match plan.blocks {
        Blocks::Sessions(_) => 1,
        Blocks::Count(n) => n,
    };
    let needed = first.saturating_add(wanted);
    if end < needed {
        return Err(PlanError::TooFewSessions { found: end, needed });
    }
    blocks(first..end, plan.blocks)
        .into_iter()
        .enumerate()
        .map(|(index, test)| {
            let fold = rows.fold(plan, test);
            if fold.train.is_empty() || fold.test.is_empty() {
                return Err(PlanError::EmptyFold {
                    fold: index,
                    train: fold.train.len(),
                    test: fold.test.len(),
                });
            }
            Ok(fold)
        })
        .collect()
}

fn check_plan(plan: &Plan) -> Result<(), PlanError> {
    let (field, value) = match plan.blocks {
        Blocks::Sessions(n) => ("blocks.sessions", n),
        Blocks::Count(n) => ("blocks.count", n),
    };
    let window = match plan.window {
        TrainingWindow::Expanding => plan.min_train,
        TrainingWindow::Rolling(n) => n,
    };
    for (field, value, least) in [
        ("horizon", plan.horizon, 1),
        ("embargo", plan.embargo, plan.horizon),
        ("minTrain", plan.min_train, 1),
        (field, value, 1),
        ("window.rolling", window, plan.min_train),
    ] {
        if value < least {
            return Err(PlanError::TooSmall {
                field,
                value,
                least,
            });
        }
    }
    Ok(())
}

/// Session of each row.
fn positions(sessions: &[i64], spans: &[Span]) -> Result<Vec<usize>, PlanError> {
    if let Some(i) = sessions
        .iter()
        .zip(sessions.iter().skip(1))
        .position(|(a, b)| a >= b)
    {
        return Err(PlanError::NotAscending { index: i + 1 });
    }
    let place = |(row, span): (usize, &Span)| {
        let event_time = span.event_time;
        if let Some(label_end) = span.label_end.filter(|end| *end <= event_time) {
            return Err(PlanError::LabelTooEarly {
                row,
                event_time,
                label_end,
            });
        }
        sessions
            .binary_search(&event_time)
            .map_err(|_| PlanError::NoSession { row, event_time })
    };
    spans.iter().enumerate().map(place).collect()
}

fn blocks(tested: Range<usize>, blocks: Blocks) -> Vec<Range<usize>> {
    let total = tested.len();
    let (count, bound): (usize, Box<dyn Fn(usize) -> usize>) = match blocks {
        Blocks::Sessions(n) => (
            total.div_ceil(n),
            Box::new(move |k| k.saturating_mul(n).min(total)),
        ),
        // Exact for every length that fits in memory twice over.
        Blocks::Count(n) => (
            n,
            Box::new(move |k| (k as u128 * total as u128 / n as u128) as usize),
        ),
    };
    (0..count)
        .map(|k| tested.start + bound(k)..tested.start + bound(k + 1))
        .collect()
}

/// Rows with the session each lies on.
struct Rows<'a> {
    sessions: &'a [i64],
    spans: &'a [Span],
    positions: Vec<usize>,
}

impl Rows<'_> {
    /// `test` starts at `horizon + embargo + minTrain` or later, so nothing underflows.
    fn fold(&self, plan: &Plan, test: Range<usize>) -> Fold {
        let barrier = test.start - plan.embargo;
        let end = barrier - plan.horizon;
        let start = match plan.window {
            TrainingWindow::Expanding => 0,
            TrainingWindow::Rolling(n) => end.saturating_sub(n),
        };
        let limit = self.sessions.get(barrier).copied().unwrap_or(i64::MIN);
        let fit_until = self.sessions.get(barrier - 1).copied().unwrap_or(i64::MIN);
        let mut fold = Fold {
            train_sessions: start..end,
            test_sessions: test,
            train: Vec::new(),
            test: Vec::new(),
            purged: 0,
            fit_until,
        };
        for (row, (span, position)) in self.spans.iter().zip(&self.positions).enumerate() {
            let Some(label_end) = span.label_end else {
                continue;
            };
            if fold.test_sessions.contains(position) {
                fold.test.push(row);
            } else if fold.train_sessions.contains(position) {
                // A symbol that did not trade every session has labels that reach further.
                if label_end < limit {
                    fold.train.push(row);
                } else {
                    fold.purged += 1;
                }
            }
        }
        fold
    }
}

#[cfg(test)]
#[path = "walk_forward_tests.rs"]
mod tests;

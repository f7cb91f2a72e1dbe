//! What a guard answers.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

/// Which guard.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Guard {
    /// No row at or before a time depends on what came after it.
    Features,
    /// Nothing fitted in a fold depends on data after its training end, no forecast on later data.
    Fit,
    /// No training label reaches the test block or its embargo.
    LabelOverlap,
    /// On labels that mean nothing the model does not beat naive.
    ShuffledLabels,
}

/// Answer of one guard.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Verdict {
    /// Which.
    pub guard: Guard,
    /// No violation, and there was something to compare.
    pub passed: bool,
    /// Values, rows or dates that were compared.
    pub checked: usize,
    /// In words.
    pub detail: String,
    /// The first violation.
    pub evidence: Option<Evidence>,
}

/// The first violation; values as text, so that NaN survives JSON.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Evidence {
    /// Everything after this time was changed, milliseconds UTC.
    pub cut: Option<i64>,
    /// Time of the row, forecast or label.
    pub time: Option<i64>,
    /// Index of the symbol.
    pub symbol: Option<usize>,
    /// Index of the fold.
    pub fold: Option<usize>,
    /// Feature, forecast step or byte of the fitted state.
    pub column: Option<String>,
    /// Value before the change, or what is allowed.
    pub expected: String,
    /// Value after it, or the one that is there.
    pub found: String,
}

/// All verdicts of one training run; stored with the version.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct GuardReport {
    /// All four guards were run and passed.
    pub passed: bool,
    /// One per run of a guard.
    pub verdicts: Vec<Verdict>,
}

impl GuardReport {
    /// A guard that was not run is a guard that did not pass.
    pub fn new(verdicts: Vec<Verdict>) -> Self {
        let run: BTreeSet<Guard> = verdicts.iter().map(|v| v.guard).collect();
        Self {
            passed: run.len() == 4 && verdicts.iter().all(|v| v.passed),
            verdicts,
        }
    }
}

/// A violation: its detail in words, and the evidence.
pub(super) type Violation = Box<(&'static str, Evidence)>;

impl Verdict {
    pub(super) fn pass(guard: Guard, checked: usize, detail: String) -> Self {
        Self {
            guard,
            passed: true,
            checked,
            detail,
            evidence: None,
        }
    }

    pub(super) fn fail(
        guard: Guard,
        checked: usize,
        detail: String,
        evidence: Option<Evidence>,
    ) -> Self {
        Self {
            passed: false,
            evidence,
            ..Self::pass(guard, checked, detail)
        }
    }
}

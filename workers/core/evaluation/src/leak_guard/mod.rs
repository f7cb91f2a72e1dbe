//! Guards that prove that nothing looks ahead: change the future, and see that the past stays, bit for
//! bit. Each gives a [`Verdict`] with the first thing that was wrong.
//!
//! A guard that cannot see is no guard: where a change of the future reaches nothing at all, or there
//! is too little to check, the verdict is a failure too.

mod features;
mod fit;
mod overlap;
mod shuffle;

use std::collections::BTreeSet;

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

pub use features::{Row, feature_guard};
pub use fit::{FittedFold, Pipeline, fit_guard};
pub use overlap::{Gap, label_overlap};
pub use shuffle::{Control, ShuffledRun, block_permutation, shuffled_labels};

/// Most cuts of one guard; more are not drawn.
pub const MOST_CUTS: usize = 1000;

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

/// What one guard found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Verdict {
    /// Which.
    pub guard: Guard,
    /// Nothing was wrong, and there was something to see.
    pub passed: bool,
    /// Values, rows or dates that were compared.
    pub checked: usize,
    /// In words.
    pub detail: String,
    /// The first thing that was wrong.
    pub evidence: Option<Evidence>,
}

/// The first thing that was wrong; values as text, so that NaN survives JSON.
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
    /// Value after it, or what was found.
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

/// How a guard reads and changes one input record (a bar).
pub struct Access<'a, B> {
    /// When the record was known, milliseconds UTC.
    pub time: &'a dyn Fn(&B) -> i64,
    /// Changes every value of the record, much, from uniform numbers in [0, 1): prices, volumes,
    /// adjustments. Never its time or symbol.
    pub disturb: &'a dyn Fn(&mut B, &mut dyn FnMut() -> f64),
}

/// A detail in words and the first thing that was wrong.
type Wrong = Box<(&'static str, Evidence)>;

/// Where the data are cut.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cuts {
    /// Random cuts.
    pub count: usize,
    /// Seed.
    pub seed: u64,
    /// Times to cut at besides, such as those within a gap or just before a split.
    pub also: Vec<i64>,
}

impl Cuts {
    /// `count` of `times` without repetition, and the times of `also`, ascending.
    fn draw(&self, times: &BTreeSet<i64>) -> BTreeSet<i64> {
        let mut left: Vec<i64> = times.iter().copied().collect();
        let mut random = ChaCha8Rng::seed_from_u64(self.seed);
        let mut drawn: BTreeSet<i64> = self.also.iter().copied().take(MOST_CUTS).collect();
        for _ in 0..self.count.min(MOST_CUTS).min(left.len()) {
            drawn.insert(left.swap_remove(random.random_range(0..left.len())));
        }
        drawn
    }
}

/// A copy of `data` with every record after `cut` changed.
fn disturbed<B: Clone>(data: &[B], access: &Access<B>, cut: i64, seed: u64) -> Vec<B> {
    let mut random = ChaCha8Rng::seed_from_u64(seed ^ cut.unsigned_abs());
    let mut draw = || random.random::<f64>();
    let mut changed = data.to_vec();
    for record in &mut changed {
        if (access.time)(record) > cut {
            (access.disturb)(record, &mut draw);
        }
    }
    changed
}

impl Verdict {
    fn pass(guard: Guard, checked: usize, detail: String) -> Self {
        Self {
            guard,
            passed: true,
            checked,
            detail,
            evidence: None,
        }
    }

    fn fail(guard: Guard, checked: usize, detail: String, evidence: Option<Evidence>) -> Self {
        Self {
            passed: false,
            evidence,
            ..Self::pass(guard, checked, detail)
        }
    }
}

//! How the future is changed: what a record is, and where the data are cut.

use std::collections::BTreeSet;

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// Most cuts of one guard; more are not drawn.
pub const MOST_CUTS: usize = 1000;

/// How a guard reads and changes one input record (a bar).
pub struct Access<'a, B> {
    /// When the record was known, milliseconds UTC.
    pub time: &'a dyn Fn(&B) -> i64,
    /// Changes every value of the record, much, from uniform numbers in [0, 1): prices, volumes,
    /// adjustments. Never its time or symbol.
    pub disturb: &'a dyn Fn(&mut B, &mut dyn FnMut() -> f64),
}

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
    pub(super) fn draw(&self, times: &BTreeSet<i64>) -> BTreeSet<i64> {
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
pub(super) fn disturbed<B: Clone>(data: &[B], access: &Access<B>, cut: i64, seed: u64) -> Vec<B> {
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

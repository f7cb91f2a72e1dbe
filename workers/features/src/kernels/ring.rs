//! The last `window` values in time order, with moments computed afresh from oldest to newest.
//!
//! Cost is proportional to the window (at most 512); in exchange no rounding error accumulates and
//! history washes out completely. No allocation after construction.

use serde::{Deserialize, Serialize};

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Ring {
    window: usize,
    values: Vec<f64>,
    /// Index of the oldest value once full.
    oldest: usize,
}

impl Ring {
    pub(crate) fn new(window: usize) -> Self {
        Self {
            window,
            values: Vec::with_capacity(window),
            oldest: 0,
        }
    }

    /// Adds a value and returns the one that left, once the window was full.
    pub(crate) fn push(&mut self, value: f64) -> Option<f64> {
        if self.values.len() < self.window {
            self.values.push(value);
            return None;
        }
        let slot = self.values.get_mut(self.oldest)?;
        let left = std::mem::replace(slot, value);
        self.oldest = (self.oldest + 1) % self.window;
        Some(left)
    }

    pub(crate) fn is_full(&self) -> bool {
        self.values.len() == self.window
    }

    /// Oldest to newest.
    pub(crate) fn iter(&self) -> impl Iterator<Item = f64> {
        let (newer, older) = self.values.split_at(self.oldest.min(self.values.len()));
        older.iter().chain(newer).copied()
    }

    pub(crate) fn mean(&self) -> f64 {
        self.iter().sum::<f64>() / self.values.len().max(1) as f64
    }

    /// Sum of squared deviations from `mean`, exactly zero for a constant window.
    fn squares(&self, mean: f64) -> f64 {
        let first = self.values.first().copied().unwrap_or(0.0);
        if self.values.iter().all(|v| *v == first) {
            return 0.0;
        }
        self.iter().map(|v| (v - mean) * (v - mean)).sum()
    }

    /// Mean and sample standard deviation (divisor n - 1).
    pub(crate) fn sample(&self) -> (f64, f64) {
        let mean = self.mean();
        let divisor = self.values.len().saturating_sub(1).max(1) as f64;
        (mean, (self.squares(mean) / divisor).sqrt())
    }

    /// Mean and population standard deviation (divisor n).
    pub(crate) fn population(&self) -> (f64, f64) {
        let mean = self.mean();
        (
            mean,
            (self.squares(mean) / self.values.len().max(1) as f64).sqrt(),
        )
    }

    /// Whether this restored ring is sound and has the window of `fresh`.
    pub(crate) fn continues(&self, fresh: &Self) -> bool {
        self.window == fresh.window
            && self.values.len() <= self.window
            && self.oldest < self.window
            && (self.oldest == 0 || self.is_full())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_by_hand() {
        let mut ring = Ring::new(3);
        for value in [9.0, 1.0, 2.0, 3.0] {
            ring.push(value);
        }
        assert_eq!(ring.sample(), (2.0, 1.0));
        assert_eq!(ring.population(), (2.0, (2.0f64 / 3.0).sqrt()));
        assert_eq!(ring.push(4.0), Some(1.0));
        assert_eq!(ring.iter().collect::<Vec<_>>(), [2.0, 3.0, 4.0]);
    }

    #[test]
    fn a_constant_window_has_no_spread_at_all() {
        let mut ring = Ring::new(3);
        (0..5).for_each(|_| {
            ring.push(0.1);
        });
        assert_eq!(ring.sample().1, 0.0);
    }
}

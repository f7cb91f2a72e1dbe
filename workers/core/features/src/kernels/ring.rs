//! The last `window` values in time order, with moments computed afresh at every value.
//!
//! Cost is proportional to the window (at most 512); in exchange no rounding error accumulates and
//! history washes out completely. Sums run in [`LANES`] partial sums by distance from the oldest value,
//! so that the processor adds several at once and the bits depend on the window alone. No allocation
//! after construction.

use serde::{Deserialize, Serialize};

/// Partial sums: additions of one lane wait for each other, those of different lanes do not.
const LANES: usize = 4;

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(into = "Stored", from = "Stored")]
pub(crate) struct Ring {
    window: usize,
    /// At most twice the window: the newest ones are the window, always one slice.
    values: Vec<f64>,
}

/// What a snapshot holds.
#[derive(Serialize, Deserialize)]
struct Stored {
    window: usize,
    values: Vec<f64>,
}

impl From<Ring> for Stored {
    fn from(ring: Ring) -> Self {
        Self {
            values: ring.values().to_vec(),
            window: ring.window,
        }
    }
}

impl From<Stored> for Ring {
    fn from(stored: Stored) -> Self {
        Self {
            window: stored.window,
            values: stored.values,
        }
    }
}

impl Ring {
    pub(crate) fn new(window: usize) -> Self {
        Self {
            window,
            values: Vec::with_capacity(2 * window),
        }
    }

    /// Adds a value and returns the one that left, once the window was full.
    pub(crate) fn push(&mut self, value: f64) -> Option<f64> {
        let left = self.values().first().copied();
        let left = left.filter(|_| self.is_full());
        if self.values.len() == 2 * self.window {
            self.values.copy_within(self.window + 1.., 0);
            self.values.truncate(self.window - 1);
        }
        self.values.push(value);
        left
    }

    pub(crate) fn is_full(&self) -> bool {
        self.values.len() >= self.window
    }

    /// Oldest to newest.
    pub(crate) fn values(&self) -> &[f64] {
        let older = self.values.len().saturating_sub(self.window);
        self.values.get(older..).unwrap_or_default()
    }

    /// Oldest to newest.
    pub(crate) fn iter(&self) -> impl DoubleEndedIterator<Item = f64> + ExactSizeIterator {
        self.values().iter().copied()
    }

    pub(crate) fn newest(&self) -> Option<f64> {
        self.values.last().copied()
    }

    pub(super) fn window(&self) -> usize {
        self.window
    }

    /// Values held, as a divisor.
    pub(crate) fn count(&self) -> f64 {
        self.values().len().max(1) as f64
    }

    /// Sum of `term` of every value.
    pub(crate) fn sum_of(&self, term: impl Fn(f64) -> f64) -> f64 {
        let sums = self.lanes([0.0; LANES], |sum, value| sum + term(value));
        (sums[0] + sums[1]) + (sums[2] + sums[3])
    }

    pub(crate) fn sum(&self) -> f64 {
        self.sum_of(|value| value)
    }

    pub(crate) fn least(&self) -> f64 {
        let less = |a: f64, b: f64| if b < a { b } else { a };
        let ends = self.lanes([f64::INFINITY; LANES], less);
        less(less(ends[0], ends[1]), less(ends[2], ends[3]))
    }

    pub(crate) fn most(&self) -> f64 {
        let more = |a: f64, b: f64| if b > a { b } else { a };
        let ends = self.lanes([f64::NEG_INFINITY; LANES], more);
        more(more(ends[0], ends[1]), more(ends[2], ends[3]))
    }

    fn lanes(&self, mut lanes: [f64; LANES], step: impl Fn(f64, f64) -> f64) -> [f64; LANES] {
        let (rows, rest) = self.values().as_chunks::<LANES>();
        for row in rows {
            for (lane, value) in lanes.iter_mut().zip(row) {
                *lane = step(*lane, *value);
            }
        }
        for (lane, value) in lanes.iter_mut().zip(rest) {
            *lane = step(*lane, *value);
        }
        lanes
    }

    pub(crate) fn mean(&self) -> f64 {
        self.sum() / self.count()
    }

    /// Sum of squared deviations from `mean`, exactly zero for a constant window.
    pub(super) fn squares(&self, mean: f64) -> f64 {
        let values = self.values();
        if values.iter().all(|v| Some(v) == values.first()) {
            return 0.0;
        }
        self.sum_of(|v| (v - mean) * (v - mean))
    }

    pub(super) fn sample_deviation(&self, squares: f64) -> f64 {
        (squares / (self.count() - 1.0).max(1.0)).sqrt()
    }

    pub(super) fn population_deviation(&self, squares: f64) -> f64 {
        (squares / self.count()).sqrt()
    }

    /// Mean and sample standard deviation (divisor n - 1).
    pub(crate) fn sample(&self) -> (f64, f64) {
        let mean = self.mean();
        (mean, self.sample_deviation(self.squares(mean)))
    }

    /// Mean and population standard deviation (divisor n).
    pub(crate) fn population(&self) -> (f64, f64) {
        let mean = self.mean();
        (mean, self.population_deviation(self.squares(mean)))
    }

    /// Whether this restored ring is valid and has the window of `fresh`.
    pub(crate) fn is_compatible_with(&self, fresh: &Self) -> bool {
        self.window == fresh.window && self.values.len() <= 2 * self.window
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
    fn the_window_is_in_order_wherever_it_lies_and_so_are_its_bits() {
        for window in [1, 2, 5, 8, 11] {
            let mut ring = Ring::new(window);
            let room = ring.values.capacity();
            let value = |i: usize| (i as f64 * 0.7).sin();
            for i in 0..5 * window {
                let left = i.checked_sub(window).map(value);
                assert_eq!(ring.push(value(i)), left);
                let from = (i + 1).saturating_sub(window);
                let held: Vec<f64> = (from..=i).map(value).collect();
                assert_eq!(ring.values(), held);
                assert_eq!(ring.newest(), Some(value(i)));
                let mut fresh = Ring::new(window);
                for v in &held {
                    fresh.push(*v);
                }
                assert_eq!(ring.sample(), fresh.sample());
                assert_eq!(
                    ring.least(),
                    held.iter().copied().fold(f64::INFINITY, f64::min)
                );
                assert_eq!(
                    ring.most(),
                    held.iter().copied().fold(f64::NEG_INFINITY, f64::max)
                );
            }
            assert_eq!(ring.values.capacity(), room, "nothing is allocated");
        }
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

//! Exponential mean with alpha = 2 / (window + 1), seeded with the first value. Recursive: bits
//! depend on the start of the series, though the weight of the start decays geometrically.

use serde::{Deserialize, Serialize};

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Ema {
    window: usize,
    value: Option<f64>,
    count: usize,
}

impl Ema {
    pub(crate) fn new(window: usize) -> Self {
        Self {
            window,
            value: None,
            count: 0,
        }
    }

    /// The mean, once `window` values were seen.
    pub(crate) fn push(&mut self, x: f64) -> Option<f64> {
        let alpha = 2.0 / (self.window as f64 + 1.0);
        let next = self.value.map_or(x, |value| value + alpha * (x - value));
        self.value = Some(next);
        self.count = self.count.saturating_add(1).min(self.window);
        (self.count >= self.window).then_some(next)
    }

    /// Whether this restored mean is valid and has the window of `fresh`.
    pub(crate) fn is_compatible_with(&self, fresh: &Self) -> bool {
        self.window == fresh.window
            && self.count <= self.window
            && self.value.is_some() == (self.count > 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn follows_the_recursion_from_its_seed() {
        let mut ema = Ema::new(3);
        assert_eq!(ema.push(1.0), None);
        assert_eq!(ema.push(2.0), None);
        assert_eq!(ema.push(3.0), Some(2.25));
        assert_eq!(ema.push(3.0), Some(2.625));
    }
}

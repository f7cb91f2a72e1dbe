//! Relative strength index after J. Welles Wilder, New Concepts in Technical Trading Systems (1978):
//! first averages are plain means of `window` changes, later ones are smoothed with 1 / window.
//! Recursive: bits depend on the start of the series.

use serde::{Deserialize, Serialize};

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Rsi {
    window: usize,
    previous: Option<f64>,
    changes: usize,
    gain: f64,
    loss: f64,
}

impl Rsi {
    pub(crate) fn new(window: usize) -> Self {
        Self {
            window,
            previous: None,
            changes: 0,
            gain: 0.0,
            loss: 0.0,
        }
    }

    /// 0 to 100 after `window + 1` values; 50 when nothing moved.
    pub(crate) fn push(&mut self, close: f64) -> Option<f64> {
        let change = close - self.previous.replace(close)?;
        let (up, down) = (change.max(0.0), (-change).max(0.0));
        let n = self.window as f64;
        if self.changes < self.window {
            self.changes += 1;
            self.gain += up / n;
            self.loss += down / n;
        } else {
            self.gain += (up - self.gain) / n;
            self.loss += (down - self.loss) / n;
        }
        if self.changes < self.window {
            return None;
        }
        let total = self.gain + self.loss;
        Some(if total > 0.0 {
            100.0 * self.gain / total
        } else {
            50.0
        })
    }

    /// Whether this restored index is valid and has the window of `fresh`.
    pub(crate) fn is_compatible_with(&self, fresh: &Self) -> bool {
        self.window == fresh.window
            && self.changes <= self.window
            && self.gain >= 0.0
            && self.loss >= 0.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wilder_by_hand() {
        let mut rsi = Rsi::new(2);
        assert_eq!(rsi.push(10.0), None);
        assert_eq!(rsi.push(11.0), None);
        // Gains 1, losses 0.5 over two changes: 0.5 / (0.5 + 0.25).
        assert_eq!(rsi.push(10.5), Some(100.0 * 0.5 / 0.75));
        // Smoothed: gain 0.5 + (1 - 0.5)/2, loss 0.25 / 2.
        assert_eq!(rsi.push(11.5), Some(100.0 * 0.75 / 0.875));
    }

    #[test]
    fn extremes() {
        let run = |series: &[f64]| {
            let mut rsi = Rsi::new(2);
            series.iter().fold(None, |_, x| rsi.push(*x))
        };
        assert_eq!(run(&[1.0, 1.0, 1.0]), Some(50.0));
        assert_eq!(run(&[1.0, 2.0, 3.0]), Some(100.0));
        assert_eq!(run(&[3.0, 2.0, 1.0]), Some(0.0));
    }
}

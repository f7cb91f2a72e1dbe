//! Average true range and average directional index after J. Welles Wilder, New Concepts in Technical
//! Trading Systems (1978). Recursive: bits depend on the start of the series.

use serde::{Deserialize, Serialize};

/// Wilder's average: the plain mean of the first `window` values, then smoothed with 1 / window.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Smoothed {
    window: usize,
    count: usize,
    mean: f64,
}

impl Smoothed {
    pub(crate) fn new(window: usize) -> Self {
        Self {
            window,
            count: 0,
            mean: 0.0,
        }
    }

    pub(crate) fn push(&mut self, value: f64) -> Option<f64> {
        let n = self.window as f64;
        if self.count < self.window {
            self.count += 1;
            self.mean += value / n;
        } else {
            self.mean += (value - self.mean) / n;
        }
        (self.count == self.window).then_some(self.mean)
    }

    pub(crate) fn is_compatible_with(&self, fresh: &Self) -> bool {
        self.window == fresh.window && self.count <= self.window && self.mean.is_finite()
    }
}

/// Average directional index.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Adx {
    previous: Option<(f64, f64)>,
    range: Smoothed,
    up: Smoothed,
    down: Smoothed,
    index: Smoothed,
}

impl Adx {
    pub(crate) fn new(window: usize) -> Self {
        let smoothed = Smoothed::new(window);
        Self {
            previous: None,
            range: smoothed.clone(),
            up: smoothed.clone(),
            down: smoothed.clone(),
            index: smoothed,
        }
    }

    /// 0 to 100 from high, low and true range; `None` for the range of the first bar. 0 when nothing
    /// moved.
    pub(crate) fn push(&mut self, high: f64, low: f64, range: Option<f64>) -> Option<f64> {
        let (before, range) = (self.previous.replace((high, low)), range?);
        let (old_high, old_low) = before?;
        let (up, down) = (high - old_high, old_low - low);
        let rise = if up > down && up > 0.0 { up } else { 0.0 };
        let fall = if down > up && down > 0.0 { down } else { 0.0 };
        let (range, up, down) = (
            self.range.push(range),
            self.up.push(rise),
            self.down.push(fall),
        );
        let (range, up, down) = (range?, up?, down?);
        let total = up + down;
        let directed = range > 0.0 && total > 0.0;
        let index = if directed {
            100.0 * (up - down).abs() / total
        } else {
            0.0
        };
        self.index.push(index)
    }

    pub(crate) fn is_compatible_with(&self, fresh: &Self) -> bool {
        [
            (&self.range, &fresh.range),
            (&self.up, &fresh.up),
            (&self.down, &fresh.down),
            (&self.index, &fresh.index),
        ]
        .iter()
        .all(|(a, b)| a.is_compatible_with(b))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_mean_is_plain_and_later_ones_are_smoothed() {
        let mut mean = Smoothed::new(2);
        assert_eq!(mean.push(1.0), None);
        assert_eq!(mean.push(3.0), Some(2.0));
        assert_eq!(mean.push(6.0), Some(4.0));
    }

    #[test]
    fn a_steady_rise_is_all_direction() {
        let mut adx = Adx::new(2);
        let rise = |adx: &mut Adx, i: u32| {
            let low = f64::from(i);
            adx.push(low + 1.0, low, (i > 0).then_some(1.5))
        };
        let values: Vec<Option<f64>> = (0..6).map(|i| rise(&mut adx, i)).collect();
        assert_eq!(values[..3], [None, None, None]);
        assert_eq!(values[3..], [Some(100.0); 3]);
    }
}

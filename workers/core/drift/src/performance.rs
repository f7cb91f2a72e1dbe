//! Realised error of the champion against the naive forecast, on matured labels only.

use std::collections::VecDeque;

use foresail_evaluation::hac_variance_of_mean;

/// 95 % one-sided normal quantile.
const Z95: f64 = 1.644_853_626_951_472_2;

/// Rolling window of squared losses per forecast date.
#[derive(Clone, Debug)]
pub struct PerformanceMonitor {
    window: usize,
    horizon: usize,
    dates: VecDeque<(i64, f64, f64)>,
    worse_since: Option<i64>,
    sessions_since_worse: u32,
}

/// What is known after one more date matured.
#[derive(Clone, Debug, PartialEq)]
pub struct PerformanceObservation {
    /// Labels are known up to forecasts made at this time, milliseconds UTC.
    pub matured_through: i64,
    /// Forecast dates in the window.
    pub dates: usize,
    /// RMSE of the champion, relative price units.
    pub rmse: f64,
    /// RMSE of the naive forecast.
    pub naive_rmse: f64,
    /// Lower 95 % bound of mean(champion loss - naive loss) / mean(naive loss), one-sided, from the
    /// Newey-West variance with `horizon - 1` lags.
    pub excess_lower_bound: f64,
    /// The bound is above zero and the window is full.
    pub worse_than_naive: bool,
    /// First date it was worse, while it is.
    pub worse_since: Option<i64>,
    /// Matured dates since then.
    pub sessions_since_worse: u32,
}

impl PerformanceMonitor {
    /// An empty window of `window` forecast dates for forecasts of `horizon` steps.
    pub fn new(window: usize, horizon: usize) -> Self {
        Self {
            window: window.max(2),
            horizon: horizon.max(1),
            dates: VecDeque::new(),
            worse_since: None,
            sessions_since_worse: 0,
        }
    }

    /// Forgets every date.
    pub fn clear(&mut self) {
        self.dates.clear();
        self.worse_since = None;
        self.sessions_since_worse = 0;
    }

    /// Adds the mean squared losses of one forecast date, in order of date.
    pub fn push(&mut self, event_time: i64, champion: f64, naive: f64) -> PerformanceObservation {
        self.dates.push_back((event_time, champion, naive));
        if self.dates.len() > self.window {
            self.dates.pop_front();
        }
        let n = self.dates.len() as f64;
        let champion_mean = self.dates.iter().map(|d| d.1).sum::<f64>() / n;
        let naive_mean = self.dates.iter().map(|d| d.2).sum::<f64>() / n;
        let difference: Vec<f64> = self.dates.iter().map(|d| d.1 - d.2).collect();
        let deviation = hac_variance_of_mean(&difference, self.horizon - 1).sqrt();
        // Where nothing moved the naive forecast is perfect: the bound then stays a finite number.
        let scale = naive_mean.max(1e-6 * champion_mean).max(f64::MIN_POSITIVE);
        let bound = (champion_mean - naive_mean - Z95 * deviation) / scale;
        // A loss that is not finite has no bound, and is worse than any other.
        let worse = self.dates.len() == self.window && (bound.is_nan() || bound > 0.0);
        self.update_worse(event_time, worse);
        PerformanceObservation {
            matured_through: event_time,
            dates: self.dates.len(),
            rmse: champion_mean.sqrt(),
            naive_rmse: naive_mean.sqrt(),
            excess_lower_bound: bound,
            worse_than_naive: worse,
            worse_since: self.worse_since,
            sessions_since_worse: self.sessions_since_worse,
        }
    }

    fn update_worse(&mut self, event_time: i64, worse: bool) {
        match (worse, self.worse_since) {
            (false, _) => (self.worse_since, self.sessions_since_worse) = (None, 0),
            (true, None) => (self.worse_since, self.sessions_since_worse) = (Some(event_time), 0),
            (true, Some(_)) => {
                self.sessions_since_worse = self.sessions_since_worse.saturating_add(1)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_full_window_beyond_chance_is_worse() {
        let noise = |i: i64| ((i * 7919) % 101) as f64 / 101.0;
        let mut monitor = PerformanceMonitor::new(50, 5);
        for i in 0..49 {
            assert!(!monitor.push(i, 2.0 + noise(i), 1.0).worse_than_naive);
        }
        let seen = monitor.push(49, 2.0, 1.0);
        assert!(
            seen.worse_than_naive && seen.worse_since == Some(49) && seen.excess_lower_bound > 0.9
        );
        assert_eq!(monitor.push(50, 2.0, 1.0).sessions_since_worse, 1);

        assert!(monitor.push(51, f64::INFINITY, 1.0).worse_than_naive);
        assert_eq!(monitor.push(52, 2.0, 1.0).worse_since, Some(49));

        let mut even = PerformanceMonitor::new(50, 5);
        for i in 0..200 {
            let seen = even.push(i, 1.0 + noise(i), 1.0 + noise(i + 37));
            assert!(!seen.worse_than_naive, "{seen:?}");
        }
    }

    #[test]
    fn the_bound_by_hand() {
        // Differences 1, 3, 1, 3: mean 2; covariances 1 and -3/4; one lag: 1 - 3/4 = 1/4.
        let mut monitor = PerformanceMonitor::new(4, 2);
        let mut seen = None;
        for (i, difference) in [1.0, 3.0, 1.0, 3.0].into_iter().enumerate() {
            seen = Some(monitor.push(i as i64, 4.0 + difference, 4.0));
        }
        let seen = seen.unwrap();
        let expected = (2.0 - Z95 * (0.25f64 / 4.0).sqrt()) / 4.0;
        assert!((seen.excess_lower_bound - expected).abs() < 1e-15);
        assert_eq!((seen.rmse, seen.naive_rmse), (6f64.sqrt(), 2.0));
        assert_eq!(seen.dates, 4);
    }

    #[test]
    fn a_perfect_naive_forecast_gives_a_finite_bound() {
        let mut monitor = PerformanceMonitor::new(3, 5);
        for i in 0..6 {
            assert_eq!(monitor.push(i, 0.0, 0.0).excess_lower_bound, 0.0);
        }
        for i in 6..12 {
            let seen = monitor.push(i, 0.01, 0.0);
            assert!(seen.excess_lower_bound.is_finite(), "{seen:?}");
        }
        assert!(monitor.push(12, 0.01, 0.0).worse_than_naive);
    }
}

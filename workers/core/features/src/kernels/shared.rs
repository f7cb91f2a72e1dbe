//! Moments that several features need of one bar: made once per series and window. Rings of one series
//! and window hold the same values in every feature of a set, so the bits are the same either way.

use super::Ring;

/// Series that several features keep windows of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Series {
    Close,
    /// Log returns.
    Change,
    Volume,
}

/// What is known of the present bar.
#[derive(Clone, Debug)]
pub(crate) struct Shared {
    capacity: usize,
    known: Vec<Known>,
}

#[derive(Clone, Debug)]
struct Known {
    series: Series,
    window: usize,
    mean: Option<f64>,
    squares: Option<f64>,
    least: Option<f64>,
    most: Option<f64>,
}

impl Shared {
    /// Room for the moments of `features` features; without any nothing is kept.
    pub(crate) fn with_capacity(features: usize) -> Self {
        Self {
            capacity: features,
            known: Vec::with_capacity(features),
        }
    }

    /// Forgets everything.
    pub(crate) fn next_bar(&mut self) {
        self.known.clear();
    }

    pub(crate) fn mean(&mut self, series: Option<Series>, ring: &Ring) -> f64 {
        self.once((series, ring), |known| &mut known.mean, || ring.mean())
    }

    pub(crate) fn least(&mut self, series: Option<Series>, ring: &Ring) -> f64 {
        self.once((series, ring), |known| &mut known.least, || ring.least())
    }

    pub(crate) fn most(&mut self, series: Option<Series>, ring: &Ring) -> f64 {
        self.once((series, ring), |known| &mut known.most, || ring.most())
    }

    /// Mean and sample standard deviation (divisor n - 1).
    pub(crate) fn sample(&mut self, series: Option<Series>, ring: &Ring) -> (f64, f64) {
        let (mean, squares) = self.moments(series, ring);
        (mean, ring.sample_deviation(squares))
    }

    /// Mean and population standard deviation (divisor n).
    pub(crate) fn population(&mut self, series: Option<Series>, ring: &Ring) -> (f64, f64) {
        let (mean, squares) = self.moments(series, ring);
        (mean, ring.population_deviation(squares))
    }

    fn moments(&mut self, series: Option<Series>, ring: &Ring) -> (f64, f64) {
        let mean = self.mean(series, ring);
        let squares = || ring.squares(mean);
        (
            mean,
            self.once((series, ring), |known| &mut known.squares, squares),
        )
    }

    fn once(
        &mut self,
        (series, ring): (Option<Series>, &Ring),
        slot: impl FnOnce(&mut Known) -> &mut Option<f64>,
        make: impl FnOnce() -> f64,
    ) -> f64 {
        match series.and_then(|series| self.find_or_add(series, ring.window())) {
            Some(known) => *slot(known).get_or_insert_with(make),
            None => make(),
        }
    }

    fn find_or_add(&mut self, series: Series, window: usize) -> Option<&mut Known> {
        let same = |known: &Known| known.series == series && known.window == window;
        let at = self.known.iter().position(same);
        if at.is_none() && self.known.len() < self.capacity {
            self.known.push(Known {
                series,
                window,
                mean: None,
                squares: None,
                least: None,
                most: None,
            });
            return self.known.last_mut();
        }
        self.known.get_mut(at?)
    }
}

//! The formula of every window function, over full columns from oldest to newest.

use std::f64::consts::LN_2;

use crate::binding::{Band, Kept, Statistic};
use crate::kernels::{Ring, Shared};

/// What a formula needs beside its columns.
#[derive(Clone, Copy)]
pub(super) struct Now {
    /// Newest close.
    pub close: f64,
    /// Half the width of Bollinger's bands in standard deviations.
    pub deviations: f64,
}

/// The value of full columns.
pub(super) fn value(
    (kept, statistic): (Kept, Statistic),
    columns: &[Ring],
    now: Now,
    shared: &mut Shared,
) -> Option<f64> {
    let Now { close, deviations } = now;
    let series = kept.series();
    let first = columns.first()?;
    let sum = |index: usize| columns.get(index).map_or(0.0, Ring::sum);
    let share = |part: f64, all: f64, none: f64| if all > 0.0 { part / all } else { none };
    Some(match statistic {
        Statistic::Newest => first.newest()?,
        Statistic::Lagged => first.iter().next()?,
        Statistic::Mean => shared.mean(series, first),
        Statistic::Least => shared.least(series, first),
        Statistic::Most => shared.most(series, first),
        Statistic::MeanRatio => shared.mean(series, first) / close - 1.0,
        Statistic::LeastRatio => shared.least(series, first) / close - 1.0,
        Statistic::MostRatio => shared.most(series, first) / close - 1.0,
        Statistic::Drawdown => close / shared.most(series, first) - 1.0,
        Statistic::WeightedMeanRatio => {
            let weighted = first.iter().zip(1u32..).map(|(v, k)| v * f64::from(k));
            let n = first.count();
            weighted.sum::<f64>() / (n * (n + 1.0) / 2.0) / close - 1.0
        }
        Statistic::Deviation => shared.sample(series, first).1,
        Statistic::Score => {
            let (mean, deviation) = shared.sample(series, first);
            share(first.newest()? - mean, deviation, 0.0)
        }
        Statistic::Band(band) => {
            let (mean, deviation) = shared.population(series, first);
            bollinger(band, (mean, deviations * deviation), close)
        }
        Statistic::Rank => rank(first)?,
        Statistic::Skewness => moment(first, 3),
        Statistic::Kurtosis => moment(first, 4),
        Statistic::Autocorrelation => autocorrelation(first),
        Statistic::RootMeanSquare => (first.sum_of(|r| r * r) / first.count()).sqrt(),
        Statistic::NewestOverMean => share(first.newest()?, shared.mean(series, first), 1.0),
        Statistic::Stochastic | Statistic::SmoothedStochastic => 100.0 * place(columns, close)?,
        Statistic::WilliamsR => 100.0 * (place(columns, close)? - 1.0),
        Statistic::Cci => {
            let (mean, newest) = (first.mean(), first.newest()?);
            let spread = first.sum_of(|v| (v - mean).abs()) / first.count();
            if first.population().1 > 0.0 && spread > 0.0 {
                (newest - mean) / (0.015 * spread)
            } else {
                0.0
            }
        }
        Statistic::ShareOfSums => share(sum(0), sum(1), 0.0),
        Statistic::MoneyFlow => 100.0 * share(sum(0), sum(0) + sum(1), 0.5),
        Statistic::Vwap => share(sum(0), sum(1), close) / close - 1.0,
        Statistic::Parkinson => (first.mean() / (4.0 * LN_2)).sqrt(),
        Statistic::GarmanKlass => first.mean().max(0.0).sqrt(),
        Statistic::YangZhang => yang_zhang(columns)?,
        Statistic::BarsSinceMost => since(first, |value, best| value >= best)?,
        Statistic::BarsSinceLeast => since(first, |value, best| value <= best)?,
    })
}

/// Place of the close between the lowest low and the highest high, 0 to 1; a half when they are equal.
fn place(columns: &[Ring], close: f64) -> Option<f64> {
    let [highs, lows] = columns else {
        return None;
    };
    let (top, bottom) = (highs.most(), lows.least());
    let range = top - bottom;
    Some(if range > 0.0 {
        (close - bottom) / range
    } else {
        0.5
    })
}

/// Bands of `half` a width around the mean.
fn bollinger(band: Band, (mean, half): (f64, f64), close: f64) -> f64 {
    match band {
        Band::Upper => (mean + half) / close - 1.0,
        Band::Lower => (mean - half) / close - 1.0,
        Band::Width => 2.0 * half / mean,
        Band::PercentB if half > 0.0 => (close - (mean - half)) / (2.0 * half),
        Band::PercentB => 0.5,
    }
}

/// Average rank of the newest value as a share of the window, above 0 to 1 (as in pandas).
fn rank(ring: &Ring) -> Option<f64> {
    let newest = ring.newest()?;
    let below = ring.iter().filter(|v| *v < newest).count() as f64;
    let equal = ring.iter().filter(|v| *v == newest).count() as f64;
    Some((below + (equal + 1.0) / 2.0) / ring.count())
}

/// Skewness (order 3) or excess kurtosis (order 4) with the small-sample corrections of pandas and SAS
/// (Joanes and Gill 1998, G1 and G2); 0 for a constant window.
fn moment(ring: &Ring, order: i32) -> f64 {
    let (mean, deviation) = ring.sample();
    let n = ring.count();
    if deviation <= 0.0 {
        return 0.0;
    }
    let sum = ring.sum_of(|v| ((v - mean) / deviation).powi(order));
    if order == 3 {
        sum * n / ((n - 1.0) * (n - 2.0))
    } else {
        let lead = n * (n + 1.0) / ((n - 1.0) * (n - 2.0) * (n - 3.0));
        lead * sum - 3.0 * (n - 1.0).powi(2) / ((n - 2.0) * (n - 3.0))
    }
}

/// Of order one; 0 for a constant window.
fn autocorrelation(ring: &Ring) -> f64 {
    let (mean, deviation) = ring.population();
    if deviation <= 0.0 {
        return 0.0;
    }
    let pairs = ring.iter().zip(ring.iter().skip(1));
    let covariance: f64 = pairs.map(|(a, b)| (a - mean) * (b - mean)).sum();
    covariance / ring.sum_of(|v| (v - mean) * (v - mean))
}

/// Yang and Zhang (2000): overnight and open-to-close variance and Rogers-Satchell, weighted.
fn yang_zhang(columns: &[Ring]) -> Option<f64> {
    let [night, day, inner] = columns else {
        return None;
    };
    let n = night.count();
    let k = 0.34 / (1.34 + (n + 1.0) / (n - 1.0));
    let variance = |ring: &Ring| ring.sample().1.powi(2);
    let total = variance(night) + k * variance(day) + (1.0 - k) * inner.mean();
    Some(total.max(0.0).sqrt())
}

/// Bars since the extreme value of the window, the newest where several are equal.
fn since(ring: &Ring, better: impl Fn(f64, f64) -> bool) -> Option<f64> {
    let mut best: Option<(usize, f64)> = None;
    for (index, value) in ring.iter().enumerate() {
        if best.is_none_or(|(_, old)| better(value, old)) {
            best = Some((index, value));
        }
    }
    let (index, _) = best?;
    Some((ring.iter().len() - 1 - index) as f64)
}

//! The formula of every window function, over full columns from oldest to newest.

use std::f64::consts::LN_2;

use foresail_crds::pipeline::spec::FeatureFunction as F;

use crate::kernels::{Ring, Series, Shared};

/// What a formula needs beside its columns.
#[derive(Clone, Copy)]
pub(super) struct Now {
    /// Newest close.
    pub close: f64,
    /// Half the width of Bollinger's bands in standard deviations.
    pub deviations: f64,
}

/// The value of full columns.
pub(super) fn value(function: F, columns: &[Ring], now: Now, shared: &mut Shared) -> Option<f64> {
    let Now { close, deviations } = now;
    let series = series(function);
    let first = columns.first()?;
    let sum = |index: usize| columns.get(index).map_or(0.0, Ring::sum);
    let share = |part: f64, whole: f64, none: f64| if whole > 0.0 { part / whole } else { none };
    Some(match function {
        F::ReturnLag => first.iter().next()?,
        F::WmaRatio => {
            let weighted = first.iter().zip(1u32..).map(|(v, k)| v * f64::from(k));
            let n = first.count();
            weighted.sum::<f64>() / (n * (n + 1.0) / 2.0) / close - 1.0
        }
        F::StochasticK | F::StochasticD | F::WilliamsR => {
            let (top, bottom) = (first.most(), columns.get(1)?.least());
            let place = share(close - bottom, top - bottom, 0.5);
            if function == F::WilliamsR {
                100.0 * (place - 1.0)
            } else {
                100.0 * place
            }
        }
        F::SmaRatio => shared.mean(series, first) / close - 1.0,
        F::Volatility => shared.sample(series, first).1,
        F::ZScore | F::VolumeZScore => {
            let (mean, deviation) = shared.sample(series, first);
            share(first.newest()? - mean, deviation, 0.0)
        }
        F::BollingerUpper | F::BollingerLower | F::BollingerWidth | F::BollingerPercentB => {
            let (mean, deviation) = shared.population(series, first);
            bollinger(function, (mean, deviations * deviation), close)
        }
        F::Cci => {
            let (mean, newest) = (first.mean(), first.newest()?);
            let spread = first.sum_of(|v| (v - mean).abs()) / first.count();
            if first.population().1 > 0.0 && spread > 0.0 {
                (newest - mean) / (0.015 * spread)
            } else {
                0.0
            }
        }
        F::ObvRatio => share(sum(0), sum(1), 0.0),
        F::MoneyFlow => 100.0 * share(sum(0), sum(0) + sum(1), 0.5),
        F::VwapRatio => share(sum(0), sum(1), close) / close - 1.0,
        F::VolumeRatio => share(first.newest()?, shared.mean(series, first), 1.0),
        F::ReturnMean | F::Amihud | F::RangeMean => shared.mean(series, first),
        F::ReturnMin => shared.least(series, first),
        F::ReturnMax => shared.most(series, first),
        F::MinRatio => shared.least(series, first) / close - 1.0,
        F::MaxRatio => shared.most(series, first) / close - 1.0,
        F::Drawdown => close / shared.most(series, first) - 1.0,
        F::ReturnRank | F::PriceRank => rank(first)?,
        F::Skewness => moment(first, 3),
        F::Kurtosis => moment(first, 4),
        F::Autocorrelation => autocorrelation(first),
        F::RealisedVolatility => (first.sum_of(|r| r * r) / first.count()).sqrt(),
        F::Parkinson => (first.mean() / (4.0 * LN_2)).sqrt(),
        F::GarmanKlass => first.mean().max(0.0).sqrt(),
        F::YangZhang => yang_zhang(columns)?,
        F::BarsSinceHigh => since(first, |value, best| value >= best)?,
        F::BarsSinceLow => since(first, |value, best| value <= best)?,
        // One value per bar: it is its own window.
        _ => first.newest()?,
    })
}

/// The series in the first column, where other functions keep it too.
fn series(function: F) -> Series {
    match function {
        F::SmaRatio
        | F::ZScore
        | F::BollingerUpper
        | F::BollingerLower
        | F::BollingerWidth
        | F::BollingerPercentB
        | F::MinRatio
        | F::MaxRatio
        | F::Drawdown => Series::Close,
        F::Volatility | F::ReturnMean | F::ReturnMin | F::ReturnMax => Series::Change,
        F::VolumeZScore | F::VolumeRatio => Series::Volume,
        _ => Series::Own,
    }
}

/// Bands of `half` a width around the mean.
fn bollinger(function: F, (mean, half): (f64, f64), close: f64) -> f64 {
    match function {
        F::BollingerUpper => (mean + half) / close - 1.0,
        F::BollingerLower => (mean - half) / close - 1.0,
        F::BollingerWidth => 2.0 * half / mean,
        _ if half > 0.0 => (close - (mean - half)) / (2.0 * half),
        _ => 0.5,
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

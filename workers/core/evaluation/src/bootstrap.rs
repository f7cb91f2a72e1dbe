//! Stationary block bootstrap of Politis and Romano (1994): intervals of any statistic over dates that
//! depend on their neighbours.

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

use crate::error::{InputError, enough, finite, share};
use crate::quantile::quantile_of_sorted;

/// Fewest dates an interval is given for.
pub const FEWEST_DATES: usize = 10;

/// Most dates times resamples: bounds the time of one interval to seconds.
pub const MOST_DRAWS: usize = 1_000_000_000;

/// How an interval is drawn.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Bootstrap {
    /// Resamples, at least 100; 2000 for published numbers.
    pub resamples: usize,
    /// Share of resamples inside the interval, such as 0.95.
    pub confidence: f64,
    /// Mean block length in dates, at least 1; see [`block_length`]. More than a third of the dates
    /// counts as a third.
    pub block: f64,
    /// Seed; equal seeds give equal bits.
    pub seed: u64,
}

/// An interval with what made it.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Interval {
    /// The statistic of the data themselves.
    pub estimate: f64,
    /// Lower end.
    pub lower: f64,
    /// Upper end.
    pub upper: f64,
    /// Nominal confidence.
    pub confidence: f64,
    /// Mean block length used, dates.
    pub block: f64,
    /// Resamples for which the statistic was defined.
    pub resamples: usize,
}

/// Percentile interval of `statistic` over `dates` dates. The statistic is given the indices of a
/// resample, as many as there are dates, and answers `None` where it is not defined.
///
/// # Errors
/// Fewer than [`FEWEST_DATES`], settings out of range, a statistic that is not defined for the data or
/// for more than one resample in ten.
pub fn interval(
    dates: usize,
    settings: &Bootstrap,
    statistic: impl Fn(&[usize]) -> Option<f64>,
) -> Result<Interval, InputError> {
    enough("dates", dates, FEWEST_DATES)?;
    enough("resamples", settings.resamples, 100)?;
    share("confidence", settings.confidence)?;
    if dates.saturating_mul(settings.resamples) > MOST_DRAWS {
        let draws = dates.saturating_mul(settings.resamples);
        return Err(InputError::range(
            "dates times resamples",
            draws,
            "at most 1e9",
        ));
    }
    if settings.block.is_nan() || settings.block < 1.0 {
        return Err(InputError::range("block", settings.block, "at least 1"));
    }
    let block = settings.block.min(dates as f64 / 3.0);
    let defined = |indices: &[usize]| statistic(indices).filter(|v| v.is_finite());
    let mut indices: Vec<usize> = (0..dates).collect();
    let estimate = defined(&indices);
    let mut random = ChaCha8Rng::seed_from_u64(settings.seed);
    let mut seen = Vec::with_capacity(settings.resamples);
    for _ in 0..settings.resamples {
        resample(&mut indices, block, &mut random);
        seen.extend(defined(&indices));
    }
    let needed = settings.resamples - settings.resamples / 10;
    enough("resamples with a defined statistic", seen.len(), needed)?;
    seen.sort_by(f64::total_cmp);
    let tail = 0.5 * (1.0 - settings.confidence);
    let end = |p: f64| quantile_of_sorted(&seen, p);
    match (estimate, end(tail), end(1.0 - tail)) {
        (Some(estimate), Some(lower), Some(upper)) => Ok(Interval {
            estimate,
            lower,
            upper,
            confidence: settings.confidence,
            block,
            resamples: seen.len(),
        }),
        _ => Err(InputError::range(
            "statistic",
            "undefined",
            "finite on the data",
        )),
    }
}

/// Blocks of geometric length with mean `block` from random starts; the data are a circle.
fn resample(indices: &mut [usize], block: f64, random: &mut ChaCha8Rng) {
    let dates = indices.len();
    // ln(1 - 1/block): lengths by inversion, one number per block instead of one per date.
    let decay = (1.0 - 1.0 / block).ln();
    let (mut next, mut left) = (0, 0);
    for slot in indices.iter_mut() {
        if left == 0 {
            next = random.random_range(0..dates);
            let uniform: f64 = random.random();
            // Block 1: ln 0, every length is 1. `as` saturates; 1 - uniform is above zero.
            left = 1 + ((1.0 - uniform).ln() / decay).floor().max(0.0) as usize;
        }
        *slot = next;
        next = (next + 1) % dates;
        left -= 1;
    }
}

/// Block length for the stationary bootstrap of a mean: the rule of Politis and White (2004) with the
/// correction of Patton, Politis and White (2009), and at least `horizon`, over which labels overlap.
/// A constant or short series gives `horizon`.
///
/// # Errors
/// Values that are not finite.
pub fn block_length(series: &[f64], horizon: usize) -> Result<f64, InputError> {
    finite("value", series)?;
    let least = horizon.max(1) as f64;
    Ok(politis_white(series).map_or(least, |b| b.max(least)))
}

fn politis_white(series: &[f64]) -> Option<f64> {
    let n = series.len();
    if n < FEWEST_DATES {
        return None;
    }
    let nf = n as f64;
    let mean = series.iter().sum::<f64>() / nf;
    let centred: Vec<f64> = series.iter().map(|v| v - mean).collect();
    let run = 5.max(nf.log10() as usize);
    let most = (nf.sqrt().ceil() as usize + run).min(n - 2);
    let critical = 2.0 * (nf.log10() / nf).sqrt();
    let lagged = |k: usize| -> (f64, f64) {
        let (early, late) = (centred.get(..n - k), centred.get(k..));
        let (early, late) = (early.unwrap_or_default(), late.unwrap_or_default());
        let sum = early.iter().zip(late).map(|(a, b)| a * b).sum::<f64>();
        let norm = |x: &[f64]| x.iter().map(|v| v * v).sum::<f64>();
        // The norms leave one more value out, as in the implementation of the `arch` package.
        let cut = |x: &[f64], from, to| norm(x.get(from..to).unwrap_or_default());
        let scale = (cut(&centred, 0, n - k - 1) * cut(&centred, k + 1, n)).sqrt();
        (sum / nf, sum.abs() / scale)
    };
    let (covariance, correlation): (Vec<f64>, Vec<f64>) = (0..=most).map(lagged).unzip();
    if covariance.first().is_none_or(|c| *c <= 0.0) {
        return None;
    }
    // First lag after which `run` correlations are within noise.
    let small = |window: &[f64]| window.iter().all(|r| *r < critical);
    let calm = correlation
        .windows(run)
        .take(most + 1 - run)
        .position(small);
    let bandwidth = calm.map_or(most, |m| (2 * m.max(1)).min(most));
    let (mut g, mut long_run) = (0.0, 0.0);
    for (k, c) in covariance.iter().enumerate().take(bandwidth + 1) {
        let share = k as f64 / bandwidth as f64;
        let weight = (2.0 * (1.0 - share)).min(1.0);
        let both = if k == 0 { 1.0 } else { 2.0 };
        g += both * weight * k as f64 * c;
        long_run += both * weight * c;
    }
    let length = (g * g / (long_run * long_run)).cbrt() * nf.cbrt();
    let cap = (3.0 * nf.sqrt()).min(nf / 3.0).ceil();
    length.is_finite().then(|| length.min(cap))
}

#[cfg(test)]
#[path = "bootstrap_tests.rs"]
mod tests;

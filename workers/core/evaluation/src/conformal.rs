//! Quantiles of forecasts from their residuals, and the coverage that was realised.
//!
//! Vovk et al. (2005); Lei et al. (2018) for split-conformal regression. The guarantee needs exchangeable
//! residuals, which a market does not give: coverage is reported, not promised.

use serde::{Deserialize, Serialize};

use crate::bootstrap::{Bootstrap, Interval, interval};
use crate::distribution::normal_quantile;
use crate::error::{InputError, enough, finite, share};
use crate::quantile::quantile_of_sorted;

/// `ceil((n + 1) level)`: the order statistic, from 1, that covers at least `level` of exchangeable
/// data; `None` where it is beyond the largest.
pub fn conformal_rank(count: usize, level: f64) -> Option<usize> {
    // 20 * 0.95 is 19.000000000000004 for some pairs; a rank is a whole number or not near one.
    let rank = ((count as f64 + 1.0) * level - 1e-9).ceil().max(1.0) as usize;
    (rank <= count).then_some(rank)
}

/// Quantiles of residuals (actual minus forecast), to be added to a point forecast. Upper levels take
/// the rank `ceil((n + 1) q)`, lower ones its mirror image, so that each side covers; the median
/// and ranks beyond the data take the nearest residual. Never crossing.
///
/// # Errors
/// No residual, one that is not finite, a level outside (0, 1).
pub fn residual_quantiles(residuals: &[f64], levels: &[f64]) -> Result<Vec<f64>, InputError> {
    enough("residuals", residuals.len(), 1)?;
    finite("residual", residuals)?;
    let mut sorted = residuals.to_vec();
    sorted.sort_by(f64::total_cmp);
    let n = sorted.len();
    let one = |level: &f64| -> Result<f64, InputError> {
        share("quantile level", *level)?;
        let place = match *level {
            q if q > 0.5 => conformal_rank(n, q).unwrap_or(n) - 1,
            q if q < 0.5 => n - conformal_rank(n, 1.0 - q).unwrap_or(n),
            _ => return Ok(quantile_of_sorted(&sorted, 0.5).unwrap_or(0.0)),
        };
        Ok(sorted.get(place).copied().unwrap_or(0.0))
    };
    let mut quantiles = levels.iter().map(one).collect::<Result<Vec<_>, _>>()?;
    if levels.is_sorted() {
        rearrange(&mut quantiles);
    }
    Ok(quantiles)
}

/// Makes quantiles of ascending levels not cross, by sorting: never farther from the true quantiles
/// than before (Chernozhukov, Fernandez-Val and Galichon 2010).
pub fn rearrange(quantiles: &mut [f64]) {
    quantiles.sort_by(f64::total_cmp);
}

/// A share with an interval.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Share {
    /// Observed.
    pub share: f64,
    /// Lower end.
    pub lower: f64,
    /// Upper end.
    pub upper: f64,
}

/// Interval of Wilson (1927) for a share of independent cases; `None` for no cases, more hits than
/// cases, or a confidence outside (0, 1). Too narrow where labels overlap.
pub fn wilson(hits: usize, cases: usize, confidence: f64) -> Option<Share> {
    if cases == 0 || hits > cases || !(confidence > 0.0 && confidence < 1.0) {
        return None;
    }
    let (n, z) = (cases as f64, normal_quantile(0.5 + 0.5 * confidence));
    let p = hits as f64 / n;
    let middle = (p + z * z / (2.0 * n)) / (1.0 + z * z / n);
    let half = z / (1.0 + z * z / n) * (p * (1.0 - p) / n + z * z / (4.0 * n * n)).sqrt();
    Some(Share {
        share: p,
        lower: (middle - half).max(0.0),
        upper: (middle + half).min(1.0),
    })
}

/// Realised coverage of intervals.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Coverage {
    /// Nominal.
    pub level: f64,
    /// Forecasts counted.
    pub count: usize,
    /// Covered share of all forecasts, with the interval for independent ones.
    pub wilson: Share,
    /// Mean over dates of the covered share, with the block-bootstrap interval. This is the one to
    /// believe; the two differ by how much forecasts overlap.
    pub bootstrap: Interval,
}

/// Coverage of `dates[date][forecast]`, whether the interval held the actual. Dates are in order;
/// empty ones are left out.
///
/// # Errors
/// As [`interval`]; a level outside (0, 1).
pub fn realised_coverage(
    dates: &[Vec<bool>],
    level: f64,
    settings: &Bootstrap,
) -> Result<Coverage, InputError> {
    share("level", level)?;
    share("confidence", settings.confidence)?;
    let hits = |date: &Vec<bool>| date.iter().filter(|hit| **hit).count();
    let used = dates.iter().filter(|date| !date.is_empty());
    let shares: Vec<f64> = used.map(|d| hits(d) as f64 / d.len() as f64).collect();
    let count = dates.iter().map(Vec::len).sum();
    let total = dates.iter().map(hits).sum();
    let bootstrap = interval(shares.len(), settings, |indices| {
        let sum: f64 = indices.iter().filter_map(|i| shares.get(*i)).sum();
        Some(sum / indices.len() as f64)
    })?;
    let wilson = wilson(total, count, settings.confidence);
    Ok(Coverage {
        level,
        count,
        wilson: wilson.ok_or(InputError::TooFew {
            what: "forecasts",
            given: count,
            needed: 1,
        })?,
        bootstrap,
    })
}

#[cfg(test)]
#[path = "conformal_tests.rs"]
mod tests;

//! Quantiles of a forecast: the version's residual quantiles around its point forecast.

use std::collections::BTreeMap;

use foresail_crds::model_manifest::ResidualQuantiles;
use thiserror::Error;

/// Why there are no quantiles.
#[derive(Clone, Copy, Debug, PartialEq, Error)]
pub enum QuantileError {
    /// The version does not know this level.
    #[error("there is no quantile {0}")]
    UnknownLevel(f64),
    /// A quantile is not finite.
    #[error("the model gives a quantile that is not finite")]
    NotFinite,
}

/// Closes per level, by the level as text (`"0.1"`), one per step of `forecast`. `close` is the one at
/// forecast time, on the scale of `forecast`. A price is not below zero, whatever the residuals say.
/// Levels of a step never cross: [`crate::artifact::load`] refuses residual quantiles that do.
///
/// # Errors
/// A wanted level that the version does not know; a quantile that is not finite.
pub fn closes(
    quantiles: &ResidualQuantiles,
    (close, forecast): (f64, &[f64]),
    wanted: &[f64],
) -> Result<BTreeMap<String, Vec<f64>>, QuantileError> {
    let one = |level: &f64| {
        let known = quantiles.levels.iter().position(|l| l == level);
        let column = known.ok_or(QuantileError::UnknownLevel(*level))?;
        let steps = forecast.iter().zip(&quantiles.steps);
        let values = steps.map(|(forecast, step)| {
            let residual = step.get(column).copied().unwrap_or(0.0);
            one_close(*forecast, close, residual)
        });
        Ok((level.to_string(), values.collect::<Result<_, _>>()?))
    };
    wanted.iter().map(one).collect()
}

/// Relative changes of the close, `[horizon, levels]`, around forecasts in units of the close at forecast time: what
/// [`closes`] gives for a close of 1, less 1.
///
/// # Errors
/// A quantile that is not finite.
pub fn changes(quantiles: &ResidualQuantiles, ratios: &[f64]) -> Result<Vec<f64>, QuantileError> {
    let steps = ratios.iter().zip(&quantiles.steps);
    let values = steps.flat_map(|(ratio, step)| {
        step.iter()
            .map(|residual| Ok(one_close(*ratio, 1.0, *residual)? - 1.0))
    });
    values.collect()
}

fn one_close(forecast: f64, close: f64, residual: f64) -> Result<f64, QuantileError> {
    let value = forecast + close * residual;
    // Before the floor, which makes a number of NaN.
    let finite = value.is_finite().then(|| value.max(0.0));
    finite.ok_or(QuantileError::NotFinite)
}

/// What is wrong with them, for a manifest of this horizon.
pub(crate) fn fault(quantiles: &ResidualQuantiles, horizon: usize) -> Option<String> {
    let ascending = |values: &[f64]| values.is_sorted() && values.iter().all(|v| v.is_finite());
    let levels = &quantiles.levels;
    if !ascending(levels) || levels.iter().any(|level| *level <= 0.0 || *level >= 1.0) {
        return Some("its quantile levels do not rise from 0 to 1".into());
    }
    if quantiles.steps.len() != horizon {
        let steps = quantiles.steps.len();
        return Some(format!(
            "it has quantiles of {steps} steps, and forecasts {horizon}"
        ));
    }
    let is_faulty = |step: &Vec<f64>| step.len() != levels.len() || !ascending(step);
    quantiles
        .steps
        .iter()
        .any(is_faulty)
        .then(|| "its quantiles of a step cross, or are no numbers".into())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn known() -> ResidualQuantiles {
        ResidualQuantiles {
            levels: vec![0.1, 0.5, 0.9],
            steps: vec![vec![-0.25, 0.0, 0.125], vec![-2.0, 0.5, 0.75]],
            count: 9,
        }
    }

    #[test]
    fn residuals_are_shares_of_the_close_at_forecast_time() {
        let found = closes(&known(), (8.0, &[10.0, 12.0]), &[0.9, 0.1]).unwrap();
        // 12 - 2 * 8 is below zero.
        let expected = [("0.1", vec![8.0, 0.0]), ("0.9", vec![11.0, 18.0])];
        assert_eq!(found, expected.map(|(l, v)| (l.to_owned(), v)).into());
        assert_eq!(
            closes(&known(), (8.0, &[10.0]), &[0.5, 0.2]),
            Err(QuantileError::UnknownLevel(0.2))
        );
    }

    #[test]
    fn changes_are_closes_in_units_of_the_close() {
        let known = known();
        let found = changes(&known, &[1.25, 1.5]).unwrap();
        assert_eq!(found, [0.0, 0.25, 0.375, -1.0, 1.0, 1.25]);
        let closes = closes(&known, (8.0, &[10.0, 12.0]), &known.levels).unwrap();
        for (column, level) in known.levels.iter().enumerate() {
            for (step, close) in closes[&level.to_string()].iter().enumerate() {
                assert_eq!(*close, 8.0 * (1.0 + found[step * 3 + column]));
            }
        }
        assert_eq!(
            changes(&known, &[f64::INFINITY]),
            Err(QuantileError::NotFinite)
        );
    }

    #[test]
    fn a_quantile_that_is_not_finite_is_refused() {
        let of = |close: f64, forecast: f64, level: f64| {
            let found = closes(&known(), (close, &[forecast]), &[level]);
            found.map(|quantiles| quantiles[&level.to_string()][0])
        };
        assert_eq!(of(1e308, 1.5e308, 0.5), Ok(1.5e308));
        assert_eq!(of(1.5e308, 1.7e308, 0.9), Err(QuantileError::NotFinite));
        assert_eq!(of(8.0, f64::NAN, 0.5), Err(QuantileError::NotFinite));
        assert_eq!(of(f64::INFINITY, 8.0, 0.1), Err(QuantileError::NotFinite));
    }

    #[test]
    fn what_cannot_be_served_is_a_fault() {
        assert_eq!(fault(&known(), 2), None);
        assert!(fault(&known(), 3).unwrap().contains("2 steps"));
        let broken: [fn(&mut ResidualQuantiles); 5] = [
            |q| q.levels.swap(0, 1),
            |q| q.levels[2] = 1.0,
            |q| q.steps[1].swap(0, 2),
            |q| q.steps[0][1] = f64::NAN,
            |q| q.steps[0].truncate(1),
        ];
        for damage in broken {
            let mut quantiles = known();
            damage(&mut quantiles);
            assert!(fault(&quantiles, 2).is_some(), "{quantiles:?}");
        }
    }
}

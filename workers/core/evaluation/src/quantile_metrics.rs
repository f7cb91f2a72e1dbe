//! Scores of quantiles and intervals.

use crate::error::{InputError, enough, finite, share};

/// Pinball loss of one quantile forecast (Koenker and Bassett 1978): `level` times the shortfall, or
/// one minus `level` times the excess.
pub fn pinball(level: f64, forecast: f64, actual: f64) -> f64 {
    let miss = actual - forecast;
    (level * miss).max((level - 1.0) * miss)
}

/// Mean pinball loss over levels and records: `forecasts[record][level]`.
///
/// # Errors
/// No records, no levels, lengths that differ, values that are not finite, levels outside (0, 1).
pub fn mean_pinball(
    levels: &[f64],
    forecasts: &[Vec<f64>],
    actual: &[f64],
) -> Result<f64, InputError> {
    enough("quantile levels", levels.len(), 1)?;
    enough("records", actual.len(), 1)?;
    enough("quantile forecasts", forecasts.len(), actual.len())?;
    levels
        .iter()
        .try_for_each(|q| share("quantile level", *q))?;
    finite("actual", actual)?;
    let mut sum = 0.0;
    for (row, y) in forecasts.iter().zip(actual) {
        enough("quantiles of a forecast", row.len(), levels.len())?;
        finite("quantile", row)?;
        sum += levels
            .iter()
            .zip(row)
            .map(|(q, f)| pinball(*q, *f, *y))
            .sum::<f64>();
    }
    Ok(sum / (actual.len() * levels.len()) as f64)
}

/// Interval score of Winkler (1972), Gneiting and Raftery (2007): width plus `2 / (1 - level)` times the
/// distance of an actual outside. Lower is better; honest ends minimise it.
pub fn interval_score(lower: f64, upper: f64, actual: f64, level: f64) -> f64 {
    let outside = (lower - actual).max(actual - upper).max(0.0);
    upper - lower + 2.0 / (1.0 - level) * outside
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scores_by_hand() {
        assert_eq!(pinball(0.75, 10.0, 14.0), 3.0);
        assert_eq!(pinball(0.75, 10.0, 6.0), 1.0);
        assert_eq!(pinball(0.5, 1.0, 1.0), 0.0);
        assert_eq!(interval_score(1.0, 3.0, 2.0, 0.75), 2.0);
        assert_eq!(interval_score(1.0, 3.0, 5.0, 0.75), 18.0);
        assert_eq!(interval_score(1.0, 3.0, 0.0, 0.75), 10.0);
        let seen = mean_pinball(
            &[0.25, 0.75],
            &[vec![0.0, 1.0], vec![0.0, 1.0]],
            &[2.0, 0.0],
        );
        // 0.5 + 0.75 and 0 + 0.25, over four.
        assert_eq!(seen, Ok(0.375));
    }

    #[test]
    fn the_true_quantile_has_the_least_loss() {
        let actual: Vec<f64> = (0..=100).map(f64::from).collect();
        let loss = |q: f64| mean_pinball(&[0.8], &vec![vec![q]; 101], &actual).unwrap();
        assert!(loss(80.0) < loss(75.0) && loss(80.0) < loss(85.0));
    }

    #[test]
    fn no_answer() {
        assert!(mean_pinball(&[], &[], &[]).is_err());
        assert!(mean_pinball(&[0.5], &[vec![1.0]], &[1.0, 2.0]).is_err());
        assert!(mean_pinball(&[0.5], &[vec![]], &[1.0]).is_err());
        assert!(mean_pinball(&[0.5], &[vec![f64::NAN]], &[1.0]).is_err());
        assert!(mean_pinball(&[1.5], &[vec![1.0]], &[1.0]).is_err());
    }
}

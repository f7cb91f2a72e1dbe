//! Significance under autocorrelation: HAC variance, Diebold-Mariano, Clark-West.

use crate::distribution::student_t_cdf;

/// Comparison of two loss series.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Comparison {
    /// `1 - sqrt(mean a / mean b)`: relative RMSE improvement of `a` over `b` for squared losses.
    pub effect: f64,
    /// One-sided p-value of "a is not better than b", 0..=1.
    pub p_value: f64,
}

/// Newey-West variance of the mean with Bartlett weights and `lag` lags
/// (Newey and West 1987). Zero for fewer than two values.
pub fn hac_variance_of_mean(values: &[f64], lag: usize) -> f64 {
    let covariances = autocovariances(values, lag);
    let weight = |k: usize| 1.0 - k as f64 / covariances.len() as f64;
    weighted(&covariances, weight).max(0.0) / values.len().max(1) as f64
}

/// Variance of the mean of values correlated over exactly `lag` steps: all covariances in full, as in
/// Diebold and Mariano (1995). Bartlett weights would leave a third of the variance of five
/// overlapping steps out and make 5 % tests reject 10 %. They are the fallback where the plain sum is
/// not positive, which happens in samples of few dates.
fn overlap_variance_of_mean(values: &[f64], lag: usize) -> f64 {
    let covariances = autocovariances(values, lag);
    let plain = weighted(&covariances, |_| 1.0);
    if plain > 1e-9 * covariances.first().copied().unwrap_or(0.0) {
        plain / values.len().max(1) as f64
    } else {
        hac_variance_of_mean(values, lag)
    }
}

/// Covariances at lags 0..=`lag`, divisor n; empty for fewer than two values.
fn autocovariances(values: &[f64], lag: usize) -> Vec<f64> {
    let n = values.len();
    if n < 2 {
        return Vec::new();
    }
    let mean = values.iter().sum::<f64>() / n as f64;
    let covariance = |k: usize| {
        let pairs = values.iter().zip(values.iter().skip(k));
        pairs.map(|(a, b)| (a - mean) * (b - mean)).sum::<f64>() / n as f64
    };
    (0..=lag.min(n - 1)).map(covariance).collect()
}

fn weighted(covariances: &[f64], weight: impl Fn(usize) -> f64) -> f64 {
    let one = |(k, c): (usize, &f64)| if k == 0 { *c } else { 2.0 * weight(k) * c };
    covariances.iter().enumerate().map(one).sum()
}

/// Diebold-Mariano test with the Harvey, Leybourne and Newbold (1997) small-sample factor;
/// `horizon` is the number of overlapping steps. Fewer than three dates, or no difference at all, give
/// p = 1; the same improvement at every date gives p = 0. Losses must be finite, else p = 1; the longer
/// series is cut. Equal forecasts are rejected at 5 % in 6 of 100 cases with 120 dates and 5 steps, 8
/// with 40.
pub fn diebold_mariano(a: &[f64], b: &[f64], horizon: usize) -> Comparison {
    let difference: Vec<f64> = a.iter().zip(b).map(|(x, y)| x - y).collect();
    let total = |losses: &[f64]| losses.iter().take(difference.len()).sum::<f64>();
    let effect = if total(b) > 0.0 {
        1.0 - (total(a) / total(b)).sqrt()
    } else {
        0.0
    };
    Comparison {
        effect,
        p_value: p_below_zero(&difference, horizon),
    }
}

/// Clark and West (2007): does a model that nests the naive forecast beat it? The larger model
/// estimates parameters that are zero under the null, which adds noise to its errors; the test takes
/// that noise out. `adjusted` holds per date the mean of [`clark_west_term`]; the p-value is one-sided
/// for "the model is not better". Normal quantiles in the paper; here Student's t and the small-sample
/// factor of [`diebold_mariano`], which is a little more careful. Same rules for short, constant and
/// non-finite series.
pub fn clark_west(adjusted: &[f64], horizon: usize) -> f64 {
    let negated: Vec<f64> = adjusted.iter().map(|f| -f).collect();
    p_below_zero(&negated, horizon)
}

/// Adjusted loss difference of one forecast: `(y - n)^2 - ((y - m)^2 - (n - m)^2)`.
pub fn clark_west_term(actual: f64, naive: f64, model: f64) -> f64 {
    (actual - naive).powi(2) - ((actual - model).powi(2) - (naive - model).powi(2))
}

/// One-sided p-value of "the mean is not below zero" for a series correlated over `horizon - 1` steps.
fn p_below_zero(series: &[f64], horizon: usize) -> f64 {
    let n = series.len();
    let variance = overlap_variance_of_mean(series, horizon.saturating_sub(1));
    let mean = series.iter().sum::<f64>() / n.max(1) as f64;
    if n < 3 || !variance.is_finite() || !mean.is_finite() {
        return 1.0;
    }
    if variance <= 0.0 {
        return if mean < 0.0 { 0.0 } else { 1.0 };
    }
    let (nf, h) = (n as f64, horizon.min(n / 2) as f64);
    let correction = ((nf + 1.0 - 2.0 * h + h * (h - 1.0) / nf) / nf)
        .max(0.0)
        .sqrt();
    student_t_cdf(correction * mean / variance.sqrt(), nf - 1.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn newey_west_by_hand() {
        // 1, 2, 3: covariances 2/3 and 0; lag 1 adds 2 * 0.5 * 0.
        assert!((hac_variance_of_mean(&[1.0, 2.0, 3.0], 0) - 2.0 / 9.0).abs() < 1e-15);
        assert!((hac_variance_of_mean(&[1.0, 2.0, 3.0], 1) - 2.0 / 9.0).abs() < 1e-15);
        // 1, 1, -1, -1: covariances 1 and 1/4; lag 1 gives 1 + 2 * 0.5 * 0.25.
        assert!((hac_variance_of_mean(&[1.0, 1.0, -1.0, -1.0], 1) - 1.25 / 4.0).abs() < 1e-15);
    }

    #[test]
    fn a_clear_winner_is_significant_and_a_copy_is_not() {
        let noise = |i: usize| ((i * 7919) % 101) as f64 / 101.0;
        let b: Vec<f64> = (0..200).map(|i| 1.0 + noise(i)).collect();
        let a: Vec<f64> = b
            .iter()
            .enumerate()
            .map(|(i, x)| x - 0.3 - 0.1 * noise(i + 13))
            .collect();
        let better = diebold_mariano(&a, &b, 5);
        assert!(better.p_value < 1e-6 && better.effect > 0.05, "{better:?}");
        assert!(diebold_mariano(&b, &a, 5).p_value > 0.999);
        assert_eq!(diebold_mariano(&b, &b, 5).p_value, 1.0);
    }

    #[test]
    fn overlapping_covariances_count_in_full_while_their_sum_is_positive() {
        // 1, 1, -1, -1: covariances 1 and 1/4.
        let seen = overlap_variance_of_mean(&[1.0, 1.0, -1.0, -1.0], 1);
        assert!((seen - 1.5 / 4.0).abs() < 1e-15);
        // 1, -1, 1, -1: 1 - 2 * 3/4 is negative; Bartlett gives 1 - 3/4.
        let seen = overlap_variance_of_mean(&[1.0, -1.0, 1.0, -1.0], 1);
        assert!((seen - 0.25 / 4.0).abs() < 1e-15);
        assert_eq!(overlap_variance_of_mean(&[1.0], 4), 0.0);
    }

    #[test]
    fn diebold_mariano_by_hand() {
        // Differences -1, -3, -1, -3 with horizon 1: mean -2, variance of the mean 1/4; Harvey factor
        // sqrt((4 + 1 - 2) / 4); t = -2 / 0.5 * sqrt(0.75) = -3.4641 with 3 degrees of freedom.
        let seen = diebold_mariano(&[3.0, 1.0, 3.0, 1.0], &[4.0, 4.0, 4.0, 4.0], 1);
        // P(T < -2 sqrt 3) for 3 degrees of freedom, from its closed form.
        let t: f64 = 12f64.sqrt();
        let z = t / 3f64.sqrt();
        let expected = 0.5 - (z / (1.0 + z * z) + z.atan()) / std::f64::consts::PI;
        assert!(
            (seen.p_value - expected).abs() < 1e-12,
            "{seen:?} {expected}"
        );
        assert!((seen.effect - (1.0 - 0.5f64.sqrt())).abs() < 1e-15);
    }

    #[test]
    fn a_constant_improvement_is_certain() {
        assert_eq!(diebold_mariano(&[1.0; 9], &[2.0; 9], 5).p_value, 0.0);
        assert_eq!(diebold_mariano(&[2.0; 9], &[1.0; 9], 5).p_value, 1.0);
        assert_eq!(diebold_mariano(&[1.0; 2], &[2.0; 2], 5).p_value, 1.0);
        assert_eq!(diebold_mariano(&[], &[], 5).p_value, 1.0);
    }

    #[test]
    fn the_test_holds_its_size_under_overlapping_horizons() {
        // Equal forecasts whose loss differences are 5-step moving sums: 5 % should be rejected.
        let mut state = 1u64;
        let mut noise = move || {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            (state >> 11) as f64 / (1u64 << 53) as f64 - 0.5
        };
        let mut rejected = 0;
        for _ in 0..2000 {
            let shocks: Vec<f64> = (0..124).map(|_| noise()).collect();
            let a: Vec<f64> = shocks
                .windows(5)
                .map(|w| 10.0 + w.iter().sum::<f64>())
                .collect();
            rejected += usize::from(diebold_mariano(&a, &vec![10.0; a.len()], 5).p_value < 0.05);
        }
        assert!((70..=150).contains(&rejected), "{rejected} of 2000");
    }

    #[test]
    fn clark_west_by_hand() {
        // (3 - 1)^2 - ((3 - 2)^2 - (1 - 2)^2) = 4.
        assert_eq!(clark_west_term(3.0, 1.0, 2.0), 4.0);
        // A model equal to naive has no difference to test.
        assert_eq!(clark_west(&[clark_west_term(3.0, 1.0, 1.0); 9], 5), 1.0);
        // Terms 1, 3, 1, 3: the mirror of the Diebold-Mariano example.
        let dm = diebold_mariano(&[3.0, 1.0, 3.0, 1.0], &[4.0, 4.0, 4.0, 4.0], 1);
        assert_eq!(clark_west(&[1.0, 3.0, 1.0, 3.0], 1), dm.p_value);
    }

    #[test]
    fn input_without_an_answer_is_no_win() {
        for bad in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
            assert_eq!(
                diebold_mariano(&[bad, 1.0, 2.0, 3.0], &[1.0; 4], 2).p_value,
                1.0
            );
            assert_eq!(clark_west(&[bad, 1.0, 2.0, 3.0], 2), 1.0);
        }
        assert_eq!(clark_west(&[], 0), 1.0);
        assert!(diebold_mariano(&[1.0, 2.0, 4.0], &[1.0; 3], usize::MAX).p_value <= 1.0);
    }

    /// Rejections at 5 % by Clark-West and Diebold-Mariano in 1000 samples of 200 dates: a regression
    /// of `y = slope * x + noise` refitted on the 60 dates before each, against the forecast 0.
    fn rejections(slope: f64) -> [usize; 2] {
        use rand::{Rng, SeedableRng};
        let mut random = rand_chacha::ChaCha8Rng::seed_from_u64(11);
        let mut normal = move || (0..12).map(|_| random.random::<f64>()).sum::<f64>() - 6.0;
        let mut rejected = [0, 0];
        for _ in 0..1000 {
            let x: Vec<f64> = (0..260).map(|_| normal()).collect();
            let y: Vec<f64> = x.iter().map(|x| slope * x + normal()).collect();
            let (mut terms, mut ours, mut naive) = (Vec::new(), Vec::new(), Vec::new());
            for t in 60..260 {
                let dot = |a: &[f64]| -> f64 {
                    let pairs = a[t - 60..t].iter().zip(&x[t - 60..t]);
                    pairs.map(|(a, b)| a * b).sum()
                };
                let forecast = dot(&y) / dot(&x) * x[t];
                terms.push(clark_west_term(y[t], 0.0, forecast));
                ours.push((y[t] - forecast).powi(2));
                naive.push(y[t].powi(2));
            }
            rejected[0] += usize::from(clark_west(&terms, 1) < 0.05);
            rejected[1] += usize::from(diebold_mariano(&ours, &naive, 1).p_value < 0.05);
        }
        rejected
    }

    #[test]
    fn clark_west_holds_its_size_and_has_power_where_diebold_mariano_has_little() {
        let [size, blind] = rejections(0.0);
        println!("size: {size} and {blind} of 1000");
        assert!((20..=65).contains(&size), "{size} of 1000");
        assert!(
            blind < 15,
            "{blind} of 1000: the noise of estimation hides a tie"
        );
        let [power, less] = rejections(0.2);
        assert!(power > 600 && less + 400 < power, "{power} {less} of 1000");
    }
}

//! Distributions that tests and intervals need: normal and Student's t.

/// Cumulative distribution of the standard normal.
pub fn normal_cdf(z: f64) -> f64 {
    0.5 * libm::erfc(-z / std::f64::consts::SQRT_2)
}

/// Quantile of the standard normal by bisection, exact to the last digits; infinite at 0 and 1,
/// NaN outside.
pub fn normal_quantile(p: f64) -> f64 {
    match p {
        _ if !(0.0..=1.0).contains(&p) => return f64::NAN,
        0.0 => return f64::NEG_INFINITY,
        1.0 => return f64::INFINITY,
        // The upper half has fewer digits: 1 - p is exact there.
        _ if p > 0.5 => return -normal_quantile(1.0 - p),
        _ => {}
    }
    let (mut low, mut high) = (-40.0, 0.0);
    for _ in 0..80 {
        let middle = 0.5 * (low + high);
        if normal_cdf(middle) < p {
            low = middle;
        } else {
            high = middle;
        }
    }
    0.5 * (low + high)
}

/// Cumulative distribution of Student's t with `degrees` of freedom.
pub fn student_t_cdf(t: f64, degrees: f64) -> f64 {
    let x = degrees / (degrees + t * t);
    let tail = 0.5 * incomplete_beta(0.5 * degrees, 0.5, x);
    if t > 0.0 { 1.0 - tail } else { tail }
}

/// Regularised incomplete beta function, continued fraction (Lentz).
fn incomplete_beta(a: f64, b: f64, x: f64) -> f64 {
    if x <= 0.0 {
        return 0.0;
    }
    if x >= 1.0 {
        return 1.0;
    }
    let front =
        (ln_gamma(a + b) - ln_gamma(a) - ln_gamma(b) + a * x.ln() + b * (1.0 - x).ln()).exp();
    if x < (a + 1.0) / (a + b + 2.0) {
        front * continued_fraction(a, b, x) / a
    } else {
        1.0 - front * continued_fraction(b, a, 1.0 - x) / b
    }
}

fn continued_fraction(a: f64, b: f64, x: f64) -> f64 {
    const TINY: f64 = 1e-300;
    let guard = |v: f64| if v.abs() < TINY { TINY } else { v };
    let (mut c, mut d) = (1.0, 1.0 / guard(1.0 - (a + b) * x / (a + 1.0)));
    let mut result = d;
    for m in 1..300 {
        let m = f64::from(m);
        let even = m * (b - m) * x / ((a + 2.0 * m - 1.0) * (a + 2.0 * m));
        d = 1.0 / guard(1.0 + even * d);
        c = guard(1.0 + even / c);
        result *= d * c;
        let odd = -(a + m) * (a + b + m) * x / ((a + 2.0 * m) * (a + 2.0 * m + 1.0));
        d = 1.0 / guard(1.0 + odd * d);
        c = guard(1.0 + odd / c);
        let step = d * c;
        result *= step;
        if (step - 1.0).abs() < 1e-15 {
            break;
        }
    }
    result
}

/// Logarithm of the gamma function for positive arguments (Lanczos, g = 7).
fn ln_gamma(x: f64) -> f64 {
    const COEFFICIENTS: [f64; 8] = [
        676.520_368_121_885_1,
        -1_259.139_216_722_402_8,
        771.323_428_777_653_1,
        -176.615_029_162_140_6,
        12.507_343_278_686_905,
        -0.138_571_095_265_720_12,
        9.984_369_578_019_572e-6,
        1.505_632_735_149_311_6e-7,
    ];
    let x = x - 1.0;
    let t = x + 7.5;
    let series = COEFFICIENTS
        .iter()
        .enumerate()
        .fold(0.999_999_999_999_809_9, |sum, (i, c)| {
            sum + c / (x + i as f64 + 1.0)
        });
    0.5 * (2.0 * std::f64::consts::PI).ln() + (x + 0.5) * t.ln() - t + series.ln()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn normal_quantiles_match_tables() {
        for (p, z) in [
            (0.5, 0.0),
            (0.975, 1.959_963_984_540_054),
            (0.05, -1.644_853_626_951_472_6),
            (1e-10, -6.361_340_902_404_056),
        ] {
            assert!((normal_quantile(p) - z).abs() < 1e-12, "{p}");
            assert!((normal_cdf(z) - p).abs() < 1e-14);
        }
        assert_eq!(normal_quantile(0.0), f64::NEG_INFINITY);
        assert_eq!(normal_quantile(1.0), f64::INFINITY);
        assert!(normal_quantile(f64::NAN).is_nan() && normal_quantile(1.1).is_nan());
    }

    #[test]
    fn student_t_matches_tables() {
        // Quantiles of the t distribution as printed in every table.
        for (t, df, p) in [
            (1.812, 10.0, 0.95),
            (2.228, 10.0, 0.975),
            (-1.812, 10.0, 0.05),
            (1.645, 1e6, 0.95),
            (0.0, 5.0, 0.5),
        ] {
            assert!((student_t_cdf(t, df) - p).abs() < 2e-4, "{t} {df}");
        }
    }

    /// Degrees of freedom and values of t that tests of forecasts meet, and some beyond.
    fn grid() -> impl Iterator<Item = (f64, f64)> {
        let degrees = [1.0, 2.0, 3.0, 9.0, 39.0, 119.0, 999.0, 6_416.0, 1e5];
        let values = [0.0, 0.01, 0.3, 1.0, 1.7, 2.5, 4.0, 8.0, 20.0, 40.0];
        let pairs = degrees
            .into_iter()
            .flat_map(move |d| values.map(|t| (t, d)));
        pairs.flat_map(|(t, d)| [(t, d), (-t, d)])
    }

    /// ADR 12 says what was found; `--nocapture` shows the numbers.
    #[test]
    fn statrs_gives_the_same_to_nine_digits() {
        use statrs::distribution::{ContinuousCDF, Normal, StudentsT};
        let apart = |ours: f64, theirs: f64| (ours - theirs).abs() / ours.abs().max(1e-300);
        let mut most: f64 = 0.0;
        for (t, degrees) in grid() {
            let (ours, theirs) = (
                student_t_cdf(t, degrees),
                StudentsT::new(0.0, 1.0, degrees).unwrap().cdf(t),
            );
            println!("STUDENT {t} {degrees} {ours:e} {theirs:e}");
            // Far beyond every level that is tested at, digits of a tail mean nothing.
            if ours > 1e-30 {
                most = most.max(apart(ours, theirs));
            }
        }
        assert!(most < 1e-9, "{most:e}");
        let normal = Normal::new(0.0, 1.0).unwrap();
        let mut most: f64 = 0.0;
        for p in [1e-12, 1e-6, 0.001, 0.025, 0.2, 0.45, 0.7, 0.975, 0.999_999] {
            let (ours, theirs) = (normal_quantile(p), normal.inverse_cdf(p));
            println!("NORMAL {p:e} {ours:e} {theirs:e}");
            most = most.max(apart(ours, theirs));
        }
        assert!(most < 1e-9, "{most:e}");
    }
}

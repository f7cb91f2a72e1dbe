use super::*;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

#[test]
fn ranks_by_hand() {
    assert_eq!(conformal_rank(19, 0.95), Some(19));
    assert_eq!(conformal_rank(18, 0.95), None);
    assert_eq!(conformal_rank(99, 0.8), Some(80));
    assert_eq!(conformal_rank(100, 0.8), Some(81));
    assert_eq!(conformal_rank(0, 0.8), None);
}

#[test]
fn exchangeable_residuals_are_covered_exactly_as_often_as_the_rank_says() {
    // 19 residuals at 0.8: rank 16 of 20 places for a new one, so 0.8; with floor it would be 0.75.
    let mut random = ChaCha8Rng::seed_from_u64(2);
    let mut draw = move || random.random::<f64>() * 2.0 - 1.0;
    let mut covered = 0;
    for _ in 0..4000 {
        let sizes: Vec<f64> = (0..19).map(|_| draw().abs()).collect();
        let margin = residual_quantiles(&sizes, &[0.8]).unwrap()[0];
        covered += usize::from(draw().abs() <= margin);
    }
    assert!((3120..=3280).contains(&covered), "{covered} of 4000");
}

#[test]
fn residual_quantiles_cover_each_side() {
    let residuals: Vec<f64> = (1..=9).map(f64::from).collect();
    let seen = residual_quantiles(&residuals, &[0.1, 0.25, 0.5, 0.75, 0.9]).unwrap();
    assert_eq!(seen, [1.0, 2.0, 5.0, 8.0, 9.0]);
    assert_eq!(residual_quantiles(&[3.0], &[0.1, 0.9]).unwrap(), [3.0, 3.0]);
    assert!(residual_quantiles(&[], &[0.5]).is_err());
    assert!(residual_quantiles(&[1.0], &[1.0]).is_err());
    assert!(residual_quantiles(&[f64::INFINITY], &[0.5]).is_err());
}

#[test]
fn rearranged_quantiles_never_cross_and_lie_closer() {
    let truth = [-1.0, 0.0, 1.0];
    let mut random = ChaCha8Rng::seed_from_u64(3);
    for _ in 0..500 {
        let crossed = truth.map(|q| q + random.random::<f64>() * 6.0 - 3.0);
        let mut sorted = crossed;
        rearrange(&mut sorted);
        assert!(sorted.is_sorted());
        let distance =
            |q: [f64; 3]| -> f64 { q.iter().zip(truth).map(|(a, b)| (a - b).powi(2)).sum() };
        assert!(distance(sorted) <= distance(crossed) + 1e-12);
    }
}

#[test]
fn wilson_by_hand() {
    // 8 of 10 at 95 %, as in every table: 0.4902 to 0.9433.
    let seen = wilson(8, 10, 0.95).unwrap();
    assert!((seen.lower - 0.490_162_47).abs() < 1e-7, "{seen:?}");
    assert!((seen.upper - 0.943_317_80).abs() < 1e-7, "{seen:?}");
    let none = wilson(0, 5, 0.95).unwrap();
    assert!(none.lower == 0.0 && none.upper > 0.4);
    assert_eq!(wilson(0, 0, 0.95), None);
    assert_eq!(wilson(3, 2, 0.95), None);
    assert_eq!(wilson(1, 2, f64::NAN), None);
}

#[test]
fn coverage_of_forecasts_that_stand_or_fall_together() {
    // Ten symbols that always agree, in runs of five dates: Wilson believes in 2000 cases.
    let mut random = ChaCha8Rng::seed_from_u64(4);
    let dates: Vec<Vec<bool>> = (0..40)
        .flat_map(|_| vec![vec![random.random::<f64>() < 0.8; 10]; 5])
        .collect();
    let settings = Bootstrap {
        resamples: 400,
        confidence: 0.95,
        block: 10.0,
        seed: 1,
    };
    let seen = realised_coverage(&dates, 0.8, &settings).unwrap();
    assert_eq!(seen.count, 2000);
    assert!((seen.wilson.share - seen.bootstrap.estimate).abs() < 1e-12);
    let (naive, honest) = (
        seen.wilson.upper - seen.wilson.lower,
        seen.bootstrap.upper - seen.bootstrap.lower,
    );
    assert!(honest > 3.0 * naive, "{honest} {naive}");
    assert!(realised_coverage(&[], 0.8, &settings).is_err());
    assert!(realised_coverage(&dates, 1.0, &settings).is_err());
}

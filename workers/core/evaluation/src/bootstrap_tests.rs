use super::*;
use crate::conformal::wilson;

fn settings(block: f64) -> Bootstrap {
    Bootstrap {
        resamples: 300,
        confidence: 0.95,
        block,
        seed: 3,
    }
}

/// Interval of the mean of one value per date.
fn interval_of_mean(values: &[f64], settings: &Bootstrap) -> Result<Interval, InputError> {
    interval(values.len(), settings, |indices| {
        let sum: f64 = indices.iter().map(|i| values[*i]).sum();
        Some(sum / indices.len() as f64)
    })
}

/// Hits and misses of overlapping forecasts: signs of moving sums of `horizon` shocks, in truth half.
fn hits(dates: usize, horizon: usize, random: &mut ChaCha8Rng) -> Vec<f64> {
    let shocks: Vec<f64> = (0..dates + horizon - 1)
        .map(|_| random.random::<f64>() - 0.5)
        .collect();
    let sums = shocks.windows(horizon).map(|w| w.iter().sum::<f64>());
    sums.map(|s| f64::from(u8::from(s > 0.0))).collect()
}

#[test]
fn overlapping_labels_are_covered_by_blocks_and_not_by_the_binomial() {
    let mut random = ChaCha8Rng::seed_from_u64(5);
    let (mut blocks, mut binomial) = (0, 0);
    for _ in 0..300 {
        let values = hits(400, 10, &mut random);
        let block = block_length(&values, 10).unwrap();
        let seen = interval_of_mean(&values, &settings(block)).unwrap();
        blocks += usize::from(seen.lower <= 0.5 && 0.5 <= seen.upper);
        let count = values.iter().filter(|v| **v > 0.0).count();
        let plain = wilson(count, values.len(), 0.95).unwrap();
        binomial += usize::from(plain.lower <= 0.5 && 0.5 <= plain.upper);
    }
    println!("95 % intervals cover in {blocks} (blocks) and {binomial} (binomial) of 300");
    assert!(blocks >= 255, "{blocks} of 300");
    assert!(binomial <= 210, "{binomial} of 300");
}

#[test]
fn independent_values_are_covered_too() {
    let mut random = ChaCha8Rng::seed_from_u64(6);
    let mut covered = 0;
    for _ in 0..300 {
        let values = hits(200, 1, &mut random);
        let seen = interval_of_mean(&values, &settings(1.0)).unwrap();
        covered += usize::from(seen.lower <= 0.5 && 0.5 <= seen.upper);
    }
    assert!((270..=297).contains(&covered), "{covered} of 300");
}

#[test]
fn blocks_have_the_mean_length_and_stay_whole() {
    let mut random = ChaCha8Rng::seed_from_u64(1);
    for block in [1.0, 4.0, 20.0] {
        let (mut indices, mut starts) = (vec![0usize; 1000], 0);
        for _ in 0..50 {
            resample(&mut indices, block, &mut random);
            let follows = |w: &[usize]| (w[0] + 1) % 1000 == w[1];
            starts += 1 + indices.windows(2).filter(|w| !follows(w)).count();
        }
        let length = 50_000.0 / starts as f64;
        assert!((length / block - 1.0).abs() < 0.08, "{length} {block}");
    }
}

#[test]
fn equal_seeds_give_equal_bits() {
    let values = hits(100, 5, &mut ChaCha8Rng::seed_from_u64(1));
    let once = interval_of_mean(&values, &settings(5.0)).unwrap();
    assert_eq!(once, interval_of_mean(&values, &settings(5.0)).unwrap());
    let other = Bootstrap {
        seed: 4,
        ..settings(5.0)
    };
    assert_ne!(once, interval_of_mean(&values, &other).unwrap());
}

#[test]
fn edges() {
    let run = |values: &[f64], settings: &Bootstrap| interval_of_mean(values, settings);
    assert!(run(&[], &settings(1.0)).is_err());
    assert!(run(&[1.0; 9], &settings(1.0)).is_err());
    assert!(run(&[f64::NAN; 50], &settings(1.0)).is_err());
    let flat = run(&[2.0; 50], &settings(1e300)).unwrap();
    assert_eq!((flat.lower, flat.upper), (2.0, 2.0));
    for block in [0.0, f64::NAN, -1.0] {
        assert!(run(&[2.0; 50], &settings(block)).is_err());
    }
    let mut wrong = settings(1.0);
    wrong.confidence = 1.0;
    assert!(run(&[2.0; 50], &wrong).is_err());
    wrong = settings(1.0);
    wrong.resamples = usize::MAX;
    assert!(run(&[2.0; 50], &wrong).is_err());
    assert!(interval(50, &settings(1.0), |_| None).is_err());
    assert_eq!(block_length(&[3.0; 100], 7), Ok(7.0));
    assert_eq!(block_length(&[], 0), Ok(1.0));
    assert!(block_length(&[f64::INFINITY], 1).is_err());
}

//! PSI and KS of a current window against a stored reference.

use foresail_crds::model_manifest::FeatureReference;
use foresail_crds::pipeline::spec::DriftMetric;

/// Smallest reference share used in PSI, so that an empty reference bin gives a finite score.
const SMALLEST_SHARE: f64 = 1e-4;

/// Index of the bin of `value` for ascending inner `edges`: bin i holds edges[i-1] < value <= edges[i].
pub fn bin(edges: &[f64], value: f64) -> usize {
    edges.partition_point(|edge| *edge < value)
}

/// Population stability index `sum (q - p) ln(q / p)` over bins.
///
/// `reference` are shares; current shares are `(count + 0.5) / (n + bins / 2)` (half an observation
/// per bin, so an empty bin is finite), reference shares at least 1e-4. Zero when `counts` is empty.
pub fn psi(reference: &[f64], counts: &[u32]) -> f64 {
    let total: f64 = counts.iter().map(|c| f64::from(*c)).sum();
    if total == 0.0 {
        return 0.0;
    }
    let denominator = total + 0.5 * counts.len() as f64;
    reference
        .iter()
        .zip(counts)
        .map(|(p, count)| {
            let p = p.max(SMALLEST_SHARE);
            let q = (f64::from(*count) + 0.5) / denominator;
            (q - p) * (q / p).ln()
        })
        .sum()
}

/// Largest gap between the reference CDF (values at equally spaced probabilities) and the CDF of
/// the current values, at the stored quantiles. Zero when `current` is empty. `current` is sorted here.
pub fn ks(quantiles: &[f64], current: &mut [f64]) -> f64 {
    if current.is_empty() || quantiles.len() < 2 {
        return 0.0;
    }
    current.sort_by(f64::total_cmp);
    let n = current.len() as f64;
    let last = (quantiles.len() - 1) as f64;
    let (mut largest, mut upto) = (0.0f64, 0);
    for (i, x) in quantiles.iter().enumerate() {
        // Of equal quantiles only the highest probability is the CDF at that value.
        if quantiles.get(i + 1) == Some(x) {
            continue;
        }
        upto += current[upto..].iter().take_while(|v| *v <= x).count();
        let at_or_below = upto as f64;
        let reference = if i == 0 { 0.0 } else { i as f64 / last };
        // The smallest reference value itself has an unknown small share: compare strictly below it.
        let below = if i == 0 {
            current.partition_point(|v| v < x) as f64
        } else {
            at_or_below
        };
        largest = largest.max((below / n - reference).abs());
    }
    largest
}

/// The same score as [`ks`] of values that are counted: `below` the smallest quantile, and by distinct quantile the values
/// above the one before and not above it (of the smallest: equal to it), and those above all of them last.
pub(crate) fn ks_of_counts(quantiles: &[f64], below: u32, counts: &[u32]) -> f64 {
    let total: u64 = counts.iter().map(|count| u64::from(*count)).sum();
    let total = total + u64::from(below);
    if total == 0 || quantiles.len() < 2 {
        return 0.0;
    }
    let n = total as f64;
    let last = (quantiles.len() - 1) as f64;
    let (mut largest, mut upto) = (0.0f64, u64::from(below));
    let mut counts = counts.iter();
    for (i, x) in quantiles.iter().enumerate() {
        // Of equal quantiles only the highest probability is the CDF at that value.
        if quantiles.get(i + 1) == Some(x) {
            continue;
        }
        upto += counts.next().map_or(0, |count| u64::from(*count));
        // The smallest reference value itself has an unknown small share: compare strictly below it.
        let (known, reference) = match i {
            0 => (u64::from(below), 0.0),
            _ => (upto, i as f64 / last),
        };
        largest = largest.max((known as f64 / n - reference).abs());
    }
    largest
}

/// Scale of a feature for the combined score.
pub fn scale(metric: DriftMetric, reference: &FeatureReference) -> f64 {
    match metric {
        DriftMetric::Ks => reference.ks_scale,
        DriftMetric::Psi => reference.psi_scale,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn psi_by_hand() {
        // counts 1 and 3 of 4: q = 1.5/5, 3.5/5; p = 0.5 each.
        let expected = (0.3f64 - 0.5) * (0.3f64 / 0.5).ln() + (0.7f64 - 0.5) * (0.7f64 / 0.5).ln();
        assert!((psi(&[0.5, 0.5], &[1, 3]) - expected).abs() < 1e-15);
        assert_eq!(psi(&[0.5, 0.5], &[0, 0]), 0.0);
        assert!(psi(&[0.0, 1.0], &[5, 0]).is_finite());
    }

    #[test]
    fn ks_by_hand() {
        let quantiles: Vec<f64> = (0..=200).map(f64::from).collect();
        let mut same: Vec<f64> = (0..1000).map(|i| f64::from(i) * 0.2).collect();
        assert!(ks(&quantiles, &mut same) < 0.01);
        let mut shifted: Vec<f64> = (0..1000).map(|i| f64::from(i) * 0.2 + 100.0).collect();
        assert!((ks(&quantiles, &mut shifted) - 0.5).abs() < 0.01);
        let mut outside = vec![1e9; 10];
        assert!(ks(&quantiles, &mut outside) > 0.99);
        assert_eq!(ks(&[1.0; 201], &mut [1.0, 1.0]), 0.0);
    }

    #[test]
    fn counted_values_have_the_score_of_the_values_bit_for_bit() {
        let mut state = 1u64;
        let mut next = |choices: u64| {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            (state >> 33) % choices
        };
        for round in 0..50 {
            // Few distinct quantiles in some rounds, also equal ones at both ends.
            let choices = [3, 10, 1_000][round % 3];
            let mut quantiles: Vec<f64> = (0..=200).map(|_| next(choices) as f64).collect();
            quantiles.sort_by(f64::total_cmp);
            let mut values: Vec<f64> = (0..next(400))
                .map(|_| next(choices + 4) as f64 - 2.0)
                .collect();
            let mut edges = quantiles.clone();
            edges.dedup();
            let mut counts = vec![0; edges.len() + 1];
            let below = values.iter().filter(|v| **v < edges[0]).count() as u32;
            for value in values.iter().filter(|v| **v >= edges[0]) {
                counts[bin(&edges, *value)] += 1;
            }
            let counted = ks_of_counts(&quantiles, below, &counts);
            let sorted = ks(&quantiles, &mut values);
            assert_eq!(counted.to_bits(), sorted.to_bits(), "{round}");
        }
    }

    #[test]
    fn bins_hold_their_upper_edge() {
        let edges = [1.0, 2.0];
        assert_eq!(
            [0.5, 1.0, 1.5, 2.0, 9.0].map(|v| bin(&edges, v)),
            [0, 0, 1, 1, 2]
        );
    }
}

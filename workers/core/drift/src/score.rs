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

/// Raw score of one feature's current values.
pub fn raw(metric: DriftMetric, reference: &FeatureReference, values: &mut [f64]) -> f64 {
    match metric {
        DriftMetric::Ks => ks(&reference.quantiles, values),
        DriftMetric::Psi => {
            let mut counts = vec![0u32; reference.shares.len()];
            for value in values.iter() {
                if let Some(count) = counts.get_mut(bin(&reference.edges, *value)) {
                    *count += 1;
                }
            }
            psi(&reference.shares, &counts)
        }
    }
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
    fn bins_hold_their_upper_edge() {
        let edges = [1.0, 2.0];
        assert_eq!(
            [0.5, 1.0, 1.5, 2.0, 9.0].map(|v| bin(&edges, v)),
            [0, 0, 1, 1, 2]
        );
    }
}

//! Standardisation fitted on training rows only and stored with the model.

use foresail_crds::model_manifest::ScalerParameters;

/// Fits mean and population standard deviation per column of `rows`, `[rows][features]`; a constant column gets 1.
pub fn fit(rows: &[&[f64]]) -> ScalerParameters {
    let columns = rows.first().map_or(0, |r| r.len());
    let count = rows.len().max(1) as f64;
    let mut mean = vec![0.0; columns];
    for row in rows {
        mean.iter_mut().zip(*row).for_each(|(m, v)| *m += v / count);
    }
    let mut variance = vec![0.0; columns];
    for row in rows {
        for ((sum, value), mean) in variance.iter_mut().zip(*row).zip(&mean) {
            *sum += (value - mean) * (value - mean) / count;
        }
    }
    let deviation = |v: f64| if v > 1e-24 { v.sqrt() } else { 1.0 };
    ScalerParameters {
        mean,
        std: variance.into_iter().map(deviation).collect(),
    }
}

/// `(x - mean) / std` per column: `[features]` to `[features]`.
pub fn apply(scaler: &ScalerParameters, row: &[f64]) -> Vec<f64> {
    row.iter()
        .zip(&scaler.mean)
        .zip(&scaler.std)
        .map(|((x, m), s)| (x - m) / s)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_get_zero_mean_and_unit_deviation() {
        let rows: Vec<Vec<f64>> = vec![vec![1.0, 5.0], vec![3.0, 5.0]];
        let rows: Vec<&[f64]> = rows.iter().map(Vec::as_slice).collect();
        let scaler = fit(&rows);
        assert_eq!(apply(&scaler, &[3.0, 5.0]), [1.0, 0.0]);
        assert_eq!(scaler.std, [1.0, 1.0]);
    }
}

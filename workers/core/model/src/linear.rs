//! Ridge regression in closed form: one set of coefficients per forecast step.

use serde::{Deserialize, Serialize};

use crate::ModelError;

/// Weights of a linear model on scaled features.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Linear {
    /// `[step]`.
    pub intercepts: Vec<f64>,
    /// `[step][feature]`.
    pub coefficients: Vec<Vec<f64>>,
}

impl Linear {
    /// Fits `min sum (y - a - b x)^2 + penalty * n * |b|^2` per step by Cholesky decomposition of the
    /// normal equations. `rows` are scaled features, `[rows][features]`; `labels` are `[rows][steps]`; the intercept
    /// is not penalised.
    ///
    /// # Errors
    /// [`ModelError::Input`] without rows or when the equations have no unique solution.
    pub fn fit(rows: &[Vec<f64>], labels: &[&[f64]], penalty: f64) -> Result<Self, ModelError> {
        let (count, width) = (rows.len(), rows.first().map_or(0, Vec::len));
        let steps = labels.first().map_or(0, |l| l.len());
        if count == 0 || width == 0 || steps == 0 {
            return Err(ModelError::Input("there is no row to fit".into()));
        }
        let n = count as f64;
        let mean = |get: &dyn Fn(usize) -> f64| (0..count).map(get).sum::<f64>() / n;
        let x_mean: Vec<f64> = (0..width).map(|j| mean(&|i| rows[i][j])).collect();
        let y_mean: Vec<f64> = (0..steps).map(|k| mean(&|i| labels[i][k])).collect();
        let mut gram = vec![vec![0.0; width]; width];
        let mut moment = vec![vec![0.0; width]; steps];
        for (row, label) in rows.iter().zip(labels) {
            for j in 0..width {
                let x = row[j] - x_mean[j];
                for l in 0..=j {
                    gram[j][l] += x * (row[l] - x_mean[l]);
                }
                for (k, sums) in moment.iter_mut().enumerate() {
                    sums[j] += x * (label[k] - y_mean[k]);
                }
            }
        }
        for (j, row) in gram.iter_mut().enumerate() {
            // The floor keeps collinear features (a return over one session beside a lag) solvable.
            row[j] += (penalty * n).max(1e-9 * n);
        }
        let factor = cholesky(gram)?;
        let coefficients: Vec<Vec<f64>> = moment.iter().map(|m| solve(&factor, m)).collect();
        let dot = |b: &[f64]| b.iter().zip(&x_mean).map(|(b, x)| b * x).sum::<f64>();
        let intercepts = y_mean
            .iter()
            .zip(&coefficients)
            .map(|(y, b)| y - dot(b))
            .collect();
        Ok(Self {
            intercepts,
            coefficients,
        })
    }

    /// Prediction per step, `[steps]`, for one scaled row, `[features]`.
    pub fn predict(&self, row: &[f64]) -> Vec<f64> {
        let dot = |b: &Vec<f64>| b.iter().zip(row).map(|(b, x)| b * x).sum::<f64>();
        self.intercepts
            .iter()
            .zip(&self.coefficients)
            .map(|(a, b)| a + dot(b))
            .collect()
    }

    /// As stored.
    ///
    /// # Errors
    /// [`ModelError::Weights`] when a number is not finite.
    pub fn encode(&self) -> Result<Vec<u8>, ModelError> {
        let numbers = self
            .intercepts
            .iter()
            .chain(self.coefficients.iter().flatten());
        if !numbers.clone().all(|v| v.is_finite()) {
            return Err(ModelError::Weights("a coefficient is not finite".into()));
        }
        serde_json::to_vec(self).map_err(|e| ModelError::Weights(e.to_string()))
    }

    /// Reads stored weights for `features` columns and `steps` steps.
    ///
    /// # Errors
    /// [`ModelError::Weights`] for anything else.
    pub fn decode(bytes: &[u8], features: usize, steps: usize) -> Result<Self, ModelError> {
        let to_error = ModelError::Weights;
        let model: Self = serde_json::from_slice(bytes).map_err(|e| to_error(e.to_string()))?;
        let shape = model.intercepts.len() == steps
            && model.coefficients.len() == steps
            && model.coefficients.iter().all(|c| c.len() == features);
        let numbers = model
            .intercepts
            .iter()
            .chain(model.coefficients.iter().flatten());
        if !shape || !numbers.clone().all(|v| v.is_finite()) {
            return Err(to_error(format!(
                "they are not {steps} steps of {features} finite coefficients"
            )));
        }
        Ok(model)
    }
}

/// Lower triangle of the Cholesky factor. Our own: the systems here are a few dozen columns, and a linear-algebra crate
/// would be the larger part of the program.
fn cholesky(mut a: Vec<Vec<f64>>) -> Result<Vec<Vec<f64>>, ModelError> {
    for i in 0..a.len() {
        for j in 0..=i {
            let sum: f64 = (0..j).map(|k| a[i][k] * a[j][k]).sum();
            let rest = a[i][j] - sum;
            if i == j {
                if rest.is_nan() || rest <= 0.0 {
                    let message =
                        "the features are collinear; raise training.model.ridge".to_string();
                    return Err(ModelError::Input(message));
                }
                a[i][i] = rest.sqrt();
            } else {
                a[i][j] = rest / a[j][j];
            }
        }
    }
    Ok(a)
}

fn solve(factor: &[Vec<f64>], right: &[f64]) -> Vec<f64> {
    let n = factor.len();
    let mut x = right.to_vec();
    for i in 0..n {
        let sum: f64 = (0..i).map(|k| factor[i][k] * x[k]).sum();
        x[i] = (x[i] - sum) / factor[i][i];
    }
    for i in (0..n).rev() {
        let sum: f64 = (i + 1..n).map(|k| factor[k][i] * x[k]).sum();
        x[i] = (x[i] - sum) / factor[i][i];
    }
    x
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn recovers_planted_coefficients() {
        let rows: Vec<Vec<f64>> = (0..50)
            .map(|i| vec![f64::from(i % 7) - 3.0, f64::from(i % 5) - 2.0])
            .collect();
        let labels: Vec<Vec<f64>> = rows
            .iter()
            .map(|r| vec![1.0 + 2.0 * r[0] - 3.0 * r[1], 0.5 * r[1]])
            .collect();
        let labels: Vec<&[f64]> = labels.iter().map(Vec::as_slice).collect();
        let model = Linear::fit(&rows, &labels, 0.0).unwrap();
        for (found, planted) in model.coefficients[0].iter().zip([2.0, -3.0]) {
            assert!((found - planted).abs() < 1e-6, "{model:?}");
        }
        assert!((model.intercepts[0] - 1.0).abs() < 1e-6);
        assert!((model.predict(&[1.0, 1.0])[1] - 0.5).abs() < 1e-6);
        let shrunk = Linear::fit(&rows, &labels, 10.0).unwrap();
        assert!(shrunk.coefficients[0][0].abs() < model.coefficients[0][0].abs());
    }

    #[test]
    fn collinear_columns_are_shared_and_no_rows_are_refused() {
        let rows: Vec<Vec<f64>> = (0..20).map(|i| vec![f64::from(i), f64::from(i)]).collect();
        let labels: Vec<Vec<f64>> = (0..20).map(|i| vec![f64::from(i)]).collect();
        let labels: Vec<&[f64]> = labels.iter().map(Vec::as_slice).collect();
        let model = Linear::fit(&rows, &labels, 0.001).unwrap();
        assert!((model.coefficients[0][0] - model.coefficients[0][1]).abs() < 1e-6);
        assert!(Linear::fit(&[], &[], 0.1).is_err());
    }

    #[test]
    fn damaged_weights_are_refused_and_never_panic() {
        let model = Linear {
            intercepts: vec![0.1],
            coefficients: vec![vec![0.2, 0.3]],
        };
        let bytes = model.encode().unwrap();
        assert_eq!(Linear::decode(&bytes, 2, 1).unwrap(), model);
        assert!(Linear::decode(&bytes, 3, 1).is_err() && Linear::decode(&bytes, 2, 2).is_err());
        for cut in 0..bytes.len() {
            assert!(Linear::decode(&bytes[..cut], 2, 1).is_err());
            let mut flipped = bytes.clone();
            flipped[cut] ^= 0x10;
            let _ = Linear::decode(&flipped, 2, 1);
        }
    }
}

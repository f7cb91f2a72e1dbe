//! One loaded model.

use foresail_crds::model_manifest::{ModelManifest, ScalerParameters};
use foresail_crds::pipeline::spec::{ModelKind, Target};

use crate::linear::Linear;
use crate::network::{Network, Shape};
use crate::{ModelError, scaler};

/// A model ready to be asked; shared between threads.
#[derive(Clone, Debug)]
pub struct Predictor {
    net: Net,
    scaler: ScalerParameters,
    target: Target,
    lookback: usize,
    horizon: usize,
}

#[derive(Clone, Debug)]
enum Net {
    Naive,
    Linear(Linear),
    Network(Box<Network>),
}

impl Predictor {
    /// Loads the model a manifest describes.
    ///
    /// # Errors
    /// [`ModelError::Weights`] when the weights are absent or do not fit.
    pub fn load(manifest: &ModelManifest, weights: Option<&[u8]>) -> Result<Self, ModelError> {
        let horizon = usize::try_from(manifest.horizon).unwrap_or(usize::MAX);
        let bytes = || weights.ok_or_else(|| ModelError::Weights("there are none".into()));
        let net = match manifest.kind {
            ModelKind::Naive => Net::Naive,
            ModelKind::Linear => {
                Net::Linear(Linear::decode(bytes()?, manifest.features.len(), horizon)?)
            }
            kind @ (ModelKind::Mlp | ModelKind::Lstm) => {
                let shape = Shape {
                    features: manifest.features.len(),
                    hidden: usize::try_from(manifest.hidden).unwrap_or(usize::MAX),
                    steps: horizon,
                };
                Net::Network(Box::new(Network::decode(bytes()?, kind, shape)?))
            }
        };
        Ok(Self {
            net,
            scaler: manifest.scaler.clone(),
            target: manifest.target,
            lookback: usize::try_from(manifest.lookback).unwrap_or(1).max(1),
            horizon,
        })
    }

    /// A model just fitted.
    pub fn from_linear(model: Linear, scaler: ScalerParameters, target: Target) -> Self {
        let horizon = model.intercepts.len();
        Self {
            net: Net::Linear(model),
            scaler,
            target,
            lookback: 1,
            horizon,
        }
    }

    /// A network just trained on windows of `lookback` rows.
    pub fn from_network(
        network: Network,
        scaler: ScalerParameters,
        target: Target,
        (lookback, horizon): (usize, usize),
    ) -> Self {
        Self {
            net: Net::Network(Box::new(network)),
            scaler,
            target,
            lookback,
            horizon,
        }
    }

    /// The naive forecast.
    pub fn naive(features: usize, horizon: usize, target: Target) -> Self {
        let scaler = ScalerParameters {
            mean: vec![0.0; features],
            std: vec![1.0; features],
        };
        Self {
            net: Net::Naive,
            scaler,
            target,
            lookback: 1,
            horizon,
        }
    }

    /// Predicted change per step 1..=horizon, in units of the target. `rows` are raw feature rows,
    /// oldest first, exactly [`Self::lookback`] of them.
    ///
    /// # Errors
    /// [`ModelError::Input`] for another shape or a non-finite value, [`ModelError::NotFinite`].
    pub fn predict(&self, rows: &[&[f64]]) -> Result<Vec<f64>, ModelError> {
        let width = self.scaler.mean.len();
        if rows.len() != self.lookback {
            let message = format!("{} rows given, {} needed", rows.len(), self.lookback);
            return Err(ModelError::Input(message));
        }
        let bad = rows
            .iter()
            .any(|r| r.len() != width || !r.iter().all(|v| v.is_finite()));
        let Some(last) = rows.last().filter(|_| !bad) else {
            return Err(ModelError::Input(format!(
                "a row is not {width} finite values"
            )));
        };
        let changes = match &self.net {
            Net::Naive => vec![0.0; self.horizon],
            Net::Linear(model) => model.predict(&scaler::apply(&self.scaler, last)),
            Net::Network(network) => {
                let scaled = rows.iter().map(|row| scaler::apply(&self.scaler, row));
                network.predict(&scaled.collect::<Vec<_>>())?
            }
        };
        if changes.iter().all(|c| c.is_finite()) {
            Ok(changes)
        } else {
            Err(ModelError::NotFinite)
        }
    }

    /// Closes forecast from `close`: `close * exp(r)` for log returns, `close * (1 + r)` otherwise.
    pub fn to_closes(&self, close: f64, changes: &[f64]) -> Vec<f64> {
        let one = |change: &f64| match self.target {
            Target::LogReturn => close * change.exp(),
            // A price cannot fall by more than all of it.
            Target::Close => close * (1.0 + change).max(0.0),
        };
        changes.iter().map(one).collect()
    }

    /// Feature rows one prediction looks at.
    pub fn lookback(&self) -> usize {
        self.lookback
    }

    /// Steps forecast.
    pub fn horizon(&self) -> usize {
        self.horizon
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn linear() -> Predictor {
        let model = Linear {
            intercepts: vec![0.0, 0.1],
            coefficients: vec![vec![1.0], vec![0.0]],
        };
        let scaler = ScalerParameters {
            mean: vec![2.0],
            std: vec![4.0],
        };
        Predictor::from_linear(model, scaler, Target::LogReturn)
    }

    #[test]
    fn rows_are_scaled_and_changes_become_closes() {
        let model = linear();
        let changes = model.predict(&[&[4.0]]).unwrap();
        assert_eq!(changes, [0.5, 0.1]);
        assert_eq!(
            model.to_closes(100.0, &changes),
            [100.0 * 0.5f64.exp(), 100.0 * 0.1f64.exp()]
        );
        let naive = Predictor::naive(1, 3, Target::Close);
        assert_eq!(
            naive.to_closes(7.0, &naive.predict(&[&[1.0]]).unwrap()),
            [7.0; 3]
        );
    }

    #[test]
    fn wrong_shapes_and_values_are_refused() {
        let model = linear();
        assert!(model.predict(&[]).is_err());
        assert!(model.predict(&[&[1.0, 2.0]]).is_err());
        assert!(model.predict(&[&[f64::NAN]]).is_err());
        assert!(matches!(
            model.predict(&[&[f64::MAX]]),
            Ok(_) | Err(ModelError::NotFinite)
        ));
    }
}

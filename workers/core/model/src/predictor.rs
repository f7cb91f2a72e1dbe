//! One loaded model.

use foresail_crds::model_manifest::{ModelManifest, ScalerParameters};
use foresail_crds::pipeline::spec::Target;
use foresail_crds::records::FeatureRecord;

use crate::part::{Input, Part, Sizes};
use crate::{ModelError, scaler};

/// A model ready to be asked; shared between threads.
#[derive(Clone, Debug)]
pub struct Predictor {
    part: Part,
    sizes: Sizes,
    scaler: ScalerParameters,
    lookback: usize,
}

/// What is known at one bar.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Row<'a> {
    /// Raw feature values.
    pub values: &'a [f64],
    /// Adjusted close.
    pub close: f64,
}

impl<'a> From<&'a FeatureRecord> for Row<'a> {
    fn from(record: &'a FeatureRecord) -> Self {
        Self {
            values: &record.values,
            close: record.close * record.adjustment_factor,
        }
    }
}

impl Predictor {
    /// Loads the model a manifest describes.
    ///
    /// # Errors
    /// [`ModelError::Weights`] when the weights are absent or do not fit.
    pub fn load(manifest: &ModelManifest, weights: Option<&[u8]>) -> Result<Self, ModelError> {
        let sizes = Sizes::of(manifest);
        let part = Part::decode(manifest.kind, weights, &sizes)?;
        let model = Self::new(part, manifest.scaler.clone(), sizes);
        let declared = usize::try_from(manifest.lookback).unwrap_or(usize::MAX);
        if model.lookback != declared.max(1) {
            let message = format!("they look at {} rows, not {declared}", model.lookback);
            return Err(ModelError::Weights(message));
        }
        Ok(model)
    }

    /// A model just fitted.
    pub fn new(part: Part, scaler: ScalerParameters, sizes: Sizes) -> Self {
        Self {
            lookback: part.lookback(&sizes).max(1),
            part,
            sizes,
            scaler,
        }
    }

    /// Predicted change per step 1..=horizon, in units of the target. `rows` are oldest first, exactly
    /// [`Self::lookback`] of them.
    ///
    /// # Errors
    /// [`ModelError::Input`] for another shape or a non-finite value, [`ModelError::NotFinite`].
    pub fn predict(&self, rows: &[Row<'_>]) -> Result<Vec<f64>, ModelError> {
        let width = self.scaler.mean.len();
        if rows.len() != self.lookback {
            let message = format!("{} rows given, {} needed", rows.len(), self.lookback);
            return Err(ModelError::Input(message));
        }
        let sound = |row: &Row<'_>| {
            row.values.len() == width
                && row.values.iter().all(|v| v.is_finite())
                && row.close.is_finite()
                && row.close > 0.0
        };
        if !rows.iter().all(sound) {
            let message = format!("a row is not {width} finite values and a close above zero");
            return Err(ModelError::Input(message));
        }
        let scaled = rows
            .iter()
            .map(|row| scaler::apply(&self.scaler, row.values));
        let input = Input {
            rows: scaled.collect(),
            closes: rows.iter().map(|row| row.close).collect(),
        };
        let changes = self.part.predict(&input, &self.sizes)?;
        if changes.iter().all(|c| c.is_finite()) {
            Ok(changes)
        } else {
            Err(ModelError::NotFinite)
        }
    }

    /// Closes forecast from `close`: `close * exp(r)` for log returns, `close * (1 + r)` otherwise.
    pub fn to_closes(&self, close: f64, changes: &[f64]) -> Vec<f64> {
        let one = |change: &f64| match self.sizes.target {
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
        self.sizes.steps
    }

    /// Mean and deviation of each feature on the training rows.
    pub fn scaler(&self) -> &ScalerParameters {
        &self.scaler
    }

    /// Weights as stored; `None` for kinds without any.
    ///
    /// # Errors
    /// [`ModelError::Weights`].
    pub fn encode(&self) -> Result<Option<Vec<u8>>, ModelError> {
        self.part.encode()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::linear::Linear;

    fn sizes(steps: usize, target: Target) -> Sizes {
        Sizes {
            features: 1,
            steps,
            hidden: 0,
            layers: 0,
            sequence: 1,
            season: 1,
            target,
        }
    }

    fn linear() -> Predictor {
        let model = Linear {
            intercepts: vec![0.0, 0.1],
            coefficients: vec![vec![1.0], vec![0.0]],
        };
        let scaler = ScalerParameters {
            mean: vec![2.0],
            std: vec![4.0],
        };
        Predictor::new(Part::Linear(model), scaler, sizes(2, Target::LogReturn))
    }

    fn row(values: &[f64]) -> Row<'_> {
        Row { values, close: 1.0 }
    }

    #[test]
    fn rows_are_scaled_and_changes_become_closes() {
        let model = linear();
        let changes = model.predict(&[row(&[4.0])]).unwrap();
        assert_eq!(changes, [0.5, 0.1]);
        assert_eq!(
            model.to_closes(100.0, &changes),
            [100.0 * 0.5f64.exp(), 100.0 * 0.1f64.exp()]
        );
        let scaler = ScalerParameters {
            mean: vec![0.0],
            std: vec![1.0],
        };
        let naive = Predictor::new(Part::Naive, scaler, sizes(3, Target::Close));
        let changes = naive.predict(&[row(&[1.0])]).unwrap();
        assert_eq!(naive.to_closes(7.0, &changes), [7.0; 3]);
    }

    #[test]
    fn wrong_shapes_and_values_are_refused() {
        let model = linear();
        assert!(model.predict(&[]).is_err());
        assert!(model.predict(&[row(&[1.0, 2.0])]).is_err());
        assert!(model.predict(&[row(&[f64::NAN])]).is_err());
        let free = Row {
            values: &[1.0],
            close: 0.0,
        };
        assert!(model.predict(&[free]).is_err());
        assert!(matches!(
            model.predict(&[row(&[f64::MAX])]),
            Ok(_) | Err(ModelError::NotFinite)
        ));
    }
}

//! One loaded model.

use foresail_crds::model_manifest::{ModelManifest, ScalerParameters};
use foresail_crds::pipeline::spec::Target;
use foresail_crds::records::FeatureRecord;

use crate::fitted_model::FittedModel;
use crate::sizes::{Input, Sizes};
use crate::{ModelError, scaler};

/// A model ready to be asked; shared between threads.
#[derive(Clone, Debug)]
pub struct Predictor {
    model: FittedModel,
    sizes: Sizes,
    scaler: ScalerParameters,
    lookback: usize,
}

/// What is known at one bar.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Row<'a> {
    /// Raw feature values, `[features]`.
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
        let sizes = Sizes::from_manifest(manifest);
        let model = FittedModel::decode(manifest.kind, weights, &sizes)?;
        let predictor = Self::new(model, manifest.scaler.clone(), sizes);
        let declared = usize::try_from(manifest.lookback).unwrap_or(usize::MAX);
        if predictor.lookback != declared.max(1) {
            let message = format!("they read {} rows, not {declared}", predictor.lookback);
            return Err(ModelError::Weights(message));
        }
        Ok(predictor)
    }

    /// A model just fitted.
    pub fn new(model: impl Into<FittedModel>, scaler: ScalerParameters, sizes: Sizes) -> Self {
        let model = model.into();
        Self {
            lookback: model.lookback(&sizes).max(1),
            model,
            sizes,
            scaler,
        }
    }

    /// Closes of steps 1..=horizon: `[horizon]`, each finite. `rows` are `[lookback][features]`, oldest first,
    /// exactly [`Self::lookback`] of them; `close` is the close of the last one, in the unit that is asked for (raw,
    /// adjusted, or 1 for ratios).
    ///
    /// # Errors
    /// [`ModelError::Input`] for another shape, a value that is not finite or a close that is not above zero;
    /// [`ModelError::NotFinite`] when the model has diverged.
    pub fn forecast(&self, rows: &[Row<'_>], close: f64) -> Result<Vec<f64>, ModelError> {
        if !(close.is_finite() && close > 0.0) {
            let message = format!("a forecast starts at a close above zero, not at {close}");
            return Err(ModelError::Input(message));
        }
        let changes = self.changes(rows)?;
        let closes = self.to_closes(close, &changes);
        // A finite change may still be more than a close can hold.
        if closes.iter().all(|close| close.is_finite()) {
            Ok(closes)
        } else {
            Err(ModelError::NotFinite)
        }
    }

    /// Predicted change per step, `[horizon]`, in units of the target, each finite. `rows` as in [`Self::forecast`]; their
    /// closes count only where [`Self::reads_closes`].
    ///
    /// # Errors
    /// As [`Self::forecast`].
    pub fn changes(&self, rows: &[Row<'_>]) -> Result<Vec<f64>, ModelError> {
        let width = self.scaler.mean.len();
        if rows.len() != self.lookback {
            let message = format!("{} rows given, {} needed", rows.len(), self.lookback);
            return Err(ModelError::Input(message));
        }
        let is_valid = |row: &Row<'_>| {
            row.values.len() == width
                && row.values.iter().all(|v| v.is_finite())
                && row.close.is_finite()
                && row.close > 0.0
        };
        if !rows.iter().all(is_valid) {
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
        let changes = self.model.predict(&input, &self.sizes)?;
        if changes.iter().all(|c| c.is_finite()) {
            Ok(changes)
        } else {
            Err(ModelError::NotFinite)
        }
    }

    /// `close * exp(r)` for log returns, `close * (1 + r)` otherwise.
    fn to_closes(&self, close: f64, changes: &[f64]) -> Vec<f64> {
        let one = |change: &f64| match self.sizes.target {
            Target::LogReturn => close * change.exp(),
            // A price cannot fall by more than all of it.
            Target::Close => close * (1.0 + change).max(0.0),
        };
        changes.iter().map(one).collect()
    }

    /// Forecast closes in units of the close at forecast time, `[horizon]`, of changes that [`Self::changes`] gave.
    ///
    /// # Errors
    /// [`ModelError::NotFinite`].
    pub fn ratios(&self, changes: &[f64]) -> Result<Vec<f64>, ModelError> {
        let ratios = self.to_closes(1.0, changes);
        match ratios.iter().all(|ratio| ratio.is_finite()) {
            true => Ok(ratios),
            false => Err(ModelError::NotFinite),
        }
    }

    /// Whether what it predicts hangs on the closes of the rows, beside their features.
    pub fn reads_closes(&self) -> bool {
        self.model.reads_closes()
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
        self.model.encode()
    }
}

#[cfg(test)]
mod tests {
    use foresail_crds::pipeline::spec::ModelKind;

    use super::*;
    use crate::SingleModel;
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
        Predictor::new(
            SingleModel::Linear(model),
            scaler,
            sizes(2, Target::LogReturn),
        )
    }

    fn row(values: &[f64]) -> Row<'_> {
        Row { values, close: 1.0 }
    }

    #[test]
    fn rows_are_scaled_and_changes_become_closes() {
        let model = linear();
        assert_eq!(model.changes(&[row(&[4.0])]).unwrap(), [0.5, 0.1]);
        assert_eq!(
            model.forecast(&[row(&[4.0])], 100.0).unwrap(),
            [100.0 * 0.5f64.exp(), 100.0 * 0.1f64.exp()]
        );
        let scaler = ScalerParameters {
            mean: vec![0.0],
            std: vec![1.0],
        };
        let naive = Predictor::new(SingleModel::Naive, scaler, sizes(3, Target::Close));
        assert_eq!(naive.forecast(&[row(&[1.0])], 7.0).unwrap(), [7.0; 3]);
    }

    #[test]
    fn ratios_are_the_forecast_of_a_close_of_one() {
        let model = linear();
        let changes = model.changes(&[row(&[4.0])]).unwrap();
        let closes = model.forecast(&[row(&[4.0])], 1.0).unwrap();
        assert_eq!(model.ratios(&changes).unwrap(), closes);
        assert_eq!(model.ratios(&[1e6]), Err(ModelError::NotFinite));
    }

    #[test]
    fn closes_are_read_by_what_repeats_them_alone_or_in_an_ensemble() {
        let scaler = || ScalerParameters {
            mean: vec![0.0],
            std: vec![1.0],
        };
        let of =
            |model: crate::FittedModel| Predictor::new(model, scaler(), sizes(1, Target::Close));
        assert!(!linear().reads_closes());
        assert!(!of(SingleModel::Naive.into()).reads_closes());
        assert!(of(SingleModel::Seasonal(1).into()).reads_closes());
        for (member, expected) in [
            (SingleModel::Seasonal(1), true),
            (SingleModel::Naive, false),
        ] {
            let members = vec![
                (ModelKind::Naive, 1.0, SingleModel::Naive),
                (ModelKind::SeasonalNaive, 1.0, member),
            ];
            let ensemble = crate::ensemble::Ensemble::new(members).unwrap();
            assert_eq!(of(ensemble.into()).reads_closes(), expected);
        }
    }

    #[test]
    fn wrong_shapes_and_values_are_refused() {
        let model = linear();
        assert!(model.forecast(&[], 1.0).is_err());
        assert!(model.forecast(&[row(&[1.0, 2.0])], 1.0).is_err());
        assert!(model.forecast(&[row(&[f64::NAN])], 1.0).is_err());
        let free = Row {
            values: &[1.0],
            close: 0.0,
        };
        assert!(model.forecast(&[free], 1.0).is_err());
        for close in [0.0, -1.0, f64::NAN, f64::INFINITY] {
            assert!(model.forecast(&[row(&[1.0])], close).is_err(), "{close}");
        }
    }

    #[test]
    fn a_forecast_that_is_not_finite_is_refused() {
        let model = linear();
        // The change is finite in the first two, the close is not.
        for value in [4_000.0, f64::MAX] {
            assert!(model.changes(&[row(&[value])]).unwrap()[0].is_finite());
            assert_eq!(
                model.forecast(&[row(&[value])], 1.0),
                Err(ModelError::NotFinite)
            );
        }
        assert!(model.forecast(&[row(&[2_000.0])], 1.0).is_ok());
        assert_eq!(
            model.forecast(&[row(&[2_000.0])], 1e100),
            Err(ModelError::NotFinite)
        );
        // A change that is not finite could give a close that is: exp of it is 0.
        let broken = Linear {
            intercepts: vec![f64::NEG_INFINITY],
            coefficients: vec![vec![0.0]],
        };
        let scaler = ScalerParameters {
            mean: vec![0.0],
            std: vec![1.0],
        };
        let sizes = sizes(1, Target::LogReturn);
        let broken = Predictor::new(SingleModel::Linear(broken), scaler, sizes);
        assert_eq!(
            broken.forecast(&[row(&[1.0])], 1.0),
            Err(ModelError::NotFinite)
        );
    }
}

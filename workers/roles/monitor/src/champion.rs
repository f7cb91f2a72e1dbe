//! A loaded version as the model that forecasts. Used by `worker`.

use foresail_artifacts::Loaded;
use foresail_crds::records::FeatureRecord;
use foresail_model::{Predictor, Row};

use crate::forecast_tracker::{Champion, Forecaster};

struct Model(Predictor);

impl Forecaster for Model {
    fn lookback(&self) -> usize {
        self.0.lookback()
    }

    fn horizon(&self) -> usize {
        self.0.horizon()
    }

    fn closes(&self, rows: &[&FeatureRecord]) -> Result<Vec<f64>, String> {
        let close = rows.last().ok_or("there is no row")?.close;
        let known: Vec<Row<'_>> = rows.iter().copied().map(Row::from).collect();
        self.0.forecast(&known, close).map_err(|e| e.to_string())
    }
}

/// The model that makes the forecasts.
pub(crate) fn champion(version: u32, loaded: Loaded) -> Champion {
    Champion {
        version,
        fingerprint: loaded.manifest.fingerprint,
        trained_through: loaded.manifest.data.trained_through,
        forecaster: Box::new(Model(loaded.predictor)),
    }
}

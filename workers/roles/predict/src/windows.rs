//! Forecasts of windows of feature rows in the request: what every foreign protocol asks for, by the one model code.

use std::sync::Arc;

use foresail_model::{ModelError, Row, quantiles};
use foresail_protocol::{Code, Failure, Models, Outputs, Signature, Version, Windows};

use crate::registry::Here;
use crate::state::{Loaded, Panicked};

impl Here {
    /// As protocols know them, under the name of the Pipeline.
    pub(crate) fn models(&self, name: &str) -> Models {
        let version = |loaded: &Arc<Loaded>| Version {
            number: loaded.served.version,
            signature: loaded.signature(),
        };
        Models {
            name: name.to_owned(),
            champion: self.champion.as_ref().map(version),
            previous: self.previous.as_ref().map(version),
            others: self.others.iter().map(version).collect(),
        }
    }
}

/// What a version takes and gives.
pub(crate) fn signature(loaded: &Loaded) -> Signature {
    let features = loaded.feature_set.features.iter();
    let levels = loaded.quantiles.as_ref().map(|q| q.levels.clone());
    Signature {
        features: features.map(|feature| feature.name.to_string()).collect(),
        lookback: loaded.predictor.lookback(),
        reads_closes: loaded.predictor.reads_closes(),
        horizon: loaded.predictor.horizon(),
        levels: levels.unwrap_or_default(),
    }
}

/// Forecasts of all windows, in their order.
///
/// # Errors
/// A window that the model cannot be asked with; a result that is not finite; a model that panics.
pub(crate) fn forecast(
    loaded: &Loaded,
    signature: &Signature,
    windows: &Windows,
) -> Result<Outputs, Failure> {
    let computed = loaded.compute(|| changes(loaded, signature, windows));
    let failed = |_| Failure::new(Code::Internal, Panicked::MESSAGE);
    let results = computed.map_err(failed)??;
    Outputs::new(signature, windows.rows, results)
}

/// Changes and quantiles of all windows, in their order.
fn changes(
    loaded: &Loaded,
    signature: &Signature,
    windows: &Windows,
) -> Result<(Vec<f32>, Vec<f32>), Failure> {
    let width = signature.features.len().max(1);
    let (mut changes, mut levels) = (Vec::new(), Vec::new());
    let mut values: Vec<f64> = Vec::new();
    for (index, window) in windows
        .x
        .chunks_exact(width * signature.lookback)
        .enumerate()
    {
        values.clear();
        values.extend(window.iter().copied().map(f64::from));
        let closes = windows.close.as_ref().and_then(|closes| {
            let begin = index * signature.lookback;
            closes.get(begin..begin + signature.lookback)
        });
        let rows = values.chunks_exact(width).enumerate().map(|(row, values)| {
            let close = closes.and_then(|closes| closes.get(row).copied());
            // Where no close is asked for, none counts.
            let close = close.map_or(1.0, f64::from);
            Row { values, close }
        });
        let rows: Vec<Row<'_>> = rows.collect();
        let predicted = loaded.predictor.changes(&rows).map_err(failure)?;
        if let Some(known) = &loaded.quantiles {
            let ratios = loaded.predictor.ratios(&predicted).map_err(failure)?;
            let found = quantiles::changes(known, &ratios);
            let found = found.map_err(|_| Failure::not_finite())?;
            levels.extend(found.into_iter().map(|value| value as f32));
        }
        changes.extend(predicted.into_iter().map(|value| value as f32));
    }
    Ok((changes, levels))
}

fn failure(error: ModelError) -> Failure {
    match error {
        ModelError::Input(_) => Failure::invalid(error.to_string()),
        ModelError::NotFinite | ModelError::Manifest(_) | ModelError::Weights(_) => {
            Failure::not_finite()
        }
    }
}

//! Permutation importance (Breiman 2001): how much worse forecasts get when one feature is moved to
//! other rows.

use std::sync::Arc;

use foresail_crds::TrainingParameters;
use foresail_evaluation::leak_guard::block_permutation;
use foresail_model::{ModelError, Predictor};
use serde::Serialize;

use crate::data::dataset::{FeatureSnapshot, Sample};
use crate::errors::mean_squared_error;

/// Newest rows that are forecast.
const MOST_ROWS: usize = 400;

/// Importance of one feature.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Importance {
    pub feature: String,
    /// RMSE with the feature shuffled over RMSE, minus 1; near 0 for a feature without use.
    pub rise: f64,
}

/// Importance of every feature on rows the model was not fitted on, largest first.
///
/// # Errors
/// A forecast that is not finite.
pub(crate) fn importance(
    model: &Predictor,
    rows: &[&Sample],
    names: &[String],
    parameters: &TrainingParameters,
) -> Result<Vec<Importance>, ModelError> {
    let target = parameters.target;
    let rows = rows.split_at(rows.len().saturating_sub(MOST_ROWS)).1;
    let base = mean_squared_error(model, rows, target)?;
    let order = block_permutation(rows.len(), 1, parameters.seed);
    let mut importance = Vec::new();
    for (column, name) in names.iter().enumerate() {
        let shuffled: Vec<Sample> = rows
            .iter()
            .zip(&order)
            .filter_map(|(row, from)| Some(swapped(row, rows.get(*from)?, column)))
            .collect();
        let shuffled: Vec<&Sample> = shuffled.iter().collect();
        let worse = mean_squared_error(model, &shuffled, target)?;
        importance.push(Importance {
            feature: name.clone(),
            rise: if base > 0.0 {
                (worse / base).sqrt() - 1.0
            } else {
                0.0
            },
        });
    }
    importance.sort_by(|a, b| b.rise.total_cmp(&a.rise));
    Ok(importance)
}

/// `row` with one column of its whole window taken from `other`.
fn swapped(row: &Sample, other: &Sample, column: usize) -> Sample {
    let pairs = row.window.iter().zip(&other.window);
    let window = pairs.map(|(own, theirs)| {
        let mut values = own.values.to_vec();
        if let (Some(value), Some(taken)) = (values.get_mut(column), theirs.values.get(column)) {
            *value = *taken;
        }
        FeatureSnapshot::new(&values, own.close)
    });
    let window: Vec<Arc<FeatureSnapshot>> = window.collect();
    Sample {
        window,
        ..row.clone()
    }
}

#[cfg(test)]
mod tests {
    use foresail_crds::pipeline::spec::ModelKind;

    use super::*;
    use crate::fit::{SILENT, fit};
    use crate::testing::parameters;

    #[test]
    fn the_feature_that_matters_comes_first() {
        let wave = |i: usize| (i as f64 * 0.7).sin();
        let noise = |i: usize| (i as f64 * 12.9898).sin();
        let sample = |i: usize| Sample {
            symbol: 0,
            event_time: i as i64,
            close: 1.0,
            adjustment_factor: 1.0,
            window: vec![FeatureSnapshot::new(&[noise(i), wave(i)], 1.0)],
            labels: Some(vec![0.1 * wave(i)]),
            labels_end: Some(i as i64 + 1),
        };
        let samples: Vec<Sample> = (0..200).map(sample).collect();
        let rows: Vec<&Sample> = samples.iter().collect();
        let spec = serde_json::json!({"model": {"kind": "Linear", "ridge": "0.001"}, "horizon": 1, "target": "Close"});
        let parameters = parameters(spec);
        let model = fit(ModelKind::Linear, &rows, &parameters, SILENT).unwrap();
        let names = ["noise".to_string(), "wave".to_string()];
        let found = importance(&model, &rows, &names, &parameters).unwrap();
        assert_eq!(found[0].feature, "wave");
        assert!(
            found[0].rise > 1.0 && found[1].rise < 0.1 * found[0].rise,
            "{found:?}"
        );
    }
}

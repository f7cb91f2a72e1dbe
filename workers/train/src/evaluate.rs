//! Errors of a model on rows it was not fitted on, in relative price units: forecast minus actual
//! close, divided by the close at forecast time.

use foresail_crds::model_manifest::Evaluation;
use foresail_crds::pipeline::spec::{ModelKind, Target};
use foresail_model::{ModelError, Predictor};

use crate::dataset::Sample;

/// Mean squared relative error per sample and step for one sample.
pub(crate) fn squared_errors(
    model: &Predictor,
    sample: &Sample,
    target: Target,
) -> Result<Vec<f64>, ModelError> {
    Ok(errors(model, sample, target)?
        .into_iter()
        .map(|e| e * e)
        .collect())
}

/// Mean over samples and steps; infinity without samples.
///
/// # Errors
/// A prediction that is not finite.
pub(crate) fn mean_squared_error(
    model: &Predictor,
    samples: &[&Sample],
    target: Target,
) -> Result<f64, ModelError> {
    let (mut sum, mut count) = (0.0, 0usize);
    for sample in samples {
        for square in squared_errors(model, sample, target)? {
            sum += square;
            count += 1;
        }
    }
    Ok(if count > 0 {
        sum / count as f64
    } else {
        f64::INFINITY
    })
}

fn errors(model: &Predictor, sample: &Sample, target: Target) -> Result<Vec<f64>, ModelError> {
    let forecast = model.to_closes(1.0, &model.predict(&sample.rows(model.lookback()))?);
    let actual = sample.labels.as_deref().unwrap_or_default();
    Ok(forecast
        .iter()
        .zip(actual)
        .map(|(f, label)| f - relative(*label, target))
        .collect())
}

/// Actual close relative to the close at forecast time.
fn relative(label: f64, target: Target) -> f64 {
    match target {
        Target::LogReturn => label.exp(),
        Target::Close => 1.0 + label,
    }
}

/// Evaluates `model` on `samples`; `naive_mae` is the naive forecast's MAE on the training rows.
///
/// # Errors
/// A prediction that is not finite.
pub(crate) fn evaluate(
    kind: ModelKind,
    model: &Predictor,
    samples: &[&Sample],
    target: Target,
    naive_mae: f64,
) -> Result<Evaluation, ModelError> {
    let steps = model.horizon();
    let (mut squares, mut absolute, mut right) = (vec![0.0; steps], 0.0, 0usize);
    for sample in samples {
        for (sum, error) in squares.iter_mut().zip(errors(model, sample, target)?) {
            *sum += error * error;
            absolute += error.abs();
        }
        let forecast = model
            .predict(&sample.rows(model.lookback()))?
            .last()
            .copied()
            .unwrap_or(0.0);
        let actual = sample
            .labels
            .as_ref()
            .and_then(|l| l.last())
            .copied()
            .unwrap_or(0.0);
        right += usize::from(forecast * actual > 0.0);
    }
    let rows = samples.len().max(1) as f64;
    let count = rows * steps.max(1) as f64;
    let mae = absolute / count;
    Ok(Evaluation {
        kind,
        count: samples.len() as u64,
        rmse: (squares.iter().sum::<f64>() / count).sqrt(),
        mae,
        mase: if naive_mae > 0.0 {
            mae / naive_mae
        } else {
            0.0
        },
        directional_accuracy: right as f64 / rows,
        rmse_per_step: squares.iter().map(|s| (s / rows).sqrt()).collect(),
    })
}

#[cfg(test)]
mod tests {
    use foresail_model::Part;

    use super::*;
    use crate::dataset::Past;
    use crate::fit;

    #[test]
    fn naive_errors_by_hand() {
        let sample = Sample {
            symbol: 0,
            event_time: 0,
            close: 50.0,
            adjustment_factor: 2.0,
            window: vec![Past::of(&[0.0], 100.0)],
            labels: Some(vec![0.1, -0.3]),
            labels_end: Some(2),
        };
        let scaler = foresail_model::scaler::fit(&[&[0.0]]);
        let spec = serde_json::json!({"model": {"kind": "Naive"}, "horizon": 2});
        let sizes = fit::sizes(&serde_json::from_value(spec).unwrap(), 1);
        let naive = Predictor::new(Part::Naive, scaler, sizes);
        let found = evaluate(ModelKind::Naive, &naive, &[&sample], Target::Close, 0.1).unwrap();
        assert!((found.rmse - (0.05f64).sqrt()).abs() < 1e-12, "{found:?}");
        assert!((found.mae - 0.2).abs() < 1e-12 && (found.mase - 2.0).abs() < 1e-9);
        assert_eq!(found.directional_accuracy, 0.0);
    }
}

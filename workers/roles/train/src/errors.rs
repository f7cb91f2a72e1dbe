//! Forecasts beside their outcomes: records for `foresail_evaluation`, and squared errors.

use foresail_crds::pipeline::spec::Target;
use foresail_evaluation::Record;
use foresail_model::{ModelError, Predictor};

use crate::data::dataset::Sample;

/// One record per step of one sample. The actual close is the labels': adjusted as the Pipeline declares,
/// in share units of the day of the forecast. `fold` is only noted.
///
/// # Errors
/// A prediction that is not finite.
pub(crate) fn records(
    model: &Predictor,
    sample: &Sample,
    target: Target,
    fold: usize,
) -> Result<Vec<Record>, ModelError> {
    let forecasts = model.forecast(&sample.rows(model.lookback()), 1.0)?;
    let labels = sample.labels.as_deref().unwrap_or_default();
    let steps = forecasts.iter().zip(labels).enumerate();
    let record = |(step, (forecast, label)): (usize, (&f64, &f64))| Record {
        fold,
        symbol: sample.symbol,
        event_time: sample.event_time,
        step: step + 1,
        forecast: forecast * sample.close,
        actual: relative(*label, target) * sample.close,
        close: sample.close,
        naive: sample.close,
    };
    Ok(steps.map(record).collect())
}

/// Squared errors per step of one sample, relative to the close at forecast time.
pub(crate) fn squared_errors(
    model: &Predictor,
    sample: &Sample,
    target: Target,
) -> Result<Vec<f64>, ModelError> {
    let records = records(model, sample, target, 0)?;
    let square = |r: &Record| ((r.forecast - r.actual) / r.close).powi(2);
    Ok(records.iter().map(square).collect())
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

/// Actual close relative to the close at forecast time.
pub(crate) fn relative(label: f64, target: Target) -> f64 {
    match target {
        Target::LogReturn => label.exp(),
        Target::Close => 1.0 + label,
    }
}

#[cfg(test)]
mod tests {
    use foresail_model::SingleModel;
    use foresail_model::linear::Linear;

    use super::*;
    use crate::data::dataset::FeatureSnapshot;
    use crate::fit;

    #[test]
    fn naive_errors_by_hand() {
        let sample = Sample {
            symbol: 0,
            event_time: 0,
            close: 50.0,
            adjustment_factor: 2.0,
            window: vec![FeatureSnapshot::new(&[0.0], 100.0)],
            labels: Some(vec![0.1, -0.3]),
            labels_end: Some(2),
        };
        let scaler = foresail_model::scaler::fit(&[&[0.0]]);
        let spec = serde_json::json!({"model": {"kind": "Naive"}, "horizon": 2});
        let sizes = fit::sizes(&crate::testing::parameters(spec), 1);
        let naive = Predictor::new(SingleModel::Naive, scaler, sizes);
        let found = squared_errors(&naive, &sample, Target::Close).unwrap();
        assert!((found[0] - 0.01).abs() < 1e-12 && (found[1] - 0.09).abs() < 1e-12);
        let records = records(&naive, &sample, Target::Close, 3).unwrap();
        assert_eq!((records[1].step, records[1].fold), (2, 3));
        assert!((records[1].actual - 35.0).abs() < 1e-9 && records[1].forecast == 50.0);
        let mean = mean_squared_error(&naive, &[&sample], Target::Close).unwrap();
        assert!((mean - 0.05).abs() < 1e-12);
        assert_eq!(
            mean_squared_error(&naive, &[], Target::Close).unwrap(),
            f64::INFINITY
        );
    }

    #[test]
    fn a_close_that_is_not_finite_is_refused() {
        let spec = serde_json::json!({"model": {"kind": "Linear"}, "horizon": 1});
        let sizes = fit::sizes(&crate::testing::parameters(spec), 1);
        let linear = Linear {
            intercepts: vec![1_000.0],
            coefficients: vec![vec![0.0]],
        };
        let scaler = foresail_model::scaler::fit(&[&[0.0]]);
        let model = Predictor::new(SingleModel::Linear(linear), scaler, sizes);
        let sample = Sample {
            symbol: 0,
            event_time: 0,
            close: 50.0,
            adjustment_factor: 1.0,
            window: vec![FeatureSnapshot::new(&[0.0], 50.0)],
            labels: Some(vec![0.1]),
            labels_end: Some(1),
        };
        let found = records(&model, &sample, Target::LogReturn, 0);
        assert_eq!(found.unwrap_err(), ModelError::NotFinite);
    }
}

//! Golden requests: what a trained model answers to a few windows, written down when it is trained and asked again
//! wherever it is loaded, before it takes requests.

use foresail_crds::model_manifest::{GoldenRequest, GoldenRequests};

use crate::{ModelError, Predictor, Row};

/// Largest difference that is rounding: other instructions add in another order, in single precision.
const TOLERANCE: f64 = 1e-5;
/// Most requests of one artifact.
pub const MOST_REQUESTS: usize = 4;
/// Most values of all windows of one artifact.
const MOST_VALUES: usize = 1 << 16;

/// A request that is not answered as it was when the model was trained.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum Mismatch {
    /// The model gives no answer.
    #[error("golden request {request} is not answered: {cause}")]
    Unanswered {
        /// Number of the request, from 1.
        request: usize,
        /// Why.
        cause: ModelError,
    },
    /// Another number of steps.
    #[error("golden request {request} has {found} steps, expected {expected}")]
    Steps {
        /// Number of the request, from 1.
        request: usize,
        /// Steps of the answer.
        found: usize,
        /// Steps that are expected.
        expected: usize,
    },
    /// Another value.
    #[error(
        "golden request {request} gives {found} at step {step}, expected {expected} within {tolerance}"
    )]
    Value {
        /// Number of the request, from 1.
        request: usize,
        /// Step, from 1.
        step: usize,
        /// What the model gives.
        found: f64,
        /// What it gave when it was trained.
        expected: f64,
        /// Largest difference that is allowed.
        tolerance: f64,
    },
}

/// Asks a model that was just trained. A window that does not fit into a request, since single precision cannot hold its
/// values, and one without a finite answer are left out; `None` where nothing is left.
pub fn ask<'a>(
    predictor: &Predictor,
    windows: impl IntoIterator<Item = Vec<Row<'a>>>,
) -> Option<GoldenRequests> {
    let mut left = MOST_VALUES;
    let requests = windows.into_iter().filter_map(|window| {
        let values = window.iter().map(|row| row.values.len() + 1).sum();
        let room = left.checked_sub(values)?;
        let request = answered(predictor, &window)?;
        left = room;
        Some(request)
    });
    let requests: Vec<GoldenRequest> = requests.take(MOST_REQUESTS).collect();
    (!requests.is_empty()).then_some(GoldenRequests {
        tolerance: TOLERANCE,
        requests,
    })
}

fn answered(predictor: &Predictor, window: &[Row<'_>]) -> Option<GoldenRequest> {
    let single = |values: &[f64]| values.iter().map(|value| *value as f32).collect();
    let closes: Vec<f64> = window.iter().map(|row| row.close).collect();
    let mut request = GoldenRequest {
        x: window.iter().map(|row| single(row.values)).collect(),
        close: predictor.reads_closes().then(|| single(&closes)),
        y: Vec::new(),
    };
    request.y = changes(predictor, &request).ok()?;
    Some(request)
}

/// Asks a model that was just loaded.
///
/// # Errors
/// The first request that is not answered as it was.
pub fn check(predictor: &Predictor, golden: &GoldenRequests) -> Result<(), Mismatch> {
    let requests = golden.requests.iter().enumerate();
    requests
        .map(|(index, request)| (index + 1, request))
        .try_for_each(|(number, request)| check_one(predictor, golden.tolerance, (number, request)))
}

fn check_one(
    predictor: &Predictor,
    tolerance: f64,
    (number, request): (usize, &GoldenRequest),
) -> Result<(), Mismatch> {
    let unanswered = |cause| Mismatch::Unanswered {
        request: number,
        cause,
    };
    let found = changes(predictor, request).map_err(unanswered)?;
    if found.len() != request.y.len() {
        return Err(Mismatch::Steps {
            request: number,
            found: found.len(),
            expected: request.y.len(),
        });
    }
    let is_other = |(found, expected): &(f64, f64)| {
        let allowed = tolerance * expected.abs().max(1.0);
        let differ = (found - expected).abs();
        // Nothing that is not finite is alike.
        !differ.is_finite() || differ > allowed
    };
    let mut pairs = found.into_iter().zip(request.y.iter().copied());
    match pairs.by_ref().enumerate().find(|(_, pair)| is_other(pair)) {
        None => Ok(()),
        Some((step, (found, expected))) => Err(Mismatch::Value {
            request: number,
            step: step + 1,
            found,
            expected,
            tolerance,
        }),
    }
}

/// The answer as a client gets it, but for the precision in which it is sent.
fn changes(predictor: &Predictor, request: &GoldenRequest) -> Result<Vec<f64>, ModelError> {
    let wide = |row: &Vec<f32>| row.iter().copied().map(f64::from).collect();
    let rows: Vec<Vec<f64>> = request.x.iter().map(wide).collect();
    let close = |row: usize| match &request.close {
        Some(closes) => closes.get(row).copied().map(f64::from),
        // Where no close is asked for, none counts.
        None => Some(1.0),
    };
    let row = |(index, values)| {
        let close = close(index)?;
        Some(Row { values, close })
    };
    let rows: Option<Vec<Row<'_>>> = rows
        .iter()
        .map(Vec::as_slice)
        .enumerate()
        .map(row)
        .collect();
    let uneven = || ModelError::Input("it has fewer closes than rows".into());
    predictor.changes(&rows.ok_or_else(uneven)?)
}

#[cfg(test)]
mod tests {
    use foresail_crds::model_manifest::ScalerParameters;
    use foresail_crds::pipeline::spec::Target;

    use super::*;
    use crate::linear::Linear;
    use crate::{SingleModel, Sizes};

    fn predictor(model: SingleModel) -> Predictor {
        let scaler = ScalerParameters {
            mean: vec![0.5],
            std: vec![2.0],
        };
        let sizes = Sizes {
            features: 1,
            steps: 2,
            hidden: 0,
            layers: 0,
            sequence: 1,
            season: 2,
            target: Target::Close,
        };
        Predictor::new(model, scaler, sizes)
    }

    fn linear(slope: f64) -> Predictor {
        predictor(SingleModel::Linear(Linear {
            intercepts: vec![0.25, -0.5],
            coefficients: vec![vec![slope], vec![2.0]],
        }))
    }

    fn windows<'a>(values: &'a [[f64; 1]]) -> impl Iterator<Item = Vec<Row<'a>>> {
        let row = |values: &'a [f64; 1]| Row { values, close: 7.1 };
        values.iter().map(move |values| vec![row(values)])
    }

    #[test]
    fn what_was_asked_is_answered_alike_and_another_model_is_not() {
        let values = [[0.1], [f64::MAX], [f64::NAN], [3.3]];
        let golden = ask(&linear(1.0), windows(&values)).unwrap();
        // What single precision cannot hold is no request.
        assert_eq!(golden.requests.len(), 2);
        assert_eq!(golden.requests[1].x, [[3.3f32]]);
        assert_eq!(golden.requests[1].close, None);
        let read: GoldenRequests =
            serde_json::from_str(&serde_json::to_string(&golden).unwrap()).unwrap();
        assert_eq!(read, golden);
        assert_eq!(check(&linear(1.0), &read), Ok(()));
        // 0.1 less 0.5 over 2 is -0.2, and 3.3 is 1.4.
        assert_eq!(check(&linear(1.0 + 4e-6), &read), Ok(()));
        let Err(Mismatch::Value {
            request: 1,
            step: 1,
            found,
            expected,
            ..
        }) = check(&linear(1.5), &read)
        else {
            panic!("another slope passes");
        };
        assert!((found + 0.05).abs() < 1e-7 && (expected - 0.05).abs() < 1e-7);
    }

    #[test]
    fn an_answer_of_another_shape_or_none_is_no_match() {
        let mut golden = ask(&linear(1.0), windows(&[[0.1], [0.2]])).unwrap();
        golden.requests[1].y.push(0.0);
        let steps = Mismatch::Steps {
            request: 2,
            found: 2,
            expected: 3,
        };
        assert_eq!(check(&linear(1.0), &golden), Err(steps));
        golden.requests[1].x.clear();
        let error = check(&linear(1.0), &golden).unwrap_err();
        assert!(
            error
                .to_string()
                .starts_with("golden request 2 is not answered: "),
            "{error}"
        );
        golden.requests[0].y[1] = f64::NAN;
        let error = check(&linear(1.0), &golden).unwrap_err();
        assert!(
            matches!(
                error,
                Mismatch::Value {
                    request: 1,
                    step: 2,
                    ..
                }
            ),
            "{error}"
        );
    }

    #[test]
    fn kinds_that_repeat_closes_are_asked_with_them() {
        let seasonal = predictor(SingleModel::Seasonal(2));
        let row = |close| Row {
            values: &[1.0],
            close,
        };
        let window = vec![row(50.0), row(100.0)];
        let mut golden = ask(&seasonal, [window]).unwrap();
        assert_eq!(golden.requests[0].close, Some(vec![50.0, 100.0]));
        assert_eq!(check(&seasonal, &golden), Ok(()));
        golden.requests[0].close = Some(vec![50.0]);
        assert!(check(&seasonal, &golden).is_err());
    }

    #[test]
    fn an_artifact_holds_few_requests() {
        let values: Vec<[f64; 1]> = (0..10).map(|n| [f64::from(n)]).collect();
        let golden = ask(&linear(1.0), windows(&values)).unwrap();
        assert_eq!(golden.requests.len(), MOST_REQUESTS);
        assert_eq!(ask(&linear(1.0), windows(&[[f64::INFINITY]])), None);
        let wide = vec![Row {
            values: &[1.0; MOST_VALUES],
            close: 1.0,
        }];
        assert_eq!(ask(&linear(1.0), [wide]), None);
    }
}

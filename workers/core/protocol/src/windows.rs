//! The tensors of a request as windows that a model can be asked with, and what it answers.

use crate::answer::Failure;
use crate::json;
use crate::signature::{CLOSE, QUANTILES, Signature, Spec, X, Y};
use crate::tensor::{Tensor, show};

/// Windows of feature rows, checked against the signature: every value is finite, every close above zero.
#[derive(Clone, Debug, PartialEq)]
pub struct Windows {
    /// How many.
    pub rows: usize,
    /// Raw feature values, `[rows, lookback, features]`.
    pub x: Vec<f32>,
    /// Adjusted closes, `[rows, lookback]`; absent where the version needs none.
    pub close: Option<Vec<f32>>,
}

impl Windows {
    /// Takes the tensors of a request.
    ///
    /// # Errors
    /// An input too few, too many, twice, of another shape, or with a value that cannot be used; too many windows.
    pub fn new(
        model: &str,
        signature: &Signature,
        mut inputs: Vec<(String, Tensor)>,
    ) -> Result<Self, Failure> {
        let mut take = |spec: &Spec| {
            let found = inputs.iter().position(|(name, _)| name == spec.name);
            found.map(|index| inputs.swap_remove(index).1)
        };
        let mut taken = Vec::new();
        for spec in signature.inputs() {
            let tensor = take(&spec).ok_or_else(|| {
                let name = spec.name;
                Failure::invalid(format!(
                    "missing inference input '{name}' for model '{model}'"
                ))
            })?;
            check(model, &spec, &tensor)?;
            taken.push((spec.name, tensor));
        }
        if let Some((name, _)) = inputs.first() {
            let message = format!("unexpected inference input '{name}' for model '{model}'");
            return Err(Failure::invalid(message));
        }
        let rows = rows(signature, &taken)?;
        let mut values = |wanted: &str| {
            let found = taken.iter().position(|(name, _)| *name == wanted)?;
            Some(taken.swap_remove(found).1.into_values())
        };
        Ok(Self {
            rows,
            x: values(X).unwrap_or_default(),
            close: values(CLOSE),
        })
    }
}

/// Whether a tensor has the shape of its input and values that can be used.
fn check(model: &str, spec: &Spec, tensor: &Tensor) -> Result<(), Failure> {
    let name = spec.name;
    let known = spec.shape.get(1..).unwrap_or_default().iter();
    let fits = match tensor.shape().split_first() {
        Some((_, sizes)) => sizes
            .iter()
            .map(|size| i64::try_from(*size).ok())
            .eq(known.map(|s| Some(*s))),
        None => false,
    };
    if !fits {
        let message = format!(
            "unexpected shape for input '{name}' for model '{model}'. Expected {}, got {}",
            show(&spec.shape),
            show(tensor.shape())
        );
        return Err(Failure::invalid(message));
    }
    if !tensor.values().iter().all(|value| value.is_finite()) {
        let message = format!("input '{name}' holds a value that is not finite");
        return Err(Failure::invalid(message));
    }
    if name == CLOSE && tensor.values().iter().any(|close| *close <= 0.0) {
        let message = "input 'close' holds a value that is not above zero";
        return Err(Failure::invalid(message));
    }
    Ok(())
}

/// Windows of a request: as many in every input.
fn rows(signature: &Signature, inputs: &[(&str, Tensor)]) -> Result<usize, Failure> {
    let first = |tensor: &Tensor| tensor.shape().first().copied().unwrap_or(0);
    let rows = inputs.first().map_or(0, |(_, tensor)| first(tensor));
    if let Some((name, other)) = inputs.iter().find(|(_, tensor)| first(tensor) != rows) {
        let message = format!(
            "Tensor name: {name} has inconsistent batch size: {} expecting: {rows}",
            first(other)
        );
        return Err(Failure::invalid(message));
    }
    let most = signature.most_rows();
    match rows {
        0 => Err(Failure::invalid("the request holds no window")),
        rows if rows > most => {
            let message = format!("the request holds {rows} windows, at most {most} are answered");
            Err(Failure::invalid(message))
        }
        rows => Ok(rows),
    }
}

/// A request that can be answered.
#[derive(Clone, Debug, PartialEq)]
pub struct Call<F> {
    /// What the model is asked with.
    pub windows: Windows,
    /// How the protocol wants the answer.
    pub form: F,
}

/// What a model answered: every value is finite.
#[derive(Clone, Debug, PartialEq)]
pub struct Outputs(Vec<(&'static str, Tensor)>);

impl Outputs {
    /// Takes the forecasts of `rows` windows: changes `[rows, horizon]`, and quantiles `[rows, horizon, levels]` where the
    /// signature has levels.
    ///
    /// # Errors
    /// `Internal` for a value that is not finite, or another number of values.
    pub fn new(
        signature: &Signature,
        rows: usize,
        (y, quantiles): (Vec<f32>, Vec<f32>),
    ) -> Result<Self, Failure> {
        let mut values = [(Y, y), (QUANTILES, quantiles)];
        let mut outputs = Vec::new();
        for spec in signature.outputs() {
            let known = spec.shape.iter().skip(1);
            let known = known.map(|size| usize::try_from(*size).unwrap_or(0));
            let shape: Vec<usize> = [rows].into_iter().chain(known).collect();
            let found = values.iter_mut().find(|(name, _)| *name == spec.name);
            let found = found
                .map(|(_, values)| std::mem::take(values))
                .unwrap_or_default();
            let tensor =
                Tensor::new(shape, found).filter(|t| t.values().iter().all(|v| v.is_finite()));
            outputs.push((spec.name, tensor.ok_or_else(Failure::not_finite)?));
        }
        Ok(Self(outputs))
    }

    /// All of them, by name, the forecast first.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&'static str, &Tensor)> {
        self.0.iter().map(|(name, tensor)| (*name, tensor))
    }

    /// Appends them as JSON: one alone bare, several in an object by their names.
    pub(crate) fn write_columns(&self, out: &mut String) {
        if let [(_, only)] = self.0.as_slice() {
            return json::nested(out, only.shape(), only.values());
        }
        for (index, (name, tensor)) in self.iter().enumerate() {
            out.push(if index == 0 { '{' } else { ',' });
            json::text(out, name);
            out.push(':');
            json::nested(out, tensor.shape(), tensor.values());
        }
        out.push('}');
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::answer::Code;

    fn signature(reads_closes: bool) -> Signature {
        Signature {
            features: vec!["a".into(), "b".into()],
            lookback: 2,
            reads_closes,
            horizon: 1,
            levels: vec![],
        }
    }

    fn tensor(shape: &[usize], value: f32) -> Tensor {
        let count = shape.iter().product();
        Tensor::new(shape.to_vec(), vec![value; count]).unwrap()
    }

    fn windows(reads_closes: bool, inputs: &[(&str, Tensor)]) -> Result<Windows, String> {
        let inputs = inputs
            .iter()
            .map(|(name, tensor)| ((*name).to_owned(), tensor.clone()));
        let windows = Windows::new("m", &signature(reads_closes), inputs.collect());
        windows.map_err(|failure| failure.message)
    }

    #[test]
    fn inputs_are_taken_by_name_and_checked() {
        let (x, close) = (tensor(&[3, 2, 2], 1.0), tensor(&[3, 2], 9.0));
        let both = windows(true, &[("x", x.clone()), ("close", close.clone())]).unwrap();
        assert_eq!(
            (both.rows, both.x.len(), both.close.unwrap().len()),
            (3, 12, 6)
        );
        for (reads_closes, inputs, message) in [
            (
                true,
                vec![("x", x.clone())],
                "missing inference input 'close' for model 'm'",
            ),
            (
                false,
                vec![("x", x.clone()), ("z", x.clone())],
                "unexpected inference input 'z' for model 'm'",
            ),
            (
                false,
                vec![("x", x.clone()), ("x", x.clone())],
                "unexpected inference input 'x' for model 'm'",
            ),
            (
                false,
                vec![("x", tensor(&[2, 2], 1.0))],
                "unexpected shape for input 'x' for model 'm'. Expected [-1,2,2], got [2,2]",
            ),
            (
                false,
                vec![("x", tensor(&[], 1.0))],
                "unexpected shape for input 'x' for model 'm'. Expected [-1,2,2], got []",
            ),
            (
                false,
                vec![("x", tensor(&[1, 2, 2], f32::NAN))],
                "input 'x' holds a value that is not finite",
            ),
            (
                true,
                vec![("x", x.clone()), ("close", tensor(&[3, 2], 0.0))],
                "input 'close' holds a value that is not above zero",
            ),
            (
                true,
                vec![("x", x.clone()), ("close", tensor(&[1, 2], 1.0))],
                "Tensor name: x has inconsistent batch size: 3 expecting: 1",
            ),
            (
                false,
                vec![("x", tensor(&[0, 2, 2], 1.0))],
                "the request holds no window",
            ),
            (
                false,
                vec![("x", tensor(&[8_193, 2, 2], 1.0))],
                "the request holds 8193 windows, at most 8192 are answered",
            ),
        ] {
            assert_eq!(windows(reads_closes, &inputs).unwrap_err(), message);
        }
    }

    #[test]
    fn a_result_that_is_not_finite_is_none() {
        let signature = signature(false);
        for value in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
            let failure = Outputs::new(&signature, 1, (vec![value], vec![])).unwrap_err();
            assert_eq!(failure.code, Code::Internal);
        }
        let outputs = Outputs::new(&signature, 2, (vec![1.0, 2.0], vec![])).unwrap();
        assert_eq!(outputs.iter().next().unwrap().1.shape(), [2, 1]);
    }

    #[test]
    fn answers_are_bounded_with_their_requests() {
        let mut wide = signature(false);
        assert_eq!(wide.most_rows(), 8_192);
        wide.horizon = 60;
        wide.levels = vec![0.5; 99];
        assert_eq!(wide.most_rows(), (1 << 20) / 6_000);
    }
}

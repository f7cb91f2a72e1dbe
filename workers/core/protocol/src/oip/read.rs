//! The body of `infer`: JSON, then the raw tensors that it announces, in its order.

use super::binary::{self, Place};
use super::document::{self, Bad, Form, Input, Wish, bad, missing};
use crate::answer::Failure;
use crate::signature::Signature;
use crate::tensor::{Tensor, count};
use crate::windows::{Call, Windows};

/// Reads a body. `json_length` is the header `Inference-Header-Content-Length`, where it is there.
///
/// # Errors
/// What is wrong with it.
pub(crate) fn read(
    model: &str,
    signature: &Signature,
    body: &[u8],
    json_length: Option<&str>,
) -> Result<Call<Form>, Failure> {
    let invalid = |Bad(message): Bad| Failure::invalid(message);
    let length = json_length.map_or(Ok(body.len()), |text| {
        let length = text
            .trim()
            .parse::<usize>()
            .ok()
            .filter(|length| *length <= body.len());
        length.ok_or_else(|| {
            Failure::invalid(format!(
                "Unable to parse 'Inference-Header-Content-Length': {text}"
            ))
        })
    })?;
    if json_length.is_some() && length == 0 {
        let windows = whole(model, signature, body)?;
        let form = Form {
            binary: true,
            ..Form::default()
        };
        return Ok(Call { windows, form });
    }
    let (json, raw) = body.split_at(length);
    let document = document::read(json).map_err(invalid)?;
    let inputs = document.inputs.ok_or_else(|| {
        Failure::invalid(
            "Unable to parse 'inputs': attempt to access non-existing object member 'inputs'",
        )
    })?;
    let inputs = tensors(model, inputs, raw).map_err(invalid)?;
    let windows = Windows::new(model, signature, inputs)?;
    check_outputs(model, signature, &document.form)?;
    Ok(Call {
        windows,
        form: document.form,
    })
}

/// Whether the outputs that are asked for are those of the model.
///
/// # Errors
/// The first one that is not.
pub(super) fn check_outputs(
    model: &str,
    signature: &Signature,
    form: &Form,
) -> Result<(), Failure> {
    let known = signature.outputs();
    let is_known = |wish: &&Wish| known.iter().any(|spec| spec.name == wish.name);
    match form.outputs.iter().find(|wish| !is_known(wish)) {
        Some(Wish { name, .. }) => Err(Failure::invalid(format!(
            "unexpected inference output '{name}' for model '{model}'"
        ))),
        None => Ok(()),
    }
}

/// A body that is one raw tensor: that of the only input.
fn whole(model: &str, signature: &Signature, body: &[u8]) -> Result<Windows, Failure> {
    let specs = signature.inputs();
    let [only] = specs.as_slice() else {
        let message = format!(
            "Raw request must only have 1 input (found {}) to be deduced but got {} inputs in '{model}' model configuration",
            specs.len(),
            specs.len()
        );
        return Err(Failure::invalid(message));
    };
    let known = only
        .shape
        .iter()
        .skip(1)
        .map(|size| usize::try_from(*size).unwrap_or(0));
    let known: Vec<usize> = known.collect();
    let width = count(&known).unwrap_or(0).max(1);
    let values = binary::floats("FP32", body).filter(|values| values.len() % width == 0);
    let shaped = values.and_then(|values| {
        let rows = values.len() / width;
        Tensor::new([vec![rows], known].concat(), values)
    });
    let tensor = shaped.ok_or_else(|| {
        Failure::invalid(format!(
            "unexpected size for input '{}', expecting a multiple of {} bytes for model '{model}'",
            only.name,
            width * 4
        ))
    })?;
    Windows::new(model, signature, vec![(only.name.to_owned(), tensor)])
}

/// Inputs with their values, from the JSON or from the raw tensors behind it.
fn tensors(model: &str, inputs: Vec<Input>, mut raw: &[u8]) -> Result<Vec<(String, Tensor)>, Bad> {
    let mut found = Vec::new();
    for input in inputs {
        let name = input.name.ok_or_else(|| missing("name"))?;
        let datatype = input.datatype.ok_or_else(|| missing("datatype"))?;
        let shape = input.shape.ok_or_else(|| missing("shape"))?;
        let place = Place { model, name: &name };
        if binary::width(&datatype).is_none() {
            return bad(place.no_number(&datatype));
        }
        let tensor = match (input.data, input.raw) {
            (Some(data), None) => data.reshaped(shape).ok_or_else(|| {
                Bad(
                    "Unable to parse 'data': Shape does not match true shape of 'data' field"
                        .into(),
                )
            })?,
            (None, Some(bytes)) => {
                let (own, rest) = raw
                    .split_at_checked(bytes)
                    .ok_or_else(|| Bad(place.wrong_size(&datatype, &shape)))?;
                raw = rest;
                binary::tensor(place, &datatype, shape, own).map_err(Bad)?
            }
            _ => {
                return bad(format!(
                    "input '{name}' must have either 'data' or the parameter 'binary_data_size'"
                ));
            }
        };
        found.push((name, tensor));
    }
    match raw.is_empty() {
        true => Ok(found),
        false => bad(binary::additional(model)),
    }
}

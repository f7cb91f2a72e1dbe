//! The messages that come in. `ModelInferRequest` holds its tensors in typed lists or, as nearly all clients send them, in one raw
//! list behind its inputs.

use super::wire::{Fields, Value, malformed};
use crate::answer::Failure;
use crate::limits::{LONGEST_NAME, MOST_DIMENSIONS, MOST_NAMES, MOST_VALUES};
use crate::oip::binary::{self, Place};
use crate::oip::document::{Form, Wish};
use crate::oip::read::check_outputs;
use crate::signature::Signature;
use crate::tensor::Tensor;
use crate::windows::{Call, Windows};

/// Typed lists of numbers by their field, with the datatypes that they hold, the widest first.
const TYPED: [(u64, &[&str]); 8] = [
    (1, &["BOOL"]),
    (2, &["INT32", "INT16", "INT8"]),
    (3, &["INT64"]),
    (4, &["UINT32", "UINT16", "UINT8"]),
    (5, &["UINT64"]),
    (6, &["FP32"]),
    (7, &["FP64"]),
    (8, &["BYTES"]),
];

/// Texts of a message by the numbers of their fields; empty where there is none.
pub(super) fn names<const N: usize>(
    message: &[u8],
    numbers: [u64; N],
) -> Result<[&str; N], Failure> {
    let mut found = [""; N];
    let mut fields = Fields(message);
    while let Some((number, value)) = fields.next()? {
        let wanted = numbers.iter().zip(&mut found).find(|(n, _)| **n == number);
        if let Some((_, place)) = wanted {
            *place = text(value)?;
        }
    }
    Ok(found)
}

/// The model that a request names, and the version where it names one.
pub(super) fn named(message: &[u8]) -> Result<(&str, Option<&str>), Failure> {
    let [model, version] = names(message, [1, 2])?;
    Ok((model, (!version.is_empty()).then_some(version)))
}

fn text(value: Value<'_>) -> Result<&str, Failure> {
    let bytes = value.bytes()?;
    if bytes.len() > LONGEST_NAME {
        let what = format!("a name of more than {LONGEST_NAME} bytes");
        return Err(malformed(&what));
    }
    str::from_utf8(bytes).map_err(|_| malformed("a text that is not UTF-8"))
}

/// One input as written.
#[derive(Default)]
struct Input<'a> {
    name: &'a str,
    datatype: &'a str,
    shape: Vec<i64>,
    contents: Option<Contents>,
}

/// The typed lists of an input.
#[derive(Default)]
struct Contents {
    /// Field of the list that holds something.
    field: Option<u64>,
    /// Whether another one does too.
    is_mixed: bool,
    values: Vec<f32>,
}

/// Reads a `ModelInferRequest`.
pub(super) fn infer(
    model: &str,
    signature: &Signature,
    message: &[u8],
) -> Result<Call<Form>, Failure> {
    let mut form = Form::default();
    let (mut inputs, mut raw) = (Vec::new(), Vec::new());
    let mut fields = Fields(message);
    while let Some((number, value)) = fields.next()? {
        match number {
            3 => {
                let id = text(value)?;
                form.id = (!id.is_empty()).then(|| id.to_owned());
            }
            5 => push(&mut inputs, "inputs", input(value.bytes()?)?)?,
            6 => {
                let [name] = names(value.bytes()?, [1])?;
                let wish = Wish {
                    name: name.to_owned(),
                    binary: None,
                };
                push(&mut form.outputs, "outputs", wish)?;
            }
            7 => push(&mut raw, "raw_input_contents", value.bytes()?)?,
            _ => {}
        }
    }
    form.binary = !raw.is_empty();
    let inputs = tensors(model, inputs, &raw)?;
    let windows = Windows::new(model, signature, inputs)?;
    check_outputs(model, signature, &form)?;
    Ok(Call { windows, form })
}

fn push<T>(list: &mut Vec<T>, field: &str, item: T) -> Result<(), Failure> {
    if list.len() >= MOST_NAMES {
        let message = format!("Unable to parse '{field}': more than {MOST_NAMES} are not read");
        return Err(Failure::invalid(message));
    }
    list.push(item);
    Ok(())
}

fn input(message: &[u8]) -> Result<Input<'_>, Failure> {
    let mut found = Input::default();
    let mut fields = Fields(message);
    while let Some((number, value)) = fields.next()? {
        match number {
            1 => found.name = text(value)?,
            2 => found.datatype = text(value)?,
            3 => value.integers(|size| {
                if found.shape.len() >= MOST_DIMENSIONS {
                    return Err(Failure::invalid(format!(
                        "Unable to parse 'shape': more than {MOST_DIMENSIONS} dimensions are not read"
                    )));
                }
                found.shape.push(size.cast_signed());
                Ok(())
            })?,
            // A message that comes in parts is one message.
            5 => contents(value.bytes()?, found.contents.get_or_insert_default())?,
            _ => {}
        }
    }
    Ok(found)
}

fn contents(message: &[u8], found: &mut Contents) -> Result<(), Failure> {
    let mut fields = Fields(message);
    while let Some((number, value)) = fields.next()? {
        // An empty list is none.
        if number > 8 || value == Value::Bytes(&[]) && number != 8 {
            continue;
        }
        found.is_mixed |= found.field.is_some_and(|field| field != number);
        found.field = Some(number);
        match number {
            // Truth values and bytes are no numbers: it is enough to know that they are here.
            1 | 8 => {}
            2 | 3 => value.integers(|bits| take(&mut found.values, bits.cast_signed() as f32))?,
            4 | 5 => value.integers(|bits| take(&mut found.values, bits as f32))?,
            _ => floats(number, value, &mut found.values)?,
        }
    }
    Ok(())
}

fn take(values: &mut Vec<f32>, value: f32) -> Result<(), Failure> {
    if values.len() >= MOST_VALUES {
        let message =
            format!("Unable to parse 'contents': more than {MOST_VALUES} values are not read");
        return Err(Failure::invalid(message));
    }
    values.push(value);
    Ok(())
}

/// Floats of 32 bits (field 6) or 64 bits (field 7): packed they are a raw tensor.
fn floats(number: u64, value: Value<'_>, values: &mut Vec<f32>) -> Result<(), Failure> {
    match (number, value) {
        (6, Value::Fixed32(bytes)) => take(values, f32::from_le_bytes(bytes)),
        (7, Value::Fixed64(bytes)) => take(values, f64::from_le_bytes(bytes) as f32),
        (_, Value::Bytes(packed)) => {
            let datatype = if number == 6 { "FP32" } else { "FP64" };
            let more = binary::floats(datatype, packed);
            let more = more.ok_or_else(|| malformed("packed numbers that end within one"))?;
            more.into_iter().try_for_each(|value| take(values, value))
        }
        _ => Err(malformed("a field of another wire type")),
    }
}

/// Inputs with their values: from their typed lists, or the raw tensors in turn.
fn tensors(
    model: &str,
    inputs: Vec<Input<'_>>,
    raw: &[&[u8]],
) -> Result<Vec<(String, Tensor)>, Failure> {
    let mut rest = raw.iter();
    let mut found = Vec::new();
    for input in inputs {
        let name = input.name;
        let place = Place { model, name };
        let width = binary::width(input.datatype);
        width.ok_or_else(|| Failure::invalid(place.no_number(input.datatype)))?;
        let shape = shape(name, &input.shape)?;
        let tensor = match input.contents {
            Some(_) if !raw.is_empty() => Err(format!(
                "contents field must not be specified when using raw_input_contents for '{name}' for model '{model}'"
            )),
            Some(contents) => typed(place, input.datatype, shape, contents),
            None => match rest.next() {
                Some(bytes) => binary::tensor(place, input.datatype, shape, bytes),
                None => Err(format!(
                    "unable to find data for input tensor '{name}' for model '{model}' in request."
                )),
            },
        };
        found.push((name.to_owned(), tensor.map_err(Failure::invalid)?));
    }
    match rest.next() {
        None => Ok(found),
        Some(_) => Err(Failure::invalid(binary::additional(model))),
    }
}

fn shape(name: &str, sizes: &[i64]) -> Result<Vec<usize>, Failure> {
    let sizes = sizes.iter().map(|size| {
        usize::try_from(*size).map_err(|_| {
            let message = format!("input '{name}' has a shape with a negative size: {size}");
            Failure::invalid(message)
        })
    });
    sizes.collect()
}

/// The values of a typed list, which must be that of the datatype.
fn typed(
    Place { model, name }: Place<'_>,
    datatype: &str,
    shape: Vec<usize>,
    contents: Contents,
) -> Result<Tensor, String> {
    let unexpected =
        format!("unexpected explicit tensor data for input tensor '{name}' for model '{model}'");
    if contents.is_mixed {
        return Err(format!("{unexpected}, binary data was already supplied."));
    }
    let held = TYPED
        .iter()
        .find(|(field, _)| Some(*field) == contents.field);
    let held = held.map_or(&[][..], |(_, datatypes)| datatypes);
    if let Some(first) = held.first().filter(|_| !held.contains(&datatype)) {
        return Err(format!(
            "{unexpected} of type '{first}', expected datatype '{datatype}'"
        ));
    }
    let count = contents.values.len();
    let tensor = Tensor::new(shape, contents.values);
    tensor.ok_or_else(|| {
        format!("unexpected size for input '{name}': its shape does not hold {count} values for model '{model}'")
    })
}

//! The JSON of `infer`, not yet held against a model.

use crate::json::{Fault, Kind, Reader, attempt, tensor};
use crate::limits::{LONGEST_NAME, MOST_DIMENSIONS, MOST_NAMES};
use crate::tensor::Tensor;

/// How the answer is wanted.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Form {
    /// Identity of the request, repeated in the answer.
    pub(super) id: Option<String>,
    /// Outputs asked for; all of them when empty.
    pub(super) outputs: Vec<Wish>,
    /// Whether outputs that do not say otherwise are raw.
    pub(super) binary: bool,
}

/// An output that is asked for.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Wish {
    pub(super) name: String,
    pub(super) binary: Option<bool>,
}

/// One input as written.
#[derive(Default)]
pub(super) struct Input {
    pub(super) name: Option<String>,
    pub(super) datatype: Option<String>,
    pub(super) shape: Option<Vec<usize>>,
    pub(super) data: Option<Tensor>,
    /// Bytes of its raw tensor, behind the JSON.
    pub(super) raw: Option<usize>,
}

/// Parts of the JSON.
#[derive(Default)]
pub(super) struct Document {
    pub(super) form: Form,
    pub(super) inputs: Option<Vec<Input>>,
}

/// What is wrong, for the client.
pub(super) struct Bad(pub(super) String);

impl From<Fault> for Bad {
    fn from(fault: Fault) -> Self {
        Self(fault.to_string())
    }
}

pub(super) fn bad<T>(message: impl Into<String>) -> Result<T, Bad> {
    Err(Bad(message.into()))
}

/// Reads the JSON.
///
/// # Errors
/// What is wrong with it.
pub(super) fn read(json: &[u8]) -> Result<Document, Bad> {
    let mut reader = Reader::new(json);
    let mut found = Document::default();
    let parsed = attempt(&mut reader, |reader| {
        if reader.kind()? != Kind::Object {
            return bad("the request is not an object");
        }
        reader.object(|reader, name| match name {
            "id" => {
                found.form.id = Some(named_text(reader, "id")?);
                Ok(())
            }
            "parameters" => flags(reader, "binary_data_output", &mut |value| {
                found.form.binary = value;
            }),
            "inputs" => {
                found.inputs = Some(items(reader, "inputs", input)?);
                Ok(())
            }
            "outputs" => {
                found.form.outputs = items(reader, "outputs", wish)?;
                Ok(())
            }
            _ => Ok(reader.skip()?),
        })
    });
    let parsed = parsed.and_then(|parsed| reader.end().map(|()| parsed));
    let parsed = parsed.map_err(|fault| {
        let cause = match fault {
            Fault::Syntax { what, offset } => format!("{what} at {offset}"),
            other => other.to_string(),
        };
        Bad(format!("failed to parse the request JSON buffer: {cause}"))
    })?;
    parsed.map(|()| found)
}

/// A list of objects, each read by `one`.
fn items<T>(
    reader: &mut Reader<'_>,
    field: &str,
    one: impl Fn(&mut Reader<'_>) -> Result<T, Bad>,
) -> Result<Vec<T>, Bad> {
    if reader.kind()? != Kind::List {
        return bad(format!(
            "Unable to parse '{field}': attempt to access JSON non-array as array"
        ));
    }
    let mut found = Vec::new();
    reader.list(|reader, index| {
        if index >= MOST_NAMES {
            return bad(format!(
                "Unable to parse '{field}': more than {MOST_NAMES} are not read"
            ));
        }
        if reader.kind()? != Kind::Object {
            return bad(format!(
                "Unable to parse '{field}': attempt to access JSON non-object as object"
            ));
        }
        found.push(one(reader)?);
        Ok(())
    })?;
    Ok(found)
}

fn named_text(reader: &mut Reader<'_>, field: &str) -> Result<String, Bad> {
    match reader.kind()? {
        Kind::Text => Ok(reader.string(LONGEST_NAME)?.into_owned()),
        _ => bad(format!(
            "Unable to parse '{field}': attempt to access JSON non-string as string"
        )),
    }
}

/// Reads parameters, of which one flag counts.
fn flags(reader: &mut Reader<'_>, flag: &str, set: &mut dyn FnMut(bool)) -> Result<(), Bad> {
    if reader.kind()? != Kind::Object {
        return bad("Unable to parse 'parameters': attempt to access JSON non-object as object");
    }
    reader.object(|reader, name| {
        if name != flag {
            return Ok(reader.skip()?);
        }
        match reader.boolean()? {
            Some(value) => set(value),
            None => {
                return bad(format!(
                    "Unable to parse '{flag}': attempt to access JSON non-boolean as boolean"
                ));
            }
        }
        Ok(())
    })
}

fn wish(reader: &mut Reader<'_>) -> Result<Wish, Bad> {
    let mut found = Wish::default();
    let mut name = None;
    reader.object(|reader, field| match field {
        "name" => {
            name = Some(named_text(reader, "name")?);
            Ok(())
        }
        "parameters" => flags(reader, "binary_data", &mut |value| {
            found.binary = Some(value);
        }),
        _ => Ok(reader.skip()?),
    })?;
    found.name = name.ok_or_else(|| missing("name"))?;
    Ok(found)
}

pub(super) fn missing(field: &str) -> Bad {
    Bad(format!(
        "Unable to parse '{field}': attempt to access non-existing object member '{field}'"
    ))
}

fn input(reader: &mut Reader<'_>) -> Result<Input, Bad> {
    let mut found = Input::default();
    reader.object(|reader, field| {
        match field {
            "name" => found.name = Some(named_text(reader, "name")?),
            "datatype" => found.datatype = Some(named_text(reader, "datatype")?),
            "shape" => found.shape = Some(shape(reader)?),
            "data" => {
                let data = tensor(reader);
                let data = data.map_err(|fault| Bad(format!("Unable to parse 'data': {fault}")))?;
                found.data = Some(data);
            }
            "parameters" => found.raw = raw_size(reader)?,
            _ => reader.skip()?,
        }
        Ok::<(), Bad>(())
    })?;
    Ok(found)
}

fn raw_size(reader: &mut Reader<'_>) -> Result<Option<usize>, Bad> {
    if reader.kind()? != Kind::Object {
        return bad("Unable to parse 'parameters': attempt to access JSON non-object as object");
    }
    let mut found = None;
    reader.object(|reader, name| {
        if name != "binary_data_size" {
            return Ok(reader.skip()?);
        }
        found = Some(size(reader, "binary_data_size")?);
        Ok::<(), Bad>(())
    })?;
    Ok(found)
}

fn shape(reader: &mut Reader<'_>) -> Result<Vec<usize>, Bad> {
    if reader.kind()? != Kind::List {
        return bad("Unable to parse 'shape': attempt to access JSON non-array as array");
    }
    let mut sizes = Vec::new();
    reader.list(|reader, index| {
        if index >= MOST_DIMENSIONS {
            return bad(format!(
                "Unable to parse 'shape': more than {MOST_DIMENSIONS} dimensions are not read"
            ));
        }
        sizes.push(size(reader, "shape")?);
        Ok(())
    })?;
    Ok(sizes)
}

/// A whole number that is not negative.
fn size(reader: &mut Reader<'_>, field: &str) -> Result<usize, Bad> {
    let number = match reader.kind()? {
        Kind::Number => reader.number()?,
        _ => {
            return bad(format!(
                "Unable to parse '{field}': attempt to access JSON non-unsigned-integer as unsigned-integer"
            ));
        }
    };
    // Above, floats skip whole numbers.
    let is_whole = number.fract() == 0.0 && (0.0..9e15).contains(&number);
    match is_whole {
        true => Ok(number as usize),
        false => bad(format!(
            "Unable to parse '{field}': attempt to access JSON non-unsigned-integer as unsigned-integer"
        )),
    }
}

//! The body of `:predict`, in rows (`instances`) or columns (`inputs`), and its answer in the same format.

use super::describe::SIGNATURE;
use super::rows::{self, Problem};
use crate::json::{Fault, Kind, Reader, attempt, nested, tensor, text};
use crate::limits::LONGEST_NAME;
use crate::signature::Signature;
use crate::tensor::Tensor;
use crate::windows::Outputs;

/// How a request holds its tensors, and its answer then too.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// `instances`: one element per window.
    Row,
    /// `inputs`: one tensor per input.
    Columnar,
}

/// Named tensors.
pub(crate) type Inputs = Vec<(String, Tensor)>;

/// Reads the tensors of a body; bytes behind the document do not count.
pub(super) fn read(signature: &Signature, body: &[u8]) -> Result<(Format, Inputs), String> {
    if body.is_empty() {
        return Err("JSON Parse error: The document is empty".into());
    }
    let mut reader = Reader::new(body);
    let document =
        document(&mut reader, signature).map_err(|fault| format!("JSON Parse error: {fault}"))?;
    let quote = |message: &str| format!("JSON Value: {} {message}", reader.quote(0));
    let document = document.ok_or_else(|| quote("Is not object"))?;
    match document.signature_name.as_deref() {
        None | Some("" | SIGNATURE) => {}
        Some(_) if document.is_misnamed => {
            let message = "not formatted correctly. 'signature_name' key must be a string value.";
            return Err(quote(message));
        }
        Some(other) => {
            return Err(format!(
                "Serving signature name: \"{other}\" not found in signature def"
            ));
        }
    }
    let (format, inputs) = match (document.instances, document.inputs) {
        (Some(_), Some(_)) => {
            return Err(quote(
                "Not formatted correctly expecting only one of 'inputs' or 'instances' keys to exist",
            ));
        }
        (Some(rows), None) => (Format::Row, rows),
        (None, Some(columns)) => (Format::Columnar, columns),
        (None, None) => return Err("Missing 'inputs' or 'instances' key".into()),
    };
    match inputs {
        Ok(inputs) => Ok((format, inputs)),
        Err(Problem::Of(message)) => Err(message),
        Err(Problem::OfDocument(message)) => Err(quote(message)),
    }
}

/// The keys of a document that count; the first of two that are the same.
#[derive(Default)]
struct Document {
    signature_name: Option<String>,
    is_misnamed: bool,
    instances: Option<Result<Inputs, Problem>>,
    inputs: Option<Result<Inputs, Problem>>,
}

/// `None` when it is no object.
fn document(reader: &mut Reader<'_>, signature: &Signature) -> Result<Option<Document>, Fault> {
    if reader.kind()? != Kind::Object {
        return reader.skip().map(|()| None);
    }
    let mut found = Document::default();
    reader.object(|reader, name| match name {
        "signature_name" if found.signature_name.is_none() => {
            found.is_misnamed = reader.kind()? != Kind::Text;
            found.signature_name = Some(match found.is_misnamed {
                true => reader.skip().map(|()| "?".into())?,
                false => reader.string(LONGEST_NAME)?.into_owned(),
            });
            Ok(())
        }
        "instances" if found.instances.is_none() => {
            let rows = attempt(reader, |reader| rows::read(reader, signature))?;
            found.instances = Some(rows);
            Ok::<(), Fault>(())
        }
        "inputs" if found.inputs.is_none() => {
            let columns = attempt(reader, |reader| columns(reader, signature))?;
            found.inputs = Some(columns);
            Ok(())
        }
        _ => reader.skip(),
    })?;
    Ok(Some(found))
}

/// The columns of `inputs`.
pub(crate) fn columns(reader: &mut Reader<'_>, signature: &Signature) -> Result<Inputs, Problem> {
    let specs = signature.inputs();
    if reader.kind()? != Kind::Object {
        return match specs.as_slice() {
            [only] => Ok(vec![(only.name.to_owned(), tensor(reader)?)]),
            _ => Err(Problem::Of(
                "inputs is a plain value/list, but expecting an object as multiple input tensors required as per \
                 tensorinfo_map"
                    .into(),
            )),
        };
    }
    let mut found: Inputs = Vec::new();
    reader.object(|reader, name| {
        let is_known = specs.iter().any(|spec| spec.name == name);
        if !is_known || found.iter().any(|(known, _)| known == name) {
            return Ok(reader.skip()?);
        }
        let column = tensor(reader)?;
        found.push((name.to_owned(), column));
        Ok::<(), Problem>(())
    })?;
    let is_there = |name: &str| found.iter().any(|(known, _)| known == name);
    match specs.iter().find(|spec| !is_there(spec.name)) {
        Some(spec) => Err(Problem::Of(format!(
            "Missing named input: {} in 'inputs' object.",
            spec.name
        ))),
        None => Ok(found),
    }
}

/// Writes an answer: bare values for one output, objects with the names of several.
pub(super) fn write(format: Format, outputs: &Outputs) -> String {
    match format {
        Format::Row => write_rows(outputs),
        Format::Columnar => {
            let mut out = String::from("{\"outputs\":");
            outputs.write_columns(&mut out);
            out.push('}');
            out
        }
    }
}

fn write_rows(outputs: &Outputs) -> String {
    let mut out = String::from("{\"predictions\":[");
    let first = outputs.iter().next();
    let rows = first.and_then(|(_, tensor)| tensor.shape().first().copied());
    for row in 0..rows.unwrap_or(0) {
        if row > 0 {
            out.push(',');
        }
        let are_named = outputs.iter().len() > 1;
        if are_named {
            out.push('{');
        }
        for (index, (name, tensor)) in outputs.iter().enumerate() {
            if index > 0 {
                out.push(',');
            }
            if are_named {
                text(&mut out, name);
                out.push(':');
            }
            let shape = tensor.shape().get(1..).unwrap_or_default();
            let width: usize = shape.iter().product();
            let values = tensor.values().get(row * width..(row + 1) * width);
            nested(&mut out, shape, values.unwrap_or_default());
        }
        if are_named {
            out.push('}');
        }
    }
    out.push_str("]}");
    out
}

//! `instances`: a list with one element per window, bare or an object with every input.

use crate::json::{Fault, Kind, Reader, append};
use crate::signature::{Signature, Spec};
use crate::tensor::{Tensor, show};

/// Why tensors cannot be taken from a document that is JSON.
#[derive(Debug)]
pub(crate) enum Problem {
    /// The whole message.
    Of(String),
    /// A message that follows the document.
    OfDocument(&'static str),
}

impl From<Fault> for Problem {
    fn from(fault: Fault) -> Self {
        Self::Of(fault.to_string())
    }
}

/// One input, as it grows by elements.
struct Column {
    spec: Spec,
    /// Shape of the first element, which all the others must have.
    shape: Option<Vec<usize>>,
    values: Vec<f32>,
}

impl Column {
    /// Appends the next value.
    fn take(&mut self, reader: &mut Reader<'_>) -> Result<(), String> {
        let shape = append(reader, &mut self.values).map_err(|fault| fault.to_string())?;
        let count = |shape: &[usize]| shape.iter().product::<usize>();
        let Some(first) = &self.shape else {
            self.shape = Some(shape);
            return Ok(());
        };
        let (expected, found) = (count(first), count(&shape));
        if expected != found {
            return Err(format!(
                "Expecting tensor size: {expected} but got: {found}"
            ));
        }
        match *first == shape {
            true => Ok(()),
            false => Err(format!(
                "Expecting shape {} but got: {}",
                show(first),
                show(&shape)
            )),
        }
    }
}

/// Reads `instances`.
pub(crate) fn read(
    reader: &mut Reader<'_>,
    signature: &Signature,
) -> Result<Vec<(String, Tensor)>, Problem> {
    if reader.kind()? != Kind::List {
        return Err(Problem::OfDocument(
            "Excepting 'instances' to be an list/array",
        ));
    }
    let column = |spec| Column {
        spec,
        shape: None,
        values: Vec::new(),
    };
    let mut columns: Vec<Column> = signature.inputs().into_iter().map(column).collect();
    let mut are_objects = None;
    let count = reader.list(|reader, index| {
        let is_object = reader.kind()? == Kind::Object;
        let expected = *are_objects.get_or_insert(is_object);
        match (expected, is_object) {
            (true, true) => named(reader, index, &mut columns),
            (false, false) => bare(reader, index, &mut columns),
            (true, false) => Err(Problem::Of(format!(
                "Expecting object but got list at item {index} of input list"
            ))),
            (false, true) => Err(Problem::Of(format!(
                "Expecting value/list but got object at item {index} of input list"
            ))),
        }
    })?;
    if count == 0 {
        return Err(Problem::OfDocument("No values in 'instances' array"));
    }
    let finished = columns.into_iter().map(|column| {
        let shape = [vec![count], column.shape.unwrap_or_default()].concat();
        let tensor = Tensor::new(shape, column.values);
        let message = || Problem::Of("the values of 'instances' do not fit their shape".into());
        Ok((column.spec.name.to_owned(), tensor.ok_or_else(message)?))
    });
    finished.collect()
}

/// An element that is the one input itself.
fn bare(reader: &mut Reader<'_>, index: usize, columns: &mut [Column]) -> Result<(), Problem> {
    let [only] = columns else {
        let message = "instances is a plain list, but expecting list of objects as multiple input tensors required as \
                       per tensorinfo_map";
        return Err(Problem::Of(message.into()));
    };
    only.take(reader).map_err(|cause| {
        Problem::Of(format!(
            "Failed to process element: {index} of 'instances' list. Error: INVALID_ARGUMENT: {cause}"
        ))
    })
}

/// An element with every input by its name.
fn named(reader: &mut Reader<'_>, index: usize, columns: &mut [Column]) -> Result<(), Problem> {
    let begin = reader.at();
    let mut seen = Vec::new();
    let mut has_others = false;
    reader.object(|reader, name| {
        let found = columns.iter_mut().find(|column| column.spec.name == name);
        let Some(column) = found.filter(|column| !seen.contains(&column.spec.name)) else {
            has_others = true;
            return Ok(reader.skip()?);
        };
        seen.push(column.spec.name);
        column.take(reader).map_err(|cause| {
            Problem::Of(format!(
                "Failed to process element: {index} key: {name} of 'instances' list. Error: INVALID_ARGUMENT: {cause}"
            ))
        })
    })?;
    if !has_others && seen.len() == columns.len() {
        return Ok(());
    }
    let names: Vec<&str> = columns.iter().map(|column| column.spec.name).collect();
    Err(Problem::Of(format!(
        "Failed to process element: {index} of 'instances' list. JSON object: {} keys must be equal to: {}",
        reader.quote(begin),
        names.join(",")
    )))
}

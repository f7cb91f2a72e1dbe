//! The scoring server of MLflow: `/invocations` in its forms of JSON, `/ping`, `/health` and `/version`.

use serde_json::json;

use crate::answer::{Answer, Code, Failure, Wanted};
use crate::json::{Fault, Kind, Reader, attempt, tensor};
use crate::limits::{LONGEST_NAME, MOST_NAMES, MOST_VALUES};
use crate::models::Models;
use crate::signature::{CLOSE, Signature, X};
use crate::tensor::{Tensor, show};
use crate::tfs::{self, Problem};
use crate::windows::{Outputs, Windows};

/// What a request wants. It names no model: the champion answers.
///
/// # Errors
/// Another method; no version that is loaded.
pub(crate) fn ask(method: &str, path: &str, models: &Models) -> Result<Wanted, Failure> {
    let (is_taken, allow) = match path {
        "/invocations" => (method == "POST", "POST"),
        _ => (matches!(method, "GET" | "HEAD"), "GET, HEAD"),
    };
    if !is_taken {
        return Err(Failure::other_method(allow));
    }
    if path == "/version" {
        return Ok(Wanted::Answer(Answer::text(200, env!("CARGO_PKG_VERSION"))));
    }
    let champion = models.champion.as_ref();
    let champion = champion.ok_or_else(|| Failure::not_ready(&models.name))?;
    Ok(match path {
        "/invocations" => Wanted::Infer(champion.number),
        _ => Wanted::Answer(Answer::text(200, "\n")),
    })
}

type Inputs = Vec<(String, Tensor)>;

/// What is wrong, for the client.
struct Bad(String);

impl From<Fault> for Bad {
    fn from(fault: Fault) -> Self {
        Self(fault.to_string())
    }
}

impl From<Problem> for Bad {
    fn from(problem: Problem) -> Self {
        match problem {
            Problem::Of(message) => Self(message),
            Problem::OfDocument(message) => Self(message.to_owned()),
        }
    }
}

fn bad<T>(message: impl Into<String>) -> Result<T, Bad> {
    Err(Bad(message.into()))
}

/// Reads a body.
///
/// # Errors
/// What is wrong with it.
pub(crate) fn read(model: &str, signature: &Signature, body: &[u8]) -> Result<Windows, Failure> {
    let mut reader = Reader::new(body);
    let mut found: Option<Inputs> = None;
    let parsed = attempt(&mut reader, |reader| {
        if reader.kind()? != Kind::Object {
            return bad(FORMS);
        }
        reader.object(|reader, name| {
            let inputs = match name {
                "instances" => tfs::rows(reader, signature)?,
                "inputs" => tfs::columns(reader, signature)?,
                "dataframe_split" => split(reader)?.into_inputs(signature)?,
                "dataframe_records" => records(reader)?.into_inputs(signature)?,
                _ => return Ok(reader.skip()?),
            };
            match found.replace(inputs) {
                None => Ok(()),
                Some(_) => bad(FORMS),
            }
        })
    });
    let parsed = parsed.and_then(|parsed| reader.end().map(|()| parsed));
    let inputs = match parsed {
        Err(fault) => Err(format!(
            "Invalid input. Ensure that input is a valid JSON formatted string. Error: {fault}"
        )),
        Ok(Err(Bad(message))) => Err(message),
        Ok(Ok(())) => found.ok_or_else(|| FORMS.to_owned()),
    };
    Windows::new(model, signature, inputs.map_err(Failure::invalid)?)
}

const FORMS: &str = "The input must be a JSON dictionary with exactly one of the input fields {'dataframe_split', \
                     'dataframe_records', 'instances', 'inputs'}";

/// Rows of named columns, oldest first: as many as a window has for each window, one window after the other.
struct Table {
    columns: Vec<String>,
    rows: usize,
    /// `[rows, columns]`.
    values: Vec<f32>,
}

impl Table {
    fn into_inputs(self, signature: &Signature) -> Result<Inputs, Bad> {
        let features = signature.features.iter().map(String::as_str);
        let close = signature.reads_closes.then_some(CLOSE);
        let wanted: Vec<&str> = features.chain(close).collect();
        let mut places = Vec::new();
        for name in &wanted {
            let place = self.columns.iter().position(|column| column == name);
            let missing = || Bad(format!("Model is missing inputs ['{name}']."));
            places.push(place.ok_or_else(missing)?);
        }
        if self.columns.len() != wanted.len() {
            let extra = self
                .columns
                .iter()
                .enumerate()
                .find(|(at, _)| !places.contains(at));
            let extra = extra.map_or("", |(_, name)| name.as_str());
            return bad(format!("Model has no input column '{extra}'."));
        }
        if !self.rows.is_multiple_of(signature.lookback.max(1)) {
            return bad(format!(
                "the dataframe has {} rows, and a window is made of {}",
                self.rows, signature.lookback
            ));
        }
        let windows = self.rows / signature.lookback.max(1);
        let width = signature.features.len();
        let (mut x, mut closes) = (Vec::with_capacity(self.rows * width), Vec::new());
        for row in self.values.chunks_exact(self.columns.len().max(1)) {
            let mut values = places
                .iter()
                .map(|place| row.get(*place).copied().unwrap_or(f32::NAN));
            x.extend(values.by_ref().take(width));
            closes.extend(values);
        }
        let shaped = |shape: Vec<usize>, values| {
            Tensor::new(shape, values).ok_or_else(|| Bad("the dataframe is too large".into()))
        };
        let x = shaped(vec![windows, signature.lookback, width], x)?;
        let mut inputs = vec![(X.to_owned(), x)];
        if signature.reads_closes {
            let closes = shaped(vec![windows, signature.lookback], closes)?;
            inputs.push((CLOSE.to_owned(), closes));
        }
        Ok(inputs)
    }
}

fn object(reader: &mut Reader<'_>, field: &str) -> Result<(), Bad> {
    match reader.kind()? {
        Kind::Object => Ok(()),
        _ => bad(format!("'{field}' must be an object")),
    }
}

/// `{"columns": [...], "data": [[...]]}`; an index does not count.
fn split(reader: &mut Reader<'_>) -> Result<Table, Bad> {
    object(reader, "dataframe_split")?;
    let (mut columns, mut data) = (None, None);
    reader.object(|reader, name| {
        match name {
            "columns" => columns = Some(names(reader)?),
            "data" => data = Some(tensor(reader)?),
            _ => reader.skip()?,
        }
        Ok::<(), Bad>(())
    })?;
    let (Some(columns), Some(data)) = (columns, data) else {
        return bad("'dataframe_split' must have 'columns' and 'data'");
    };
    match *data.shape() {
        [rows, width] if width == columns.len() => Ok(Table {
            columns,
            rows,
            values: data.into_values(),
        }),
        _ => bad(format!(
            "'data' has the shape {}, and there are {} columns",
            show(data.shape()),
            columns.len()
        )),
    }
}

fn names(reader: &mut Reader<'_>) -> Result<Vec<String>, Bad> {
    let mut found: Vec<String> = Vec::new();
    if reader.kind()? != Kind::List {
        return bad("'columns' must be a list of names");
    }
    reader.list(|reader, index| {
        if index >= MOST_NAMES || reader.kind()? != Kind::Text {
            return bad(format!(
                "'columns' must be a list of at most {MOST_NAMES} names"
            ));
        }
        let name = reader.string(LONGEST_NAME)?.into_owned();
        if found.contains(&name) {
            return bad(format!("column '{name}' is named twice"));
        }
        found.push(name);
        Ok(())
    })?;
    Ok(found)
}

/// `[{"column": value, ...}, ...]`, every row with the columns of the first one.
fn records(reader: &mut Reader<'_>) -> Result<Table, Bad> {
    if reader.kind()? != Kind::List {
        return bad("'dataframe_records' must be a list of objects");
    }
    let mut table = Table {
        columns: Vec::new(),
        rows: 0,
        values: Vec::new(),
    };
    let rows = reader.list(|reader, index| {
        object(reader, "dataframe_records")?;
        record(reader, index, &mut table)
    })?;
    Ok(Table { rows, ..table })
}

fn record(reader: &mut Reader<'_>, index: usize, table: &mut Table) -> Result<(), Bad> {
    let begin = table.values.len();
    let mut seen = 0;
    reader.object(|reader, name| {
        if index == 0 {
            if table.columns.len() >= MOST_NAMES || table.columns.iter().any(|known| known == name)
            {
                return bad(format!(
                    "column '{name}' is named twice, or is one too many"
                ));
            }
            table.columns.push(name.to_owned());
            table.values.push(f32::NAN);
        }
        let place = table.columns.iter().position(|known| known == name);
        let Some(place) = place else {
            return bad(format!(
                "row {index} has a column '{name}' that the first row has not"
            ));
        };
        let value = tensor(reader)?;
        let ([], [value]) = (value.shape(), value.values()) else {
            return bad(format!("column '{name}' of row {index} is not a number"));
        };
        if index > 0 && table.values.len() == begin {
            table.values.resize(begin + table.columns.len(), f32::NAN);
        }
        if table.values.len() > MOST_VALUES {
            return bad(Fault::TooMany { most: MOST_VALUES }.to_string());
        }
        seen += 1;
        if let Some(slot) = table.values.get_mut(begin + place) {
            *slot = *value;
        }
        Ok(())
    })?;
    match seen == table.columns.len() {
        true => Ok(()),
        false => bad(format!("row {index} has not the columns of the first row")),
    }
}

/// Writes an answer.
pub(crate) fn write(outputs: &Outputs) -> Answer {
    let mut body = String::from("{\"predictions\":");
    outputs.write_columns(&mut body);
    body.push('}');
    Answer::json(200, body)
}

/// Why there is no answer.
pub(crate) fn refuse(failure: &Failure) -> Answer {
    let code = match failure.code {
        Code::InvalidArgument => "BAD_REQUEST",
        Code::NotFound | Code::MethodNotAllowed(_) => "ENDPOINT_NOT_FOUND",
        Code::Unimplemented => "NOT_IMPLEMENTED",
        Code::Unavailable => "TEMPORARILY_UNAVAILABLE",
        Code::Transport(_) => "INVALID_PARAMETER_VALUE",
        Code::Internal => "INTERNAL_ERROR",
    };
    let body = json!({"error_code": code, "message": failure.message});
    Answer {
        allow: failure.code.allow(),
        ..Answer::json(failure.code.status(), body.to_string())
    }
}

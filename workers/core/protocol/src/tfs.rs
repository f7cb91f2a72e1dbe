//! TensorFlow Serving REST v1, in union with what clients of KServe v1 ask under the same paths.

mod describe;
mod predict;
mod rows;

pub use predict::Format;
pub(crate) use predict::columns;
pub(crate) use rows::{Problem, read as rows};

use crate::answer::{Answer, Code, Failure, Wanted, error};
use crate::models::{Models, Version};
use crate::path::{decoded, same, segments};
use crate::signature::Signature;
use crate::windows::{Call, Outputs, Windows};

/// Which version is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Pin {
    Champion,
    Version(u64),
    Label(String),
}

/// What is done with a version.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verb {
    Status,
    Metadata,
    Predict,
    Classify,
    Regress,
}

/// A path that was understood.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Route {
    /// All models.
    List,
    One {
        model: String,
        pin: Pin,
        verb: Verb,
    },
}

/// What a request under `/v1/` wants.
///
/// # Errors
/// A path that is none of the protocol; a model, version or label that is not here.
pub(crate) fn ask(method: &str, path: &str, models: &Models) -> Result<Wanted, Failure> {
    let malformed = || Failure::invalid(format!("Malformed request: {method} {path}"));
    let (model, pin, verb) = match route(method, path)?.ok_or_else(malformed)? {
        Route::List => return Ok(describe::list(models)),
        Route::One { model, pin, verb } => (model, pin, verb),
    };
    match verb {
        Verb::Status => describe::status(models, &model, &pin),
        Verb::Metadata => find(models, &model, &pin).map(|v| describe::metadata(models, v)),
        Verb::Predict => find(models, &model, &pin).map(|v| Wanted::Infer(v.number)),
        Verb::Classify => {
            find(models, &model, &pin).and_then(|_| Err(other_method("classification", "classify")))
        }
        Verb::Regress => {
            find(models, &model, &pin).and_then(|_| Err(other_method("regression", "regress")))
        }
    }
}

fn other_method(noun: &str, method: &str) -> Failure {
    Failure::invalid(format!(
        "Expected {noun} signature method_name to be tensorflow/serving/{method}. Was: {}",
        describe::METHOD
    ))
}

/// Understands a path, matched whole and whatever its case; `None` for any other.
fn route(method: &str, path: &str) -> Result<Option<Route>, Failure> {
    let segments = segments(path).unwrap_or_default();
    let [first, second, rest @ ..] = segments.as_slice() else {
        return Ok(None);
    };
    if !(same(first, "v1") && same(second, "models")) {
        return Ok(None);
    }
    let mut rest = rest.to_vec();
    let verb = match method {
        "POST" => match rest.last_mut().and_then(take_verb) {
            Some(verb) => verb,
            None => return Ok(None),
        },
        "GET" | "HEAD" if rest.is_empty() => return Ok(Some(Route::List)),
        "GET" | "HEAD" if rest.len() > 1 && rest.last().is_some_and(|s| same(s, "metadata")) => {
            rest.pop();
            Verb::Metadata
        }
        "GET" | "HEAD" => Verb::Status,
        _ => return Ok(None),
    };
    if rest
        .iter()
        .any(|segment| segment.is_empty() || segment.contains(':'))
    {
        return Ok(None);
    }
    let is_number = |text: &str| text.bytes().all(|sign| sign.is_ascii_digit());
    let (name, pin) = match rest.as_slice() {
        [name] => (name, Pin::Champion),
        [name, word, number] if same(word, "versions") && is_number(number) => {
            (name, Pin::Version(numeric(number)?))
        }
        [name, word, label] if same(word, "labels") => (name, Pin::Label(decoded(label))),
        _ => return Ok(None),
    };
    let model = decoded(name);
    Ok(Some(Route::One { model, pin, verb }))
}

/// Takes `:predict` and its like from a segment.
fn take_verb(segment: &mut &str) -> Option<Verb> {
    let (before, verb) = segment.split_once(':')?;
    let known = [
        ("predict", Verb::Predict),
        ("classify", Verb::Classify),
        ("regress", Verb::Regress),
    ];
    let found = known.iter().find(|(name, _)| same(verb, name))?;
    *segment = before;
    Some(found.1)
}

fn numeric(digits: &str) -> Result<u64, Failure> {
    let number = digits
        .parse::<i64>()
        .ok()
        .and_then(|n| u64::try_from(n).ok());
    let message = || format!("Failed to convert version: {digits} to numeric.");
    number.ok_or_else(|| Failure::invalid(message()))
}

/// The version that a request names.
fn find<'m>(models: &'m Models, model: &str, pin: &Pin) -> Result<&'m Version, Failure> {
    let missing = |what: String| {
        let message = format!("Servable not found for request: {what}");
        Failure::new(Code::NotFound, message)
    };
    if model != models.name {
        return Err(missing(match pin {
            Pin::Version(number) => format!("Specific({model}, {number})"),
            Pin::Champion | Pin::Label(_) => format!("Latest({model})"),
        }));
    }
    let champion = models.champion.as_ref();
    let champion = champion.ok_or_else(|| Failure::not_ready(model))?;
    match pin {
        Pin::Champion => Ok(champion),
        Pin::Version(number) => models
            .version(*number)
            .ok_or_else(|| missing(format!("Specific({model}, {number})"))),
        Pin::Label(label) => models.labelled(label).ok_or_else(|| {
            Failure::invalid(format!("Unrecognized servable version label: {label}"))
        }),
    }
}

/// Reads the body of a prediction.
///
/// # Errors
/// What is wrong with it, in the words of TensorFlow Serving.
pub(crate) fn read(
    model: &str,
    signature: &Signature,
    body: &[u8],
) -> Result<Call<Format>, Failure> {
    let (form, inputs) = predict::read(signature, body).map_err(Failure::invalid)?;
    let windows = Windows::new(model, signature, inputs)?;
    Ok(Call { windows, form })
}

/// Writes the answer to a prediction.
pub(crate) fn write(format: Format, outputs: &Outputs) -> Answer {
    Answer::json(200, predict::write(format, outputs))
}

/// Why there is no answer.
pub(crate) fn refuse(failure: &Failure) -> Answer {
    error(failure)
}

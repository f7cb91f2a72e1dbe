//! Open Inference v2 over REST, as KServe and Triton serve it, with binary tensors; over gRPC see [`grpc`].

mod binary;
mod describe;
mod document;
pub mod grpc;
mod read;
mod write;

pub use document::Form;

use crate::answer::{Answer, Code, Failure, Wanted, error};
use crate::models::{Models, Version};
use crate::path::{decoded, segments};

pub(crate) use read::read;
pub(crate) use write::write;

/// What a request under `/v2` wants.
///
/// # Errors
/// A path or method that is none of the protocol; a model or version that is not here.
pub(crate) fn ask(method: &str, path: &str, models: &Models) -> Result<Wanted, Failure> {
    let segments = segments(path).unwrap_or_default();
    let rest = segments.get(1..).unwrap_or_default();
    let (is_taken, allow) = match is_posted(rest) {
        true => (method == "POST", "POST"),
        false => (matches!(method, "GET" | "HEAD"), "GET, HEAD"),
    };
    let at = |name: &str, version: Option<&str>| find(models, &decoded(name), version);
    let wanted = match rest {
        [] => describe::server(),
        ["health", "live"] => describe::live(),
        ["health", "ready"] => describe::ready(models),
        ["models"] => describe::list(models),
        ["models", model] => describe::model(models, at(model, None)?),
        ["models", model, "versions", version] => {
            describe::version(models, at(model, Some(version))?)
        }
        ["models", model, "ready"] => describe::model_ready(models, at(model, None)?),
        ["models", model, "versions", version, "ready"] => {
            describe::model_ready(models, at(model, Some(version))?)
        }
        ["models", model, "infer"] if is_taken => Wanted::Infer(at(model, None)?.number),
        ["models", model, "versions", version, "infer"] if is_taken => {
            Wanted::Infer(at(model, Some(version))?.number)
        }
        ["models", _, "infer"] | ["models", _, "versions", _, "infer"] => {
            return Err(Failure::other_method(allow));
        }
        ["repository", "models", _, verb @ ("load" | "unload")] if is_taken => {
            return Err(no_repository(verb));
        }
        ["repository", "models", _, "load" | "unload"] => return Err(Failure::other_method(allow)),
        _ => {
            return Err(Failure::new(
                Code::NotFound,
                "no such route; see /openapi.json",
            ));
        }
    };
    match is_taken {
        true => Ok(wanted),
        false => Err(Failure::other_method(allow)),
    }
}

/// What is said to those who `load` or `unload` models.
fn no_repository(verb: &str) -> Failure {
    let message =
        format!("models are not {verb}ed by request: the Pipeline says which versions are served");
    Failure::new(Code::Unimplemented, message)
}

fn is_posted(rest: &[&str]) -> bool {
    matches!(rest, ["models", .., "infer"] | ["repository", ..])
}

/// The version that a request names.
fn find<'m>(
    models: &'m Models,
    model: &str,
    version: Option<&str>,
) -> Result<&'m Version, Failure> {
    let missing = |what: String| {
        Failure::new(
            Code::NotFound,
            format!("Request for unknown model: {what} is not found"),
        )
    };
    if model != models.name {
        return Err(missing(format!("'{model}'")));
    }
    let champion = models.champion.as_ref();
    let champion = champion.ok_or_else(|| Failure::not_ready(model))?;
    let Some(version) = version else {
        return Ok(champion);
    };
    let number: u64 = version.parse().map_err(|_| {
        Failure::invalid(format!(
            "failed to get model version from specified version string '{version}', version should be an integer value > 0"
        ))
    })?;
    let found = models.version(number);
    found.ok_or_else(|| missing(format!("'{model}' version {number}")))
}

/// Why there is no answer.
pub(crate) fn refuse(failure: &Failure) -> Answer {
    error(failure)
}

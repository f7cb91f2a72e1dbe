//! What is said of the server, the model and its versions.

use serde_json::{Value, json};

use crate::answer::{Answer, Wanted};
use crate::models::{Models, Version};
use crate::signature::Spec;

/// Name of the server.
pub(super) const SERVER: &str = "foresail";
/// What it serves beyond the protocol itself.
pub(super) const EXTENSIONS: [&str; 1] = ["binary_tensor_data"];
/// What computes the models.
pub(super) const PLATFORM: &str = "burn_foresail";

pub(super) fn server() -> Wanted {
    Wanted::json(&json!({
        "name": SERVER,
        "version": env!("CARGO_PKG_VERSION"),
        "extensions": EXTENSIONS,
    }))
}

pub(super) fn live() -> Wanted {
    Wanted::json(&json!({"live": true}))
}

/// Clients look at the status.
pub(super) fn ready(models: &Models) -> Wanted {
    let ready = models.champion.is_some();
    let status = if ready { 200 } else { 503 };
    Wanted::Answer(Answer::json(status, json!({"ready": ready}).to_string()))
}

pub(super) fn list(models: &Models) -> Wanted {
    Wanted::json(&json!({"models": [models.name]}))
}

pub(super) fn model_ready(models: &Models, _: &Version) -> Wanted {
    Wanted::json(&json!({"name": models.name, "ready": true}))
}

/// The model with all its versions, oldest first; its tensors are those of the champion.
pub(super) fn model(models: &Models, champion: &Version) -> Wanted {
    metadata(models, champion, &numbers(models))
}

/// Numbers of all versions, oldest first.
pub(super) fn numbers(models: &Models) -> Vec<String> {
    let versions = models.versions();
    let oldest_first = versions.iter().rev();
    oldest_first.map(|v| v.number.to_string()).collect()
}

/// One version alone.
pub(super) fn version(models: &Models, version: &Version) -> Wanted {
    metadata(models, version, &[version.number.to_string()])
}

fn metadata(models: &Models, version: &Version, numbers: &[String]) -> Wanted {
    let tensors = |specs: Vec<Spec>| -> Vec<Value> {
        let one = |spec: &Spec| json!({"name": spec.name, "datatype": "FP32", "shape": spec.shape});
        specs.iter().map(one).collect()
    };
    Wanted::json(&json!({
        "name": models.name,
        "versions": numbers,
        "platform": PLATFORM,
        "inputs": tensors(version.signature.inputs()),
        "outputs": tensors(version.signature.outputs()),
    }))
}

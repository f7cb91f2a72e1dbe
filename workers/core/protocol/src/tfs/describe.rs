//! What is said of the model and its versions.

use serde_json::{Map, Value, json};

use super::Pin;
use crate::answer::{Code, Failure, Wanted};
use crate::models::{Models, Version};
use crate::signature::Spec;

/// What the one signature of a version is for.
pub(super) const METHOD: &str = "tensorflow/serving/predict";
/// Its name.
pub(super) const SIGNATURE: &str = "serving_default";

/// `GET /v1/models`, as KServe answers it.
pub(super) fn list(models: &Models) -> Wanted {
    Wanted::json(&json!({"models": [models.name]}))
}

/// Whether versions are available. Without a version it is KServe's answer too.
pub(super) fn status(models: &Models, model: &str, pin: &Pin) -> Result<Wanted, Failure> {
    let missing = |message: String| Failure::new(Code::NotFound, message);
    if model != models.name {
        return Err(missing(match pin {
            Pin::Version(number) => {
                format!("Could not find version {number} of model {model}")
            }
            Pin::Champion | Pin::Label(_) => {
                format!("Could not find any versions of model {model}")
            }
        }));
    }
    if models.champion.is_none() {
        return Err(Failure::not_ready(model));
    }
    let versions =
        match pin {
            Pin::Champion => models.versions(),
            Pin::Version(number) => vec![models.version(*number).ok_or_else(|| {
                missing(format!("Could not find version {number} of model {model}"))
            })?],
            Pin::Label(_) => vec![super::find(models, model, pin)?],
        };
    let versions: Vec<Value> = versions.iter().map(|version| available(version)).collect();
    let mut answer = json!({"model_version_status": versions});
    if let (Pin::Champion, Some(fields)) = (pin, answer.as_object_mut()) {
        fields.insert("name".into(), model.into());
        fields.insert("ready".into(), true.into());
    }
    Ok(Wanted::json(&answer))
}

fn available(version: &Version) -> Value {
    json!({
        "version": version.number.to_string(),
        "state": "AVAILABLE",
        "status": {"error_code": "OK", "error_message": ""},
    })
}

/// The signature of a version.
pub(super) fn metadata(models: &Models, version: &Version) -> Wanted {
    let tensors = |specs: Vec<Spec>| -> Map<String, Value> {
        let one = |spec: Spec| (spec.name.to_owned(), tensor(&spec));
        specs.into_iter().map(one).collect()
    };
    let signature = json!({
        "inputs": tensors(version.signature.inputs()),
        "outputs": tensors(version.signature.outputs()),
        "method_name": METHOD,
        "defaults": {},
    });
    Wanted::json(&json!({
        "model_spec": {
            "name": models.name, "signature_name": "", "version": version.number.to_string(),
        },
        "metadata": {"signature_def": {"signature_def": {SIGNATURE: signature}}},
    }))
}

fn tensor(spec: &Spec) -> Value {
    let sizes = spec.shape.iter();
    let sizes: Vec<Value> = sizes
        .map(|n| json!({"size": n.to_string(), "name": ""}))
        .collect();
    json!({
        "dtype": "DT_FLOAT",
        "tensor_shape": {"dim": sizes, "unknown_rank": false},
        "name": format!("{}:0", spec.name),
    })
}

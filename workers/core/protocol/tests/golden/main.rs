//! Requests and answers of every protocol, byte for byte where their clients look.

#![allow(clippy::unwrap_used)]

mod damage;
mod grpc;
mod messages;
mod mlflow;
mod oip;
mod tfs;

use std::sync::Arc;

use foresail_protocol::{Answer, Asked, Models, Outputs, Signature, Version, Windows, ask};
use serde_json::{Value, json};

/// A version that looks back on two rows of three features and forecasts two steps.
fn signature() -> Signature {
    Signature {
        features: ["a", "b", "c"].map(String::from).into(),
        lookback: 2,
        reads_closes: false,
        horizon: 2,
        levels: vec![],
    }
}

/// The same, with closes and quantiles.
fn rich() -> Signature {
    Signature {
        reads_closes: true,
        levels: vec![0.1, 0.9],
        ..signature()
    }
}

/// Version 7 is the champion, 6 the previous one.
fn models(signature: Signature) -> Models {
    let version = |number| Version {
        number,
        signature: Arc::new(signature.clone()),
    };
    Models {
        name: "m".into(),
        champion: Some(version(7)),
        previous: Some(version(6)),
        others: Vec::new(),
    }
}

fn unready() -> Models {
    Models {
        champion: None,
        previous: None,
        ..models(signature())
    }
}

#[test]
fn versions_without_a_label_are_pinned_by_number_alone() {
    let mut models = models(signature());
    // One may be named, although it has a label.
    models.others = [2, 7, 5]
        .map(|number| {
            let signature = Arc::new(signature());
            Version { number, signature }
        })
        .into();
    let numbers: Vec<u32> = models.versions().iter().map(|v| v.number).collect();
    assert_eq!(numbers, [7, 6, 5, 2]);
    let get = |path: &str| answered(&models, "GET", path, "");
    let (status, model) = get("/v2/models/m");
    assert_eq!(
        (status, &model["versions"]),
        (200, &json!(["2", "5", "6", "7"]))
    );
    let (_, statuses) = get("/v1/models/m");
    assert_eq!(
        statuses["model_version_status"].as_array().unwrap().len(),
        4
    );
    let body = r#"{"instances":[[[1,0,0],[0,0,0]]]}"#;
    for (path, first) in [
        ("/v1/models/m:predict", 1.5),
        ("/v1/models/m/versions/5:predict", 201.5),
        ("/v1/models/m/versions/2:predict", 501.5),
        ("/v1/models/m/labels/previous:predict", 101.5),
    ] {
        let (status, answer) = answered(&models, "POST", path, body);
        assert_eq!(
            (status, &answer["predictions"][0][0]),
            (200, &json!(first)),
            "{path}"
        );
    }
    let (status, _) = answered(&models, "POST", "/v1/models/m/versions/4:predict", body);
    assert_eq!(status, 404);
    let (status, _) = answered(&models, "POST", "/v1/models/m/labels/other:predict", body);
    assert_eq!(status, 400);
    let infer =
        r#"{"inputs":[{"name":"x","shape":[1,2,3],"datatype":"FP32","data":[1,0,0,0,0,0]}]}"#;
    let (status, answer) = answered(&models, "POST", "/v2/models/m/versions/2/infer", infer);
    assert_eq!(
        (status, &answer["model_version"]),
        (200, &json!("2")),
        "{answer}"
    );
    assert_eq!(answer["outputs"][0]["data"][0], 501.5);
}

/// The sum of a window, and of its closes, plus the step; quantiles are a tenth below and above, and the version counts in
/// hundreds.
fn model(signature: &Signature, version: u32, windows: &Windows) -> Outputs {
    let per_window = signature.lookback * signature.features.len();
    let (mut y, mut quantiles) = (Vec::new(), Vec::new());
    for (index, window) in windows.x.chunks(per_window).enumerate() {
        let own = signature.lookback * index..signature.lookback * (index + 1);
        let closes: f32 = windows.close.iter().flat_map(|c| &c[own.clone()]).sum();
        let sum = window.iter().sum::<f32>() + closes + (7 - version) as f32 * 100.0;
        for step in 0..signature.horizon {
            let value = sum + step as f32 + 0.5;
            y.push(value);
            quantiles.extend(signature.levels.iter().map(|level| value + *level as f32));
        }
    }
    Outputs::new(signature, windows.rows, (y, quantiles)).unwrap()
}

fn exchange(
    models: &Models,
    method: &str,
    path: &str,
    body: &[u8],
    json_length: Option<&str>,
) -> Answer {
    match ask(method, path, models).unwrap() {
        Asked::Answer(answer) => answer,
        Asked::Infer(infer) => {
            let version = models.version(infer.version.into()).unwrap();
            match infer.read(&version.signature, body, json_length) {
                Ok(call) => infer.write(
                    &call.form,
                    &model(&version.signature, infer.version, &call.windows),
                ),
                Err(failure) => infer.refuse(&failure),
            }
        }
    }
}

/// Status and JSON of an answer.
fn answered(models: &Models, method: &str, path: &str, body: &str) -> (u16, Value) {
    let answer = exchange(models, method, path, body.as_bytes(), None);
    assert_eq!(answer.content_type, Some("application/json"), "{path}");
    let text = String::from_utf8(answer.body).unwrap();
    (answer.status, serde_json::from_str(&text).unwrap())
}

#[test]
fn what_is_of_no_protocol_is_left_to_others() {
    for path in [
        "/",
        "/v1",
        "/v1/forecasts/X",
        "/v1/timeseries/models",
        "/v1/features",
        "/openapi.json",
        "/v3",
        "/PING",
        "v2",
        "",
    ] {
        assert_eq!(ask("GET", path, &models(signature())), None, "{path}");
    }
}

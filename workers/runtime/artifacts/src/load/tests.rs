#![allow(clippy::unwrap_used)]

use foresail_crds::pipeline::status::ErrorClass;
use foresail_model::linear::Linear;
use serde_json::json;

use super::*;
use crate::{Documents, Memory, find, write};

/// A linear model that always forecasts the same change.
fn weights(change: f64) -> Vec<u8> {
    let linear = Linear {
        intercepts: vec![change],
        coefficients: vec![vec![0.0]],
    };
    linear.encode().unwrap()
}

fn declared(kind: &str) -> ModelManifest {
    let manifest = json!({
        "formatVersion": 1, "namespace": "n", "pipeline": "p", "runId": "r", "codeVersion": "0", "seed": 1,
        "data": {"deltaVersion": 1, "bars": 9, "trainingRows": 9, "firstEventTime": 0, "trainedThrough": 9,
            "dataThrough": 9, "symbols": ["X"]},
        "features": [{"name": "r", "function": "LogReturn"}], "adjustment": "All", "fingerprint": "ours",
        "warmUp": 2, "target": "LogReturn", "horizon": 1, "lookback": 1, "kind": kind, "weights": null,
        "scaler": {"mean": [0.0], "std": [1.0]}, "evaluation": [], "gate": null,
        "driftReference": {"windowSessions": 5, "features": [], "calibration": []}
    });
    serde_json::from_value(manifest).unwrap()
}

fn documents() -> Documents {
    Documents {
        golden: None,
        card: b"{}".to_vec(),
        report: b"<html>".to_vec(),
    }
}

fn folder() -> S3Uri {
    S3Uri::parse("s3://bucket/lake/n/p/models/r").unwrap()
}

/// What the trainer writes, and how the operator names it.
async fn written(kind: &str, weights: Option<Vec<u8>>) -> (Memory, ServedVersion) {
    written_with(kind, weights, documents()).await
}

async fn written_with(
    kind: &str,
    weights: Option<Vec<u8>>,
    documents: Documents,
) -> (Memory, ServedVersion) {
    let (memory, folder) = (Memory::default(), folder());
    let stored = write(&memory, &folder, declared(kind), weights, documents);
    let stored = stored.await.unwrap();
    let served = ServedVersion {
        version: 3,
        manifest_uri: stored.uri.to_string(),
        manifest_sha256: stored.sha256,
    };
    (memory, served)
}

async fn refused(memory: &Memory, served: &ServedVersion) -> RoleError {
    let error = load(memory, served).await.unwrap_err();
    assert_eq!(error.class, ErrorClass::User, "{error}");
    error
}

#[tokio::test]
async fn what_was_written_is_loaded_and_found_again() {
    for (kind, weights) in [("Linear", Some(weights(0.5))), ("Naive", None)] {
        let (memory, served) = written(kind, weights).await;
        let loaded = load(&memory, &served).await.unwrap();
        assert_eq!(loaded.manifest.run_id, "r");
        let row = Row {
            values: &[1.0],
            close: 1.0,
        };
        let expected = if kind == "Linear" { 0.5f64.exp() } else { 1.0 };
        assert_eq!(loaded.predictor.forecast(&[row], 1.0).unwrap(), [expected]);
        let read = manifest(&memory, &served).await.unwrap();
        assert_eq!(read, loaded.manifest);
        let found = find(&memory, &folder()).await.unwrap().unwrap();
        assert_eq!(
            (found.sha256, found.manifest),
            (served.manifest_sha256, read)
        );
    }
}

#[tokio::test]
async fn a_run_is_written_once() {
    let (memory, served) = written("Linear", Some(weights(0.5))).await;
    let (folder, weights) = (folder(), Some(weights(0.25)));
    let again = write(&memory, &folder, declared("Linear"), weights, documents());
    let again = again.await.unwrap();
    assert_eq!(again.sha256, served.manifest_sha256, "the first one stays");
    let other = folder.join("other");
    assert!(find(&memory, &other).await.unwrap().is_none());
}

#[tokio::test]
async fn another_digest_is_refused() {
    let flip = |body: &Bytes| {
        let mut body = body.to_vec();
        body[0] ^= 1;
        body
    };
    for ending in ["manifest.json", ".bin"] {
        let (memory, served) = written("Linear", Some(weights(0.5))).await;
        memory.replace(ending, flip);
        assert_eq!(refused(&memory, &served).await.reason, "DigestMismatch");
    }
}

#[tokio::test]
async fn a_length_is_checked_before_the_body_is_read() {
    let longer = |body: &Bytes| [body.as_ref(), b" "].concat();
    let (memory, served) = written("Linear", Some(weights(0.5))).await;
    memory.replace(".bin", longer);
    let error = refused(&memory, &served).await;
    assert_eq!(error.reason, "DigestMismatch", "{error}");
    assert!(error.message.contains("bytes, expected"), "{error}");
    assert!(!memory.read(".bin"));

    let (memory, served) = written("Linear", Some(weights(0.5))).await;
    memory.replace("manifest.json", |_| {
        vec![b' '; usize::try_from(LARGEST_MANIFEST).unwrap() + 1]
    });
    let error = refused(&memory, &served).await;
    assert_eq!(error.reason, "ModelUnusable", "{error}");
    assert!(!memory.read("manifest.json"));
}

#[tokio::test]
async fn weights_that_declare_too_much_are_not_asked_for() {
    let (memory, mut served) = written("Linear", Some(weights(0.5))).await;
    memory.replace("manifest.json", |body| {
        let mut manifest: ModelManifest = serde_json::from_slice(body).unwrap();
        if let Some(file) = &mut manifest.weights {
            file.bytes = LARGEST_WEIGHTS + 1;
        }
        let body = serde_json::to_vec(&manifest).unwrap();
        served.manifest_sha256 = foresail_crds::names::sha256_hex(&body);
        body
    });
    let error = refused(&memory, &served).await;
    assert_eq!(error.reason, "ModelUnusable", "{error}");
    assert!(!memory.read(".bin"));
}

#[tokio::test]
async fn what_gives_no_finite_forecast_is_refused() {
    // The change is finite; its close is not.
    let diverged = written("Linear", Some(weights(1_000.0))).await;
    let no_weights = written("Linear", None).await;
    let other_weights = written("Linear", Some(b"{}".to_vec())).await;
    for (memory, served) in [diverged, no_weights, other_weights] {
        let error = refused(&memory, &served).await;
        assert_eq!(error.reason, "ModelUnusable", "{error}");
        assert!(error.message.starts_with("v3 at s3://bucket/"), "{error}");
    }
}

#[tokio::test]
async fn what_is_no_manifest_says_so() {
    let (memory, _) = written("Naive", None).await;
    memory.replace("manifest.json", |_| b"{}".to_vec());
    let uri = folder().join("manifest.json");
    let error = manifest_at(&memory, &uri).await.unwrap_err();
    assert_eq!(error.reason, "ModelUnusable", "{error}");
    let error = find(&memory, &folder()).await.unwrap_err();
    assert_eq!(error.reason, "ManifestUnreadable", "{error}");
}

#[tokio::test]
async fn an_absent_object_is_waited_for() {
    let (_, served) = written("Naive", None).await;
    let error = load(&Memory::default(), &served).await.unwrap_err();
    assert_eq!(
        (error.class, error.reason.as_str()),
        (ErrorClass::Outside, "S3NotFound")
    );
}

/// One request that a model which always forecasts this change answers.
fn golden(y: f64) -> Documents {
    let golden = json!({"tolerance": 1e-5, "requests": [{"x": [[1.0]], "y": [y]}]});
    Documents {
        golden: serde_json::from_value(golden).unwrap(),
        ..documents()
    }
}

#[tokio::test]
async fn golden_requests_are_answered_before_a_version_is_used() {
    let (memory, served) = written_with("Linear", Some(weights(0.5)), golden(0.5)).await;
    let loaded = load(&memory, &served).await.unwrap();
    let file = loaded.manifest.golden.unwrap();
    assert!(memory.read(&file.key));
    assert!(
        file.key.starts_with("lake/n/p/models/r/golden-"),
        "{}",
        file.key
    );

    let (memory, served) = written_with("Linear", Some(weights(0.5)), golden(0.5001)).await;
    let error = refused(&memory, &served).await;
    assert_eq!(error.reason, "GoldenMismatch", "{error}");
    let says = "golden request 1 gives 0.5 at step 1, expected 0.5001 within 0.00001";
    assert!(error.message.starts_with("v3 at s3://bucket/"), "{error}");
    assert!(error.message.contains(says), "{error}");
}

#[tokio::test]
async fn golden_requests_that_were_changed_are_not_asked() {
    let stored = || written_with("Linear", Some(weights(0.5)), golden(0.5));
    let ending = async |memory: &Memory, served: &ServedVersion| {
        let key = manifest(memory, served).await.unwrap().golden.unwrap().key;
        key.rsplit_once('/').unwrap().1.to_owned()
    };
    let (memory, served) = stored().await;
    memory.replace(&ending(&memory, &served).await, |body| {
        String::from_utf8_lossy(body).replace("0.5", "0.6").into()
    });
    assert_eq!(refused(&memory, &served).await.reason, "DigestMismatch");
    let (memory, served) = stored().await;
    memory.remove(&ending(&memory, &served).await);
    let error = load(&memory, &served).await.unwrap_err();
    assert_eq!(error.reason, "S3NotFound", "{error}");
}

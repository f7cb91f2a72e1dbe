//! Versions that are not what they should be, as they come from a lake.

use foresail_artifacts::{Documents, Memory, write};
use foresail_crds::model_manifest::ModelManifest;
use foresail_crds::pipeline::spec::ModelKind;
use foresail_model::linear::Linear;
use foresail_runtime_store::S3Uri;
use serde_json::Value;

use super::*;
use crate::registry::load::from_objects;
use crate::testing::returns;

/// A version of a lake of its own, and how the operator names it.
struct Artifact {
    objects: Memory,
    served: ServedVersion,
    declared: DeclaredModel,
}

/// A version that always forecasts a change of its number, with a golden request that expects this change.
async fn artifact(version: u32, fingerprint: &str, expected: f64) -> Artifact {
    let manifest = json!({
        "formatVersion": 1, "namespace": "n", "pipeline": "p", "runId": "r", "codeVersion": "0", "seed": 1,
        "data": {"deltaVersion": 1, "bars": 9, "trainingRows": 9, "firstEventTime": 0, "trainedThrough": 9,
            "dataThrough": 9, "symbols": ["X"]},
        "features": returns(), "adjustment": "All", "fingerprint": fingerprint,
        "warmUp": 2, "target": "Close", "horizon": 1, "lookback": 1, "kind": "Linear", "weights": null,
        "scaler": {"mean": [0.0], "std": [1.0]}, "evaluation": [], "gate": null,
        "driftReference": {"windowSessions": 5, "features": [], "calibration": []}
    });
    let manifest: ModelManifest = serde_json::from_value(manifest).unwrap();
    let linear = Linear {
        intercepts: vec![f64::from(version)],
        coefficients: vec![vec![0.0]],
    };
    let golden: Value = json!({"tolerance": 1e-5, "requests": [{"x": [[0.5]], "y": [expected]}]});
    let documents = Documents {
        golden: serde_json::from_value(golden).unwrap(),
        card: b"{}".to_vec(),
        report: b"<html>".to_vec(),
    };
    let objects = Memory::default();
    let folder = S3Uri::parse("s3://bucket/lake/n/p/models/r").unwrap();
    let weights = Some(linear.encode().unwrap());
    let stored = write(&objects, &folder, manifest, weights, documents);
    let stored = stored.await.unwrap();
    Artifact {
        objects,
        served: ServedVersion {
            version,
            manifest_uri: stored.uri.to_string(),
            manifest_sha256: stored.sha256.clone(),
        },
        declared: DeclaredModel {
            manifest_sha256: stored.sha256,
            kind: ModelKind::Linear,
            fingerprint: fingerprint.into(),
        },
    }
}

fn ours() -> String {
    model(1).fingerprint.clone()
}

async fn sound(version: u32) -> Artifact {
    artifact(version, &ours(), f64::from(version)).await
}

/// Each version lies in its own memory.
struct Memories(Vec<Artifact>);

impl Source for Memories {
    async fn load(
        &self,
        served: &ServedVersion,
        declared: Option<&DeclaredModel>,
    ) -> Result<Loaded, RoleError> {
        let mut all = self.0.iter();
        let artifact = all.find(|artifact| artifact.served == *served).unwrap();
        from_objects(&artifact.objects, served, declared).await
    }
}

/// Broken versions from 2 on, with the reason for which they are refused.
async fn broken() -> Vec<(Artifact, &'static str)> {
    let damaged = sound(2).await;
    damaged.objects.replace("manifest.json", |body| {
        String::from_utf8_lossy(body)
            .replace("\"r\"", "\"s\"")
            .into()
    });
    let cut = sound(3).await;
    cut.objects
        .replace(".bin", |body| body.slice(..body.len() / 2).into());
    let gone = sound(4).await;
    gone.objects.remove(".bin");
    let of_other_features = artifact(5, "0123456789abcdef", 5.0).await;
    let of_another_model = artifact(6, &ours(), 6.001).await;
    let mut of_another_kind = sound(7).await;
    of_another_kind.declared.kind = ModelKind::Naive;
    let mut misnamed = sound(8).await;
    misnamed.declared.fingerprint = "0123456789abcdef".into();
    vec![
        (damaged, "DigestMismatch"),
        (cut, "DigestMismatch"),
        (gone, "S3NotFound"),
        (of_other_features, "FeatureSchemaMismatch"),
        (of_another_model, "GoldenMismatch"),
        (of_another_kind, "KindMismatch"),
        (misnamed, "FeatureSchemaMismatch"),
    ]
}

#[tokio::test]
async fn broken_versions_are_refused_with_their_reason_while_the_old_one_serves() {
    let state = state();
    put(&state, [row(1)]);
    let first = sound(1).await;
    let champion = Some(first.served.clone());
    let (mut all, mut expected) = (vec![first], Vec::new());
    for (artifact, reason) in broken().await {
        expected.push((artifact.served.clone(), reason));
        all.push(artifact);
    }
    let declared: Vec<DeclaredModel> = all.iter().map(|a| a.declared.clone()).collect();
    let mut versions = Follower::new(&state, Memories(all));
    let good = ServingConfig {
        champion,
        declared,
        ..ServingConfig::default()
    };
    versions.apply(&good).await.unwrap();
    for (served, reason) in &expected {
        let promoted = ServingConfig {
            champion: Some(served.clone()),
            previous: good.champion.clone(),
            ..good.clone()
        };
        let error = versions.apply(&promoted).await.unwrap_err();
        assert_eq!(error.reason, *reason, "{error}");
        assert_eq!(answering(&state), Some(1), "{error}");
        assert!(state.load_error.lock().unwrap().is_some());
    }
    // All of them beside it: each is told, and the champion has no error.
    let pinned = ServingConfig {
        versions: expected.iter().map(|(served, _)| served.clone()).collect(),
        ..good
    };
    versions.apply(&pinned).await.unwrap();
    assert!(state.load_error.lock().unwrap().is_none());
    let mut told: Vec<(String, String)> = expected
        .iter()
        .map(|(served, reason)| (served.manifest_sha256.clone(), (*reason).to_owned()))
        .collect();
    told.sort();
    assert_eq!(refused(&state), told);
}

#[tokio::test]
async fn a_golden_mismatch_names_the_request_and_both_numbers() {
    let artifact = artifact(6, &ours(), 6.001).await;
    let error = from_objects(&artifact.objects, &artifact.served, None).await;
    let error = error.unwrap_err();
    let says = "golden request 1 gives 6 at step 1, expected 6.001 within 0.00001";
    assert!(error.message.contains(says), "{error}");
}

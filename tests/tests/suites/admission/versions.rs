//! ModelVersion: what is refused, and that a stored one never changes.

use std::collections::BTreeSet;

use anyhow::{Context, Result, ensure};
use foresail_crds::ModelVersion;
use foresail_tests::{in_namespace, on_cluster};
use kube::api::{Patch, PatchParams, PostParams};
use serde_json::{Value, json};

use super::dry_run::{Case, DryRun};
use super::schema;

fn valid() -> Value {
    json!({"apiVersion": "foresail.dev/v1alpha1", "kind": "ModelVersion", "metadata": {"name": "base-v7"}, "spec": {
        "pipeline": "base", "version": 7, "manifestUri": "s3://bucket/models/run/manifest.json",
        "manifestSha256": "a".repeat(64), "kind": "Linear", "fingerprint": "b".repeat(64), "trigger": "Initial",
        "featureSet": {"adjustment": "All", "features": [
            {"name": "f", "function": "LogReturn", "window": 5, "fast": 3, "slow": 5, "signal": 2, "deviations": "2",
             "column": "Close", "quantile": "0.5", "expression": "1"}]},
        "runId": "0123abcd", "deltaVersion": 3, "trainedThrough": "2007-06-29T20:00:00Z",
        "metrics": [{"name": "rmse", "value": "0.02"}],
        "gate": {"championVersion": 6, "dates": 40, "challengerRmse": "0.02", "championRmse": "0.03",
            "naiveRmse": "0.025", "effect": "0.33", "pValue": "0.01"},
        "leakGuard": {"passed": true, "checks": [
            {"name": "Features", "passed": true, "checked": 7, "detail": "no row changed"}]},
        "refusedBars": [{"reason": "NonFinite", "count": 2}]}})
}

/// Nothing is said of a run.
fn trained_elsewhere() -> Value {
    let mut version = valid();
    if let Some(spec) = version["spec"].as_object_mut() {
        spec.retain(|field, _| {
            ![
                "trigger",
                "runId",
                "deltaVersion",
                "trainedThrough",
                "metrics",
                "gate",
                "leakGuard",
                "refusedBars",
            ]
            .contains(&field.as_str())
        });
    }
    version
}

#[rustfmt::skip] // a table
fn cases() -> Vec<Case> {
    let rows: Vec<(&str, &str, Value, &str)> = vec![
        ("another number in the name", "/metadata/name", json!("base-v8"), "metadata.name must be <spec.pipeline>-v<spec.version>"),
        ("a leading zero in the name", "/metadata/name", json!("base-v07"), "metadata.name must be <spec.pipeline>-v<spec.version>"),
        ("another pipeline in the name", "/metadata/name", json!("other-v7"), "metadata.name must be <spec.pipeline>-v<spec.version>"),
        ("version zero", "/spec/version", json!(0), "spec.version"),
        ("a manifest on the web", "/spec/manifestUri", json!("https://host/manifest.json"), "spec.manifestUri"),
        ("a short digest", "/spec/manifestSha256", json!("abc"), "spec.manifestSha256"),
        ("a digest in capitals", "/spec/manifestSha256", json!("A".repeat(64)), "spec.manifestSha256"),
        ("an unknown kind", "/spec/kind", json!("Transformer"), "supported values"),
        ("a metric that is a number", "/spec/metrics/0/value", json!(0.02), "spec.metrics[0].value"),
        ("a time without a zone", "/spec/trainedThrough", json!("2007-06-29"), "spec.trainedThrough"),
        ("an unknown field", "/spec/weights", json!("s3://x/y"), "unknown field \"spec.weights\""),
    ];
    rows.into_iter()
        .map(|(name, pointer, value, says)| {
            let mut object = valid();
            let (parent, last) = pointer.rsplit_once('/').unwrap_or_default();
            if let Some(place) = object.pointer_mut(parent) {
                place[last] = value;
            }
            Case { name: name.into(), object, says: says.into() }
        })
        .collect()
}

#[tokio::test]
async fn invalid_model_versions_are_refused() -> Result<()> {
    on_cluster(async |cluster| {
        let dry_run = DryRun::versions(&cluster);
        dry_run
            .create(&valid())
            .await
            .map_err(|refused| refused.error("the valid version"))?;
        dry_run
            .create(&trained_elsewhere())
            .await
            .map_err(|refused| refused.error("a version that was trained elsewhere"))?;
        for case in cases()
            .into_iter()
            .chain(schema::violations("modelversions", &[valid()])?)
        {
            dry_run.expect_refusal(&case).await?;
        }
        Ok(())
    })
    .await
}

#[test]
fn every_rule_of_a_version_has_a_case() -> Result<()> {
    let said: BTreeSet<String> = cases().into_iter().map(|case| case.says).collect();
    for message in schema::rule_messages("modelversions")? {
        // Immutability has a test of its own below.
        let tested =
            message.contains("immutable") || said.iter().any(|s| message.contains(s.as_str()));
        ensure!(tested, "no case for `{message}`");
    }
    Ok(())
}

#[tokio::test]
async fn a_stored_version_never_changes() -> Result<()> {
    in_namespace("immutable", async |space| {
        let api = space.versions();
        let version: ModelVersion = serde_json::from_value(valid())?;
        api.create(&PostParams::default(), &version).await?;
        let changes = [
            json!({"spec": {"manifestSha256": "c".repeat(64)}}),
            json!({"spec": {"metrics": []}}),
            json!({"spec": {"metrics": [{"name": "rmse", "value": "0.01"}]}}),
            json!({"spec": {"gate": null}}),
            json!({"spec": {"featureSet": null}}),
            json!({"spec": {"featureSet": {"features": [{"name": "f", "function": "LogReturn", "window": 6}]}}}),
            json!({"spec": {"trainedThrough": "2008-06-29T20:00:00Z"}}),
            json!({"spec": {"version": 8}}),
        ];
        for change in changes {
            let answer = api
                .patch("base-v7", &PatchParams::default(), &Patch::Merge(&change))
                .await;
            let Err(kube::Error::Api(status)) = answer else {
                anyhow::bail!("{change} was accepted: {answer:?}");
            };
            ensure!(status.code == 422, "{change}: {status:?}");
            ensure!(
                status.message.contains("immutable") || status.message.contains("metadata.name"),
                "{change}: {}",
                status.message
            );
        }
        let labels = json!({"metadata": {"labels": {"team": "quant"}}});
        api.patch("base-v7", &PatchParams::default(), &Patch::Merge(&labels))
            .await?;
        let status = json!({"status": {"reason": "Tested"}});
        api.patch_status("base-v7", &PatchParams::default(), &Patch::Merge(&status))
            .await?;
        let stored = api.get("base-v7").await?;
        ensure!(stored.spec == version.spec, "the spec changed");
        ensure!(
            stored.metadata.labels.context("no labels")?["team"] == "quant",
            "labels are frozen too"
        );
        Ok(())
    })
    .await
}

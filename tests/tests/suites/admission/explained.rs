//! What a schema cannot see is explained in status, and forgotten after a revert.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use foresail_crds::pipeline::conditions;
use foresail_tests::{Operator, Space, faults, in_namespace, pipelines};
use futures::future::join_all;
use k8s_openapi::api::apps::v1::Deployment;
use kube::api::ListParams;
use serde_json::{Value, json};

const LIMIT: Duration = Duration::from_secs(120);

/// Name, field below the object, value, word of the explanation.
#[rustfmt::skip] // a table
fn cases() -> Vec<(&'static str, &'static str, Value, &'static str)> {
    vec![
        ("no-such-day", "/spec/source/backfill/to", json!("2015-02-30"), "backfill.to"),
        ("no-such-start", "/spec/source/simulator/start", json!("2015-13-01"), "simulator.start"),
        ("no-speed", "/spec/source/replay", json!({"sessionsPerSecond": "0"}), "sessionsPerSecond"),
        ("mad-speed", "/spec/source/replay", json!({"sessionsPerSecond": "1e99"}), "sessionsPerSecond"),
        ("replay-backwards", "/spec/source/replay", json!({"sessionsPerSecond": "1", "to": "2015-01-05"}), "replay.to"),
        ("negative-volatility", "/spec/source/simulator/annualVolatility", json!("-0.2"), "annualVolatility"),
        ("explosive-clustering", "/spec/source/simulator/volatilityClustering", json!("2"), "volatilityClustering"),
        ("explosive-returns", "/spec/source/simulator/autocorrelation", json!("1.5"), "autocorrelation"),
        ("break-after-the-end", "/spec/source/simulator/break", json!({"atSession": 90000, "annualVolatility": "0.2", "autocorrelation": "0"}), "break.atSession"),
        ("nonsense-schedule", "/spec/training/schedule", json!("a b c d e"), "schedule"),
        ("no-such-zone", "/spec/training/timeZone", json!("Mars/Olympus"), "timeZone"),
        ("no-learning", "/spec/training/model/learningRate", json!("0"), "learningRate"),
        ("negative-ridge", "/spec/training/model/ridge", json!("-1"), "ridge"),
        ("more-than-the-limit", "/spec/training/resources/requests", json!({"memory": "64Gi"}), "spec.training.resources"),
        ("more-than-the-limit-of-ingest", "/spec/workers", json!({"ingest": {"resources": {"requests": {"memory": "1Ti"}, "limits": {"memory": "1e3"}}}}), "spec.workers.ingest.resources"),
        ("secret-with-a-slash", "/spec/lake/secretName", json!("other-namespace/secret"), "secretName"),
        ("secret-with-a-capital", "/spec/lake/secretName", json!("Secret_1"), "secretName"),
        ("folder-upwards", "/spec/lake/uri", json!("s3://foresail/lake/../../other"), "lake.uri"),
        ("port-99999", "/spec/kafka/bootstrapServers", json!("kafka:99999"), "bootstrapServers"),
        ("negative-band", "/spec/features/0", json!({"name": "return_1d", "function": "BollingerWidth", "window": 20, "deviations": "-2"}), "deviations"),
        ("expression-of-nobody", "/spec/features/0", json!({"name": "return_1d", "function": "Expression", "expression": "1 + nobody"}), "character 5"),
        ("expression-without-end", "/spec/features/0", json!({"name": "return_1d", "function": "Expression", "expression": "log(2"}), "character 6"),
    ]
}

#[tokio::test]
async fn what_the_schema_cannot_see_is_explained_in_status() -> Result<()> {
    in_namespace("explained", async |space| {
        for (name, pointer, value, _) in cases() {
            let mut object = pipelines::small(&space, name);
            object["spec"]["source"]["backfill"] = json!({"to": "2016-06-30"});
            let (parent, last) = pointer.rsplit_once('/').context("no pointer")?;
            let place = object.pointer_mut(parent).context(pointer)?;
            match place {
                Value::Array(items) => items[0] = value,
                other => other[last] = value,
            }
            space
                .apply_pipeline(&object)
                .await
                .with_context(|| name.to_owned())?;
        }
        let explained = cases()
            .into_iter()
            .map(|(name, _, _, word)| is_explained(&space, name, word));
        let failures: Vec<String> = join_all(explained)
            .await
            .into_iter()
            .filter_map(|e| e.err().map(|e| format!("{e:#}")))
            .collect();
        ensure!(
            failures.is_empty(),
            "{} of {}:\n{}",
            failures.len(),
            cases().len(),
            failures.join("\n")
        );
        let made = space
            .api::<Deployment>()
            .list(&ListParams::default())
            .await?;
        ensure!(
            made.items.is_empty(),
            "{} workloads were made for invalid Pipelines",
            made.items.len()
        );
        for pod in Operator::shared(&space.cluster).pods().await? {
            ensure!(faults::is_ready(&pod), "the operator is not ready");
        }
        Ok(())
    })
    .await
}

async fn is_explained(space: &Space, name: &str, word: &str) -> Result<()> {
    let pipeline = pipelines::explained(space, name, word, LIMIT).await?;
    let stalled = pipelines::is_true(&pipeline, conditions::STALLED);
    let ready = pipelines::is_true(&pipeline, conditions::READY);
    ensure!(
        stalled && !ready,
        "{name}: explained but not Stalled: {}",
        pipelines::summary(&pipeline)
    );
    Ok(())
}

#[tokio::test]
async fn a_reverted_mistake_is_forgotten() -> Result<()> {
    in_namespace("revert", async |space| {
        let good = pipelines::small(&space, "revert");
        space.apply_pipeline(&good).await?;
        let before = pipelines::ready(&space, "revert", Duration::from_secs(240)).await?;
        let mut bad = good.clone();
        bad["spec"]["training"]["timeZone"] = json!("Mars/Olympus");
        space.apply_pipeline(&bad).await?;
        let stalled = pipelines::explained(&space, "revert", "timeZone", LIMIT).await?;
        ensure!(
            pipelines::is_true(&stalled, conditions::STALLED),
            "{}",
            pipelines::summary(&stalled)
        );
        space.apply_pipeline(&good).await?;
        let after = pipelines::ready(&space, "revert", Duration::from_secs(60)).await?;
        ensure!(
            pipelines::condition(&after, conditions::STALLED).is_none(),
            "Stalled is kept as False"
        );
        let version =
            |p: &foresail_crds::Pipeline| p.status.as_ref().and_then(|s| s.champion.clone());
        ensure!(version(&before) == version(&after), "the champion changed");
        Ok(())
    })
    .await
}

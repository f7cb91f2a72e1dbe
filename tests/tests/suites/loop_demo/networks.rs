//! Networks, trees and ensembles go the same way as the linear model: trained by a Job, judged beside it and the naive
//! forecast, stored, loaded and served.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use foresail_crds::pipeline::spec::ModelKind;
use foresail_tests::predictor::Predictor;
use foresail_tests::{Checks, Space, faults, in_namespace, pipelines, programs, s3, until};
use serde_json::{Value, json};

const READY: Duration = Duration::from_secs(300);
const BACK: Duration = Duration::from_secs(90);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_lstm_is_trained_and_served() -> Result<()> {
    in_namespace("lstm", async |space| {
        served(&space, "lstm", ModelKind::Lstm, 10).await
    })
    .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_ensemble_of_trees_and_a_gru_is_trained_and_served() -> Result<()> {
    in_namespace("ensemble", async |space| {
        served(&space, "ensemble", ModelKind::Ensemble, 10).await
    })
    .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_perceptron_is_trained_and_served() -> Result<()> {
    in_namespace("mlp", async |space| {
        served(&space, "mlp", ModelKind::Mlp, 1).await
    })
    .await
}

async fn served(space: &Space, name: &str, kind: ModelKind, lookback: u64) -> Result<()> {
    let mut object = pipelines::small(space, name);
    object["spec"]["training"]["model"] = json!({"kind": kind, "hidden": 8, "epochs": 3,
        "layers": 2, "dropout": "0.1", "patience": 2, "members": ["Linear", "GradientBoosting", "Gru"]});
    object["spec"]["training"]["lookback"] = json!(10);
    space.apply_pipeline(&object).await?;
    pipelines::ready(space, name, READY).await?;
    let version = space.versions().get(&format!("{name}-v1")).await?;
    let mut checks = Checks::new();
    checks.equal("kind of v1", version.spec.kind, kind);
    let key = version
        .spec
        .manifest_uri
        .splitn(4, '/')
        .nth(3)
        .context("no key")?
        .to_owned();
    let manifest = s3::get(&space.cluster, &key)
        .await?
        .context("no manifest")?;
    let manifest: Value = serde_json::from_slice(&manifest)?;
    let judged = manifest["evaluation"].as_array().map_or(0, Vec::len);
    checks.equal("kinds judged", judged, 4);
    checks.equal(
        "rows one forecast looks at",
        manifest["lookback"].as_u64(),
        Some(lookback),
    );
    documents(space, &manifest, &mut checks).await?;
    let again = programs::reproduce(space, name, &version.spec.manifest_uri).await?;
    checks.equal("reproduced", again.contains("equal, bit for bit"), true);
    let predictor = Predictor::find(space, name).await?;
    let before = predictor.forecast("SIMA").await?;
    checks.equal("steps", before.1.len(), 5);
    ensure!(
        before.1.windows(2).any(|w| w[0] != w[1]),
        "a naive forecast: {before:?}"
    );
    let answer = predictor.get("/v1/forecasts/SIMA").await?;
    quantiles(&answer.body, &manifest, &mut checks)?;
    faults::kill_child(space, &format!("{name}-predict"), BACK).await?;
    // The condition may still speak of the time before the kill: ask until somebody answers.
    let after = until("an answer", BACK, async || predictor.forecast("SIMA").await).await?;
    checks.equal("the same forecast after a new start", after, before);
    checks.verdict()
}

/// The served quantiles are the manifest's residuals around the served forecast, and never cross.
fn quantiles(answer: &Value, manifest: &Value, checks: &mut Checks) -> Result<()> {
    let close = answer["close"].as_f64().context("no close")?;
    let levels = manifest["quantiles"]["levels"].as_array();
    let mut below = vec![0.0; 5];
    for (column, level) in levels.context("no levels")?.iter().enumerate() {
        let served: Vec<f64> =
            serde_json::from_value(answer["quantiles"][level.to_string()].clone())?;
        let expected: Vec<f64> = (0..5)
            .filter_map(|step| {
                let residual = manifest["quantiles"]["steps"][step][column].as_f64()?;
                Some(answer["mean_forecast"][step].as_f64()? + close * residual)
            })
            .collect();
        checks.equal(&format!("quantile {level}"), &served, &expected);
        let crossed = served.iter().zip(&below).any(|(high, low)| high < low);
        checks.equal(&format!("quantile {level} crosses"), crossed, false);
        below = served;
    }
    Ok(())
}

/// The leak guard has passed, and card and report are there and say so.
async fn documents(space: &Space, manifest: &Value, checks: &mut Checks) -> Result<()> {
    let guard = &manifest["leakGuard"];
    checks.equal("leak guard", guard["passed"].as_bool(), Some(true));
    checks.equal(
        "its checks",
        guard["checks"].as_array().map(Vec::len),
        Some(4),
    );
    let quantiles = manifest["quantiles"]["steps"].as_array().map(Vec::len);
    checks.equal("steps with residual quantiles", quantiles, Some(5));
    for name in ["card", "report"] {
        let key = manifest[name]["key"].as_str().context("no key")?;
        let bytes = s3::get(&space.cluster, key).await?;
        let bytes = bytes.with_context(|| format!("no {name} at {key}"))?;
        let digest = foresail_crds::names::sha256_hex(&bytes);
        checks.equal(
            name,
            Some(digest.as_str()),
            manifest[name]["sha256"].as_str(),
        );
        let text = String::from_utf8(bytes.to_vec())?;
        match name {
            "card" => {
                let card: Value = serde_json::from_str(&text)?;
                let found = card["leakGuard"]["passed"].as_bool();
                checks.equal("leak guard of the card", found, Some(true));
                let folds = card["breakdown"]["folds"].as_object().map(|f| f.len());
                checks.equal("folds of the card", folds, Some(3));
            }
            _ => checks.equal(
                "the report says it",
                text.contains("The leak guard found nothing."),
                true,
            ),
        }
    }
    Ok(())
}

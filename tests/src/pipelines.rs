//! Pipelines to test with, and what their status says.

use std::time::Duration;

use anyhow::{Context, Result, anyhow, ensure};
use foresail_crds::Pipeline;
use foresail_crds::pipeline::conditions;
use foresail_crds::pipeline::status::RunState;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use serde_json::{Value, json};

use crate::cluster::S3_SECRET;
use crate::{Operator, Space, until};

/// How long nothing follows at rest.
const REST: Duration = Duration::from_secs(15);
/// Codes as vendors write them, with every sign that a symbol may have.
pub const CODES: [&str; 14] = [
    "M&M.NS",
    "BTC/USDT",
    "GC1!",
    "NYSE:BRK.B",
    "$SPX",
    "BF B",
    "^GSPC",
    "EURUSD=X",
    "ACHR+",
    "@ES#",
    "AAPL*",
    "/ES",
    "BTC_USD-C",
    "ON",
];

/// A small simulated market: 420 sessions of backfill, no replay, a linear model.
pub fn small(space: &Space, name: &str) -> Value {
    let settings = &space.cluster.settings;
    json!({
        "apiVersion": "foresail.dev/v1alpha1", "kind": "Pipeline",
        "metadata": {"name": name, "namespace": space.name},
        "spec": {
            "instruments": [{"symbol": "SIMA"}, {"symbol": "SIMB"}],
            "source": {"simulator": {"seed": 11, "start": "2015-01-02", "sessions": 420,
                "autocorrelation": "0.4", "volatilityClustering": "0.2",
                "splitEverySessions": 150, "badRowEvery": 60, "gapEverySessions": 90}},
            "kafka": {"bootstrapServers": settings.kafka},
            "lake": {"uri": format!("s3://{}/tests", settings.s3_bucket), "endpoint": settings.s3_endpoint, "secretName": S3_SECRET},
            "features": [
                {"name": "return_1d", "function": "LogReturn"},
                {"name": "volatility_10d", "function": "Volatility", "window": 10},
                {"name": "rsi_14d", "function": "Rsi", "window": 14}],
            "training": {"model": {"kind": "Linear"}, "horizon": 5,
                "resources": {"requests": {"cpu": "100m", "memory": "128Mi"}, "limits": {"memory": "768Mi"}}},
            "serving": {"maxReplicas": 2, "cache": {"redis": {"url": settings.redis}}},
            "drift": {"windowSessions": 40},
            "promotion": {"gateWindowSessions": 30}
        }
    })
}

/// Symbols of a Pipeline given as JSON.
pub fn symbols(pipeline: &Value) -> Vec<String> {
    let instruments = pipeline["spec"]["instruments"]
        .as_array()
        .cloned()
        .unwrap_or_default();
    instruments
        .iter()
        .filter_map(|i| i["symbol"].as_str().map(str::to_owned))
        .collect()
}

/// The condition of this type, once it is set.
pub fn condition<'a>(pipeline: &'a Pipeline, kind: &str) -> Option<&'a Condition> {
    pipeline
        .status
        .as_ref()?
        .conditions
        .iter()
        .find(|c| c.type_ == kind)
}

/// Whether the status speaks of the present spec and a condition is True.
pub fn is_true(pipeline: &Pipeline, kind: &str) -> bool {
    is_observed(pipeline) && condition(pipeline, kind).is_some_and(|c| c.status == "True")
}

/// Whether the status speaks of the present spec.
pub fn is_observed(pipeline: &Pipeline) -> bool {
    pipeline
        .status
        .as_ref()
        .is_some_and(|s| s.observed_generation == pipeline.metadata.generation)
}

/// Conditions on one line.
pub fn summary(pipeline: &Pipeline) -> String {
    let Some(status) = &pipeline.status else {
        return "no status".into();
    };
    let parts: Vec<String> = status
        .conditions
        .iter()
        .filter(|c| c.status != "True" || c.type_ == conditions::STALLED)
        .map(|c| format!("{}={} {}: {}", c.type_, c.status, c.reason, c.message))
        .collect();
    if parts.is_empty() {
        "all conditions True".into()
    } else {
        parts.join(" | ")
    }
}

/// Waits until Ready is True for the present spec.
pub async fn ready(space: &Space, name: &str, limit: Duration) -> Result<Pipeline> {
    wait(space, name, "Ready", limit, |p| {
        ensure!(is_true(p, conditions::READY), "{}", summary(p));
        Ok(())
    })
    .await
}

/// Waits until its predictors serve, whatever else is still moving.
///
/// # Errors
/// The conditions that are not True after `limit`.
pub async fn serving(space: &Space, name: &str, limit: Duration) -> Result<Pipeline> {
    wait(space, name, "serves", limit, |p| {
        ensure!(is_true(p, conditions::SERVING_READY), "{}", summary(p));
        Ok(())
    })
    .await
}

/// Waits until `check` accepts the Pipeline.
pub async fn wait(
    space: &Space,
    name: &str,
    what: &str,
    limit: Duration,
    check: impl Fn(&Pipeline) -> Result<()>,
) -> Result<Pipeline> {
    Operator::shared(&space.cluster).pods().await?;
    let api = space.pipelines();
    until(&format!("{name} {what}"), limit, async || {
        let pipeline = api.get(name).await?;
        check(&pipeline).map(|()| pipeline)
    })
    .await
}

/// Waits until every row is read and has arrived in the lake and in the features.
pub async fn drained(space: &Space, name: &str, limit: Duration) -> Result<Pipeline> {
    wait(space, name, "read to its end", limit, |p| {
        let status = p.status.as_ref().context("no status")?;
        let ingest = status.ingest.as_ref().context("no status.ingest")?;
        ensure!(
            ingest.source_complete,
            "ingest at {:?}",
            ingest.last_event_time
        );
        let lake = status.lake.as_ref().map_or(0, |lake| lake.rows);
        ensure!(
            lake == ingest.rows_sent,
            "lake holds {lake} of {}",
            ingest.rows_sent
        );
        let bars = status.stream.as_ref().map_or(0, |stream| stream.bars);
        ensure!(
            bars == ingest.rows_sent,
            "stream has read {bars} of {}",
            ingest.rows_sent
        );
        Ok(())
    })
    .await
}

/// Waits until the last session is judged against the reference of today, no run is under way, and none follows for some
/// seconds: the operator answers what it is told within moments.
pub async fn at_rest(space: &Space, name: &str, limit: Duration) -> Result<Pipeline> {
    let run = |p: &Pipeline| Some(p.status.as_ref()?.run.as_ref()?.id.clone());
    let mut seen = wait(space, name, "is at rest", limit, decided).await?;
    loop {
        tokio::time::sleep(REST).await;
        let again = wait(space, name, "is still at rest", limit, decided).await?;
        if run(&seen) == run(&again) {
            return Ok(again);
        }
        seen = again;
    }
}

fn decided(pipeline: &Pipeline) -> Result<()> {
    let status = pipeline.status.as_ref().context("no status")?;
    let run = status.run.as_ref().context("no run")?;
    ensure!(
        run.state != RunState::Running,
        "run {} is under way",
        run.id
    );
    let read = status.ingest.as_ref();
    let read = read.and_then(|ingest| ingest.last_event_time.as_ref());
    let reference = status.drift_reference.as_ref().or(status.champion.as_ref());
    let reference = reference.map(|version| version.version);
    let Some(drift) = &status.drift else {
        // Behind a version that was judged there may be less than a window.
        let judged = reference.is_some_and(|version| version > 1);
        ensure!(judged, "nothing is judged yet");
        return Ok(());
    };
    ensure!(
        Some(&drift.window_end_time) == read && Some(drift.model_version) == reference,
        "drift is judged through {:?} against v{}",
        drift.window_end_time,
        drift.model_version
    );
    Ok(())
}

/// Waits until a condition is not True with this reason, or a message that holds the word.
pub async fn explained(space: &Space, name: &str, word: &str, limit: Duration) -> Result<Pipeline> {
    wait(space, name, &format!("explains {word}"), limit, |p| {
        let status = p.status.as_ref().context("no status")?;
        let found = status.conditions.iter().any(|c| {
            let bad = c.status != "True" || c.type_ == conditions::STALLED;
            bad && (c.reason.contains(word) || c.message.contains(word))
        });
        found.then_some(()).ok_or_else(|| anyhow!("{}", summary(p)))
    })
    .await
}

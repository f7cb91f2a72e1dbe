//! What a person or the outside broke shows its own reason within half a minute, and heals by
//! itself when the cause is gone.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use foresail_crds::Pipeline;
use foresail_domain::Bar;
use foresail_runtime_kafka::admin;
use foresail_tests::cluster::S3_SECRET;
use foresail_tests::metrics::{self, Scenario};
use foresail_tests::predictor::Predictor;
use foresail_tests::topics::{self, names, settings, values};
use foresail_tests::{Space, faults, in_namespace, pipelines, redis, s3, until};
use k8s_openapi::api::core::v1::Pod;
use kube::ResourceExt;
use kube::api::DeleteParams;
use serde_json::json;

use super::store::CarelessStore;

/// Promised of a machine that has time for it.
const SHOWN: Duration = Duration::from_secs(30);
/// How long a machine is waited for that has more to do than it can.
const SHOWN_WHEN_BUSY: Duration = Duration::from_secs(180);
const READY: Duration = Duration::from_secs(300);

async fn shown(space: &Space, name: &str, reason: &str) -> Result<Pipeline> {
    let begin = Instant::now();
    let pipeline = pipelines::explained(space, name, reason, SHOWN_WHEN_BUSY).await?;
    let took = begin.elapsed();
    let busy = is_busy()?;
    println!("{reason} shown after {took:.1?}, busy: {busy}");
    ensure!(busy || took <= SHOWN, "{reason} is shown after {took:.1?}");
    // Not only the reason: also the object it is about, and what happens next.
    let words = pipelines::summary(&pipeline);
    ensure!(
        words.len() > reason.len() + 20,
        "a reason without words: {words}"
    );
    Ok(pipeline)
}

/// Whether more wants to run than there are cores, on average over a minute.
fn is_busy() -> Result<bool> {
    let load = std::fs::read_to_string("/proc/loadavg")?;
    let load: f64 = load.split(' ').next().unwrap_or_default().parse()?;
    Ok(load > std::thread::available_parallelism()?.get() as f64)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn wrong_s3_keys() -> Result<()> {
    in_namespace("s3-keys", async |space| {
        let name = "keys";
        space
            .put_s3_secret(S3_SECRET, "nobody", "wrong-secret-key")
            .await?;
        space
            .apply_pipeline(&pipelines::small(&space, name))
            .await?;
        shown(&space, name, "S3AccessDenied").await?;
        let settings = &space.cluster.settings;
        space
            .put_s3_secret(S3_SECRET, &settings.access_key, &settings.secret_key)
            .await?;
        pipelines::ready(&space, name, READY).await.map(drop)
    })
    .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn unreachable_kafka() -> Result<()> {
    in_namespace("no-kafka", async |space| {
        let name = "brokers";
        let good = pipelines::small(&space, name);
        let mut bad = good.clone();
        let host = space
            .cluster
            .settings
            .kafka
            .split(':')
            .next()
            .context("no host")?
            .to_owned();
        bad["spec"]["kafka"]["bootstrapServers"] = json!(format!("{host}:9"));
        space.apply_pipeline(&bad).await?;
        shown(&space, name, "KafkaUnreachable").await?;
        space.apply_pipeline(&good).await?;
        pipelines::ready(&space, name, READY).await.map(drop)
    })
    .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn missing_secret() -> Result<()> {
    in_namespace("no-secret", async |space| {
        let name = "secretless";
        let mut object = pipelines::small(&space, name);
        object["spec"]["lake"]["secretName"] = json!("not-made-yet");
        space.apply_pipeline(&object).await?;
        shown(&space, name, "not-made-yet").await?;
        let settings = &space.cluster.settings;
        space
            .put_s3_secret("not-made-yet", &settings.access_key, &settings.secret_key)
            .await?;
        pipelines::ready(&space, name, READY).await.map(drop)
    })
    .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn training_out_of_memory() -> Result<()> {
    in_namespace("oom", async |space| {
        let name = "hungry";
        // Enough rows that they do not fit.
        let mut good = pipelines::small(&space, name);
        good["spec"]["source"]["simulator"]["start"] = json!("1980-01-02");
        good["spec"]["source"]["simulator"]["sessions"] = json!(10_000);
        let mut small = good.clone();
        small["spec"]["training"]["resources"] =
            json!({"requests": {"memory": "8Mi"}, "limits": {"memory": "8Mi"}});
        space.apply_pipeline(&small).await?;
        // Counted from the start of the run, which waits for the backfill.
        pipelines::wait(&space, name, "trains", READY, |p| {
            p.status
                .as_ref()
                .and_then(|s| s.run.as_ref())
                .map(drop)
                .context("no run yet")
        })
        .await?;
        shown(&space, name, "OOMKilled").await?;
        space.apply_pipeline(&good).await?;
        pipelines::ready(&space, name, READY).await.map(drop)
    })
    .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn corrupt_artifact() -> Result<()> {
    in_namespace("corrupt", async |space| {
        let name = "corrupt";
        space
            .apply_pipeline(&pipelines::small(&space, name))
            .await?;
        pipelines::ready(&space, name, READY).await?;
        let keys = s3::list(
            &space.cluster,
            &format!("tests/{}/{name}/models/", space.name),
        )
        .await?;
        let manifest = keys
            .iter()
            .find(|k| k.ends_with("manifest.json"))
            .context("no manifest")?;
        let bytes = s3::get(&space.cluster, manifest).await?.context("gone")?;
        let good = String::from_utf8(bytes.to_vec())?;
        s3::put(
            &space.cluster,
            manifest,
            &good.replacen("\"horizon\"", "\"Horizon\"", 1),
        )
        .await?;
        // A predictor that starts now must refuse it; the one that runs keeps what it has verified.
        let before = Predictor::find(&space, name)
            .await?
            .forecast("SIMA")
            .await?;
        ensure!(!before.1.is_empty(), "no forecast");
        let rows = format!("fs:{}/{name}:rows:*", space.name);
        ensure!(redis::damage(&space.cluster, &rows).await? > 0, "no rows");
        for pod in faults::pods_of(&space, &format!("{name}-predict")).await? {
            space
                .api::<Pod>()
                .delete(&pod.name_any(), &DeleteParams::default())
                .await?;
        }
        shown(&space, name, "DigestMismatch").await?;
        s3::put(&space.cluster, manifest, &good).await?;
        pipelines::ready(&space, name, READY).await?;
        // Its rows are read once it knows which ones the version needs.
        let moved = metrics::check(&space, name, Scenario::Corrupt).await?;
        println!("metrics: {moved}");
        let after = Predictor::find(&space, name)
            .await?
            .forecast("SIMA")
            .await?;
        ensure!(before == after, "{before:?} became {after:?}");
        Ok(())
    })
    .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn store_without_conditional_writes() -> Result<()> {
    in_namespace("careless", async |space| {
        let name = "careless";
        let good = pipelines::small(&space, name);
        let store = CarelessStore::start(&space.cluster).await?;
        let mut bad = good.clone();
        bad["spec"]["lake"]["endpoint"] = json!(store.endpoint());
        space.apply_pipeline(&bad).await?;
        shown(&space, name, "S3PreconditionsIgnored").await?;
        ensure!(store.requests() > 0, "nobody asked the careless store");
        space.apply_pipeline(&good).await?;
        pipelines::ready(&space, name, READY).await.map(drop)
    })
    .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn recreated_topic() -> Result<()> {
    in_namespace("recreated", async |space| {
        let name = "recreated";
        space
            .apply_pipeline(&pipelines::small(&space, name))
            .await?;
        pipelines::ready(&space, name, READY).await?;
        let before = values::<Bar>(&space, &names(&space, name).bars).await?;
        let topics = names(&space, name);
        remake(&space, &topics.bars).await?;
        shown(&space, name, "TopicRecreated").await?;
        // As the message says.
        let mut object = pipelines::small(&space, name);
        object["spec"]["suspend"] = json!(true);
        space.apply_pipeline(&object).await?;
        for role in ["ingest", "stream"] {
            faults::stopped(&space, &format!("{name}-{role}"), READY).await?;
        }
        for derived in [&topics.features, &topics.stream_state, &topics.quarantine] {
            remake(&space, derived).await?;
        }
        let table = format!("tests/{}/{name}/bars/", space.name);
        s3::delete_below(&space.cluster, &table).await?;
        space
            .apply_pipeline(&pipelines::small(&space, name))
            .await?;
        pipelines::drained(&space, name, READY).await?;
        pipelines::ready(&space, name, READY).await?;
        let after = values::<Bar>(&space, &names(&space, name).bars).await?;
        ensure!(
            before.len() == after.len(),
            "{} bars became {}",
            before.len(),
            after.len()
        );
        Ok(())
    })
    .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_topic_that_forgets_is_refused() -> Result<()> {
    in_namespace("forgets", async |space| {
        let name = "forgets";
        let bars = names(&space, name).bars;
        // As a broker makes it that was told to keep nothing for long.
        topics::make_with(&space, &bars, 3, &[("retention.ms", "3600000")]).await?;
        space
            .apply_pipeline(&pipelines::small(&space, name))
            .await?;
        let pipeline = shown(&space, name, "TopicMisconfigured").await?;
        let words = pipelines::summary(&pipeline);
        ensure!(
            words.contains(&bars) && words.contains("retention.ms=3600000"),
            "{words}"
        );
        Ok(())
    })
    .await
}

/// Deletes a topic and makes an empty one of its name.
async fn remake(space: &Space, topic: &str) -> Result<()> {
    admin::delete_topics(&settings(space)?, &[topic]).await?;
    until("the topic is gone", SHOWN_WHEN_BUSY, async || {
        let left = topics::read_all(space, topic).await;
        ensure!(left.is_err(), "still there");
        Ok(())
    })
    .await?;
    topics::make(space, topic, 3).await
}

//! Workers, Kafka, Redis, S3 and predictors die in turn under load. An undisturbed twin of the same
//! seed says what must come out: nothing lost, nothing doubled, every value the same bits.

use std::time::Duration;

use anyhow::{Context, Result, anyhow, ensure};
use foresail_crds::Pipeline;
use foresail_tests::metrics::{self, Scenario};
use foresail_tests::predictor::{Asked, Asker, Predictor};
use foresail_tests::settings::in_soak;
use foresail_tests::topics::Ledger;
use foresail_tests::{
    Checks, Space, delta, faults, in_namespace, pipelines, prepared_then_alone, redis, until,
};
use k8s_openapi::api::core::v1::Pod;
use kube::ResourceExt;
use kube::api::DeleteParams;
use serde_json::{Value, json};

const READY: Duration = Duration::from_secs(300);
const BACK: Duration = Duration::from_secs(90);
const REPLAY: Duration = Duration::from_secs(600);

/// Some 1,900 bars of backfill, 2,000 of replay; four times that in the soak.
fn market(space: &Space, name: &str, sessions_per_second: &str) -> Value {
    let mut object = pipelines::small(space, name);
    object["spec"]["source"] = json!({
        "simulator": {"seed": 21, "start": "2010-01-04", "sessions": in_soak(2000, 5000), "autocorrelation": "0.3",
            "splitEverySessions": 200, "badRowEvery": 100, "gapEverySessions": 120},
        "backfill": {"to": "2013-12-31"}, "replay": {"sessionsPerSecond": sessions_per_second}});
    object["spec"]["retraining"] = json!({"triggers": []});
    object
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_lost_or_doubled_when_parts_die() -> Result<()> {
    let name = "broken";
    let prepare = async |space: &Space| {
        // The twin has nothing to wait for: it reads to the end at once. The other one waits at its first session.
        space.apply_pipeline(&market(space, "twin", "1000")).await?;
        space.apply_pipeline(&market(space, name, "0.01")).await?;
        pipelines::serving(space, name, READY).await?;
        pipelines::drained(space, "twin", REPLAY).await?;
        // Workers are this test's own: they die beside other tests.
        replay(space, name, "5").await?;
        let asker = asking(space, name).await?;
        for _ in 0..in_soak(1, 4) {
            workers_die(space, name, &["ingest", "stream", "lake", "monitor"]).await?;
        }
        let asked = asker.finish().await?;
        ensure!(asked.failed.is_empty(), "failed: {:?}", asked.failed);
        let held = market(space, name, "0.01");
        space.apply_pipeline(&held).await.map(drop)
    };
    prepared_then_alone("kill", prepare, async |space| {
        replay(&space, name, "12").await?;
        let asker = asking(&space, name).await?;
        for _ in 0..in_soak(1, 4) {
            servers_die(&space).await?;
            // Those that hold state once more, now while they catch up.
            workers_die(&space, name, &["stream", "lake"]).await?;
        }
        // Nothing dies any more, and others wait for this test to end.
        replay(&space, name, "1000").await?;
        pipelines::drained(&space, name, REPLAY).await?;
        let asked = asker.finish().await?;
        pipelines::ready(&space, name, BACK).await?;
        compare_with_twin(&space, name, &asked).await
    })
    .await
}

/// Replays at this speed from here on; returns once rows are read.
async fn replay(space: &Space, name: &str, sessions_per_second: &str) -> Result<()> {
    let read = rows_read(&pipelines::serving(space, name, READY).await?);
    let faster = market(space, name, sessions_per_second);
    space.apply_pipeline(&faster).await?;
    let moves = |p: &Pipeline| {
        ensure!(rows_read(p) > read + 10, "{} rows read", rows_read(p));
        Ok(())
    };
    let replays = pipelines::wait(space, name, "replays", READY, moves);
    replays.await.map(drop)
}

/// A client that asks on and on.
async fn asking(space: &Space, name: &str) -> Result<Asker> {
    let predictor = Predictor::find(space, name).await?;
    let symbols = vec!["SIMA".into(), "SIMB".into()];
    Ok(Asker::start(predictor, symbols, Duration::from_millis(40)))
}

fn rows_read(pipeline: &Pipeline) -> u64 {
    let status = pipeline.status.as_ref();
    let ingest = status.and_then(|status| status.ingest.as_ref());
    ingest.map_or(0, |ingest| ingest.rows_read)
}

/// Each of these workers in turn.
async fn workers_die(space: &Space, name: &str, roles: &[&str]) -> Result<()> {
    for role in roles {
        faults::kill_child(space, &format!("{name}-{role}"), BACK).await?;
    }
    Ok(())
}

/// Kafka, Redis and S3 in turn.
async fn servers_die(space: &Space) -> Result<()> {
    for part in ["kafka", "redis", "s3"] {
        faults::component(&space.cluster, "kill", part).await?;
        tokio::time::sleep(Duration::from_secs(4)).await;
        faults::component(&space.cluster, "start", part).await?;
        tokio::time::sleep(Duration::from_secs(4)).await;
    }
    redis::flush(&space.cluster).await
}

async fn compare_with_twin(space: &Space, name: &str, asked: &Asked) -> Result<()> {
    let (found, expected) = (
        Ledger::read(space, name).await?,
        Ledger::read(space, "twin").await?,
    );
    let mut checks = Checks::new();
    checks.equal("bars", found.bars.len(), expected.bars.len());
    checks.equal("bars that came twice", found.repeated_bars, 0);
    checks.equal(
        "every bar is the twin's, bit for bit",
        found.bars == expected.bars,
        true,
    );
    checks.equal(
        "rows in quarantine",
        found.quarantine.len(),
        expected.quarantine.len(),
    );
    checks.equal(
        "every feature row is the twin's, bit for bit",
        found.features == expected.features,
        true,
    );
    checks.equal("feature rows that came twice", found.repeated_features, 0);
    checks.equal("repeats that contradict", found.contradictions, 0);
    let status = space
        .pipelines()
        .get(name)
        .await?
        .status
        .context("no status")?;
    let ingest = status.ingest.context("no status.ingest")?;
    checks.equal(
        "rows read = sent + quarantined",
        ingest.rows_read,
        ingest.rows_sent + ingest.rows_quarantined,
    );
    let table = delta::read(
        &space.cluster,
        &format!("tests/{}/{name}/bars/", space.name),
    )
    .await?;
    checks.equal("rows of the table", table.rows.len(), expected.bars.len());
    let mut seen = std::collections::BTreeSet::new();
    for row in &table.rows {
        let key = (
            delta::text(row, &["symbol"])?,
            delta::integer(row, &["event_time", "eventTime"])?,
        );
        ensure!(seen.insert(key.clone()), "{key:?} is in the table twice");
        ensure!(
            expected.bars.contains_key(&key),
            "{key:?} is not a bar of the twin"
        );
    }
    checks.equal("failed requests", asked.failed.clone(), vec![]);
    checks.add(
        "requests",
        if asked.sent > 200 {
            Ok(asked.sent)
        } else {
            Err(anyhow::anyhow!("only {}", asked.sent))
        },
    );
    checks.verdict()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_new_predictor_starts_while_redis_is_down() -> Result<()> {
    let name = "uncached";
    let prepare = async |space: &Space| {
        let mut object = pipelines::small(space, name);
        object["spec"]["serving"]["minReplicas"] = json!(2);
        space.apply_pipeline(&object).await?;
        pipelines::ready(space, name, READY).await.map(drop)
    };
    prepared_then_alone("no-redis", prepare, async |space| {
        pipelines::ready(&space, name, READY).await?;
        let predictor = Predictor::find(&space, name).await?;
        let before = predictor.forecast("SIMA").await?;
        faults::component(&space.cluster, "kill", "redis").await?;
        let result = async {
            let child = format!("{name}-predict");
            for pod in faults::pods_of(&space, &child).await? {
                space
                    .api::<Pod>()
                    .delete(&pod.name_any(), &DeleteParams::default())
                    .await?;
            }
            until("new predictors", BACK, async || {
                let ready = faults::pods_of(&space, &child)
                    .await?
                    .iter()
                    .filter(|p| faults::is_ready(p))
                    .count();
                ensure!(ready == 2, "{ready} ready");
                Ok(())
            })
            .await?;
            let after = predictor.forecast("SIMA").await?;
            ensure!(
                after == before,
                "{after:?} without Redis, {before:?} with it"
            );
            let moved = metrics::check(&space, name, Scenario::WithoutRedis).await?;
            println!("metrics: {moved}");
            Ok(())
        }
        .await;
        faults::component(&space.cluster, "start", "redis").await?;
        result
    })
    .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_predictor_cuts_no_connection_but_its_own() -> Result<()> {
    in_namespace("predictor", async |space| {
        let name = "two";
        let mut object = pipelines::small(&space, name);
        object["spec"]["serving"]["minReplicas"] = json!(2);
        space.apply_pipeline(&object).await?;
        pipelines::ready(&space, name, READY).await?;
        let child = format!("{name}-predict");
        let service = Predictor::find(&space, name).await?;
        // A drain: the pod is asked to go, and answers to its end.
        let [first, _] = two_ready(&space, &child).await?;
        let asker = ask(service.clone());
        space
            .api::<Pod>()
            .delete(&first.name_any(), &DeleteParams::default())
            .await?;
        tokio::time::sleep(Duration::from_secs(15)).await;
        let mut checks = Checks::new();
        nothing_failed(&mut checks, "a drain", asker.finish().await?);
        killed(&mut checks, &space, &child).await?;
        let asker = ask(service);
        tokio::time::sleep(Duration::from_secs(5)).await;
        nothing_failed(&mut checks, "once it is back", asker.finish().await?);
        checks.verdict()
    })
    .await
}

/// A kill: who talks to the dead pod is cut off, who talks to the other one notices nothing.
async fn killed(checks: &mut Checks, space: &Space, child: &str) -> Result<()> {
    let pods = two_ready(space, child).await?;
    let [victim, survivor] = &pods;
    let own = ask(Predictor::of_pod(victim)?);
    let other = ask(Predictor::of_pod(survivor)?);
    tokio::time::sleep(Duration::from_secs(5)).await;
    faults::kill_pod(space, victim, BACK).await?;
    let after = two_ready(space, child).await?;
    let (own, other) = (own.finish().await?, other.finish().await?);
    let names = |pods: &[Pod; 2]| pods.each_ref().map(ResourceExt::name_any);
    checks.equal("pods", names(&after), names(&pods));
    nothing_failed(checks, "the survivor", other);
    let cut = |f: &&String| f.contains("no answer") || f.contains("cut answer");
    let cut = own.failed.iter().filter(cut).count();
    checks.equal("failures of another kind", own.failed.len() - cut, 0);
    let answered = own.sent - cut as u64;
    checks.add("the killed one: cut off, and asked before", {
        ensured(cut > 0 && answered >= LEAST, answered, cut)
    });
    Ok(())
}

/// Fewest requests that say anything; one takes a pause and some milliseconds.
const LEAST: u64 = 50;

fn ask(predictor: Predictor) -> Asker {
    Asker::start(predictor, vec!["SIMA".into()], Duration::from_millis(20))
}

fn nothing_failed(checks: &mut Checks, what: &str, asked: Asked) {
    checks.equal(&format!("{what}: failed"), asked.failed, vec![]);
    let enough = ensured(asked.sent >= LEAST, asked.sent, 0);
    checks.add(&format!("{what}: requests"), enough);
}

fn ensured(holds: bool, answered: u64, cut: usize) -> Result<String> {
    ensure!(holds, "{answered} answered, {cut} cut");
    Ok(format!("{answered} answered, {cut} cut"))
}

/// Two predictors that answer, oldest first.
async fn two_ready(space: &Space, child: &str) -> Result<[Pod; 2]> {
    until("two predictors", BACK, async || {
        let mut pods = faults::pods_of(space, child).await?;
        pods.retain(faults::is_ready);
        <[Pod; 2]>::try_from(pods).map_err(|pods| anyhow!("{} ready", pods.len()))
    })
    .await
}

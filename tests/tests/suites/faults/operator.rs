//! The operator dies at random points of the loop, and is there twice: one end state, one run.

use std::process::Stdio;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use foresail_crds::pipeline::conditions;
use foresail_crds::pipeline::status::RunState;
use foresail_tests::cluster::OPERATOR_NAMESPACE;
use foresail_tests::predictor::{Asker, Predictor};
use foresail_tests::settings::in_soak;
use foresail_tests::{
    Checks, Cluster, Space, alone_in_namespace, alone_with_the_operator, audit, faults, pipelines,
    prepared_then_alone, programs, until,
};
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::batch::v1::Job;
use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::api::core::v1::Pod;
use kube::api::{DeleteParams, ListParams, Patch, PatchParams};
use kube::{Api, ResourceExt};
use rand::Rng;
use serde_json::json;
use tokio::process::Command;

const READY: Duration = Duration::from_secs(420);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_at_twenty_random_points_the_end_is_the_same() -> Result<()> {
    alone_with_the_operator("op-kill", async |space| {
        let name = "survivor";
        space
            .apply_pipeline(&pipelines::small(&space, name))
            .await?;
        for kill in 0..in_soak(20, 100) {
            // From before the first child exists to well after the first champion serves.
            let pause = rand::rng().random_range(200..4_000);
            tokio::time::sleep(Duration::from_millis(pause)).await;
            kill_operator(&space.cluster)
                .await
                .with_context(|| format!("kill {kill}"))?;
        }
        pipelines::ready(&space, name, READY).await?;
        check(&space, name).await
    })
    .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_operators_do_the_work_of_one() -> Result<()> {
    alone_with_the_operator("op-two", async |space| {
        scale(&space.cluster, 2).await?;
        let result = async {
            let name = "shared";
            space
                .apply_pipeline(&pipelines::small(&space, name))
                .await?;
            // Without its Lease a leader is replaced while it still works.
            for _ in 0..6 {
                tokio::time::sleep(Duration::from_secs(4)).await;
                steal_lease(&space.cluster).await?;
            }
            pipelines::ready(&space, name, READY).await?;
            check(&space, name).await
        }
        .await;
        scale(&space.cluster, 1).await?;
        result
    })
    .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_crash_around_any_write_changes_nothing() -> Result<()> {
    alone_in_namespace("op-write", async |space| {
        let name = "crashes";
        scale(&space.cluster, 0).await?;
        let lives = lives(&space, name).await;
        scale(&space.cluster, 1).await?;
        let lives = lives?;
        println!("Ready after {lives} lives, a write each");
        pipelines::ready(&space, name, READY).await?;
        check(&space, name).await?;
        ensure!(lives > 20, "only {lives} lives: were faults injected?");
        Ok(())
    })
    .await
}

/// Runs the operator on this machine, again and again: one life ends right after its first write, the
/// next before its second. Ends when the Pipeline is Ready and an operator has nothing left to write.
async fn lives(space: &Space, name: &str) -> Result<usize> {
    space.apply_pipeline(&pipelines::small(space, name)).await?;
    let begin = Instant::now();
    let faults = ["kubernetes.*:1:crash-after", "kubernetes.*:2:crash-before"];
    for (life, fault) in faults.iter().cycle().enumerate() {
        ensure!(begin.elapsed() < READY, "not Ready after {life} lives");
        let mut operator = Command::new(programs::program("foresail-operator")?)
            .args(["--admin-bind", "127.0.0.1:0"])
            .env("FORESAIL_WATCH_NAMESPACE", &space.name)
            .env("FORESAIL_FAULT", fault)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()?;
        let (mut calm, mut rest) = (0, tokio::time::interval(Duration::from_millis(500)));
        // Five seconds without a write beside a Ready Pipeline: nothing is left to do.
        while calm < 10 && operator.try_wait()?.is_none() {
            rest.tick().await;
            let pipeline = space.pipelines().get(name).await?;
            let ready = pipelines::is_true(&pipeline, conditions::READY);
            calm = if ready { calm + 1 } else { 0 };
            ensure!(begin.elapsed() < READY, "{}", pipelines::summary(&pipeline));
        }
        if calm == 10 {
            return Ok(life);
        }
    }
    bail!("the faults are endless")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn predictors_serve_on_without_operator_and_api_server() -> Result<()> {
    let name = "alone";
    let prepare = async |space: &Space| {
        space.apply_pipeline(&pipelines::small(space, name)).await?;
        pipelines::ready(space, name, READY).await.map(drop)
    };
    prepared_then_alone("op-gone", prepare, async |space| {
        pipelines::ready(&space, name, READY).await?;
        let asker = Asker::start(
            Predictor::find(&space, name).await?,
            vec!["SIMA".into()],
            Duration::from_millis(50),
        );
        scale(&space.cluster, 0).await?;
        tokio::time::sleep(Duration::from_secs(5)).await;
        faults::component(&space.cluster, "kill", "apiserver").await?;
        tokio::time::sleep(Duration::from_secs(10)).await;
        faults::component(&space.cluster, "start", "apiserver").await?;
        scale(&space.cluster, 1).await?;
        pipelines::ready(&space, name, Duration::from_secs(120)).await?;
        let asked = asker.finish().await?;
        ensure!(
            asked.failed.is_empty() && asked.sent > 100,
            "{} of {}: {:?}",
            asked.failed.len(),
            asked.sent,
            asked.failed
        );
        Ok(())
    })
    .await
}

/// One run, one version, one champion, no Job too many.
async fn check(space: &Space, name: &str) -> Result<()> {
    let status = space
        .pipelines()
        .get(name)
        .await?
        .status
        .context("no status")?;
    let mut checks = Checks::new();
    let run = status.run.context("no run")?;
    checks.equal("state of the run", run.state, RunState::Succeeded);
    checks.equal("attempts", run.attempt, 0);
    checks.equal("champion", status.champion.map(|c| c.version), Some(1));
    let versions: Vec<u32> = space
        .versions()
        .list(&ListParams::default())
        .await?
        .iter()
        .map(|v| v.spec.version)
        .collect();
    checks.equal("versions", versions, vec![1]);
    let jobs = audit::training_jobs(&space.cluster, &space.name, name)?;
    checks.equal("training Jobs ever made", jobs.len(), 1);
    let left = space.api::<Job>().list(&ListParams::default()).await?;
    let orphans: Vec<String> = left
        .iter()
        .filter(|j| j.owner_references().is_empty())
        .map(ResourceExt::name_any)
        .collect();
    checks.equal("Jobs without an owner", orphans, vec![]);
    checks.verdict()
}

/// SIGKILLs the operator's process and removes the pod, so that no restart back-off stands between
/// this kill and the next.
async fn kill_operator(cluster: &Cluster) -> Result<()> {
    let api: Api<Pod> = Api::namespaced(cluster.client.clone(), OPERATOR_NAMESPACE);
    let pods = faults::operator_pods(cluster).await?;
    for pod in pods
        .iter()
        .filter(|p| p.metadata.deletion_timestamp.is_none())
    {
        faults::kill_processes(pod).ok();
        api.delete(
            &pod.name_any(),
            &DeleteParams {
                grace_period_seconds: Some(0),
                ..DeleteParams::default()
            },
        )
        .await?;
    }
    until("a new operator", Duration::from_secs(60), async || {
        let pods = faults::operator_pods(cluster).await?;
        ensure!(
            pods.iter()
                .any(|p| p.metadata.deletion_timestamp.is_none() && faults::is_ready(p)),
            "not ready"
        );
        Ok(())
    })
    .await
}

/// Sets the number of operators and waits for them.
pub async fn scale(cluster: &Cluster, replicas: i32) -> Result<()> {
    let api: Api<Deployment> = Api::namespaced(cluster.client.clone(), OPERATOR_NAMESPACE);
    let operators = api
        .list(&ListParams::default().labels("app.kubernetes.io/component=operator"))
        .await?;
    let Some(operator) = operators.items.first() else {
        bail!("no operator is installed in {OPERATOR_NAMESPACE}");
    };
    let name = operator.name_any();
    let patch = json!({"spec": {"replicas": replicas}});
    api.patch(&name, &PatchParams::default(), &Patch::Merge(&patch))
        .await?;
    until(
        &format!("{replicas} operators"),
        Duration::from_secs(90),
        async || {
            let status = api.get(&name).await?.status.unwrap_or_default();
            let (all, ready) = (
                status.replicas.unwrap_or(0),
                status.ready_replicas.unwrap_or(0),
            );
            ensure!(
                all == replicas && ready == replicas,
                "{ready} of {all} ready"
            );
            Ok(())
        },
    )
    .await
}

async fn steal_lease(cluster: &Cluster) -> Result<()> {
    let api: Api<Lease> = Api::namespaced(cluster.client.clone(), OPERATOR_NAMESPACE);
    for lease in api.list(&ListParams::default()).await? {
        api.delete(&lease.name_any(), &DeleteParams::default())
            .await
            .ok();
    }
    Ok(())
}

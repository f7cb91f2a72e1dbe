//! The operator dies at random points of the loop, and is there twice: one end state, one run.

use std::process::Stdio;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use foresail_crds::Pipeline;
use foresail_crds::pipeline::conditions;
use foresail_crds::pipeline::status::RunState;
use foresail_tests::cluster::OPERATOR_NAMESPACE;
use foresail_tests::predictor::{Asker, Predictor};
use foresail_tests::settings::in_soak;
use foresail_tests::{
    Checks, Cluster, Space, alone_in_namespace, alone_with_the_operator, faults, pipelines,
    prepared_then_alone, programs, until,
};
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::api::core::v1::Pod;
use kube::api::{DeleteParams, ListParams, Patch, PatchParams};
use kube::runtime::wait::await_condition;
use kube::{Api, ResourceExt};
use rand::Rng;
use serde_json::json;
use tokio::process::Command;

use super::end::{check, only_one};

const READY: Duration = Duration::from_secs(420);

/// From before the first child exists to after a promotion: the market breaks, the alarm is answered, the challenger
/// serves.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_at_twenty_random_points_the_end_is_the_same() -> Result<()> {
    alone_with_the_operator("op-kill", async |space| {
        let name = "survivor";
        let mut object = space.example("examples/demo/simulator.yaml")?;
        object["metadata"]["name"] = json!(name);
        object["spec"]["source"]["replay"]["sessionsPerSecond"] = json!("14");
        space.apply_pipeline(&object).await?;
        let (begin, mut points) = (Instant::now(), Points::default());
        while points.all() < in_soak(20, 100) || points.rest == 0 {
            let pipeline = next_point(&space, name, &points).await?;
            points.count(&pipeline);
            kill_leader(&space.cluster)
                .await
                .with_context(|| format!("kill {points:?}"))?;
            let late = points.rest == 0 && begin.elapsed() > LOOP;
            ensure!(!late, "no promotion: {points:?}");
        }
        println!("killed {points:?}");
        pipelines::drained(&space, name, READY).await?;
        pipelines::ready(&space, name, READY).await?;
        let mut checks = Checks::new();
        checks.equal(
            "killed before the first version",
            points.untrained > 0,
            true,
        );
        checks.equal(
            "killed while a run was in flight",
            points.training > 0,
            true,
        );
        let before = points.all() - points.rest;
        checks.equal("killed often before the promotion", before >= 10, true);
        check(&mut checks, &space, name, 2).await?;
        checks.verdict()
    })
    .await
}

/// The Pipeline after a random pause. The pause ends early when a run is in flight and none was struck so far: the last
/// of them may be over within a second.
async fn next_point(space: &Space, name: &str, points: &Points) -> Result<Pipeline> {
    let pause = Duration::from_millis(rand::rng().random_range(200..4_000));
    let in_flight = |pipeline: Option<&Pipeline>| {
        points.training == 0 && pipeline.is_some_and(|pipeline| run_state(pipeline) == RUNNING)
    };
    let struck = await_condition(space.pipelines(), name, in_flight);
    match tokio::time::timeout(pause, struck).await {
        Ok(pipeline) => pipeline?.context("the Pipeline is gone"),
        Err(_) => Ok(space.pipelines().get(name).await?),
    }
}

const RUNNING: Option<RunState> = Some(RunState::Running);

fn run_state(pipeline: &Pipeline) -> Option<RunState> {
    let run = pipeline.status.as_ref()?.run.as_ref()?;
    Some(run.state)
}

/// The whole loop, with an operator that is there half of the time.
const LOOP: Duration = Duration::from_secs(420);

/// What a Pipeline was at when its operator was killed, and how often.
#[derive(Debug, Default)]
struct Points {
    /// No version yet, and no run.
    untrained: usize,
    /// A run in flight.
    training: usize,
    /// The first version serves.
    serving: usize,
    /// The second one does: the loop has ended.
    rest: usize,
}

impl Points {
    fn count(&mut self, pipeline: &Pipeline) {
        let status = pipeline.status.as_ref();
        let champion = status.and_then(|s| s.champion.as_ref()).map(|c| c.version);
        let place = match (run_state(pipeline), champion) {
            (RUNNING, _) => &mut self.training,
            (_, None) => &mut self.untrained,
            (_, Some(1)) => &mut self.serving,
            (_, Some(_)) => &mut self.rest,
        };
        *place += 1;
    }

    fn all(&self) -> usize {
        self.untrained + self.training + self.serving + self.rest
    }
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
            only_one(&space, name).await
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
        only_one(&space, name).await?;
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

/// SIGKILLs the operator that leads and removes its pod, so that no restart back-off stands between this kill and the
/// next, and its Lease, whose end the next one would wait for. Returns once another one leads.
async fn kill_leader(cluster: &Cluster) -> Result<()> {
    let api: Api<Pod> = Api::namespaced(cluster.client.clone(), OPERATOR_NAMESPACE);
    let dead = until("an operator to kill", LEADS, async || {
        let pod = leader(cluster).await?;
        faults::kill_processes(&pod)?;
        Ok(pod.name_any())
    })
    .await?;
    let at_once = DeleteParams {
        grace_period_seconds: Some(0),
        ..DeleteParams::default()
    };
    gone(api.delete(&dead, &at_once).await)?;
    steal_lease(cluster).await?;
    until("another operator leads", LEADS, async || {
        let name = leader(cluster).await?.name_any();
        ensure!(name != dead, "{name} is the dead one");
        Ok(())
    })
    .await
}

const LEADS: Duration = Duration::from_secs(60);

/// The pod that holds the Lease: others stand by and do nothing.
async fn leader(cluster: &Cluster) -> Result<Pod> {
    let api: Api<Lease> = Api::namespaced(cluster.client.clone(), OPERATOR_NAMESPACE);
    let leases = api.list(&ListParams::default()).await?;
    let holder = leases
        .iter()
        .find_map(|lease| lease.spec.as_ref()?.holder_identity.clone());
    let holder = holder.context("nobody leads")?;
    let mut pods = faults::operator_pods(cluster).await?.into_iter();
    let pod = pods.find(|p| p.name_any() == holder && p.metadata.deletion_timestamp.is_none());
    pod.with_context(|| format!("`{holder}` leads, and is not there"))
}

/// Somebody else may have removed it already.
fn gone<T>(answer: Result<T, kube::Error>) -> Result<()> {
    match answer {
        Err(kube::Error::Api(status)) if status.is_not_found() => Ok(()),
        other => Ok(other.map(drop)?),
    }
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
        let name = lease.name_any();
        gone(api.delete(&name, &DeleteParams::default()).await)?;
    }
    Ok(())
}

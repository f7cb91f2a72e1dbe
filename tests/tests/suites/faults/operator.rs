//! The operator dies at random points of the loop, and is there twice: one end state, one run.

use std::process::Stdio;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use foresail_crds::Pipeline;
use foresail_crds::pipeline::conditions;
use foresail_crds::pipeline::status::RunState;
use foresail_tests::cluster::SHARD;
use foresail_tests::predictor::{Asker, Predictor};
use foresail_tests::settings::in_soak;
use foresail_tests::{
    Checks, Operator, Space, faults, in_namespace, pipelines, prepared_then_alone, programs,
    with_own_operator,
};
use kube::runtime::wait::await_condition;
use rand::Rng;
use serde_json::json;
use tokio::process::Command;

use super::end::{check, only_one};

const READY: Duration = Duration::from_secs(420);

/// From before the first child exists to after a promotion: the market breaks, the alarm is answered, the challenger
/// serves.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_at_twenty_random_points_the_end_is_the_same() -> Result<()> {
    with_own_operator("op-kill", 1, async |space, operator| {
        let name = "survivor";
        let mut object = space.example("examples/demo/simulator.yaml")?;
        object["metadata"]["name"] = json!(name);
        object["spec"]["source"]["replay"]["sessionsPerSecond"] = json!("14");
        space.apply_pipeline(&object).await?;
        let (begin, mut points) = (Instant::now(), Points::default());
        while points.all() < in_soak(20, 100) || points.rest == 0 {
            let pipeline = next_point(&space, name, &points).await?;
            points.count(&pipeline);
            operator
                .kill_leader()
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
        looked_after_alone(&mut checks, &space)?;
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
    with_own_operator("op-two", 2, async |space, operator| {
        let name = "shared";
        space
            .apply_pipeline(&pipelines::small(&space, name))
            .await?;
        for _ in 0..6 {
            tokio::time::sleep(Duration::from_secs(4)).await;
            operator.steal_lease().await?;
        }
        pipelines::ready(&space, name, READY).await?;
        let mut checks = Checks::new();
        check(&mut checks, &space, name, 1).await?;
        looked_after_alone(&mut checks, &space)?;
        checks.verdict()
    })
    .await
}

/// An operator that is there all the time would mend what the broken one leaves.
fn looked_after_alone(checks: &mut Checks, space: &Space) -> Result<()> {
    let by_the_shared = Operator::shared(&space.cluster).writes(space)?;
    checks.equal("writes of the shared operator", by_the_shared, 0);
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_crash_around_any_write_changes_nothing() -> Result<()> {
    in_namespace("op-write", async |space| {
        let name = "crashes";
        let lives = lives(&space.apart(), name).await;
        let mut checks = Checks::new();
        let left_alone = looked_after_alone(&mut checks, &space);
        // Without its label the Pipeline is the shared operator's, which also removes it.
        space
            .apply_pipeline(&pipelines::small(&space, name))
            .await?;
        let lives = lives?;
        println!("Ready after {lives} lives, a write each");
        left_alone?;
        checks.verdict()?;
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
            .env(
                "FORESAIL_WATCH_LABEL_SELECTOR",
                format!("{SHARD}={}", space.name),
            )
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
        let operator = Operator::shared(&space.cluster);
        operator.scale(0).await?;
        tokio::time::sleep(Duration::from_secs(5)).await;
        faults::component(&space.cluster, "kill", "apiserver").await?;
        tokio::time::sleep(Duration::from_secs(10)).await;
        faults::component(&space.cluster, "start", "apiserver").await?;
        operator.scale(1).await?;
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

//! A bar that a version was trained on is revised: the version says so, and where `DataRevised` is among the triggers one run
//! reads the revision. Its version says that its data is current, and no further run follows.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use foresail_crds::pipeline::status::{RunState, Trigger};
use foresail_domain::Bar;
use foresail_tests::{Checks, Space, audit, in_namespace, pipelines, topics, until};
use serde_json::json;

use super::revised::{other_close, revision};

const FIRST_MODEL: Duration = Duration::from_secs(300);
const FOLLOWED: Duration = Duration::from_secs(240);
/// A further run would start within moments.
const REST: Duration = Duration::from_secs(20);
const NAME: &str = "retrained";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn revised_bars_are_trained_on_once_where_that_is_asked_for() -> Result<()> {
    in_namespace(NAME, async |space| {
        let mut object = pipelines::small(&space, NAME);
        object["spec"]["retraining"] =
            json!({"triggers": ["DataRevised"], "cooldown": "0s", "maxPerDay": 9});
        space.apply_pipeline(&object).await?;
        pipelines::ready(&space, NAME, FIRST_MODEL).await?;
        pipelines::drained(&space, NAME, FOLLOWED).await?;
        let mut checks = Checks::new();
        checks.add("v1 is current", data(&space, 1, "True", "AsTrained").await);
        let before = topics::values::<Bar>(&space, &topics::names(&space, NAME).bars).await?;
        let bar = before.iter().filter(|bar| bar.symbol == "SIMA").nth(100);
        let bar = bar.context("no bars of SIMA")?;
        let corrected = Bar {
            close: other_close(bar),
            ..revision(bar)
        };
        topics::write_bars(&space, NAME, &[corrected]).await?;
        checks.add(
            "v1 was trained on what is revised",
            data(&space, 1, "False", "DataRevised").await,
        );
        checks.add("a run answers", answered(&space).await);
        checks.add(
            "v2 was trained on the revision",
            data(&space, 2, "True", "AsTrained").await,
        );
        tokio::time::sleep(REST).await;
        let runs = audit::training_jobs(&space.cluster, &space.name, NAME)?;
        checks.equal("training runs: the first and one more", runs.len(), 2);
        checks.verdict()
    })
    .await
}

/// Waits until a version says this of its data.
async fn data(space: &Space, version: u32, status: &str, reason: &str) -> Result<String> {
    until("what a version says of its data", FOLLOWED, async || {
        let version = space.versions().get(&format!("{NAME}-v{version}")).await?;
        let mut conditions = version.status.iter().flat_map(|s| &s.conditions);
        let found = conditions.find(|c| c.type_ == "DataCurrent");
        let found = found.context("no DataCurrent")?;
        let is_said = found.status == status && found.reason == reason;
        ensure!(
            is_said,
            "{} {}: {}",
            found.status,
            found.reason,
            found.message
        );
        Ok(found.message.clone())
    })
    .await
}

/// Waits for the end of the run that the revision has started.
async fn answered(space: &Space) -> Result<String> {
    let ended = pipelines::wait(space, NAME, "has trained again", FOLLOWED, |pipeline| {
        let run = pipeline.status.as_ref().and_then(|s| s.run.as_ref());
        let run = run.context("no run")?;
        let is_answer = run.trigger == Trigger::DataRevised && run.state == RunState::Succeeded;
        ensure!(is_answer, "run {}: {} {:?}", run.id, run.trigger, run.state);
        ensure!(run.version == Some(2), "version {:?}", run.version);
        Ok(())
    });
    let decision = ended.await?.status.and_then(|s| s.last_decision);
    Ok(decision.context("no decision")?.message)
}

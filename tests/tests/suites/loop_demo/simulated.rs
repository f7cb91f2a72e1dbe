//! The simulated market: a break is noticed, answered once and mended; years without one stay calm.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use foresail_crds::model_version::VersionRole;
use foresail_crds::pipeline::status::RunState;
use foresail_tests::metrics::{self, Scenario};
use foresail_tests::predictor::{Asker, Predictor};
use foresail_tests::settings::in_soak;
use foresail_tests::{Checks, Space, audit, in_namespace, pipelines};
use k8s_openapi::api::core::v1::Event;
use kube::api::ListParams;
use serde_json::json;

const FIRST_MODEL: Duration = Duration::from_secs(300);
const REPLAY: Duration = Duration::from_secs(420);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_break_is_answered_with_exactly_one_promotion() -> Result<()> {
    in_namespace("break", async |space| {
        let mut object = space.example("examples/demo/simulator.yaml")?;
        object["spec"]["source"]["replay"]["sessionsPerSecond"] = json!("20");
        let name = "regime-break";
        space.apply_pipeline(&object).await?;
        pipelines::serving(&space, name, FIRST_MODEL).await?;
        let predictor = Predictor::find(&space, name).await?;
        let asker = Asker::start(
            predictor,
            pipelines::symbols(&object),
            Duration::from_millis(50),
        );
        pipelines::wait(&space, name, "raises the alarm", REPLAY, |p| {
            let drift = p.status.as_ref().and_then(|s| s.drift.as_ref());
            ensure!(drift.context("no drift yet")?.alarm, "no alarm yet");
            Ok(())
        })
        .await?;
        let moved = metrics::check(&space, name, Scenario::Alarm).await;
        pipelines::drained(&space, name, REPLAY).await?;
        let end = pipelines::wait(
            &space,
            name,
            "has promoted",
            Duration::from_secs(120),
            |p| {
                let champion = p
                    .status
                    .as_ref()
                    .and_then(|s| s.champion.as_ref())
                    .context("no champion")?;
                ensure!(
                    champion.version == 2,
                    "champion is version {}; {:?}",
                    champion.version,
                    p.status.as_ref().map(|s| &s.last_decision)
                );
                Ok(())
            },
        )
        .await?;
        // The predictors swap within two seconds; let the client see it.
        tokio::time::sleep(Duration::from_secs(5)).await;
        let asked = asker.finish().await?;

        let mut checks = Checks::new();
        checks.add("metrics while the alarm holds", moved);
        checks.equal("failed requests", asked.failed.len(), 0);
        checks.add(
            "requests",
            if asked.sent > 100 {
                Ok(asked.sent)
            } else {
                Err(anyhow::anyhow!("only {}", asked.sent))
            },
        );
        checks.equal(
            "versions that answered, in order",
            asked.versions,
            vec![1, 2],
        );
        let events = counts(&space).await?;
        checks.add(
            "a drift alarm was raised",
            at_least(&events, "DriftDetected", 1),
        );
        let runs = audit::training_jobs(&space.cluster, &space.name, name)?;
        checks.equal("training runs: the first and one more", runs.len(), 2);
        let versions = space.versions().list(&ListParams::default()).await?.items;
        checks.equal("versions", versions.len(), 2);
        let second = versions
            .iter()
            .find(|v| v.spec.version == 2)
            .context("no version 2")?;
        checks.add("the gate measured it", gate(second));
        checks.equal(
            "the first is kept for rollback",
            end.status
                .as_ref()
                .and_then(|s| s.previous.as_ref())
                .map(|v| v.version),
            Some(1),
        );
        checks.verdict()
    })
    .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn stationary_years_stay_within_the_alarm_budget() -> Result<()> {
    in_namespace("calm", async |space| {
        let (name, years, budget) = ("calm", in_soak(6.0, 20.0), 1.0);
        let mut object = pipelines::small(&space, name);
        let sessions = 1500 + (252.0 * years) as u32;
        object["spec"]["source"] = json!({
            "simulator": {"seed": 5, "start": "2005-01-03", "sessions": sessions, "volatilityClustering": "0.3", "autocorrelation": "0.2"},
            "backfill": {"to": "2010-12-31"}, "replay": {"sessionsPerSecond": "40"}});
        object["spec"]["drift"] = json!({"falseAlarmsPerYear": "1", "windowSessions": 40});
        object["spec"]["retraining"] = json!({"triggers": ["Drift"], "cooldown": "20d"});
        // Nothing passes this gate: each challenger is rejected, and its alarm must not loop.
        object["spec"]["promotion"] = json!({"gateWindowSessions": 30, "minimumEffect": "0.9"});
        space.apply_pipeline(&object).await?;
        pipelines::serving(&space, name, FIRST_MODEL).await?;
        pipelines::drained(&space, name, REPLAY).await?;
        let end = pipelines::wait(&space, name, "is at rest", Duration::from_secs(120), |p| {
            let run = p.status.as_ref().and_then(|s| s.run.as_ref()).context("no run")?;
            ensure!(run.state != RunState::Running, "a run is in flight");
            Ok(())
        })
        .await?;
        let runs = audit::training_jobs(&space.cluster, &space.name, name)?.len();
        // The first run, and at most one per false alarm within the declared budget.
        let most = 1 + (budget * years) as usize;
        ensure!(runs <= most, "{runs} training runs in {years} calm years, at most {most} expected");
        let champion = end.status.as_ref().and_then(|s| s.champion.as_ref()).map(|c| c.version);
        ensure!(champion == Some(1), "champion is {champion:?}");
        let versions = space.versions().list(&ListParams::default()).await?.items;
        let rejected = versions.iter().filter(|v| v.status.as_ref().and_then(|s| s.role) == Some(VersionRole::Rejected)).count();
        ensure!(rejected + 1 == versions.len(), "{rejected} of {} versions rejected", versions.len());
        println!("{runs} runs, {rejected} rejected, in {years} calm years");
        Ok(())
    })
    .await
}

/// Reason and message of every event about Pipelines.
async fn counts(space: &Space) -> Result<Vec<(String, String)>> {
    let events = space
        .api::<Event>()
        .list(&ListParams::default())
        .await?
        .items;
    Ok(events
        .into_iter()
        .filter(|e| e.involved_object.kind.as_deref() == Some("Pipeline"))
        .map(|e| (e.reason.unwrap_or_default(), e.message.unwrap_or_default()))
        .collect())
}

fn at_least(events: &[(String, String)], reason: &str, least: usize) -> Result<usize> {
    let found = events.iter().filter(|(r, _)| r == reason).count();
    ensure!(found >= least, "{found} events {reason} among {events:?}");
    Ok(found)
}

fn gate(version: &foresail_crds::ModelVersion) -> Result<String> {
    let gate = version.spec.gate.as_ref().context("no gate result")?;
    let number = |d: &foresail_crds::Decimal| d.as_f64().context("not a number");
    let (challenger, champion, naive) = (
        number(&gate.challenger_rmse)?,
        number(&gate.champion_rmse)?,
        number(&gate.naive_rmse)?,
    );
    ensure!(
        challenger < champion,
        "challenger {challenger} is not better than champion {champion}"
    );
    ensure!(
        champion > naive,
        "the old model still fits: {champion} against naive {naive}"
    );
    Ok(format!(
        "challenger {challenger}, champion {champion}, naive {naive}, p {}",
        gate.p_value
    ))
}

//! The simulated market: a break is noticed, answered once and mended; years without one stay calm.

use std::collections::BTreeSet;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use foresail_crds::ModelVersion;
use foresail_crds::model_version::VersionRole;
use foresail_tests::metrics::{self, Scenario};
use foresail_tests::predictor::{Asker, Predictor};
use foresail_tests::settings::in_soak;
use foresail_tests::{Checks, Space, audit, events, in_namespace, pipelines};
use kube::api::ListParams;
use serde_json::{Value, json};

const FIRST_MODEL: Duration = Duration::from_secs(300);
const REPLAY: Duration = Duration::from_secs(900);
const REST: Duration = Duration::from_secs(180);

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
        let alarms = events::times(&space, "DriftDetected").await?;
        checks.equal("a drift alarm was raised", alarms > 0, true);
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
        let (name, years, per_year) = ("calm", in_soak(6.0, 20.0), 2.0);
        space
            .apply_pipeline(&calm(&space, name, years, per_year))
            .await?;
        pipelines::serving(&space, name, FIRST_MODEL).await?;
        pipelines::drained(&space, name, REPLAY).await?;
        let end = pipelines::at_rest(&space, name, REST).await?;
        let alarms = events::times(&space, "DriftDetected").await?;
        let answers = events::answers(&space).await?;
        let versions = space.versions().list(&ListParams::default()).await?.items;
        let role = |v: &ModelVersion| v.status.as_ref().and_then(|s| s.role);
        let rejected = versions
            .iter()
            .filter(|v| role(v) == Some(VersionRole::Rejected))
            .count();
        let runs = audit::training_jobs(&space.cluster, &space.name, name)?.len();

        let mut checks = Checks::new();
        checks.add("alarms, within the declared rate", {
            let most = (per_year * years) as usize;
            ensured(
                (1..=most).contains(&alarms),
                format!("{alarms} of at most {most}"),
            )
        });
        checks.add("rejections", ensured(rejected > 0, rejected.to_string()));
        let since: BTreeSet<&str> = answers.iter().map(|answer| answer.since.as_str()).collect();
        checks.add("no alarm is answered twice", {
            let known = answers.len() <= alarms;
            ensured(
                known && since.len() == answers.len(),
                format!("{answers:?}"),
            )
        });
        checks.equal(
            "runs: the first, and one for each answer",
            runs,
            1 + answers.len(),
        );
        checks.equal(
            "versions: the champion, and what was rejected",
            versions.len(),
            1 + rejected,
        );
        let champion = end
            .status
            .as_ref()
            .and_then(|s| s.champion.as_ref())
            .map(|c| c.version);
        checks.equal("champion", champion, Some(1));
        checks.verdict()
    })
    .await
}

/// A market that never changes, and a gate that nothing passes: each challenger is rejected, and its alarm must not loop.
fn calm(space: &Space, name: &str, years: f64, per_year: f64) -> Value {
    let mut object = pipelines::small(space, name);
    let sessions = 1500 + (252.0 * years) as u32;
    object["spec"]["source"] = json!({
        "simulator": {"seed": 5, "start": "2005-01-03", "sessions": sessions, "volatilityClustering": "0.3", "autocorrelation": "0.2"},
        "backfill": {"to": "2010-12-31"}, "replay": {"sessionsPerSecond": "40"}});
    object["spec"]["drift"] =
        json!({"falseAlarmsPerYear": per_year.to_string(), "windowSessions": 40});
    object["spec"]["retraining"] = json!({"triggers": ["Drift"], "cooldown": "20d"});
    object["spec"]["promotion"] = json!({"gateWindowSessions": 30, "minimumEffect": "0.9"});
    object
}

fn ensured(holds: bool, found: String) -> Result<String> {
    ensure!(holds, "{found}");
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

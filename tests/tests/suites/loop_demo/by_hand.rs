//! What a person decides: which version waits and which serves, when is trained, whether anything runs at all. On a
//! Pipeline with what no other one here has: a prefix of topics, KS against a number, a schedule.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use foresail_crds::model_version::VersionRole;
use foresail_crds::names::{PipelineName, Topics};
use foresail_crds::pipeline::conditions::{READY, RETRAIN_ANNOTATION, ROLLBACK_ANNOTATION};
use foresail_crds::pipeline::spec::DriftMetric;
use foresail_crds::pipeline::status::{Action, Reason, RunState, Trigger};
use foresail_crds::records::{PredictionRecord, header};
use foresail_crds::{Decimal, ModelVersion, Pipeline, PipelineStatus, Role};
use foresail_tests::predictor::{Asker, Predictor};
use foresail_tests::topics::{self, read_all};
use foresail_tests::{Checks, Space, audit, events, faults, in_namespace, pipelines, until, wait};
use kube::api::{ListParams, Patch, PatchParams};
use serde_json::{Value, json};

use super::disturbed::disturbed;

const NAME: &str = "by-hand";
const PREFIX: &str = "acme.";
/// A fixed number for KS that any window exceeds, and one that none does.
const LOW: &str = "0.01";
const HIGH: &str = "0.99";
const FIRST_MODEL: Duration = Duration::from_secs(300);
/// The schedule names every minute; then the run has to be seen and to end.
const SCHEDULED: Duration = Duration::from_secs(180);
const SOON: Duration = Duration::from_secs(60);
/// While it is suspended.
const STILL: Duration = Duration::from_secs(8);

fn object(space: &Space) -> Value {
    let mut object = pipelines::small(space, NAME);
    object["spec"]["source"] = json!({
        "simulator": {"seed": 11, "start": "2015-01-02", "sessions": 3000,
            "autocorrelation": "0.4", "volatilityClustering": "0.2"},
        "backfill": {"to": "2016-08-31"}, "replay": {"sessionsPerSecond": "3"}});
    object["spec"]["kafka"]["topicPrefix"] = json!(PREFIX);
    object["spec"]["drift"] = json!({"metric": "KS", "threshold": LOW, "windowSessions": 40});
    object["spec"]["training"]["schedule"] = json!("* * * * *");
    object["spec"]["retraining"] = json!({"triggers": ["Schedule"]});
    object["spec"]["promotion"] = json!({"mode": "Manual", "gateWindowSessions": 30});
    object
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_person_sets_is_done() -> Result<()> {
    in_namespace("by-hand", async |space| {
        space.apply_pipeline(&object(&space)).await?;
        pipelines::serving(&space, NAME, FIRST_MODEL).await?;
        let predictor = Predictor::find(&space, NAME).await?;
        let pause = Duration::from_millis(100);
        let asker = Asker::start(predictor.clone(), vec!["SIMA".into()], pause);
        let mut checks = Checks::new();
        checks.add("topics have the prefix", prefixed(&space).await);
        checks.add(
            "served forecasts are in their topic",
            logged(&space, &predictor).await,
        );
        checks.add(
            "a scheduled run makes a version that waits",
            scheduled(&space).await,
        );
        checks.add("a pin serves it", pinned(&space, &predictor).await);
        checks.add(
            "the annotation rolls back",
            rolled_back(&space, &predictor).await,
        );
        checks.add("KS is compared with a number", measured(&space).await);
        checks.add(
            "suspended, nothing runs",
            suspended(&space, &predictor).await,
        );
        checks.add("then it goes on", resumed(&space).await);
        let asked = asker.finish().await?;
        checks.equal("failed requests", asked.failed, vec![]);
        checks.equal(
            "versions that answered, in order",
            asked.versions,
            vec![1, 2],
        );
        checks.add(
            "metrics",
            disturbed(&space, NAME, &ours(&space), &predictor).await,
        );
        checks.verdict()
    })
    .await
}

fn ours(space: &Space) -> Topics {
    PipelineName::new(&space.name, NAME).topics(PREFIX)
}

async fn set(space: &Space, patch: Value) -> Result<()> {
    let api = space.pipelines();
    let patch = Patch::Merge(patch);
    api.patch(NAME, &PatchParams::default(), &patch).await?;
    Ok(())
}

/// Waits until status, once it speaks of the present spec, is as it should be.
async fn status(
    space: &Space,
    what: &str,
    limit: Duration,
    check: impl Fn(&PipelineStatus) -> Result<()>,
) -> Result<PipelineStatus> {
    let seen = pipelines::wait(space, NAME, what, limit, |p: &Pipeline| {
        ensure!(pipelines::is_observed(p), "an older spec is observed");
        check(p.status.as_ref().context("no status")?)
    });
    seen.await?.status.context("no status")
}

async fn prefixed(space: &Space) -> Result<String> {
    let (ours, plain) = (ours(space), topics::names(space, NAME));
    for topic in [&ours.bars, &ours.features] {
        ensure!(
            !read_all(space, topic).await?.is_empty(),
            "{topic} is empty"
        );
    }
    for topic in plain.all() {
        ensure!(
            read_all(space, topic).await.is_err(),
            "{topic} is there too"
        );
    }
    Ok(ours.bars)
}

/// A forecast that was answered is in the topic, with what it was made from.
async fn logged(space: &Space, predictor: &Predictor) -> Result<String> {
    let (version, closes) = predictor.forecast("SIMB").await?;
    let topic = ours(space).served;
    until("the forecast in its topic", SOON, async || {
        // Acknowledged with the next one.
        predictor.forecast("SIMB").await?;
        for message in read_all(space, &topic).await? {
            let record: PredictionRecord = serde_json::from_slice(&message.value)?;
            let ours = record.symbol == "SIMB" && record.forecast == closes;
            if ours && record.model_version == version {
                let origin = message.header(header::ORIGIN);
                ensure!(origin == Some("pipeline"), "made from {origin:?}");
                return Ok(format!("v{version} at {}", record.event_time));
            }
        }
        anyhow::bail!("not there yet")
    })
    .await
}

async fn version(space: &Space, number: u32) -> Result<ModelVersion> {
    let name = format!("{NAME}-v{number}");
    let found = space.versions().get_opt(&name).await?;
    found.with_context(|| format!("{name} is not there"))
}

async fn has_role(space: &Space, number: u32, role: VersionRole) -> Result<ModelVersion> {
    until(&format!("v{number} is {role:?}"), SOON, async || {
        let version = version(space, number).await?;
        let found = version.status.as_ref().and_then(|status| status.role);
        ensure!(found == Some(role), "it is {found:?}");
        Ok(version)
    })
    .await
}

fn champion(status: &PipelineStatus) -> Option<u32> {
    status.champion.as_ref().map(|champion| champion.version)
}

fn decided(status: &PipelineStatus, action: Action, reason: Reason) -> Result<()> {
    let last = status.last_decision.as_ref().context("nothing decided")?;
    let found = (last.action, last.reason);
    ensure!(found == (action, reason), "{found:?}: {}", last.message);
    Ok(())
}

async fn scheduled(space: &Space) -> Result<String> {
    until("a second version", SCHEDULED, async || {
        version(space, 2).await
    })
    .await?;
    // One run of the schedule is enough.
    set(space, json!({"spec": {"retraining": {"triggers": []}}})).await?;
    let waits = status(space, "waits", SOON, |status| {
        decided(status, Action::ModelWaiting, Reason::Manual)
    });
    let waits = waits.await?;
    ensure!(champion(&waits) == Some(1), "{:?}", waits.champion);
    let version = has_role(space, 2, VersionRole::Candidate).await?;
    let trigger = version.spec.trigger;
    ensure!(trigger == Some(Trigger::Schedule), "{trigger:?}");
    Ok(waits.last_decision.map_or(String::new(), |d| d.message))
}

/// Clients are answered by a version.
async fn answers(predictor: &Predictor, number: u32) -> Result<()> {
    until(&format!("an answer of v{number}"), SOON, async || {
        let (version, _) = predictor.forecast("SIMA").await?;
        ensure!(version == number, "v{version} answers");
        Ok(())
    })
    .await
}

async fn pinned(space: &Space, predictor: &Predictor) -> Result<String> {
    let (before, _) = predictor.forecast("SIMA").await?;
    ensure!(before == 1, "v{before} answers before anybody has said so");
    set(
        space,
        json!({"spec": {"promotion": {"championVersion": 2}}}),
    )
    .await?;
    let pinned = status(space, "is pinned", SOON, |status| {
        ensure!(champion(status) == Some(2), "{:?}", status.champion);
        decided(status, Action::ModelPromoted, Reason::Pinned)
    });
    pinned.await?;
    answers(predictor, 2).await?;
    has_role(space, 1, VersionRole::Previous).await?;
    // Without its pin it stays.
    set(
        space,
        json!({"spec": {"promotion": {"championVersion": null}}}),
    )
    .await?;
    let stays = status(space, "sees no pin", SOON, |_| Ok(())).await?;
    ensure!(champion(&stays) == Some(2), "{:?}", stays.champion);
    Ok("v2 serves, v1 is kept".into())
}

async fn rolled_back(space: &Space, predictor: &Predictor) -> Result<String> {
    set(
        space,
        json!({"metadata": {"annotations": {ROLLBACK_ANNOTATION: "worse"}}}),
    )
    .await?;
    let back = status(space, "is rolled back", SOON, |status| {
        ensure!(champion(status) == Some(1), "{:?}", status.champion);
        decided(status, Action::RolledBack, Reason::Annotation)
    });
    let back = back.await?;
    ensure!(
        back.rollback.as_deref() == Some("worse"),
        "{:?}",
        back.rollback
    );
    answers(predictor, 1).await?;
    has_role(space, 2, VersionRole::Previous).await?;
    Ok("v1 serves, v2 is kept".into())
}

/// An alarm above the number and none below it; nobody has asked for a run by drift.
async fn measured(space: &Space) -> Result<String> {
    let drift = |level: &'static str, alarm: bool| {
        move |status: &PipelineStatus| {
            let drift = status.drift.as_ref().context("no drift yet")?;
            let seen = (drift.metric, drift.threshold.as_f64(), drift.alarm);
            let expected = (DriftMetric::Ks, level.parse::<f64>().ok(), alarm);
            ensure!(seen == expected, "{seen:?}, score {}", drift.score);
            for feature in &drift.features {
                let ks = feature.ks.as_ref().and_then(Decimal::as_f64);
                ensure!(ks == feature.value.as_f64(), "{feature:?}");
                ensure!(feature.psi.is_some(), "{feature:?}");
            }
            ensure!(drift.features.len() == 3, "{:?}", drift.features);
            Ok(())
        }
    };
    status(space, "raises the alarm", SOON, drift(LOW, true)).await?;
    ensure!(events::times(space, "DriftDetected").await? > 0, "not told");
    set(space, json!({"spec": {"drift": {"threshold": HIGH}}})).await?;
    status(space, "ends the alarm", SOON, drift(HIGH, false)).await?;
    let versions = space.versions().list(&ListParams::default()).await?.items;
    let by_drift = versions
        .iter()
        .any(|v| v.spec.trigger == Some(Trigger::Drift));
    ensure!(!by_drift, "a run by drift");
    Ok(format!("alarm above {LOW}, none above {HIGH}"))
}

/// Neither bars nor runs, whoever asks; forecasts go on.
async fn suspended(space: &Space, predictor: &Predictor) -> Result<String> {
    set(space, json!({"spec": {"suspend": true}})).await?;
    for role in [Role::Ingest, Role::Stream] {
        faults::stopped(space, &format!("{NAME}-{role}"), SOON).await?;
    }
    let asked = json!({"metadata": {"annotations": {RETRAIN_ANNOTATION: "while suspended"}}});
    set(space, asked).await?;
    let (bars, runs) = (
        read_all(space, &ours(space).bars).await?.len(),
        runs(space)?,
    );
    wait::holds("rest", STILL, async || {
        let pods = faults::pods_of(space, &format!("{NAME}-train")).await?;
        ensure!(pods.is_empty(), "a run is under way");
        predictor.forecast("SIMA").await.map(drop)
    })
    .await?;
    let now = read_all(space, &ours(space).bars).await?.len();
    ensure!(now == bars, "{bars} bars became {now}");
    ensure!(self::runs(space)? == runs, "a Job was made");
    let pipeline = space.pipelines().get(NAME).await?;
    let ready = pipelines::condition(&pipeline, READY).context("no Ready")?;
    ensure!(
        ready.reason == "Suspended",
        "{}: {}",
        ready.reason,
        ready.message
    );
    Ok(format!("{bars} bars, {runs} runs"))
}

fn runs(space: &Space) -> Result<usize> {
    Ok(audit::training_jobs(&space.cluster, &space.name, NAME)?.len())
}

/// The run that was asked for meanwhile, and more bars.
async fn resumed(space: &Space) -> Result<String> {
    let bars = read_all(space, &ours(space).bars).await?.len();
    let versions = space.versions().list(&ListParams::default()).await?;
    let next = u32::try_from(versions.items.len())? + 1;
    set(space, json!({"spec": {"suspend": false}})).await?;
    let ended = status(space, "has trained", SCHEDULED, |status| {
        let run = status.run.as_ref().context("no run")?;
        let found = (run.trigger, run.state, run.version);
        let expected = (Trigger::Manual, RunState::Succeeded, Some(next));
        ensure!(found == expected, "{found:?}");
        Ok(())
    });
    let ended = ended.await?;
    ensure!(champion(&ended) == Some(1), "{:?}", ended.champion);
    has_role(space, next, VersionRole::Candidate).await?;
    // The run may have ended before ingest has started.
    until("there are more bars", SOON, async || {
        let now = read_all(space, &ours(space).bars).await?.len();
        ensure!(now > bars, "still {bars} bars");
        Ok(())
    })
    .await?;
    Ok(format!("v{next} waits, and bars arrive"))
}

//! Features that are edited under replay: the champion is served rows of its own until the gate has judged, and after it.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use foresail_crds::pipeline::conditions::ROLLBACK_ANNOTATION;
use foresail_crds::pipeline::status::{Action, Decision, Reason, RunState};
use foresail_tests::predictor::{Asker, Predictor, deep};
use foresail_tests::{Checks, Space, in_namespace, pipelines, until};
use jiff::civil::date;
use kube::api::{Patch, PatchParams};
use serde_json::{Value, json};

const FIRST_MODEL: Duration = Duration::from_secs(300);
const JUDGED: Duration = Duration::from_secs(180);
const SWAPPED: Duration = Duration::from_secs(120);
/// Newer bars that a version must have answered from: however slow the machine, it is fed.
const FED: usize = 5;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn features_are_edited_while_a_champion_serves() -> Result<()> {
    in_namespace("features", async |space| {
        let name = "edited-features";
        let object = replayed(&space, name);
        space.apply_pipeline(&object).await?;
        pipelines::serving(&space, name, FIRST_MODEL).await?;
        let predictor = Predictor::find(&space, name).await?;
        unseen_sessions(&space, name).await?;
        let symbols = pipelines::symbols(&object);
        let asker = Asker::start(predictor.clone(), symbols, Duration::from_millis(50));
        let mut checks = Checks::new();
        let market = Market {
            space: &space,
            name,
            predictor,
        };
        // Yesterday's return is all there is to learn here, and v1 does not see it.
        let better = json!([{"name": "return_1d", "function": "LogReturn"}]);
        let (decision, meanwhile) = market.edit(&better, 2).await?;
        checks.add(
            "the gate promotes with numbers",
            judged(&decision, (Action::ModelPromoted, Reason::GatePassed)),
        );
        checks.add("v1 is served fresh rows until then", moves(&meanwhile, 1));
        market.answers(2).await?;
        checks.add("v2 of its own", moves(&market.watch(2).await?, 2));
        let worse = json!([{"name": "volatility_10d", "function": "Volatility", "window": 10}]);
        let (decision, meanwhile) = market.edit(&worse, 3).await?;
        checks.add(
            "the gate rejects with numbers",
            judged(&decision, (Action::ModelRejected, Reason::GateFailed)),
        );
        checks.add("v2 is served fresh rows until then", moves(&meanwhile, 2));
        checks.add("and after it", moves(&market.watch(2).await?, 2));
        market.roll_back().await?;
        market.answers(1).await?;
        checks.add("v1 after a rollback", moves(&market.watch(1).await?, 1));
        let asked = asker.finish().await?;
        checks.equal("failed requests", asked.failed, vec![]);
        let enough = match asked.sent {
            200.. => Ok(asked.sent),
            few => Err(anyhow::anyhow!("only {few}")),
        };
        checks.add("requests", enough);
        checks.equal("versions that answered", asked.versions, vec![1, 2]);
        checks.verdict()
    })
    .await
}

/// A market of which every session is seen for some minutes, and a first model that learns nothing of it.
fn replayed(space: &Space, name: &str) -> Value {
    let mut object = pipelines::small(space, name);
    let spec = &mut object["spec"];
    spec["source"] = json!({
        "simulator": {"seed": 3, "start": "2015-01-02", "sessions": 3000, "autocorrelation": "0.8",
            "volatilityClustering": "0"},
        "backfill": {"to": "2016-08-31"}, "replay": {"sessionsPerSecond": "15"}});
    spec["features"] = json!([{"name": "volatility_20d", "function": "Volatility", "window": 20}]);
    spec["training"]["horizon"] = json!(1);
    spec["serving"]["maxReplicas"] = json!(1);
    spec["retraining"] = json!({"triggers": []});
    object
}

/// Waits until the gate of 30 sessions lies behind what the first version was trained on.
async fn unseen_sessions(space: &Space, name: &str) -> Result<()> {
    let enough = date(2016, 11, 30).to_zoned(jiff::tz::TimeZone::UTC)?;
    pipelines::wait(space, name, "has gone on", JUDGED, |p| {
        let lake = p.status.as_ref().and_then(|s| s.lake.as_ref());
        let newest = lake.and_then(|lake| lake.last_event_time.as_ref());
        let newest = newest.context("nothing in the lake")?.0;
        ensure!(newest > enough.timestamp(), "the lake is at {newest}");
        Ok(())
    })
    .await
    .map(drop)
}

struct Market<'a> {
    space: &'a Space,
    name: &'a str,
    predictor: Predictor,
}

/// A forecast.
struct Sample {
    version: u32,
    as_of: String,
}

impl Market<'_> {
    /// Edits the features; what was decided of the version that follows, and forecasts until then.
    async fn edit(&self, features: &Value, version: u32) -> Result<(Decision, Vec<Sample>)> {
        let patch = json!({"spec": {"features": features}});
        self.patch(&patch).await?;
        let begin = Instant::now();
        let mut samples = Vec::new();
        loop {
            samples.push(self.sample().await?);
            let pipeline = self.space.pipelines().get(self.name).await?;
            let status = pipeline.status.context("no status")?;
            let run = status.run.as_ref().filter(|r| r.version == Some(version));
            if run.is_some_and(|run| run.state == RunState::Succeeded) {
                return Ok((status.last_decision.context("no decision")?, samples));
            }
            let last = status.last_decision;
            ensure!(
                begin.elapsed() < JUDGED,
                "v{version} is not judged: {last:?}"
            );
            tokio::time::sleep(Duration::from_millis(250)).await;
        }
    }

    async fn roll_back(&self) -> Result<()> {
        let patch = json!({"metadata": {"annotations": {ROLLBACK_ANNOTATION: "1"}}});
        self.patch(&patch).await
    }

    async fn patch(&self, patch: &Value) -> Result<()> {
        let api = self.space.pipelines();
        let patch = Patch::Merge(patch);
        api.patch(self.name, &PatchParams::default(), &patch)
            .await?;
        Ok(())
    }

    /// Waits until a version answers.
    async fn answers(&self, version: u32) -> Result<()> {
        until(&format!("v{version} answers"), SWAPPED, async || {
            let answered = self.sample().await?.version;
            ensure!(answered == version, "v{answered} answers");
            Ok(())
        })
        .await
    }

    /// Forecasts until a version has answered from newer bars.
    async fn watch(&self, version: u32) -> Result<Vec<Sample>> {
        let begin = Instant::now();
        let mut samples = Vec::new();
        while moves(&samples, version).is_err() && begin.elapsed() < JUDGED {
            samples.push(self.sample().await?);
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        Ok(samples)
    }

    async fn sample(&self) -> Result<Sample> {
        let answer = self.predictor.get("/v1/forecasts/SIMA").await?;
        let (version, _) = answer.forecast()?;
        let as_of = deep(&answer.body, &["as_of"]).and_then(Value::as_str);
        Ok(Sample {
            version,
            as_of: as_of.context("no as_of")?.to_owned(),
        })
    }
}

/// The numbers of the gate, of the same sessions for both.
fn judged(decision: &Decision, expected: (Action, Reason)) -> Result<String> {
    let message = &decision.message;
    let found = (decision.action, decision.reason);
    ensure!(found == expected, "{found:?}: {message}");
    for said in ["30 unseen dates", "challenger RMSE", "each on its own"] {
        ensure!(message.contains(said), "{message}");
    }
    Ok(message.clone())
}

/// A version answers from newer bars.
fn moves(samples: &[Sample], version: u32) -> Result<String> {
    let own = samples.iter().filter(|s| s.version == version);
    let bars: BTreeSet<&str> = own.map(|s| s.as_of.as_str()).collect();
    ensure!(
        bars.len() >= FED,
        "v{version} made forecasts of only {} bars",
        bars.len()
    );
    Ok(format!("{} bars", bars.len()))
}

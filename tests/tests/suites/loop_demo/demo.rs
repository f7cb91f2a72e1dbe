//! The demo Pipeline, played faster, to its end; then every part's account of it must agree.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use foresail_crds::Pipeline;
use foresail_crds::pipeline::conditions;
use foresail_crds::pipeline::status::Trigger;
use foresail_tests::predictor::{Asker, Predictor};
use foresail_tests::topics::Ledger;
use foresail_tests::{Checks, Space, delta, events, in_namespace, pipelines, repo};
use kube::ResourceExt;
use kube::api::ListParams;
use serde::Deserialize;
use serde_json::json;

use super::{parity, protocol};

const FIRST_MODEL: Duration = Duration::from_secs(300);
const REPLAY: Duration = Duration::from_secs(420);
const REST: Duration = Duration::from_secs(180);
/// Six times the speed of the demo.
const SPEED: &str = "30";

/// What the maker of the input says is in it.
#[derive(Deserialize)]
struct Expected {
    rows_total: u64,
    good: usize,
    bad: usize,
    per_symbol_good: BTreeMap<String, usize>,
    bad_rows: Vec<BadRow>,
}

#[derive(Deserialize)]
struct BadRow {
    position: u64,
    text: String,
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn demo_pipeline_runs_to_its_end_and_all_parts_agree() -> Result<()> {
    in_namespace("demo", async |space| {
        let mut object = space.example("examples/demo/pipeline.yaml")?;
        object["spec"]["source"]["replay"]["sessionsPerSecond"] = json!(SPEED);
        // Only shorter waits between decisions, so that there is more than one to judge.
        space.apply_pipeline(&object).await?;
        pipelines::serving(&space, "demo", FIRST_MODEL).await?;
        let predictor = Predictor::find(&space, "demo").await?;
        let symbols = pipelines::symbols(&object);
        let asker = Asker::start(
            predictor.clone(),
            symbols.clone(),
            Duration::from_millis(100),
        );
        pipelines::drained(&space, "demo", REPLAY).await?;
        pipelines::at_rest(&space, "demo", REST).await?;
        let pipeline = pipelines::ready(&space, "demo", REST).await?;
        let asked = asker.finish().await?;

        let mut checks = Checks::new();
        checks.add("no request failed meanwhile", {
            if asked.failed.is_empty() && asked.sent > 50 {
                Ok(format!(
                    "{} asked, versions {:?}",
                    asked.sent, asked.versions
                ))
            } else {
                Err(anyhow::anyhow!(
                    "{} of {}: {:?}",
                    asked.failed.len(),
                    asked.sent,
                    asked.failed
                ))
            }
        });
        check_conditions(&mut checks, &pipeline);
        let expected = expected(&space)?;
        let ledger = Ledger::read(&space, "demo").await?;
        check_ledger(&mut checks, &ledger, &expected, &pipeline);
        checks.add(
            "bars in Delta are the bars in Kafka",
            delta_agrees(&space, &ledger).await,
        );
        checks.add(
            "bars are the rows of the file, bit for bit",
            file_agrees(&space, &ledger),
        );
        checks.add(
            "versions are complete",
            versions_complete(&space, &pipeline).await,
        );
        for symbol in &symbols {
            let forecast = predictor.forecast(symbol).await;
            checks.add(
                &format!("forecast of {symbol}"),
                forecast.and_then(|(version, closes)| {
                    ensure!(closes.len() == 5, "{} steps", closes.len());
                    Ok(format!("version {version}: {closes:.2?}"))
                }),
            );
        }
        let rows = parity::against_requests(&predictor, &ledger, &symbols).await;
        checks.add("features in Kafka = POST /v1/features, bit for bit", rows);
        let dump = parity::against_dump(&space, "demo", &ledger).await;
        checks.add("features in Kafka = the trainer's dump, bit for bit", dump);
        let sql = parity::against_sql(&space, "demo", ledger.features.len()).await;
        checks.add("features in Kafka = SQL over the lake, bit for bit", sql);
        checks.add(
            "a split changes only what adjustment says",
            parity::split_day(&predictor, &ledger).await,
        );
        if let Some(symbol) = symbols.first() {
            protocol::check(&mut checks, &predictor, &ledger, symbol).await;
        }
        checks.add(
            "2008 raised a drift alarm that was answered",
            answered(&space).await,
        );
        checks.verdict()
    })
    .await
}

fn expected(space: &Space) -> Result<Expected> {
    let folder = space
        .cluster
        .settings
        .data
        .as_ref()
        .context("FORESAIL_DATA_DIR is not set")?;
    let text = fs::read_to_string(folder.join("demo-bars.expected.json"))?;
    serde_json::from_str(&text).context("demo-bars.expected.json")
}

fn check_conditions(checks: &mut Checks, pipeline: &Pipeline) {
    for kind in [
        conditions::READY,
        conditions::SOURCES_READY,
        conditions::FEATURES_READY,
        conditions::TRAINING_HEALTHY,
        conditions::SERVING_READY,
        conditions::DATA_FRESH,
    ] {
        let found = pipelines::condition(pipeline, kind);
        let words = found.map(|c| format!("{} {}: {}", c.status, c.reason, c.message));
        let judged = if pipelines::is_true(pipeline, kind) {
            Ok("True")
        } else {
            Err(anyhow::anyhow!("{words:?}"))
        };
        checks.add(&format!("condition {kind}"), judged);
    }
    let kinds: BTreeSet<&str> = pipeline
        .status
        .iter()
        .flat_map(|s| s.conditions.iter().map(|c| c.type_.as_str()))
        .collect();
    checks.equal("no other condition", kinds.len(), 6);
}

fn check_ledger(checks: &mut Checks, ledger: &Ledger, expected: &Expected, pipeline: &Pipeline) {
    checks.equal(
        "bars in Kafka = good rows of the file",
        ledger.bars.len(),
        expected.good,
    );
    checks.equal(
        "bars per symbol",
        ledger.per_symbol(),
        expected.per_symbol_good.clone(),
    );
    checks.equal("bars that came twice", ledger.repeated_bars, 0);
    checks.equal("feature rows that came twice", ledger.repeated_features, 0);
    checks.equal("forecasts that came twice", ledger.repeated_predictions, 0);
    checks.equal("repeats that contradict", ledger.contradictions, 0);
    let held: BTreeMap<u64, &str> = ledger
        .quarantine
        .iter()
        .map(|q| (q.source_position, q.original.trim_end()))
        .collect();
    let bad: BTreeMap<u64, &str> = expected
        .bad_rows
        .iter()
        .map(|b| (b.position, b.text.as_str()))
        .collect();
    checks.equal("rows in quarantine", ledger.quarantine.len(), expected.bad);
    checks.equal("quarantine holds the bad rows as they were", held, bad);
    let Some(status) = &pipeline.status else {
        return;
    };
    if let Some(ingest) = &status.ingest {
        checks.equal(
            "rows read = sent + quarantined",
            ingest.rows_read,
            ingest.rows_sent + ingest.rows_quarantined,
        );
        checks.equal(
            "rows read = rows of the file",
            ingest.rows_read,
            expected.rows_total,
        );
    }
    checks.equal(
        "status.lake.rows",
        status.lake.as_ref().map(|l| l.rows),
        Some(expected.good as u64),
    );
    checks.equal(
        "status.stream.rows",
        status.stream.as_ref().map(|s| s.rows),
        Some(ledger.features.len() as u64),
    );
}

/// Every bar once in the table, with the values Kafka has.
async fn delta_agrees(space: &Space, ledger: &Ledger) -> Result<String> {
    let folder = format!("lake/{}/demo/bars/", space.name);
    let table = delta::read(&space.cluster, &folder).await?;
    ensure!(
        table.logged_rows == table.rows.len() as u64,
        "log says {}, files hold {}",
        table.logged_rows,
        table.rows.len()
    );
    ensure!(
        table.rows.len() == ledger.bars.len(),
        "{} rows for {} bars",
        table.rows.len(),
        ledger.bars.len()
    );
    let mut seen = BTreeSet::new();
    for row in &table.rows {
        let key = (
            delta::text(row, &["symbol"])?,
            delta::integer(row, &["event_time", "eventTime"])?,
        );
        let bar = ledger
            .bars
            .get(&key)
            .with_context(|| format!("{key:?} is not in Kafka"))?;
        let close = delta::double(row, &["close"])?.context("no close")?;
        ensure!(
            close.to_bits() == bar.close.to_bits(),
            "{key:?}: close {close} and {}",
            bar.close
        );
        ensure!(delta::double(row, &["open"])? == bar.open, "{key:?}: open");
        ensure!(
            delta::double(row, &["volume"])? == bar.volume,
            "{key:?}: volume"
        );
        ensure!(seen.insert(key.clone()), "{key:?} is there twice");
    }
    Ok(format!(
        "{} rows at version {}, {} transactions",
        seen.len(),
        table.version,
        table.transactions.len()
    ))
}

/// Each good row of the file is a bar with exactly its numbers.
fn file_agrees(space: &Space, ledger: &Ledger) -> Result<String> {
    let folder = space.cluster.settings.data.as_ref().context("no data")?;
    let text = fs::read_to_string(folder.join("demo-bars.csv"))?;
    let bad: BTreeSet<u64> = expected(space)?
        .bad_rows
        .iter()
        .map(|b| b.position)
        .collect();
    let closes: BTreeMap<(&str, i64), f64> = ledger
        .bars
        .values()
        .map(|b| ((b.symbol.as_str(), b.event_time / 86_400_000), b.close))
        .collect();
    let mut compared = 0;
    // Newest first: Symbol, Date, Close/Last, and so on. Positions count from the oldest row.
    let rows: Vec<&str> = text.lines().skip(1).collect();
    for (position, line) in (0u64..).zip(rows.into_iter().rev()) {
        if bad.contains(&position) {
            continue;
        }
        let fields: Vec<&str> = line.split(',').collect();
        let date = jiff::civil::Date::strptime("%m/%d/%Y", fields[1])?;
        let day = date
            .to_zoned(jiff::tz::TimeZone::UTC)?
            .timestamp()
            .as_millisecond()
            / 86_400_000;
        let close: f64 = fields[2].trim_start_matches('$').parse()?;
        let bar = closes
            .get(&(fields[0], day))
            .with_context(|| format!("{line} is no bar"))?;
        ensure!(bar.to_bits() == close.to_bits(), "{line}: close {bar}");
        compared += 1;
    }
    Ok(format!("{compared} rows"))
}

/// Every version has its numbers; exactly one is champion, and it is the one of the status.
async fn versions_complete(space: &Space, pipeline: &Pipeline) -> Result<String> {
    let versions = space.versions().list(&ListParams::default()).await?.items;
    let champion = pipeline
        .status
        .as_ref()
        .and_then(|s| s.champion.clone())
        .context("no champion")?;
    ensure!(!versions.is_empty(), "no ModelVersion");
    let mut champions = Vec::new();
    for version in &versions {
        let (name, spec) = (
            version.metadata.name.clone().unwrap_or_default(),
            &version.spec,
        );
        let metrics: BTreeSet<&str> = spec.metrics.iter().map(|m| m.name.as_str()).collect();
        for metric in ["rmse", "mae", "mase", "directionalAccuracy", "naiveRmse"] {
            ensure!(
                metrics.contains(metric),
                "{name} lacks {metric} among {metrics:?}"
            );
        }
        ensure!(
            spec.version == 1 || spec.gate.is_some(),
            "{name} was not judged against a champion"
        );
        let role = version
            .status
            .as_ref()
            .and_then(|s| s.role)
            .with_context(|| format!("{name} has no role"))?;
        if role == foresail_crds::model_version::VersionRole::Champion {
            champions.push(spec.version);
        }
    }
    ensure!(
        champions == [champion.version],
        "champions {champions:?}, status says {}",
        champion.version
    );
    Ok(format!(
        "{} versions, champion {}",
        versions.len(),
        champion.version
    ))
}

/// An alarm of 2008, in the clock of the market, led to a run, and the gate has judged the version of that run.
async fn answered(space: &Space) -> Result<String> {
    let alarms = events::times(space, "DriftDetected").await?;
    let answers = events::answers(space).await?;
    ensure!(
        alarms >= answers.len(),
        "{alarms} alarms told for {answers:?}"
    );
    let mut verdicts = events::told(space, "ModelPromoted").await?;
    verdicts.extend(events::told(space, "ModelRejected").await?);
    let versions = space.versions().list(&ListParams::default()).await?;
    let mut judged = Vec::new();
    for answer in answers.iter().filter(|a| a.since.starts_with("2008-")) {
        let version = versions
            .iter()
            .find(|v| v.spec.run_id.as_ref() == Some(&answer.run));
        let version = version.with_context(|| format!("{answer:?} has no version"))?;
        ensure!(version.spec.trigger == Some(Trigger::Drift), "{answer:?}");
        // The first version is promoted unseen; only what the gate says counts.
        let verdict = verdicts.iter().find(|told| {
            let by_gate = told.message.starts_with("GatePassed: ")
                || told.message.starts_with("GateFailed: ");
            told.about.as_deref() == Some(version.name_any().as_str()) && by_gate
        });
        judged.extend(verdict.map(|told| format!("alarm of {}: {}", answer.since, told.message)));
    }
    ensure!(
        !judged.is_empty(),
        "no version was judged for an alarm of 2008: {answers:?}, {verdicts:?}"
    );
    let has_numbers = |text: &String| {
        let number = text.split("challenger RMSE ").nth(1);
        number.is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit()))
    };
    ensure!(
        judged.iter().all(has_numbers),
        "without numbers: {judged:?}"
    );
    Ok(format!("{judged:?}"))
}

#[test]
fn demo_example_covers_the_declared_years() -> Result<()> {
    let demo = repo::yaml("examples/demo/pipeline.yaml", &repo::nowhere())?;
    ensure!(
        demo["spec"]["source"]["backfill"]["to"] == "2007-06-30",
        "backfill"
    );
    ensure!(
        demo["spec"]["source"]["replay"]["to"] == "2009-12-31",
        "replay"
    );
    Ok(())
}

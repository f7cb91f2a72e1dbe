//! Sources that go on: a file that holds the newest sessions only and is replaced each evening, and a folder with a file
//! more each evening. Ingest is killed at each of these evenings, at whatever it is doing then.

use std::collections::BTreeSet;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use foresail_crds::Pipeline;
use foresail_crds::pipeline::conditions;
use foresail_domain::TradingCalendar;
use foresail_tests::cluster::S3_SECRET;
use foresail_tests::settings::in_soak;
use foresail_tests::topics::Ledger;
use foresail_tests::{Checks, Space, faults, in_namespace, pipelines, s3};
use jiff::civil::Date;
use k8s_openapi::api::core::v1::Pod;
use kube::ResourceExt;
use kube::api::DeleteParams;
use serde_json::{Value, json};

use super::sources::newest_sessions;

const STARTED: Duration = Duration::from_secs(180);
const READ: Duration = Duration::from_secs(90);
/// Sessions of the file, and of the folder before the first evening.
const WINDOW: usize = 60;
const EVENINGS: usize = 20;
/// Sessions that each file of the folder has in common with those before it.
const REPEATED: usize = 5;
/// Between two evenings: shorter than a start, so that some end in the middle of one.
const EVENING: Duration = Duration::from_secs(2);
/// After so many evenings the newest session has to arrive before the next.
const ARRIVES_EVERY: usize = 7;
const NAMES: [&str; 2] = ["sliding", "folder"];
const SYMBOLS: [&str; 2] = ["SIMA", "SIMB"];

/// Two symbols that wander; the same session is the same row in every file.
fn text(sessions: &[(usize, Date)]) -> String {
    let mut text = String::from("symbol,date,open,high,low,close,volume\n");
    for (session, day) in sessions {
        for (i, symbol) in SYMBOLS.into_iter().enumerate() {
            let close = 100.0 + *session as f64 * 0.05 + ((session * (7 + i)) as f64).sin();
            let (high, low) = (close + 1.5, close - 1.5);
            let row = format!("{symbol},{day},{close:.2},{high:.2},{low:.2},{close:.2},1000\n");
            text.push_str(&row);
        }
    }
    text
}

/// What lies on S3 on an evening: the sliding file, and one more file of the folder.
async fn put(space: &Space, sessions: &[(usize, Date)], evening: usize) -> Result<()> {
    let newest = WINDOW + evening;
    let sliding = text(&sessions[evening..newest]);
    s3::put(&space.cluster, &key(space, "sliding.csv"), &sliding).await?;
    let from = match evening {
        0 => 0,
        _ => newest - 1 - REPEATED,
    };
    let day = text(&sessions[from..newest]);
    let name = format!("daily/{}.csv", sessions[newest - 1].1);
    s3::put(&space.cluster, &key(space, &name), &day).await
}

fn key(space: &Space, name: &str) -> String {
    format!("sources/{}/{name}", space.name)
}

fn reading(space: &Space, name: &str, file: &str) -> Value {
    let settings = &space.cluster.settings;
    let mut object = pipelines::small(space, name);
    object["spec"]["calendar"] = json!("Weekdays");
    object["spec"]["source"] = json!({
        "csv": {
            "uri": format!("s3://{}/{}", settings.s3_bucket, key(space, file)),
            "endpoint": settings.s3_endpoint, "secretName": S3_SECRET, "poll": "10s",
        },
        "staleAfterSessions": 3,
    });
    object["spec"]["retraining"] = json!({"triggers": []});
    object
}

/// Its processes are killed, and its pod is removed: a container that dies often is started later and later.
async fn kill_ingest(space: &Space, name: &str) -> Result<()> {
    let pods = faults::pods_of(space, &format!("{name}-ingest")).await?;
    for pod in pods {
        // One that has not started yet has no processes.
        faults::kill_processes(&pod).ok();
        let now = DeleteParams::default().grace_period(0);
        match space.api::<Pod>().delete(&pod.name_any(), &now).await {
            Err(kube::Error::Api(gone)) if gone.code == 404 => {}
            other => drop(other?),
        }
    }
    Ok(())
}

/// Waits until the bars of this session have passed all stages of both.
async fn arrived(space: &Space, newest: Date, bars: usize) -> Result<()> {
    let end = TradingCalendar::Weekdays.session_end(newest);
    for name in NAMES {
        pipelines::wait(space, name, "read to its end", READ, |p| {
            let status = p.status.as_ref().context("no status")?;
            let ingest = status.ingest.as_ref().context("no status.ingest")?;
            ensure!(ingest.source_complete, "{} rows", ingest.rows_read);
            let time = ingest.last_event_time.as_ref().context("no bar")?;
            ensure!(
                time.0.as_millisecond() == end,
                "its newest bar is of {}",
                time.0
            );
            let lake = status.lake.as_ref().map_or(0, |lake| lake.rows);
            let stream = status.stream.as_ref().map_or(0, |stream| stream.bars);
            let bars = bars as u64;
            ensure!(
                (lake, stream) == (bars, bars),
                "{lake} and {stream} bars of {bars}"
            );
            Ok(())
        })
        .await?;
    }
    Ok(())
}

/// Issue 14, section 5: nothing lost, nothing doubled, and the age of what is served is told right.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_file_that_slides_and_a_folder_that_grows_lose_and_double_nothing() -> Result<()> {
    in_namespace("living", async |space| {
        let evenings = in_soak(EVENINGS, 60);
        let mut sessions: Vec<_> = newest_sessions()?.into_iter().enumerate().collect();
        let sessions = sessions.split_off(sessions.len() - WINDOW - evenings);
        put(&space, &sessions, 0).await?;
        for (name, file) in NAMES.into_iter().zip(["sliding.csv", "daily/*.csv"]) {
            space.apply_pipeline(&reading(&space, name, file)).await?;
        }
        for name in NAMES {
            pipelines::wait(&space, name, "reads", STARTED, |p| {
                let ingest = p.status.as_ref().and_then(|s| s.ingest.as_ref());
                ensure!(ingest.is_some_and(|i| i.rows_sent > 0), "nothing is sent");
                Ok(())
            })
            .await?;
        }
        for evening in 1..=evenings {
            put(&space, &sessions, evening).await?;
            for name in NAMES {
                kill_ingest(&space, name).await?;
            }
            tokio::time::sleep(EVENING).await;
            if evening % ARRIVES_EVERY == 0 {
                let newest = WINDOW + evening;
                arrived(&space, sessions[newest - 1].1, 2 * newest).await?;
            }
        }
        let newest = sessions.len();
        arrived(&space, sessions[newest - 1].1, 2 * newest).await?;
        let mut checks = Checks::new();
        for name in NAMES {
            check(&space, name, &sessions, &mut checks).await?;
        }
        checks.verdict()
    })
    .await
}

async fn check(
    space: &Space,
    name: &str,
    sessions: &[(usize, Date)],
    checks: &mut Checks,
) -> Result<()> {
    let fresh = pipelines::wait(space, name, "fresh", READ, |p| {
        ensure!(
            pipelines::is_true(p, conditions::DATA_FRESH)
                && pipelines::is_true(p, conditions::SOURCES_READY)
                && reason(p).as_deref() == Some("UpToDate"),
            "{}",
            pipelines::summary(p)
        );
        Ok(())
    })
    .await?;
    let ledger = Ledger::read(space, name).await?;
    let expected: BTreeSet<_> = sessions
        .iter()
        .map(|(_, day)| TradingCalendar::Weekdays.session_end(*day))
        .flat_map(|end| SYMBOLS.map(|symbol| (symbol.to_owned(), end)))
        .collect();
    let found: BTreeSet<_> = ledger.bars.keys().cloned().collect();
    checks.equal(&format!("{name}: bars"), found == expected, true);
    let doubled = (ledger.repeated_bars, ledger.repeated_features);
    checks.equal(&format!("{name}: what came twice"), doubled, (0, 0));
    checks.equal(&format!("{name}: contradictions"), ledger.contradictions, 0);
    checks.equal(&format!("{name}: refused"), ledger.quarantine.len(), 0);
    let ingest = fresh.status.and_then(|status| status.ingest);
    let ingest = ingest.context("no status.ingest")?;
    checks.equal(
        &format!("{name}: rows read = sent + unchanged + quarantined"),
        ingest.rows_read,
        ingest.rows_sent + ingest.rows_unchanged + ingest.rows_quarantined,
    );
    let bars: BTreeSet<_> = ingest.symbols.iter().map(|s| s.symbol.clone()).collect();
    checks.equal(
        &format!("{name}: symbols"),
        bars,
        SYMBOLS.map(str::to_owned).into(),
    );
    checks.equal(
        &format!("{name}: the time of the newest row is told"),
        ingest.last_news_time.is_some(),
        true,
    );
    Ok(())
}

fn reason(pipeline: &Pipeline) -> Option<String> {
    pipelines::condition(pipeline, conditions::SOURCES_READY).map(|c| c.reason.clone())
}

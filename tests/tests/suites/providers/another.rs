//! Two Pipelines and one source: the second reads the bars of the first. They are asked for once, both reach forecasts, and a
//! first one that is deleted is told while the second serves on.

use std::time::Duration;

use anyhow::{Context, Result, anyhow, ensure};
use foresail_crds::Pipeline;
use foresail_crds::pipeline::conditions;
use foresail_crds::records::FeatureRecord;
use foresail_domain::Bar;
use foresail_tests::predictor::Predictor;
use foresail_tests::{Checks, Space, events, in_namespace, pipelines, topics};
use k8s_openapi::api::apps::v1::Deployment;
use kube::ResourceExt;
use kube::api::ListParams;
use serde_json::{Value, json};

use super::FIRST_MODEL;
use super::market::{self, SYMBOLS, account, from_provider};

const TOLD: Duration = Duration::from_secs(90);
const GONE: Duration = Duration::from_secs(120);
/// Who asks, and who reads what it has got.
const PRICES: &str = "prices";
const READER: &str = "reader";
/// Steps of the reader's forecasts; the other one has five.
const HORIZON: usize = 3;

/// Reads one of the two symbols.
fn reader(space: &Space) -> Value {
    let mut object = pipelines::small(space, READER);
    object["spec"]["instruments"] = json!([{"symbol": SYMBOLS[0]}]);
    object["spec"]["source"] = json!({"pipelineRef": {"name": PRICES}});
    object["spec"]["training"]["horizon"] = json!(HORIZON);
    object
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_bars_of_another_pipeline_are_read_and_not_asked_for_again() -> Result<()> {
    in_namespace("another", async |space| {
        market::now(&space.cluster).await?;
        let limits = json!({"perMinute": 1200});
        let chart = json!({"provider": "Yahoo", "limits": limits});
        account(&space, "free-of-charge", chart, None).await?;
        space.apply_pipeline(&reader(&space)).await?;
        pipelines::explained(&space, READER, "PipelineNotFound", TOLD).await?;
        let mut prices = from_provider(&space, PRICES, "free-of-charge");
        prices["spec"]["deletionPolicy"] = json!({"topics": "Delete"});
        space.apply_pipeline(&prices).await?;
        for name in [PRICES, READER] {
            pipelines::ready(&space, name, FIRST_MODEL).await?;
        }
        let all = pipelines::drained(&space, PRICES, FIRST_MODEL).await?;
        follows(&space, &all).await?;

        let mut checks = Checks::new();
        checks.add("both forecast", forecasts(&space).await);
        checks.add("bars are read once", read_once(&space).await);
        checks.add("the reader has its own rows", own_rows(&space).await);
        checks.add("its source is the other one", mirrored(&space).await);
        let bars = bars(&space).await?.len();

        space.delete_pipeline(PRICES, GONE).await?;
        let told = pipelines::explained(&space, READER, "PipelineNotFound", TOLD).await;
        checks.add(
            "the deletion is told",
            told.as_ref()
                .map(pipelines::summary)
                .map_err(|e| anyhow!("{e:#}")),
        );
        checks.add("and that its bars stay", kept(&space).await);
        checks.equal("bars that are left", self::bars(&space).await?.len(), bars);
        let served = Predictor::find(&space, READER)
            .await?
            .forecast(SYMBOLS[0])
            .await;
        checks.add("the reader serves on", served.map(|(version, _)| version));

        space.apply_pipeline(&prices).await?;
        for name in [PRICES, READER] {
            pipelines::ready(&space, name, FIRST_MODEL).await?;
        }
        checks.equal(
            "bars after it was made again",
            self::bars(&space).await?.len(),
            bars,
        );
        checks.verdict()
    })
    .await
}

/// Waits until the reader has every bar.
async fn follows(space: &Space, prices: &Pipeline) -> Result<()> {
    let ingest = prices.status.as_ref().and_then(|s| s.ingest.as_ref());
    let sent = ingest.context("no status.ingest")?.rows_sent;
    pipelines::wait(space, READER, "has every bar", TOLD, |pipeline| {
        let status = pipeline.status.as_ref().context("no status")?;
        let lake = status.lake.as_ref().map_or(0, |lake| lake.rows);
        let stream = status.stream.as_ref().map_or(0, |stream| stream.bars);
        ensure!(
            (lake, stream) == (sent, sent),
            "lake {lake}, stream {stream} of {sent}"
        );
        Ok(())
    })
    .await
    .map(drop)
}

async fn bars(space: &Space) -> Result<Vec<Bar>> {
    topics::values(space, &topics::names(space, PRICES).bars).await
}

/// Each with the horizon and the symbols that it declares.
async fn forecasts(space: &Space) -> Result<String> {
    let of_prices = Predictor::find(space, PRICES).await?;
    let of_reader = Predictor::find(space, READER).await?;
    let (_, theirs) = of_prices.forecast(SYMBOLS[0]).await?;
    let (_, ours) = of_reader.forecast(SYMBOLS[0]).await?;
    ensure!(ours.len() == HORIZON, "{ours:?}");
    let undeclared = of_reader
        .get(&format!("/v1/forecasts/{}", SYMBOLS[1]))
        .await?;
    ensure!(undeclared.status == 404, "answer {}", undeclared.status);
    Ok(format!("{theirs:.2?} and {ours:.2?}"))
}

/// One ingest, and one topic of bars.
async fn read_once(space: &Space) -> Result<String> {
    let all = space
        .api::<Deployment>()
        .list(&ListParams::default())
        .await?;
    let names = all.iter().map(ResourceExt::name_any);
    let ingests: Vec<String> = names.filter(|name| name.ends_with("-ingest")).collect();
    ensure!(ingests == [format!("{PRICES}-ingest")], "{ingests:?}");
    let topic = topics::names(space, READER).bars;
    match topics::read_all(space, &topic).await {
        Err(error) if format!("{error:#}").contains("does not exist") => Ok(ingests.join(", ")),
        Err(error) => Err(error),
        Ok(records) => Err(anyhow!("{topic} is there with {} records", records.len())),
    }
}

/// Rows of every bar that the other one has rows of: the declared symbol, and what may be declared later.
async fn own_rows(space: &Space) -> Result<usize> {
    let mut all = Vec::new();
    for name in [PRICES, READER] {
        let topic = topics::names(space, name).features;
        let rows = topics::values::<FeatureRecord>(space, &topic).await?;
        let mut keys: Vec<(String, i64)> = rows
            .into_iter()
            .map(|row| (row.symbol, row.event_time))
            .collect();
        keys.sort();
        all.push(keys);
    }
    ensure!(
        !all[0].is_empty() && all[0] == all[1],
        "{} and {} rows",
        all[0].len(),
        all[1].len()
    );
    Ok(all[1].len())
}

/// Its conditions speak of the other one, and its table holds the same bars.
async fn mirrored(space: &Space) -> Result<String> {
    let api = space.pipelines();
    let (theirs, ours) = (api.get(PRICES).await?, api.get(READER).await?);
    let sources = pipelines::condition(&ours, conditions::SOURCES_READY).context("no condition")?;
    let whose = format!("Pipeline {PRICES}: ");
    ensure!(sources.message.starts_with(&whose), "{}", sources.message);
    let both = theirs.status.as_ref().zip(ours.status.as_ref());
    let (theirs, ours) = both.context("no status")?;
    ensure!(ours.ingest.is_none(), "{:?}", ours.ingest);
    let rows = |status: &foresail_crds::PipelineStatus| status.lake.as_ref().map(|lake| lake.rows);
    ensure!(
        rows(theirs) == rows(ours),
        "{:?}, {:?}",
        theirs.lake,
        ours.lake
    );
    Ok(sources.message.clone())
}

/// The topic that is read is told with its reader, and the others are gone.
async fn kept(space: &Space) -> Result<String> {
    let told = events::told(space, "BarsKept").await?;
    let note = told.first().map(|told| told.message.clone());
    let note = note.context("no Event BarsKept")?;
    ensure!(note.contains(READER), "{note}");
    let topic = topics::names(space, PRICES).features;
    let left = topics::read_all(space, &topic).await;
    ensure!(left.is_err(), "{topic} is there");
    Ok(note)
}

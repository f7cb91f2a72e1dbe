//! From a produced bar to the answer that is made at it: ingest, Kafka transaction, features,
//! predictor. Both ends are read on one clock: `ingested_at` of the bar, and the first answer of
//! `GET /v1/forecasts/{symbol}` that stands at this bar or a later one, asked every two
//! milliseconds.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use foresail_domain::Bar;
use foresail_tests::predictor::Predictor;
use foresail_tests::{Cluster, Space, pipelines, topics};
use jiff::Timestamp;
use serde_json::{Value, json};
use tokio::task::JoinHandle;

use crate::{decision, figures, in_space, memory};

const LIMIT: Duration = Duration::from_secs(420);
/// Pause between two questions: half of it is in every figure.
const PAUSE: Duration = Duration::from_millis(2);
/// Symbols that are watched: more would measure the asking.
const WATCHED: usize = 2;

/// When an answer first stood at a bar: its event time, and when it was seen, in milliseconds.
type Seen = Vec<(i64, i64)>;

/// The simulated demo as it is: 4 symbols, 10 sessions a second, with its break, alarm and promotion.
pub async fn at_demo_speed(cluster: &Cluster) -> Result<()> {
    in_space(cluster, "bench", async |space| {
        let object = space.example("examples/demo/simulator.yaml")?;
        watch(space, &object, "at demo speed (40 bars/s)").await?;
        decision::print(space, "regime-break").await?;
        memory::print(space, "after the demo").await
    })
    .await
}

/// 50 symbols, 20 sessions a second.
pub async fn at_a_thousand_bars(cluster: &Cluster) -> Result<()> {
    in_space(cluster, "bench", async |space| {
        let mut object = pipelines::small(space, "thousand");
        let symbols: Vec<Value> = (0..50)
            .map(|n| json!({"symbol": format!("S{n:02}")}))
            .collect();
        object["spec"]["instruments"] = symbols.into();
        object["spec"]["source"] = json!({
            "simulator": {"seed": 3, "start": "2010-01-04", "sessions": 1600},
            "backfill": {"to": "2011-12-30"}, "replay": {"sessionsPerSecond": "20"}});
        object["spec"]["retraining"] = json!({"triggers": []});
        watch(space, &object, "at 1,000 bars/s (50 symbols)").await?;
        memory::print(space, "after 1,000 bars/s").await
    })
    .await
}

/// Applies it, asks through the whole replay, and prints what was seen.
async fn watch(space: &Space, object: &Value, what: &str) -> Result<()> {
    let name = object["metadata"]["name"].as_str().unwrap_or_default();
    space.apply_pipeline(object).await?;
    pipelines::serving(space, name, LIMIT).await?;
    let base = Predictor::find(space, name).await?.base().to_owned();
    let stop = Arc::new(AtomicBool::new(false));
    let begin = Timestamp::now().as_millisecond();
    let watchers: Vec<(String, JoinHandle<Result<Seen>>)> = pipelines::symbols(object)
        .into_iter()
        .take(WATCHED)
        .map(|symbol| {
            let url = format!("{base}/v1/forecasts/{symbol}");
            (symbol, tokio::spawn(ask(url, Arc::clone(&stop))))
        })
        .collect();
    pipelines::drained(space, name, LIMIT).await?;
    stop.store(true, Ordering::Relaxed);
    let mut seen = BTreeMap::new();
    for (symbol, watcher) in watchers {
        seen.insert(symbol, watcher.await.context("a watcher died")??);
    }
    let bars: Vec<Bar> = topics::values(space, &topics::names(space, name).bars).await?;
    let latencies = latencies(&bars, &seen, begin);
    ensure!(!latencies.is_empty(), "no bar was seen {what}");
    let rate = rate(&bars, begin);
    figures::print_latency(
        &format!("bar produced to forecast visible, {what}"),
        "ms",
        latencies,
    );
    println!("bars produced in that replay: {rate:.0} per second");
    Ok(())
}

/// Asks until told to stop; keeps the first sight of every bar.
async fn ask(url: String, stop: Arc<AtomicBool>) -> Result<Seen> {
    let http = reqwest::Client::builder().no_proxy().build()?;
    let mut seen: Seen = Vec::new();
    while !stop.load(Ordering::Relaxed) {
        let answer: Value = http.get(&url).send().await?.json().await?;
        let now = Timestamp::now().as_millisecond();
        let as_of = answer["as_of"].as_str().unwrap_or_default();
        let at = as_of
            .parse::<Timestamp>()
            .with_context(|| format!("no as_of in {answer}"))?;
        let at = at.as_millisecond();
        if seen.last().is_none_or(|(last, _)| at > *last) {
            seen.push((at, now));
        }
        tokio::time::sleep(PAUSE).await;
    }
    Ok(seen)
}

/// Milliseconds from each bar produced after `begin` to the first answer at it or after it.
fn latencies(bars: &[Bar], seen: &BTreeMap<String, Seen>, begin: i64) -> Vec<f64> {
    let live = bars.iter().filter(|bar| bar.ingested_at >= begin);
    live.filter_map(|bar| {
        let seen = seen.get(&bar.symbol)?;
        let first = seen.partition_point(|(at, _)| *at < bar.event_time);
        let (_, when) = seen.get(first)?;
        Some((when - bar.ingested_at) as f64)
    })
    .collect()
}

fn rate(bars: &[Bar], begin: i64) -> f64 {
    let live = || {
        bars.iter()
            .map(|bar| bar.ingested_at)
            .filter(|at| *at >= begin)
    };
    let span = live().max().unwrap_or(begin) - live().min().unwrap_or(begin);
    live().count() as f64 / (span.max(1) as f64 / 1e3)
}

//! Follows the Pipelines to the end of their replay, printing what changes, and asks for forecasts all the while.

use std::collections::BTreeMap;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use serde_json::Value;

use super::facts::{self, Fact};
use super::{NAMESPACE, report};
use crate::install::Cluster;
use foresail_node::exec;
use foresail_node::progress::say;

const LIMIT: Duration = Duration::from_secs(45 * 60);
const POLL: Duration = Duration::from_secs(1);
/// Details change with every poll: they are printed this often.
const DETAIL_EVERY: Duration = Duration::from_secs(10);
/// Done must hold this long: a decision may follow the last bar.
const SETTLED: Duration = Duration::from_secs(8);
const STALLED_LIMIT: Duration = Duration::from_secs(120);

struct Printed {
    fact: Fact,
    at: Instant,
}

/// Requests sent to the predictors while following.
#[derive(Default)]
struct Requests {
    sent: u64,
    failed: u64,
}

/// Returns the Pipelines as they are at the end.
pub fn until_done(cluster: &Cluster<'_>) -> Result<Vec<Value>> {
    let begin = Instant::now();
    let mut printed: BTreeMap<String, Printed> = BTreeMap::new();
    let mut requests = Requests::default();
    let (mut done_since, mut stalled_since) = (None, None);
    loop {
        let pipelines = pipelines(cluster)?;
        for pipeline in &pipelines {
            print_changes(pipeline, &mut printed);
            requests.ask(cluster, pipeline);
        }
        let all_done = !pipelines.is_empty() && pipelines.iter().all(facts::is_done);
        if held(&mut done_since, all_done, SETTLED) {
            say(format!(
                "asked for {} forecasts meanwhile, {} failed",
                requests.sent, requests.failed
            ));
            return Ok(pipelines);
        }
        let stalled = pipelines
            .iter()
            .find(|pipeline| facts::is_true(pipeline, "Stalled"));
        if held(&mut stalled_since, stalled.is_some(), STALLED_LIMIT) {
            let pipeline = stalled.context("a Pipeline was stalled")?;
            bail!(
                "Pipeline {} is stalled: {}",
                name(pipeline),
                facts::message(pipeline, "Stalled")
            );
        }
        if begin.elapsed() > LIMIT {
            let waiting: Vec<&str> = pipelines
                .iter()
                .filter(|pipeline| !facts::is_done(pipeline))
                .map(name)
                .collect();
            bail!(
                "not finished after {} minutes: {}. See `kubectl describe pipeline --namespace {NAMESPACE}`",
                LIMIT.as_secs() / 60,
                waiting.join(", ")
            );
        }
        thread::sleep(POLL);
    }
}

fn pipelines(cluster: &Cluster<'_>) -> Result<Vec<Value>> {
    let mut last = None;
    // The API server may be asked too much for a moment.
    for _ in 0..5 {
        match exec::capture(cluster.kubectl().args([
            "get",
            "pipelines",
            "--namespace",
            NAMESPACE,
            "--output=json",
        ])) {
            Ok(text) => {
                let list: Value = serde_json::from_str(&text).context("kubectl printed no JSON")?;
                return Ok(list["items"].as_array().cloned().unwrap_or_default());
            }
            Err(error) => last = Some(error),
        }
        thread::sleep(POLL);
    }
    Err(last.map_or_else(
        || anyhow::anyhow!("no answer"),
        |error| error.context("cannot read the Pipelines"),
    ))
}

fn print_changes(pipeline: &Value, printed: &mut BTreeMap<String, Printed>) {
    for fact in facts::facts(pipeline) {
        let key = format!("{} {}", name(pipeline), fact.part);
        let worth_it = match printed.get(&key) {
            None => true,
            Some(before) if before.fact.state != fact.state => true,
            Some(before) => {
                before.fact.detail != fact.detail && before.at.elapsed() >= DETAIL_EVERY
            }
        };
        if worth_it {
            say(format!("  {key}: {}", fact.phrase()));
            printed.insert(
                key,
                Printed {
                    fact,
                    at: Instant::now(),
                },
            );
        }
    }
}

/// Whether `now` has been true for `time`.
fn held(since: &mut Option<Instant>, now: bool, time: Duration) -> bool {
    if !now {
        *since = None;
        return false;
    }
    since.get_or_insert_with(Instant::now).elapsed() >= time
}

fn name(pipeline: &Value) -> &str {
    pipeline["metadata"]["name"].as_str().unwrap_or("?")
}

impl Requests {
    /// One request per poll, once the Pipeline has said that it serves.
    fn ask(&mut self, cluster: &Cluster<'_>, pipeline: &Value) {
        if !facts::is_true(pipeline, "ServingReady") {
            return;
        }
        let Some(symbol) = report::symbols(pipeline).into_iter().next() else {
            return;
        };
        self.sent += 1;
        if let Err(error) = report::forecast(cluster, name(pipeline), &symbol) {
            self.failed += 1;
            say(format!(
                "  {}: a request for {symbol} failed: {error:#}",
                name(pipeline)
            ));
        }
    }
}

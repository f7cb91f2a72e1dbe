//! One stranger does to a predictor whatever a stranger can; every other client is answered all the while, and the pod
//! stays within its memory.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use foresail_tests::predictor::{Asker, Predictor};
use foresail_tests::{Checks, faults, in_namespace, pipelines};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

const READY: Duration = Duration::from_secs(300);
/// More than a predictor works on at one time.
const MANY: usize = 520;
/// Bodies that are sent whole, and their size.
const LARGE: usize = 200;
const BYTES: usize = 4_000_000;
/// How long idle bodies are held: longer than the predictor waits for any.
const HELD: Duration = Duration::from_secs(12);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_stranger_stops_nobody() -> Result<()> {
    in_namespace("strangers", async |space| {
        let name = "open";
        let mut object = pipelines::small(&space, name);
        object["spec"]["serving"]["maxReplicas"] = serde_json::json!(1);
        space.apply_pipeline(&object).await?;
        pipelines::ready(&space, name, READY).await?;
        let predictor = Predictor::find(&space, name).await?;
        let address = predictor.base().strip_prefix("http://");
        let address = address.context("not an address of HTTP")?.to_owned();
        let asker = Asker::start(predictor, vec!["SIMA".into()], Duration::from_millis(50));
        resets(&address).await?;
        idle_bodies(&address).await?;
        large_bodies(&address, &" ".repeat(BYTES)).await?;
        // Within the limit of a body, and much more than a series may hold.
        let points = vec!["[1]"; 500_000].join(",");
        let series = format!(
            r#"{{"inputs":[{{"type":"multivariate_time_series","columns":["close"],"series":[{points}]}}]}}"#
        );
        large_bodies(&address, &series).await?;
        sleep(Duration::from_secs(2)).await;
        let asked = asker.finish().await?;
        let mut checks = Checks::new();
        checks.equal("failed requests of others", asked.failed, vec![]);
        // Some ten times as many where nothing else runs. How many there are is the machine's speed; each of them was answered.
        checks.equal("requests of others", asked.sent > 50, true);
        let pods = faults::pods_of(&space, &format!("{name}-predict")).await?;
        let restarts = pods.iter().flat_map(|pod| pod.status.as_ref()?.container_statuses.as_ref());
        let restarts: Vec<i32> = restarts.flatten().map(|c| c.restart_count).collect();
        checks.equal("restarts of its one pod", restarts, vec![0]);
        checks.verdict()
    })
    .await
}

/// The head of a request, and a connection that waits for its body.
async fn begin(address: &str, length: usize) -> Result<TcpStream> {
    let mut stream = TcpStream::connect(address).await?;
    let head = format!(
        "POST /v1/timeseries/forecast HTTP/1.1\r\nHost: x\r\nContent-Length: {length}\r\n\r\n{{"
    );
    stream.write_all(head.as_bytes()).await?;
    Ok(stream)
}

/// Connections that are reset in the middle of a body.
async fn resets(address: &str) -> Result<()> {
    for _ in 0..MANY {
        let stream = begin(address, 1_000).await?.into_std()?;
        socket2::SockRef::from(&stream).set_linger(Some(Duration::ZERO))?;
    }
    Ok(())
}

/// Bodies that begin and do not go on.
async fn idle_bodies(address: &str) -> Result<()> {
    let mut held = Vec::new();
    for _ in 0..MANY {
        held.push(begin(address, 1_000).await?);
    }
    sleep(HELD).await;
    Ok(())
}

/// All at once, as far as the predictor takes them.
async fn large_bodies(address: &str, body: &str) -> Result<()> {
    let body: Arc<str> = body.into();
    let mut sent = JoinSet::new();
    for _ in 0..LARGE {
        let (address, body) = (address.to_owned(), Arc::clone(&body));
        sent.spawn(async move {
            let mut stream = begin(&address, body.len()).await?;
            // It hangs up on what it refuses.
            let write = stream.write_all(body.get(1..).unwrap_or_default().as_bytes());
            timeout(Duration::from_secs(60), write).await.ok();
            anyhow::Ok(stream)
        });
    }
    let mut open = Vec::new();
    while let Some(stream) = sent.join_next().await {
        open.push(stream??);
    }
    ensure!(open.len() == LARGE, "{} of {LARGE} were sent", open.len());
    Ok(())
}

//! What every suite starts with: a cluster, a namespace of the test's own, and a turn.

use std::panic::AssertUnwindSafe;

use anyhow::{Result, anyhow};
use futures::FutureExt;

use crate::settings::NeedsNode;
use crate::{Cluster, Space, diagnostics, turns};

/// Counts as skipped, not as passed: `cargo xtask test` looks for this line and fails.
fn skip(why: &str) -> Result<()> {
    println!("skipped: {why}");
    Ok(())
}

/// Runs `body` when there is a cluster; without one the test counts as skipped.
///
/// # Errors
/// Those of `body`.
pub async fn on_cluster(body: impl AsyncFnOnce(Cluster) -> Result<()>) -> Result<()> {
    match Cluster::connect().await? {
        None => skip("no cluster"),
        Some(cluster) => match body(cluster).await {
            Err(error) if error.chain().any(|cause| cause.is::<NeedsNode>()) => {
                skip(&format!("{NeedsNode}"))
            }
            done => done,
        },
    }
}

/// Runs `body` in a namespace of its own, tells what went on there when it fails, and removes it.
///
/// # Errors
/// Those of `body`; a panic in it is one.
pub async fn in_namespace(test: &str, body: impl AsyncFnOnce(Space) -> Result<()>) -> Result<()> {
    on_cluster(async |cluster| {
        let _turn = turns::shared(&turns::folder(&cluster.settings.node)).await?;
        in_space(cluster, test, body).await
    })
    .await
}

/// The same for tests that break Kafka, Redis, S3 or the operator: no other test runs meanwhile.
///
/// # Errors
/// Those of `body`; a panic in it is one.
pub async fn alone_in_namespace(
    test: &str,
    body: impl AsyncFnOnce(Space) -> Result<()>,
) -> Result<()> {
    on_cluster(async |cluster| {
        let _turn = turns::alone(&turns::folder(&cluster.settings.node)).await?;
        in_space(cluster, test, body).await
    })
    .await
}

async fn in_space(
    cluster: Cluster,
    test: &str,
    body: impl AsyncFnOnce(Space) -> Result<()>,
) -> Result<()> {
    let space = cluster.make_space(test).await?;
    let result = AssertUnwindSafe(body(space.clone()))
        .catch_unwind()
        .await
        .unwrap_or_else(|panic| Err(anyhow!("panicked: {}", message(&*panic))));
    if let Err(error) = &result
        && !error.chain().any(|cause| cause.is::<NeedsNode>())
    {
        diagnostics::print(&space).await;
        if cluster.settings.keep {
            println!("kept: namespace {}", space.name);
            return result;
        }
    }
    if let Err(error) = space.remove().await {
        println!("namespace {} is not removed: {error:#}", space.name);
    }
    result
}

fn message(panic: &(dyn std::any::Any + Send)) -> String {
    panic
        .downcast_ref::<String>()
        .cloned()
        .or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()))
        .unwrap_or_else(|| "no message".into())
}

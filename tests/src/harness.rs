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
        let turn = turns::shared(&turns::folder(&cluster.settings.node)).await?;
        let leaving = in_space(cluster, test, body).await?;
        drop(turn);
        leaving.end().await
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
        let turn = turns::alone(&turns::folder(&cluster.settings.node)).await?;
        let leaving = in_space(cluster, test, body).await?;
        drop(turn);
        leaving.end().await
    })
    .await
}

/// The same, with a first part that runs beside other tests: a test that runs alone holds up all the others. Between
/// the two parts other tests may break things, and mend them.
///
/// # Errors
/// Those of `prepare` and `body`; a panic in them is one.
pub async fn prepared_then_alone<T>(
    test: &str,
    prepare: impl AsyncFnOnce(&Space) -> Result<T>,
    body: impl AsyncFnOnce(Space, T) -> Result<()>,
) -> Result<()> {
    on_cluster(async |cluster| {
        let folder = turns::folder(&cluster.settings.node);
        let shared = turns::shared(&folder).await?;
        let mut turn = None;
        let leaving = in_space(cluster, test, async |space| {
            let prepared = prepare(&space).await?;
            drop(shared);
            turn = Some(turns::alone(&folder).await?);
            body(space, prepared).await
        })
        .await?;
        drop(turn);
        leaving.end().await
    })
    .await
}

/// A test that has done its part. Its namespace goes while the next test has its turn.
struct Leaving {
    space: Option<Space>,
    result: Result<()>,
}

impl Leaving {
    async fn end(self) -> Result<()> {
        if let Some(space) = self.space
            && let Err(error) = space.gone().await
        {
            println!("namespace {} is not removed: {error:#}", space.name);
        }
        self.result
    }
}

async fn in_space(
    cluster: Cluster,
    test: &str,
    body: impl AsyncFnOnce(Space) -> Result<()>,
) -> Result<Leaving> {
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
            return Ok(Leaving {
                space: None,
                result,
            });
        }
    }
    if let Err(error) = space.delete().await {
        println!("namespace {} is not removed: {error:#}", space.name);
    }
    Ok(Leaving {
        space: Some(space),
        result,
    })
}

fn message(panic: &(dyn std::any::Any + Send)) -> String {
    panic
        .downcast_ref::<String>()
        .cloned()
        .or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()))
        .unwrap_or_else(|| "no message".into())
}

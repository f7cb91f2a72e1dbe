//! What every suite starts with: a cluster, a namespace of the test's own, and a turn.

use std::panic::AssertUnwindSafe;

use anyhow::{Error, Result, anyhow};
use futures::FutureExt;

use crate::settings::NeedsNode;
use crate::turns::Turn;
use crate::{Cluster, Operator, Space, diagnostics, turns};

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
            Err(error) if needs_node(&error) => skip(&format!("{NeedsNode}")),
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
        in_space(cluster, test, turn, async |space, _| body(space).await).await
    })
    .await
}

/// The same for tests that break nothing but the operator: they have one of their own, of so many pods, which alone looks after
/// what is applied through the [`Space`].
///
/// # Errors
/// Those of `body`; a panic in it is one.
pub async fn with_own_operator(
    test: &str,
    replicas: i32,
    body: impl AsyncFnOnce(Space, Operator) -> Result<()>,
) -> Result<()> {
    in_namespace(test, async |space| {
        let space = space.apart();
        let operator = Operator::install(&space, replicas).await?;
        body(space, operator).await
    })
    .await
}

/// The same for tests that break Kafka, Redis, S3, the API server or the operator that all share: while `body` runs, no other test
/// does. What `prepare` does happens beside others, since a test that runs alone holds up all of them. Between the two parts other
/// tests may break things, and mend them.
///
/// # Errors
/// Those of `prepare` and `body`; a panic in them is one.
pub async fn prepared_then_alone(
    test: &str,
    prepare: impl AsyncFnOnce(&Space) -> Result<()>,
    body: impl AsyncFnOnce(Space) -> Result<()>,
) -> Result<()> {
    on_cluster(async |cluster| {
        let folder = turns::folder(&cluster.settings.node);
        let turn = turns::shared(&folder).await?;
        in_space(cluster, test, turn, async |space, turn| {
            prepare(&space).await?;
            // One that holds a turn would wait for itself.
            turn.take();
            *turn = Some(turns::alone(&folder).await?);
            body(space).await
        })
        .await
    })
    .await
}

/// Runs `body` in a namespace; the namespace goes while the next test has its turn.
async fn in_space(
    cluster: Cluster,
    test: &str,
    turn: Turn,
    body: impl AsyncFnOnce(Space, &mut Option<Turn>) -> Result<()>,
) -> Result<()> {
    let mut turn = Some(turn);
    let space = cluster.make_space(test).await?;
    let result = AssertUnwindSafe(body(space.clone(), &mut turn))
        .catch_unwind()
        .await
        .unwrap_or_else(|panic| Err(anyhow!("panicked: {}", message(&*panic))));
    if let Err(error) = &result
        && !needs_node(error)
    {
        diagnostics::print(&space).await;
        if cluster.settings.keep {
            println!("kept: namespace {}", space.name);
            return result;
        }
    }
    let deleted = space.delete().await;
    drop(turn);
    let removed = match deleted {
        Ok(()) => space.gone().await,
        Err(error) => Err(error),
    };
    end(result, removed, &space.name)
}

/// What a test leaves behind is a failure too.
fn end(result: Result<()>, removed: Result<()>, namespace: &str) -> Result<()> {
    let Err(left) = removed else {
        return result;
    };
    let left = left.context(format!("namespace {namespace} is not removed"));
    match result {
        Err(error) if !needs_node(&error) => {
            println!("{left:#}");
            Err(error)
        }
        _ => Err(left),
    }
}

fn needs_node(error: &Error) -> bool {
    error.chain().any(|cause| cause.is::<NeedsNode>())
}

fn message(panic: &(dyn std::any::Any + Send)) -> String {
    panic
        .downcast_ref::<String>()
        .cloned()
        .or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()))
        .unwrap_or_else(|| "no message".into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_namespace_that_stays_fails_a_test_that_passed_or_was_skipped() {
        let left = || Err(anyhow!("its finalizer"));
        let ended = |result, removed| {
            let ended = end(result, removed, "t-1");
            ended.map_err(|error| format!("{error:#}"))
        };
        assert_eq!(ended(Ok(()), Ok(())), Ok(()));
        let stays = Err("namespace t-1 is not removed: its finalizer".to_owned());
        assert_eq!(ended(Ok(()), left()), stays);
        assert_eq!(ended(Err(NeedsNode.into()), left()), stays);
        // The first fault is the one to look at.
        assert_eq!(ended(Err(anyhow!("wrong")), left()), Err("wrong".into()));
    }
}

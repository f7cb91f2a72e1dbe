//! Reconciling one Pipeline, as a table of contents. Decisions are pure (`validate`, `plan`,
//! `children`), writes are thin (`apply`, `status`).

mod apply;
pub mod children;
mod cleanup;
mod decide;
mod dereference;
pub mod labels;
mod matching;
mod plan;
mod pods;
mod predictors;
mod schedule;
mod status;
mod validate;

use std::sync::Arc;
use std::time::Duration;

use foresail_crds::Pipeline;
use jiff::Timestamp;
use kube::ResourceExt;
use kube::runtime::controller::Action;

use crate::context::Context;

/// Time after which a Pipeline is looked at without a change, to see what no event tells.
const RESYNC: Duration = Duration::from_secs(300);
/// Time after which a Pipeline that waits for something is looked at again.
const WAITING: Duration = Duration::from_secs(10);

/// Time after which the next step follows a write that had to come first.
const AT_ONCE: Duration = Duration::from_millis(200);

/// Why a reconcile did not finish.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Reading what exists.
    #[error("reading the objects of the Pipeline: {0}")]
    Dereference(#[source] kube::Error),
    /// Applying a child.
    #[error("applying {object}: {source}")]
    Apply {
        /// Kind and name.
        object: String,
        /// Cause.
        source: kube::Error,
    },
    /// Writing status.
    #[error("writing status: {0}")]
    Status(#[source] kube::Error),
    /// Removing what the Pipeline has outside the cluster.
    #[error("cleaning up: {0}")]
    Cleanup(#[source] kube::Error),
}

impl Error {
    /// The object was written by another between our read and our write.
    pub fn is_conflict(&self) -> bool {
        match self {
            Self::Apply { source, .. } | Self::Status(source) => {
                matches!(source, kube::Error::Api(status) if status.code == 409)
            }
            Self::Dereference(_) | Self::Cleanup(_) => false,
        }
    }

    /// Low-cardinality name for metrics.
    pub fn category(&self) -> &'static str {
        match self {
            Self::Dereference(_) => "Dereference",
            Self::Apply { .. } => "Apply",
            Self::Status(_) => "Status",
            Self::Cleanup(_) => "Cleanup",
        }
    }
}

/// Brings one Pipeline closer to what is declared.
pub async fn reconcile(object: Arc<Pipeline>, context: Arc<Context>) -> Result<Action, Error> {
    if object.metadata.deletion_timestamp.is_some() {
        return cleanup::run(&object, &context).await;
    }
    let pipeline = match validate::validate(&object) {
        Ok(pipeline) => pipeline,
        Err(invalid) => {
            status::explain_invalid(&object, &invalid, &context).await?;
            return Ok(Action::await_change());
        }
    };
    let observed = dereference::dereference(&object, &context).await?;
    let plan = plan::plan(&pipeline, &observed, Timestamp::now());
    if plan.starts {
        // Recorded before its Job is made: an operator that reads an older record cannot start another.
        status::record_start(&object, &plan, &context).await?;
        return Ok(Action::requeue(AT_ONCE));
    }
    let resources = children::build(&pipeline, &plan, &context.images);
    let applied = apply::apply(resources, &plan, &observed, &context).await?;
    let ready = status::write(&object, &pipeline, &plan, &applied, &observed, &context).await?;
    let wait = if ready { RESYNC } else { WAITING };
    Ok(Action::requeue(wait.min(scheduled(&pipeline))))
}

/// Time to the next scheduled run.
fn scheduled(pipeline: &validate::ValidatedPipeline) -> Duration {
    let now = Timestamp::now();
    let next = pipeline.schedule.as_ref().and_then(|s| s.next(now));
    next.map_or(Duration::MAX, |at| {
        at.duration_since(now).unsigned_abs() + AT_ONCE
    })
}

/// Retries with jitter, so that many Pipelines do not come back at once.
pub fn error_policy(object: Arc<Pipeline>, error: &Error, _: Arc<Context>) -> Action {
    let spread = object.name_any().bytes().map(u64::from).sum::<u64>() % 3_000;
    let wait = if error.is_conflict() {
        200 + spread / 10
    } else {
        4_000 + spread
    };
    Action::requeue(Duration::from_millis(wait))
}

//! Reconciling one Pipeline, as a table of contents. Decisions are pure (`validate`, `plan`,
//! `children`), writes are thin (`finalizer`, `apply`, `status`).

mod another;
mod apply;
mod children;
mod cleanup;
mod decided;
mod dereference;
mod error;
mod event;
mod finalizer;
pub mod labels;
mod matching;
mod observed;
mod plan;
mod pods;
mod predictors;
mod quantity;
pub mod resources;
mod revised;
mod schedule;
mod status;
mod undecodable;
mod validate;

use std::sync::Arc;
use std::time::Duration;

use foresail_crds::Pipeline;
use foresail_crds::names::PipelineName;
use jiff::Timestamp;
use kube::ResourceExt;
use kube::core::DeserializeGuard;
use kube::runtime::controller::Action;

use crate::context::Context;
use crate::retries;
use decided::Decided;
use dereference::Source;
pub use error::Error;
use observed::Observed;
use plan::types::Plan;
use resources::{Prepared, Resources};

/// Time after which a Pipeline is reconciled without a change, to see what comes without an event.
const RESYNC: Duration = Duration::from_secs(300);
/// Time after which a Pipeline that waits for something is reconciled again.
const WAITING: Duration = Duration::from_secs(10);

/// Failures in a row after which an error is no accident.
const LASTING: u32 = 2;

/// Time after which the next step follows a write that had to come first.
const AT_ONCE: Duration = Duration::from_millis(200);

/// A Pipeline, or why it does not decode: one that does not must not keep the others from being read.
pub type Guarded = DeserializeGuard<Pipeline>;

/// Brings one Pipeline closer to what is declared; another operator's is left alone.
pub async fn reconcile(object: Arc<Guarded>, context: Arc<Context>) -> Result<Action, Error> {
    if !context.selection.has(object.as_ref()) {
        return Ok(Action::await_change());
    }
    let now = Timestamp::now();
    let action = match &object.0 {
        Ok(pipeline) if pipeline.metadata.deletion_timestamp.is_some() => {
            cleanup::run(pipeline, &context, now).await
        }
        Ok(pipeline) => match advance(pipeline, &context, now).await {
            Err(error) => {
                tell(pipeline, &error, &context, now).await;
                Err(error)
            }
            done => done,
        },
        Err(invalid) => undecodable::explain(&object, &invalid.error, &context, now).await,
    }?;
    context.retries.forget(&name(object.as_ref()));
    context.metrics.reconciles.with(["ok"]).inc();
    Ok(action)
}

/// Puts a failure into status, where a person looks: at once when the same request will be refused again, otherwise
/// once it has failed several times.
async fn tell(object: &Pipeline, error: &Error, context: &Context, now: Timestamp) {
    let lasts = error.refusal().is_some() || context.retries.failures(&name(object)) >= LASTING;
    if error.is_conflict() || !lasts {
        return;
    }
    if let Err(unwritten) = status::failed(object, error, context, now).await {
        tracing::warn!(pipeline = %name(object), %unwritten, "its conditions do not say so");
    }
}

/// When a Pipeline whose reconcile failed is tried again.
pub fn error_policy(object: Arc<Guarded>, error: &Error, context: Arc<Context>) -> Action {
    Action::requeue(if error.is_conflict() {
        retries::after_conflict()
    } else {
        context.retries.after_error(&name(object.as_ref()))
    })
}

fn name(object: &impl ResourceExt) -> PipelineName {
    PipelineName::new(object.namespace().unwrap_or_default(), object.name_any())
}

async fn advance(object: &Pipeline, context: &Context, now: Timestamp) -> Result<Action, Error> {
    let pipeline = match validate::validate(object, &context.installation) {
        Ok(pipeline) => pipeline,
        Err(invalid) => return reject(object, &invalid, context, now).await,
    };
    // Before anything outside the cluster is made, what removes it is promised.
    if finalizer::keep(object, pipeline.deletes_outside, context).await? {
        return Ok(Action::requeue(AT_ONCE));
    }
    let Considered {
        pipeline,
        observed,
        plan,
        prepared,
    } = consider(object, &pipeline, context, now).await?;
    let decided = Decided {
        object,
        pipeline: &pipeline,
        observed: &observed,
        plan: &plan,
        now,
        context,
    };
    if plan.starts() {
        // Recorded before its Job is made: an operator that reads an older record cannot start another.
        status::record_start(decided).await?;
        return Ok(Action::requeue(AT_ONCE));
    }
    let (applied, refused) = apply::apply(decided, &prepared).await?;
    let ready = status::write(decided, &applied, &refused).await?;
    let wait = if ready { RESYNC } else { WAITING };
    Ok(Action::requeue(wait.min(to_next_run(&pipeline, now))))
}

/// What exists, what follows from it, and the children that must be there.
struct Considered {
    /// With what the Pipeline whose bars it reads says of its source.
    pipeline: validate::ValidatedPipeline,
    observed: Observed,
    plan: Plan,
    prepared: Resources<Prepared>,
}

/// Looks at what the watches have shown, which costs the API server nothing. Where anything follows from it but that
/// children are as they must be and conditions say so, it is listed, and considered again.
async fn consider(
    object: &Pipeline,
    pipeline: &validate::ValidatedPipeline,
    context: &Context,
    now: Timestamp,
) -> Result<Considered, Error> {
    let seen = look(object, pipeline, context, (Source::Watches, now)).await?;
    let acts = plan::decides(&seen.plan, &seen.observed)
        || apply::removes(&seen.observed, &seen.plan, &seen.prepared, now);
    if acts && !seen.observed.is_listed {
        return look(object, pipeline, context, (Source::Server, now)).await;
    }
    Ok(seen)
}

async fn look(
    object: &Pipeline,
    pipeline: &validate::ValidatedPipeline,
    context: &Context,
    from: (Source, Timestamp),
) -> Result<Considered, Error> {
    let stored = object.status.clone().unwrap_or_default();
    let observed = dereference::dereference(pipeline, stored, context, from).await?;
    let pipeline = pipeline.clone().reading(observed.bars_of.found());
    let plan = plan::plan(&pipeline, &observed, from.1);
    let prepared = children::build(&pipeline, &plan, &context.images);
    Ok(Considered {
        pipeline,
        observed,
        plan,
        prepared,
    })
}

/// Says what cannot be run, and waits for an edit.
async fn reject(
    object: &Pipeline,
    invalid: &validate::Invalid,
    context: &Context,
    now: Timestamp,
) -> Result<Action, Error> {
    let stored = serde_json::to_value(&object.status).unwrap_or_default();
    let stall = status::Stall {
        name: &name(object),
        generation: object.metadata.generation,
        status: &stored,
        reason: "InvalidSpec",
        message: format!("{invalid}; edit the Pipeline"),
    };
    status::explain(stall, context, now).await?;
    Ok(Action::await_change())
}

/// Time to the next scheduled run.
fn to_next_run(pipeline: &validate::ValidatedPipeline, now: Timestamp) -> Duration {
    let schedule = pipeline.retraining.schedule.as_ref();
    schedule
        .and_then(|s| s.next(now))
        .map_or(Duration::MAX, |at| {
            at.duration_since(now).unsigned_abs() + AT_ONCE
        })
}

#[cfg(test)]
pub(crate) use validate::tests::{from_provider, object, reads};

#[cfg(test)]
#[path = "pipeline/reconcile_tests.rs"]
mod tests;

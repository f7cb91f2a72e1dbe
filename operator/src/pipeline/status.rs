//! Status: made from what was applied, written only when it changed, with Events for decisions.

mod account;
mod another;
mod conditions;
mod events;
mod freshness;
mod part;
mod pins;
mod source;

use foresail_crds::names::PipelineName;
use foresail_crds::pipeline::conditions as names;
use foresail_crds::pipeline::status::PipelineStatus;
use foresail_crds::{API_VERSION, MANAGER, Pipeline, Role};
use jiff::Timestamp;
use k8s_openapi::api::core::v1::Service;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use kube::api::{DynamicObject, Patch, PatchParams};
use kube::core::ApiResource;
use kube::{Api, ResourceExt};
use serde_json::{Value, json};

use super::apply::Applied;
use super::decided::Decided;
use super::error::{Error, Refused};
use super::plan::types::Plan;
use super::resources::Resources;
use crate::condition::{Claim, Conditions};
use crate::context::Context;
use conditions::Facts;

/// Fields of status the operator owns.
const OWNED: &[&str] = &[
    "observedGeneration",
    "conditions",
    "champion",
    "previous",
    "driftReference",
    "alarmAnnounced",
    "rollback",
    "lastDecision",
    "run",
    "lastTrainedTime",
    "servingUrl",
];

/// Writes status and Events; true when the Pipeline is Ready.
pub async fn write(
    at: Decided<'_>,
    applied: &Resources<Applied>,
    refused: &[Refused],
) -> Result<bool, Error> {
    let (generation, old) = (at.object.metadata.generation, &at.observed.status);
    let facts = Facts {
        pipeline: at.pipeline,
        plan: at.plan,
        observed: at.observed,
        applied,
        refused,
    };
    let conditions = conditions::all(facts, generation, at.now);
    let is_true = |c: &Condition| c.type_ == names::READY && c.status == "True";
    let ready = conditions.iter().any(is_true);
    // Of another Pipeline's source that one tells itself.
    let own = old
        .ingest
        .as_ref()
        .filter(|_| at.pipeline.bars_of.is_none());
    let source = own.and_then(|own| source::event(own, (&old.conditions, &conditions)));
    let service = at.pipeline.name.child(Role::Predict.name());
    let scheme = match at.pipeline.has_tls() {
        true => "https",
        false => "http",
    };
    let url = format!("{scheme}://{service}.{}.svc", at.pipeline.name.namespace);
    let trained = at.plan.finishes().then_some(Time(at.now));
    let new = PipelineStatus {
        observed_generation: generation,
        conditions,
        last_trained_time: trained.or_else(|| old.last_trained_time.clone()),
        serving_url: applied.find::<Service>(&service).map(|_| url),
        ..decided(at.plan, old, at.now)
    };
    let new = owned(&json(&new));
    let unchanged = at.object.status.as_ref().map(|old| owned(&json(old)));
    if unchanged.as_ref() != Some(&new) {
        if at.plan.steps.is_empty() {
            // A condition says what is seen now.
            let metadata = json!({"name": at.object.name_any()});
            patch(&at.pipeline.name, metadata, new, at.context).await?;
        } else {
            patch_decision(at, new).await?;
        }
    }
    events::announce(at, source).await;
    Ok(ready)
}

/// Records a run that starts now, and nothing else. The resource version makes sure that it follows
/// from the newest record: of two operators, one gets a conflict and reconciles again.
pub async fn record_start(at: Decided<'_>) -> Result<(), Error> {
    let new = decided(at.plan, &at.observed.status, at.now);
    patch_decision(at, owned(&json(&new))).await?;
    events::announce(at, None).await;
    Ok(())
}

/// Tries to write one decision while workers report.
const TRIES: usize = 5;

/// Writes a decision on what it was made from. Workers write their parts of status all the time, which is nothing else to
/// decide from; an edit is, and what another operator has decided meanwhile.
async fn patch_decision(at: Decided<'_>, status: Value) -> Result<(), Error> {
    let mut version = at.object.resource_version();
    let mut tries = 0;
    loop {
        tries += 1;
        let metadata = json!({"name": at.object.name_any(), "resourceVersion": version});
        let Err(error) = patch(&at.pipeline.name, metadata, status.clone(), at.context).await
        else {
            return Ok(());
        };
        if !error.is_conflict() || tries == TRIES {
            return Err(error);
        }
        version = Some(unchanged(at).await?.ok_or(error)?);
    }
}

/// The resource version of the Pipeline now, when nothing is declared or decided but what was seen.
async fn unchanged(at: Decided<'_>) -> Result<Option<String>, Error> {
    let name = &at.pipeline.name;
    let api: Api<Pipeline> = Api::namespaced(at.context.client.clone(), &name.namespace);
    let now = api.get(&name.name).await.map_err(Error::Status)?;
    let seen = |pipeline: &Pipeline| {
        let metadata = &pipeline.metadata;
        let declared = (
            metadata.uid.clone(),
            metadata.generation,
            metadata.annotations.clone(),
        );
        (
            declared,
            pipeline.status.as_ref().map(|status| owned(&json(status))),
        )
    };
    let same = seen(&now) == seen(at.object);
    Ok(now.resource_version().filter(|_| same))
}

/// Why a Pipeline cannot be run until a person acts.
pub struct Stall<'a> {
    /// The Pipeline.
    pub name: &'a PipelineName,
    pub generation: Option<i64>,
    /// Status as stored, which need not decode.
    pub status: &'a Value,
    /// CamelCase reason.
    pub reason: &'a str,
    /// Sentence with what to do.
    pub message: String,
}

/// Says why a Pipeline cannot be run; true when that is news. What was decided before stays.
pub async fn explain(stall: Stall<'_>, context: &Context, now: Timestamp) -> Result<bool, Error> {
    let old = owned(stall.status);
    let before: Vec<Condition> =
        serde_json::from_value(old["conditions"].clone()).unwrap_or_default();
    let conditions = Conditions {
        old: &before,
        generation: stall.generation,
        now,
    };
    let claim = |type_, truth| {
        conditions.claim(Claim {
            type_,
            truth,
            reason: stall.reason,
            message: stall.message.clone(),
        })
    };
    let mut new = old.clone();
    new["observedGeneration"] = json!(stall.generation);
    new["conditions"] = json!([claim(names::READY, false), claim(names::STALLED, true)]);
    if new == old {
        return Ok(false);
    }
    let metadata = json!({"name": stall.name.name});
    patch(stall.name, metadata, new, context).await?;
    Ok(true)
}

/// Says which request ended a reconcile, when the API server will answer it the same until something is corrected, or
/// has failed it several times. The other conditions stay as they are: what they say is still the last that was seen.
pub async fn failed(
    object: &Pipeline,
    error: &Error,
    context: &Context,
    now: Timestamp,
) -> Result<(), Error> {
    let (reason, message) = match Refused::by_server(error, None) {
        Some(refused) => (refused.reason, refused.message),
        None => ("ReconcileFailed", format!("{error}; it is tried again")),
    };
    let old = owned(&serde_json::to_value(&object.status).unwrap_or_default());
    let before = object.status.iter().flat_map(|s| s.conditions.clone());
    let before: Vec<Condition> = before.collect();
    let generation = object.metadata.generation;
    let conditions = Conditions {
        old: &before,
        generation,
        now,
    };
    let claim = |type_, truth| {
        conditions.claim(Claim {
            type_,
            truth,
            reason,
            message: message.clone(),
        })
    };
    let summary = [names::READY, names::RECONCILING, names::STALLED];
    let others = before
        .iter()
        .filter(|c| !summary.contains(&c.type_.as_str()));
    let mut all = vec![claim(names::READY, false)];
    all.extend(others.cloned());
    all.push(claim(names::RECONCILING, true));
    let mut new = old.clone();
    new["observedGeneration"] = json!(generation);
    new["conditions"] = json!(all);
    if new == old {
        return Ok(());
    }
    let name = PipelineName::new(object.namespace().unwrap_or_default(), object.name_any());
    let metadata = json!({"name": name.name});
    patch(&name, metadata, new, context).await
}

fn json(status: &PipelineStatus) -> Value {
    serde_json::to_value(status).unwrap_or_default()
}

/// Only the fields the operator owns.
fn owned(status: &Value) -> Value {
    let pick = |key: &&str| Some(((*key).to_string(), status.get(*key)?.clone()));
    Value::Object(OWNED.iter().filter_map(pick).collect())
}

/// The status as it was, with what the next plan recalls of this one.
fn decided(plan: &Plan, old: &PipelineStatus, now: Timestamp) -> PipelineStatus {
    PipelineStatus {
        champion: plan.serving.champion.clone(),
        previous: plan.serving.previous.clone(),
        drift_reference: plan.serving.drift_reference.clone(),
        alarm_announced: plan.alarm_announced.clone(),
        rollback: plan.rollback.clone(),
        last_decision: plan.decision(now).or_else(|| old.last_decision.clone()),
        run: plan.run.clone(),
        ..old.clone()
    }
}

async fn patch(
    name: &PipelineName,
    metadata: Value,
    status: Value,
    context: &Context,
) -> Result<(), Error> {
    let kind = ApiResource::erase::<Pipeline>(&());
    // The answer is not used, and need not decode.
    let api: Api<DynamicObject> =
        Api::namespaced_with(context.client.clone(), &name.namespace, &kind);
    let patch = json!({
        "apiVersion": API_VERSION, "kind": "Pipeline",
        "metadata": metadata, "status": status
    });
    let params = PatchParams::apply(MANAGER).force();
    let patch = Patch::Apply(&patch);
    let write = api.patch_status(&name.name, &params, &patch);
    context
        .effects
        .perform("kubernetes", "status", write)
        .await
        .map(drop)
        .map_err(Error::Status)
}

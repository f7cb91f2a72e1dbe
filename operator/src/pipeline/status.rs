//! Status: made from what was applied, written only when it changed, with Events for decisions.

mod conditions;

use foresail_crds::names::PipelineName;
use foresail_crds::pipeline::status::{Action, PipelineStatus};
use foresail_crds::{API_VERSION, MANAGER, Pipeline, Role};
use foresail_runtime_base::effects;
use jiff::Timestamp;
use k8s_openapi::api::core::v1::ObjectReference;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use kube::api::{Patch, PatchParams};
use kube::runtime::events::{Event, EventType};
use kube::{Api, Resource, ResourceExt};
use serde_json::{Value, json};

use super::apply::Applied;
use super::dereference::Observed;
use super::plan::Plan;
use super::validate::{Invalid, ValidatedPipeline};
use super::{Error, cleanup};
use crate::context::Context;

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
    object: &Pipeline,
    pipeline: &ValidatedPipeline,
    plan: &Plan,
    applied: &Applied,
    observed: &Observed,
    context: &Context,
) -> Result<bool, Error> {
    cleanup::keep_finalizer(object, context).await?;
    let old = &observed.status;
    let conditions = conditions::all(
        pipeline,
        plan,
        applied,
        observed,
        object.metadata.generation,
    );
    let ready = conditions
        .iter()
        .any(|c| c.type_ == "Ready" && c.status == "True");
    let serving = applied
        .find("Service", &pipeline.name.child(Role::Predict.name()))
        .is_some();
    let url = format!(
        "http://{}.{}.svc",
        pipeline.name.child(Role::Predict.name()),
        pipeline.name.namespace
    );
    let new = PipelineStatus {
        observed_generation: object.metadata.generation,
        conditions,
        last_trained_time: if plan.trained {
            Some(Time(Timestamp::now()))
        } else {
            old.last_trained_time.clone()
        },
        serving_url: serving.then_some(url),
        ..decided(plan, old)
    };
    patch(object, &new, context).await?;
    announce(object, plan, context).await;
    Ok(ready)
}

/// An object that cannot be run: says why, and waits for an edit.
pub async fn explain_invalid(
    object: &Pipeline,
    invalid: &Invalid,
    context: &Context,
) -> Result<(), Error> {
    let old = object.status.clone().unwrap_or_default();
    let message = format!("{invalid}; edit the Pipeline");
    let make = |type_, truth| {
        condition(
            &old.conditions,
            (type_, truth, "InvalidSpec", message.clone()),
            object.metadata.generation,
        )
    };
    let new = PipelineStatus {
        observed_generation: object.metadata.generation,
        conditions: vec![make("Ready", false), make("Stalled", true)],
        ..old.clone()
    };
    patch(object, &new, context).await
}

/// A condition; its transition time moves only with its status.
pub(crate) fn condition(
    old: &[Condition],
    (type_, truth, reason, message): (&str, bool, &str, String),
    generation: Option<i64>,
) -> Condition {
    let status = if truth { "True" } else { "False" };
    let before = old.iter().find(|c| c.type_ == type_ && c.status == status);
    Condition {
        type_: type_.into(),
        status: status.into(),
        reason: reason.into(),
        message: message.chars().take(2_000).collect(),
        observed_generation: generation,
        last_transition_time: before.map_or_else(
            || Time(Timestamp::now()),
            |c| c.last_transition_time.clone(),
        ),
    }
}

/// Only the fields the operator owns.
fn owned(status: &PipelineStatus) -> Value {
    let all = serde_json::to_value(status).unwrap_or_default();
    let pick = |key: &&str| Some(((*key).to_string(), all.get(*key)?.clone()));
    Value::Object(OWNED.iter().filter_map(pick).collect())
}

async fn patch(object: &Pipeline, new: &PipelineStatus, context: &Context) -> Result<(), Error> {
    let new = owned(new);
    if object.status.as_ref().is_some_and(|old| owned(old) == new) {
        return Ok(());
    }
    apply(object, json!({"name": object.name_any()}), new, context).await
}

/// The status as it was, with what the next plan recalls of this one.
fn decided(plan: &Plan, old: &PipelineStatus) -> PipelineStatus {
    PipelineStatus {
        champion: plan.champion.clone(),
        previous: plan.previous.clone(),
        drift_reference: plan.drift_reference.clone(),
        alarm_announced: plan.alarm_announced.clone(),
        rollback: plan.rollback.clone(),
        last_decision: plan.decision.clone().or_else(|| old.last_decision.clone()),
        run: plan.run.clone(),
        ..old.clone()
    }
}

/// Records a run that starts now, and nothing else. The resource version makes sure that it follows
/// from the newest record: of two operators, one gets a conflict and looks again.
pub async fn record_start(object: &Pipeline, plan: &Plan, context: &Context) -> Result<(), Error> {
    let new = decided(plan, &object.status.clone().unwrap_or_default());
    let metadata = json!({
        "name": object.name_any(), "resourceVersion": object.resource_version()
    });
    apply(object, metadata, owned(&new), context).await?;
    announce(object, plan, context).await;
    Ok(())
}

async fn apply(
    object: &Pipeline,
    metadata: Value,
    status: Value,
    context: &Context,
) -> Result<(), Error> {
    let api: Api<Pipeline> = Api::namespaced(
        context.client.clone(),
        &object.namespace().unwrap_or_default(),
    );
    let patch = json!({
        "apiVersion": API_VERSION, "kind": "Pipeline",
        "metadata": metadata, "status": status
    });
    let params = PatchParams::apply(MANAGER).force();
    let patch = Patch::Apply(&patch);
    let name = object.name_any();
    let write = api.patch_status(&name, &params, &patch);
    effects::perform("kubernetes", "status", write)
        .await
        .map(drop)
        .map_err(Error::Status)
}

/// Events are for people: one that cannot be published changes nothing.
async fn announce(object: &Pipeline, plan: &Plan, context: &Context) {
    let mut events = Vec::new();
    if let Some(alarm) = &plan.new_alarm {
        events.push(Event {
            type_: EventType::Warning,
            reason: "DriftDetected".into(),
            note: Some(alarm.clone()),
            action: "Reconcile".into(),
            secondary: None,
        });
    }
    if let Some(decision) = &plan.decision {
        let warning = matches!(decision.action, Action::RolledBack | Action::RetrainSkipped);
        events.push(Event {
            type_: if warning {
                EventType::Warning
            } else {
                EventType::Normal
            },
            reason: decision.action.to_string(),
            note: Some(format!("{}: {}", decision.reason, decision.message)),
            action: "Reconcile".into(),
            secondary: subject(object, plan, decision.action),
        });
    }
    let reference = object.object_ref(&());
    for event in events {
        let publish = context.recorder.publish(&event, &reference);
        if let Err(error) = effects::perform("kubernetes", "event", publish).await {
            tracing::warn!(%error, "event not published");
        }
    }
}

/// What a decision is about. Two Events that differ in nothing but their note would be merged, and
/// the later note lost.
fn subject(object: &Pipeline, plan: &Plan, action: Action) -> Option<ObjectReference> {
    let pipeline = PipelineName::new(object.namespace().unwrap_or_default(), object.name_any());
    let version = |number| (API_VERSION, "ModelVersion", pipeline.model_version(number));
    let run = plan.run.as_ref();
    let (api_version, kind, name) = match action {
        Action::TrainingStarted => {
            let job = pipeline.child(&format!("{}-{}", Role::Train, run?.id));
            ("batch/v1", "Job", job)
        }
        Action::ModelPromoted | Action::RolledBack => version(plan.champion.as_ref()?.version),
        Action::ModelRejected | Action::ModelWaiting => version(run?.version?),
        Action::RetrainSkipped => return None,
    };
    Some(ObjectReference {
        api_version: Some(api_version.into()),
        kind: Some(kind.into()),
        name: Some(name),
        namespace: object.namespace(),
        ..ObjectReference::default()
    })
}

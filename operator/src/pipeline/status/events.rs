//! Events about decisions, alarms and what a source holds.

use foresail_crds::pipeline::status::{Action, Decision};
use foresail_crds::{API_VERSION, Role};
use k8s_openapi::api::core::v1::ObjectReference;
use kube::Resource;
use kube::runtime::events::{Event, EventType};

use crate::pipeline::decided::Decided;
use crate::pipeline::event::publish;
use crate::pipeline::plan::types::Step;

/// Publishes what was decided, and what is told of the source.
pub(super) async fn announce(at: Decided<'_>, source: Option<Event>) {
    let alarm = at.plan.new_alarm.iter().map(|alarm| Event {
        type_: EventType::Warning,
        reason: "DriftDetected".into(),
        note: Some(alarm.message.clone()),
        action: "Reconcile".into(),
        secondary: None,
    });
    let steps = at.plan.steps.iter().filter_map(|step| {
        let decision = step.decision(at.now)?;
        Some(event(&decision, subject(at, step)))
    });
    let reference = at.object.object_ref(&());
    for event in alarm.chain(steps).chain(source) {
        publish(event, &reference, at.context).await;
    }
}

fn event(decision: &Decision, secondary: Option<ObjectReference>) -> Event {
    let warning = matches!(decision.action, Action::RolledBack | Action::RetrainSkipped);
    Event {
        type_: if warning {
            EventType::Warning
        } else {
            EventType::Normal
        },
        reason: decision.action.to_string(),
        note: Some(format!("{}: {}", decision.reason, decision.message)),
        action: "Reconcile".into(),
        secondary,
    }
}

/// What a step is about. Two Events that differ in nothing but their note would be merged, and the
/// later note lost.
fn subject(at: Decided<'_>, step: &Step) -> Option<ObjectReference> {
    let name = &at.pipeline.name;
    let (api_version, kind, name) = match step {
        Step::Train { run, .. } => {
            let job = name.child(&format!("{}-{}", Role::Train, run.id));
            ("batch/v1", "Job", job)
        }
        Step::Finish { version, .. }
        | Step::Pin(version)
        | Step::Replace { to: version, .. }
        | Step::RollBack { to: version, .. } => (
            API_VERSION,
            "ModelVersion",
            name.model_version(version.version),
        ),
        Step::Hold { .. } | Step::Fail(_) => return None,
    };
    Some(ObjectReference {
        api_version: Some(api_version.into()),
        kind: Some(kind.into()),
        name: Some(name),
        namespace: Some(at.pipeline.name.namespace.clone()),
        ..ObjectReference::default()
    })
}

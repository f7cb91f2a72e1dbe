//! A Pipeline that is stored and does not decode, written by another release perhaps: said in the log,
//! in its conditions and as an Event. Its children run on untouched.

use foresail_crds::Pipeline;
use jiff::Timestamp;
use kube::api::DynamicObject;
use kube::core::ApiResource;
use kube::runtime::controller::Action;
use kube::runtime::events::{Event, EventType};
use kube::{Api, Resource};

use super::error::Error;
use super::{Guarded, cleanup, event, finalizer, name, status};
use crate::context::Context;

/// Says why it cannot be read, and waits for an edit or another operator.
pub(super) async fn explain(
    object: &Guarded,
    error: &str,
    context: &Context,
    now: Timestamp,
) -> Result<Action, Error> {
    let name = name(object);
    let message = format!(
        "the stored object does not decode: {error}; correct it, or run the operator of the release that wrote it"
    );
    tracing::error!(pipeline = %name, message, "Pipeline left as it is");
    if object.meta().deletion_timestamp.is_some() {
        if finalizer::is_present(object) {
            return cleanup::abandon(object, &message, context).await;
        }
        return Ok(Action::await_change());
    }
    let kind = ApiResource::erase::<Pipeline>(&());
    let api: Api<DynamicObject> =
        Api::namespaced_with(context.client.clone(), &name.namespace, &kind);
    let stored = api.get_opt(&name.name).await;
    let stored = stored.map_err(|source| Error::Dereference {
        object: format!("Pipeline {}", name.name),
        source,
    })?;
    let Some(stored) = stored else {
        return Ok(Action::await_change());
    };
    let stall = status::Stall {
        name: &name,
        generation: object.meta().generation,
        status: &stored.data["status"],
        reason: "Undecodable",
        message: message.clone(),
    };
    // The API server may refuse to store what does not decode once more: then the Event must do.
    let news = match status::explain(stall, context, now).await {
        Ok(news) => news,
        Err(error) => {
            tracing::warn!(pipeline = %name, %error, "its conditions do not say so");
            true
        }
    };
    if news {
        announce(object, message, context).await;
    }
    Ok(Action::await_change())
}

async fn announce(object: &Guarded, note: String, context: &Context) {
    let event = Event {
        type_: EventType::Warning,
        reason: "Undecodable".into(),
        note: Some(note),
        action: "Reconcile".into(),
        secondary: None,
    };
    event::publish(event, &object.object_ref(&()), context).await;
}

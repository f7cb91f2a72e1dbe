//! Writes: the new version first, then children in order (only those that differ), then roles, then
//! what is no longer wanted goes. Every write passes the effects layer.

mod prune;
mod retention;
mod usable;
mod version;

use foresail_crds::{MANAGER, Role};
use kube::api::{DynamicObject, Patch, PatchParams};
use kube::{Api, ResourceExt};
use serde_json::{Value, json};

use super::decided::Decided;
use super::error::{Error, Refused};
use super::labels;
use super::matching::covers;
use super::resources::{Child, Prepared, Resources};
pub use prune::removes;

/// Children as they live. Only [`apply`] has a value of it, so that status can be made from nothing
/// that was not applied.
#[derive(Debug)]
pub struct Applied(());

#[cfg(test)]
impl Applied {
    /// No children, for tests of what is made from them.
    pub fn nothing() -> Resources<Self> {
        Resources::new(Vec::new(), Self(()))
    }
}

/// Makes the cluster hold what is prepared. A child that the API server refuses keeps no other one from being made;
/// what it refused comes with the children.
pub async fn apply(
    at: Decided<'_>,
    prepared: &Resources<Prepared>,
) -> Result<(Resources<Applied>, Vec<Refused>), Error> {
    if let Some(spec) = at.plan.create() {
        version::create_version(at, spec).await?;
    }
    let mut applied = Resources::new(Vec::with_capacity(prepared.children.len()), Applied(()));
    let mut refused = Vec::new();
    for child in &prepared.children {
        match apply_child(at, child).await {
            Ok(Made::Child(child)) => applied.children.push(child),
            Ok(Made::NameTaken) => refused.push(name_taken(child)),
            Err(error) => refused.push(set_aside(error, child.role())?),
        }
    }
    for assigned in &at.plan.roles {
        version::assign_role(at, assigned).await?;
    }
    refused.extend(prune::prune(at, prepared, &applied).await?);
    Ok((applied, refused))
}

/// A refusal is told and the next child made; any other error ends the reconcile.
fn set_aside(error: Error, role: Option<Role>) -> Result<Refused, Error> {
    let refused = Refused::by_server(&error, role).ok_or(error)?;
    tracing::warn!(
        reason = refused.reason,
        cause = refused.message,
        "a child is refused"
    );
    Ok(refused)
}

fn name_taken(child: &Child) -> Refused {
    let object = child.title();
    Refused {
        role: child.role(),
        reason: "NameTaken",
        message: format!(
            "{object} is there already and is not of this Pipeline, so it is left as it is; remove it, or give the \
             Pipeline another name"
        ),
    }
}

/// What became of a child.
enum Made {
    /// As it lives now.
    Child(Child),
    /// An object of its name belongs to somebody else.
    NameTaken,
}

/// The child as it lives; written only when it differs.
async fn apply_child(at: Decided<'_>, child: &Child) -> Result<Made, Error> {
    let mut children = at.observed.children.iter();
    match children.find(|live| same_object(live, child)) {
        Some(live) => keep(at, live, child).await.map(Made::Child),
        None => make(at, child).await,
    }
}

/// A child that is there: written only when it differs.
async fn keep(at: Decided<'_>, live: &DynamicObject, child: &Child) -> Result<Child, Error> {
    // A Job's template cannot change: only whether it is suspended.
    let is_job = child.kind.kind == "Job";
    let wanted = if is_job {
        suspension(&child.value)
    } else {
        child.value.clone()
    };
    let value = serde_json::to_value(live).unwrap_or_default();
    if covers(&value, &wanted) {
        return Ok(Child {
            value,
            ..child.clone()
        });
    }
    if !is_job {
        return server_side(at, &fenced(at, live, child)).await;
    }
    let (params, patch) = (PatchParams::default(), Patch::Merge(&wanted));
    let api = api(at, child);
    let write = api.patch(&child.name, &params, &patch);
    written(
        child,
        at.context
            .effects
            .perform("kubernetes", "patch-job", write)
            .await,
    )
}

/// A child that was not seen among ours. An object of its name that we have not made is nobody's to take over: it would
/// be changed, and go with the Pipeline.
async fn make(at: Decided<'_>, child: &Child) -> Result<Made, Error> {
    let there = api(at, child).get_opt(&child.name).await;
    let there = there.map_err(|source| failed(child.title(), source))?;
    let is_ours =
        |object: &DynamicObject| labels::is_ours(&object.metadata, &at.pipeline.owner.uid);
    match there {
        Some(object) if !is_ours(&object) => Ok(Made::NameTaken),
        // Made a moment ago, and not shown by a watch yet.
        Some(live) if is_labelled(&live, child) => keep(at, &live, child).await.map(Made::Child),
        Some(_) | None => server_side(at, child).await.map(Made::Child),
    }
}

/// Whether lists and watches show the object among ours.
fn is_labelled(live: &DynamicObject, child: &Child) -> bool {
    let labels = serde_json::to_value(live.labels()).unwrap_or_default();
    covers(&labels, &child.value["metadata"]["labels"])
}

/// Which version serves follows from the one that was seen: an operator that slept between its decision and this write
/// must not undo its successor's. Other children follow from the spec; of which features rows are made beside the declared ones,
/// the next reconcile sets right.
fn fenced(at: Decided<'_>, live: &DynamicObject, child: &Child) -> Child {
    let mut child = child.clone();
    if child.name == at.pipeline.name.serving() {
        child.value["metadata"]["resourceVersion"] = json!(live.resource_version());
    }
    child
}

async fn server_side(at: Decided<'_>, child: &Child) -> Result<Child, Error> {
    let params = PatchParams::apply(MANAGER).force();
    let patch = Patch::Apply(&child.value);
    let api = api(at, child);
    let write = api.patch(&child.name, &params, &patch);
    written(
        child,
        at.context
            .effects
            .perform("kubernetes", "apply", write)
            .await,
    )
}

fn api(at: Decided<'_>, child: &Child) -> Api<DynamicObject> {
    Api::namespaced_with(at.context.client.clone(), &child.namespace, &child.kind)
}

fn written(child: &Child, answer: Result<DynamicObject, kube::Error>) -> Result<Child, Error> {
    let live = answer.map_err(|source| failed(child.title(), source))?;
    Ok(Child {
        value: serde_json::to_value(live).unwrap_or_default(),
        ..child.clone()
    })
}

fn failed(object: String, source: kube::Error) -> Error {
    Error::Apply { object, source }
}

fn suspension(job: &Value) -> Value {
    json!({"spec": {"suspend": job["spec"]["suspend"].as_bool().unwrap_or(false)}})
}

/// The live object is this child.
fn same_object(live: &DynamicObject, child: &Child) -> bool {
    let kind = live.types.as_ref().map(|t| t.kind.as_str());
    kind == Some(&child.kind.kind) && live.metadata.name.as_deref() == Some(&child.name)
}

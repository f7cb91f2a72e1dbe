//! Writes: the new version first, then children in order (only those that differ), then roles, then
//! what is no longer wanted goes. Every write passes the effects layer.

mod prune;
mod retention;

use foresail_crds::model_version::ModelVersionStatus;
use foresail_crds::{API_VERSION, MANAGER, ModelVersion, ModelVersionSpec};
use kube::api::{DynamicObject, Patch, PatchParams, PostParams};
use kube::{Api, ResourceExt};
use serde_json::{Value, json};

use super::condition::{Claim, Conditions};
use super::decided::Decided;
use super::error::Error;
use super::matching::covers;
use super::plan::types::AssignedRole;
use super::resources::{Child, Prepared, Resources};

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

/// Makes the cluster hold what is prepared.
pub async fn apply(
    at: Decided<'_>,
    prepared: &Resources<Prepared>,
) -> Result<Resources<Applied>, Error> {
    if let Some(spec) = at.plan.create() {
        create_version(at, spec).await?;
    }
    let mut applied = Resources::new(Vec::with_capacity(prepared.children.len()), Applied(()));
    for child in &prepared.children {
        applied.children.push(apply_child(at, child).await?);
    }
    for assigned in &at.plan.roles {
        assign_role(at, assigned).await?;
    }
    prune::prune(at, prepared, &applied).await?;
    Ok(applied)
}

/// The child as it lives; written only when it differs.
async fn apply_child(at: Decided<'_>, child: &Child) -> Result<Child, Error> {
    let live = at
        .observed
        .children
        .iter()
        .find(|live| same_object(live, child));
    let Some(live) = live else {
        return server_side(at, child).await;
    };
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
        return server_side(at, child).await;
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

/// A version is created, never applied: a name that is taken is another operator's work.
async fn create_version(at: Decided<'_>, spec: &ModelVersionSpec) -> Result<(), Error> {
    let name = at.pipeline.name.model_version(spec.version);
    let mut version = ModelVersion::new(&name, spec.clone());
    version.metadata.owner_references = Some(vec![at.pipeline.owner.clone()]);
    let params = PostParams::default();
    let api = versions(at);
    let create = api.create(&params, &version);
    at.context
        .effects
        .perform("kubernetes", "create-version", create)
        .await
        .map(drop)
        .map_err(|source| failed(format!("ModelVersion {name}"), source))
}

fn versions(at: Decided<'_>) -> Api<ModelVersion> {
    Api::namespaced(at.context.client.clone(), &at.pipeline.name.namespace)
}

/// Writes the role of a version that was there when the decision was taken; that of a new one
/// follows in the next reconcile.
async fn assign_role(at: Decided<'_>, assigned: &AssignedRole) -> Result<(), Error> {
    let Some(version) = at.observed.version(assigned.version) else {
        return Ok(());
    };
    let wanted = version_status(at, version, assigned);
    if version.status.as_ref() == Some(&wanted) {
        return Ok(());
    }
    let name = version.name_any();
    let patch = json!({
        "apiVersion": API_VERSION, "kind": "ModelVersion",
        "metadata": {"name": name}, "status": wanted
    });
    let params = PatchParams::apply(MANAGER).force();
    let patch = Patch::Apply(&patch);
    let api = versions(at);
    let write = api.patch_status(&name, &params, &patch);
    at.context
        .effects
        .perform("kubernetes", "version-status", write)
        .await
        .map(drop)
        .map_err(|source| failed(format!("status of ModelVersion {name}"), source))
}

fn version_status(
    at: Decided<'_>,
    version: &ModelVersion,
    assigned: &AssignedRole,
) -> ModelVersionStatus {
    let old = version.status.as_ref();
    let conditions = Conditions {
        old: old.map_or(&[], |s| s.conditions.as_slice()),
        generation: version.metadata.generation,
        now: at.now,
    };
    let usable = conditions.claim(Claim {
        type_: "Ready",
        truth: true,
        reason: "Usable",
        message: "complete and immutable".into(),
    });
    ModelVersionStatus {
        observed_generation: version.metadata.generation,
        conditions: vec![usable],
        role: Some(assigned.role),
        reason: assigned.reason.clone(),
    }
}

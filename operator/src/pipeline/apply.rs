//! Writes: the new version first, then children in order (only those that differ), then what is no
//! longer wanted. Every write passes the effects layer.

use foresail_crds::model_version::{ModelVersionStatus, VersionRole};
use foresail_crds::{API_VERSION, MANAGER, ModelVersion, ModelVersionSpec};
use foresail_runtime_base::effects;
use kube::api::{DeleteParams, DynamicObject, Patch, PatchParams, PostParams, Preconditions};
use kube::{Api, ResourceExt};
use serde_json::{Value, json};

use super::Error;
use super::children::{self, Child, Resources};
use super::dereference::Observed;
use super::matching::covers;
use super::plan::Plan;
use crate::context::Context;

/// What is true after applying; status can be made from nothing else.
#[derive(Debug, Default)]
pub struct Applied {
    /// Live children.
    pub children: Vec<DynamicObject>,
}

impl Applied {
    /// Live object of a kind.
    pub fn find(&self, kind: &str, name: &str) -> Option<&DynamicObject> {
        self.children.iter().find(|c| {
            c.types.as_ref().is_some_and(|t| t.kind == kind)
                && c.metadata.name.as_deref() == Some(name)
        })
    }
}

/// Applies.
pub async fn apply(
    resources: Resources,
    plan: &Plan,
    observed: &Observed,
    context: &Context,
) -> Result<Applied, Error> {
    let namespace = resources
        .children
        .first()
        .map(|c| c.namespace.clone())
        .unwrap_or_default();
    if let Some(spec) = &plan.create {
        create_version(spec, &namespace, resources.children.first(), context).await?;
    }
    let mut applied = Applied::default();
    for child in &resources.children {
        applied.children.push(one(child, observed, context).await?);
    }
    roles(plan, observed, &namespace, context).await?;
    prune(&resources, &applied, observed, (plan.prepared, context)).await?;
    Ok(applied)
}

async fn one(
    child: &Child,
    observed: &Observed,
    context: &Context,
) -> Result<DynamicObject, Error> {
    let live = observed.children.iter().find(|l| same(l, child));
    let api: Api<DynamicObject> =
        Api::namespaced_with(context.client.clone(), &child.namespace, &child.kind);
    let wrong = |source| Error::Apply {
        object: format!("{} {}", child.kind.kind, child.name),
        source,
    };
    if let Some(live) = live {
        // A Job's template cannot change: only whether it is suspended.
        let wanted = if child.kind.kind == "Job" {
            suspension(&child.value)
        } else {
            child.value.clone()
        };
        let found = serde_json::to_value(live).unwrap_or_default();
        if covers(&found, &wanted) {
            return Ok(live.clone());
        }
        if child.kind.kind == "Job" {
            let (params, merge) = (PatchParams::default(), Patch::Merge(&wanted));
            let patch = api.patch(&child.name, &params, &merge);
            return effects::perform("kubernetes", "patch-job", patch)
                .await
                .map_err(wrong);
        }
    }
    let params = PatchParams::apply(MANAGER).force();
    let patch = Patch::Apply(&child.value);
    let write = api.patch(&child.name, &params, &patch);
    effects::perform("kubernetes", "apply", write)
        .await
        .map_err(wrong)
}

fn suspension(job: &Value) -> Value {
    json!({"spec": {"suspend": job["spec"]["suspend"].as_bool().unwrap_or(false)}})
}

fn same(live: &DynamicObject, child: &Child) -> bool {
    live.types
        .as_ref()
        .is_some_and(|t| t.kind == child.kind.kind)
        && live.metadata.name.as_deref() == Some(child.name.as_str())
}

/// A version is created, never applied: a name that is taken is another operator's work.
async fn create_version(
    spec: &ModelVersionSpec,
    namespace: &str,
    sibling: Option<&Child>,
    context: &Context,
) -> Result<(), Error> {
    let name = format!("{}-v{}", spec.pipeline, spec.version);
    let mut version = ModelVersion::new(&name, spec.clone());
    let owner = sibling.and_then(|c| c.value["metadata"]["ownerReferences"].as_array().cloned());
    version.metadata.owner_references =
        owner.and_then(|o| serde_json::from_value(Value::Array(o)).ok());
    let api: Api<ModelVersion> = Api::namespaced(context.client.clone(), namespace);
    let params = PostParams::default();
    let create = api.create(&params, &version);
    let object = format!("ModelVersion {name}");
    effects::perform("kubernetes", "create-version", create)
        .await
        .map(drop)
        .map_err(|source| Error::Apply { object, source })
}

async fn roles(
    plan: &Plan,
    observed: &Observed,
    namespace: &str,
    context: &Context,
) -> Result<(), Error> {
    let api: Api<ModelVersion> = Api::namespaced(context.client.clone(), namespace);
    for (number, role, reason) in &plan.roles {
        let Some(version) = observed.versions.iter().find(|v| v.spec.version == *number) else {
            continue;
        };
        let wanted = version_status(version, *role, reason);
        if version.status.as_ref() == Some(&wanted) {
            continue;
        }
        let name = version.name_any();
        let patch = json!({
            "apiVersion": API_VERSION, "kind": "ModelVersion",
            "metadata": {"name": name}, "status": wanted
        });
        let params = PatchParams::apply(MANAGER).force();
        let patch = Patch::Apply(&patch);
        let write = api.patch_status(&name, &params, &patch);
        let object = format!("status of ModelVersion {name}");
        effects::perform("kubernetes", "version-status", write)
            .await
            .map_err(|source| Error::Apply { object, source })?;
    }
    Ok(())
}

fn version_status(version: &ModelVersion, role: VersionRole, reason: &str) -> ModelVersionStatus {
    let old = version.status.clone().unwrap_or_default();
    let condition = super::status::condition(
        &old.conditions,
        (
            "Ready",
            true,
            "Usable",
            "complete and immutable".to_string(),
        ),
        version.metadata.generation,
    );
    ModelVersionStatus {
        observed_generation: version.metadata.generation,
        conditions: vec![condition],
        role: Some(role),
        reason: reason.to_string(),
    }
}

/// Removes children that are no longer wanted: confirmed live, and only the object that was seen.
async fn prune(
    wanted: &Resources,
    applied: &Applied,
    observed: &Observed,
    (prepared, context): (bool, &Context),
) -> Result<(), Error> {
    for live in &observed.children {
        let kept = wanted.children.iter().any(|child| same(live, child));
        if kept || live.metadata.deletion_timestamp.is_some() || in_use(live, applied, prepared) {
            continue;
        }
        let Some(kind) = children::kinds()
            .into_iter()
            .find(|k| live.types.as_ref().is_some_and(|t| t.kind == k.kind))
        else {
            continue;
        };
        let namespace = live.namespace().unwrap_or_default();
        let api: Api<DynamicObject> =
            Api::namespaced_with(context.client.clone(), &namespace, &kind);
        let params = DeleteParams {
            preconditions: Some(Preconditions {
                uid: live.metadata.uid.clone(),
                resource_version: None,
            }),
            ..DeleteParams::background()
        };
        let name = live.name_any();
        match effects::perform("kubernetes", "delete", api.delete(&name, &params)).await {
            Ok(_) => tracing::info!(kind = kind.kind, name, "removed"),
            Err(kube::Error::Api(status)) if matches!(status.code, 404 | 409) => {}
            Err(source) => {
                return Err(Error::Apply {
                    object: format!("{} {name}", kind.kind),
                    source,
                });
            }
        }
    }
    Ok(())
}

/// Old configuration stays until no rollout needs it, and the workers that run until a changed
/// configuration is prepared; finished Jobs end by their own clock.
fn in_use(live: &DynamicObject, applied: &Applied, prepared: bool) -> bool {
    let kind = live.types.as_ref().map_or("", |t| t.kind.as_str());
    match kind {
        "Job" => !live.name_any().contains("-prepare-"),
        "ConfigMap" | "Deployment" if !prepared => true,
        "ConfigMap" => applied.children.iter().any(|child| rolling(&child.data)),
        _ => false,
    }
}

/// A Deployment that has not finished its rollout.
fn rolling(deployment: &Value) -> bool {
    let (spec, status) = (&deployment["spec"], &deployment["status"]);
    spec["template"].is_object()
        && spec["strategy"].is_object()
        && (status["updatedReplicas"].as_i64() != status["replicas"].as_i64()
            || status["unavailableReplicas"].as_i64().unwrap_or(0) > 0)
}

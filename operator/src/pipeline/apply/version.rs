//! ModelVersions: made from finished runs, with their role and whether they can be served in their status.

use foresail_crds::model_version::ModelVersionStatus;
use foresail_crds::{API_VERSION, MANAGER, ModelVersion, ModelVersionSpec};
use kube::api::{Patch, PatchParams, PostParams};
use kube::{Api, ResourceExt};
use serde_json::json;

use super::failed;
use super::usable::usable;
use crate::condition::{Claim, Conditions};
use crate::pipeline::decided::Decided;
use crate::pipeline::error::Error;
use crate::pipeline::labels;
use crate::pipeline::plan::types::AssignedRole;
use crate::pipeline::revised::{DATA_REVISED, superseded};

/// Condition of a version: False once bars it was trained on were revised.
const DATA_CURRENT: &str = "DataCurrent";

/// A version is created, never applied: a name that is taken is another operator's work.
pub(super) async fn create_version(at: Decided<'_>, spec: &ModelVersionSpec) -> Result<(), Error> {
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
pub(super) async fn assign_role(at: Decided<'_>, assigned: &AssignedRole) -> Result<(), Error> {
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
    let is_ours = labels::is_ours(&version.metadata, &at.pipeline.owner.uid);
    let mut claims = vec![usable(version, is_ours, at.observed)];
    // Of a version that was trained elsewhere nobody knows on what.
    if version.spec.trained_through.is_some() && version.spec.delta_version.is_some() {
        claims.push(current(at, version));
    }
    ModelVersionStatus {
        observed_generation: version.metadata.generation,
        conditions: claims.into_iter().map(|c| conditions.claim(c)).collect(),
        role: Some(assigned.role),
        reason: assigned.reason.clone(),
    }
}

/// Whether the bars it was trained on are still those of the lake.
fn current(at: Decided<'_>, version: &ModelVersion) -> Claim<'static> {
    let superseded = superseded(at.observed.status.lake.as_ref(), &version.spec);
    let (truth, reason, message) = match superseded {
        Some(superseded) => (false, DATA_REVISED, superseded.message),
        None => (
            true,
            "AsTrained",
            "no bar it was trained on was revised since".into(),
        ),
    };
    Claim {
        type_: DATA_CURRENT,
        truth,
        reason,
        message,
    }
}

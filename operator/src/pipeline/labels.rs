//! Labels of children, and the selectors over them.

use std::collections::BTreeMap;

use foresail_crds::names::PipelineName;
use foresail_crds::{MANAGER, Role};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::ResourceExt;

/// Name of the Pipeline.
pub const PIPELINE: &str = "foresail.dev/pipeline";
/// Training run.
pub const RUN: &str = "foresail.dev/run";
/// Role.
pub const COMPONENT: &str = "app.kubernetes.io/component";
const MANAGED_BY: &str = "app.kubernetes.io/managed-by";

/// All labels of a child; `component` is the role it belongs to, or what it is when it has none.
pub fn labels_for(name: &PipelineName, component: &str) -> BTreeMap<String, String> {
    let pairs = [
        ("app.kubernetes.io/name", "foresail"),
        ("app.kubernetes.io/version", env!("CARGO_PKG_VERSION")),
        (COMPONENT, component),
        (MANAGED_BY, MANAGER),
        (PIPELINE, name.name.as_str()),
    ];
    pairs
        .into_iter()
        .map(|(k, v)| (k.to_string(), v.to_string()))
        .collect()
}

/// Labels that select the pods of one role; they never change.
pub fn pods(name: &PipelineName, role: Role) -> BTreeMap<String, String> {
    [(COMPONENT, role.name()), (PIPELINE, name.name.as_str())]
        .into_iter()
        .map(|(k, v)| (k.to_string(), v.to_string()))
        .collect()
}

/// The role an object belongs to; none for what several share.
pub fn role(object: &impl ResourceExt) -> Option<Role> {
    Role::from_name(object.labels().get(COMPONENT)?)
}

/// Whether an object belongs to a role.
pub fn is_role(object: &impl ResourceExt, wanted: Role) -> bool {
    role(object) == Some(wanted)
}

/// Whether the Pipeline of this uid is the owner that controls an object: labels can be copied.
pub fn is_ours(object: &ObjectMeta, pipeline_uid: &str) -> bool {
    let mut owners = object.owner_references.iter().flatten();
    owners.any(|owner| owner.controller == Some(true) && owner.uid == pipeline_uid)
}

/// Selects all children of one Pipeline.
pub fn selector(name: &PipelineName) -> String {
    format!("{PIPELINE}={},{MANAGED_BY}={MANAGER}", name.name)
}

/// Selects all children of all Pipelines.
pub fn managed_selector() -> String {
    format!("{MANAGED_BY}={MANAGER}")
}

//! Role of every version. Pure.

use foresail_crds::ModelVersionSpec;
use foresail_crds::model_version::VersionRole;
use foresail_crds::worker_config::ServedVersion;

use super::types::{AssignedRole, Plan};
use crate::pipeline::observed::Observed;

/// What is added of a version that `serving.versions` names.
const NAMED: &str = "answers requests that name it";

/// Role of every version, the new one included. What was once rejected or retired stays so.
pub(super) fn roles(plan: &Plan, observed: &Observed) -> Vec<AssignedRole> {
    let created = plan.create().map(|spec| (spec, None));
    let existing = observed.versions.iter();
    let existing = existing.map(|v| (&v.spec, v.status.as_ref().and_then(|s| s.role)));
    existing
        .chain(created)
        .map(|(spec, before)| {
            let role = role(plan, spec, before);
            let mut named = plan.serving.versions.iter();
            let is_named = named.any(|version| version.version == spec.version);
            let reason = match role {
                VersionRole::Champion | VersionRole::Previous => reason(role, spec).into(),
                _ if is_named => format!("{}; {NAMED}", reason(role, spec)),
                _ => reason(role, spec).into(),
            };
            AssignedRole {
                version: spec.version,
                role,
                reason,
            }
        })
        .collect()
}

fn role(plan: &Plan, spec: &ModelVersionSpec, before: Option<VersionRole>) -> VersionRole {
    let is =
        |served: &Option<ServedVersion>| served.as_ref().is_some_and(|s| s.version == spec.version);
    let serving = &plan.serving;
    if is(&serving.champion) {
        return VersionRole::Champion;
    }
    if is(&serving.previous) {
        return VersionRole::Previous;
    }
    if is(&serving.drift_reference) {
        return VersionRole::Rejected;
    }
    match before {
        Some(VersionRole::Champion | VersionRole::Previous) => VersionRole::Retired,
        None if leaks(spec) => VersionRole::Rejected,
        Some(kept) => kept,
        None => VersionRole::Candidate,
    }
}

fn reason(role: VersionRole, spec: &ModelVersionSpec) -> &'static str {
    match role {
        VersionRole::Champion => "answers requests",
        VersionRole::Previous => "kept loaded for rollback",
        VersionRole::Rejected if leaks(spec) => "its leak guard failed",
        VersionRole::Rejected => "did not pass the gate",
        VersionRole::Retired => "was replaced",
        VersionRole::Candidate => "set promotion.championVersion to serve it",
    }
}

fn leaks(spec: &ModelVersionSpec) -> bool {
    spec.leak_guard.as_ref().is_some_and(|g| !g.passed)
}

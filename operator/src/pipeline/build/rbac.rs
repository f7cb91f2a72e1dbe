//! One service account per role, with rights by name: its own part of one status, one ConfigMap.

use k8s_openapi::api::core::v1::ServiceAccount;
use k8s_openapi::api::rbac::v1::{PolicyRule, Role, RoleBinding, RoleRef, Subject};

use super::{Resources, meta};
use crate::pipeline::validate::ValidatedPipeline;

/// Roles with a pod, and what they may do: report status, follow the serving configuration.
const ROLES: &[(&str, bool, bool)] = &[
    ("ingest", true, true),
    ("lake", true, false),
    ("monitor", true, true),
    ("predict", false, true),
    ("prepare", true, false),
    ("stream", true, false),
    ("train", true, false),
];

pub(super) fn add(resources: &mut Resources, pipeline: &ValidatedPipeline) {
    for (role, reports, follows) in ROLES {
        let name = pipeline.name.child(role);
        resources.add(&ServiceAccount {
            metadata: meta(pipeline, name.clone(), role),
            automount_service_account_token: Some(false),
            ..ServiceAccount::default()
        });
        let mut rules = Vec::new();
        if *reports {
            rules.push(rule(
                "foresail.dev",
                "pipelines/status",
                &pipeline.name.name,
                &["get", "patch"],
            ));
        }
        if *follows {
            let serving = pipeline.name.child("serving");
            rules.push(rule("", "configmaps", &serving, &["get", "list", "watch"]));
        }
        resources.add(&Role {
            metadata: meta(pipeline, name.clone(), role),
            rules: Some(rules),
        });
        resources.add(&RoleBinding {
            metadata: meta(pipeline, name.clone(), role),
            role_ref: RoleRef {
                api_group: "rbac.authorization.k8s.io".into(),
                kind: "Role".into(),
                name: name.clone(),
            },
            subjects: Some(vec![Subject {
                kind: "ServiceAccount".into(),
                name,
                namespace: Some(pipeline.name.namespace.clone()),
                ..Subject::default()
            }]),
        });
    }
}

fn rule(group: &str, resource: &str, name: &str, verbs: &[&str]) -> PolicyRule {
    PolicyRule {
        api_groups: Some(vec![group.into()]),
        resources: Some(vec![resource.into()]),
        resource_names: Some(vec![name.into()]),
        verbs: verbs.iter().map(|v| (*v).to_string()).collect(),
        ..PolicyRule::default()
    }
}

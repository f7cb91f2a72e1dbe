//! One service account per role that talks to the API server, with rights by name: its own part of one
//! status, one ConfigMap, the ledgers of the accounts that its source names.

use foresail_crds::worker_config::secret;
use foresail_crds::{GROUP, Role};
use k8s_openapi::api::core::v1::ServiceAccount;
use k8s_openapi::api::rbac::v1::{PolicyRule, Role as Rights, RoleBinding, RoleRef, Subject};

use super::meta;
use crate::pipeline::resources::{Prepared, Resources};
use crate::pipeline::validate::ValidatedPipeline;

pub(super) fn add(resources: &mut Resources<Prepared>, pipeline: &ValidatedPipeline) {
    let acting = |role: &&Role| role.has_rights() && pipeline.runs(**role);
    for role in Role::ALL.iter().filter(acting) {
        let name = pipeline.name.child(role.name());
        let metadata = || meta(pipeline, name.clone(), role.name());
        resources.add(&ServiceAccount {
            metadata: metadata(),
            automount_service_account_token: Some(false),
            ..ServiceAccount::default()
        });
        resources.add(&Rights {
            metadata: metadata(),
            rules: Some(rules(pipeline, *role)),
        });
        resources.add(&RoleBinding {
            metadata: metadata(),
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

fn rules(pipeline: &ValidatedPipeline, role: Role) -> Vec<PolicyRule> {
    let mut rules = Vec::new();
    if role.reports() {
        let (name, verbs) = (&pipeline.name.name, &["patch"]);
        rules.push(rule(GROUP, "pipelines/status", name, verbs));
    }
    if role.facts().follows_serving {
        let (name, verbs) = (pipeline.name.serving(), &["list", "watch"]);
        rules.push(rule("", "configmaps", &name, verbs));
    }
    let asks = role.facts().secrets.contains(&secret::PROVIDER);
    let accounts = pipeline.account.iter().chain(&pipeline.other_accounts);
    for account in accounts.filter(|_| asks) {
        let verbs = &["get", "list", "watch"];
        rules.push(rule(GROUP, "provideraccounts", account, verbs));
        // The ledger: a request is entered before it leaves.
        rules.push(rule(GROUP, "provideraccounts/status", account, &["patch"]));
    }
    rules
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

//! Rights against the calls that all other suites made. `cargo xtask test` runs this after them, when nothing was left out.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use foresail_crds::{ProviderAccount, Role};
use foresail_tests::audit::{self, Call};
use foresail_tests::cluster::OPERATOR_NAMESPACE;
use foresail_tests::{Checks, Space, in_namespace, pipelines, until};
use k8s_openapi::api::rbac::v1::{ClusterRole, PolicyRule, Role as Rights};
use kube::Api;
use serde_json::json;

const OPERATOR: &str = "foresail";
const MADE: Duration = Duration::from_secs(30);

/// Review, section 2 of the order on trust.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rights_are_the_calls_that_were_made() -> Result<()> {
    in_namespace("rights", async |space| {
        // A role's rights depend on what its source is.
        let names = ["rights", "rights-provider"];
        space
            .apply_pipeline(&pipelines::small(&space, names[0]))
            .await?;
        let account = json!({"apiVersion": "foresail.dev/v1alpha1", "kind": "ProviderAccount",
            "metadata": {"name": "rights"}, "spec": {"provider": "Yahoo"}});
        space.apply::<ProviderAccount>("rights", &account).await?;
        let mut from_provider = pipelines::small(&space, names[1]);
        from_provider["spec"]["source"] = json!({"provider": {"account": "rights"}});
        from_provider["spec"]["suspend"] = json!(true);
        space.apply_pipeline(&from_provider).await?;
        let granted = granted(&space, &names).await?;
        until("the account is judged", MADE, async || {
            let account = space.api::<ProviderAccount>().get("rights").await?;
            let status = account.status.context("no status")?;
            ensure!(!status.conditions.is_empty(), "no condition");
            Ok(())
        })
        .await?;
        let calls = audit::calls(&space.cluster)?;
        let mut checks = Checks::default();
        let account = format!("{OPERATOR_NAMESPACE}:{OPERATOR}");
        let made = calls.get(&account).context("the operator made no call")?;
        // The chart grants the operators of tests the same, so what they asked is judged with it.
        let made = made | &of_all(&calls, &format!(":{OPERATOR}"));
        checks.add("operator", compare(&made, &of_operator(&space).await?));
        for role in Role::ALL.iter().filter(|role| role.has_rights()) {
            let made = of_all(&calls, &format!("-{}", role.name()));
            let granted = granted.get(role).context("no rights")?;
            checks.add(role.name(), compare(&made, granted));
        }
        checks.verdict()
    })
    .await
}

/// What the roles of these Pipelines are granted, by role.
async fn granted(space: &Space, names: &[&str]) -> Result<BTreeMap<Role, BTreeSet<Call>>> {
    let mut all = BTreeMap::<Role, BTreeSet<Call>>::new();
    for role in Role::ALL.iter().filter(|role| role.has_rights()) {
        for name in names {
            let child = format!("{name}-{}", role.name());
            let what = format!("Role {child}");
            let rights = until(&what, MADE, async || {
                Ok(space.api::<Rights>().get(&child).await?)
            });
            let rules = rights.await?.rules;
            all.entry(*role).or_default().extend(expand(rules));
        }
    }
    Ok(all)
}

/// What the chart grants the operator.
async fn of_operator(space: &Space) -> Result<BTreeSet<Call>> {
    let client = || space.cluster.client.clone();
    let wide: Api<ClusterRole> = Api::all(client());
    let own: Api<Rights> = Api::namespaced(client(), OPERATOR_NAMESPACE);
    let mut granted = expand(wide.get(OPERATOR).await?.rules);
    granted.extend(expand(own.get(&format!("{OPERATOR}-leader")).await?.rules));
    Ok(granted)
}

/// Calls of the accounts whose names end so, in the namespaces of tests.
fn of_all(calls: &BTreeMap<String, BTreeSet<Call>>, end: &str) -> BTreeSet<Call> {
    let accounts = calls
        .iter()
        .filter(|(account, _)| account.starts_with("t-") && account.ends_with(end));
    accounts
        .flat_map(|(_, made)| made.iter().cloned())
        .collect()
}

fn expand(rules: Option<Vec<PolicyRule>>) -> BTreeSet<Call> {
    let mut granted = BTreeSet::new();
    for rule in rules.unwrap_or_default() {
        for group in rule.api_groups.iter().flatten() {
            for resource in rule.resources.iter().flatten() {
                granted.extend(rule.verbs.iter().map(|verb| Call {
                    group: group.clone(),
                    resource: resource.clone(),
                    verb: verb.clone(),
                }));
            }
        }
    }
    granted
}

/// Rights that no call shows: an admission plugin looks at the first one, and the second is for an event that comes again
/// within some minutes, which no suite waits for.
fn is_unseen(call: &Call) -> bool {
    call.resource == "pipelines/finalizers"
        || (call.group == "events.k8s.io" && call.verb == "patch")
}

fn compare(made: &BTreeSet<Call>, granted: &BTreeSet<Call>) -> Result<String> {
    let unused = granted.difference(made).filter(|call| !is_unseen(call));
    let unused: Vec<_> = unused.collect();
    let missing: Vec<_> = made.difference(granted).collect();
    ensure!(
        unused.is_empty() && missing.is_empty(),
        "granted and never used: {unused:?}; used and not granted: {missing:?}"
    );
    Ok(format!("{} rights, all used", granted.len()))
}

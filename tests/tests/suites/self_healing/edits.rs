//! An edit of a Pipeline restarts the roles it concerns; the others run on in the pods they had.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use anyhow::{Result, ensure};
use foresail_crds::Role;
use foresail_tests::{Checks, Space, in_namespace, pipelines, until};
use k8s_openapi::api::batch::v1::Job;
use k8s_openapi::api::core::v1::Pod;
use kube::ResourceExt;
use kube::api::{ListParams, Patch, PatchParams};
use serde_json::{Value, json};

const READY: Duration = Duration::from_secs(300);
const ROLLED_OUT: Duration = Duration::from_secs(120);
/// After an edit that concerns nobody: a rollout would have begun.
const SETTLE: Duration = Duration::from_secs(15);
const COMPONENT: &str = "app.kubernetes.io/component";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_edit_restarts_whom_it_concerns() -> Result<()> {
    in_namespace("edits", async |space| {
        let name = "edited";
        space
            .apply_pipeline(&pipelines::small(&space, name))
            .await?;
        pipelines::ready(&space, name, READY).await?;
        pipelines::drained(&space, name, READY).await?;
        let mut checks = Checks::new();
        let edits = [
            (
                "drift.threshold",
                json!({"drift": {"threshold": "0.9"}}),
                Some(Role::Monitor),
            ),
            (
                "serving.cache.ttl",
                json!({"serving": {"cache": {"ttl": "2h"}}}),
                Some(Role::Predict),
            ),
            (
                "promotion",
                json!({"promotion": {"gateWindowSessions": 25, "minimumEffect": "0.02"}}),
                None,
            ),
            (
                "retraining",
                json!({"retraining": {"cooldown": "9d", "maxPerDay": 2}}),
                None,
            ),
        ];
        for (what, spec, role) in edits {
            checks.add(what, edit(&space, name, &spec, role).await);
        }
        checks.verdict()
    })
    .await
}

/// Edits, and compares pods and Jobs before and after.
async fn edit(space: &Space, name: &str, spec: &Value, role: Option<Role>) -> Result<String> {
    let (pods, jobs) = (pods(space).await?, jobs(space).await?);
    let patch = Patch::Merge(json!({"spec": spec}));
    let params = PatchParams::default();
    space.pipelines().patch(name, &params, &patch).await?;
    pipelines::ready(space, name, READY).await?;
    match role {
        None => tokio::time::sleep(SETTLE).await,
        Some(role) => rolled_out(space, role, &pods).await?,
    }
    let after = self::pods(space).await?;
    for (component, before) in &pods {
        let concerned = role.is_some_and(|role| role.name() == component);
        let same = after.get(component) == Some(before);
        ensure!(concerned || same, "{component}: other pods than before");
    }
    let made: Vec<String> = self::jobs(space)
        .await?
        .difference(&jobs)
        .cloned()
        .collect();
    ensure!(made.is_empty(), "Jobs were made: {made:?}");
    pipelines::ready(space, name, READY).await?;
    Ok(role.map_or("nobody restarted".into(), |role| {
        format!("only {role} restarted")
    }))
}

/// Waits until none of the role's pods is left and others have taken their place.
async fn rolled_out(space: &Space, role: Role, before: &Uids) -> Result<()> {
    let old = before.get(role.name()).cloned().unwrap_or_default();
    until(&format!("{role} restarted"), ROLLED_OUT, async || {
        let now = pods(space).await?.remove(role.name()).unwrap_or_default();
        ensure!(
            !now.is_empty() && now.is_disjoint(&old),
            "{now:?} of {old:?}"
        );
        Ok(())
    })
    .await
}

/// Identities of pods by role.
type Uids = BTreeMap<String, BTreeSet<String>>;

/// Pods of the roles that run all day.
async fn pods(space: &Space) -> Result<Uids> {
    let mut uids = Uids::new();
    for pod in space.api::<Pod>().list(&ListParams::default()).await?.items {
        let component = pod.labels().get(COMPONENT).cloned().unwrap_or_default();
        if Role::from_name(&component).is_some_and(Role::runs_all_day) {
            uids.entry(component).or_default().extend(pod.uid());
        }
    }
    Ok(uids)
}

async fn jobs(space: &Space) -> Result<BTreeSet<String>> {
    let jobs = space.api::<Job>().list(&ListParams::default()).await?;
    Ok(jobs.items.iter().map(ResourceExt::name_any).collect())
}

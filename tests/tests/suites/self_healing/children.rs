//! Every kind of child, deleted and edited by hand, is restored; two Pipelines never collide.

use std::fmt::Debug;
use std::time::Duration;

use anyhow::{Context, Result, anyhow, ensure};
use foresail_tests::topics::Ledger;
use foresail_tests::{Checks, Space, in_namespace, pipelines, until};
use k8s_openapi::NamespaceResourceScope;
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::autoscaling::v2::HorizontalPodAutoscaler;
use k8s_openapi::api::core::v1::{ConfigMap, Service, ServiceAccount};
use k8s_openapi::api::policy::v1::PodDisruptionBudget;
use k8s_openapi::api::rbac::v1::{Role, RoleBinding};
use kube::api::{DeleteParams, ListParams, Patch, PatchParams};
use kube::{Resource, ResourceExt};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

const READY: Duration = Duration::from_secs(300);
const RESTORED: Duration = Duration::from_secs(120);

/// A kind of child whose objects live in the Pipeline's namespace.
trait Child:
    Resource<Scope = NamespaceResourceScope, DynamicType = ()>
    + Clone
    + DeserializeOwned
    + Serialize
    + Debug
{
}
impl<K> Child for K where
    K: Resource<Scope = NamespaceResourceScope, DynamicType = ()>
        + Clone
        + DeserializeOwned
        + Serialize
        + Debug
{
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_child_is_restored() -> Result<()> {
    in_namespace("children", async |space| {
        let name = "kept";
        space.apply_pipeline(&pipelines::small(&space, name)).await?;
        pipelines::ready(&space, name, READY).await?;
        let mut checks = Checks::new();
        let image = json!({"spec": {"template": {"spec": {"terminationGracePeriodSeconds": 1}}}});
        check_kind::<Deployment>(&mut checks, &space, 5, &image).await;
        check_kind::<Service>(&mut checks, &space, 1, &json!({"spec": {"selector": {"app.kubernetes.io/name": "nobody"}}})).await;
        check_kind::<HorizontalPodAutoscaler>(&mut checks, &space, 1, &json!({"spec": {"maxReplicas": 50}})).await;
        check_kind::<PodDisruptionBudget>(&mut checks, &space, 1, &json!({"spec": {"maxUnavailable": "90%"}})).await;
        check_kind::<ServiceAccount>(&mut checks, &space, 1, &json!({"automountServiceAccountToken": true, "metadata": {"labels": {"app.kubernetes.io/managed-by": "me"}}})).await;
        check_kind::<Role>(&mut checks, &space, 1, &json!({"rules": [{"apiGroups": [""], "resources": ["secrets"], "verbs": ["get"]}]})).await;
        check_kind::<RoleBinding>(&mut checks, &space, 1, &json!({"subjects": []})).await;
        check_kind::<ConfigMap>(&mut checks, &space, 2, &json!({"data": {"serving.json": "{}"}})).await;
        let healthy = pipelines::ready(&space, name, READY).await;
        checks.add("Ready again", healthy.map(|_| "Ready"));
        checks.verdict()
    })
    .await
}

/// All owned objects of one kind: edited, then deleted.
async fn check_kind<K: Child>(checks: &mut Checks, space: &Space, least: usize, edit: &Value) {
    let kind = K::kind(&()).into_owned();
    let owned = match owned::<K>(space).await {
        Ok(owned) if owned.len() >= least => owned,
        Ok(owned) => {
            return checks.fail(
                &kind,
                &anyhow!("{} owned, at least {least} expected", owned.len()),
            );
        }
        Err(error) => return checks.fail(&kind, &error),
    };
    for object in owned {
        let name = object.name_any();
        let frozen = json_of(&object).is_ok_and(|o| o["immutable"] == true);
        if !frozen {
            checks.add(
                &format!("{kind} {name} edited"),
                edited(space, &object, edit).await,
            );
        }
        checks.add(
            &format!("{kind} {name} deleted"),
            deleted(space, &object).await,
        );
    }
}

/// Objects whose owner is a Pipeline.
async fn owned<K: Child>(space: &Space) -> Result<Vec<K>> {
    let all = space.api::<K>().list(&ListParams::default()).await?.items;
    let ours = |object: &K| {
        object
            .owner_references()
            .iter()
            .any(|owner| owner.kind == "Pipeline")
    };
    Ok(all.into_iter().filter(ours).collect())
}

async fn deleted<K: Child>(space: &Space, object: &K) -> Result<String> {
    let (api, name, uid) = (space.api::<K>(), object.name_any(), object.uid());
    api.delete(&name, &DeleteParams::default()).await?;
    let begin = std::time::Instant::now();
    until(&format!("{name} made again"), RESTORED, async || {
        let found = api.get_opt(&name).await?.context("gone")?;
        ensure!(found.uid() != uid, "still the old one");
        ensure!(meaning(&found)? == meaning(object)?, "another content");
        Ok(())
    })
    .await?;
    Ok(format!("made again in {:.1?}", begin.elapsed()))
}

async fn edited<K: Child>(space: &Space, object: &K, edit: &Value) -> Result<String> {
    let (api, name) = (space.api::<K>(), object.name_any());
    let before = meaning(object)?;
    let changed = api
        .patch(&name, &PatchParams::default(), &Patch::Merge(edit))
        .await?;
    ensure!(
        meaning(&changed)? != before,
        "the edit changed nothing: {edit}"
    );
    let begin = std::time::Instant::now();
    until(&format!("{name} put right"), RESTORED, async || {
        let found = api.get(&name).await?;
        ensure!(meaning(&found)? == before, "still edited");
        Ok(())
    })
    .await?;
    Ok(format!("put right in {:.1?}", begin.elapsed()))
}

fn json_of<K: Serialize>(object: &K) -> Result<Value> {
    Ok(serde_json::to_value(object)?)
}

/// What the operator decides about an object: all but status, bookkeeping, addresses, and `replicas`
/// of what an autoscaler owns.
fn meaning<K: Serialize>(object: &K) -> Result<Value> {
    let mut value = json_of(object)?;
    let metadata = json!({"labels": value["metadata"]["labels"], "ownerReferences": value["metadata"]["ownerReferences"]});
    let fields = value.as_object_mut().context("no object")?;
    fields.remove("status");
    fields.insert("metadata".into(), metadata);
    if let Some(spec) = fields.get_mut("spec").and_then(Value::as_object_mut) {
        for given in ["clusterIP", "clusterIPs", "replicas"] {
            spec.remove(given);
        }
    }
    Ok(value)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_pipelines_of_one_name_do_not_touch_each_other() -> Result<()> {
    in_namespace("twin-a", async |first| {
        let second = first.cluster.make_space("twin-b").await?;
        let both = async {
            let name = "twin";
            first
                .apply_pipeline(&pipelines::small(&first, name))
                .await?;
            let mut other = pipelines::small(&second, name);
            other["spec"]["source"]["simulator"]["seed"] = json!(99);
            second.apply_pipeline(&other).await?;
            for space in [&first, &second] {
                pipelines::drained(space, name, READY).await?;
                pipelines::ready(space, name, READY).await?;
            }
            let (a, b) = (
                Ledger::read(&first, name).await?,
                Ledger::read(&second, name).await?,
            );
            for (space, ledger) in [(&first, &a), (&second, &b)] {
                let status = space
                    .pipelines()
                    .get(name)
                    .await?
                    .status
                    .context("no status")?;
                let sent = status.ingest.context("no status.ingest")?.rows_sent;
                ensure!(
                    ledger.bars.len() as u64 == sent,
                    "{}: {} bars, {sent} sent",
                    space.name,
                    ledger.bars.len()
                );
                ensure!(
                    ledger.repeated_bars + ledger.repeated_features == 0,
                    "{}: repeats",
                    space.name
                );
                ensure!(
                    status.lake.map(|l| l.rows) == Some(sent),
                    "{}: lake",
                    space.name
                );
            }
            let same = a
                .bars
                .iter()
                .filter(|(key, bar)| b.bars.get(*key).is_some_and(|o| o.close == bar.close))
                .count();
            ensure!(
                same < a.bars.len() / 10,
                "{same} bars are the same under another seed"
            );
            // One of them goes, the other stays as it is.
            let kept = first.pipelines().get(name).await?;
            second
                .delete_pipeline(name, Duration::from_secs(120))
                .await?;
            let after = pipelines::ready(&first, name, Duration::from_secs(120)).await?;
            ensure!(
                kept.metadata.uid == after.metadata.uid,
                "the other one was replaced"
            );
            ensure!(
                Ledger::read(&first, name).await?.bars.len() == a.bars.len(),
                "bars were lost"
            );
            Ok(())
        };
        let result = both.await;
        second.remove().await.ok();
        result
    })
    .await
}

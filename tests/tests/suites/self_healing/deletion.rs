//! Deleting a Pipeline leaves what `deletionPolicy` retains, and nothing else.

use std::time::Duration;

use anyhow::{Result, anyhow, ensure};
use foresail_tests::topics::{names, read_all};
use foresail_tests::{Checks, Space, in_namespace, pipelines, redis, s3, until};
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::batch::v1::Job;
use k8s_openapi::api::core::v1::{ConfigMap, Pod, Service, ServiceAccount};
use k8s_openapi::api::rbac::v1::{Role, RoleBinding};
use kube::ResourceExt;
use kube::api::ListParams;
use serde_json::json;

const READY: Duration = Duration::from_secs(300);
const GONE: Duration = Duration::from_secs(120);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn deletion_retains_by_default() -> Result<()> {
    in_namespace("retain", async |space| {
        let name = "retained";
        space
            .apply_pipeline(&pipelines::small(&space, name))
            .await?;
        pipelines::ready(&space, name, READY).await?;
        let bars = read_all(&space, &names(&space, name).bars).await?.len();
        space.delete_pipeline(name, GONE).await?;
        let mut checks = Checks::new();
        checks.add(
            "no child is left",
            until("no child", GONE, async || nothing_left(&space).await).await,
        );
        checks.equal(
            "bars in Kafka",
            read_all(&space, &names(&space, name).bars).await?.len(),
            bars,
        );
        let prefix = format!("tests/{}/{name}/", space.name);
        let kept = s3::list(&space.cluster, &prefix).await?;
        checks.equal(
            "the table is kept",
            kept.iter().any(|k| k.contains("_delta_log")),
            true,
        );
        checks.equal(
            "the models are kept",
            kept.iter().any(|k| k.ends_with("manifest.json")),
            true,
        );
        // A Pipeline of that name takes up what is there: nothing is read or sent twice.
        space
            .apply_pipeline(&pipelines::small(&space, name))
            .await?;
        pipelines::ready(&space, name, READY).await?;
        checks.equal(
            "bars after a new start",
            read_all(&space, &names(&space, name).bars).await?.len(),
            bars,
        );
        checks.verdict()
    })
    .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn deletion_removes_what_it_is_told_to() -> Result<()> {
    in_namespace("remove", async |space| {
        let name = "removed";
        let mut object = pipelines::small(&space, name);
        object["spec"]["deletionPolicy"] =
            json!({"topics": "Delete", "lake": "Delete", "artifacts": "Delete", "cache": "Delete"});
        space.apply_pipeline(&object).await?;
        pipelines::ready(&space, name, READY).await?;
        let (prefix, pattern) = (
            format!("tests/{}/{name}/", space.name),
            format!("fs:{}/{name}:*", space.name),
        );
        ensure!(
            !s3::list(&space.cluster, &prefix).await?.is_empty(),
            "nothing was stored on S3"
        );
        ensure!(
            !redis::keys(&space.cluster, &pattern).await?.is_empty(),
            "nothing was cached in Redis"
        );
        space.delete_pipeline(name, GONE).await?;
        let mut checks = Checks::new();
        checks.add(
            "no child is left",
            until("no child", GONE, async || nothing_left(&space).await).await,
        );
        checks.equal(
            "objects on S3",
            s3::list(&space.cluster, &prefix).await?,
            vec![],
        );
        checks.equal(
            "keys in Redis",
            redis::keys(&space.cluster, &pattern).await?,
            vec![],
        );
        for topic in names(&space, name).all() {
            let left = read_all(&space, topic).await;
            checks.add(
                &format!("topic {topic}"),
                match left {
                    Err(error) if format!("{error:#}").contains("does not exist") => Ok("gone"),
                    Err(error) => Err(error),
                    Ok(records) => Err(anyhow!("still there with {} records", records.len())),
                },
            );
        }
        checks.verdict()
    })
    .await
}

/// Nothing of Foresail lives in the namespace.
async fn nothing_left(space: &Space) -> Result<&'static str> {
    let all = ListParams::default();
    let mut left: Vec<String> = Vec::new();
    left.extend(
        space
            .api::<Deployment>()
            .list(&all)
            .await?
            .iter()
            .map(ResourceExt::name_any),
    );
    left.extend(
        space
            .api::<Job>()
            .list(&all)
            .await?
            .iter()
            .map(ResourceExt::name_any),
    );
    left.extend(
        space
            .api::<Pod>()
            .list(&all)
            .await?
            .iter()
            .map(ResourceExt::name_any),
    );
    left.extend(
        space
            .api::<Service>()
            .list(&all)
            .await?
            .iter()
            .map(ResourceExt::name_any),
    );
    left.extend(
        space
            .api::<Role>()
            .list(&all)
            .await?
            .iter()
            .map(ResourceExt::name_any),
    );
    left.extend(
        space
            .api::<RoleBinding>()
            .list(&all)
            .await?
            .iter()
            .map(ResourceExt::name_any),
    );
    left.extend(
        space
            .versions()
            .list(&all)
            .await?
            .iter()
            .map(ResourceExt::name_any),
    );
    let maps = space.api::<ConfigMap>().list(&all).await?;
    left.extend(
        maps.iter()
            .map(ResourceExt::name_any)
            .filter(|n| n != "kube-root-ca.crt"),
    );
    let accounts = space.api::<ServiceAccount>().list(&all).await?;
    left.extend(
        accounts
            .iter()
            .map(ResourceExt::name_any)
            .filter(|n| n != "default"),
    );
    ensure!(left.is_empty(), "left: {left:?}");
    Ok("nothing")
}

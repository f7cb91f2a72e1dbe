//! Helm takes the operator away and brings it back: Pipelines, CRDs and forecasts stay.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use foresail_tests::cluster::OPERATOR_NAMESPACE;
use foresail_tests::predictor::{Asker, Predictor};
use foresail_tests::{Space, helm, pipelines, prepared_then_alone, repo, until};
use k8s_openapi::api::apps::v1::Deployment;
use kube::ResourceExt;
use kube::api::{DeleteParams, ListParams};

const READY: Duration = Duration::from_secs(300);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn uninstalling_leaves_pipelines_and_reinstalling_takes_them_over() -> Result<()> {
    let name = "kept";
    let prepare = async |space: &Space| {
        space.apply_pipeline(&pipelines::small(space, name)).await?;
        pipelines::ready(space, name, READY).await.map(drop)
    };
    prepared_then_alone("helm", prepare, async |space| {
        let before = pipelines::ready(&space, name, READY).await?;
        let workloads = names(&space).await?;
        let asker = Asker::start(
            Predictor::find(&space, name).await?,
            vec!["SIMA".into()],
            Duration::from_millis(100),
        );
        let values = helm::values(OPERATOR_NAMESPACE, "foresail")?;
        helm(&["uninstall", "foresail", "--wait"], None)?;
        helm(&["uninstall", "foresail-crds", "--wait"], None)?;
        let gone = checked(&space, name, &before, &workloads).await;
        // Back again, whatever was found.
        let charts = ["charts/foresail-crds", "charts/foresail"]
            .map(|c| repo::path(c).display().to_string());
        helm(
            &["install", "foresail-crds", &charts[0], "--take-ownership"],
            None,
        )?;
        helm(
            &[
                "install",
                "foresail",
                &charts[1],
                "--wait",
                "--timeout",
                "120s",
                "--values",
                "-",
            ],
            Some(&values),
        )?;
        gone?;
        let api = space.api::<Deployment>();
        api.delete(&format!("{name}-lake"), &DeleteParams::default())
            .await?;
        until(
            "the new operator mends",
            Duration::from_secs(60),
            async || {
                api.get(&format!("{name}-lake")).await?;
                Ok(())
            },
        )
        .await?;
        let after = pipelines::ready(&space, name, READY).await?;
        ensure!(
            before.metadata.uid == after.metadata.uid,
            "the Pipeline was replaced"
        );
        let champion =
            |p: &foresail_crds::Pipeline| p.status.as_ref().and_then(|s| s.champion.clone());
        ensure!(
            champion(&before) == champion(&after),
            "the champion changed"
        );
        let asked = asker.finish().await?;
        ensure!(
            asked.failed.is_empty() && asked.sent > 50,
            "{} of {}: {:?}",
            asked.failed.len(),
            asked.sent,
            asked.failed
        );
        Ok(())
    })
    .await
}

/// Without an operator everything is as it was.
async fn checked(
    space: &Space,
    name: &str,
    before: &foresail_crds::Pipeline,
    workloads: &[String],
) -> Result<()> {
    tokio::time::sleep(Duration::from_secs(5)).await;
    let kept = space
        .pipelines()
        .get(name)
        .await
        .context("the Pipeline or its kind is gone")?;
    ensure!(
        kept.metadata.uid == before.metadata.uid,
        "the Pipeline was replaced"
    );
    ensure!(
        kept.metadata.deletion_timestamp.is_none(),
        "the Pipeline is being deleted"
    );
    let now = names(space).await?;
    ensure!(now == workloads, "workloads {now:?}, before {workloads:?}");
    Ok(())
}

async fn names(space: &Space) -> Result<Vec<String>> {
    let list = space
        .api::<Deployment>()
        .list(&ListParams::default())
        .await?;
    Ok(list.iter().map(ResourceExt::name_any).collect())
}

fn helm(arguments: &[&str], input: Option<&str>) -> Result<String> {
    helm::run(OPERATOR_NAMESPACE, arguments, input)
}

//! The autoscaler adds predictors under real load and takes them away; the operator keeps its hands
//! off `replicas`.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use foresail_tests::predictor::Predictor;
use foresail_tests::{in_namespace, pipelines, until};
use k8s_openapi::api::apps::v1::Deployment;
use serde_json::json;

const READY: Duration = Duration::from_secs(300);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn predictors_scale_up_under_load_and_down_again() -> Result<()> {
    in_namespace("scale", async |space| {
        let name = "scale";
        let mut object = pipelines::small(&space, name);
        object["spec"]["serving"] = json!({"minReplicas": 1, "maxReplicas": 3, "scaleTarget": 50,
            "resources": {"requests": {"cpu": "50m", "memory": "64Mi"}, "limits": {"memory": "256Mi"}},
            "behavior": {"scaleDown": {"stabilizationWindowSeconds": 15, "policies": [{"type": "Pods", "value": 3, "periodSeconds": 15}]}}});
        space.apply_pipeline(&object).await?;
        pipelines::ready(&space, name, READY).await?;
        let predictor = Predictor::find(&space, name).await?;
        let api = space.api::<Deployment>();
        let child = format!("{name}-predict");
        let replicas = async || -> Result<i32> {
            let found = api.get(&child).await?;
            Ok(found.status.and_then(|s| s.ready_replicas).unwrap_or(0))
        };
        ensure!(replicas().await? == 1, "{} at rest", replicas().await?);
        let load: Vec<_> = (0..8).map(|_| tokio::spawn(press(predictor.clone()))).collect();
        let up = until("more predictors", Duration::from_secs(180), async || {
            let found = replicas().await?;
            ensure!(found > 1, "{found} ready");
            Ok(found)
        })
        .await;
        load.iter().for_each(tokio::task::JoinHandle::abort);
        println!("scaled up to {}", up?);
        until("one predictor again", Duration::from_secs(240), async || {
            let found = replicas().await?;
            ensure!(found == 1, "{found} ready");
            Ok(())
        })
        .await?;
        let fields = api.get(&child).await?.metadata.managed_fields.context("no managed fields")?;
        for entry in fields {
            let manager = entry.manager.unwrap_or_default();
            let owned = serde_json::to_string(&entry.fields_v1)?;
            ensure!(
                !manager.starts_with("foresail") || !owned.contains("\"f:replicas\""),
                "{manager} owns spec.replicas"
            );
        }
        Ok(())
    })
    .await
}

async fn press(predictor: Predictor) {
    loop {
        predictor.forecast("SIMA").await.ok();
    }
}

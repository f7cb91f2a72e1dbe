//! The end that a Pipeline comes to, whatever happened to its operator on the way.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use foresail_crds::model_version::VersionRole;
use foresail_crds::pipeline::status::RunState;
use foresail_crds::worker_config::{SERVING_FILE, ServingConfig};
use foresail_crds::{ModelVersion, Role};
use foresail_tests::{Checks, Space, audit, owners, pipelines, until};
use k8s_openapi::api::core::v1::ConfigMap;
use kube::ResourceExt;
use kube::api::ListParams;

/// One run, one version, one champion, nothing too many.
pub(super) async fn only_one(space: &Space, name: &str) -> Result<()> {
    let mut checks = Checks::new();
    check(&mut checks, space, name, 1).await?;
    checks.verdict()
}

/// Each version has been trained once, the newest one serves, all accounts agree, and nothing is left over.
pub(super) async fn check(
    checks: &mut Checks,
    space: &Space,
    name: &str,
    versions: u32,
) -> Result<()> {
    let pipeline = space.pipelines().get(name).await?;
    checks.equal("observed", pipelines::is_observed(&pipeline), true);
    let status = pipeline.status.context("no status")?;
    let run = status.run.context("no run")?;
    checks.equal("state of the run", run.state, RunState::Succeeded);
    checks.equal("attempts", run.attempt, 0);
    checks.equal("version of the run", run.version, Some(versions));
    let found = space.versions().list(&ListParams::default()).await?.items;
    let role = |v: &ModelVersion| v.status.as_ref().and_then(|status| status.role);
    let mut roles: Vec<_> = found.iter().map(|v| (v.spec.version, role(v))).collect();
    roles.sort_by_key(|(version, _)| *version);
    let expected = (1..=versions).map(|version| {
        let role = match versions - version {
            0 => VersionRole::Champion,
            _ => VersionRole::Previous,
        };
        (version, Some(role))
    });
    checks.equal("versions", roles, expected.collect());
    let serving = serving(space, name).await?;
    checks.equal(
        "champion",
        status.champion.as_ref().map(|c| c.version),
        Some(versions),
    );
    checks.equal("served", &serving.champion, &status.champion);
    checks.equal("kept", &serving.previous, &status.previous);
    let jobs = audit::training_jobs(&space.cluster, &space.name, name)?;
    checks.equal("training Jobs ever made", jobs.len(), versions as usize);
    let left = until("nothing is left over", SWEPT, async || {
        left_over(space, name).await
    })
    .await;
    checks.add("left over", left.map(|()| "nothing"));
    Ok(())
}

/// A pod that is going takes its configuration with it.
const SWEPT: Duration = Duration::from_secs(60);

/// What nobody owns, and configurations that nobody reads.
async fn left_over(space: &Space, name: &str) -> Result<()> {
    let orphans = owners::orphans(space).await?;
    ensure!(orphans.is_empty(), "without an owner: {orphans:?}");
    let maps = space
        .api::<ConfigMap>()
        .list(&ListParams::default())
        .await?;
    let maps: Vec<String> = maps.iter().map(ResourceExt::name_any).collect();
    for role in Role::ALL {
        let prefix = format!("{name}-config-{role}-");
        let ours: Vec<_> = maps.iter().filter(|map| map.starts_with(&prefix)).collect();
        ensure!(ours.len() <= 1, "several of one role: {ours:?}");
    }
    Ok(())
}

/// What the predictors are told to load.
async fn serving(space: &Space, name: &str) -> Result<ServingConfig> {
    let map = space
        .api::<ConfigMap>()
        .get(&format!("{name}-serving"))
        .await?;
    let data = map.data.unwrap_or_default();
    let text = data.get(SERVING_FILE).context("nothing is served")?;
    Ok(serde_json::from_str(text)?)
}

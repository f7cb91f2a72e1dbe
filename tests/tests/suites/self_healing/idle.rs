//! At rest: no writes but Lease renewals; a repeated apply, by whichever tool, changes nothing.

use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, anyhow, ensure};
use foresail_crds::pipeline::conditions;
use foresail_tests::audit::{self, Write};
use foresail_tests::settings::in_soak;
use foresail_tests::{Space, in_namespace, pipelines, until};
use k8s_openapi::api::apps::v1::Deployment;
use kube::ResourceExt;
use kube::api::ListParams;
use serde_json::Value;

const READY: Duration = Duration::from_secs(300);
/// After Ready: the last status reports, the autoscaler's first look.
const SETTLE: Duration = Duration::from_secs(30);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_written_while_nothing_happens() -> Result<()> {
    in_namespace("idle", async |space| {
        let name = "idle";
        space
            .apply_pipeline(&pipelines::small(&space, name))
            .await?;
        pipelines::ready(&space, name, READY).await?;
        pipelines::drained(&space, name, READY).await?;
        tokio::time::sleep(SETTLE).await;
        let seconds = in_soak(60, 600);
        let before = ours(&space)?.len();
        tokio::time::sleep(Duration::from_secs(seconds)).await;
        let after = ours(&space)?;
        ensure!(before > 0, "the audit log knows nothing of this namespace");
        ensure!(
            after.len() == before,
            "{} writes in {seconds} idle seconds: {:#?}",
            after.len() - before,
            &after[before..]
        );
        Ok(())
    })
    .await
}

/// Writes of the operator and of the workers to this namespace, Leases aside.
fn ours(space: &Space) -> Result<Vec<Write>> {
    let workers = format!("system:serviceaccount:{}:", space.name);
    let writes = audit::writes(&space.cluster, &space.name)?.into_iter();
    Ok(writes
        .filter(|w| {
            w.user.starts_with(&workers)
                || w.user.starts_with("system:serviceaccount:foresail-system:")
        })
        .filter(|w| w.resource != "leases")
        .collect())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hundred_repeated_applies_change_nothing() -> Result<()> {
    in_namespace("gitops", async |space| {
        let name = "gitops";
        let object = pipelines::small(&space, name);
        kubectl_apply(&space, &object)?;
        pipelines::ready(&space, name, READY).await?;
        pipelines::drained(&space, name, READY).await?;
        tokio::time::sleep(SETTLE).await;
        let before = (
            space.pipelines().get(name).await?.metadata.generation,
            workloads(&space).await?,
        );
        let writes = ours(&space)?.len();
        for _ in 0..100 {
            space.apply_pipeline(&object).await?;
        }
        for _ in 0..5 {
            kubectl_apply(&space, &object)?;
        }
        tokio::time::sleep(Duration::from_secs(5)).await;
        let after = (
            space.pipelines().get(name).await?.metadata.generation,
            workloads(&space).await?,
        );
        ensure!(before == after, "{before:?} became {after:?}");
        let more = ours(&space)?.split_off(writes);
        ensure!(
            more.is_empty(),
            "{} writes for nothing: {more:#?}",
            more.len()
        );
        Ok(())
    })
    .await
}

/// Name, uid and generation of every workload.
async fn workloads(space: &Space) -> Result<Vec<(String, Option<String>, Option<i64>)>> {
    let list = space
        .api::<Deployment>()
        .list(&ListParams::default())
        .await?;
    Ok(list
        .iter()
        .map(|d| (d.name_any(), d.uid(), d.metadata.generation))
        .collect())
}

/// What a GitOps tool does: server-side apply of everything labelled, and pruning of the rest.
fn kubectl_apply(space: &Space, object: &Value) -> Result<()> {
    let mut child = Command::new("kubectl")
        .args([
            "apply",
            "--server-side",
            "--field-manager=gitops",
            "--force-conflicts",
        ])
        .args(["--namespace", &space.name, "--filename", "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()?;
    let mut input = child.stdin.take().context("no standard input")?;
    std::io::Write::write_all(&mut input, object.to_string().as_bytes())?;
    drop(input);
    ensure!(child.wait()?.success(), "kubectl apply failed");
    Ok(())
}

/// kstatus reads: observedGeneration, then Stalled and Reconciling (absent = no), then Ready.
fn kstatus(pipeline: &foresail_crds::Pipeline) -> &'static str {
    let is = |kind: &str| pipelines::condition(pipeline, kind).is_some_and(|c| c.status == "True");
    if !pipelines::is_observed(pipeline) || is(conditions::RECONCILING) {
        "InProgress"
    } else if is(conditions::STALLED) {
        "Failed"
    } else if is(conditions::READY) {
        "Current"
    } else {
        "InProgress"
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn kstatus_tells_progress_success_and_failure() -> Result<()> {
    in_namespace("kstatus", async |space| {
        let name = "kstatus";
        let mut object = pipelines::small(&space, name);
        space.apply_pipeline(&object).await?;
        // Ready is there from the first reconcile on, with a reason.
        let early = pipelines::wait(
            &space,
            name,
            "has a Ready condition",
            Duration::from_secs(15),
            |p| {
                pipelines::condition(p, conditions::READY)
                    .map(drop)
                    .ok_or_else(|| anyhow!("no Ready condition"))
            },
        )
        .await?;
        ensure!(
            kstatus(&early) == "InProgress",
            "early: {}",
            pipelines::summary(&early)
        );
        let ready = pipelines::ready(&space, name, READY).await?;
        ensure!(
            kstatus(&ready) == "Current",
            "ready: {}",
            pipelines::summary(&ready)
        );
        for kind in [conditions::RECONCILING, conditions::STALLED] {
            ensure!(
                pipelines::condition(&ready, kind).is_none(),
                "{kind} is kept although it does not apply"
            );
        }
        object["spec"]["training"]["timeZone"] = "Mars/Olympus".into();
        space.apply_pipeline(&object).await?;
        until("kstatus Failed", Duration::from_secs(30), async || {
            let pipeline = space.pipelines().get(name).await?;
            ensure!(
                kstatus(&pipeline) == "Failed",
                "{}",
                pipelines::summary(&pipeline)
            );
            Ok(())
        })
        .await
    })
    .await
}

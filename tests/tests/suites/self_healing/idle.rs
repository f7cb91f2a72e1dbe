//! At rest: no writes but Lease renewals; a repeated apply, by whichever tool, changes nothing.

use std::net::TcpListener;
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, anyhow, ensure};
use foresail_crds::pipeline::conditions;
use foresail_tests::audit::{self, Write};
use foresail_tests::cluster::OPERATOR_NAMESPACE;
use foresail_tests::predictor::Predictor;
use foresail_tests::settings::in_soak;
use foresail_tests::{Operator, Space, in_namespace, metrics, pipelines, programs, until};
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::ConfigMap;
use kube::ResourceExt;
use kube::api::ListParams;
use serde_json::{Value, json};

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
    let mut writes = audit::writes(&space.cluster, &space.name)?;
    writes.retain(|write| is_ours(space, write));
    Ok(writes)
}

fn is_ours(space: &Space, write: &Write) -> bool {
    let workers = format!("system:serviceaccount:{}:", space.name);
    let operator = format!("system:serviceaccount:{OPERATOR_NAMESPACE}:");
    let ours = write.user.starts_with(&workers) || write.user.starts_with(&operator);
    ours && write.resource != "leases"
}

/// Applies after which the operator must have looked at the Pipeline, each by itself.
const LOOKED_AT: usize = 25;
/// What a GitOps tool keeps of itself, and what it has applied beside the Pipeline.
const SET: &str = "gitops";
const BESIDE: &str = "beside";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hundred_repeated_applies_change_nothing() -> Result<()> {
    in_namespace("gitops", async |space| {
        let name = "gitops";
        let mut object = pipelines::small(&space, name);
        let beside = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": BESIDE}});
        kubectl_apply(&space, &[&object, &beside])?;
        pipelines::ready(&space, name, READY).await?;
        pipelines::drained(&space, name, READY).await?;
        // Its first look is not one of those that are counted.
        let witness = Witness::start(&space).await?;
        tokio::time::sleep(SETTLE).await;
        let before = found(&space, name).await?;
        let writes = audit::writes(&space.cluster, &space.name)?.len();
        for apply in 0..100 {
            let looks = witness.looks().await?;
            // Nobody's but the tool's: each is a change that the operator is told of.
            object["metadata"]["annotations"] =
                json!({"gitops.example/revision": apply.to_string()});
            space.apply_pipeline(&object).await?;
            if apply < LOOKED_AT {
                until("a look at the Pipeline", LOOK, async || {
                    ensure!(
                        witness.looks().await? > looks,
                        "the operator was not called"
                    );
                    Ok(())
                })
                .await?;
            }
        }
        for _ in 0..5 {
            kubectl_apply(&space, &[&object])?;
        }
        let left = space.api::<ConfigMap>().get_opt(BESIDE).await?;
        ensure!(left.is_none(), "the tool has pruned nothing");
        tokio::time::sleep(Duration::from_secs(5)).await;
        let after = found(&space, name).await?;
        ensure!(before == after, "{before:?} became {after:?}");
        let mut more = audit::writes(&space.cluster, &space.name)?.split_off(writes);
        let tool = more.iter().find(|w| w.resource == "pipelines");
        let tool = tool
            .context("the audit log knows of no apply")?
            .user
            .clone();
        // The tests, the tool and the witness are one user.
        more.retain(|w| is_ours(&space, w) || w.user == tool && !is_by_the_tool(w));
        ensure!(
            more.is_empty(),
            "{} writes for nothing: {more:#?}",
            more.len()
        );
        Ok(())
    })
    .await
}

/// The debounce of the operator and a reconcile.
const LOOK: Duration = Duration::from_secs(60);

fn is_by_the_tool(write: &Write) -> bool {
    let set = write.resource == "configmaps" && [SET, BESIDE].contains(&write.name.as_str());
    set || write.resource == "pipelines"
}

/// A second operator for this namespace alone, with the settings of the one in the cluster: it sees what that one sees,
/// and what it counts is of no other test.
struct Witness {
    _process: tokio::process::Child,
    admin: Predictor,
}

impl Witness {
    async fn start(space: &Space) -> Result<Self> {
        let pods = Operator::shared(&space.cluster).pods().await?;
        let spec = pods.first().and_then(|pod| pod.spec.as_ref());
        let container = spec.and_then(|spec| spec.containers.first());
        let env = container
            .and_then(|c| c.env.clone())
            .context("no variables")?;
        let address = TcpListener::bind("127.0.0.1:0")?.local_addr()?;
        let process = tokio::process::Command::new(programs::program("foresail-operator")?)
            .args(["--admin-bind", &address.to_string()])
            .envs(env.into_iter().filter_map(|v| Some((v.name, v.value?))))
            .env("FORESAIL_WATCH_NAMESPACE", &space.name)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()?;
        let witness = Self {
            _process: process,
            admin: Predictor::at(&format!("http://{address}"))?,
        };
        until("a first look", LOOK, async || {
            ensure!(witness.looks().await? > 0.0, "none yet");
            Ok(())
        })
        .await?;
        Ok(witness)
    }

    /// Reconciles of the namespace's Pipelines so far.
    async fn looks(&self) -> Result<f64> {
        let answer = self.admin.get("/metrics").await?;
        let shown = metrics::parse(answer.body.as_str().unwrap_or_default());
        let looks = shown.get("foresail_operator_reconciles_total");
        Ok(looks.copied().unwrap_or_default())
    }
}

/// Identity and generation of the Pipeline, and of every workload by its name.
async fn found(space: &Space, name: &str) -> Result<Vec<(String, Option<String>, Option<i64>)>> {
    let pipeline = space.pipelines().get(name).await?;
    let mut found = vec![(
        name.to_owned(),
        pipeline.uid(),
        pipeline.metadata.generation,
    )];
    let list = space
        .api::<Deployment>()
        .list(&ListParams::default())
        .await?;
    found.extend(
        list.iter()
            .map(|d| (d.name_any(), d.uid(), d.metadata.generation)),
    );
    Ok(found)
}

/// What a GitOps tool does: server-side apply of all that is declared, and pruning of what it had applied before and is
/// declared no more.
fn kubectl_apply(space: &Space, objects: &[&Value]) -> Result<()> {
    let set = format!("--applyset=configmaps/{SET}");
    let mut child = Command::new("kubectl")
        .env("KUBECTL_APPLYSET", "true")
        .args(["apply", "--server-side", "--force-conflicts"])
        .args(["--field-manager=gitops", "--prune", &set])
        .args(["--namespace", &space.name, "--filename", "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()?;
    let list = json!({"apiVersion": "v1", "kind": "List", "items": objects});
    let mut input = child.stdin.take().context("no standard input")?;
    std::io::Write::write_all(&mut input, list.to_string().as_bytes())?;
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
            Duration::from_secs(120),
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
        until("kstatus Failed", Duration::from_secs(120), async || {
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

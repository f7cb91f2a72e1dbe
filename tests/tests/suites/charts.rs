//! The charts: the CRDs are the generated ones, the operator's rights are narrow, and what Helm
//! renders is admitted by the API server in a namespace for restricted pods.

mod providers;

use std::fs;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail, ensure};
use foresail_tests::{in_namespace, on_cluster, repo};
use serde_json::{Value, json};

#[test]
fn chart_holds_the_generated_crds() -> Result<()> {
    let kinds = ["pipelines", "modelversions", "provideraccounts"];
    for kind in kinds {
        let generated = repo::text(&format!("crds/yaml/{kind}.yaml"))?;
        let packed = repo::text(&format!("charts/foresail-crds/templates/{kind}.yaml"))?;
        ensure!(
            generated == packed,
            "charts/foresail-crds/templates/{kind}.yaml is out of date: run `make generate`"
        );
        ensure!(
            !generated.contains("{{"),
            "{kind}: a description holds {{{{, which Helm would read"
        );
        ensure!(
            generated.contains("helm.sh/resource-policy: keep"),
            "{kind} would be removed on uninstall"
        );
    }
    let count = fs::read_dir(repo::path("charts/foresail-crds/templates"))?.count();
    ensure!(
        count == kinds.len(),
        "{count} files in the chart of {} kinds",
        kinds.len()
    );
    Ok(())
}

#[tokio::test]
async fn charts_pass_helm_lint() -> Result<()> {
    on_cluster(async |_| {
        for chart in ["charts/foresail-crds", "charts/foresail"] {
            run(Command::new("helm")
                .args(["lint", "--strict", "--quiet"])
                .arg(repo::path(chart)))?;
        }
        Ok(())
    })
    .await
}

#[tokio::test]
async fn values_that_cannot_work_are_refused() -> Result<()> {
    on_cluster(async |_| {
        for wrong in [
            "imagePullPolicy=Sometimes",
            "replicas=-1",
            "watchLabelSelector={a,b}",
            "images.worker=",
            "imagePullPollicy=Always",
            "resources.request.cpu=1",
            "sources.allowedNetworks={everything}",
            "sources.networks={10.0.0.0/8}",
            "providers.allowedHosts={http://simulator}",
            "providers.hosts={simulator}",
            "providers.simulator.enabled=true",
        ] {
            let rendered = render(&["--set", wrong]);
            ensure!(rendered.is_err(), "{wrong} was accepted");
        }
        Ok(())
    })
    .await
}

#[tokio::test]
async fn operator_rights_are_narrow() -> Result<()> {
    on_cluster(async |_| {
        let objects = documents(&render(&[])?)?;
        let roles = objects
            .iter()
            .filter(|o| o["kind"] == "ClusterRole" || o["kind"] == "Role");
        let mut rules = 0;
        for rule in roles.flat_map(|r| r["rules"].as_array().cloned().unwrap_or_default()) {
            rules += 1;
            let text = rule.to_string();
            for forbidden in [
                "*",
                "secrets",
                "escalate",
                "impersonate",
                "\"bind\"",
                "nodes",
                "exec",
            ] {
                ensure!(
                    !text.contains(forbidden),
                    "a rule grants {forbidden}: {text}"
                );
            }
            let groups = rule["apiGroups"].as_array().map_or(0, Vec::len);
            ensure!(
                groups == 1,
                "a rule over several groups is wider than it looks: {text}"
            );
        }
        ensure!(rules > 5, "only {rules} rules found");
        Ok(())
    })
    .await
}

/// Review, security B11.
#[tokio::test]
async fn an_operator_of_one_namespace_has_rights_in_that_one_alone() -> Result<()> {
    on_cluster(async |_| {
        let own = [
            "--set",
            "watchNamespace=team",
            "--set",
            "aggregateRoles=false",
        ];
        let objects = documents(&render(&own)?)?;
        for object in &objects {
            let kind = object["kind"].as_str().unwrap_or_default();
            ensure!(
                !kind.starts_with("Cluster"),
                "{kind} {}",
                object["metadata"]["name"]
            );
        }
        let in_team = |kind: &str| {
            let mut found = objects.iter().filter(|o| o["kind"] == kind);
            found.any(|o| o["metadata"]["namespace"] == "team")
        };
        ensure!(
            in_team("Role") && in_team("RoleBinding"),
            "no rights in the namespace"
        );
        let operator = objects.iter().find(|o| o["kind"] == "Deployment");
        let container =
            &operator.context("no operator")?["spec"]["template"]["spec"]["containers"][0];
        let watched = json!({"name": "FORESAIL_WATCH_NAMESPACE", "value": "team"});
        let env = container["env"].as_array().context("no environment")?;
        ensure!(env.contains(&watched), "{env:?}");
        let everywhere = documents(&render(&[])?)?;
        let aggregated = everywhere.iter().filter(|o| {
            let labels = o["metadata"]["labels"].to_string();
            labels.contains("rbac.authorization.k8s.io/aggregate-to-")
        });
        ensure!(aggregated.count() == 2, "view and edit are not aggregated");
        Ok(())
    })
    .await
}

#[tokio::test]
async fn the_operator_is_told_which_labels_are_its_share() -> Result<()> {
    on_cluster(async |_| {
        let name = "FORESAIL_WATCH_LABEL_SELECTOR";
        ensure!(!environment(&[])?.contains(name), "a share by default");
        let some = [
            "--set-string",
            r"watchLabelSelector=!foresail.dev/shard\,tier in (gold\,silver)",
        ];
        let told: Value = serde_json::from_str(&environment(&some)?)?;
        let shard = json!({"name": name, "value": "!foresail.dev/shard,tier in (gold,silver)"});
        let told = told.as_array().context("no environment")?;
        ensure!(told.contains(&shard), "{told:?}");
        // As `--reuse-values` leaves it after a release that did not have the value.
        let reused = environment(&["--set", "watchLabelSelector=null"])?;
        ensure!(!reused.contains(name), "a share of nothing");
        Ok(())
    })
    .await
}

/// Review, security C2.
#[tokio::test]
async fn the_operator_is_told_which_networks_sources_may_be_in() -> Result<()> {
    on_cluster(async |_| {
        let name = "FORESAIL_SOURCE_NETWORKS";
        ensure!(!environment(&[])?.contains(name), "allowed by default");
        let two = ["--set", "sources.allowedNetworks={10.1.2.3/32,fd00::/8}"];
        let told = environment(&two)?;
        ensure!(
            told.contains(name) && told.contains("\"10.1.2.3/32,fd00::/8\""),
            "{told}"
        );
        // As `--reuse-values` leaves them after a release that did not have the value.
        ensure!(
            !environment(&["--set", "sources=null"])?.contains(name),
            "allowed by nothing"
        );
        Ok(())
    })
    .await
}

#[tokio::test]
async fn rendered_manifests_are_admitted() -> Result<()> {
    in_namespace("chart", async |space| {
        let values = ["--set", "replicas=2", "--namespace", &space.name];
        let rendered = render(&[&values[..], &providers::SIMULATOR[..]].concat())?;
        dry_run(&space.name, &rendered)?;
        let mut specs = Vec::new();
        for object in documents(&rendered)? {
            if object["kind"] == "Deployment" {
                specs.push(admitted(&space.name, &object)?);
            }
        }
        ensure!(specs.len() == 2, "operator and simulator");
        let mut spec = specs.remove(0);
        spec["containers"][0]["securityContext"] = json!({"privileged": true});
        ensure!(
            dry_run(&space.name, &pod(&spec)).is_err(),
            "the namespace admits anything"
        );
        Ok(())
    })
    .await
}

/// The spec of the pods of a Deployment, once the namespace has admitted one: a Deployment only warns; the pod itself must pass
/// the namespace's restricted policy.
fn admitted(namespace: &str, deployment: &Value) -> Result<Value> {
    let mut spec = deployment["spec"]["template"]["spec"].clone();
    let container = &spec["containers"][0];
    for field in ["livenessProbe", "readinessProbe", "resources"] {
        ensure!(container[field].is_object(), "{field} is missing");
    }
    let root = &container["securityContext"]["readOnlyRootFilesystem"];
    ensure!(*root == true, "the root file system is writable");
    spec["serviceAccountName"] = json!("default");
    dry_run(namespace, &pod(&spec))?;
    Ok(spec)
}

fn pod(spec: &Value) -> String {
    json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "chart"}, "spec": spec})
        .to_string()
}

/// Environment of the operator with these values.
fn environment(values: &[&str]) -> Result<String> {
    let objects = documents(&render(values)?)?;
    let operator = objects
        .iter()
        .find(|o| o["kind"] == "Deployment" && o["metadata"]["name"] == "foresail");
    let operator = operator.context("no operator")?;
    Ok(operator["spec"]["template"]["spec"]["containers"][0]["env"].to_string())
}

fn dry_run(namespace: &str, manifest: &str) -> Result<String> {
    let mut kubectl = Command::new("kubectl");
    kubectl.args([
        "apply",
        "--server-side",
        "--dry-run=server",
        "--validate=strict",
    ]);
    kubectl.args([
        "--force-conflicts",
        "--namespace",
        namespace,
        "--filename",
        "-",
    ]);
    feed(&mut kubectl, manifest)
}

fn render(values: &[&str]) -> Result<String> {
    run(Command::new("helm")
        .args(["template", "foresail"])
        .arg(repo::path("charts/foresail"))
        .args(values))
}

fn documents(text: &str) -> Result<Vec<Value>> {
    text.split("\n---")
        .filter(|part| part.lines().any(|l| l.contains(':') && !l.starts_with('#')))
        .map(|part| {
            serde_saphyr::from_str(part.trim_start_matches("---"))
                .context("a rendered document is not YAML")
        })
        .collect()
}

fn run(command: &mut Command) -> Result<String> {
    finish(command.stdin(Stdio::null()).output(), command)
}

fn feed(command: &mut Command, text: &str) -> Result<String> {
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()?;
    let mut input = child.stdin.take().context("no standard input")?;
    std::io::Write::write_all(&mut input, text.as_bytes())?;
    drop(input);
    finish(child.wait_with_output(), command)
}

fn finish(output: std::io::Result<std::process::Output>, command: &Command) -> Result<String> {
    let output = output.with_context(|| format!("cannot run {command:?}"))?;
    if !output.status.success() {
        bail!(
            "{command:?}: {}{}",
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr)
        );
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

//! Installs the charts with Helm and waits for the operator.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use foresail_node::exec;
use foresail_node::images::{self, References};
use foresail_node::progress::step;
use foresail_node::setup::tools;
use foresail_node::{Name, Node, Paths};

/// Namespace of the operator.
pub const NAMESPACE: &str = "foresail-system";

/// A cluster to talk to: one of our nodes, or a context of the user's kubeconfig.
pub struct Cluster<'a> {
    paths: &'a Paths,
    selection: Vec<(&'static str, String)>,
    is_ours: bool,
}

impl<'a> Cluster<'a> {
    /// One of our nodes.
    pub fn of_node(node: &'a Node) -> Self {
        Self {
            paths: &node.paths,
            selection: vec![("--kubeconfig", node.kubeconfig().display().to_string())],
            is_ours: true,
        }
    }

    /// A context of the user's kubeconfig.
    pub fn of_context(paths: &'a Paths, context: &str) -> Self {
        Self {
            paths,
            selection: vec![("context", context.to_owned())],
            is_ours: false,
        }
    }

    fn program(&self, tool: &tools::Tool, name: &str) -> PathBuf {
        if self.is_ours {
            tool.program(self.paths, name)
        } else {
            tools::own_or_built(self.paths, tool, name)
        }
    }

    /// `kubectl` for it, with a limit on every call.
    pub fn kubectl(&self) -> Command {
        self.selected(exec::bounded(330, self.kubectl_program()))
    }

    /// `kubectl` for it, for a call that serves until it is stopped.
    pub fn kubectl_that_stays(&self) -> Command {
        self.selected(Command::new(self.kubectl_program()))
    }

    fn kubectl_program(&self) -> PathBuf {
        self.program(&tools::KUBERNETES, "kubectl")
    }

    fn selected(&self, mut command: Command) -> Command {
        for (flag, value) in &self.selection {
            command
                .arg(if *flag == "context" {
                    "--context"
                } else {
                    flag
                })
                .arg(value);
        }
        command
    }

    /// `helm` for it.
    fn helm(&self) -> Command {
        let mut command = exec::bounded(330, self.program(&tools::HELM, "helm"));
        for (flag, value) in &self.selection {
            command
                .arg(if *flag == "context" {
                    "--kube-context"
                } else {
                    flag
                })
                .arg(value);
        }
        command
    }
}

/// Installs on a node, with the images that were loaded last.
pub fn on_node(node: &Node) -> Result<()> {
    let Some(references) = images::loaded(node) else {
        bail!(
            "no images were loaded into node {}: run `cargo xtask images --name {}` first",
            node.name,
            node.name
        );
    };
    let market = (node.name == Name::Test.text()).then(|| market(&node.paths));
    let networks = source_networks(node);
    on(
        &Cluster::of_node(node),
        &references,
        &networks,
        market.as_deref(),
    )
}

/// Values with which the suites run: an operator that leaves some Pipelines to others, and providers of market data.
pub fn market(paths: &Paths) -> PathBuf {
    paths.node_file("configs/market.yaml")
}

/// What sources are read from on a node: its S3 server, and this machine, where the tests have servers of their own.
pub fn source_networks(node: &Node) -> Vec<String> {
    [node.ip(), node.host_ip()]
        .map(|address| format!("{address}/32"))
        .to_vec()
}

/// Installs or upgrades both charts. Sources may be read from these networks beside the public internet; `file` has more
/// values.
pub fn on(
    cluster: &Cluster<'_>,
    references: &References,
    source_networks: &[String],
    file: Option<&Path>,
) -> Result<()> {
    let charts = cluster.paths.repo.join("charts");
    step("installing Foresail with Helm", || {
        let none = Values::default();
        upgrade(
            cluster,
            "foresail-crds",
            &charts.join("foresail-crds"),
            &none,
        )?;
        for kind in ["pipelines", "modelversions", "provideraccounts"] {
            let name = format!("crd/{kind}.foresail.dev");
            exec::run(cluster.kubectl().args([
                "wait",
                "--for=condition=Established",
                "--timeout=60s",
                &name,
            ]))
            .with_context(|| format!("the API server does not serve {name}"))?;
        }
        let mut values = vec![
            format!("images.operator={}", references.operator),
            format!("images.worker={}", references.worker),
            format!("images.trainer={}", references.trainer),
            "imagePullPolicy=IfNotPresent".to_owned(),
        ];
        let networks = source_networks.iter().enumerate();
        values.extend(networks.map(|(i, net)| format!("sources.allowedNetworks[{i}]={net}")));
        let values = Values { set: values, file };
        upgrade(cluster, "foresail", &charts.join("foresail"), &values)?;
        await_operator(cluster)
    })
}

/// Values of a chart.
#[derive(Default)]
struct Values<'a> {
    /// `name=text`.
    set: Vec<String>,
    /// A file of others.
    file: Option<&'a Path>,
}

fn upgrade(cluster: &Cluster<'_>, release: &str, chart: &Path, values: &Values<'_>) -> Result<()> {
    if !chart.join("Chart.yaml").exists() {
        bail!(
            "there is no chart at {}: is the checkout complete?",
            chart.display()
        );
    }
    let mut command = cluster.helm();
    command
        .args(["upgrade", "--install", release])
        .arg(chart)
        .args(["--namespace", NAMESPACE, "--create-namespace"]);
    for value in &values.set {
        command.args(["--set-string", value]);
    }
    if let Some(file) = values.file {
        command.arg("--values").arg(file);
    }
    exec::run(&mut command).with_context(|| format!("cannot install the chart {release}"))
}

fn await_operator(cluster: &Cluster<'_>) -> Result<()> {
    let in_namespace = ["--namespace", NAMESPACE];
    let names = exec::capture(cluster.kubectl().args(in_namespace).args([
        "get",
        "deployments",
        "--output",
        "name",
    ]))?;
    if names.trim().is_empty() {
        bail!("the chart foresail made no Deployment in {NAMESPACE}");
    }
    for name in names.lines() {
        let waited = exec::run(cluster.kubectl().args(in_namespace).args([
            "rollout",
            "status",
            "--timeout=180s",
            name,
        ]));
        waited.with_context(|| {
            let shown = exec::capture(
                cluster
                    .kubectl()
                    .args(in_namespace)
                    .args(["get", "pods,events"]),
            );
            let log = exec::capture(cluster.kubectl().args(in_namespace).args([
                "logs",
                name,
                "--tail=20",
            ]));
            format!(
                "{name} is not ready.\n{}\n{}",
                shown.unwrap_or_default(),
                log.unwrap_or_default()
            )
        })?;
    }
    Ok(())
}

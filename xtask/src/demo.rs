//! `make demo`: from nothing to forecasts, on a node of our own or on a cluster that is already there.

mod facts;
mod follow;
mod report;

use std::fs;
use std::path::PathBuf;

use anyhow::{Context, Result, bail};
use serde_json::Value;

use crate::external::{Backing, External};
use crate::images::{self, Profile};
use crate::install::{self, Cluster};
use crate::{data, diagnostics};
use foresail_node::Paths;
use foresail_node::node::{self, Name, Node};
use foresail_node::progress::{say, step};
use foresail_node::s3::BUCKET;
use foresail_node::{exec, setup, template};

/// Namespace of the demo's Pipelines.
pub const NAMESPACE: &str = "demo";

/// Where the demo runs. Without options: on a node of its own.
#[derive(clap::Args)]
pub struct Options {
    #[command(flatten)]
    cluster: External,
    /// Cargo profile of the programs.
    #[arg(long, value_enum, default_value = "ci")]
    profile: Profile,
}

/// Runs it and leaves everything running.
pub fn run(paths: &Paths, options: &Options) -> Result<()> {
    if options.cluster.context().is_none() {
        return on_node(paths, options.profile);
    }
    let (cluster, backing, _) =
        options
            .cluster
            .install(paths, options.profile, Some(&market(paths)))?;
    let pipelines = play(paths, &cluster, &backing)?;
    report::print(&cluster, &pipelines)
}

fn on_node(paths: &Paths, profile: Profile) -> Result<()> {
    setup::all(paths, || images::compile_beside(paths, profile))?;
    let node = Node::new(paths, Name::Demo);
    node::up::up(&node)?;
    let references = images::for_node(&node, profile)?;
    node::env::write(&node)?;
    data::upload(paths, &node)?;
    let cluster = Cluster::of_node(&node);
    let backing = Backing {
        kafka: node::env::kafka(&node),
        redis: node::env::redis(&node),
        s3: node::env::s3(&node),
    };
    let networks = install::source_networks(&node);
    let played = install::on(&cluster, &references, &networks, Some(&market(paths)))
        .and_then(|()| play(paths, &cluster, &backing));
    let pipelines = played.inspect_err(|_| diagnostics::collect(&node))?;
    report::print(&cluster, &pipelines)?;
    report::print_node(&node);
    Ok(())
}

/// Values with which the chart plays the provider of `examples/demo/provider.yaml`.
fn market(paths: &Paths) -> PathBuf {
    paths.repo.join("examples/demo/chart/values.yaml")
}

/// Applies the examples and follows them to the end.
fn play(paths: &Paths, cluster: &Cluster<'_>, backing: &Backing) -> Result<Vec<Value>> {
    apply_namespace(cluster, backing)?;
    for file in examples(paths)? {
        let values = [
            ("KAFKA", backing.kafka.clone()),
            ("REDIS", backing.redis.clone()),
            ("S3", backing.s3.endpoint.clone()),
            ("BUCKET", BUCKET.to_owned()),
        ];
        let text = template::render_file(&file, &values)?;
        let applied = exec::feed(
            cluster.kubectl().args([
                "apply",
                "--server-side",
                "--namespace",
                NAMESPACE,
                "--filename",
                "-",
            ]),
            &text,
        );
        let lines = applied.with_context(|| format!("cannot apply {}", file.display()))?;
        lines.lines().for_each(|line| say(format!("  {line}")));
    }
    step("following the Pipelines", || follow::until_done(cluster))
}

/// A namespace that only admits restricted pods, and the keys for S3.
fn apply_namespace(cluster: &Cluster<'_>, backing: &Backing) -> Result<()> {
    let manifest = serde_json::json!({"apiVersion": "v1", "kind": "List", "items": [
        {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE, "labels": {"pod-security.kubernetes.io/enforce": "restricted"}}},
        {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s3-credentials", "namespace": NAMESPACE},
         "stringData": {"accessKeyId": backing.s3.access_key, "secretAccessKey": backing.s3.secret_key}},
    ]});
    exec::feed(
        cluster
            .kubectl()
            .args(["apply", "--server-side", "--filename", "-"]),
        &manifest.to_string(),
    )
    .map(drop)
    .with_context(|| format!("cannot make the namespace {NAMESPACE}"))
}

fn examples(paths: &Paths) -> Result<Vec<PathBuf>> {
    let folder = paths.repo.join("examples/demo");
    let entries = fs::read_dir(&folder).with_context(|| {
        format!(
            "cannot read {}: is the checkout complete?",
            folder.display()
        )
    })?;
    let mut files: Vec<PathBuf> = entries
        .flatten()
        .map(|entry| entry.path())
        .filter(|path| path.extension().is_some_and(|end| end == "yaml"))
        .collect();
    files.sort();
    if files.is_empty() {
        bail!("{} holds no .yaml file", folder.display());
    }
    Ok(files)
}

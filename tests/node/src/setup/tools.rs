//! The node's programs, built from Go modules by version.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result};

use super::{go, side_by_side, stamp};
use crate::exec;
use crate::paths::Paths;
use crate::progress::{self, step};
use crate::versions;

const LIMIT: Duration = Duration::from_secs(80 * 60);

/// One Go module and the programs that come out of it.
pub struct Tool {
    name: &'static str,
    version: &'static str,
    packages: &'static [&'static str],
    /// What building it took on two cores.
    seconds: u64,
}

/// `kube-apiserver`, `kube-controller-manager`, `kube-scheduler`, `kubelet`, `kube-proxy`, `kubectl` and `etcd`:
/// `k8s.io/kubernetes` cannot be `go install`ed, so a module of ours names them as tools.
pub const KUBERNETES: Tool = Tool {
    name: "kubernetes",
    version: versions::KUBERNETES,
    packages: &[],
    seconds: 447,
};
/// `containerd`, `containerd-shim-runc-v2`, `ctr`.
pub const CONTAINERD: Tool = Tool {
    name: "containerd",
    version: versions::CONTAINERD,
    packages: &[
        "github.com/containerd/containerd/v2/cmd/containerd",
        "github.com/containerd/containerd/v2/cmd/containerd-shim-runc-v2",
        "github.com/containerd/containerd/v2/cmd/ctr",
    ],
    seconds: 75,
};
/// `helm`.
pub const HELM: Tool = Tool {
    name: "helm",
    version: versions::HELM,
    packages: &["helm.sh/helm/v4/cmd/helm"],
    seconds: 120,
};
/// `metrics-server`.
pub const METRICS_SERVER: Tool = Tool {
    name: "metrics-server",
    version: versions::METRICS_SERVER,
    packages: &["sigs.k8s.io/metrics-server/cmd/metrics-server"],
    seconds: 130,
};
/// `coredns`.
pub const COREDNS: Tool = Tool {
    name: "coredns",
    version: versions::COREDNS,
    packages: &["github.com/coredns/coredns"],
    seconds: 115,
};
/// `versitygw`.
pub const VERSITYGW: Tool = Tool {
    name: "versitygw",
    version: versions::VERSITYGW,
    packages: &["github.com/versity/versitygw/cmd/versitygw"],
    seconds: 60,
};

const INSTALLED: [&Tool; 5] = [&CONTAINERD, &HELM, &METRICS_SERVER, &COREDNS, &VERSITYGW];

impl Tool {
    /// Folder of its programs.
    pub fn folder(&self, paths: &Paths) -> PathBuf {
        paths.tool(self.name, self.version)
    }

    /// Path of one of its programs.
    pub fn program(&self, paths: &Paths, program: &str) -> PathBuf {
        self.folder(paths).join(program)
    }
}

/// Folders of kubectl and helm.
pub fn folders_for_clusters(paths: &Paths) -> String {
    let folders = [KUBERNETES, HELM].map(|tool| tool.folder(paths));
    folders.map(|folder| folder.display().to_string()).join(":")
}

/// A program for clusters that are not ours: this machine's own, or else the one we build.
pub fn own_or_built(paths: &Paths, tool: &Tool, program: &str) -> PathBuf {
    find(program).unwrap_or_else(|| tool.program(paths, program))
}

/// Builds what clusters that are not ours are driven with, where this machine has none.
pub fn build_for_clusters(paths: &Paths) -> Result<()> {
    let (has_kubectl, has_helm) = (find("kubectl").is_some(), find("helm").is_some());
    if has_kubectl && has_helm {
        return Ok(());
    }
    go::require()?;
    if !has_kubectl {
        build_kubernetes(paths)?;
    }
    if !has_helm {
        install(paths, &HELM)?;
    }
    Ok(())
}

fn find(program: &str) -> Option<PathBuf> {
    let path = env::var_os("PATH")?;
    let mut candidates = env::split_paths(&path).map(|folder| folder.join(program));
    candidates.find(|candidate| candidate.is_file())
}

/// Whether something is missing: the first run on a machine, or a raised version.
pub fn are_missing(paths: &Paths) -> bool {
    all().any(|tool| !stamp::is_made(&tool.folder(paths)))
}

fn all() -> impl Iterator<Item = &'static Tool> {
    INSTALLED.into_iter().chain([&KUBERNETES])
}

/// Builds what is missing.
pub fn build_all(paths: &Paths) -> Result<()> {
    for tool in all().filter(|tool| !stamp::is_made(&tool.folder(paths))) {
        progress::expect(tool.seconds);
    }
    // A build ends with a linker that uses one core: the other is for the next build.
    side_by_side([
        Box::new(|| {
            build_kubernetes(paths)?;
            build_pause(paths)
        }),
        Box::new(|| INSTALLED.iter().try_for_each(|tool| install(paths, tool))),
    ])
}

fn build_kubernetes(paths: &Paths) -> Result<()> {
    let module = paths.node_file("kubernetes");
    let flags = format!(
        "-s -w -X k8s.io/component-base/version.gitVersion=v{}",
        versions::KUBERNETES
    );
    let recipe = format!(
        "go build {} -ldflags \"{flags}\" tool, go.mod {}",
        go::FLAGS,
        exec::sha256(&module.join("go.mod"))?
    );
    stamp::folder(&KUBERNETES.folder(paths), &recipe, |part| {
        step(
            &format!("building Kubernetes {} and etcd", versions::KUBERNETES),
            || {
                let mut command = go::command(&module);
                command
                    .arg("build")
                    .args(["-ldflags", &flags])
                    .arg("-o")
                    .arg(part)
                    .arg("tool");
                exec::long(
                    &mut command,
                    "Kubernetes",
                    &paths.setup_log("kubernetes"),
                    LIMIT,
                )?;
                progress::done(KUBERNETES.seconds);
                // etcd's main package is called `server`.
                fs::rename(part.join("server"), part.join("etcd"))
                    .context("the Kubernetes build made no etcd")
            },
        )
    })
}

fn install(paths: &Paths, tool: &Tool) -> Result<()> {
    let packages: Vec<String> = tool
        .packages
        .iter()
        .map(|package| format!("{package}@v{}", tool.version))
        .collect();
    let recipe = format!(
        "go install {} -ldflags \"-s -w\" {}",
        go::FLAGS,
        packages.join(" ")
    );
    stamp::folder(&tool.folder(paths), &recipe, |part| {
        step(&format!("building {} {}", tool.name, tool.version), || {
            let mut command = go::command(part);
            command
                .env("GOBIN", part)
                .args(["install", "-ldflags", "-s -w"])
                .args(&packages);
            exec::long(&mut command, tool.name, &paths.setup_log(tool.name), LIMIT)?;
            progress::done(tool.seconds);
            Ok(())
        })
    })
}

/// Folder of the program that holds each pod's namespaces.
pub fn pause_folder(paths: &Paths) -> PathBuf {
    paths.tool("pause", versions::KUBERNETES)
}

fn build_pause(paths: &Paths) -> Result<()> {
    stamp::folder(
        &pause_folder(paths),
        "gcc -Os -static build/pause/linux/pause.c",
        |part| {
            step("building pause", || {
                let source = kubernetes_source(paths)?.join("build/pause/linux/pause.c");
                let version = format!("-DVERSION={}", versions::KUBERNETES);
                exec::run(
                    Command::new("gcc")
                        .args(["-Os", "-static", "-s", &version, "-o"])
                        .arg(part.join("pause"))
                        .arg(source),
                )
            })
        },
    )
}

fn kubernetes_source(paths: &Paths) -> Result<PathBuf> {
    let module = paths.node_file("kubernetes");
    exec::run(go::command(&module).args(["mod", "download", "k8s.io/kubernetes"]))?;
    let folder = exec::capture(go::command(&module).args([
        "list",
        "-m",
        "-f",
        "{{.Dir}}",
        "k8s.io/kubernetes",
    ]))?;
    Ok(Path::new(folder.trim()).to_path_buf())
}

//! A real Kubernetes node with Kafka, Redis and S3 beside it, in a network namespace of its own.
//! `demo` and `test` differ in every address, folder and cgroup, so both can run at once.

mod addons;
mod cgroup;
pub mod component;
pub mod control;
pub mod down;
pub mod env;
mod launch;
mod network;
mod own_images;
mod pki;
mod process;
pub mod up;

use std::fs::{self, File};
use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result};

use crate::exec;
use crate::paths::Paths;
use crate::setup::tools;

/// Which node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Name {
    /// What `make demo` leaves running.
    Demo,
    /// What `make test` uses.
    Test,
}

impl Name {
    /// Every node there can be.
    pub const ALL: [Name; 2] = [Name::Demo, Name::Test];

    /// As it is written: [`Node::name`].
    pub fn text(self) -> &'static str {
        match self {
            Name::Demo => "demo",
            Name::Test => "test",
        }
    }

    /// The number that keeps its addresses apart.
    fn number(self) -> u8 {
        match self {
            Name::Demo => 77,
            Name::Test => 78,
        }
    }
}

/// Addresses, names and folders of one node.
#[derive(Clone, Debug)]
pub struct Node {
    /// Where the rest of the machine's things lie.
    pub paths: Paths,
    /// Which one it is.
    pub name: &'static str,
    /// Its state folder.
    pub state: PathBuf,
    /// Sockets and mounts, which need a short path.
    pub run: PathBuf,
    number: u8,
}

impl Node {
    /// Describes the node; starts nothing.
    pub fn new(paths: &Paths, name: Name) -> Self {
        let text = name.text();
        Self {
            paths: paths.clone(),
            name: text,
            state: paths.state.join(text),
            run: PathBuf::from("/run/foresail").join(text),
            number: name.number(),
        }
    }

    /// Its address: the API server, node ports, Kafka, Redis and S3 answer here.
    pub fn ip(&self) -> String {
        format!("192.168.{}.2", self.number)
    }

    /// The machine's end of the cable.
    pub fn host_ip(&self) -> String {
        format!("192.168.{}.1", self.number)
    }

    /// The network both ends are in.
    pub fn subnet(&self) -> String {
        format!("192.168.{}.0/24", self.number)
    }

    /// Addresses of all pods.
    pub fn pod_cidr(&self) -> String {
        format!("10.{}.0.0/16", self.number)
    }

    /// Addresses of this node's pods.
    pub fn pod_range(&self) -> String {
        format!("10.{}.0.0/24", self.number)
    }

    /// Addresses of Services.
    pub fn service_cidr(&self) -> String {
        format!("10.1{}.0.0/16", self.number)
    }

    /// The Service address `offset` after the first.
    pub fn service_ip(&self, offset: u8) -> String {
        format!("10.1{}.0.{offset}", self.number)
    }

    /// Network namespace and cgroup.
    pub fn isolation_name(&self) -> String {
        format!("foresail-{}", self.name)
    }

    /// Path that `nsenter --net=` takes.
    pub fn netns(&self) -> PathBuf {
        PathBuf::from("/run/netns").join(self.isolation_name())
    }

    /// Its name in the cluster.
    pub fn cluster_name(&self) -> String {
        format!("foresail-{}", self.name)
    }

    /// Kubeconfig of the administrator.
    pub fn kubeconfig(&self) -> PathBuf {
        self.state.join("pki/admin.kubeconfig")
    }

    /// Log of one of its parts.
    pub fn log(&self, part: &str) -> PathBuf {
        self.state.join("log").join(format!("{part}.log"))
    }

    /// `kubectl` with a limit on every call.
    pub fn kubectl(&self) -> Command {
        let mut command = exec::bounded(60, tools::KUBERNETES.program(&self.paths, "kubectl"));
        command
            .arg("--request-timeout=20s")
            .arg("--kubeconfig")
            .arg(self.kubeconfig());
        command
    }

    /// A program run inside the node's network.
    pub fn inside(&self, seconds: u32, program: &str) -> Command {
        let mut command = exec::bounded(seconds, "nsenter");
        command
            .arg(format!("--net={}", self.netns().display()))
            .arg("--")
            .arg(program);
        command
    }

    /// Keeps other runs of `up` and `down` for this node waiting.
    fn lock(&self) -> Result<File> {
        fs::create_dir_all(&self.paths.state).with_context(|| {
            format!(
                "cannot create {}: set FORESAIL_STATE to a writable folder",
                self.paths.state.display()
            )
        })?;
        let file = File::create(self.paths.state.join(format!("{}.lock", self.name)))?;
        file.lock()
            .with_context(|| format!("cannot lock node {}", self.name))?;
        Ok(file)
    }
}

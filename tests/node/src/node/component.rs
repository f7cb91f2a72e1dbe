//! The parts of a node that run as processes of the machine.

use anyhow::{Result, bail};
use clap::ValueEnum;

use super::Node;
use crate::exec;
use crate::setup::tools;

use std::net::{SocketAddr, TcpStream};
use std::process::Command;
use std::time::Duration;

/// One process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Component {
    /// The store behind the API server.
    Etcd,
    /// kube-apiserver.
    Apiserver,
    /// kube-controller-manager.
    ControllerManager,
    /// kube-scheduler.
    Scheduler,
    /// The container runtime.
    Containerd,
    /// The kubelet.
    Kubelet,
    /// kube-proxy.
    KubeProxy,
    /// CoreDNS.
    Dns,
    /// Redis.
    Redis,
    /// The S3 server.
    S3,
    /// The Kafka broker.
    Kafka,
}

impl Component {
    /// In the order they are started.
    pub const ALL: [Component; 11] = [
        Component::Etcd,
        Component::Containerd,
        Component::Redis,
        Component::S3,
        Component::Kafka,
        Component::Apiserver,
        Component::ControllerManager,
        Component::Scheduler,
        Component::Kubelet,
        Component::KubeProxy,
        Component::Dns,
    ];

    /// As on the command line; also the name of its log and pid file.
    pub fn name(self) -> &'static str {
        match self {
            Component::Etcd => "etcd",
            Component::Apiserver => "apiserver",
            Component::ControllerManager => "controller-manager",
            Component::Scheduler => "scheduler",
            Component::Containerd => "containerd",
            Component::Kubelet => "kubelet",
            Component::KubeProxy => "kube-proxy",
            Component::Dns => "dns",
            Component::Redis => "redis",
            Component::S3 => "s3",
            Component::Kafka => "kafka",
        }
    }

    /// Whether it serves.
    pub fn is_ready(self, node: &Node) -> bool {
        match self {
            Component::Etcd => exec::succeeds(node.inside(5, "curl").args([
                "--silent",
                "--fail",
                "http://127.0.0.1:2379/health",
            ])),
            Component::Apiserver => {
                exec::succeeds(node.kubectl().args(["get", "--raw", "/readyz"]))
            }
            Component::Containerd => exec::succeeds(ctr(node).arg("version")),
            Component::ControllerManager => listens(node, 10257),
            Component::Scheduler => listens(node, 10259),
            Component::Kubelet => listens(node, 10250),
            Component::KubeProxy => listens(node, 10256),
            Component::Dns => listens(node, 53),
            Component::Redis => listens(node, 6379),
            Component::S3 => listens(node, 7070),
            Component::Kafka => listens(node, 9092),
        }
    }
}

/// containerd's own client.
pub fn ctr(node: &Node) -> Command {
    let mut command = exec::bounded(120, tools::CONTAINERD.program(&node.paths, "ctr"));
    command
        .arg("--address")
        .arg(node.run.join("containerd.sock"))
        .args(["--namespace", "k8s.io"]);
    command
}

fn listens(node: &Node, port: u16) -> bool {
    address(node, port).is_ok_and(|address| {
        TcpStream::connect_timeout(&address, Duration::from_millis(500)).is_ok()
    })
}

fn address(node: &Node, port: u16) -> Result<SocketAddr> {
    match format!("{}:{port}", node.ip()).parse() {
        Ok(address) => Ok(address),
        Err(error) => bail!("node {} has no usable address: {error}", node.name),
    }
}

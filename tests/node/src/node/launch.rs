//! How each part is started: its command line, its environment and the files it reads.

use std::fs;
use std::path::PathBuf;

use anyhow::{Context, Result};

use super::Node;
use super::component::Component;
use super::own_images;
use crate::exec;
use crate::s3;
use crate::setup::{self, tools};
use crate::template;

/// Where the node's programs find others.
pub const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// What to start. Equal launches have equal digests, so a changed one is noticed.
#[derive(Debug, Hash)]
pub struct Launch {
    /// Program and arguments.
    pub argv: Vec<String>,
    /// Environment beyond PATH and HOME.
    pub env: Vec<(&'static str, String)>,
    /// Configuration files and their text.
    pub files: Vec<(PathBuf, String)>,
}

/// Makes the folders of a node.
pub fn prepare_folders(node: &Node) -> Result<()> {
    for folder in [
        "log",
        "run",
        "etc",
        "pki",
        "etcd",
        "cni",
        "kafka",
        "redis",
        "s3/data",
        "s3/sidecar",
        "kubelet",
    ] {
        let path = node.state.join(folder);
        fs::create_dir_all(&path).with_context(|| format!("cannot create {}", path.display()))?;
    }
    fs::create_dir_all(&node.run).with_context(|| format!("cannot create {}", node.run.display()))
}

/// Describes how `component` is started.
pub fn new(node: &Node, component: Component) -> Result<Launch> {
    match component {
        Component::Etcd => Ok(etcd(node)),
        Component::Apiserver => apiserver(node),
        Component::ControllerManager => Ok(controller_manager(node)),
        Component::Scheduler => Ok(scheduler(node)),
        Component::Containerd => containerd(node),
        Component::Kubelet => kubelet(node),
        Component::KubeProxy => kube_proxy(node),
        Component::Dns => dns(node),
        Component::Redis => redis(node),
        Component::S3 => Ok(s3_server(node)),
        Component::Kafka => kafka(node),
    }
}

/// What has to happen once before the first start.
pub fn prepare(node: &Node, component: Component) -> Result<()> {
    if component == Component::Kafka && !node.state.join("kafka/meta.properties").exists() {
        let config = node.state.join("etc/kafka.properties");
        let mut command = exec::bounded(60, "java");
        command.arg("-cp").arg(class_path(node)).args([
            "kafka.tools.StorageTool",
            "format",
            "--cluster-id",
            "Zm9yZXNhaWwtbm9kZS0wMQ",
            "--config",
        ]);
        exec::run(command.arg(config)).context("cannot format Kafka's log folder")?;
    }
    Ok(())
}

fn etcd(node: &Node) -> Launch {
    launch(kubernetes(node, "etcd"))
        .flag("--data-dir", state(node, "etcd"))
        .flag("--listen-client-urls", "http://127.0.0.1:2379")
        .flag("--advertise-client-urls", "http://127.0.0.1:2379")
        .flag("--listen-peer-urls", "http://127.0.0.1:2380")
        .flag("--unsafe-no-fsync", "true")
        .flag("--log-level", "warn")
}

fn apiserver(node: &Node) -> Result<Launch> {
    let pki = |file: &str| state(node, &format!("pki/{file}"));
    let launch = launch(kubernetes(node, "kube-apiserver"))
        .flag("--etcd-servers", "http://127.0.0.1:2379")
        .flag("--advertise-address", node.ip())
        .flag("--secure-port", "6443")
        .flag("--service-cluster-ip-range", node.service_cidr())
        .flag("--authorization-mode", "Node,RBAC")
        .flag("--client-ca-file", pki("ca.crt"))
        .flag("--tls-cert-file", pki("apiserver.crt"))
        .flag("--tls-private-key-file", pki("apiserver.key"))
        .flag("--service-account-key-file", pki("sa.pub"))
        .flag("--service-account-signing-key-file", pki("sa.key"))
        .flag(
            "--service-account-issuer",
            "https://kubernetes.default.svc.cluster.local",
        )
        .flag("--kubelet-client-certificate", pki("admin.crt"))
        .flag("--kubelet-client-key", pki("admin.key"))
        .flag("--kubelet-preferred-address-types", "InternalIP")
        .flag("--proxy-client-cert-file", pki("front.crt"))
        .flag("--proxy-client-key-file", pki("front.key"))
        .flag("--requestheader-client-ca-file", pki("ca.crt"))
        .flag("--requestheader-allowed-names", "front-proxy")
        .flag("--requestheader-extra-headers-prefix", "X-Remote-Extra-")
        .flag("--requestheader-group-headers", "X-Remote-Group")
        .flag("--requestheader-username-headers", "X-Remote-User")
        .flag("--enable-aggregator-routing", "true")
        .flag("--allow-privileged", "true")
        .flag("--audit-policy-file", state(node, "etc/audit-policy.yaml"))
        .flag("--audit-log-path", state(node, "log/audit.log"))
        .flag("--audit-log-maxsize", "200")
        .flag("--audit-log-maxbackup", "2");
    launch.file(node, "audit-policy.yaml")
}

fn controller_manager(node: &Node) -> Launch {
    launch(kubernetes(node, "kube-controller-manager"))
        .flag("--kubeconfig", state(node, "pki/kcm.kubeconfig"))
        .flag("--use-service-account-credentials", "true")
        .flag(
            "--service-account-private-key-file",
            state(node, "pki/sa.key"),
        )
        .flag("--root-ca-file", state(node, "pki/ca.crt"))
        .flag("--allocate-node-cidrs", "true")
        .flag("--cluster-cidr", node.pod_cidr())
        .flag("--leader-elect", "false")
        // Autoscaling fast enough to be watched.
        .flag("--horizontal-pod-autoscaler-sync-period", "5s")
        .flag("--horizontal-pod-autoscaler-downscale-stabilization", "30s")
        .flag(
            "--horizontal-pod-autoscaler-cpu-initialization-period",
            "10s",
        )
        .flag("--horizontal-pod-autoscaler-initial-readiness-delay", "5s")
}

fn scheduler(node: &Node) -> Launch {
    launch(kubernetes(node, "kube-scheduler"))
        .flag("--kubeconfig", state(node, "pki/scheduler.kubeconfig"))
        .flag("--leader-elect", "false")
}

fn containerd(node: &Node) -> Result<Launch> {
    let folder = tools::CONTAINERD.folder(&node.paths);
    let path = format!("{}:{}", folder.display(), PATH);
    let mut launch =
        launch(folder.join("containerd")).flag("--config", state(node, "etc/containerd.toml"));
    launch.env.push(("PATH", path));
    let cni = template::render_file(&node.paths.node_file("configs/cni.conflist"), &values(node))?;
    launch
        .files
        .push((node.state.join("cni/10-foresail.conflist"), cni));
    launch.file(node, "containerd.toml")
}

fn kubelet(node: &Node) -> Result<Launch> {
    let mut launch = launch(kubernetes(node, "kubelet"))
        .flag("--config", state(node, "etc/kubelet.yaml"))
        .flag("--kubeconfig", state(node, "pki/kubelet.kubeconfig"))
        .flag("--hostname-override", node.cluster_name())
        .flag("--node-ip", node.ip())
        .flag("--root-dir", state(node, "kubelet"))
        .flag("--cert-dir", state(node, "kubelet/pki"));
    launch.files.push((
        node.state.join("resolv.conf"),
        format!("nameserver {}\n", node.ip()),
    ));
    launch.file(node, "kubelet.yaml")
}

fn kube_proxy(node: &Node) -> Result<Launch> {
    launch(kubernetes(node, "kube-proxy"))
        .flag("--config", state(node, "etc/kube-proxy.yaml"))
        .file(node, "kube-proxy.yaml")
}

fn dns(node: &Node) -> Result<Launch> {
    launch(tools::COREDNS.program(&node.paths, "coredns"))
        .word("-conf")
        .word(state(node, "etc/Corefile"))
        .file(node, "Corefile")
}

fn redis(node: &Node) -> Result<Launch> {
    launch(PathBuf::from("redis-server"))
        .word(state(node, "etc/redis.conf"))
        .file(node, "redis.conf")
}

fn s3_server(node: &Node) -> Launch {
    let mut launch = launch(tools::VERSITYGW.program(&node.paths, "versitygw"));
    launch = launch
        .word("--port")
        .word(format!("{}:7070", node.ip()))
        .word("--health")
        .word("/health")
        .word("--quiet");
    launch = launch
        .word("posix")
        .word("--sidecar")
        .word(state(node, "s3/sidecar"))
        .word(state(node, "s3/data"));
    launch.env = vec![
        ("ROOT_ACCESS_KEY", s3::ACCESS_KEY.into()),
        ("ROOT_SECRET_KEY", s3::SECRET_KEY.into()),
    ];
    launch
}

fn kafka(node: &Node) -> Result<Launch> {
    let mut launch = launch(PathBuf::from("java"));
    for word in [
        "-Xms128m",
        "-Xmx384m",
        "-XX:+UseSerialGC",
        "-XX:TieredStopAtLevel=1",
        "-Dorg.slf4j.simpleLogger.showDateTime=true",
        "-Dorg.slf4j.simpleLogger.dateTimeFormat=yyyy-MM-dd'T'HH:mm:ss.SSS",
        "-cp",
    ] {
        launch = launch.word(word);
    }
    launch
        .word(class_path(node))
        .word("kafka.Kafka")
        .word(state(node, "etc/kafka.properties"))
        .file(node, "kafka.properties")
}

fn class_path(node: &Node) -> String {
    format!("{}/*", setup::jars(&node.paths).display())
}

fn kubernetes(node: &Node, program: &str) -> PathBuf {
    tools::KUBERNETES.program(&node.paths, program)
}

fn state(node: &Node, relative: &str) -> String {
    node.state.join(relative).display().to_string()
}

/// What the templates under `tests/node` may name.
pub fn values(node: &Node) -> Vec<(&'static str, String)> {
    vec![
        ("NAME", node.name.to_owned()),
        ("NODE_NAME", node.cluster_name()),
        ("NODE_IP", node.ip()),
        ("DNS_IP", node.service_ip(10)),
        ("POD_CIDR", node.pod_cidr()),
        ("POD_RANGE", node.pod_range()),
        ("BRIDGE", format!("fs-{}-br", node.name)),
        ("CGROUP", node.isolation_name()),
        ("STATE", node.state.display().to_string()),
        ("RUN", node.run.display().to_string()),
        ("PAUSE_IMAGE", own_images::pause(node).reference),
        ("IMAGE", own_images::metrics_server(node).reference),
    ]
}

fn launch(program: PathBuf) -> Launch {
    Launch {
        argv: vec![program.display().to_string()],
        env: Vec::new(),
        files: Vec::new(),
    }
}

impl Launch {
    fn word(mut self, word: impl Into<String>) -> Self {
        self.argv.push(word.into());
        self
    }

    fn flag(self, name: &str, value: impl Into<String>) -> Self {
        let value = value.into();
        self.word(format!("{name}={value}"))
    }

    /// Adds `tests/node/configs/<name>`, filled in, as `etc/<name>`.
    fn file(mut self, node: &Node, name: &str) -> Result<Self> {
        let text = template::render_file(
            &node.paths.node_file(&format!("configs/{name}")),
            &values(node),
        )?;
        self.files.push((node.state.join("etc").join(name), text));
        Ok(self)
    }
}

//! Starts a node, or repairs what has died. Called by `cargo xtask up`, the demo and the tests.

use std::time::Duration;

use anyhow::{Context, Result};

use super::component::Component;
use super::{Node, addons, cgroup, control, env, launch, network, pki};
use crate::exec;
use crate::progress::{say, step};
use crate::setup;

/// Starts what does not run, waits until pods can be scheduled and measured, writes the `env` file.
pub fn up(node: &Node) -> Result<()> {
    setup::require_root()?;
    let _lock = node.lock()?;
    step(&format!("node {}", node.name), || {
        network::up(node)?;
        cgroup::up(&node.isolation_name())?;
        launch::prepare_folders(node)?;
        pki::make(node)?;
        control::ensure(
            node,
            &[
                Component::Etcd,
                Component::Containerd,
                Component::Redis,
                Component::S3,
                Component::Kafka,
            ],
        )?;
        control::await_ready(node, &[Component::Etcd, Component::Containerd])?;
        control::ensure(node, &[Component::Apiserver])?;
        addons::load_images(node)?;
        control::await_ready(node, &[Component::Apiserver])?;
        control::ensure(node, &Component::ALL)?;
        control::await_ready(node, &Component::ALL)?;
        addons::apply(node)?;
        await_node(node)?;
        addons::await_metrics(node)
    })?;
    env::write(node)?;
    say(format!(
        "node {} is ready: {} (cgroup v{}); load its settings with `. {}`",
        node.name,
        node.ip(),
        cgroup::version()?,
        env::file(node).display()
    ));
    Ok(())
}

fn await_node(node: &Node) -> Result<()> {
    let ready = exec::wait_until(
        &format!("node {} Ready", node.name),
        Duration::from_secs(90),
        || {
            let path = "jsonpath={.status.conditions[?(@.type=='Ready')].status}";
            Ok(exec::capture(node.kubectl().args([
                "get",
                "node",
                &node.cluster_name(),
                "-o",
                path,
            ]))
            .is_ok_and(|text| text == "True"))
        },
    );
    ready.with_context(|| {
        format!(
            "last lines of the kubelet:\n{}",
            exec::tail_of(&node.log("kubelet"), 15)
        )
    })
}

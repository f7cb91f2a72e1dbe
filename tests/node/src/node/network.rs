//! The node's network namespace, the cable to it, and routes to its pods and Services.

use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, bail};

use super::Node;
use crate::exec;

/// Makes what is missing.
pub fn up(node: &Node) -> Result<()> {
    let cable = cable(node);
    if !node.netns().exists() {
        exec::run(Command::new("ip").args(["netns", "add", &node.isolation_name()]))?;
        remove_cable(node);
    }
    if !Path::new("/sys/class/net").join(&cable).exists() {
        refuse_taken_subnet(node)?;
        connect(node)
            .with_context(|| format!("cannot connect the network of node {}", node.name))?;
    }
    for destination in [node.pod_cidr(), node.service_cidr()] {
        exec::run(Command::new("ip").args([
            "route",
            "replace",
            &destination,
            "via",
            &node.ip(),
            "dev",
            &cable,
        ]))?;
    }
    settings(node)
}

/// Removes namespace and cable, with every interface, rule and chain inside.
pub fn down(node: &Node) -> Result<()> {
    remove_cable(node);
    if node.netns().exists() {
        exec::run(Command::new("ip").args(["netns", "delete", &node.isolation_name()]))?;
    }
    Ok(())
}

fn cable(node: &Node) -> String {
    format!("fs-{}0", node.name)
}

fn remove_cable(node: &Node) {
    exec::succeeds(Command::new("ip").args(["link", "delete", &cable(node)]));
}

fn refuse_taken_subnet(node: &Node) -> Result<()> {
    let subnet = node.subnet();
    let taken =
        exec::capture(Command::new("ip").args(["-4", "route", "show", "to", "root", &subnet]))?;
    let taken: Vec<&str> = taken
        .lines()
        .filter(|route| !route.starts_with("default"))
        .collect();
    if !taken.is_empty() {
        bail!(
            "the subnet {subnet} of node {} is in use on this machine (`{}`): free it first",
            node.name,
            taken.join("; ")
        );
    }
    Ok(())
}

fn connect(node: &Node) -> Result<()> {
    let name = node.isolation_name();
    let cable = cable(node);
    let (host, inner) = (
        format!("{}/24", node.host_ip()),
        format!("{}/24", node.ip()),
    );
    let gateway = node.host_ip();
    let calls: [&[&str]; 7] = [
        &[
            "link", "add", &cable, "type", "veth", "peer", "name", "eth0", "netns", &name,
        ],
        &["addr", "add", &host, "dev", &cable],
        &["link", "set", &cable, "up"],
        &["-n", &name, "addr", "add", &inner, "dev", "eth0"],
        &["-n", &name, "link", "set", "eth0", "up"],
        &["-n", &name, "link", "set", "lo", "up"],
        &["-n", &name, "route", "replace", "default", "via", &gateway],
    ];
    calls
        .iter()
        .try_for_each(|call| exec::run(Command::new("ip").args(*call)))
}

fn settings(node: &Node) -> Result<()> {
    if !Path::new("/proc/sys/net/bridge").exists() {
        // Built in on some kernels; where it is a module, nobody has loaded it yet.
        exec::succeeds(Command::new("modprobe").arg("br_netfilter"));
    }
    exec::run(node.inside(10, "sysctl").args([
        "-qw",
        "net.ipv4.ip_forward=1",
        "net.ipv4.conf.all.route_localnet=1",
        "net.bridge.bridge-nf-call-iptables=1",
    ]))
    .context("cannot set the node's network options: the kernel needs br_netfilter")
}

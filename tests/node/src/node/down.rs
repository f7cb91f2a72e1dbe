//! Takes a node away: every process, mount, network namespace, cgroup and file that was made for it, and nothing else.
//! Logs and diagnostics stay.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result};

use super::component::Component;
use super::process::Record;
use super::{Name, Node, cgroup, control, network};
use crate::exec;
use crate::paths::Paths;
use crate::progress::{say, step};
use crate::setup;

const KEPT: [&str; 2] = ["log", "diagnostics"];

/// Takes down one node, or all of them.
pub fn stop_all(paths: &Paths, name: Option<Name>) -> Result<()> {
    setup::require_root()?;
    for name in Name::ALL
        .into_iter()
        .filter(|candidate| name.is_none_or(|wanted| wanted == *candidate))
    {
        stop(&Node::new(paths, name))?;
    }
    Ok(())
}

fn stop(node: &Node) -> Result<()> {
    let lock = node.lock()?;
    if !node.state.exists()
        && !node.netns().exists()
        && cgroup::processes(&node.isolation_name())?.is_empty()
    {
        say(format!("node {} is not there", node.name));
        return Ok(());
    }
    step(&format!("taking down node {}", node.name), || {
        // First whoever would start something again.
        control::stop(node, Component::Kubelet)?;
        let sockets = shim_sockets(node)?;
        end_processes(node)?;
        sockets
            .iter()
            .for_each(|socket| drop(fs::remove_file(socket)));
        unmount(node)?;
        network::down(node)?;
        cgroup::down(&node.isolation_name())?;
        remove_traces(node)?;
        remove_state(node)
    })?;
    drop(lock);
    Ok(())
}

fn end_processes(node: &Node) -> Result<()> {
    for component in Component::ALL {
        if let Some(record) = Record::living(node, component.name()) {
            record.signal(node, component.name(), "KILL")?;
        }
    }
    let name = node.isolation_name();
    exec::wait_until(
        &format!("the end of the processes of node {}", node.name),
        Duration::from_secs(30),
        || {
            let pids = cgroup::processes(&name)?;
            if pids.is_empty() {
                return Ok(true);
            }
            // Some end by themselves between listing and killing.
            exec::succeeds(
                Command::new("kill")
                    .arg("-KILL")
                    .args(pids.iter().map(u32::to_string)),
            );
            Ok(false)
        },
    )
}

/// Sockets of this node's container shims: they lie in a folder that every containerd shares.
fn shim_sockets(node: &Node) -> Result<BTreeSet<PathBuf>> {
    let mut sockets = BTreeSet::new();
    for pid in cgroup::processes(&node.isolation_name())? {
        let program = fs::read_link(format!("/proc/{pid}/exe"));
        if program.is_ok_and(|program| program.ends_with("containerd-shim-runc-v2")) {
            sockets.extend(sockets_of(pid));
        }
    }
    Ok(sockets)
}

fn sockets_of(pid: u32) -> Vec<PathBuf> {
    let descriptors = fs::read_dir(format!("/proc/{pid}/fd"))
        .into_iter()
        .flatten()
        .flatten();
    let inodes: BTreeSet<String> = descriptors
        .filter_map(|entry| {
            fs::read_link(entry.path())
                .ok()?
                .to_str()?
                .strip_prefix("socket:[")?
                .strip_suffix(']')
                .map(str::to_owned)
        })
        .collect();
    // The table of the process' own network namespace: number, references, protocol, flags, type, state, inode, path.
    let table = fs::read_to_string(format!("/proc/{pid}/net/unix")).unwrap_or_default();
    let rows = table
        .lines()
        .map(|line| line.split_whitespace().collect::<Vec<_>>());
    let ours = rows.filter(|row| row.get(6).is_some_and(|inode| inodes.contains(*inode)));
    ours.filter_map(|row| row.get(7).map(PathBuf::from))
        .filter(|path| path.starts_with("/run/containerd/s"))
        .collect()
}

fn unmount(node: &Node) -> Result<()> {
    exec::wait_until(
        &format!("the end of the mounts of node {}", node.name),
        Duration::from_secs(20),
        || {
            let mounts =
                fs::read_to_string("/proc/self/mounts").context("cannot read /proc/self/mounts")?;
            let points = mounts
                .lines()
                .filter_map(|line| line.split(' ').nth(1))
                .map(unescape);
            let mut ours: Vec<String> = points
                .filter(|point| {
                    Path::new(point).starts_with(&node.state)
                        || Path::new(point).starts_with(&node.run)
                })
                .collect();
            ours.reverse();
            for point in &ours {
                exec::succeeds(Command::new("umount").arg(point));
            }
            Ok(ours.is_empty())
        },
    )
}

/// Mount tables write spaces and the like in octal.
fn unescape(point: &str) -> String {
    point
        .replace("\\040", " ")
        .replace("\\011", "\t")
        .replace("\\012", "\n")
        .replace("\\134", "\\")
}

/// What kubelet and CNI leave in folders that are not ours.
fn remove_traces(node: &Node) -> Result<()> {
    for link in files_of("/var/log/containers") {
        if fs::read_link(&link).is_ok_and(|target| target.starts_with(&node.state)) {
            fs::remove_file(&link).with_context(|| format!("cannot remove {}", link.display()))?;
        }
    }
    // CNI remembers each pod's network, with the path of its namespace.
    let ours = node.run.display().to_string();
    for result in files_of("/var/lib/cni/results") {
        if fs::read_to_string(&result).is_ok_and(|text| text.contains(&ours)) {
            fs::remove_file(&result)
                .with_context(|| format!("cannot remove {}", result.display()))?;
        }
    }
    Ok(())
}

fn files_of(folder: &str) -> Vec<PathBuf> {
    fs::read_dir(folder)
        .into_iter()
        .flatten()
        .flatten()
        .map(|entry| entry.path())
        .collect()
}

fn remove_state(node: &Node) -> Result<()> {
    let entries = files_of(&node.state.display().to_string());
    for entry in entries
        .into_iter()
        .filter(|entry| !KEPT.iter().any(|kept| entry.ends_with(kept)))
    {
        let removed = if entry.is_dir() {
            fs::remove_dir_all(&entry)
        } else {
            fs::remove_file(&entry)
        };
        removed.with_context(|| format!("cannot remove {}", entry.display()))?;
    }
    if node.run.exists() {
        fs::remove_dir_all(&node.run)
            .with_context(|| format!("cannot remove {}", node.run.display()))?;
    }
    Ok(())
}

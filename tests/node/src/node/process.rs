//! Processes that outlive us: started in the node's network and cgroup, found again by pid and start time.
//! The start time proves that a pid was not given to somebody else meanwhile.

use std::fs::{self, OpenOptions};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};

use super::Node;
use super::cgroup;
use super::launch::{Launch, PATH};
use crate::exec;

const LOG_LIMIT_BYTES: u64 = 64 << 20;

/// What was started.
#[derive(Debug, Serialize, Deserialize)]
pub struct Record {
    /// Its pid.
    pub pid: u32,
    /// When it started, in clock ticks since the machine did.
    start_ticks: u64,
    /// Digest of its launch.
    digest: u64,
}

impl Record {
    /// The record of a part, when there is one and its process still lives.
    pub fn living(node: &Node, part: &str) -> Option<Self> {
        let text = fs::read_to_string(record_file(node, part)).ok()?;
        let record: Self = serde_json::from_str(&text).ok()?;
        (start_ticks(record.pid)? == record.start_ticks).then_some(record)
    }

    /// Whether it was started the way `launch` says.
    pub fn matches(&self, launch: &Launch) -> bool {
        self.digest == digest(launch)
    }

    /// Sends a signal (`KILL`, `TERM`, `STOP`, `CONT`).
    pub fn signal(&self, node: &Node, part: &str, signal: &str) -> Result<()> {
        if Self::living(node, part).is_none() {
            return Ok(());
        }
        let sent =
            exec::run(Command::new("kill").args([&format!("-{signal}"), &self.pid.to_string()]));
        match sent {
            Err(error) if Self::living(node, part).is_some() => Err(error),
            _ => Ok(()),
        }
    }

    /// Waits until it is gone.
    pub fn await_end(&self, node: &Node, part: &str, limit: Duration) -> Result<()> {
        exec::wait_until(&format!("end of {part} (pid {})", self.pid), limit, || {
            Ok(Self::living(node, part).is_none())
        })
    }
}

/// Starts a part: own session, node's cgroup, node's network.
pub fn start(node: &Node, part: &str, launch: &Launch) -> Result<()> {
    let log = node.log(part);
    if fs::metadata(&log).is_ok_and(|file| file.len() > LOG_LIMIT_BYTES) {
        fs::rename(&log, log.with_extension("log.old"))
            .with_context(|| format!("cannot rotate {}", log.display()))?;
    }
    let file = OpenOptions::new()
        .create(true)
        .append(true)
        .open(&log)
        .with_context(|| format!("cannot write {}", log.display()))?;
    let mut command = Command::new("setsid");
    command
        .args(["sh", "-c", r#"echo $$ > "$0" && exec "$@""#])
        .arg(cgroup::process_file(&node.isolation_name())?);
    command
        .arg("nsenter")
        .arg(format!("--net={}", node.netns().display()))
        .arg("--")
        .args(&launch.argv);
    command
        .env_clear()
        .env("PATH", PATH)
        .env("HOME", "/root")
        // Most programs of the node are written in Go, and a node has more memory than processor time.
        .env("GOGC", "300")
        .envs(launch.env.iter().map(|(key, value)| (*key, value.as_str())));
    command
        .current_dir(&node.state)
        .stdin(Stdio::null())
        .stdout(file.try_clone()?)
        .stderr(file);
    let child = command.spawn().with_context(|| {
        format!(
            "cannot start {part} of node {}: is util-linux installed?",
            node.name
        )
    })?;
    let pid = child.id();
    let start_ticks = start_ticks(pid).with_context(|| {
        format!(
            "{part} of node {} ended at once\n{}",
            node.name,
            exec::tail_of(&log, 15)
        )
    })?;
    let record = Record {
        pid,
        start_ticks,
        digest: digest(launch),
    };
    exec::write(
        &node.state.join("run").join(format!("{part}.pid")),
        format!("{pid}\n"),
    )?;
    exec::write(&record_file(node, part), serde_json::to_string(&record)?)
}

/// When a living process started; nothing for a dead one.
fn start_ticks(pid: u32) -> Option<u64> {
    let text = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The second field is the program's name in parentheses and may hold anything.
    let mut fields = text[text.rfind(')')? + 1..].split_whitespace();
    let state = fields.next()?;
    // A dead leader whose threads are still ending keeps its ports: that is not dead yet.
    if (state == "Z" || state == "X") && threads(pid) <= 1 {
        return None;
    }
    fields.nth(18)?.parse().ok()
}

fn threads(pid: u32) -> usize {
    fs::read_dir(format!("/proc/{pid}/task")).map_or(0, Iterator::count)
}

fn digest(launch: &Launch) -> u64 {
    let mut hasher = DefaultHasher::new();
    launch.hash(&mut hasher);
    hasher.finish()
}

fn record_file(node: &Node, part: &str) -> PathBuf {
    node.state.join("run").join(format!("{part}.json"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn knows_when_this_process_started() {
        assert!(start_ticks(std::process::id()).unwrap() > 0);
    }

    #[test]
    fn a_dead_pid_has_no_start() {
        assert_eq!(start_ticks(u32::MAX), None);
    }
}

//! `cargo xtask test`: a node, the product on it, every test, and one line that counts them.

use std::env;
use std::fs;
use std::io::{BufRead, BufReader};
use std::process::{ExitCode, Stdio};

use anyhow::{Context, Result};

use crate::images::{self, Profile};
use crate::{data, diagnostics, install};
use foresail_node::Paths;
use foresail_node::node::{self, Name, Node};
use foresail_node::progress::{say, step};
use foresail_node::{exec, setup};

/// Passed and failed tests.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Counts {
    passed: u64,
    failed: u64,
}

/// Which tests.
pub struct Wanted {
    /// The long versions of those that have one.
    pub soak: bool,
    /// Handed to `cargo test`.
    pub filter: Vec<String>,
}

/// Runs everything that is wanted. The last line counts, whatever happened before.
pub fn run(paths: &Paths, wanted: &Wanted) -> ExitCode {
    let counts = everything(paths, wanted).unwrap_or_else(|error| {
        eprintln!("error: {error:#}");
        Counts {
            passed: 0,
            failed: 1,
        }
    });
    println!("{} passed, {} failed", counts.passed, counts.failed);
    if counts.failed == 0 {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

/// The node `test` with the product and its input on it.
///
/// # Errors
/// The step that failed, with its words.
pub fn ready_node(paths: &Paths, profile: Profile) -> Result<Node> {
    let node = Node::new(paths, Name::Test);
    setup::all(paths)?;
    node::up::up(&node)?;
    images::for_node(&node, profile)?;
    data::upload(paths, &node)?;
    install::on_node(&node).inspect_err(|_| diagnostics::collect(&node))?;
    node::env::write(&node)?;
    Ok(node)
}

fn everything(paths: &Paths, wanted: &Wanted) -> Result<Counts> {
    let node = ready_node(paths, Profile::Ci)?;
    let (counts, cargo_succeeded) = step("cargo test", || cargo_test(&node, wanted))?;
    let counts = counts.with_cargo(cargo_succeeded);
    if counts.failed > 0 {
        diagnostics::collect(&node);
    }
    Ok(counts)
}

fn cargo_test(node: &Node, wanted: &Wanted) -> Result<(Counts, bool)> {
    let mut command = exec::cargo(&node.paths);
    command.args(["test", "--profile", Profile::Ci.name(), "--no-fail-fast"]);
    if !wanted
        .filter
        .iter()
        .any(|word| word == "-p" || word.starts_with("--package"))
    {
        command.arg("--workspace");
    }
    command
        .args(&wanted.filter)
        .env("RUST_LIB_BACKTRACE", "0")
        // Cluster tests wait much and take permits of their own: all start at once.
        .env("RUST_TEST_THREADS", "64")
        .envs(node::env::variables(node));
    if wanted.soak {
        command.env("FORESAIL_SOAK", "1");
    }
    let path = env::var("PATH").unwrap_or_default();
    // Only the test programs get the node's tools on PATH: build scripts watch it, and another PATH
    // would build every native dependency, and with them DataFusion, again.
    let runner = format!("/usr/bin/env PATH={}:{path}", node::env::program_path(node));
    command.env("CARGO_TARGET_X86_64_UNKNOWN_LINUX_GNU_RUNNER", runner);
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .context("cannot start cargo")?;
    let mut counts = Counts::default();
    let output = child.stdout.take().context("cargo has no output")?;
    let log = node.log("cargo-test");
    let mut text = String::new();
    for line in BufReader::new(output).split(b'\n') {
        let line = String::from_utf8_lossy(&line?).into_owned();
        println!("{line}");
        counts.add(&line);
        text.push_str(&line);
        text.push('\n');
    }
    fs::write(&log, text).with_context(|| format!("cannot write {}", log.display()))?;
    let status = child.wait()?;
    if !status.success() {
        say(format!(
            "cargo test ended with {status}; its output is in {}",
            log.display()
        ));
    }
    Ok((counts, status.success()))
}

impl Counts {
    /// Adds the summary of one test program, such as `test result: ok. 3 passed; 0 failed; 1 ignored; ...`.
    fn add(&mut self, line: &str) {
        let Some(summary) = line.trim_start().strip_prefix("test result:") else {
            return;
        };
        let numbers = summary.split([';', '.']).map(str::trim);
        for part in numbers {
            let mut words = part.split(' ');
            let (Some(number), Some(word)) = (
                words.next().and_then(|text| text.parse::<u64>().ok()),
                words.next(),
            ) else {
                continue;
            };
            match word {
                "passed" => self.passed += number,
                "failed" => self.failed += number,
                _ => {}
            }
        }
    }

    /// A test program that does not compile or dies prints no summary: cargo's failure counts as one.
    fn with_cargo(mut self, succeeded: bool) -> Self {
        if !succeeded && self.failed == 0 {
            self.failed = 1;
        }
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_the_summaries() {
        let mut counts = Counts::default();
        counts.add("test result: ok. 12 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out; finished in 0.00s");
        counts.add("test result: FAILED. 3 passed; 2 failed; 0 ignored; 0 measured; 0 filtered out; finished in 1.20s");
        counts.add("test this_is_no_summary ... ok");
        assert_eq!(
            counts,
            Counts {
                passed: 15,
                failed: 2
            }
        );
    }

    #[test]
    fn a_crash_without_summary_is_a_failure() {
        assert_eq!(
            Counts {
                passed: 4,
                failed: 0
            }
            .with_cargo(false)
            .failed,
            1
        );
        assert_eq!(
            Counts {
                passed: 4,
                failed: 2
            }
            .with_cargo(false)
            .failed,
            2
        );
    }
}

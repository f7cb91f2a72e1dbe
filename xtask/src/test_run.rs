//! `cargo xtask test`: a cluster, the product on it, every test, and one line that counts them. The tests are run
//! by cargo-nextest, each in a process of its own.

use std::env;
use std::fs;
use std::process::{Command, ExitCode, Stdio};
use std::thread;

use anyhow::{Context, Result, anyhow, bail};
use foresail_node::progress::{say, step};
use foresail_node::{Name, Node, Paths, exec, node, setup};

use crate::cargo_tools::NEXTEST;
use crate::external::External;
use crate::images::{self, Profile};
use crate::junit::Counts;
use crate::{data, diagnostics, install};

/// The suites that drive a cluster; everything else needs a server or two at most.
const SUITES: &str = "package(foresail-tests) & kind(test)";
/// Looks back on the calls that all suites have made, so it runs after them, and only when nothing was left out.
const LAST: &str = "package(foresail-tests) & test(rights_are_the_calls_that_were_made)";
/// Tests of one package against a real Kafka or Redis.
const SERVERS: &str = "binary(kafka) + binary(redis)";

/// Which tests.
pub struct Wanted {
    /// The long versions of those that have one.
    pub soak: bool,
    /// Another cluster than our own node.
    pub cluster: External,
    /// Handed to nextest (a test name, or `-p package`).
    pub filter: Vec<String>,
}

/// Runs everything that is wanted. The last line counts, whatever happened before.
pub fn run(paths: &Paths, wanted: &Wanted) -> ExitCode {
    let everything = match wanted.cluster.context() {
        None => on_node(paths, wanted),
        Some(_) => on_cluster(paths, wanted),
    };
    let counts = everything.unwrap_or_else(|error| {
        eprintln!("error: {error:#}");
        Counts::default().with_runner(false)
    });
    for test in &counts.skipped {
        println!("skipped: {test}");
    }
    let fault = counts.fault(wanted.cluster.context().is_some());
    if let Some(fault) = &fault {
        eprintln!("error: {fault}");
    }
    println!("{}", counts.line());
    if fault.is_none() {
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
    setup::all(paths, || images::compile_beside(paths, profile))?;
    bring_up(paths, &node, profile)?;
    Ok(node)
}

fn bring_up(paths: &Paths, node: &Node, profile: Profile) -> Result<()> {
    node::up::up(node)?;
    images::for_node(node, profile)?;
    data::upload(paths, node)?;
    install::on_node(node).inspect_err(|_| diagnostics::collect(node))?;
    node::env::write(node).map(drop)
}

fn on_node(paths: &Paths, wanted: &Wanted) -> Result<Counts> {
    let node = Node::new(paths, Name::Test);
    setup::all(paths, || images::compile_beside(paths, Profile::Ci))?;
    let mut run = Run {
        paths,
        wanted,
        variables: Vec::new(),
        path: node::env::program_path(&node),
    };
    let mut counts = beside_bringing_up(&run, &node)?;
    run.variables = node::env::variables(&node);
    counts.add(run.with_servers()?);
    if counts.failed > 0 {
        diagnostics::collect(&node);
    }
    Ok(counts)
}

/// What needs no server runs while the node comes up; it is compiled before, for that would leave the node no time.
fn beside_bringing_up(run: &Run<'_>, node: &Node) -> Result<Counts> {
    step("cargo build (tests)", || run.compile())?;
    let alone = format!("not ({SUITES}) and not ({SERVERS})");
    let (counts, up) = thread::scope(|scope| {
        let counts =
            scope.spawn(|| step("tests without servers", || run.nextest("default", &alone)));
        let up = bring_up(run.paths, node, Profile::Ci);
        (counts.join(), up)
    });
    up?;
    counts.map_err(|_| anyhow!("running the tests ended in a panic"))?
}

/// The suites alone: everything else is the same on any cluster.
fn on_cluster(paths: &Paths, wanted: &Wanted) -> Result<Counts> {
    let prepared = wanted.cluster.prepare(paths, Profile::Ci)?;
    let run = Run {
        paths,
        wanted,
        variables: prepared.variables.clone(),
        path: setup::tools::folders_for_clusters(paths),
    };
    step("suites", || run.suites())
}

struct Run<'a> {
    paths: &'a Paths,
    wanted: &'a Wanted,
    variables: Vec<(&'static str, String)>,
    /// Folders of kubectl, helm and the like.
    path: String,
}

impl Run<'_> {
    /// Everything that needs servers or a cluster. What needs a server or two is over long before the first suite that
    /// breaks them runs.
    fn with_servers(&self) -> Result<Counts> {
        let (small, suites) = thread::scope(|scope| {
            let small = scope.spawn(|| self.small());
            let suites = step("suites", || self.suites());
            (small.join(), suites)
        });
        let mut counts = small.map_err(|_| anyhow!("running the tests ended in a panic"))??;
        counts.add(suites?);
        if self.wanted.filter.is_empty() {
            counts.add(step("rights", || self.nextest("default", LAST))?);
        }
        Ok(counts)
    }

    fn small(&self) -> Result<Counts> {
        let mut counts = step("tests with Kafka and Redis", || {
            self.nextest("default", SERVERS)
        })?;
        if self.wanted.filter.is_empty() {
            counts.add(step("examples in the documentation", || self.doc_tests())?);
        }
        Ok(counts)
    }

    fn suites(&self) -> Result<Counts> {
        let profile = if self.wanted.soak { "soak" } else { "suites" };
        self.nextest(profile, &format!("({SUITES}) - ({LAST})"))
    }

    /// One run of nextest: a profile of `.config/nextest.toml`, and which tests.
    fn nextest(&self, profile: &str, which: &str) -> Result<Counts> {
        let report = self
            .paths
            .repo
            .join("target/nextest")
            .join(profile)
            .join("junit.xml");
        if report.exists() {
            fs::remove_file(&report)
                .with_context(|| format!("cannot remove {}", report.display()))?;
        }
        let mut command = exec::like_a_person(self.paths, NEXTEST.program(self.paths)?);
        command
            .args(["nextest", "run", "--cargo-profile", Profile::Ci.name()])
            .args(["--profile", profile, "--no-tests", "pass", "-E", which]);
        self.select(&mut command);
        let succeeded = self.finish(&mut command)?;
        // A filter may leave nothing to run; otherwise a run without a report must not pass for one without tests.
        if succeeded && self.wanted.filter.is_empty() && !report.exists() {
            bail!("the tests wrote no report to {}", report.display());
        }
        Ok(Counts::read(&report)?.with_runner(succeeded))
    }

    /// All tests, run by nobody yet.
    fn compile(&self) -> Result<()> {
        let mut command = exec::like_a_person(self.paths, NEXTEST.program(self.paths)?);
        command.args(["nextest", "run", "--no-run"]);
        command.args(["--cargo-profile", Profile::Ci.name()]);
        self.select(&mut command);
        match self.finish(&mut command)? {
            true => Ok(()),
            false => bail!("the tests do not compile"),
        }
    }

    /// nextest runs none of these. Together they count as one test.
    fn doc_tests(&self) -> Result<Counts> {
        let mut command = exec::cargo(self.paths);
        command.args(["test", "--profile", Profile::Ci.name()]);
        command.args(["--workspace", "--doc", "--quiet"]);
        let succeeded = self.finish(&mut command)?;
        let counts = Counts {
            passed: u64::from(succeeded),
            ..Counts::default()
        };
        Ok(counts.with_runner(succeeded))
    }

    fn select(&self, command: &mut Command) {
        let filter = &self.wanted.filter;
        let names_package = |word: &String| word == "-p" || word.starts_with("--package");
        if !filter.iter().any(names_package) {
            command.arg("--workspace");
        }
        command.args(filter);
    }

    fn finish(&self, command: &mut Command) -> Result<bool> {
        command
            .env("RUST_LIB_BACKTRACE", "0")
            .envs(self.variables.iter().map(|(name, value)| (name, value)));
        if self.wanted.soak {
            command.env("FORESAIL_SOAK", "1");
        }
        // Only the test programs get the cluster's tools on PATH: build scripts watch it, and another PATH
        // would build every native dependency, and with them DataFusion, again.
        let path = env::var("PATH").unwrap_or_default();
        let runner = format!("/usr/bin/env PATH={}:{path}", self.path);
        command.env("CARGO_TARGET_X86_64_UNKNOWN_LINUX_GNU_RUNNER", runner);
        let status = command
            .stdin(Stdio::null())
            .status()
            .context("cannot start the tests")?;
        if !status.success() {
            say(format!("the tests ended with {status}"));
        }
        Ok(status.success())
    }
}

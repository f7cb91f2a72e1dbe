//! What a JUnit file of nextest says: how many tests passed and failed, and which were skipped for want of a server.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};

/// What a test prints when it finds no server: it did not fail, and it showed nothing either.
const SKIPPED: &str = "skipped: ";

/// The end of the reason of a test that only the node of `make test` can serve (tests/src/settings.rs).
const NEEDS_NODE: &str = "needs the node of `make test`";

/// Tests of one run.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Did what they are to show.
    pub passed: u64,
    /// Did not.
    pub failed: u64,
    /// Names of those that found no server, with their reason.
    pub skipped: Vec<String>,
}

impl Counts {
    /// Reads a file; one that is not there counts nothing.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn read(file: &Path) -> Result<Self> {
        if !file.exists() {
            return Ok(Self::default());
        }
        let text =
            fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))?;
        Ok(Self::parse(&text))
    }

    /// Text inside elements is escaped, so a tag is where it looks like one.
    fn parse(text: &str) -> Self {
        let mut counts = Self::default();
        for case in text.split("<testcase ").skip(1) {
            if case.contains("<failure") || case.contains("<error") {
                counts.failed += 1;
            } else if let Some(why) = skipped(case) {
                let name = case.split('"').nth(1).unwrap_or_default();
                counts.skipped.push(format!("{name}: {why}"));
            } else {
                counts.passed += 1;
            }
        }
        counts
    }

    /// Adds another run.
    pub fn add(&mut self, other: Self) {
        self.passed += other.passed;
        self.failed += other.failed;
        self.skipped.extend(other.skipped);
    }

    /// A program that does not compile or a runner that dies writes no report: that counts as one failure.
    pub fn with_runner(mut self, succeeded: bool) -> Self {
        if !succeeded && self.failed == 0 {
            self.failed = 1;
        }
        self
    }

    /// Why the run is at fault, if it is. On a cluster that is not ours, tests that need our node may be skipped.
    pub fn fault(&self, elsewhere: bool) -> Option<String> {
        let may_be_skipped = |test: &&String| elsewhere && test.ends_with(NEEDS_NODE);
        let unexpected = self.skipped.iter().filter(|test| !may_be_skipped(test));
        if self.failed > 0 {
            Some(format!("{} tests failed", self.failed))
        } else if unexpected.count() > 0 {
            Some("tests that found no server showed nothing: a run that skips them fails".into())
        } else if self.passed == 0 {
            Some("no test ran: does the filter name one?".into())
        } else {
            None
        }
    }

    /// `N passed, N failed`, and what was skipped when something was.
    pub fn line(&self) -> String {
        let line = format!("{} passed, {} failed", self.passed, self.failed);
        match self.skipped.len() {
            0 => line,
            skipped => format!("{line}, {skipped} skipped"),
        }
    }
}

/// The reason a test printed. Where it is the only one at a time, the harness puts its name before it.
fn skipped(case: &str) -> Option<&str> {
    let lines = case.split(['\n', '<', '>']);
    lines
        .filter_map(|line| line.rsplit("... ").next())
        .find_map(|line| line.strip_prefix(SKIPPED))
}

#[cfg(test)]
mod tests {
    use super::*;

    const REPORT: &str = r#"<?xml version="1.0" encoding="UTF-8"?>
<testsuites name="nextest-run" tests="4" skipped="0" failures="1" errors="0">
    <testsuite name="foresail-tests::suites" tests="4" skipped="0" errors="0" failures="1">
        <testcase name="charts::lint" classname="a" time="0.1">
            <system-out>running 1 test
test charts::lint ... ok
</system-out>
        </testcase>
        <testcase name="faults::kafka" classname="a" time="0.1">
            <system-out>skipped: no cluster
test faults::kafka ... ok</system-out>
        </testcase>
        <testcase name="faults::redis" classname="a" time="0.1">
            <system-out>test faults::redis ... skipped: needs the node</system-out>
        </testcase>
        <testcase name="idle::rest" classname="a" time="0.1">
            <failure message="panicked" type="test failure">no &lt;testcase here; not skipped: at all</failure>
        </testcase>
    </testsuite>
</testsuites>"#;

    #[test]
    fn a_report_is_counted() {
        let counts = Counts::parse(REPORT);
        assert_eq!((counts.passed, counts.failed), (1, 1));
        assert_eq!(
            counts.skipped,
            ["faults::kafka: no cluster", "faults::redis: needs the node"]
        );
        assert_eq!(counts.line(), "1 passed, 1 failed, 2 skipped");
    }

    #[test]
    fn a_run_without_skips_ends_with_two_numbers() {
        let counts = Counts {
            passed: 379,
            ..Counts::default()
        };
        assert_eq!(counts.line(), "379 passed, 0 failed");
    }

    #[test]
    fn a_run_that_failed_skipped_or_ran_nothing_is_at_fault() {
        let run = |passed, failed, skipped: &[&str]| Counts {
            passed,
            failed,
            skipped: skipped.iter().map(|&test| test.to_owned()).collect(),
        };
        let needs_node = "faults::redis: needs the node of `make test`";
        let cases = [
            (run(3, 0, &[]), false, false),
            (run(3, 1, &[]), true, true),
            (run(0, 0, &[]), true, true),
            (run(3, 0, &["faults::kafka: no cluster"]), true, true),
            (run(3, 0, &[needs_node]), true, false),
        ];
        for (counts, at_home, elsewhere) in cases {
            assert_eq!(counts.fault(false).is_some(), at_home, "{counts:?}");
            assert_eq!(counts.fault(true).is_some(), elsewhere, "{counts:?}");
        }
    }

    #[test]
    fn a_crash_without_a_report_is_a_failure() {
        let passed = Counts {
            passed: 4,
            ..Counts::default()
        };
        assert_eq!(passed.clone().with_runner(false).failed, 1);
        assert_eq!(passed.with_runner(true).failed, 0);
    }
}

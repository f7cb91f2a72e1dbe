//! The command line.

use clap::{Parser, Subcommand};

use crate::demo::Options;
use crate::external::External;
use crate::images::Profile;
use crate::tryout;
use foresail_node::node::Name;
use foresail_node::node::component::Component;
use foresail_node::node::control::Action;

/// Sets up, runs and tests Foresail on one machine.
#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask")]
pub struct Args {
    #[command(subcommand)]
    pub command: Command,
}

/// What to do.
#[derive(Subcommand)]
pub enum Command {
    /// Installs missing packages; builds and caches the node's programs.
    Setup,
    /// Starts a node and its backing services, or repairs what has died.
    Up {
        /// Which node.
        #[arg(long, value_enum)]
        name: Name,
    },
    /// Removes every process, mount, network namespace and cgroup of a node.
    Down {
        /// Which node; all of them when left out.
        #[arg(long, value_enum)]
        name: Option<Name>,
    },
    /// Stops, kills, starts, restarts, freezes or thaws one part of a node.
    Component {
        /// Which node.
        #[arg(long, value_enum)]
        name: Name,
        /// What to do with it.
        action: Action,
        /// Which part.
        component: Component,
    },
    /// Lists the parts of a node and whether they run.
    Status {
        /// Which node.
        #[arg(long, value_enum)]
        name: Name,
    },
    /// Prints the shell exports for a node and writes them to its `env` file.
    Env {
        /// Which node.
        #[arg(long, value_enum)]
        name: Name,
    },
    /// Builds the three programs and loads their images into a node.
    Images {
        /// Which node.
        #[arg(long, value_enum)]
        name: Name,
        /// Cargo profile: `ci` shares its build with the tests, `dist` is what gets released.
        #[arg(long, value_enum, default_value = "ci")]
        profile: Profile,
    },
    /// Fetches the real daily bars, makes the demo's input and uploads it.
    Data {
        /// Which node.
        #[arg(long, value_enum)]
        name: Name,
    },
    /// Installs or upgrades the charts on a node.
    Install {
        /// Which node.
        #[arg(long, value_enum)]
        name: Name,
    },
    /// Writes `crds/yaml` from the Rust types.
    Generate,
    /// Formatting, arrows, dependencies, lints, generated files and unit tests: no root, no node.
    Check,
    /// The charts, checked by Helm and the API server of the node `test`.
    CheckCharts,
    /// Checks that every arrow between packages points down, and that no files need each other in a circle.
    Arrows,
    /// Licences, sources, duplicates and namers of dependencies (deny.toml).
    Deny,
    /// A file of daily bars, from the file to two pages, without root and without a cluster.
    Try(tryout::Options),
    /// The whole demo, from nothing to forecasts.
    Demo(Options),
    /// Measures the whole loop with released (`dist`) images on the node `test`.
    BenchLoop,
    /// Every test: unit tests and the ones that need the node `test`.
    Test {
        #[command(flatten)]
        cluster: External,
        /// The long versions of those that have one.
        #[arg(long)]
        soak: bool,
        /// Handed to cargo-nextest (a test name, or `-p package`).
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        filter: Vec<String>,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filter_of(words: &[&str]) -> (Option<String>, Vec<String>) {
        let args = Args::try_parse_from([&["xtask", "test"], words].concat()).unwrap();
        match args.command {
            Command::Test {
                cluster, filter, ..
            } => (cluster.context().map(str::to_owned), filter),
            _ => unreachable!("`test` was asked for"),
        }
    }

    #[test]
    fn what_follows_test_goes_to_nextest() {
        let words = ["-p", "foresail-tests", "--test", "suites", "self_healing"];
        assert_eq!(filter_of(&words), (None, words.map(str::to_owned).to_vec()));
    }

    #[test]
    fn a_context_needs_all_addresses_and_leaves_the_filter() {
        let full = [
            "--context",
            "kind",
            "--registry",
            "a/b",
            "--kafka",
            "c",
            "--s3",
            "d",
            "--redis",
            "e",
            "idle",
        ];
        assert_eq!(filter_of(&full), (Some("kind".into()), vec!["idle".into()]));
        assert!(Args::try_parse_from(["xtask", "test", "--context", "kind"]).is_err());
    }
}

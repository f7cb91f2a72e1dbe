//! `cargo xtask`: everything around the product. A Kubernetes node made from packages alone, images, test data,
//! installation, the demo and the test run. It shells out for the heavy work and is called by the Makefile and by CI.

#![cfg_attr(test, allow(clippy::unwrap_used))]

mod args;
mod arrows;
mod bench;
mod calendars;
mod cargo_tools;
mod charts;
mod check;
mod data;
mod demo;
mod deny;
mod diagnostics;
mod external;
mod features;
mod generate;
mod images;
mod install;
mod junit;
mod test_run;
mod tryout;

use std::process::ExitCode;

use clap::Parser;

use args::{Args, Command};
use foresail_node::{Node, Paths, node, progress, setup};

fn main() -> ExitCode {
    progress::start();
    match run(Args::parse()) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(args: Args) -> anyhow::Result<ExitCode> {
    let paths = Paths::from_environment()?;
    match args.command {
        Command::Setup => setup::all(&paths, || Ok(()))?,
        Command::Up { name } => node::up::up(&Node::new(&paths, name))?,
        Command::Down { name } => node::down::stop_all(&paths, name)?,
        Command::Component {
            name,
            action,
            component,
        } => {
            node::control::act(&Node::new(&paths, name), action, component)?;
        }
        Command::Status { name } => node::control::status(&Node::new(&paths, name))?,
        Command::Env { name } => {
            let node = Node::new(&paths, name);
            print!("{}", node::env::write(&node)?);
        }
        Command::Images { name, profile } => {
            images::for_node(&Node::new(&paths, name), profile)?;
        }
        Command::Data { name } => data::upload(&paths, &Node::new(&paths, name))?,
        Command::Install { name } => install::on_node(&Node::new(&paths, name))?,
        Command::Generate => generate::generate(&paths)?,
        Command::Check => check::run(&paths)?,
        Command::CheckCharts => charts::run(&paths)?,
        Command::Deny => deny::check(&paths)?,
        Command::Arrows => arrows::check(&paths)?,
        Command::Try(options) => tryout::run(&paths, &options)?,
        Command::Demo(options) => demo::run(&paths, &options)?,
        Command::BenchLoop => bench::run_loop(&paths)?,
        Command::Test {
            cluster,
            soak,
            filter,
        } => {
            let wanted = test_run::Wanted {
                soak,
                cluster,
                filter,
            };
            return Ok(test_run::run(&paths, &wanted));
        }
    }
    Ok(ExitCode::SUCCESS)
}

//! Starting, stopping and breaking the parts of a node, one at a time. Fault tests call this.

use std::time::Duration;

use anyhow::{Context, Result, bail};
use clap::ValueEnum;

use super::component::Component;
use super::process::{self, Record};
use super::{Node, launch};
use crate::exec;
use crate::progress::say;

const START_LIMIT: Duration = Duration::from_secs(90);
const STOP_LIMIT: Duration = Duration::from_secs(30);

/// What to do with a part.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Action {
    /// SIGTERM, and SIGKILL after 30 s (the API server: 5 s).
    Stop,
    /// SIGKILL.
    Kill,
    /// Starts it unless it runs, and waits until it serves.
    Start,
    /// Stop, then start.
    Restart,
    /// SIGSTOP: it keeps its connections and answers nothing.
    Freeze,
    /// SIGCONT.
    Thaw,
}

/// Does it and returns when it is done.
pub fn act(node: &Node, action: Action, component: Component) -> Result<()> {
    let part = component.name();
    match action {
        Action::Start => start_and_wait(node, component)?,
        Action::Stop => stop(node, component)?,
        Action::Restart => {
            stop(node, component)?;
            start_and_wait(node, component)?;
        }
        Action::Kill => {
            let record = running(node, component)?;
            record.signal(node, part, "KILL")?;
            record.await_end(node, part, STOP_LIMIT)?;
        }
        Action::Freeze => running(node, component)?.signal(node, part, "STOP")?,
        Action::Thaw => running(node, component)?.signal(node, part, "CONT")?,
    }
    say(format!(
        "{part} of node {}: {} done",
        node.name,
        format!("{action:?}").to_lowercase()
    ));
    Ok(())
}

/// Prints a line per part.
pub fn status(node: &Node) -> Result<()> {
    for component in Component::ALL {
        let state = match Record::living(node, component.name()) {
            None => "stopped".to_owned(),
            Some(record) if component.is_ready(node) => format!("serving, pid {}", record.pid),
            Some(record) => format!("running but not ready, pid {}", record.pid),
        };
        println!("{:<20} {state}", component.name());
    }
    Ok(())
}

/// Starts those that do not run, and those whose settings have changed anew.
pub fn ensure(node: &Node, components: &[Component]) -> Result<()> {
    for &component in components {
        let launch = launch::new(node, component)?;
        match Record::living(node, component.name()) {
            Some(record) if record.matches(&launch) => continue,
            Some(_) => {
                say(format!(
                    "  {}: settings have changed, restarting it",
                    component.name()
                ));
                stop(node, component)?;
            }
            None => {}
        }
        for (file, text) in &launch.files {
            exec::write(file, text)?;
        }
        launch::prepare(node, component)?;
        process::start(node, component.name(), &launch)?;
        say(format!("  {}: started", component.name()));
    }
    Ok(())
}

/// Waits until they all serve; a part that dies meanwhile is an error with the end of its log.
pub fn await_ready(node: &Node, components: &[Component]) -> Result<()> {
    for &component in components {
        let part = component.name();
        let log = node.log(part);
        let waited = exec::wait_until(
            &format!("{part} of node {}", node.name),
            START_LIMIT,
            || {
                if Record::living(node, part).is_none() {
                    bail!("{part} of node {} died", node.name);
                }
                Ok(component.is_ready(node))
            },
        );
        waited.with_context(|| {
            format!(
                "{part} does not serve. Last lines of {}:\n{}",
                log.display(),
                exec::tail_of(&log, 15)
            )
        })?;
    }
    Ok(())
}

/// SIGTERM, then SIGKILL; fine when it does not run.
pub fn stop(node: &Node, component: Component) -> Result<()> {
    let part = component.name();
    let Some(record) = Record::living(node, part) else {
        return Ok(());
    };
    record.signal(node, part, "TERM")?;
    // An API server waits for its clients' watches, which end only with it.
    let patience = if component == Component::Apiserver {
        Duration::from_secs(5)
    } else {
        STOP_LIMIT
    };
    if record.await_end(node, part, patience).is_err() {
        record.signal(node, part, "KILL")?;
        record.await_end(node, part, STOP_LIMIT)?;
    }
    Ok(())
}

fn start_and_wait(node: &Node, component: Component) -> Result<()> {
    ensure(node, &[component])?;
    await_ready(node, &[component])
}

fn running(node: &Node, component: Component) -> Result<Record> {
    Record::living(node, component.name()).with_context(|| {
        format!(
            "{} of node {} does not run: start it with `cargo xtask up --name {}`",
            component.name(),
            node.name,
            node.name
        )
    })
}

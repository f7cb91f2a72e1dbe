//! `make bench-loop`: times of the whole loop on a real node. Prints one line per figure; nothing
//! here passes or fails by speed.

mod decision;
mod figures;
mod first_forecast;
mod memory;
mod visible;

use anyhow::{Context, Result};
use foresail_tests::{Cluster, Space};

#[tokio::main]
async fn main() -> Result<()> {
    let cluster = Cluster::connect()
        .await?
        .context("no cluster: run this by `make bench-loop`")?;
    load();
    first_forecast::measure(&cluster).await?;
    visible::at_demo_speed(&cluster).await?;
    visible::at_a_thousand_bars(&cluster).await?;
    load();
    Ok(())
}

/// Runs `body` in a namespace of its own and removes it.
async fn in_space(
    cluster: &Cluster,
    name: &str,
    body: impl AsyncFnOnce(&Space) -> Result<()>,
) -> Result<()> {
    let space = cluster.make_space(name).await?;
    let result = body(&space).await;
    if result.is_err() {
        foresail_tests::diagnostics::print(&space).await;
    }
    space.remove().await?;
    result
}

/// One, five and fifteen minutes of load, and the cores: figures mean little without them.
fn load() {
    let load = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    let averages: Vec<&str> = load.split(' ').take(3).collect();
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    println!(
        "machine: {cores} cores, load average {}",
        averages.join(" ")
    );
}

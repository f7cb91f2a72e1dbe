//! One program, many roles: the subcommand chooses what a pod does all day.

mod cleanup;
mod prepare;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, ValueEnum};
use foresail_runtime_base::{RoleError, Shutdown, config};

/// Runs one role of a Pipeline.
#[derive(Parser)]
#[command(name = "foresail-worker", version)]
struct Args {
    /// Role.
    role: Role,
    /// Worker configuration.
    #[arg(long, default_value = "/etc/foresail/config/config.json")]
    config: PathBuf,
}

/// Roles.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum Role {
    /// Makes topics and probes Kafka, S3, Redis and the source.
    Prepare,
    /// Source to Kafka.
    Ingest,
    /// Kafka to the Delta table.
    Lake,
    /// Bars to feature rows.
    Stream,
    /// Serves forecasts.
    Predict,
    /// Watches drift and realised error.
    Monitor,
    /// Removes what the deletion policy does not retain.
    Cleanup,
}

#[tokio::main]
async fn main() -> ExitCode {
    let Args { role, config } = Args::parse();
    foresail_runtime_base::init(&format!("{role:?}").to_lowercase());
    match run(role, &config).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => foresail_runtime_base::exit_with(&error),
    }
}

async fn run(role: Role, path: &std::path::Path) -> Result<(), RoleError> {
    let config = config::load(path)?;
    let shutdown = Shutdown::on_signal();
    match role {
        Role::Prepare => prepare::run(config, shutdown).await,
        Role::Ingest => foresail_ingest::run(config, shutdown).await,
        Role::Lake => foresail_lake::run(config, shutdown).await,
        Role::Stream => foresail_stream::run(config, shutdown).await,
        Role::Predict => foresail_predict::run(config, shutdown).await,
        Role::Monitor => foresail_monitor::run(config, shutdown).await,
        Role::Cleanup => cleanup::run(config).await,
    }
}

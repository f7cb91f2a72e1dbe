//! The trainer: runs to completion in a Job. `train` makes a model, `dump` writes its feature rows.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use foresail_crds::worker_config::TrainingRun;
use foresail_runtime_base::{RoleError, Shutdown, config};

/// Trains models from a Pipeline's lake.
#[derive(Parser)]
#[command(name = "foresail-trainer", version)]
struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Trains one model and reports its manifest.
    Train {
        /// Worker configuration.
        #[arg(long, default_value = "/etc/foresail/config/config.json")]
        config: PathBuf,
        /// The run as JSON, made by the operator.
        #[arg(long)]
        run: String,
    },
    /// Writes the feature rows of a Delta version to a Parquet file.
    Dump {
        /// Worker configuration.
        #[arg(long, default_value = "/etc/foresail/config/config.json")]
        config: PathBuf,
        /// Delta version.
        #[arg(long)]
        delta_version: u64,
        /// File to write.
        #[arg(long)]
        output: PathBuf,
    },
}

#[tokio::main]
async fn main() -> ExitCode {
    foresail_runtime_base::init("trainer");
    match run(Args::parse().command).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => foresail_runtime_base::exit_with(&error),
    }
}

async fn run(command: Command) -> Result<(), RoleError> {
    match command {
        Command::Train { config, run } => {
            let config = config::load(&config)?;
            let run: TrainingRun = serde_json::from_str(&run).map_err(|e| {
                RoleError::internal("BadRun", format!("--run is no training run: {e}"))
            })?;
            foresail_train::run(config, run, Shutdown::on_signal()).await
        }
        Command::Dump {
            config,
            delta_version,
            output,
        } => {
            let config = config::load(&config)?;
            let rows = foresail_train::dump(&config, delta_version, &output).await?;
            println!("{rows} rows in {}", output.display());
            Ok(())
        }
    }
}

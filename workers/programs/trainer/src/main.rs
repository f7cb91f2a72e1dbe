//! The trainer: runs to completion in a Job. `train` makes a model, `reproduce` proves how, `dump` writes
//! its feature rows, `sql` asks the lake, `evaluate` judges without a cluster, `artifact` makes a version of foreign weights.

mod local;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use foresail_crds::Role;
use foresail_crds::worker_config::{SECRETS_DIR, TrainConfig, TrainingRun};
use foresail_runtime_base::metrics::Registry;
use foresail_runtime_base::{
    Health, Outside, Reporter, RoleContext, RoleError, Secrets, Shutdown, admin_address, config,
    role_span,
};
use foresail_runtime_cluster::StatusWriter;
use jiff::Timestamp;
use tracing::{Instrument, Span};

use local::print;

/// Trains models from a Pipeline's lake.
#[derive(Parser)]
#[command(name = "foresail-trainer", version)]
struct Args {
    #[command(subcommand)]
    command: Command,
    /// Folder below which the Secrets are mounted.
    #[arg(long, global = true, env = "FORESAIL_SECRETS_DIR", default_value = SECRETS_DIR)]
    secrets: PathBuf,
    /// What a test does to one write.
    #[arg(long, global = true, env = "FORESAIL_FAULT", hide = true)]
    fault: Option<String>,
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
        /// Only what was known at this time, RFC 3339, as 2026-03-31T00:00:00Z: of each bar the highest revision
        /// ingested by then.
        #[arg(long)]
        as_of: Option<Timestamp>,
        /// File to write.
        #[arg(long)]
        output: PathBuf,
    },
    /// Runs a query over a Pipeline's lake: tables `bars`, `adjusted_bars` and `features`, and the feature
    /// catalogue as window functions, as `rsi(close, 14) OVER (PARTITION BY symbol ORDER BY event_time)`.
    Sql {
        /// Worker configuration.
        #[arg(long, default_value = "/etc/foresail/config/config.json")]
        config: PathBuf,
        /// Delta version; the newest when left out.
        #[arg(long)]
        delta_version: Option<u64>,
        /// Only what was known at this time, RFC 3339, as 2026-03-31T00:00:00Z: of each bar the highest revision
        /// ingested by then. History that was filled in counts as known since its sessions ended.
        #[arg(long)]
        as_of: Option<Timestamp>,
        /// Parquet file to write; without it a table is printed.
        #[arg(long)]
        output: Option<PathBuf>,
        /// Most rows printed.
        #[arg(long, default_value_t = 100)]
        rows: usize,
        /// The query; `SHOW FUNCTIONS` lists what can be called.
        query: String,
    },
    /// Trains a version once more from what its manifest says, and compares the weights bit for bit.
    Reproduce {
        /// Worker configuration.
        #[arg(long, default_value = "/etc/foresail/config/config.json")]
        config: PathBuf,
        /// `spec.manifestUri` of the ModelVersion.
        manifest: String,
    },
    Inspect(local::Inspect),
    Evaluate(local::Evaluate),
    Artifact(local::Artifact),
}

#[tokio::main]
async fn main() -> ExitCode {
    let args = Args::parse();
    match args.command {
        Command::Inspect(inspect) => return local::ended(inspect.run()),
        Command::Evaluate(evaluate) => return local::ended(evaluate.run()),
        Command::Artifact(artifact) => return local::ended(artifact.run().await),
        _ => {}
    }
    foresail_runtime_base::init("trainer");
    match run(args).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => foresail_runtime_base::exit_code_for(&error),
    }
}

async fn run(args: Args) -> Result<(), RoleError> {
    let registry = Registry::default();
    let secrets = Secrets::at(args.secrets);
    let outside = Outside::new(secrets, &registry, args.fault.as_deref());
    match args.command {
        Command::Train { config, run } => {
            let config = config::load::<TrainConfig>(&config)?;
            let run: TrainingRun = serde_json::from_str(&run).map_err(|e| {
                RoleError::internal("BadRun", format!("--run is no training run: {e}"))
            })?;
            let span = role_span(&config.pipeline, Role::Train);
            train(config, run, outside, registry, span.clone())
                .instrument(span)
                .await
        }
        Command::Dump {
            config,
            delta_version: version,
            as_of,
            output,
        } => {
            let config = config::load::<TrainConfig>(&config)?;
            let as_of = as_of.map(Timestamp::as_millisecond);
            let reading = foresail_train::Reading { version, as_of };
            let rows = foresail_train::dump(&config, &outside, reading, &output).await?;
            print(&format!("{rows} rows in {}", output.display()));
            Ok(())
        }
        Command::Sql {
            config,
            delta_version,
            as_of,
            output,
            rows,
            query,
        } => {
            let config = config::load::<TrainConfig>(&config)?;
            let request = foresail_train::Query {
                text: query,
                delta_version,
                as_of: as_of.map(Timestamp::as_millisecond),
                output,
                rows,
            };
            print(&foresail_train::sql(&config, &outside, &request).await?);
            Ok(())
        }
        Command::Reproduce { config, manifest } => {
            let config = config::load::<TrainConfig>(&config)?;
            let on_progress = |line: &str| eprintln!("{line}");
            let reproduction =
                foresail_train::reproduce(&config, &outside, &manifest, &on_progress).await?;
            print(&reproduction.to_string());
            if reproduction.equal {
                return Ok(());
            }
            let message = format!(
                "{manifest}: the new fit differs, with code {}",
                env!("CARGO_PKG_VERSION")
            );
            Err(RoleError::internal("NotReproduced", message))
        }
        Command::Inspect(inspect) => inspect.run(),
        Command::Evaluate(evaluate) => evaluate.run(),
        Command::Artifact(artifact) => artifact.run().await,
    }
}

async fn train(
    config: TrainConfig,
    run: TrainingRun,
    outside: Outside,
    registry: Registry,
    span: Span,
) -> Result<(), RoleError> {
    let shutdown = Shutdown::on_signal();
    let (reporter, observations) = Reporter::channel(Role::Train);
    let api = foresail_runtime_cluster::client().await;
    StatusWriter::new(api, &config.pipeline, Role::Train, &outside)
        .start(observations, shutdown.clone());
    let context = RoleContext {
        config,
        outside,
        registry,
        health: Health::new(),
        reporter,
        shutdown,
        span,
        admin: admin_address(),
    };
    foresail_train::run(context, run).await
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn secrets_are_named_beside_any_command() {
        Args::command().debug_assert();
        let args = [
            "foresail-trainer",
            "reproduce",
            "s3://b/m",
            "--secrets",
            "/s",
        ];
        let args = Args::try_parse_from(args).unwrap();
        assert_eq!(args.secrets, PathBuf::from("/s"));
    }
}

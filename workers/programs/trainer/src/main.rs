//! The trainer: runs to completion in a Job. `train` makes a model, `reproduce` proves how, `dump` writes
//! its feature rows, `sql` asks the lake, `evaluate` judges without a cluster.

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use foresail_crds::Role;
use foresail_crds::pipeline::spec::ModelKind;
use foresail_crds::worker_config::{SECRETS_DIR, TrainConfig, TrainingRun};
use foresail_runtime_base::metrics::Registry;
use foresail_runtime_base::{
    Health, Outside, Reporter, RoleContext, RoleError, Secrets, Shutdown, admin_address, config,
    role_span,
};
use foresail_runtime_cluster::StatusWriter;
use foresail_train::{evaluate_command, inspect_command};
use tracing::{Instrument, Span};

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
    /// Shows how a file of daily bars is read, what it holds and what looks wrong, without a cluster.
    Inspect {
        /// The file: CSV in any usual form, also packed with gzip.
        file: PathBuf,
        /// Pipeline as YAML, for the names of columns and the symbols that count.
        #[arg(long)]
        pipeline: Option<PathBuf>,
    },
    /// Evaluates a Pipeline on a CSV file, without a cluster: trains on what was known, forecasts what came after.
    Evaluate {
        /// Daily bars; columns as in `spec.source.csv`.
        #[arg(long)]
        csv: PathBuf,
        /// Pipeline as YAML.
        #[arg(long)]
        pipeline: PathBuf,
        /// First forecast date, `YYYY-MM-DD`; everything before it is for training.
        #[arg(long)]
        test_from: jiff::civil::Date,
        /// Fit again after so many sessions (walk-forward); one fit when left out.
        #[arg(long)]
        refit_every: Option<usize>,
        /// Kinds beside the declared one and Naive, separated by commas.
        #[arg(long, value_delimiter = ',', value_parser = kind)]
        kinds: Vec<ModelKind>,
        /// Go on although more than one row in ten is refused.
        #[arg(long)]
        allow_refused: bool,
        /// What is printed.
        #[arg(long, value_enum, default_value = "table")]
        output: Output,
    },
}

/// `--output` of evaluate.
#[derive(Clone, Copy, clap::ValueEnum)]
enum Output {
    /// For people.
    Table,
    /// For programs.
    Json,
}

#[tokio::main]
async fn main() -> ExitCode {
    foresail_runtime_base::init("trainer");
    match run(Args::parse()).await {
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
            delta_version,
            output,
        } => {
            let config = config::load::<TrainConfig>(&config)?;
            let rows = foresail_train::dump(&config, &outside, delta_version, &output).await?;
            print(&format!("{rows} rows in {}", output.display()));
            Ok(())
        }
        Command::Sql {
            config,
            delta_version,
            output,
            rows,
            query,
        } => {
            let config = config::load::<TrainConfig>(&config)?;
            let request = foresail_train::Query {
                text: query,
                delta_version,
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
        Command::Inspect { file, pipeline } => {
            print(&inspect_command::inspect(&inspect_command::Request {
                file,
                pipeline,
            })?);
            Ok(())
        }
        Command::Evaluate {
            csv,
            pipeline,
            test_from,
            refit_every,
            kinds,
            allow_refused,
            output,
        } => {
            let request = evaluate_command::Request {
                csv,
                pipeline,
                test_from,
                refit_every,
                kinds,
                allow_refused,
            };
            let report = evaluate_command::evaluate(&request, &|line| eprintln!("{line}"))?;
            print(&match output {
                Output::Table => report.to_string(),
                Output::Json => json(&report)?,
            });
            refuse_leaks(&report)
        }
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

fn kind(text: &str) -> Result<ModelKind, String> {
    serde_json::from_value(text.into()).map_err(|e| e.to_string())
}

fn json(report: &evaluate_command::Report) -> Result<String, RoleError> {
    serde_json::to_string_pretty(report)
        .map_err(|e| RoleError::internal("Encoding", format!("the report: {e}")))
}

/// Numbers that a leak has made are shown, and are an error.
fn refuse_leaks(report: &evaluate_command::Report) -> Result<(), RoleError> {
    match report.guards.iter().find(|verdict| !verdict.passed) {
        None => Ok(()),
        Some(verdict) => {
            let message = format!("{:?}: {}", verdict.guard, verdict.detail);
            Err(RoleError::internal("LeakFound", message))
        }
    }
}

/// A reader that has gone away, as `head` does, is no error of ours.
fn print(text: &str) {
    writeln!(std::io::stdout(), "{text}").ok();
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

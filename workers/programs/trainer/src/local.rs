//! Commands for files on this machine: they need no cluster, and people read what they say.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Args;
use foresail_crds::pipeline::spec::ModelKind;
use foresail_crds::role_error::presentable;
use foresail_runtime_base::RoleError;
use foresail_train::artifact_command;
use foresail_train::evaluate_command::{self, Report};
use foresail_train::inspect_command;

/// Longest line of an error that is shown, in characters.
const LONGEST_LINE: usize = 1_000;

/// Shows how a file of daily bars is read, what it holds and what looks wrong, without a cluster.
#[derive(Args)]
pub(crate) struct Inspect {
    /// The file: CSV in any usual form, also packed with gzip.
    file: PathBuf,
    /// Pipeline as YAML, for the names of columns and the symbols that count.
    #[arg(long)]
    pipeline: Option<PathBuf>,
    /// HTML page to write, with a chart of each symbol. It needs nothing else and no network.
    #[arg(long)]
    html: Option<PathBuf>,
    /// Pipeline to write, as YAML: it reads the file, and has features and a model to begin with.
    #[arg(long, conflicts_with = "pipeline")]
    write_pipeline: Option<PathBuf>,
}

/// Evaluates a Pipeline on a CSV file, without a cluster: trains on what was known, forecasts what came after.
#[derive(Args)]
pub(crate) struct Evaluate {
    /// Daily bars; columns as in `spec.source.csv`.
    #[arg(long)]
    csv: PathBuf,
    /// Pipeline as YAML.
    #[arg(long)]
    pipeline: PathBuf,
    /// First forecast date, `YYYY-MM-DD`; everything before it is for training. Without it, the last fifth of the sessions
    /// is forecast.
    #[arg(long)]
    test_from: Option<jiff::civil::Date>,
    /// Fit again after so many sessions (walk-forward); one fit when left out.
    #[arg(long)]
    refit_every: Option<usize>,
    /// Kinds beside the declared one and Naive, separated by commas.
    #[arg(long, value_delimiter = ',', value_parser = kind)]
    kinds: Vec<ModelKind>,
    /// Go on although more than one row in ten is refused.
    #[arg(long)]
    allow_refused: bool,
    /// Go on although moves of the file look like mistakes and `source.onSuspicion` does not say to.
    #[arg(long)]
    allow_suspicious: bool,
    /// What is printed.
    #[arg(long, value_enum, default_value = "table")]
    output: Output,
    /// HTML page to write, with charts. It needs nothing else and no network.
    #[arg(long)]
    html: Option<PathBuf>,
}

/// Makes a version that `foresail-worker serve` serves, of weights that were trained elsewhere.
#[derive(Args)]
pub(crate) struct Artifact {
    /// Pipeline as YAML: features, kind and sizes of the model.
    #[arg(long)]
    pipeline: PathBuf,
    /// Weights in the form of the kind: safetensors for Mlp, Lstm and Gru. None for Naive and SeasonalNaive.
    #[arg(long, value_name = "FILE.safetensors")]
    weights: Option<PathBuf>,
    /// JSON with `mean` and `std`, one number per feature; the model reads (x - mean) / std. Without it the model reads
    /// features as they are.
    #[arg(long)]
    scaler: Option<PathBuf>,
    /// Folder of versions; the new one gets the next number.
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
}

/// `--output` of evaluate.
#[derive(Clone, Copy, clap::ValueEnum)]
enum Output {
    /// For people.
    Table,
    /// For programs.
    Json,
}

impl Inspect {
    /// Runs it.
    ///
    /// # Errors
    /// Those of [`inspect_command::inspect`], and user error `FileNotWritten`.
    pub(crate) fn run(self) -> Result<(), RoleError> {
        let found = inspect_command::inspect(&inspect_command::Request {
            file: self.file,
            pipeline: self.pipeline,
        })?;
        let columns = console::Term::stdout().size().1;
        print(&found.text(columns.into()));
        if let Some(page) = self.html {
            write(&page, &found.page()?)?;
        }
        if let (Some(path), Some(pipeline)) = (self.write_pipeline, found.pipeline()) {
            write(&path, pipeline)?;
        }
        Ok(())
    }
}

impl Evaluate {
    /// Runs it.
    ///
    /// # Errors
    /// Those of [`evaluate_command::evaluate`], user error `FileNotWritten`, internal error `LeakFound`.
    pub(crate) fn run(self) -> Result<(), RoleError> {
        let request = evaluate_command::Request {
            csv: self.csv,
            pipeline: self.pipeline,
            test_from: self.test_from,
            refit_every: self.refit_every,
            kinds: self.kinds,
            allow_refused: self.allow_refused,
            allow_suspicious: self.allow_suspicious,
        };
        let report = evaluate_command::evaluate(&request, &|line| eprintln!("{line}"))?;
        print(&match self.output {
            Output::Table => report.to_string(),
            Output::Json => json(&report)?,
        });
        if let Some(page) = self.html {
            write(&page, &report.page()?)?;
        }
        refuse_leaks(&report)
    }
}

impl Artifact {
    /// Runs it.
    ///
    /// # Errors
    /// Those of [`artifact_command::artifact`].
    pub(crate) async fn run(self) -> Result<(), RoleError> {
        let request = artifact_command::Request {
            pipeline: self.pipeline,
            weights: self.weights,
            scaler: self.scaler,
            out: self.out,
        };
        let folder = artifact_command::artifact(&request).await?;
        print(&folder.display().to_string());
        Ok(())
    }
}

/// Ends the program: an error in words, on standard error.
pub(crate) fn ended(result: Result<(), RoleError>) -> ExitCode {
    let Err(error) = result else {
        return ExitCode::SUCCESS;
    };
    eprintln!("{}", shown(&error));
    ExitCode::from(error.exit_code())
}

/// An error, line by line: it may hold what a file said, which a terminal must not obey.
fn shown(error: &RoleError) -> String {
    let text = format!("error: {error}");
    let lines = text.lines().map(|line| presentable(line, LONGEST_LINE));
    lines.collect::<Vec<_>>().join("\n")
}

/// A reader that has gone away, as `head` does, is no error of ours.
pub(crate) fn print(text: &str) {
    writeln!(std::io::stdout(), "{text}").ok();
}

/// Writes a file that was asked for.
fn write(path: &Path, text: &str) -> Result<(), RoleError> {
    std::fs::write(path, text)
        .map_err(|e| RoleError::user("FileNotWritten", format!("{}: {e}", path.display())))
}

fn kind(text: &str) -> Result<ModelKind, String> {
    serde_json::from_value(text.into()).map_err(|e| e.to_string())
}

fn json(report: &Report) -> Result<String, RoleError> {
    serde_json::to_string_pretty(report)
        .map_err(|e| RoleError::internal("Encoding", format!("the report: {e}")))
}

/// Numbers that a leak has made are shown, and are an error.
fn refuse_leaks(report: &Report) -> Result<(), RoleError> {
    match report.guards.iter().find(|verdict| !verdict.passed) {
        None => Ok(()),
        Some(verdict) => {
            let message = format!("{:?}: {}", verdict.guard, verdict.detail);
            Err(RoleError::internal("LeakFound", message))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_keeps_its_lines_and_nothing_else_that_moves_a_cursor() {
        let error = RoleError::user("RowsRefused", "a.csv: \u{1b}[2J\n  3 BadDate");
        let text = "error: RowsRefused: a.csv: \u{fffd}[2J\n  3 BadDate";
        assert_eq!(shown(&error), text);
    }
}

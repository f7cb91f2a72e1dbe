//! `make try`: from a file of daily bars to how it is read, what a model makes of it and two pages, with nothing but Rust.
//! It builds the trainer and runs the two commands that a person would.

mod export;

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use foresail_node::progress::{say, step};
use foresail_node::{Paths, exec};

/// The program that does it, and the profile that it is built in.
const PROGRAM: &str = "foresail-trainer";
const PROFILE: &str = "quick";

/// What to try.
#[derive(clap::Args)]
pub struct Options {
    /// File of daily bars; a made-up export of a market site when left out.
    file: Option<PathBuf>,
    /// Pipeline as YAML; what `inspect` finds out when left out.
    #[arg(long)]
    pipeline: Option<PathBuf>,
}

/// Runs it. The pages stay in the cache.
///
/// # Errors
/// A file that is not there, and what cargo and the trainer say.
pub fn run(paths: &Paths, options: &Options) -> Result<()> {
    // What is wrong with the question is said before minutes are spent on it.
    for file in [&options.file, &options.pipeline].into_iter().flatten() {
        there(file)?;
    }
    let folder = paths.cache.join("try");
    let file = match &options.file {
        Some(file) => file.clone(),
        None => made_up(&folder)?,
    };
    let trainer = build(paths)?;
    let name = file.file_stem().unwrap_or_default().to_string_lossy();
    let made = Pages::new(&folder.join(name.as_ref()))?;
    look(&trainer, &file, options.pipeline.as_deref(), &made)?;
    say(format!("how it is read: {}", made.inspection.display()));
    let pipeline = options.pipeline.as_ref().unwrap_or(&made.pipeline);
    let mut evaluate = Command::new(&trainer);
    evaluate.arg("evaluate").arg("--csv").arg(&file);
    evaluate.arg("--pipeline").arg(pipeline);
    evaluate.arg("--html").arg(&made.report);
    told(&mut evaluate)?;
    say("done. Open in a browser:");
    say(format!("  how it is read:  {}", made.inspection.display()));
    say(format!("  the forecasts:   {}", made.report.display()));
    if options.pipeline.is_none() {
        say(format!(
            "the Pipeline to change, and to try with PIPELINE=: {}",
            made.pipeline.display()
        ));
    }
    Ok(())
}

/// Builds the trainer alone, in a profile that spares the optimiser what a first look does not need.
fn build(paths: &Paths) -> Result<PathBuf> {
    let what = "cargo build (some minutes the first time, seconds later)";
    step(what, || {
        let mut cargo = exec::cargo(paths);
        cargo.args(["build", "--profile", PROFILE, "--package", PROGRAM]);
        exec::stream(&mut cargo)
    })?;
    Ok(paths.target.join(PROFILE).join(PROGRAM))
}

/// What is written for one file.
struct Pages {
    inspection: PathBuf,
    report: PathBuf,
    pipeline: PathBuf,
}

impl Pages {
    /// In a folder that is made.
    fn new(folder: &Path) -> Result<Self> {
        let pages = Self {
            inspection: folder.join("inspection.html"),
            report: folder.join("report.html"),
            pipeline: folder.join("pipeline.yaml"),
        };
        exec::create_parent(&pages.pipeline)?;
        Ok(pages)
    }
}

fn look(trainer: &Path, file: &Path, pipeline: Option<&Path>, made: &Pages) -> Result<()> {
    let mut inspect = Command::new(trainer);
    inspect.arg("inspect").arg(file);
    inspect.arg("--html").arg(&made.inspection);
    match pipeline {
        Some(pipeline) => inspect.arg("--pipeline").arg(pipeline),
        None => inspect.arg("--write-pipeline").arg(&made.pipeline),
    };
    told(&mut inspect)
}

/// Shows the command, so that a person can repeat it with other options, and runs it.
fn told(command: &mut Command) -> Result<()> {
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    let words: Vec<_> = words.map(|word| word.to_string_lossy()).collect();
    say(format!("  {}", words.join(" ")));
    exec::stream(command)
        .context("the trainer has said why; the command above can be repeated with other options")
}

fn there(file: &Path) -> Result<()> {
    if file.is_file() {
        return Ok(());
    }
    let from = std::env::current_dir().unwrap_or_default();
    bail!(
        "there is no file {}, seen from {}: name one with FILE= or PIPELINE=, or leave them out",
        file.display(),
        from.display()
    )
}

fn made_up(folder: &Path) -> Result<PathBuf> {
    let file = folder.join("ACME.csv");
    exec::write(&file, export::make()?)?;
    say(format!(
        "no FILE= is named: trying {}, made-up prices in the form of a market site's export",
        file.display()
    ));
    Ok(file)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_is_not_there_is_said_before_anything_is_built() {
        let paths = Paths {
            repo: PathBuf::from("/nowhere"),
            cache: PathBuf::from("/nowhere"),
            target: PathBuf::from("/nowhere"),
            state: PathBuf::from("/nowhere"),
        };
        let options = Options {
            file: Some(PathBuf::from("nowhere/bars.csv")),
            pipeline: None,
        };
        let error = run(&paths, &options).unwrap_err().to_string();
        assert!(
            error.contains("nowhere/bars.csv") && error.contains("FILE="),
            "{error}"
        );
    }
}

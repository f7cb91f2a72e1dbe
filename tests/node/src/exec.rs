//! Running other programs: short ones with their output, long ones with a heartbeat, a log and a limit.

use std::ffi::OsStr;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use sha2::{Digest, Sha256};

use crate::paths::Paths;
use crate::progress::{self, say};

const HEARTBEAT: Duration = Duration::from_secs(20);

/// Cargo in the checkout, as a person would start it. `cargo xtask` runs us with variables of our
/// own package set, which build scripts (ring's among them) watch: with them, every start from here
/// would build half of the dependencies again.
pub fn cargo(paths: &Paths) -> Command {
    like_a_person(paths, "cargo")
}

/// The same for a program that starts cargo.
pub fn like_a_person(paths: &Paths, program: impl AsRef<OsStr>) -> Command {
    let mut command = Command::new(program);
    command
        .current_dir(&paths.repo)
        .env("CARGO_TARGET_DIR", &paths.target);
    let ours = [
        "CARGO_PKG_",
        "CARGO_MANIFEST_",
        "CARGO_BIN_",
        "CARGO_CRATE_",
    ];
    let names = std::env::vars_os().filter_map(|(name, _)| name.into_string().ok());
    for name in names.filter(|name| ours.iter().any(|prefix| name.starts_with(prefix))) {
        command.env_remove(name);
    }
    command
}

/// A command that coreutils' `timeout` ends after `seconds`.
pub fn bounded(seconds: u32, program: impl AsRef<OsStr>) -> Command {
    let mut command = Command::new("timeout");
    command
        .args(["--kill-after=5", &seconds.to_string()])
        .arg(program);
    command
}

/// Runs to the end and returns standard output.
pub fn capture(command: &mut Command) -> Result<String> {
    let output = output(command)?;
    if !output.status.success() {
        let said = said(&output);
        bail!(
            "`{}` failed ({}): {}",
            line(command),
            reason(&output),
            tail(&said, 12)
        );
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// Runs to the end; only success matters.
pub fn run(command: &mut Command) -> Result<()> {
    capture(command).map(drop)
}

/// Whether the command succeeds.
pub fn succeeds(command: &mut Command) -> bool {
    output(command).is_ok_and(|output| output.status.success())
}

/// Runs with `input` on standard input.
pub fn feed(command: &mut Command, input: &str) -> Result<String> {
    command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut child = command.spawn().with_context(|| cannot_start(command))?;
    if let Some(mut pipe) = child.stdin.take() {
        // A program that fails early closes its end: its own message says more than the broken pipe.
        let _ = pipe.write_all(input.as_bytes());
    }
    let output = child.wait_with_output()?;
    if !output.status.success() {
        let said = said(&output);
        bail!(
            "`{}` failed ({}): {}",
            line(command),
            reason(&output),
            tail(&said, 12)
        );
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// Runs something long: output goes to `log`, a line shows every 20 s that it lives, and `limit` ends it.
pub fn long(command: &mut Command, what: &str, log: &Path, limit: Duration) -> Result<()> {
    create_parent(log)?;
    let file = File::create(log).with_context(|| format!("cannot write {}", log.display()))?;
    command
        .stdin(Stdio::null())
        .stdout(file.try_clone()?)
        .stderr(file);
    let mut child = command.spawn().with_context(|| cannot_start(command))?;
    let begin = Instant::now();
    let mut next_beat = HEARTBEAT;
    loop {
        if let Some(status) = child.try_wait()? {
            progress::ended(what);
            if status.success() {
                return Ok(());
            }
            bail!(
                "{what} failed ({status}): `{}`\n{}\nfull log: {}",
                line(command),
                tail_of(log, 15),
                log.display()
            );
        }
        let elapsed = begin.elapsed();
        if elapsed > limit {
            let _ = child.kill();
            let _ = child.wait();
            progress::ended(what);
            bail!(
                "{what} took longer than {}s and was ended\n{}\nfull log: {}",
                limit.as_secs(),
                tail_of(log, 15),
                log.display()
            );
        }
        let is_beat = elapsed > next_beat;
        if is_beat {
            next_beat += HEARTBEAT;
        }
        progress::alive(what, elapsed, is_beat);
        thread::sleep(Duration::from_millis(100));
    }
}

/// Runs with our own standard output and error.
pub fn stream(command: &mut Command) -> Result<()> {
    let status = command
        .stdin(Stdio::null())
        .status()
        .with_context(|| cannot_start(command))?;
    if !status.success() {
        bail!("`{}` failed ({status})", line(command));
    }
    Ok(())
}

/// Waits until `check` is true.
pub fn wait_until(
    what: &str,
    limit: Duration,
    mut check: impl FnMut() -> Result<bool>,
) -> Result<()> {
    let begin = Instant::now();
    let mut next_beat = HEARTBEAT;
    while !check()? {
        let elapsed = begin.elapsed();
        if elapsed > limit {
            bail!("{what}: not there after {}s", limit.as_secs());
        }
        if elapsed > next_beat {
            say(format!(
                "  still waiting for {what} after {}s",
                elapsed.as_secs()
            ));
            next_beat += HEARTBEAT;
        }
        thread::sleep(Duration::from_millis(200));
    }
    Ok(())
}

/// Last lines of a file, for error messages.
pub fn tail_of(file: &Path, lines: usize) -> String {
    let text = fs::read(file).unwrap_or_default();
    tail(&String::from_utf8_lossy(&text), lines)
}

/// SHA-256 of a file, in hexadecimal.
pub fn sha256(file: &Path) -> Result<String> {
    let mut source = File::open(file).with_context(|| format!("cannot read {}", file.display()))?;
    let mut digest = Sha256::new();
    io::copy(&mut source, &mut digest)
        .with_context(|| format!("cannot read {}", file.display()))?;
    Ok(hex::encode(digest.finalize()))
}

/// SHA-256 of bytes, in hexadecimal.
pub fn sha256_of(bytes: &[u8]) -> String {
    hex::encode(Sha256::digest(bytes))
}

/// Makes the folder a file is to lie in.
pub fn create_parent(file: &Path) -> Result<()> {
    let Some(parent) = file.parent() else {
        return Ok(());
    };
    fs::create_dir_all(parent).with_context(|| format!("cannot create {}", parent.display()))
}

/// Writes a file, making its folder.
pub fn write(file: &Path, text: impl AsRef<[u8]>) -> Result<()> {
    create_parent(file)?;
    fs::write(file, text).with_context(|| format!("cannot write {}", file.display()))
}

/// Writes a file that only its owner may read.
pub fn write_private(file: &Path, text: &str) -> Result<()> {
    create_parent(file)?;
    let mut options = OpenOptions::new();
    options.create(true).write(true).truncate(true).mode(0o600);
    let written = options
        .open(file)
        .and_then(|mut open| open.write_all(text.as_bytes()));
    written.with_context(|| format!("cannot write {}", file.display()))
}

fn output(command: &mut Command) -> Result<Output> {
    command
        .stdin(Stdio::null())
        .output()
        .with_context(|| cannot_start(command))
}

/// Some programs explain themselves on standard output.
fn said(output: &Output) -> String {
    let both = [output.stderr.as_slice(), output.stdout.as_slice()].concat();
    String::from_utf8_lossy(&both).into_owned()
}

fn cannot_start(command: &Command) -> String {
    format!(
        "cannot start `{}`: is it installed? (`cargo xtask setup` installs what is missing)",
        command.get_program().to_string_lossy()
    )
}

fn reason(output: &Output) -> String {
    match output.status.code() {
        Some(124) => "ran into its time limit".into(),
        _ => output.status.to_string(),
    }
}

fn line(command: &Command) -> String {
    let mut words = vec![command.get_program().to_string_lossy()];
    words.extend(command.get_args().map(OsStr::to_string_lossy));
    let text = words.join(" ");
    match text.char_indices().nth(300) {
        Some((end, _)) => format!("{}...", &text[..end]),
        None => text,
    }
}

fn tail(text: &str, lines: usize) -> String {
    let all: Vec<&str> = text.trim_end().lines().collect();
    all[all.len().saturating_sub(lines)..].join("\n")
}

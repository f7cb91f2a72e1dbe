//! Progress lines on standard error: elapsed time since the start, then what happens.

use std::sync::OnceLock;
use std::time::{Duration, Instant};

static START: OnceLock<Instant> = OnceLock::new();

/// Starts the clock.
pub fn start() {
    START.get_or_init(Instant::now);
}

/// Time since the start of the program.
pub fn elapsed() -> Duration {
    START.get_or_init(Instant::now).elapsed()
}

/// Prints one line.
pub fn say(text: impl AsRef<str>) {
    eprintln!("[{:>5.1}s] {}", elapsed().as_secs_f64(), text.as_ref());
}

/// Runs `work` between a line that says what starts and one that says how long it took.
pub fn step<T>(what: &str, work: impl FnOnce() -> anyhow::Result<T>) -> anyhow::Result<T> {
    say(format!("{what} ..."));
    let begin = Instant::now();
    let result = work()?;
    say(format!(
        "{what}: done in {:.1}s",
        begin.elapsed().as_secs_f64()
    ));
    Ok(result)
}

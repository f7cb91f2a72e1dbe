//! Progress on standard error: elapsed time since the start, what happens, and how long it may still take. On a
//! terminal the last line moves; elsewhere every 20 seconds a line shows that something lives.

use std::collections::BTreeMap;
use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

static START: OnceLock<Instant> = OnceLock::new();
static BAR: OnceLock<ProgressBar> = OnceLock::new();
static WORK: Mutex<Work> = Mutex::new(Work::new());

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
    let line = format!("[{:>5.1}s] {}", elapsed().as_secs_f64(), text.as_ref());
    // Where a bar stands, the line goes above it.
    bar().suspend(|| eprintln!("{line}"));
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

/// Work of this many seconds (two cores) is to be done.
pub fn expect(seconds: u64) {
    with_work(|work| work.expected += seconds);
}

/// So much of it is done.
pub fn done(seconds: u64) {
    with_work(|work| work.finish(seconds, elapsed()));
}

/// That something goes on: `what`, for how long already, and what is left of everything expected.
pub fn alive(what: &str, since: Duration, print: bool) {
    let text = format!("{what}: {}s so far", since.as_secs());
    let (running, left) = with_work(|work| {
        work.running.insert(what.to_owned(), text.clone());
        (work.line(), work.left(elapsed()))
    });
    let left = left.map_or_else(String::new, |left| {
        format!(", about {} min left in all", left.as_secs().div_ceil(60))
    });
    bar().set_message(format!("{running}{left}"));
    bar().tick();
    if print && bar().is_hidden() {
        say(format!("  {text}{left}"));
    }
}

/// It goes on no more.
pub fn ended(what: &str) {
    let line = with_work(|work| {
        work.running.remove(what);
        work.line()
    });
    bar().set_message(line);
    bar().tick();
}

fn bar() -> &'static ProgressBar {
    BAR.get_or_init(|| {
        let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
        match ProgressStyle::with_template("{msg}") {
            Ok(style) => bar.with_style(style),
            Err(_) => bar,
        }
    })
}

fn with_work<T>(act: impl FnOnce(&mut Work) -> T) -> T {
    act(&mut WORK.lock().unwrap_or_else(PoisonError::into_inner))
}

/// Seconds of work on two cores, and when some of it was last finished.
struct Work {
    expected: u64,
    finished: u64,
    last: Duration,
    /// What goes on at the moment.
    running: BTreeMap<String, String>,
}

impl Work {
    const fn new() -> Self {
        Self {
            running: BTreeMap::new(),
            expected: 0,
            finished: 0,
            last: Duration::ZERO,
        }
    }

    fn line(&self) -> String {
        let all: Vec<&str> = self.running.values().map(String::as_str).collect();
        all.join(" · ")
    }

    fn finish(&mut self, seconds: u64, now: Duration) {
        self.finished += seconds;
        self.last = now;
    }

    /// At the pace so far; nothing when nothing was announced.
    fn left(&self, now: Duration) -> Option<Duration> {
        let open = self.expected.saturating_sub(self.finished);
        if open == 0 {
            return None;
        }
        let pace = match self.finished {
            0 => 1.0,
            finished => (self.last.as_secs_f64() / finished as f64).clamp(0.25, 4.0),
        };
        let left = Duration::from_secs_f64(open as f64 * pace);
        Some(left.saturating_sub(now.saturating_sub(self.last)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_left_follows_the_pace() {
        let seconds = Duration::from_secs;
        let mut work = Work::new();
        assert_eq!(work.left(seconds(5)), None);
        work.expected = 300;
        assert_eq!(work.left(seconds(60)), Some(seconds(240)));
        work.finish(100, seconds(200));
        assert_eq!(work.left(seconds(200)), Some(seconds(400)));
        assert_eq!(work.left(seconds(250)), Some(seconds(350)));
        work.finish(200, seconds(500));
        assert_eq!(work.left(seconds(500)), None);
    }
}

//! Replay speed: session n is due at start + n / speed, so delays do not add up.

use std::time::Duration;

use foresail_runtime_base::Shutdown;
use tokio::time::Instant;

/// Slowest and fastest replay, sessions per second.
const SPEEDS: std::ops::RangeInclusive<f64> = 1e-6..=10_000.0;

/// An absolute schedule.
pub(crate) struct Pace {
    start: Instant,
    interval: Duration,
    sessions: u32,
}

impl Pace {
    pub(crate) fn new(sessions_per_second: f64) -> Self {
        let speed = sessions_per_second.clamp(*SPEEDS.start(), *SPEEDS.end());
        Self {
            start: Instant::now(),
            interval: Duration::from_secs_f64(1.0 / speed),
            sessions: 0,
        }
    }

    /// Waits until the next session is due, or shutdown.
    pub(crate) async fn next(&mut self, shutdown: &Shutdown) {
        let due = self.start + self.interval * self.sessions;
        self.sessions = self.sessions.saturating_add(1);
        // After an outage the schedule starts again instead of rushing to catch up.
        if due + Duration::from_secs(5) < Instant::now() {
            (self.start, self.sessions) = (Instant::now(), 1);
        }
        tokio::select! {
            () = tokio::time::sleep_until(due) => {}
            () = shutdown.cancelled() => {}
        }
    }
}

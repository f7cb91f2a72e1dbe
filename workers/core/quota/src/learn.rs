//! What an answer teaches every pod.

use std::time::Duration;

use jiff::Timestamp;

use crate::Limits;
use crate::ledger::{Breaker, BreakerState, Entitlement, Ledger, Level, Park, ParkReason};
use crate::time::{after, fraction};
use crate::window::Window;

/// What came of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// An answer that holds what was asked for, or that refuses this one request only (a bad symbol).
    Ok {
        /// All of a series was read, which only an entitled key may.
        full: bool,
    },
    /// Requests followed one another too fast.
    Burst {
        /// Least time to wait: 1 s, or 60 s when the limit a minute is named. Taken as at least 1 s.
        wait: Duration,
    },
    /// The requests of the day are used up.
    DailyQuota,
    /// The key is not allowed to read this.
    NotEntitled,
    /// The provider does not know the key.
    BadKey,
    /// The provider said how long to wait, or only to wait (status 429).
    Refused {
        /// From `Retry-After`; at most a day counts. Absent: 1 min, twice as long each time in a row, at most 1 h.
        wait: Option<Duration>,
    },
    /// No answer, or the provider's own error.
    Down,
    /// An answer that cannot be read.
    Malformed,
    /// A verdict on nothing.
    Unknown,
}

/// Failures in a row that open the breaker.
const FAILURES: u32 = 5;
/// First pause of the breaker.
const BREAKER_PAUSE: Duration = Duration::from_secs(30);
/// Longest pause of the breaker.
const LONGEST_BREAKER_PAUSE: Duration = Duration::from_secs(30 * 60);
/// Bursts of this length speak of the limit a minute.
const MINUTE_BURST: Duration = Duration::from_secs(60);
/// Bursts of a minute in a row after which they are taken for the limit a day.
const BURSTS_IN_A_ROW: u32 = 3;
/// Longest wait that a provider may ask for.
const LONGEST_WAIT: Duration = Duration::from_secs(24 * 60 * 60);

/// Pause before the breaker lets the next request through after it opened so often in a row.
pub fn breaker_pause(openings: u32) -> Duration {
    doubled(
        BREAKER_PAUSE,
        openings.saturating_sub(1),
        LONGEST_BREAKER_PAUSE,
    )
}

/// Pause after the `attempt`th refusal for the day: from 1 h after the second on, twice as long each time, at most half a
/// day. A simulated day has the same parts.
pub fn probe_pause(attempt: u32, windows: &[Window]) -> Duration {
    let day = windows.first().map_or(LONGEST_WAIT, Window::length);
    doubled(day / 24, attempt.saturating_sub(2), day / 2)
}

fn doubled(first: Duration, times: u32, most: Duration) -> Duration {
    first
        .saturating_mul(1_u32.checked_shl(times).unwrap_or(u32::MAX))
        .min(most)
}

impl Ledger {
    /// The ledger that knows `outcome`. Equal to this one when it teaches nothing; then nothing needs to be written.
    ///
    /// `jitter` is drawn evenly from 0 to 1 and spreads the next attempts of many accounts.
    pub fn learn(&self, outcome: Outcome, limits: &Limits, now: Timestamp, jitter: f64) -> Self {
        let at = self.newest.map_or(now, |newest| newest.max(now));
        let mut next = self.clone();
        if !matches!(
            outcome,
            Outcome::Down | Outcome::Malformed | Outcome::Unknown
        ) {
            // Also a refusal shows that the provider answers.
            next.breaker = Breaker::default();
        }
        match outcome {
            Outcome::Ok { full } => next.learn_ok(full, at),
            Outcome::NotEntitled => {
                next.learn_ok(false, at);
                next.learn_level(Level::Compact, at);
            }
            Outcome::Burst { wait } => next.learn_burst(wait, limits, at, jitter),
            Outcome::DailyQuota => next.learn_quota(limits, at, jitter),
            Outcome::BadKey => next.park(ParkReason::BadKey, None, at),
            Outcome::Refused { wait } => next.learn_refused(wait, at, jitter),
            Outcome::Down | Outcome::Malformed => next.learn_failure(at, jitter),
            Outcome::Unknown => {}
        }
        next
    }

    fn learn_ok(&mut self, full: bool, at: Timestamp) {
        // An answer to a request from before the park says nothing about it.
        let over = |park: &Park| park.probing || !park.holds(at);
        if self.parked.as_ref().is_some_and(over) {
            self.parked = None;
        }
        if full {
            self.learn_level(Level::Full, at);
        }
    }

    fn learn_level(&mut self, level: Level, at: Timestamp) {
        if self.entitlement.level != level {
            let learnt = Some(after(at, Duration::ZERO));
            self.entitlement = Entitlement { level, learnt };
        }
    }

    fn learn_burst(&mut self, wait: Duration, limits: &Limits, at: Timestamp, jitter: f64) {
        let second = Duration::from_secs(1);
        let wait = wait.clamp(second, LONGEST_WAIT);
        let again = |park: &Park| {
            park.reason == ParkReason::Burst
                && !park.holds(at)
                && park.attempt + 1 >= BURSTS_IN_A_ROW
        };
        if wait >= MINUTE_BURST && self.parked.as_ref().is_some_and(again) {
            // Older keys are refused for the day in the words of the minute.
            return self.learn_quota(limits, at, jitter);
        }
        let until = after(at, wait + fraction(second, jitter));
        self.park(ParkReason::Burst, Some(until), at);
    }

    fn learn_refused(&mut self, wait: Option<Duration>, at: Timestamp, jitter: f64) {
        let minute = Duration::from_secs(60);
        let refused = |park: &&Park| park.reason == ParkReason::Refused;
        let before = self
            .parked
            .as_ref()
            .filter(refused)
            .map_or(0, |park| park.attempt);
        let own = doubled(minute, before, minute * 60);
        let wait = wait
            .unwrap_or(own)
            .clamp(Duration::from_secs(1), LONGEST_WAIT);
        let until = after(at, wait + fraction(wait / 10, jitter));
        self.park(ParkReason::Refused, Some(until), at);
    }

    /// The first attempt is made after the earliest midnight that is claimed, the next ones further and further apart.
    fn learn_quota(&mut self, limits: &Limits, at: Timestamp, jitter: f64) {
        let windows = limits.reset_time_zone.windows(at);
        let day = windows.first().map_or(LONGEST_WAIT, Window::length);
        let spread = fraction(day / 144, jitter);
        let quota = |park: &&mut Park| park.reason == ParkReason::DailyQuota;
        if let Some(park) = self.parked.as_mut().filter(quota) {
            // The probe itself set the next attempt; other answers are those of requests from before the park.
            if park.probing {
                park.probing = false;
                park.until = park.until.map(|until| after(until, spread));
            }
            return;
        }
        let opens = windows.iter().map(Window::next_opens).min();
        let until = opens.map_or_else(|| after(at, day), |opens| after(opens, spread));
        self.park(ParkReason::DailyQuota, Some(until), at);
    }

    /// Parks for `reason`, unless a graver one holds. The same reason counts again once its time was over.
    fn park(&mut self, reason: ParkReason, until: Option<Timestamp>, at: Timestamp) {
        let Some(park) = self.parked.as_ref() else {
            self.parked = Some(Park {
                until,
                reason,
                attempt: 1,
                probing: false,
            });
            return;
        };
        // An open probe for the day still stands: its time lies in the future.
        if park.holds(at) && park.reason > reason {
            return;
        }
        let same = park.reason == reason;
        let attempt = match (same, park.holds(at)) {
            (true, true) => park.attempt,
            (true, false) => park.attempt.saturating_add(1),
            (false, _) => 1,
        };
        let held = park.until.filter(|_| same);
        let until = until.map(|until| held.map_or(until, |held| until.max(held)));
        self.parked = Some(Park {
            until,
            reason,
            attempt,
            probing: false,
        });
    }

    fn learn_failure(&mut self, at: Timestamp, jitter: f64) {
        let breaker = &mut self.breaker;
        match breaker.state {
            BreakerState::Closed => {
                breaker.failures = breaker.failures.saturating_add(1);
                if breaker.failures < FAILURES {
                    return;
                }
                breaker.openings = 1;
            }
            // Requests from before it opened say nothing new; the probe itself counted its opening.
            BreakerState::Open => return,
            BreakerState::HalfOpen => {}
        }
        let pause = breaker_pause(breaker.openings);
        breaker.state = BreakerState::Open;
        breaker.until = Some(after(at, pause + fraction(pause / 10, jitter)));
    }
}

#[cfg(test)]
mod tests;

//! Circuit breaker: after a failure no call is made for a pause that doubles up to five
//! seconds. Pure; the caller hands in the time.

use std::time::{Duration, Instant};

const FIRST_PAUSE: Duration = Duration::from_millis(500);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// State of the breaker.
#[derive(Debug, Default)]
pub(crate) struct Breaker {
    failures: u32,
    closed_from: Option<Instant>,
}

impl Breaker {
    /// True when a call may be made at `now`.
    pub(crate) fn allows(&self, now: Instant) -> bool {
        self.closed_from.is_none_or(|from| now >= from)
    }

    /// Records a failed call.
    pub(crate) fn failed(&mut self, now: Instant) {
        let pause = FIRST_PAUSE * 2_u32.pow(self.failures.min(8));
        self.failures = self.failures.saturating_add(1);
        self.closed_from = Some(now + pause.min(LONGEST_PAUSE));
    }

    /// Records a call that was answered.
    pub(crate) fn succeeded(&mut self) {
        *self = Self::default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_to_five_seconds_and_success_resets() {
        let start = Instant::now();
        let mut breaker = Breaker::default();
        assert!(breaker.allows(start));
        breaker.failed(start);
        assert!(!breaker.allows(start + Duration::from_millis(499)));
        assert!(breaker.allows(start + Duration::from_millis(500)));
        for _ in 0..40 {
            breaker.failed(start);
        }
        assert!(!breaker.allows(start + Duration::from_millis(4_999)));
        assert!(breaker.allows(start + Duration::from_secs(5)));
        breaker.succeeded();
        assert!(breaker.allows(start));
        breaker.failed(start);
        assert!(breaker.allows(start + Duration::from_millis(500)));
    }
}

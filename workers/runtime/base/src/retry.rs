//! Exponential back-off with equal jitter: half of a wait is fixed, the other half drawn.

use std::time::Duration;

use backon::{BackoffBuilder, ExponentialBackoff, ExponentialBuilder};

use crate::Shutdown;

/// Waits whose bound grows from `first` to `max`, each drawn between half and all of its bound.
#[derive(Debug)]
pub struct Backoff {
    waits: ExponentialBuilder,
    next: ExponentialBackoff,
    max: Duration,
}

impl Backoff {
    /// A sequence before its first wait.
    pub fn new(first: Duration, max: Duration) -> Self {
        // The library adds up to the whole delay to it: delays are half of their bound.
        let waits = ExponentialBuilder::new()
            .with_min_delay(first / 2)
            .with_max_delay(max / 2)
            .without_max_times()
            .with_jitter();
        Self {
            next: waits.build(),
            waits,
            max,
        }
    }

    /// Next wait.
    pub fn next_wait(&mut self) -> Duration {
        // Never empty, since the attempts have no limit.
        self.next.next().unwrap_or(self.max)
    }

    /// Starts over after a success.
    pub fn reset(&mut self) {
        self.next = self.waits.build();
    }

    /// Sleeps the next wait, or until shutdown.
    pub async fn wait(&mut self, shutdown: &Shutdown) {
        let wait = self.next_wait();
        tokio::select! {
            () = tokio::time::sleep(wait) => {}
            () = shutdown.cancelled() => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn grows_to_its_bound_and_starts_over() {
        let mut backoff = Backoff::new(Duration::from_millis(100), Duration::from_secs(1));
        let waits: Vec<u128> = (0..6).map(|_| backoff.next_wait().as_millis()).collect();
        for (wait, bound) in waits.iter().zip([100, 200, 400, 800, 1000, 1000]) {
            assert!((bound / 2..=bound).contains(wait), "{waits:?}");
        }
        backoff.reset();
        assert!(backoff.next_wait().as_millis() <= 100);
    }

    #[test]
    fn many_that_failed_together_do_not_come_back_together() {
        let first = || {
            let mut backoff = Backoff::new(Duration::from_secs(1), Duration::from_secs(1));
            backoff.next_wait().as_millis() / 50
        };
        let buckets: std::collections::BTreeSet<u128> = (0..200).map(|_| first()).collect();
        assert!(buckets.len() >= 8, "{buckets:?}");
    }
}

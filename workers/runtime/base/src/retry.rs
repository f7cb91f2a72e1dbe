//! Exponential backoff with full jitter.

use std::time::Duration;

use rand::Rng;

use crate::Shutdown;

/// Waits that grow from `first` to `max`, each drawn between half and all of its bound.
#[derive(Clone, Debug)]
pub struct Backoff {
    first: Duration,
    max: Duration,
    next: Duration,
}

impl Backoff {
    /// New sequence.
    pub fn new(first: Duration, max: Duration) -> Self {
        Self {
            first,
            max,
            next: first,
        }
    }

    /// Next wait.
    pub fn next_wait(&mut self) -> Duration {
        let bound = self.next;
        self.next = (bound * 2).min(self.max);
        bound.mul_f64(rand::rng().random_range(0.5..=1.0))
    }

    /// Starts over after a success.
    pub fn reset(&mut self) {
        self.next = self.first;
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
}

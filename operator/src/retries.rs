//! When an object whose reconcile failed is tried again: later each time, each object by itself.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use foresail_runtime_base::retry::Backoff;

/// Bound of the first wait after an error.
const FIRST: Duration = Duration::from_secs(4);
/// Bound of every wait after an error.
const MOST: Duration = Duration::from_secs(60);
/// Bound of the wait after a conflict: the newer object is there already.
const CONFLICT: Duration = Duration::from_millis(400);

/// Waits of the objects of one kind whose last reconcile failed, by name.
#[derive(Debug)]
pub struct Retries<Name>(Mutex<HashMap<Name, Failing>>);

#[derive(Debug)]
struct Failing {
    backoff: Backoff,
    times: u32,
}

impl<Name> Default for Retries<Name> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

/// Wait after somebody else wrote meanwhile; it does not grow.
pub fn after_conflict() -> Duration {
    Backoff::new(CONFLICT, CONFLICT).next_wait()
}

impl<Name: Eq + Hash + Clone> Retries<Name> {
    /// Wait before the next try.
    pub fn after_error(&self, name: &Name) -> Duration {
        let mut failing = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let first = || Failing {
            backoff: Backoff::new(FIRST, MOST),
            times: 0,
        };
        let failing = failing.entry(name.clone()).or_insert_with(first);
        failing.times = failing.times.saturating_add(1);
        failing.backoff.next_wait()
    }

    /// Failures in a row so far.
    pub fn failures(&self, name: &Name) -> u32 {
        let failing = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        failing.get(name).map_or(0, |failing| failing.times)
    }

    /// Starts over after a success, and once the object is gone.
    pub fn forget(&self, name: &Name) {
        let mut failing = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        failing.remove(name);
    }
}

#[cfg(test)]
mod tests {
    use foresail_crds::names::PipelineName;

    use super::*;

    #[test]
    fn waits_grow_for_each_pipeline_by_itself_until_a_success() {
        let (bad, other) = (
            PipelineName::new("n", "bad"),
            PipelineName::new("n", "other"),
        );
        let retries = Retries::default();
        let waits: Vec<f64> = (0..6)
            .map(|_| retries.after_error(&bad).as_secs_f64())
            .collect();
        for (wait, bound) in waits.iter().zip([4.0, 8.0, 16.0, 32.0, 60.0, 60.0]) {
            assert!((bound / 2.0..=bound).contains(wait), "{waits:?}");
        }
        assert!(retries.after_error(&other) <= FIRST);
        retries.forget(&bad);
        assert!(retries.after_error(&bad) <= FIRST);
    }

    #[test]
    fn many_pipelines_do_not_come_back_at_once() {
        let retries = Retries::default();
        let wait = |n| retries.after_error(&PipelineName::new("n", format!("p{n}")));
        let mut waits: Vec<Duration> = (0..20).map(wait).collect();
        waits.sort();
        waits.dedup();
        assert!(waits.len() > 10, "{waits:?}");
    }
}

//! What one pod has seen of a ledger: the newest version, since when it has known each grant, and how its clock stands.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use foresail_quota::Observer;
use jiff::{SignedDuration, Timestamp};
use tokio::sync::watch;
use tokio::time::Instant;

use crate::store::Version;

/// What this pod knows of a ledger.
pub(crate) struct Known {
    began: Instant,
    observer: Mutex<Observer>,
    /// The newest version that was seen.
    pub newest: watch::Sender<Option<Version>>,
    /// When the clock was last compared, and how far it was ahead of the API server's.
    clock: Mutex<Option<(Instant, SignedDuration)>>,
}

impl Default for Known {
    fn default() -> Self {
        Self {
            began: Instant::now(),
            observer: Mutex::default(),
            newest: watch::channel(None).0,
            clock: Mutex::default(),
        }
    }
}

impl Known {
    /// The monotonic clock that an observer is told.
    pub(crate) fn uptime(&self) -> Duration {
        self.began.elapsed()
    }

    /// A reading of that clock.
    pub(crate) fn instant(&self, uptime: Duration) -> Instant {
        self.began + uptime
    }

    pub(crate) fn observer(&self) -> MutexGuard<'_, Observer> {
        self.observer.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes note of a version, unless a newer one is known.
    pub(crate) fn see(&self, version: Version, now: Timestamp) {
        let mut observer = self.observer();
        let is_old = |known: &Version| version.is_older_than(known);
        if self.newest.borrow().as_ref().is_some_and(is_old) {
            return;
        }
        observer.look(&version.ledger, now, self.uptime());
        self.newest.send_if_modified(|known| {
            let before = known.as_ref().map(|known| &known.resource);
            let changed = before != Some(&version.resource);
            *known = Some(version);
            changed
        });
    }

    /// Takes note of how far the clock is ahead of the API server's.
    pub(crate) fn compare(&self, ahead: SignedDuration) {
        *self.clock() = Some((Instant::now(), ahead));
    }

    /// The next one who asks compares again.
    pub(crate) fn forget_clock(&self) {
        *self.clock() = None;
    }

    pub(crate) fn clock_is_older_than(&self, age: Duration) -> bool {
        self.clock().is_none_or(|(at, _)| at.elapsed() > age)
    }

    /// How far the clock was ahead when it was compared.
    pub(crate) fn ahead(&self) -> Option<SignedDuration> {
        self.clock().map(|(_, ahead)| ahead)
    }

    fn clock(&self) -> MutexGuard<'_, Option<(Instant, SignedDuration)>> {
        self.clock.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

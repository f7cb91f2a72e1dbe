//! Observations on their way to the Pipeline's status: the role changes them here, and whoever
//! holds the other end writes them (`runtime-cluster`, or a test).

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use foresail_crds::Role;
use foresail_crds::pipeline::status::{
    IngestStatus, LakeStatus, PrepareStatus, StreamStatus, TrainingStatus, WorkerError,
};
use serde::Serialize;
use serde_json::{Value, json};
use tokio::sync::{Notify, watch};
use tokio::time::timeout;

use crate::RoleError;

/// Longest wait for the last observation to be written.
const FLUSH: Duration = Duration::from_secs(10);

/// The part of status one role owns.
pub trait RoleStatus: Clone + Default + Serialize + Send + 'static {
    /// Sets or removes the error of the role.
    fn set_error(&mut self, error: Option<WorkerError>);
}

macro_rules! role_status {
    ($($status:ty),*) => {$(
        impl RoleStatus for $status {
            fn set_error(&mut self, error: Option<WorkerError>) {
                self.error = error;
            }
        }
    )*};
}
role_status!(
    PrepareStatus,
    IngestStatus,
    LakeStatus,
    StreamStatus,
    TrainingStatus
);

/// A role that reports nothing.
impl RoleStatus for () {
    fn set_error(&mut self, _: Option<WorkerError>) {}
}

/// Reports the newest observation; older ones that were not written yet are passed over.
#[derive(Debug)]
pub struct Reporter<S> {
    status: Mutex<S>,
    role: Role,
    latest: watch::Sender<Option<Value>>,
    written: watch::Receiver<Option<Value>>,
    hurry: Arc<Notify>,
}

/// The other end of a [`Reporter`]: partial statuses to write.
#[derive(Debug)]
pub struct Observations {
    /// The newest one; closed when the reporter is gone.
    pub latest: watch::Receiver<Option<Value>>,
    /// The newest one that was written.
    pub written: watch::Sender<Option<Value>>,
    /// Somebody waits for the newest to be written.
    pub hurry: Arc<Notify>,
}

impl<S: RoleStatus> Reporter<S> {
    /// A reporter of the field of status that a role writes (of several at its top, when it writes
    /// several), and its other end.
    pub fn channel(role: Role) -> (Self, Observations) {
        let (latest, wanted) = watch::channel(None);
        let (done, written) = watch::channel(None);
        let hurry = Arc::new(Notify::new());
        let reporter = Self {
            status: Mutex::default(),
            role,
            latest,
            written,
            hurry: Arc::clone(&hurry),
        };
        let observations = Observations {
            latest: wanted,
            written: done,
            hurry,
        };
        (reporter, observations)
    }

    /// Changes what is known and reports it, without the error reported last.
    pub fn update(&self, change: impl FnOnce(&mut S)) {
        self.change(|status| {
            status.set_error(None);
            change(status);
        });
    }

    /// Reports an error beside what was known last.
    pub fn fail(&self, error: &RoleError) {
        self.change(|status| status.set_error(Some(error.to_worker_error())));
    }

    /// Takes note of what the next report says too, whatever it is about.
    pub fn note(&self, change: impl FnOnce(&mut S)) {
        change(&mut self.status.lock().unwrap_or_else(PoisonError::into_inner));
    }

    /// Reports this and nothing else.
    pub fn set(&self, observation: S) {
        self.change(|status| *status = observation);
    }

    /// Waits until the newest observation is written, at most ten seconds; true when it is.
    pub async fn flush(&self) -> bool {
        self.hurry.notify_one();
        let newest = self.latest.borrow().clone();
        let mut written = self.written.clone();
        timeout(FLUSH, written.wait_for(|w| *w == newest))
            .await
            .is_ok_and(|r| r.is_ok())
    }

    fn change(&self, change: impl FnOnce(&mut S)) {
        let mut status = self.status.lock().unwrap_or_else(PoisonError::into_inner);
        change(&mut status);
        match (serde_json::to_value(&*status), self.role.status_field()) {
            (Ok(value), None) => {
                self.latest.send_replace(Some(value));
            }
            (Ok(value), Some(field)) => {
                self.latest.send_replace(Some(json!({ field: value })));
            }
            (Err(error), _) => tracing::error!(%error, "observation not reported"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn errors_stand_beside_what_was_known_and_go_with_the_next_progress() {
        let (reporter, other) = Reporter::<LakeStatus>::channel(Role::Lake);
        let latest = || other.latest.borrow().clone().unwrap()["lake"].clone();
        reporter.note(|status| status.rows = 1);
        assert!(other.latest.borrow().is_none(), "a note is no report");
        reporter.update(|status| status.version = 3);
        assert_eq!(
            (&latest()["rows"], &latest()["version"]),
            (&json!(1), &json!(3))
        );
        reporter.fail(&RoleError::outside("Away", "gone"));
        assert_eq!(latest()["error"]["reason"], "Away");
        assert_eq!(latest()["version"], 3);
        reporter.update(|_| ());
        assert_eq!(latest().get("error"), None);
    }

    #[tokio::test]
    async fn a_flush_waits_for_the_newest() {
        let (reporter, other) = Reporter::<LakeStatus>::channel(Role::Monitor);
        reporter.update(|status| status.rows = 1);
        let (flushed, ()) = tokio::join!(reporter.flush(), async {
            other.hurry.notified().await;
            let newest = other.latest.borrow().clone();
            assert_eq!(newest.as_ref().unwrap()["rows"], 1);
            other.written.send_replace(newest);
        });
        assert!(flushed);
        reporter.update(|status| status.rows = 2);
        drop(other);
        assert!(!reporter.flush().await, "nobody writes it any more");
    }
}

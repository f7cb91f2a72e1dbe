//! The one loop around every long-running role: serves health and metrics, connects, works,
//! reports what failed, waits, connects again, and says the last word at shutdown.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tracing::Instrument;

use crate::retry::Backoff;
use crate::{Health, RoleContext, RoleError, RoleStatus, Shutdown, admin};

const FIRST_WAIT: Duration = Duration::from_millis(500);
const LONGEST_WAIT: Duration = Duration::from_secs(10);
/// Time a role has to end its connection at shutdown. With that of the last report it fits into
/// the 20 seconds a pod is given.
const DRAIN: Duration = Duration::from_secs(9);

/// A role that works on a connection, and can open a new one after any failure: its position is in
/// what it has written.
pub trait Supervised: Sync {
    /// The part of status it reports.
    type Status: RoleStatus;

    /// Whether its pod stays ready while the connection is opened again.
    const STAYS_READY: bool = false;

    /// Connects and works until shutdown, or until another connection is needed. Dropped when it
    /// does not end in time after shutdown.
    fn run_connected(
        &self,
        connecting: &Connecting<'_>,
    ) -> impl Future<Output = Result<(), RoleError>> + Send;

    /// Takes note of a connection that ended with an error.
    fn connection_failed(&self) {}
}

/// What a role reports to its supervisor while it opens its connection.
pub struct Connecting<'a> {
    health: &'a Health,
    succeeded: AtomicBool,
}

impl Connecting<'_> {
    /// The connection is open: the pod is ready. That proves nothing, so the waits between failures grow on.
    pub fn ready(&self) {
        self.health.set_ready(true);
    }

    /// Work was done: the next failure is the first one.
    pub fn succeeded(&self) {
        self.succeeded.store(true, Ordering::Relaxed);
    }
}

/// Runs `role` until shutdown.
///
/// # Errors
/// The admin port in use. Everything else is reported in status and waited out.
pub async fn supervise<C, R: Supervised>(
    role: &R,
    context: &RoleContext<C, R::Status>,
) -> Result<(), RoleError> {
    async {
        let (health, shutdown) = (context.health.clone(), context.shutdown.clone());
        admin::serve(context.admin, health, context.registry.clone(), shutdown).await?;
        keep_connected(role, context).await;
        context.reporter.flush().await;
        Ok(())
    }
    .instrument(context.span.clone())
    .await
}

async fn keep_connected<C, R: Supervised>(role: &R, context: &RoleContext<C, R::Status>) {
    let (health, shutdown) = (&context.health, &context.shutdown);
    let mut backoff = Backoff::new(FIRST_WAIT, LONGEST_WAIT);
    while !shutdown.is_cancelled() {
        let connecting = Connecting {
            health,
            succeeded: AtomicBool::new(false),
        };
        // On the heap: a role's connection is a large state machine, and types nested too deep are slow
        // to compile.
        let connection = Box::pin(role.run_connected(&connecting));
        let ended = tokio::select! {
            ended = connection => ended,
            () = drained(shutdown) => return tracing::warn!("the connection did not end in time, left"),
        };
        if connecting.succeeded.into_inner() {
            backoff.reset();
        }
        let Err(error) = ended else {
            continue;
        };
        if !R::STAYS_READY {
            health.set_ready(false);
        }
        role.connection_failed();
        tracing::error!(
            reason = error.reason,
            cause = error.message,
            "connection failed, opening another"
        );
        context.reporter.fail(&error);
        backoff.wait(shutdown).await;
    }
}

/// The end of the time a role has after shutdown.
async fn drained(shutdown: &Shutdown) {
    shutdown.cancelled().await;
    tokio::time::sleep(DRAIN).await;
}

#[cfg(test)]
#[path = "supervise_tests.rs"]
mod tests;

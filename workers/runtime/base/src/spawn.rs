//! Tasks of a role: what they log carries the names of the role that started them.

use tokio::task::JoinHandle;
use tracing::{Instrument, Span};

/// Spawns a task that logs with the names of the one that spawns it.
pub fn spawn<F>(task: F) -> JoinHandle<F::Output>
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    tokio::spawn(task.in_current_span())
}

/// As [`spawn`], for work that blocks.
pub fn spawn_blocking<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> JoinHandle<T> {
    let span = Span::current();
    tokio::task::spawn_blocking(move || span.in_scope(work))
}

//! One signal to stop, shared by all tasks of a program.

use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

/// Asks all tasks of a program to finish. Clones share the signal.
#[derive(Clone, Debug, Default)]
pub struct Shutdown(CancellationToken);

impl Shutdown {
    /// Not tied to a signal; for tests and nested scopes.
    pub fn new() -> Self {
        Self::default()
    }

    /// Fires on SIGTERM or SIGINT. Must be called inside a tokio runtime.
    pub fn on_signal() -> Self {
        let shutdown = Self::new();
        let stop = shutdown.clone();
        crate::spawn(async move {
            let terminate = async {
                match signal(SignalKind::terminate()) {
                    Ok(mut stream) => {
                        stream.recv().await;
                    }
                    Err(_) => std::future::pending().await,
                }
            };
            tokio::select! {
                () = terminate => {}
                _ = tokio::signal::ctrl_c() => {}
            }
            tracing::info!("signal received, stopping");
            stop.cancel();
        });
        shutdown
    }

    /// Asks everyone to stop.
    pub fn cancel(&self) {
        self.0.cancel();
    }

    /// Waits for the signal.
    pub async fn cancelled(&self) {
        self.0.cancelled().await;
    }

    /// Whether it was given.
    pub fn is_cancelled(&self) -> bool {
        self.0.is_cancelled()
    }
}

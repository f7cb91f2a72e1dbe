//! The server over gRPC: it takes connections while there is room, and ends them without cutting a call. What a call wants and gets
//! is decided by `foresail-protocol` and `handle`, as over REST.

mod call;
mod connection;
mod deadline;
mod reply;

use std::sync::Arc;
use std::time::Duration;

use foresail_runtime_base::{Shutdown, spawn};
use foresail_runtime_http::server::tls::Speaks;
use foresail_runtime_http::server::{Bounds, Door};
use tokio::net::TcpListener;
use tokio::sync::Semaphore;

use self::connection::{Shared, serve};
use crate::state::State;

/// Pause after a connection that could not be taken: there may be no more files to open.
const PAUSE: Duration = Duration::from_millis(50);

/// A server that listens and takes no connection yet.
pub(crate) struct Server {
    state: Arc<State>,
    listener: TcpListener,
    door: Door,
}

impl Server {
    /// Takes over a listener.
    ///
    /// # Errors
    /// One that the runtime does not take.
    pub(crate) fn new(
        state: Arc<State>,
        listener: std::net::TcpListener,
        bounds: Bounds,
    ) -> std::io::Result<Self> {
        let listener = TcpListener::from_std(listener)?;
        let door = Door::new(state.tls.clone(), bounds);
        Ok(Self {
            state,
            listener,
            door,
        })
    }

    /// Serves until `stop`, then until the last connection has ended, which takes [`connection::DRAIN`] at most.
    pub(crate) async fn run(self, stop: Shutdown) {
        let most = self.door.bounds().connections;
        let room = Arc::new(Semaphore::new(most));
        let shared = Shared::new(self.state, stop.clone());
        while !stop.is_cancelled() {
            let next = async {
                let place = Arc::clone(&room).acquire_owned().await;
                (place, self.listener.accept().await)
            };
            let (place, accepted) = tokio::select! {
                next = next => next,
                () = stop.cancelled() => break,
            };
            let stream = match accepted {
                Ok((stream, _)) => stream,
                Err(error) => {
                    tracing::warn!(%error, "a connection of gRPC was not taken");
                    tokio::time::sleep(PAUSE).await;
                    continue;
                }
            };
            let (shared, door) = (shared.clone(), self.door.clone());
            spawn(async move {
                let _place = place;
                // Whoever is not let in knows why.
                if let Ok(stream) = door.enter(stream, Speaks::Http2).await {
                    // Small answers go out at once; one that does not is late and no more.
                    stream.socket().set_nodelay(true).ok();
                    serve(stream, door.life(), shared).await;
                }
            });
        }
        drop(self.listener);
        let all = u32::try_from(most).unwrap_or(u32::MAX);
        // It is never closed.
        room.acquire_many(all).await.ok();
    }
}

#[cfg(test)]
mod tests;

//! The server over gRPC: it takes connections while there is room, and ends them without cutting a call. What a call wants and gets
//! is decided by `foresail-protocol` and `handle`, as over REST.

mod call;
mod connection;
mod deadline;
mod reply;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use foresail_runtime_base::{Shutdown, spawn};
use socket2::SockRef;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;

use self::connection::{Shared, serve};
use crate::limits::{ANSWER_PAUSE, MOST_CONNECTIONS};
use crate::state::State;

/// Pause after a connection that could not be taken: there may be no more files to open.
const PAUSE: Duration = Duration::from_millis(50);

/// A server that listens and takes no connection yet.
pub(crate) struct Server {
    state: Arc<State>,
    listener: TcpListener,
}

impl Server {
    /// Takes over a listener.
    ///
    /// # Errors
    /// One that the runtime does not take.
    pub(crate) fn new(state: Arc<State>, listener: std::net::TcpListener) -> std::io::Result<Self> {
        listener.set_nonblocking(true)?;
        let listener = TcpListener::from_std(listener)?;
        Ok(Self { state, listener })
    }

    /// The address that is bound.
    ///
    /// # Errors
    /// Of the listener.
    pub(crate) fn address(&self) -> std::io::Result<SocketAddr> {
        self.listener.local_addr()
    }

    /// Serves until `stop`, then until the last connection has ended, which takes [`connection::DRAIN`] at most.
    pub(crate) async fn run(self, stop: Shutdown) {
        let room = Arc::new(Semaphore::new(MOST_CONNECTIONS));
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
            bound_what_is_not_taken(&stream);
            let shared = shared.clone();
            spawn(async move {
                let _place = place;
                serve(stream, shared).await;
            });
        }
        drop(self.listener);
        let all = u32::try_from(MOST_CONNECTIONS).unwrap_or(u32::MAX);
        // It is never closed.
        room.acquire_many(all).await.ok();
    }
}

/// Small answers go out at once, and the kernel ends a connection whose client takes nothing.
fn bound_what_is_not_taken(stream: &TcpStream) {
    let limited = stream
        .set_nodelay(true)
        .and_then(|()| SockRef::from(stream).set_tcp_user_timeout(Some(ANSWER_PAUSE)));
    if let Err(error) = limited {
        tracing::warn!(%error, "a connection without a limit for what is not taken");
    }
}

#[cfg(test)]
mod tests;

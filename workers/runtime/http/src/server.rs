//! What answers requests: sockets with small buffers, TLS whose files may change ([`tls`]), connections that end politely.
//! [`http1`] serves an application of actix-web; whoever speaks another protocol takes streams from a [`Door`].

pub mod http1;
mod stream;
pub mod tls;

use std::net::{SocketAddr, TcpListener};
use std::time::{Duration, Instant};

use foresail_runtime_base::{RoleError, Shutdown, spawn_blocking};
use socket2::{Domain, SockRef, Socket, Type};
use tokio::net::TcpStream;

pub use stream::Stream;
use tls::{Speaks, Tls};

/// Time between two looks at files that may change.
const LOOK: Duration = Duration::from_secs(1);
/// Connections that wait for the program to accept them.
const BACKLOG: i32 = 1_024;

/// What connections may take.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    /// Bytes that the kernel may hold for a connection, each way: they count as memory of the pod.
    pub socket_buffer: usize,
    /// Most connections at one time.
    pub connections: usize,
    /// Longest wait until the network has taken a part of an answer.
    pub answer_pause: Duration,
    /// Age from which on a connection ends with its next answer; each lives up to a quarter longer, so that they do not all
    /// end at once. Clients that keep their connections find new pods so.
    pub age: Duration,
}

/// Listens with small buffers; connections inherit them.
///
/// # Errors
/// Outside error `PortInUse`.
pub fn listen(address: SocketAddr, bounds: &Bounds) -> Result<TcpListener, RoleError> {
    listening(address, bounds)
        .map_err(|cause| RoleError::outside("PortInUse", format!("server on {address}: {cause}")))
}

fn listening(address: SocketAddr, bounds: &Bounds) -> std::io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, None)?;
    socket.set_reuse_address(true)?;
    socket.set_recv_buffer_size(bounds.socket_buffer)?;
    socket.set_send_buffer_size(bounds.socket_buffer)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    socket.set_nonblocking(true)?;
    Ok(socket.into())
}

/// What every accepted connection passes before a request is read from it. Clones share the TLS.
#[derive(Clone, Debug)]
pub struct Door {
    tls: Option<Tls>,
    bounds: Bounds,
}

impl Door {
    /// With TLS, or without.
    pub fn new(tls: Option<Tls>, bounds: Bounds) -> Self {
        Self { tls, bounds }
    }

    /// What connections may take.
    pub fn bounds(&self) -> &Bounds {
        &self.bounds
    }

    /// Bounds what the kernel keeps for a connection, and shakes hands where there is TLS.
    ///
    /// # Errors
    /// The client speaks no TLS, not the protocol, shows no certificate where it must, or takes too long.
    pub async fn enter(&self, tcp: TcpStream, speaks: Speaks) -> std::io::Result<Stream> {
        // An answer that is not taken holds memory: the kernel ends such a connection.
        let socket = SockRef::from(&tcp);
        if let Err(error) = socket.set_tcp_user_timeout(Some(self.bounds.answer_pause)) {
            tracing::warn!(%error, "a connection without a limit for what is not taken");
        }
        match &self.tls {
            None => Ok(Stream::Plain(tcp)),
            Some(tls) => Ok(Stream::Tls(Box::new(tls.accept(tcp, speaks).await?))),
        }
    }

    /// The life of a connection that begins now.
    pub fn life(&self) -> Life {
        let age = self.bounds.age.mul_f64(rand::random_range(1.0..1.25));
        Life {
            ends: Instant::now() + age,
        }
    }
}

/// When a connection is to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Life {
    ends: Instant,
}

impl Life {
    /// Whether the connection ends with the answer that is given now.
    pub fn is_over(&self) -> bool {
        Instant::now() >= self.ends
    }

    /// The moment from which on it is over.
    pub fn ends(&self) -> Instant {
        self.ends
    }
}

/// Calls `look` again and again until shutdown, away from the threads that serve.
pub(crate) async fn follow(shutdown: Shutdown, look: impl Fn() + Clone + Send + 'static) {
    while !shutdown.is_cancelled() {
        tokio::select! {
            () = tokio::time::sleep(LOOK) => {}
            () = shutdown.cancelled() => return,
        }
        spawn_blocking(look.clone()).await.ok();
    }
}

#[cfg(test)]
mod tests;

//! One connection: many calls at a time, small buffers, and an end that comes politely and for certain.

use std::convert::Infallible;
use std::pin::pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use foresail_runtime_base::Shutdown;
use foresail_runtime_http::server::Life;
use hyper::server::conn::http2::Builder;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{sleep, timeout};
use tracing::Instrument;

use super::call::call;
use crate::limits::{BODY_PAUSE, CONNECTIONS, MOST_GRPC_CONNECTIONS, MOST_STREAMS, Share};
use crate::state::State;

/// Longest wait for calls that run when the server stops.
pub(super) const DRAIN: Duration = Duration::from_secs(15);
/// What every connection of HTTP/2 begins with.
const PREFACE: &[u8; 24] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
/// Longest wait for it.
const PREFACE_DEADLINE: Duration = BODY_PAUSE;
/// Longest wait for calls that run when a connection is old; it also ends a connection whose client does not take its answers.
const AGE_DRAIN: Duration = Duration::from_secs(30);
/// Time after which a silent client is asked whether it is still there, and the time it has to say so.
const KEEP_ALIVE: Duration = Duration::from_secs(20);
/// Most bytes of headers of one call.
const MOST_HEADERS: u32 = 8 << 10;
/// Bytes of requests that a client may send before somebody reads them, and of an answer that wait for the network.
const WINDOW: usize = CONNECTIONS.socket_buffer;

/// What all connections share.
#[derive(Clone)]
pub(super) struct Shared {
    pub(super) state: Arc<State>,
    /// Fires when the server stops.
    pub(super) stop: Shutdown,
    /// Places for connections that speak HTTP/2.
    pub(super) places: Arc<Semaphore>,
}

impl Shared {
    pub(super) fn new(state: Arc<State>, stop: Shutdown) -> Self {
        Self {
            state,
            stop,
            places: Arc::new(Semaphore::new(MOST_GRPC_CONNECTIONS)),
        }
    }
}

/// Serves one connection until its client has gone, its time is over or the server stops.
pub(super) async fn serve<S>(mut stream: S, life: Life, shared: Shared)
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let Shared {
        state,
        stop,
        places,
    } = shared;
    // Whoever says nothing, or speaks something else, takes no place and is told nothing.
    let Ok(Some(_place)) = timeout(PREFACE_DEADLINE, admit(&mut stream, places)).await else {
        return;
    };
    let (read, write) = tokio::io::split(stream);
    let io = TokioIo::new(tokio::io::join(PREFACE.chain(read), write));
    let (share, span) = (Share::new(), state.span.clone());
    let service = service_fn(move |request| {
        let call = call(Arc::clone(&state), share.clone(), request);
        let call = call.instrument(span.clone());
        async move { Ok::<_, Infallible>(call.await) }
    });
    let mut connection = pin!(builder().serve_connection(io, service));
    let age = life.ends().saturating_duration_since(Instant::now());
    tokio::select! {
        // How it ended concerns nobody but its client.
        _ = connection.as_mut() => return,
        () = sleep(age) => {}
        () = stop.cancelled() => {}
    }
    connection.as_mut().graceful_shutdown();
    let drained = async {
        tokio::select! {
            () = sleep(AGE_DRAIN) => {}
            () = async { stop.cancelled().await; sleep(DRAIN).await } => {}
        }
    };
    tokio::select! {
        _ = connection => {}
        () = drained => {}
    }
}

/// A place for a connection that begins as it should.
async fn admit<S: AsyncRead + Unpin>(
    stream: &mut S,
    places: Arc<Semaphore>,
) -> Option<OwnedSemaphorePermit> {
    let mut preface = [0; PREFACE.len()];
    stream.read_exact(&mut preface).await.ok()?;
    if preface != *PREFACE {
        return None;
    }
    places.acquire_owned().await.ok()
}

fn builder() -> Builder<TokioExecutor> {
    let window = u32::try_from(WINDOW).unwrap_or(u32::MAX);
    let mut builder = Builder::new(TokioExecutor::new());
    builder
        .timer(TokioTimer::new())
        .max_concurrent_streams(MOST_STREAMS)
        .max_header_list_size(MOST_HEADERS)
        .initial_stream_window_size(window)
        .initial_connection_window_size(window)
        .max_send_buf_size(WINDOW)
        .keep_alive_interval(KEEP_ALIVE)
        .keep_alive_timeout(KEEP_ALIVE);
    builder
}

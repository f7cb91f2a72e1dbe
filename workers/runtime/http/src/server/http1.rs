//! Serves an application of actix-web over HTTP/1.1, behind a [`Door`]. `actix_web::HttpServer` does its own handshakes, with
//! settings that stay as they are at the start; what follows is what it does otherwise.

use std::fmt::Debug;
use std::net::TcpListener;
use std::time::Duration;

use actix_http::error::DispatchError;
use actix_http::{HttpService, Protocol, Request, Response};
use actix_service::{IntoServiceFactory, ServiceFactoryExt, fn_service, map_config};
use actix_web::body::MessageBody;
use actix_web::dev::{AppConfig, Server, Service, ServiceFactory};
use tokio::net::TcpStream;

use super::tls::Speaks;
use super::{Door, Stream};

/// Longest wait for the head of a request.
const HEAD_DEADLINE: Duration = Duration::from_secs(10);
/// Longest time without a request.
const KEEP_ALIVE: Duration = Duration::from_secs(60);
/// Longest wait for the other side at the end of a connection.
const DISCONNECT: Duration = Duration::from_secs(1);
/// Longest wait for requests at the end of the program, in seconds.
const DRAIN_SECONDS: u64 = 15;

/// A server that answers once it is awaited. Each connection carries its [`super::Life`] as connection data.
///
/// # Errors
/// The listener cannot be used.
pub fn serve<F, I, S, B>(app: F, listener: TcpListener, door: Door) -> std::io::Result<Server>
where
    F: Fn() -> I + Send + Clone + 'static,
    I: IntoServiceFactory<S, Request>,
    S: ServiceFactory<Request, Config = AppConfig> + 'static,
    S::Error: Into<actix_web::Error> + 'static,
    S::InitError: Debug,
    S::Response: Into<Response<B>> + 'static,
    <S::Service as Service<Request>>::Future: 'static,
    S::Service: 'static,
    B: MessageBody + 'static,
{
    let workers = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let builder = Server::build()
        .workers(workers)
        .max_concurrent_connections(door.bounds().connections / workers)
        .shutdown_timeout(DRAIN_SECONDS)
        .disable_signals();
    let stopping = builder.graceful_shutdown_signal();
    let server = builder.listen("http", listener, move || {
        let (door, stopping) = (door.clone(), stopping.clone());
        let births = door.clone();
        let http = HttpService::build()
            .graceful_shutdown_signal(move || {
                let stopping = stopping.clone();
                async move { stopping.notified().await }
            })
            .keep_alive(KEEP_ALIVE)
            .client_request_timeout(HEAD_DEADLINE)
            .client_disconnect_timeout(DISCONNECT)
            .on_connect_ext(move |_: &Stream, data| {
                data.insert(births.life());
            })
            .finish(map_config(
                app()
                    .into_factory()
                    .map_err(|error| error.into().error_response()),
                |()| AppConfig::default(),
            ));
        fn_service(move |tcp: TcpStream| {
            let door = door.clone();
            async move {
                let peer = tcp.peer_addr().ok();
                let stream = door.enter(tcp, Speaks::Http1).await;
                let stream = stream.map_err(DispatchError::Io)?;
                Ok((stream, Protocol::Http1, peer))
            }
        })
        .and_then(http)
    })?;
    Ok(server.run())
}

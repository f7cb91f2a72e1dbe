//! Starts everything: models, table, HTTP and gRPC; and ends it without cutting a request.

use std::any::Any;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::sync::Arc;
use std::time::Duration;

use actix_web::dev::Server;
use actix_web::middleware::from_fn;
use actix_web::rt::net::TcpStream;
use actix_web::{App, HttpServer, web};
use foresail_crds::role::{GRPC_PORT, HTTP_PORT};
use foresail_crds::worker_config::{PredictConfig, ServingConfig};
use foresail_runtime_base::metrics::Registry;
use foresail_runtime_base::{Health, Outside, RoleContext, RoleError, Shutdown, admin, spawn};
use foresail_runtime_cache::Cache;
use foresail_runtime_kafka::{LossyProducer, Settings};
use socket2::{Domain, SockRef, Socket, Type};
use tokio::sync::watch::Receiver;
use tracing::{Instrument, Span};

use crate::fill::fill;
use crate::limits::{ANSWER_PAUSE, Limits, MOST_CONNECTIONS, SOCKET_BUFFER};
use crate::metrics::Metrics;
use crate::served::ServedLog;
use crate::state::{self, State};
use crate::table::Table;
use crate::{grpc, models, routes};

/// Time between becoming unready and refusing connections, so that endpoints are removed first.
const DRAIN: Duration = Duration::from_secs(5);
/// Longest wait at the end for the log of what was served.
const LOG_DRAIN: Duration = Duration::from_secs(3);
/// Served forecasts that wait for Kafka.
const LOG_BUFFER: usize = 10_000;

/// Serves until shutdown, then drains.
///
/// # Errors
/// A port in use.
pub async fn run(
    context: RoleContext<PredictConfig, ()>,
    serving: Receiver<ServingConfig>,
) -> Result<(), RoleError> {
    let span = context.span.clone();
    serve(context, serving).instrument(span).await
}

async fn serve(
    context: RoleContext<PredictConfig, ()>,
    serving: Receiver<ServingConfig>,
) -> Result<(), RoleError> {
    let bind = SocketAddr::from((Ipv4Addr::UNSPECIFIED, HTTP_PORT));
    let (health, shutdown) = (context.health, context.shutdown);
    // The admin server and the followers outlive the signal: the pod still answers while it drains.
    let end = Shutdown::new();
    let registry = context.registry;
    admin::serve(context.admin, health.clone(), registry.clone(), end.clone()).await?;
    let state = Arc::new(open(context.config, context.outside, &registry));
    spawn(models::follow(Arc::clone(&state), serving, end.clone()));
    spawn(fill(Arc::clone(&state), end.clone()));
    // A container that was killed and came back may still stand behind the Service. Until it can answer it
    // refuses connections, as the dead one did, rather than answering 503 to requests of others.
    if !can_answer(&state, &health, &shutdown).await {
        end.cancel();
        return Ok(());
    }

    let (server, _) = http(&state, bind)?;
    let bind = SocketAddr::from((Ipv4Addr::UNSPECIFIED, GRPC_PORT));
    let (grpc, _) = grpc(&state, bind)?;
    let stop = Shutdown::new();
    let grpc = spawn(grpc.run(stop.clone()));
    spawn(readiness(Arc::clone(&state), health, shutdown.clone()));
    let handle = server.handle();
    let both = stop.clone();
    spawn(async move {
        shutdown.cancelled().await;
        tokio::time::sleep(DRAIN).await;
        both.cancel();
        handle.stop(true).await;
    });
    let served = server.await;
    // Also when the other server failed by itself.
    stop.cancel();
    grpc.await.ok();
    if let Some(log) = &state.log {
        log.close(LOG_DRAIN).await;
    }
    end.cancel();
    served.map_err(|e| RoleError::internal("ServerFailed", e.to_string()))
}

/// What a request sees, before any version is loaded.
pub(crate) fn open(config: PredictConfig, outside: Outside, registry: &Registry) -> State {
    let cache = config
        .redis
        .as_ref()
        .map(|spec| Cache::open(spec, config.pipeline.redis_prefix(), &outside, registry));
    let metrics = Metrics::new(registry);
    // Without a log, forecasts are still served.
    let log = Settings::new(&config.kafka, &outside)
        .and_then(|s| LossyProducer::open(&s, LOG_BUFFER, metrics.log_dropped.clone()));
    let log = log
        .inspect_err(|e| tracing::warn!(reason = e.reason, "served forecasts are not logged"))
        .ok();
    State {
        grid: config.bar_grid(),
        champion: Default::default(),
        previous: Default::default(),
        table: Table::new(metrics.table_rows.clone()),
        local: state::local_cache(),
        log: log.map(|producer| {
            let overflow = metrics.log_overflow.clone();
            ServedLog::start(producer, config.topics().served, overflow)
        }),
        cache,
        limits: Limits::new(),
        wanted: Default::default(),
        load_error: Default::default(),
        span: Span::current(),
        metrics,
        outside,
        config,
    }
}

/// Waits until requests can be answered; false when the program is to stop before that.
async fn can_answer(state: &State, health: &Health, shutdown: &Shutdown) -> bool {
    while !shutdown.is_cancelled() {
        if state.show(health) {
            return true;
        }
        tokio::select! {
            () = tokio::time::sleep(Duration::from_millis(20)) => {}
            () = shutdown.cancelled() => {}
        }
    }
    false
}

/// Ready while requests can be answered; not ready once stopping.
async fn readiness(state: Arc<State>, health: Health, shutdown: Shutdown) {
    while !shutdown.is_cancelled() {
        let ready = state.show(&health);
        health.set_ready(ready);
        tokio::select! {
            () = tokio::time::sleep(Duration::from_millis(200)) => {}
            () = shutdown.cancelled() => {}
        }
    }
    health.set_ready(false);
}

/// The server over HTTP, not yet listening.
pub(crate) fn http(
    state: &Arc<State>,
    bind: SocketAddr,
) -> Result<(Server, SocketAddr), RoleError> {
    let app_state = Arc::clone(state);
    let app = move || {
        App::new()
            .app_data(web::Data::new(Arc::clone(&app_state)))
            .wrap(from_fn(routes::guard::guard))
            .configure(routes::configure)
    };
    let workers = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let port_in_use =
        |e: &std::io::Error| RoleError::outside("PortInUse", format!("server on {bind}: {e}"));
    let listener = listener(bind).map_err(|e| port_in_use(&e))?;
    let bound = listener.local_addr().map_err(|e| port_in_use(&e))?;
    let server = HttpServer::new(app)
        .workers(workers)
        .max_connections(MOST_CONNECTIONS / workers)
        .on_connect(|connection, _| give_up_who_takes_nothing(connection))
        .client_request_timeout(Duration::from_secs(10))
        .keep_alive(Duration::from_secs(60))
        .shutdown_timeout(15)
        .disable_signals()
        .listen(listener)
        .map_err(|e| port_in_use(&e))?;
    Ok((server.run(), bound))
}

/// The server over gRPC, listening.
pub(crate) fn grpc(
    state: &Arc<State>,
    bind: SocketAddr,
) -> Result<(grpc::Server, SocketAddr), RoleError> {
    let listening = || {
        let server = grpc::Server::new(Arc::clone(state), listener(bind)?)?;
        let bound = server.address()?;
        Ok((server, bound))
    };
    listening().map_err(|e: std::io::Error| {
        RoleError::outside("PortInUse", format!("server on {bind}: {e}"))
    })
}

/// Listens with small buffers; connections inherit them.
fn listener(bind: SocketAddr) -> std::io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(bind), Type::STREAM, None)?;
    socket.set_reuse_address(true)?;
    socket.set_recv_buffer_size(SOCKET_BUFFER)?;
    socket.set_send_buffer_size(SOCKET_BUFFER)?;
    socket.bind(&bind.into())?;
    socket.listen(1_024)?;
    Ok(socket.into())
}

/// An answer that is not taken holds memory: the kernel ends such a connection.
fn give_up_who_takes_nothing(connection: &dyn Any) {
    let Some(stream) = connection.downcast_ref::<TcpStream>() else {
        return;
    };
    let socket = SockRef::from(stream);
    if let Err(error) = socket.set_tcp_user_timeout(Some(ANSWER_PAUSE)) {
        tracing::warn!(%error, "a connection without a limit for what is not taken");
    }
}

#[cfg(test)]
#[path = "server_tests.rs"]
mod tests;

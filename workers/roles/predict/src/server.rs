//! Starts everything: models, table, HTTP and gRPC; and ends it without cutting a request.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::sync::Arc;
use std::time::Duration;

use actix_web::dev::Server;
use actix_web::middleware::from_fn;
use actix_web::{App, web};
use foresail_crds::role::{GRPC_PORT, HTTP_PORT};
use foresail_crds::secret;
use foresail_crds::worker_config::{PredictConfig, ServingConfig};
use foresail_runtime_base::metrics::Registry;
use foresail_runtime_base::retry::Backoff;
use foresail_runtime_base::{Health, Outside, RoleContext, RoleError, Shutdown, admin, spawn};
use foresail_runtime_cache::Cache;
use foresail_runtime_http::access::Access;
use foresail_runtime_http::server::tls::{Files, Tls};
use foresail_runtime_http::server::{Bounds, Door, http1, listen};
use foresail_runtime_kafka::{LossyProducer, Settings};
use tokio::sync::watch::Receiver;
use tracing::{Instrument, Span};

use crate::fill::fill;
use crate::limits::{CONNECTIONS, Limits};
use crate::metrics::Metrics;
use crate::served::ServedLog;
use crate::state::{self, State};
use crate::table::Table;
use crate::{grpc, registry, routes};

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
    let mut state = open(context.config, context.outside, &registry);
    if let Some(files) = tls_files(&state) {
        let Some(tls) = tls(&files, &registry, (&health, &shutdown)).await else {
            end.cancel();
            return Ok(());
        };
        spawn(tls.clone().follow(end.clone()));
        state.tls = Some(tls);
    }
    let state = Arc::new(state);
    spawn(registry::follow(Arc::clone(&state), serving, end.clone()));
    spawn(fill(Arc::clone(&state), end.clone()));
    // A container that was killed and came back may still stand behind the Service. Until it can answer it
    // refuses connections, as the dead one did, rather than answering 503 to requests of others.
    if !can_answer(&state, &health, &shutdown).await {
        end.cancel();
        return Ok(());
    }

    let (server, _) = http(&state, bind, CONNECTIONS)?;
    let bind = SocketAddr::from((Ipv4Addr::UNSPECIFIED, GRPC_PORT));
    let (grpc, _) = grpc(&state, bind, CONNECTIONS)?;
    let stop = Shutdown::new();
    let grpc = spawn(grpc.run(stop.clone()));
    spawn(readiness(Arc::clone(&state), health, shutdown.clone()));
    let both = stop.clone();
    spawn(async move {
        shutdown.cancelled().await;
        tokio::time::sleep(DRAIN).await;
        both.cancel();
    });
    let served = until(server, stop.clone()).await;
    // Also when the other server failed by itself.
    stop.cancel();
    grpc.await.ok();
    if let Some(log) = &state.log {
        log.close(LOG_DRAIN).await;
    }
    end.cancel();
    served
}

/// Answers until `stop`, then ends without cutting a request.
pub(crate) async fn until(server: Server, stop: Shutdown) -> Result<(), RoleError> {
    let handle = server.handle();
    spawn(async move {
        stop.cancelled().await;
        handle.stop(true).await;
    });
    let served = server.await;
    served.map_err(|e| RoleError::internal("ServerFailed", e.to_string()))
}

/// The files of the certificate, where the Pipeline declares one.
fn tls_files(state: &State) -> Option<Files> {
    let tls = state.config.tls.as_ref()?;
    let file = |system, key| state.outside.secrets.place(system, key);
    let has_clients = tls.client_ca_secret_name.is_some();
    Some(Files {
        certificate: file(secret::TLS, "tls.crt"),
        key: file(secret::TLS, "tls.key"),
        client_ca: has_clients.then(|| file(secret::CLIENT_CA, "ca.crt")),
    })
}

/// Waits for a certificate that can be used; `None` when the program is to stop before that.
async fn tls(
    files: &Files,
    registry: &Registry,
    (health, shutdown): (&Health, &Shutdown),
) -> Option<Tls> {
    let mut backoff = Backoff::new(Duration::from_millis(500), Duration::from_secs(5));
    while !shutdown.is_cancelled() {
        match Tls::open(files.clone(), registry) {
            Ok(tls) => return Some(tls),
            Err(error) => {
                tracing::error!(
                    reason = error.reason,
                    cause = error.message,
                    "no certificate"
                );
                health.set_error(Some(&error));
            }
        }
        backoff.wait(shutdown).await;
    }
    None
}

/// What a request sees, before any version is loaded.
pub(crate) fn open(config: PredictConfig, outside: Outside, registry: &Registry) -> State {
    let mut state = bare(config, outside, registry);
    let State {
        config,
        outside,
        metrics,
        ..
    } = &state;
    let cache = config
        .redis
        .as_ref()
        .map(|spec| Cache::open(spec, config.pipeline.redis_prefix(), outside, registry));
    // Without a log, forecasts are still served.
    let log = Settings::new(&config.kafka, outside)
        .and_then(|s| LossyProducer::open(&s, LOG_BUFFER, metrics.log_dropped.clone()));
    let log = log
        .inspect_err(|e| tracing::warn!(reason = e.reason, "served forecasts are not logged"))
        .ok();
    let log = log.map(|producer| {
        let overflow = metrics.log_overflow.clone();
        ServedLog::start(producer, config.topics().served, overflow)
    });
    state.cache = cache;
    state.log = log;
    state
}

/// The same without anything outside the process.
pub(crate) fn bare(config: PredictConfig, outside: Outside, registry: &Registry) -> State {
    let metrics = Metrics::new(registry);
    State {
        folder: None,
        tls: None,
        access: Access::Anonymous,
        grid: config.bar_grid(),
        registry: Default::default(),
        table: Table::new(metrics.table_rows.clone()),
        local: state::local_cache(),
        log: None,
        cache: None,
        limits: Limits::new(),
        wanted: Default::default(),
        load_error: Default::default(),
        refused: Default::default(),
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
pub(crate) async fn readiness(state: Arc<State>, health: Health, shutdown: Shutdown) {
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

/// The server over HTTP, and where it listens.
pub(crate) fn http(
    state: &Arc<State>,
    bind: SocketAddr,
    bounds: Bounds,
) -> Result<(Server, SocketAddr), RoleError> {
    on(state, listen(bind, &bounds)?, bounds)
}

/// The same on a port that was taken before.
pub(crate) fn on(
    state: &Arc<State>,
    listener: TcpListener,
    bounds: Bounds,
) -> Result<(Server, SocketAddr), RoleError> {
    let app_state = Arc::clone(state);
    let app = move || {
        App::new()
            .app_data(web::Data::new(Arc::clone(&app_state)))
            .wrap(from_fn(routes::guard::guard))
            .configure(routes::configure)
    };
    let refused = |e: std::io::Error| RoleError::outside("PortInUse", format!("server: {e}"));
    let bound = listener.local_addr().map_err(refused)?;
    let door = Door::new(state.tls.clone(), bounds);
    let server = http1::serve(app, listener, door).map_err(refused)?;
    Ok((server, bound))
}

/// The server over gRPC, and where it listens.
pub(crate) fn grpc(
    state: &Arc<State>,
    bind: SocketAddr,
    bounds: Bounds,
) -> Result<(grpc::Server, SocketAddr), RoleError> {
    let listener = listen(bind, &bounds)?;
    let refused = |e: std::io::Error| RoleError::outside("PortInUse", format!("server: {e}"));
    let bound = listener.local_addr().map_err(refused)?;
    let server = grpc::Server::new(Arc::clone(state), listener, bounds).map_err(refused)?;
    Ok((server, bound))
}

#[cfg(test)]
#[path = "server_tests.rs"]
mod tests;

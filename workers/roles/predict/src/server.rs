//! Starts everything: models, table, HTTP; and ends it without cutting a request.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use actix_web::middleware::from_fn;
use actix_web::{App, HttpServer, web};
use foresail_crds::records::{FeatureRecord, header};
use foresail_crds::role::HTTP_PORT;
use foresail_crds::worker_config::{PredictConfig, ServingConfig};
use foresail_runtime_base::metrics::Registry;
use foresail_runtime_base::retry::Backoff;
use foresail_runtime_base::{Health, Outside, RoleContext, RoleError, Shutdown, admin, spawn};
use foresail_runtime_cache::Cache;
use foresail_runtime_kafka::{LossyProducer, Reader, Settings, Start};
use tokio::sync::watch::Receiver;
use tracing::{Instrument, Span};

use crate::metrics::Metrics;
use crate::served::ServedLog;
use crate::state::{self, State};
use crate::table::Table;
use crate::{models, routes};

/// Time between becoming unready and refusing connections, so that endpoints are removed first.
const DRAIN: Duration = Duration::from_secs(5);
/// Longest wait at the end for the log of what was served.
const LOG_DRAIN: Duration = Duration::from_secs(3);
/// Served forecasts that wait for Kafka.
const LOG_BUFFER: usize = 10_000;

/// Serves until shutdown, then drains.
///
/// # Errors
/// A port in use, or a feature spec that cannot be computed.
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
    let (health, shutdown) = (context.health, context.shutdown);
    // The admin server and the followers outlive the signal: the pod still answers while it drains.
    let end = Shutdown::new();
    let registry = context.registry;
    admin::serve(context.admin, health.clone(), registry.clone(), end.clone()).await?;
    let state = Arc::new(open(context.config, context.outside, &registry)?);
    spawn(models::follow(
        Arc::clone(&state),
        serving,
        health.clone(),
        end.clone(),
    ));
    spawn(fill(Arc::clone(&state), end.clone()));
    // A container that was killed and came back may still stand behind the Service. Until it can answer it
    // refuses connections, as the dead one did, rather than answering 503 to requests of others.
    if !can_answer(&state, &shutdown).await {
        end.cancel();
        return Ok(());
    }

    let app_state = Arc::clone(&state);
    let app = move || {
        App::new()
            .app_data(web::Data::new(Arc::clone(&app_state)))
            .wrap(from_fn(routes::guard))
            .configure(routes::configure)
    };
    let workers = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let bind = SocketAddr::from((Ipv4Addr::UNSPECIFIED, HTTP_PORT));
    let server = HttpServer::new(app)
        .workers(workers)
        .client_request_timeout(Duration::from_secs(10))
        .keep_alive(Duration::from_secs(60))
        .shutdown_timeout(15)
        .disable_signals()
        .bind(bind)
        .map_err(|e| RoleError::outside("PortInUse", format!("server on {bind}: {e}")))?
        .run();
    spawn(readiness(Arc::clone(&state), health, shutdown.clone()));
    let handle = server.handle();
    spawn(async move {
        shutdown.cancelled().await;
        tokio::time::sleep(DRAIN).await;
        handle.stop(true).await;
    });
    let served = server.await;
    if let Some(log) = &state.log {
        log.close(LOG_DRAIN).await;
    }
    end.cancel();
    served.map_err(|e| RoleError::internal("ServerFailed", e.to_string()))
}

/// What a request sees, before any version is loaded.
pub(crate) fn open(
    config: PredictConfig,
    outside: Outside,
    registry: &Registry,
) -> Result<State, RoleError> {
    let fingerprint =
        foresail_features::fingerprint(&config.features, config.adjustment).map_err(|e| {
            RoleError::user(
                "InvalidFeatures",
                format!("spec.features: {e}; correct the spec"),
            )
        })?;
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
    let keep = usize::try_from(config.lookback).unwrap_or(1);
    Ok(State {
        calendar: config.calendar,
        champion: Default::default(),
        previous: Default::default(),
        table: Table::new(keep, metrics.table_rows.clone()),
        local: state::local_cache(),
        log: log.map(|producer| {
            let overflow = metrics.log_overflow.clone();
            ServedLog::start(producer, config.topics().served, overflow)
        }),
        cache,
        in_flight: state::permits(),
        filled: Default::default(),
        span: Span::current(),
        fingerprint,
        metrics,
        outside,
        config,
    })
}

/// Waits until requests can be answered; false when the program is to stop before that.
async fn can_answer(state: &State, shutdown: &Shutdown) -> bool {
    while !shutdown.is_cancelled() {
        if state.is_ready() {
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
        health.set_ready(state.is_ready());
        tokio::select! {
            () = tokio::time::sleep(Duration::from_millis(200)) => {}
            () = shutdown.cancelled() => {}
        }
    }
    health.set_ready(false);
}

/// Fills the table: at once from Redis when it answers, in any case from Kafka.
async fn fill(state: Arc<State>, end: Shutdown) {
    if let Some(cache) = &state.cache {
        let mut complete = true;
        for symbol in state.config.symbols() {
            match cache.rows(&state.fingerprint, &symbol).await {
                Some(rows) if !rows.is_empty() => {
                    rows.into_iter().for_each(|r| state.table.push(r))
                }
                _ => complete = false,
            }
        }
        state.filled.store(complete, Ordering::Relaxed);
        tracing::info!(complete, "table filled from Redis");
    }
    let mut backoff = Backoff::new(Duration::from_millis(500), Duration::from_secs(10));
    while !end.is_cancelled() {
        if let Err(error) = follow(&state, &end, &mut backoff).await {
            tracing::warn!(
                reason = error.reason,
                cause = error.message,
                "feature rows not followed, trying again"
            );
            backoff.wait(&end).await;
        }
    }
}

async fn follow(state: &State, end: &Shutdown, backoff: &mut Backoff) -> Result<(), RoleError> {
    let settings = Settings::new(&state.config.kafka, &state.outside)?;
    let topic = state.config.topics().features;
    let mut reader = Reader::open(&settings, &topic, Start::Beginning).await?;
    while !end.is_cancelled() {
        for message in reader.next_batch(2_000, Duration::from_millis(200)).await? {
            if message.header(header::FINGERPRINT) != Some(state.fingerprint.as_str()) {
                continue;
            }
            if let Ok(row) = serde_json::from_slice::<FeatureRecord>(&message.value) {
                state.table.push(row);
            }
        }
        if reader.caught_up() {
            state.filled.store(true, Ordering::Relaxed);
            backoff.reset();
        }
    }
    Ok(())
}

#[cfg(test)]
#[path = "server_tests.rs"]
mod tests;

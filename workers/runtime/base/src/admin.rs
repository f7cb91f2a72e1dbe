//! `/healthz`, `/readyz` and `/metrics` of a long-running program.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use actix_web::{App, HttpResponse, HttpServer, web};
use foresail_crds::pipeline::status::WorkerError;
use foresail_crds::readiness::{Readiness, RefusedVersion};

use crate::metrics::{self, Registry};
use crate::{RoleError, Shutdown, spawn};

/// Readiness of the program; alive while the process answers.
#[derive(Clone, Debug, Default)]
pub struct Health(Arc<Inner>);

#[derive(Debug, Default)]
struct Inner {
    ready: AtomicBool,
    error: Mutex<Option<WorkerError>>,
    loaded: Mutex<Vec<String>>,
    refused: Mutex<Vec<RefusedVersion>>,
}

impl Health {
    /// Not ready.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets readiness.
    pub fn set_ready(&self, ready: bool) {
        self.0.ready.store(ready, Ordering::Relaxed);
    }

    /// Whether it is ready.
    pub fn is_ready(&self) -> bool {
        self.0.ready.load(Ordering::Relaxed)
    }

    /// Sets or removes the error shown at `/readyz`.
    pub fn set_error(&self, error: Option<&RoleError>) {
        let error = error.map(RoleError::to_worker_error);
        *self.0.error.lock().unwrap_or_else(PoisonError::into_inner) = error;
    }

    /// Sets what `/readyz` says of versions: digests of those that are loaded, and why others are not.
    pub fn set_versions(&self, loaded: Vec<String>, refused: Vec<RefusedVersion>) {
        *self.0.loaded.lock().unwrap_or_else(PoisonError::into_inner) = loaded;
        *self.0.refused.lock().unwrap_or_else(PoisonError::into_inner) = refused;
    }

    fn readiness(&self) -> Readiness {
        let error = self.0.error.lock().unwrap_or_else(PoisonError::into_inner);
        let loaded = self.0.loaded.lock().unwrap_or_else(PoisonError::into_inner);
        let refused = self.0.refused.lock();
        Readiness {
            refused: refused.unwrap_or_else(PoisonError::into_inner).clone(),
            ready: self.is_ready(),
            error: error.clone(),
            loaded: loaded.clone(),
        }
    }
}

/// Serves until shutdown, on a thread of its own so that a busy role still answers probes.
///
/// # Errors
/// Outside error `PortInUse` when the address cannot be bound.
pub async fn serve(
    bind: SocketAddr,
    health: Health,
    registry: Registry,
    shutdown: Shutdown,
) -> Result<(), RoleError> {
    let app = move || {
        App::new()
            .app_data(web::Data::new(health.clone()))
            .app_data(web::Data::new(registry.clone()))
            .route("/healthz", web::get().to(alive))
            .route("/readyz", web::get().to(ready))
            .route("/metrics", web::get().to(metrics))
    };
    let server = HttpServer::new(app)
        .workers(1)
        .max_connections(64)
        .client_request_timeout(Duration::from_secs(5))
        .disable_signals()
        .shutdown_timeout(1)
        .bind(bind)
        .map_err(|e| RoleError::outside("PortInUse", format!("admin server on {bind}: {e}")))?
        .run();
    let handle = server.handle();
    spawn(async move {
        shutdown.cancelled().await;
        handle.stop(true).await;
    });
    spawn(async move {
        if let Err(error) = server.await {
            tracing::error!(%error, "admin server ended");
        }
    });
    Ok(())
}

async fn alive() -> HttpResponse {
    HttpResponse::Ok().body("ok\n")
}

async fn ready(health: web::Data<Health>) -> HttpResponse {
    let readiness = health.readiness();
    if readiness.ready {
        HttpResponse::Ok().json(readiness)
    } else {
        HttpResponse::ServiceUnavailable().json(readiness)
    }
}

async fn metrics(registry: web::Data<Registry>) -> HttpResponse {
    HttpResponse::Ok()
        .content_type(metrics::CONTENT_TYPE)
        .body(registry.encode())
}

//! A folder of versions, served without Kubernetes, Kafka, S3 and Redis: the same registry, routes and limits. Run by
//! `foresail-worker serve`.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use actix_web::dev::Server;
use foresail_crds::names::PipelineName;
use foresail_crds::pipeline::spec::LakeSpec;
use foresail_crds::pipeline::status::ErrorClass;
use foresail_crds::worker_config::{KafkaAddress, PredictConfig};
use foresail_domain::{Calendar, Interval, TradingCalendar};
use foresail_runtime_base::metrics::Registry;
use foresail_runtime_base::{Health, Outside, RoleError, Secrets, Shutdown, admin, spawn};
use foresail_runtime_http::access::{Access, Keys};
use foresail_runtime_http::server::listen;
use foresail_runtime_http::server::tls::{Files, Tls};
use tokio::sync::watch;

use crate::folder::Versions;
use crate::limits::CONNECTIONS;
use crate::registry;
use crate::server::{bare, on, readiness, until};
use crate::state::State;

/// Longest wait for the first version.
const FIRST_VERSION: Duration = Duration::from_secs(60);

/// What is served, and to whom.
#[derive(Clone, Debug)]
pub struct Alone {
    /// Name of the model in requests.
    pub model: String,
    /// Its versions: `<number>/manifest.json` with the weights beside it.
    pub folder: PathBuf,
    /// Where requests are answered.
    pub http: SocketAddr,
    /// Where `/healthz`, `/readyz` and `/metrics` are, if anywhere.
    pub admin: Option<SocketAddr>,
    /// Certificate; plain HTTP without one.
    pub tls: Option<Files>,
    /// Folder of the keys that callers must have; anybody is answered without one.
    pub api_keys: Option<PathBuf>,
    /// Calendar of the bars in requests.
    pub calendar: TradingCalendar,
    /// Length of a bar in requests.
    pub interval: Interval,
}

/// A server that has its port and a version, and answers once it runs.
pub struct Started {
    state: Arc<State>,
    server: Server,
    address: SocketAddr,
    health: Health,
    end: Shutdown,
}

/// Reads everything that is named, loads a version and takes the port.
///
/// # Errors
/// What is wrong with it, in one sentence: always a user error, since nothing but what was named is used.
pub async fn start(alone: Alone) -> Result<Started, RoleError> {
    let started = prepare(alone).await;
    started.map_err(|error| RoleError {
        class: ErrorClass::User,
        ..error
    })
}

async fn prepare(alone: Alone) -> Result<Started, RoleError> {
    let registry = Registry::default();
    let (health, end) = (Health::new(), Shutdown::new());
    let keys = alone.api_keys.clone().map(Keys::open).transpose()?;
    let files = alone.tls.clone();
    let tls = files.map(|files| Tls::open(files, &registry)).transpose()?;
    let versions = Versions::at(alone.folder.clone());
    let wanted = versions.look()?;
    let outside = Outside::new(Secrets::at(&alone.folder), &registry, None);
    let state = Arc::new(State {
        folder: Some(versions.clone()),
        tls: tls.clone(),
        access: keys.clone().map_or(Access::Anonymous, Access::Keys),
        ..bare(config(&alone), outside, &registry)
    });
    let listener = listen(alone.http, &CONNECTIONS)?;
    let (serving, watched) = watch::channel(wanted);
    spawn(registry::follow(Arc::clone(&state), watched, end.clone()));
    let started = async {
        if let Some(admin) = alone.admin {
            admin::serve(admin, health.clone(), registry, end.clone()).await?;
        }
        first_version(&state, &health).await
    };
    if let Err(error) = started.await {
        end.cancel();
        return Err(error);
    }
    let (server, address) = on(&state, listener, CONNECTIONS)?;
    spawn(versions.follow(serving, end.clone()));
    if let Some(tls) = tls {
        spawn(tls.follow(end.clone()));
    }
    if let Some(keys) = keys {
        spawn(keys.follow(end.clone()));
    }
    Ok(Started {
        state,
        server,
        address,
        health,
        end,
    })
}

/// Waits for a version that answers.
async fn first_version(state: &State, health: &Health) -> Result<(), RoleError> {
    let begin = tokio::time::Instant::now();
    while !state.show(health) {
        if let Some(error) = state.load_error() {
            return Err(error);
        }
        if begin.elapsed() > FIRST_VERSION {
            let message = format!("no version was loaded within {} s", FIRST_VERSION.as_secs());
            return Err(RoleError::user("NoVersion", message));
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    Ok(())
}

impl Started {
    /// Answers until shutdown, then ends without cutting a request.
    ///
    /// # Errors
    /// Internal error `ServerFailed`.
    pub async fn run(self, shutdown: Shutdown) -> Result<(), RoleError> {
        let Self {
            state,
            server,
            address,
            health,
            end,
        } = self;
        tracing::info!(%address, tls = state.tls.is_some(), "requests are answered");
        spawn(readiness(state, health, shutdown.clone()));
        let served = until(server, shutdown).await;
        end.cancel();
        served
    }
}

/// The configuration of a Pipeline of this name that has no bars. What it says of Kafka and S3 is not looked at.
fn config(alone: &Alone) -> PredictConfig {
    PredictConfig {
        pipeline: PipelineName::new("alone", &alone.model),
        instruments: Vec::new(),
        calendar: Calendar::from(alone.calendar),
        interval: alone.interval,
        kafka: KafkaAddress {
            bootstrap_servers: String::new(),
            secret_name: None,
            topic_prefix: String::new(),
        },
        lake: LakeSpec {
            uri: String::new(),
            endpoint: String::new(),
            region: String::new(),
            secret_name: String::new(),
        },
        redis: None,
        cache_ttl_seconds: 0,
        tls: None,
    }
}

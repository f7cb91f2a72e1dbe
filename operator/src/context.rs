//! What every reconcile needs.

use std::time::Duration;

use foresail_crds::MANAGER;
use foresail_crds::names::PipelineName;
use foresail_crds::worker_config::Installation;
use foresail_runtime_base::effects::Effects;
use kube::Client;
use kube::runtime::events::{Recorder, Reporter};

use crate::metrics::Metrics;
use crate::retries::Retries;
use crate::selection::Selection;
use crate::store::Store;

/// Longest wait for an answer of the API server: one that never answers must not hold a reconcile, and with eight of
/// them the operator, for good.
pub const DEADLINE: Duration = Duration::from_secs(15);
/// Longest wait for a predictor's answer.
const PATIENCE: Duration = Duration::from_secs(1);

/// Images the operator stamps on all pods.
#[derive(Clone, Debug)]
pub struct Images {
    pub worker: String,
    pub trainer: String,
    pub pull_policy: String,
}

/// Shared by all reconciles.
pub struct Context {
    /// API client.
    pub client: Client,
    pub images: Images,
    /// Whom this operator looks after.
    pub selection: Selection,
    /// What the watches have shown.
    pub store: Store,
    /// What workers are told beside their Pipeline's spec.
    pub installation: Installation,
    /// Publishes Events.
    pub recorder: Recorder,
    /// Asks predictors.
    pub http: reqwest::Client,
    /// When failed reconciles of Pipelines are tried again.
    pub retries: Retries<PipelineName>,
    /// The layer every write passes.
    pub effects: Effects,
    /// What is counted beside the writes.
    pub metrics: Metrics,
}

impl Context {
    /// # Errors
    /// When no HTTP client can be made.
    pub fn new(
        client: Client,
        images: Images,
        identity: &str,
        effects: Effects,
        metrics: Metrics,
    ) -> reqwest::Result<Self> {
        let reporter = Reporter {
            controller: MANAGER.into(),
            instance: Some(identity.to_string()),
        };
        Ok(Self {
            recorder: Recorder::new(client.clone(), reporter),
            http: http()?,
            effects,
            metrics,
            client,
            images,
            selection: Selection::default(),
            store: Store::default(),
            installation: Installation::default(),
            retries: Retries::default(),
        })
    }
}

/// Asks pods, and nobody whom a pod names; what is packed is not unpacked.
pub fn http() -> reqwest::Result<reqwest::Client> {
    reqwest::Client::builder()
        .timeout(PATIENCE)
        .redirect(reqwest::redirect::Policy::none())
        .no_gzip()
        .no_proxy()
        .build()
}

/// A configuration for calls: each has a deadline, and is tried again by the next reconcile, not in between.
pub fn bounded(mut config: kube::Config, deadline: Duration) -> kube::Config {
    config.read_timeout = Some(deadline);
    config.reset_reader_on_write = true;
    config.default_retry = false;
    config
}

#[cfg(test)]
mod tests {
    use k8s_openapi::api::core::v1::Pod;
    use kube::Api;
    use kube::api::ListParams;
    use tokio::net::TcpListener;
    use tokio::time::timeout;

    use super::*;

    #[tokio::test]
    async fn a_server_that_never_answers_is_given_up() {
        foresail_runtime_base::init("test");
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(async move {
            let mut held = Vec::new();
            while let Ok((stream, _)) = listener.accept().await {
                held.push(stream);
            }
        });
        let config = kube::Config::new(url.parse().unwrap());
        let config = bounded(config, Duration::from_millis(100));
        let api: Api<Pod> = Api::namespaced(Client::try_from(config).unwrap(), "n");
        let list = timeout(Duration::from_secs(30), api.list(&ListParams::default())).await;
        assert!(list.expect("still waiting").is_err());
    }
}

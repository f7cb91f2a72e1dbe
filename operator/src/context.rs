//! What every reconcile needs.

use std::time::Duration;

use foresail_crds::MANAGER;
use foresail_runtime_base::effects::Effects;
use kube::Client;
use kube::runtime::events::{Recorder, Reporter};

use crate::metrics::Metrics;
use crate::retries::Retries;

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
    /// Publishes Events.
    pub recorder: Recorder,
    /// Asks predictors.
    pub http: reqwest::Client,
    /// When failed reconciles are tried again.
    pub retries: Retries,
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
            http: reqwest::Client::builder()
                .timeout(PATIENCE)
                .no_proxy()
                .build()?,
            effects,
            metrics,
            client,
            images,
            retries: Retries::default(),
        })
    }
}

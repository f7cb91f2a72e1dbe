//! What every reconcile needs.

use std::time::Duration;

use foresail_crds::MANAGER;
use kube::Client;
use kube::runtime::events::{Recorder, Reporter};

use crate::retries::Retries;

/// Longest wait for a predictor's answer.
const PATIENCE: Duration = Duration::from_secs(1);

/// Images the operator stamps on all pods.
#[derive(Clone, Debug)]
pub struct Images {
    /// Workers.
    pub worker: String,
    /// Trainer.
    pub trainer: String,
    /// Pull policy.
    pub pull_policy: String,
}

/// Shared by all reconciles.
pub struct Context {
    /// API client.
    pub client: Client,
    /// Images.
    pub images: Images,
    /// Publishes Events.
    pub recorder: Recorder,
    /// Asks predictors.
    pub http: reqwest::Client,
    /// When failed reconciles are tried again.
    pub retries: Retries,
}

impl Context {
    /// New context.
    ///
    /// # Errors
    /// When no HTTP client can be made.
    pub fn new(client: Client, images: Images, identity: &str) -> reqwest::Result<Self> {
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
            client,
            images,
            retries: Retries::default(),
        })
    }
}

//! What every reconcile needs.

use kube::Client;
use kube::runtime::events::{Recorder, Reporter};

/// Field manager of everything the operator applies.
pub const MANAGER: &str = "foresail-operator";

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
}

impl Context {
    /// New context.
    pub fn new(client: Client, images: Images, identity: &str) -> Self {
        let reporter = Reporter {
            controller: MANAGER.into(),
            instance: Some(identity.to_string()),
        };
        Self {
            recorder: Recorder::new(client.clone(), reporter),
            client,
            images,
        }
    }
}

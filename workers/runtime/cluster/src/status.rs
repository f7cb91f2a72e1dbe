//! One writer per status field: each role applies its own sub-object with its own field manager.

use std::time::Duration;

use foresail_crds::names::PipelineName;
use foresail_crds::{API_VERSION, Pipeline, Role};
use foresail_runtime_base::effects::Effects;
use foresail_runtime_base::retry::Backoff;
use foresail_runtime_base::{Observations, Outside, Shutdown, spawn};
use kube::Api;
use kube::api::{Patch, PatchParams};
use serde_json::{Value, json};
use tokio::time::timeout;

/// Shortest time between two writes. Each one costs the API server some 20 ms and starts a reconcile: a role that is busy all the
/// time must not keep both busy.
const THROTTLE: Duration = Duration::from_secs(3);
/// Time one write may take.
const WRITE_TIMEOUT: Duration = Duration::from_secs(10);

/// Writes the observations of one role in the background: latest wins, on change only, at most once
/// in three seconds, retried while the API server is away. The field manager is `foresail-<role>`.
#[derive(Debug)]
pub struct StatusWriter {
    api: Option<Api<Pipeline>>,
    pipeline: PipelineName,
    manager: String,
    effects: Effects,
}

impl StatusWriter {
    /// A writer for `role`.
    pub fn new(api: crate::Api, pipeline: &PipelineName, role: Role, outside: &Outside) -> Self {
        Self {
            api: api.map(|client| Api::namespaced(client, &pipeline.namespace)),
            pipeline: pipeline.clone(),
            manager: role.field_manager(),
            effects: outside.effects.clone(),
        }
    }

    /// Writes until the reporter is gone: beyond the shutdown signal, so that a last report can be
    /// flushed; after it without the pauses between two writes.
    pub fn start(self, observations: Observations, shutdown: Shutdown) {
        spawn(async move { self.run(observations, &shutdown).await });
    }

    async fn run(self, observations: Observations, shutdown: &Shutdown) {
        let Observations {
            mut latest,
            written,
            hurry,
        } = observations;
        let mut backoff = Backoff::new(Duration::from_millis(200), Duration::from_secs(10));
        while latest.changed().await.is_ok() {
            loop {
                let Some(value) = latest.borrow_and_update().clone() else {
                    break;
                };
                if *written.borrow() == Some(value.clone()) {
                    break;
                }
                match self.write(&value).await {
                    Ok(()) => {
                        written.send_replace(Some(value));
                        backoff.reset();
                        break;
                    }
                    Err(error) => {
                        tracing::warn!(%error, pipeline = %self.pipeline, "status not written, trying again");
                        backoff.wait(&Shutdown::new()).await;
                    }
                }
            }
            if !shutdown.is_cancelled() {
                tokio::select! {
                    () = tokio::time::sleep(THROTTLE) => {}
                    () = hurry.notified() => {}
                }
            }
        }
    }

    async fn write(&self, status: &Value) -> Result<(), String> {
        let Some(api) = &self.api else {
            tracing::info!(%status, "observation");
            return Ok(());
        };
        let patch = json!({
            "apiVersion": API_VERSION,
            "kind": "Pipeline",
            "metadata": { "name": self.pipeline.name },
            "status": status,
        });
        let params = PatchParams::apply(&self.manager).force();
        let patch = Patch::Apply(&patch);
        let write = api.patch_status(&self.pipeline.name, &params, &patch);
        let write = timeout(WRITE_TIMEOUT, write);
        match self.effects.perform("kubernetes", "status", write).await {
            Ok(Ok(_)) => Ok(()),
            // A deleted Pipeline has no status; applying must not bring it back to life either.
            Ok(Err(kube::Error::Api(status))) if status.code == 404 => Ok(()),
            Ok(Err(error)) => Err(error.to_string()),
            Err(_) => Err(format!("no answer within {} s", WRITE_TIMEOUT.as_secs())),
        }
    }
}

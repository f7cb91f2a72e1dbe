//! One writer per status field: each role applies its own sub-object with its own field manager.

use std::sync::Arc;
use std::time::Duration;

use foresail_crds::names::PipelineName;
use foresail_crds::{API_VERSION, Pipeline, Role};
use foresail_runtime_base::retry::Backoff;
use foresail_runtime_base::{Shutdown, effects};
use kube::Api;
use kube::api::{Patch, PatchParams};
use serde::Serialize;
use serde_json::{Value, json};
use tokio::sync::{Notify, watch};
use tokio::time::timeout;

/// Shortest time between two writes.
const THROTTLE: Duration = Duration::from_secs(1);
/// Time one write may take.
const WRITE_TIMEOUT: Duration = Duration::from_secs(10);

/// Reports the newest observation in the background: latest wins, on change only, at most once a
/// second, retried while the API server is away.
#[derive(Debug)]
pub struct StatusReporter<T> {
    latest: watch::Sender<Option<Value>>,
    written: watch::Receiver<Option<Value>>,
    hurry: Arc<Notify>,
    role: Role,
    marker: std::marker::PhantomData<fn(T)>,
}

impl<T: Serialize> StatusReporter<T> {
    /// Starts the background task. `T` is the sub-object of `status` that the role owns; the
    /// monitor owns several, so its `T` is a partial status. The field manager is `foresail-<role>`.
    pub fn start(pipeline: &PipelineName, role: Role, shutdown: Shutdown) -> Self {
        let (latest, mut wanted) = watch::channel(None);
        let (done, written) = watch::channel(None);
        let hurry = Arc::new(Notify::new());
        let writer = Writer {
            pipeline: pipeline.clone(),
            manager: role.field_manager(),
            done,
            hurry: Arc::clone(&hurry),
        };
        // The task outlives the shutdown signal so that a last report can be flushed; it ends
        // with the process.
        tokio::spawn(async move { writer.run(&mut wanted, &shutdown).await });
        Self {
            latest,
            written,
            hurry,
            role,
            marker: std::marker::PhantomData,
        }
    }

    /// Sets what is to be reported.
    pub fn set(&self, observation: T) {
        match (serde_json::to_value(&observation), self.role.status_field()) {
            (Ok(value), None) => {
                self.latest.send_replace(Some(value));
            }
            (Ok(value), Some(field)) => {
                self.latest.send_replace(Some(json!({ field: value })));
            }
            (Err(error), _) => {
                tracing::error!(%error, role = %self.role, "observation not reported")
            }
        }
    }

    /// Waits until the newest observation is written, at most ten seconds; true when it is.
    pub async fn flush(&self) -> bool {
        self.hurry.notify_one();
        let newest = self.latest.borrow().clone();
        let mut written = self.written.clone();
        timeout(WRITE_TIMEOUT, written.wait_for(|w| *w == newest))
            .await
            .is_ok_and(|r| r.is_ok())
    }
}

struct Writer {
    pipeline: PipelineName,
    manager: String,
    done: watch::Sender<Option<Value>>,
    hurry: Arc<Notify>,
}

impl Writer {
    async fn run(self, wanted: &mut watch::Receiver<Option<Value>>, shutdown: &Shutdown) {
        let api = crate::client()
            .await
            .map(|client| Api::<Pipeline>::namespaced(client, &self.pipeline.namespace));
        let mut backoff = Backoff::new(Duration::from_millis(200), Duration::from_secs(10));
        while wanted.changed().await.is_ok() {
            loop {
                let Some(value) = wanted.borrow_and_update().clone() else {
                    break;
                };
                if *self.done.borrow() == Some(value.clone()) {
                    break;
                }
                match self.write(api.as_ref(), &value).await {
                    Ok(()) => {
                        self.done.send_replace(Some(value));
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
                    () = self.hurry.notified() => {}
                }
            }
        }
    }

    async fn write(&self, api: Option<&Api<Pipeline>>, status: &Value) -> Result<(), String> {
        let Some(api) = api else {
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
        let write = effects::perform("kubernetes", "status", timeout(WRITE_TIMEOUT, write));
        match write.await {
            Ok(Ok(_)) => Ok(()),
            // A deleted Pipeline has no status; applying must not bring it back to life either.
            Ok(Err(kube::Error::Api(status))) if status.code == 404 => Ok(()),
            Ok(Err(error)) => Err(error.to_string()),
            Err(_) => Err(format!("no answer within {} s", WRITE_TIMEOUT.as_secs())),
        }
    }
}

//! The worker's side of the Kubernetes API: reporting observations to the Pipeline's status and
//! following the `-serving` ConfigMap. A worker runs on when the API server is away.

pub mod serving;
mod status;

pub use status::StatusReporter;

/// A client from the pod's service account or the local kubeconfig; `None` outside a cluster.
pub(crate) async fn client() -> Option<kube::Client> {
    match kube::Client::try_default().await {
        Ok(client) => Some(client),
        Err(error) => {
            tracing::warn!(%error, "no Kubernetes API: observations are only logged");
            None
        }
    }
}

//! The worker's side of the Kubernetes API: reporting observations to the Pipeline's status and
//! following the `-serving` ConfigMap. A worker runs on when the API server is away.

pub mod named;
pub mod serving;
mod status;

pub use status::StatusWriter;

/// The Kubernetes API; `None` outside a cluster, where observations are only logged.
pub type Api = Option<kube::Client>;

/// The API as the pod's service account or the local kubeconfig name it. Only `main` asks for it.
pub async fn client() -> Api {
    match kube::Client::try_default().await {
        Ok(client) => Some(client),
        Err(error) => {
            tracing::warn!(%error, "no Kubernetes API: observations are only logged");
            None
        }
    }
}

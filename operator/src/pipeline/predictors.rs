//! Asks predictors why they do not serve what they should. They have no right to write to the cluster, so what
//! they know about a version they cannot load is fetched from `/readyz`.

use foresail_crds::Role;
use foresail_crds::readiness::Readiness;
use foresail_crds::role::ADMIN_PORT;
use futures::StreamExt;
use futures::stream;
use k8s_openapi::api::core::v1::Pod;
use kube::ResourceExt;

use super::labels;
use super::observed::PredictorError;

/// Pods asked in one reconcile: all of them load the same version from the same place.
const MOST: usize = 4;

/// Errors by pod. A pod that does not answer says nothing: its own state tells more.
pub(super) async fn errors(pods: &[Pod], http: &reqwest::Client) -> Vec<PredictorError> {
    let running = pods.iter().filter_map(address).take(MOST);
    let asked = running.map(|(name, ip)| async move {
        let url = format!("http://{ip}:{ADMIN_PORT}/readyz");
        let answer = http.get(url).send().await.ok()?;
        let readiness: Readiness = answer.json().await.ok()?;
        Some(PredictorError {
            pod: name,
            error: readiness.error?,
        })
    });
    let asked: Vec<_> = asked.collect();
    stream::iter(asked)
        .buffered(MOST)
        .filter_map(|answer| async move { answer })
        .collect()
        .await
}

/// Name and address of a predictor that runs.
fn address(pod: &Pod) -> Option<(String, String)> {
    let status = pod.status.as_ref()?;
    let lives =
        pod.metadata.deletion_timestamp.is_none() && status.phase.as_deref() == Some("Running");
    let ip = status.pod_ip.clone()?;
    // An IPv6 address stands in brackets in a URL.
    let ip = if ip.contains(':') {
        format!("[{ip}]")
    } else {
        ip
    };
    (lives && labels::is_role(pod, Role::Predict)).then(|| (pod.name_any(), ip))
}

//! Asks predictors what they have loaded, and why they do not serve what they should. They have no right to write to the
//! cluster, so what they know is fetched from `/readyz`.

use foresail_crds::Role;
use foresail_crds::names::PipelineName;
use foresail_crds::readiness::Readiness;
use foresail_crds::role::ADMIN_PORT;
use futures::StreamExt;
use futures::stream;
use k8s_openapi::api::core::v1::Pod;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::OwnerReference;
use kube::ResourceExt;

use super::labels;
use super::observed::PredictorAnswer;

/// Pods asked in one reconcile: all of them load the same version from the same place.
const MOST: usize = 4;

/// Longest answer that is read, in bytes: anything may answer at the address of a pod.
const LONGEST: usize = 64 << 10;

/// What each pod says. One that does not answer says nothing: its own state tells more.
pub(super) async fn answers(
    pipeline: &PipelineName,
    pods: &[Pod],
    http: &reqwest::Client,
) -> Vec<PredictorAnswer> {
    let ours = pods.iter().filter(|pod| is_of_deployment(pod, pipeline));
    let running = ours.filter_map(address).take(MOST);
    let asked = running.map(|(name, ip)| async move {
        let url = format!("http://{ip}:{ADMIN_PORT}/readyz");
        let readiness = readiness(http.get(url)).await?;
        Some(PredictorAnswer {
            pod: name,
            error: readiness.error,
            loaded: readiness.loaded,
            refused: readiness.refused,
        })
    });
    let asked: Vec<_> = asked.collect();
    stream::iter(asked)
        .buffered(MOST)
        .filter_map(|answer| async move { answer })
        .collect()
        .await
}

async fn readiness(request: reqwest::RequestBuilder) -> Option<Readiness> {
    let mut answer = request.send().await.ok()?;
    let mut body = Vec::new();
    while let Some(part) = answer.chunk().await.ok()? {
        if body.len() + part.len() > LONGEST {
            return None;
        }
        body.extend_from_slice(&part);
    }
    serde_json::from_slice(&body).ok()
}

/// Whether the controller of a pod is a ReplicaSet of our Deployment: anybody may label a pod as ours.
fn is_of_deployment(pod: &Pod, pipeline: &PipelineName) -> bool {
    let deployment = pipeline.child(Role::Predict.name());
    let is_ours = |owner: &OwnerReference| {
        let hash = owner.name.strip_prefix(&deployment);
        let hash = hash.and_then(|rest| rest.strip_prefix('-'));
        owner.kind == "ReplicaSet"
            && owner.controller == Some(true)
            && hash.is_some_and(|hash| !hash.contains('-'))
    };
    pod.owner_references().iter().any(is_ours)
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

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    use super::*;

    fn pod(owner: Value) -> Pod {
        serde_json::from_value(json!({"metadata": {"name": "x", "ownerReferences": [owner]}}))
            .unwrap()
    }

    #[test]
    fn only_pods_of_our_deployment_are_asked() {
        let pipeline = PipelineName::new("n", "p");
        let owner = |kind: &str, name: &str, controller: bool| json!({"apiVersion": "apps/v1", "kind": kind, "name": name, "uid": "u", "controller": controller});
        let is_ours = |owner| is_of_deployment(&pod(owner), &pipeline);
        assert!(is_ours(owner("ReplicaSet", "p-predict-5d8f", true)));
        assert!(!is_ours(owner("ReplicaSet", "p-predict-5d8f", false)));
        assert!(!is_ours(owner("ReplicaSet", "p-predict-more-5d8f", true)));
        assert!(!is_ours(owner("ReplicaSet", "other-predict-5d8f", true)));
        assert!(!is_ours(owner("Job", "p-predict-5d8f", true)));
        assert!(!is_of_deployment(&Pod::default(), &pipeline));
    }

    /// Answers one request with `head` and `length` bytes.
    async fn serve(head: String, length: usize) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let mut request = [0; 4096];
                assert!(stream.read(&mut request).await.is_ok());
                stream.write_all(head.as_bytes()).await.ok();
                stream.write_all(&vec![b' '; length]).await.ok();
            }
        });
        format!("http://{address}/readyz")
    }

    #[tokio::test]
    async fn an_answer_without_end_and_one_from_elsewhere_are_not_taken() {
        foresail_runtime_base::init("test");
        let http = crate::context::http().unwrap();
        let ready = r#"{"ready":false}"#;
        let good = format!(
            "HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{ready}",
            ready.len()
        );
        let good = serve(good, 0).await;
        assert!(readiness(http.get(&good)).await.is_some());
        let endless = format!("HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n{ready}");
        let endless = serve(endless, 1 << 20).await;
        assert!(readiness(http.get(endless)).await.is_none());
        let elsewhere =
            format!("HTTP/1.1 302 Found\r\nLocation: {good}\r\nContent-Length: 0\r\n\r\n");
        let elsewhere = serve(elsewhere, 0).await;
        assert!(readiness(http.get(elsewhere)).await.is_none());
    }
}

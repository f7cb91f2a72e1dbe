//! Which versions to load: the mounted file at the start, then the `-serving` ConfigMap, watched by
//! name. The last good content is kept while the API server is away or the content is unreadable.

use std::path::Path;
use std::time::Duration;

use foresail_crds::names::PipelineName;
use foresail_crds::worker_config::{SERVING_DIR, SERVING_FILE, ServingConfig};
use foresail_runtime_base::spawn;
use k8s_openapi::api::core::v1::ConfigMap;
use kube::Api;
use tokio::sync::watch;

use crate::named;

/// How often the mounted file is read where there is no API server.
const FILE_POLL: Duration = Duration::from_secs(2);

/// Follows the serving configuration until nobody receives it any more.
pub fn watch(api: crate::Api, pipeline: &PipelineName) -> watch::Receiver<ServingConfig> {
    let file = Path::new(SERVING_DIR).join(SERVING_FILE);
    let (sender, receiver) = watch::channel(read_file(&file).unwrap_or_default());
    let pipeline = pipeline.clone();
    spawn(async move {
        let follow = async {
            match api {
                Some(client) => follow(client, &pipeline, &sender).await,
                None => poll(&file, &sender).await,
            }
        };
        tokio::select! {
            () = follow => {}
            () = sender.closed() => {}
        }
        // Receivers keep the last value; the sender must not be dropped before they are done.
        sender.closed().await;
    });
    receiver
}

async fn follow(
    client: kube::Client,
    pipeline: &PipelineName,
    sender: &watch::Sender<ServingConfig>,
) {
    let api: Api<ConfigMap> = Api::namespaced(client, &pipeline.namespace);
    let publish = |map: ConfigMap| {
        let text = map.data.unwrap_or_default().remove(SERVING_FILE);
        publish(text.as_deref().unwrap_or("{}"), sender);
    };
    named::watch(api, &pipeline.serving(), publish).await;
}

async fn poll(file: &Path, sender: &watch::Sender<ServingConfig>) {
    loop {
        if let Ok(text) = std::fs::read_to_string(file) {
            publish(&text, sender);
        }
        tokio::time::sleep(FILE_POLL).await;
    }
}

fn publish(text: &str, sender: &watch::Sender<ServingConfig>) {
    match serde_json::from_str::<ServingConfig>(text) {
        Ok(new) => {
            sender.send_if_modified(|current| {
                let changed = *current != new;
                *current = new;
                changed
            });
        }
        Err(error) => {
            tracing::error!(%error, "serving configuration unreadable, keeping the last one")
        }
    }
}

fn read_file(file: &Path) -> Option<ServingConfig> {
    serde_json::from_str(&std::fs::read_to_string(file).ok()?).ok()
}

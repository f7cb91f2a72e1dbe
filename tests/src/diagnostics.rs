//! What a failed test leaves to read: Pipelines, pods with their last log lines, events.

use k8s_openapi::api::core::v1::{Event, Pod};
use kube::Api;
use kube::api::{ListParams, LogParams};
use serde_json::Value;

use crate::Space;
use crate::cluster::OPERATOR_NAMESPACE;

const LOG_LINES: i64 = 15;
const OPERATOR_LOG_LINES: i64 = 60;

/// Prints everything about a namespace; errors are printed too.
pub async fn print(space: &Space) {
    println!("---- namespace {}", space.name);
    match space.pipelines().list(&ListParams::default()).await {
        Ok(list) => {
            for pipeline in list.items {
                let status = serde_json::to_string_pretty(&pipeline.status).unwrap_or_default();
                println!(
                    "Pipeline {}: {status}",
                    pipeline.metadata.name.unwrap_or_default()
                );
            }
        }
        Err(error) => println!("Pipelines: {error}"),
    }
    pods(&space.api(), LOG_LINES).await;
    events(&space.api()).await;
    println!("---- operator");
    pods(
        &Api::namespaced(space.cluster.client.clone(), OPERATOR_NAMESPACE),
        OPERATOR_LOG_LINES,
    )
    .await;
}

async fn pods(api: &Api<Pod>, lines: i64) {
    let list = match api.list(&ListParams::default()).await {
        Ok(list) => list.items,
        Err(error) => return println!("pods: {error}"),
    };
    for pod in list {
        let name = pod.metadata.name.unwrap_or_default();
        let status = serde_json::to_value(&pod.status).unwrap_or_default();
        println!("Pod {name}: {} {}", status["phase"], states(&status));
        let log = LogParams {
            tail_lines: Some(lines),
            ..LogParams::default()
        };
        if let Ok(text) = api.logs(&name, &log).await {
            text.lines().for_each(|line| println!("    {line}"));
        }
    }
}

fn states(status: &Value) -> String {
    let containers = status["containerStatuses"]
        .as_array()
        .cloned()
        .unwrap_or_default();
    containers
        .iter()
        .map(|c| {
            format!(
                "ready {} restarts {} state {} last {}",
                c["ready"], c["restartCount"], c["state"], c["lastState"]
            )
        })
        .collect::<Vec<_>>()
        .join("; ")
}

async fn events(api: &Api<Event>) {
    let mut list = match api.list(&ListParams::default()).await {
        Ok(list) => list.items,
        Err(error) => return println!("events: {error}"),
    };
    list.sort_by_key(|event| event.metadata.creation_timestamp.as_ref().map(|t| t.0));
    let skip = list.len().saturating_sub(40);
    for event in list.into_iter().skip(skip) {
        println!(
            "Event {} {} {}: {}",
            event.involved_object.kind.unwrap_or_default(),
            event.involved_object.name.unwrap_or_default(),
            event.reason.unwrap_or_default(),
            event.message.unwrap_or_default()
        );
    }
}

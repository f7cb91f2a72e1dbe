//! A Pipeline that reads the bars of another one.

use serde_json::{Value, json};

use super::*;
use crate::pipeline::reads;

/// The other one, prepared, with all of its backfill sent.
fn prices() -> Value {
    let mut prices = serde_json::to_value(object(|_| {})).unwrap();
    prices["metadata"] = json!({"name": "prices", "uid": "u-2", "generation": 1});
    prices["status"] = json!({
        "prepare": {"config": "c", "complete": true},
        "ingest": {"rowsRead": 9, "rowsSent": 9, "rowsQuarantined": 0, "missingFields": 0,
            "backfillComplete": true, "sourceComplete": false, "lastEventTime": "2007-01-01T00:00:00Z"},
        "conditions": [{"type": "SourcesReady", "status": "True", "reason": "Reading", "message": "bars arrive",
            "lastTransitionTime": "2026-01-01T00:00:00Z"}]
    });
    prices
}

/// A reader that is prepared, and whose lake holds nothing yet.
async fn reader(with_prices: bool) -> World {
    let world = World::new(reads);
    if with_prices {
        world.server.put("pipelines/prices", prices());
    }
    world.server.edit("pipelines/p", |p| {
        let config = validated(p).prepare_config;
        p["status"]["prepare"] = json!({"config": config, "complete": true});
    });
    world.settle().await;
    world
}

fn workers(world: &World) -> Vec<String> {
    let names = world.server.paths("deployments").into_iter();
    names
        .map(|path| path.replace("deployments/p-", ""))
        .collect()
}

fn reports_lake(world: &World, rows: u64) {
    world.server.edit("pipelines/p", |p| {
        p["status"]["lake"] =
            json!({"version": 3, "rows": rows, "lastEventTime": "2007-01-01T00:00:00Z"});
    });
    world.server.edit("deployments/p-lake", |lake| {
        lake["status"] = json!({"availableReplicas": 1});
    });
}

#[tokio::test]
async fn it_has_no_ingest_and_reads_once_the_other_one_is_there() {
    let world = reader(false).await;
    assert_eq!(workers(&world), ["monitor"]);
    for type_ in ["SourcesReady", "Ready", "Stalled"] {
        let reason = &world.condition("p", type_)["reason"];
        assert_eq!(*reason, json!("PipelineNotFound"), "{type_}");
    }
    world.server.put("pipelines/prices", prices());
    world.settle().await;
    assert_eq!(workers(&world), ["lake", "monitor", "stream"]);
    assert!(world.condition("p", "Stalled").is_null());
    assert_eq!(
        world.condition("p", "SourcesReady")["reason"],
        json!("Starting")
    );
    let all = [
        "configmaps",
        "serviceaccounts",
        "roles",
        "rolebindings",
        "jobs",
    ];
    let of_ingest = all.into_iter().flat_map(|kind| world.server.paths(kind));
    let of_ingest: Vec<String> = of_ingest.filter(|path| path.contains("ingest")).collect();
    assert_eq!(of_ingest, [""; 0]);
    let configs = world.server.paths("configmaps").into_iter();
    let read = configs.filter(|path| world.server.get(path).to_string().contains("prices"));
    let read: Vec<String> = read
        .map(|path| path.replace("configmaps/p-config-", ""))
        .collect();
    let roles: Vec<&str> = read
        .iter()
        .filter_map(|name| name.split('-').next())
        .collect();
    assert_eq!(roles, ["lake", "prepare", "stream"]);
}

#[tokio::test]
async fn it_trains_on_what_the_other_one_has_sent_once_that_is_in_its_lake() {
    let world = reader(true).await;
    reports_lake(&world, 8);
    world.settle().await;
    assert!(world.status("run").is_null(), "a bar is missing");
    let sources = world.condition("p", "SourcesReady");
    assert_eq!(
        (&sources["status"], &sources["message"]),
        (&json!("True"), &json!("Pipeline prices: bars arrive"))
    );
    reports_lake(&world, 9);
    world.settle().await;
    assert_eq!(world.status("run")["trigger"], json!("Initial"));
    assert!(world.status("ingest").is_null(), "it is not its own");
    world.report_result();
    world.settle().await;
    assert_eq!(world.status("champion")["version"], json!(1));
}

#[tokio::test]
async fn one_that_is_deleted_is_told_and_nothing_is_taken_away() {
    let world = reader(true).await;
    reports_lake(&world, 9);
    world.settle().await;
    world.report_result();
    world.settle().await;
    let (before, champion) = (workers(&world), world.status("champion"));
    world.server.edit("pipelines/prices", |prices| {
        prices["metadata"]["deletionTimestamp"] = json!("2026-01-01T00:00:00Z");
    });
    world.settle().await;
    assert_eq!(
        world.condition("p", "Ready")["reason"],
        json!("PipelineDeleting")
    );
    world.server.remove("pipelines/prices");
    world.settle().await;
    let ready = world.condition("p", "Ready");
    assert_eq!(
        (&ready["status"], &ready["reason"]),
        (&json!("False"), &json!("PipelineNotFound"))
    );
    assert!(ready["message"].to_string().contains("make it"), "{ready}");
    assert_eq!(
        (workers(&world), world.status("champion")),
        (before, champion)
    );
    // An edit is followed, and nothing is trained.
    world.server.edit("pipelines/p", |p| {
        p["spec"]["features"] = json!([{"name": "s", "function": "SimpleReturn"}]);
    });
    let stream = world.server.get("deployments/p-stream");
    world.settle().await;
    assert_ne!(world.server.get("deployments/p-stream"), stream);
    assert_eq!(world.status("run")["state"], json!("Succeeded"));
    world.server.put("pipelines/prices", prices());
    world.settle().await;
    assert_eq!(world.status("run")["trigger"], json!("SpecChanged"));
}

#[tokio::test]
async fn bars_that_are_read_stay_when_their_pipeline_goes() {
    for (is_read, topics) in [(true, "Delete"), (false, "Delete"), (true, "Retain")] {
        let world = World::new(|v| {
            v["metadata"]["finalizers"] = json!(["foresail.dev/cleanup"]);
            v["metadata"]["deletionTimestamp"] = json!(Timestamp::now().to_string());
            v["spec"]["deletionPolicy"] = json!({"topics": topics, "lake": "Delete"});
        });
        if is_read {
            let reader = json!({"apiVersion": "foresail.dev/v1alpha1", "kind": "Pipeline",
                "spec": {"source": {"pipelineRef": {"name": "p"}}}});
            world.server.put("pipelines/reader", reader);
        }
        world.reconcile("p").await.unwrap();
        let stays = is_read && topics == "Delete";
        let config = world.server.get("configmaps/p-cleanup").to_string();
        assert_eq!(config.contains("barsAreRead"), stays, "{config}");
        let writes = world.server.take_writes();
        let told = writes
            .iter()
            .find(|w| w.body["reason"] == json!("BarsKept"));
        assert_eq!(told.is_some(), stays);
        if let Some(told) = told {
            let note = told.body["note"].as_str().unwrap();
            assert!(
                note.contains("topic n.p.bars stays") && note.contains("Pipeline reader"),
                "{note}"
            );
        }
    }
}

#[tokio::test]
async fn one_that_cannot_be_read_from_the_api_server_ends_the_reconcile() {
    let world = reader(true).await;
    let refused = Fault::Code(403);
    world.server.refuse("GET pipelines/prices", refused);
    let error = world.reconcile("p").await.unwrap_err().to_string();
    assert!(error.contains("Pipeline prices"), "{error}");
}

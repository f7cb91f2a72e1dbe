//! A Pipeline whose source names a ProviderAccount.

use serde_json::{Value, json};

use super::*;

fn account() -> Value {
    json!({
        "apiVersion": "foresail.dev/v1alpha1", "kind": "ProviderAccount",
        "spec": {"provider": "AlphaVantage", "secretName": "key"}
    })
}

/// A Pipeline that reads from a provider, and is prepared.
async fn prepared(with_account: bool) -> World {
    let world = World::new(from_provider);
    if with_account {
        world.server.put("provideraccounts/market", account());
    }
    world.server.edit("pipelines/p", |p| {
        let config = validated(p).prepare_config;
        p["status"]["prepare"] = json!({"config": config, "complete": true});
    });
    world.settle().await;
    world
}

#[tokio::test]
async fn without_its_account_ingest_waits_and_the_rest_is_made() {
    let world = prepared(false).await;
    let deployments = world.server.paths("deployments");
    assert!(deployments.contains(&"deployments/p-lake".to_string()));
    assert!(!deployments.contains(&"deployments/p-ingest".to_string()));
    let sources = world.condition("p", "SourcesReady");
    assert_eq!(sources["reason"], json!("AccountMissing"));
    assert_eq!(
        world.condition("p", "Stalled")["reason"],
        json!("AccountMissing")
    );
    world.server.put("provideraccounts/market", account());
    world.reconcile("p").await.unwrap();
    let ingest = world.server.get("deployments/p-ingest").to_string();
    assert!(ingest.contains("\"secretName\":\"key\""), "{ingest}");
    assert!(world.condition("p", "Stalled").is_null());
}

#[tokio::test]
async fn an_account_that_is_gone_leaves_ingest_as_it_was() {
    let world = prepared(true).await;
    let ingest = world.server.get("deployments/p-ingest");
    assert!(!ingest.is_null());
    let configs = world.server.paths("configmaps");
    world.server.edit("provideraccounts/market", |account| {
        account["spec"]["limits"] = json!({"resetTimeZone": "Mars/Olympus"});
    });
    let edits = [
        ("AccountUndecodable", true),
        // Removed, and the Pipeline edited.
        ("AccountMissing", false),
    ];
    for (reason, is_there) in edits {
        if !is_there {
            world.server.remove("provideraccounts/market");
            world.server.edit("pipelines/p", |p| {
                p["spec"]["instruments"] = json!([{"symbol": "X"}, {"symbol": "Y"}]);
            });
        }
        world.settle().await;
        assert_eq!(
            world.condition("p", "SourcesReady")["reason"],
            json!(reason)
        );
        assert_eq!(world.server.get("deployments/p-ingest"), ingest);
        let left = world.server.paths("configmaps");
        let of_ingest = |paths: &[String]| {
            let own = paths.iter().filter(|p| p.contains("p-config-ingest-"));
            own.cloned().collect::<Vec<_>>()
        };
        assert_eq!(of_ingest(&left), of_ingest(&configs));
    }
    world.server.put("provideraccounts/market", account());
    world.settle().await;
    assert_ne!(world.server.get("deployments/p-ingest"), ingest);
}

#[tokio::test]
async fn what_keeps_the_account_from_being_ready_is_told_with_the_source() {
    let world = prepared(true).await;
    world.server.edit("provideraccounts/market", |account| {
        account["status"] = json!({"conditions": [{
            "type": "Ready", "status": "False", "reason": "PlanInfeasible", "message": "30 of 25",
            "lastTransitionTime": "2026-01-01T00:00:00Z"
        }]});
    });
    world.reconcile("p").await.unwrap();
    let message = world.condition("p", "SourcesReady")["message"].to_string();
    assert!(
        message.contains("; ProviderAccount market: PlanInfeasible: 30 of 25"),
        "{message}"
    );
}

#[tokio::test]
async fn an_account_that_cannot_be_read_ends_the_reconcile() {
    let world = prepared(true).await;
    world
        .server
        .refuse("GET provideraccounts", Fault::Code(403));
    let error = world.reconcile("p").await.unwrap_err().to_string();
    assert!(error.contains("ProviderAccount market"), "{error}");
}

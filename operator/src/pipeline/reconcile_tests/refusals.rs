//! What the API server refuses, what is somebody else's, and what is lost.

use super::*;

const QUOTA: &str = "exceeded quota: small, requested: count/jobs.batch=1";

#[tokio::test]
async fn a_refused_child_is_in_its_condition_and_keeps_no_other_from_being_made() {
    let cases = [
        ("PATCH jobs/p-prepare", "SourcesReady", "Job p-prepare-"),
        ("PATCH roles/p-stream", "FeaturesReady", "Role p-stream"),
        (
            "PATCH serviceaccounts/p-monitor",
            "TrainingHealthy",
            "ServiceAccount p-monitor",
        ),
        (
            "PATCH configmaps/p-serving",
            "ServingReady",
            "ConfigMap p-serving",
        ),
    ];
    for (request, condition, object) in cases {
        let world = World::new(|_| {});
        world.server.refuse(request, Fault::Says(403, QUOTA));
        world.reconcile("p").await.unwrap();
        for type_ in ["Ready", condition] {
            // Of two that are not True, Ready names the first.
            if type_ == "Ready" && condition != "SourcesReady" {
                continue;
            }
            let condition = world.condition("p", type_);
            assert_eq!(condition["status"], json!("False"), "{request} {type_}");
            let message = condition["message"].as_str().unwrap();
            assert!(
                message.contains(QUOTA) && message.contains(object),
                "{message}"
            );
        }
        assert_eq!(
            world.condition("p", condition)["reason"],
            json!("Refused"),
            "{request}"
        );
        assert_eq!(world.condition("p", "Ready")["status"], json!("False"));
        position(
            &world.server.take_write_names(),
            "PATCH rolebindings/p-ingest",
        );
        world.server.accept();
        world.settle().await;
        assert_ne!(world.condition("p", condition)["reason"], json!("Refused"));
    }
}

#[tokio::test]
async fn no_refusal_ends_a_reconcile_without_a_word_in_status() {
    let requests = [
        "GET modelversions",
        "GET pods",
        "GET jobs",
        "GET deployments",
        "GET configmaps/p-serving",
        "PATCH pipelines/p ",
        "PATCH configmaps",
        "PATCH serviceaccounts",
        "PATCH roles",
        "PATCH rolebindings",
        "PATCH jobs",
        "PATCH deployments",
        "PATCH services",
        "PATCH horizontalpodautoscalers",
        "PATCH poddisruptionbudgets",
        "POST modelversions",
        "PATCH modelversions",
    ];
    let mut refused = Vec::new();
    for request in requests {
        let world = World::new(|_| {});
        world.report_backfill();
        world.server.refuse(request, Fault::Says(422, QUOTA));
        for _ in 0..4 {
            world.reconcile("p").await.ok();
        }
        let said = || {
            world
                .status("conditions")
                .to_string()
                .contains("exceeded quota")
        };
        // Some are asked only when the run has ended.
        if !said() && !world.status("run").is_null() {
            world.report_result();
            for _ in 0..3 {
                world.reconcile("p").await.ok();
            }
        }
        let writes = world.server.take_write_names();
        let asked = request.starts_with("GET") || writes.iter().any(|w| w.starts_with(request));
        if asked {
            refused.push(request);
            let ready = world.condition("p", "Ready");
            assert_eq!(ready["status"], json!("False"), "{request}");
            let conditions = world.status("conditions").to_string();
            assert!(
                conditions.contains("exceeded quota: small"),
                "{request}: {conditions}"
            );
        }
        world.server.accept();
        world.settle().await;
        let conditions = world.status("conditions").to_string();
        assert!(
            !conditions.contains("exceeded quota"),
            "{request}: {conditions}"
        );
    }
    // The finalizer is written only where a deletion policy asks for it.
    assert_eq!(refused.len(), requests.len() - 1, "{refused:?}");
}

#[tokio::test]
async fn a_failure_that_lasts_is_in_status_and_one_that_does_not_is_not() {
    let world = World::serving().await;
    world.server.refuse("GET pods", Fault::Code(500));
    for times in 1..=4 {
        world.catch_up().await;
        let object = world.server.get("pipelines/p");
        let object: Arc<Guarded> = Arc::new(serde_json::from_value(object).unwrap());
        let error = reconcile(object.clone(), world.context.clone())
            .await
            .unwrap_err();
        error_policy(object, &error, world.context.clone());
        let told = world.condition("p", "Ready")["reason"] == json!("ReconcileFailed");
        assert_eq!(told, times > 2, "after {times}");
    }
    world.server.accept();
    world.settle().await;
    assert_ne!(
        world.condition("p", "Ready")["reason"],
        json!("ReconcileFailed")
    );
}

/// Review, case 53.
#[tokio::test]
async fn an_object_of_somebody_else_is_left_as_it_is_and_named() {
    let taken = [
        "configmaps/p-serving",
        "services/p-predict",
        "serviceaccounts/p-ingest",
        "deployments/p-stream",
    ];
    let theirs = json!({"metadata": {"labels": {"app": "theirs"}}, "data": {"a": "b"}});
    for path in taken {
        let world = World::new(|_| {});
        world.server.put(path, theirs.clone());
        let before = world.server.get(path);
        world.report_backfill();
        for _ in 0..4 {
            world.reconcile("p").await.unwrap();
        }
        if !world.status("run").is_null() {
            world.report_result();
        }
        for _ in 0..4 {
            world.reconcile("p").await.unwrap();
        }
        assert_eq!(world.server.get(path), before, "{path}");
        let conditions = world.status("conditions").to_string();
        let name = path.split_once('/').unwrap().1;
        assert!(
            conditions.contains("NameTaken") && conditions.contains(name),
            "{path}: {conditions}"
        );
        assert_eq!(world.condition("p", "Ready")["status"], json!("False"));
    }
}

#[tokio::test]
async fn a_deleted_champion_is_replaced_and_its_predictors_stay() {
    let world = World::serving().await;
    world.server.remove("modelversions/p-v1");
    for _ in 0..3 {
        world.reconcile("p").await.unwrap();
    }
    let writes = world.server.take_write_names();
    assert!(
        !writes.iter().any(|w| w.starts_with("DELETE")),
        "{writes:#?}"
    );
    world.settle().await;
    // Its artifact is there still: the run that made it is repeated, and finds it.
    assert_eq!(world.status("champion")["version"], json!(2));
    assert!(!world.server.get("modelversions/p-v2").is_null());
    assert!(!world.server.get("deployments/p-predict").is_null());
}

#[tokio::test]
async fn a_decision_made_on_an_older_state_is_not_written() {
    let world = World::new(|_| {});
    world.report_backfill();
    world.settle().await;
    world.report_result();
    // Another operator decides something, or a person asks for something, between our read and our write.
    type Change = fn(&mut Value);
    let changes: [Change; 3] = [
        |p| p["status"]["rollback"] = json!("another operator"),
        |p| p["metadata"]["annotations"] = json!({"foresail.dev/rollback": "2"}),
        |p| p["metadata"]["generation"] = json!(99),
    ];
    for change in changes {
        let seen = world.server.get("pipelines/p");
        world.server.edit("pipelines/p", change);
        let error = world.reconcile_seen(seen).await.unwrap_err();
        assert!(error.is_conflict(), "{error}");
        assert!(world.status("champion").is_null());
    }
    world.settle().await;
    assert_eq!(world.status("champion")["version"], json!(1));
    // The version was made and served before: that is no reason to judge it against itself.
    let decision = world.status("lastDecision");
    assert_eq!(
        (&decision["action"], &decision["reason"]),
        (&json!("ModelPromoted"), &json!("First"))
    );
    assert!(world.status("driftReference").is_null());
    let versions = world.server.paths("modelversions");
    assert_eq!(versions, ["modelversions/p-v1"]);
}

#[tokio::test]
async fn what_workers_report_meanwhile_keeps_no_decision_from_being_written() {
    let world = World::new(|_| {});
    let report = |rows: u64| {
        world.server.edit("pipelines/p", |p| {
            p["status"]["stream"] = json!({"bars": rows, "rows": rows, "fingerprint": "f"});
        });
    };
    world.report_backfill();
    world.settle().await;
    world.report_result();
    let seen = world.server.get("pipelines/p");
    report(7);
    world.reconcile_seen(seen).await.unwrap();
    assert_eq!(world.status("champion")["version"], json!(1));
    assert_eq!(world.status("run")["state"], json!("Succeeded"));
    assert_eq!(world.status("stream")["rows"], json!(7), "not taken back");
}

#[tokio::test]
async fn a_version_is_ready_once_it_is_known_to_be_there() {
    let world = World::serving().await;
    let ready = |name: &str| {
        let version = world.server.get(&format!("modelversions/{name}"));
        let condition = version["status"]["conditions"][0].clone();
        (condition["status"].clone(), condition["reason"].clone())
    };
    assert_eq!(ready("p-v1"), (json!("True"), json!("Trained")));
    // A person stores a version with an address of their choice.
    let mut theirs = world.server.get("modelversions/p-v1");
    theirs["metadata"] = json!({"name": "p-v7"});
    theirs["spec"]["version"] = json!(7);
    theirs["spec"]["manifestUri"] = json!("s3://nowhere/manifest.json");
    theirs["status"] = json!({});
    world.server.put("modelversions/p-v7", theirs);
    world.settle().await;
    assert_eq!(ready("p-v7"), (json!("False"), json!("NotLoaded")));
    assert_eq!(ready("p-v1"), (json!("True"), json!("Trained")));
}

#[tokio::test]
async fn a_report_of_prepare_that_was_written_over_is_asked_for_again() {
    let world = World::new(|_| {});
    world.settle().await;
    let job = world.server.paths("jobs").remove(0);
    let ended = |seconds: i64| {
        let at = Timestamp::now() - jiff::SignedDuration::from_secs(seconds);
        json!([{"type": "Complete", "status": "True", "lastTransitionTime": at.to_string()}])
    };
    // Its report may be on its way.
    world
        .server
        .edit(&job, |job| job["status"]["conditions"] = ended(1));
    world.reconcile("p").await.unwrap();
    assert_eq!(world.server.take_write_names(), [""; 0]);
    // The pod of the configuration before has written last.
    world.server.edit("pipelines/p", |p| {
        p["status"]["prepare"] = json!({"config": "another", "complete": false});
    });
    world
        .server
        .edit(&job, |job| job["status"]["conditions"] = ended(60));
    world.reconcile("p").await.unwrap();
    let removed = format!("DELETE {job}");
    assert_eq!(world.server.take_write_names(), [removed]);
    world.reconcile("p").await.unwrap();
    let made = format!("PATCH {job}");
    assert!(world.server.take_write_names().contains(&made));
}

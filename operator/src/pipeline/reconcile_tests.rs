//! Whole reconciles against a scripted API server.

#[path = "reconcile_tests/accounts.rs"]
mod accounts;
#[path = "reconcile_tests/another.rs"]
mod another;
#[path = "reconcile_tests/refusals.rs"]
mod refusals;
#[path = "reconcile_tests/shares.rs"]
mod shares;
#[path = "reconcile_tests/watched.rs"]
mod watched;

use foresail_crds::worker_config::Installation;
use serde_json::{Value, json};

use super::validate::tests::object;
use super::*;
use crate::scripted_api::{Fault, Server};
use crate::watch;

/// A stored Pipeline as the operator of these tests sees it.
fn validated(stored: &Value) -> validate::ValidatedPipeline {
    let object = serde_json::from_value(stored.clone()).unwrap();
    validate::validate(&object, &Installation::default()).unwrap()
}

struct World {
    server: Server,
    context: Arc<Context>,
}

impl World {
    /// A server that holds one Pipeline.
    fn new(change: impl FnOnce(&mut Value)) -> Self {
        let (server, context) = Server::with_context();
        server.put("pipelines/p", serde_json::to_value(object(change)).unwrap());
        Self {
            server,
            context: Arc::new(context),
        }
    }

    /// Reconciles a Pipeline as it is stored now.
    async fn reconcile(&self, name: &str) -> Result<Action, Error> {
        self.reconcile_seen(self.server.get(&format!("pipelines/{name}")))
            .await
    }

    /// Reconciles a Pipeline as the watch shows it, once the other watches have shown everything.
    async fn reconcile_seen(&self, seen: Value) -> Result<Action, Error> {
        self.catch_up().await;
        self.reconcile_behind(seen).await
    }

    /// The watches show what the server holds.
    async fn catch_up(&self) {
        watch::catch_up(&self.context.client, &self.context.store).await;
        // Those of the watches are not the reconcile's.
        self.server.take_reads();
    }

    /// Reconciles a Pipeline while the other watches show what they showed before.
    async fn reconcile_behind(&self, seen: Value) -> Result<Action, Error> {
        let object: Guarded = serde_json::from_value(seen).unwrap();
        reconcile(Arc::new(object), self.context.clone()).await
    }

    /// Reconciles until nothing is written any more.
    async fn settle(&self) {
        for _ in 0..10 {
            self.reconcile("p").await.unwrap();
            if self.server.take_write_names().is_empty() {
                return;
            }
        }
        panic!("every reconcile writes");
    }

    /// Workers report: prepared, backfilled.
    fn report_backfill(&self) {
        self.server.edit("pipelines/p", |p| {
            let config = validated(p).prepare_config;
            p["status"]["prepare"] = json!({"config": config, "complete": true});
            p["status"]["ingest"] = json!({"rowsRead": 9, "rowsSent": 9, "rowsQuarantined": 0,
                "missingFields": 0, "backfillComplete": true, "sourceComplete": false});
            p["status"]["lake"] = json!({"version": 3, "rows": 9});
        });
    }

    /// The trainer reports the result of the run in flight.
    fn report_result(&self) {
        self.server.edit("pipelines/p", |p| {
            let run = p["status"]["run"]["id"].as_str().unwrap().to_string();
            let pipeline = validated(p);
            p["status"]["training"] = json!({"runId": run, "progressPercentage": 100, "result": {
                "manifestUri": format!("{}/{run}/manifest.json", pipeline.places.models),
                "manifestSha256": "b".repeat(64), "deltaVersion": 3,
                "trainedThrough": "2007-01-01T00:00:00Z", "fingerprint": pipeline.fingerprint,
                "kind": "Linear", "metrics": []
            }});
        });
    }

    /// A Pipeline whose first version serves.
    async fn serving() -> Self {
        let world = Self::new(|_| {});
        world.report_backfill();
        world.settle().await;
        world.report_result();
        world.settle().await;
        assert_eq!(world.status("champion")["version"], json!(1));
        world
    }

    fn status(&self, field: &str) -> Value {
        self.server.get("pipelines/p")["status"][field].clone()
    }

    fn condition(&self, pipeline: &str, type_: &str) -> Value {
        let object = self.server.get(&format!("pipelines/{pipeline}"));
        let conditions = object["status"]["conditions"].as_array().cloned();
        let mut all = conditions.unwrap_or_default().into_iter();
        all.find(|c| c["type"] == json!(type_)).unwrap_or_default()
    }
}

fn position(writes: &[String], start: &str) -> usize {
    let found = writes.iter().position(|w| w.starts_with(start));
    found.unwrap_or_else(|| panic!("no {start} in {writes:#?}"))
}

#[tokio::test]
async fn the_first_reconcile_makes_configuration_before_workloads_and_status_last() {
    let world = World::new(|_| {});
    world.reconcile("p").await.unwrap();
    let writes = world.server.take_write_names();
    let order = [
        "PATCH configmaps/p-config-",
        "PATCH serviceaccounts/p-prepare",
        "PATCH rolebindings/p-prepare",
        "PATCH jobs/p-prepare-",
        "PATCH pipelines/p/status",
    ];
    let places = order.map(|start| position(&writes, start));
    assert!(places.is_sorted(), "{writes:#?}");
    assert_eq!(places[4], writes.len() - 1);
    assert!(world.server.paths("deployments").is_empty());
    assert_eq!(world.condition("p", "Ready")["reason"], json!("Preparing"));
}

#[tokio::test]
async fn an_idle_pipeline_is_not_written_and_only_the_child_that_differs_is() {
    let world = World::serving().await;
    world.reconcile("p").await.unwrap();
    assert_eq!(world.server.take_write_names(), [""; 0]);
    world.server.edit("deployments/p-lake", |d| {
        d["spec"]["replicas"] = json!(7);
    });
    world.reconcile("p").await.unwrap();
    assert_eq!(
        world.server.take_write_names(),
        ["PATCH deployments/p-lake"]
    );
    let replicas = &world.server.get("deployments/p-lake")["spec"]["replicas"];
    assert_eq!(*replicas, json!(1));
}

#[tokio::test]
async fn a_run_is_recorded_before_its_job_and_a_conflict_starts_none() {
    let world = World::new(|_| {});
    world.report_backfill();
    // Another operator decides something between our read and our write.
    let stored = world.server.get("pipelines/p");
    let seen: Arc<Guarded> = Arc::new(serde_json::from_value(stored).unwrap());
    world.server.edit("pipelines/p", |p| {
        p["status"]["rollback"] = json!("another operator");
    });
    let error = reconcile(seen.clone(), world.context.clone()).await;
    let error = error.unwrap_err();
    assert!(error.is_conflict(), "{error}");
    assert!(world.server.paths("jobs").is_empty() && world.status("run").is_null());
    let wait = error_policy(seen, &error, world.context.clone());
    assert!(format!("{wait:?}").contains("ms)"), "{wait:?}");

    world.server.take_writes();
    world.reconcile("p").await.unwrap();
    let writes = world.server.take_write_names();
    assert_eq!(writes, ["PATCH pipelines/p/status"]);
    let run = world.status("run")["id"].as_str().unwrap().to_string();
    world.reconcile("p").await.unwrap();
    let job = format!("PATCH jobs/p-train-{run}");
    assert!(world.server.take_write_names().contains(&job));
}

#[tokio::test]
async fn a_finished_run_makes_its_version_first_and_predictors_once_it_serves() {
    let world = World::new(|_| {});
    world.report_backfill();
    world.settle().await;
    world.report_result();
    world.reconcile("p").await.unwrap();
    let writes = world.server.take_write_names();
    assert_eq!(position(&writes, "POST modelversions"), 0);
    position(&writes, "PATCH configmaps/p-serving");
    position(&writes, "PATCH deployments/p-predict");
    let version = world.server.get("modelversions/p-v1");
    assert_eq!(version["spec"]["trigger"], json!("Initial"));
    assert_eq!(
        version["metadata"]["ownerReferences"][0]["name"],
        json!("p")
    );
    assert_eq!(world.status("lastDecision")["reason"], json!("First"));
    world.settle().await;
    let role = &world.server.get("modelversions/p-v1")["status"]["role"];
    assert_eq!(*role, json!("Champion"));
}

#[tokio::test]
async fn what_is_no_longer_wanted_goes_and_nothing_else() {
    let world = World::serving().await;
    let ours = world.server.get("deployments/p-lake")["metadata"].clone();
    let (labels, owner) = (&ours["labels"], &ours["ownerReferences"]);
    let stray = || json!({"metadata": {"labels": labels, "ownerReferences": owner}});
    // A copy keeps the labels of what it was copied from.
    let copy = || json!({"metadata": {"labels": labels}});
    world.server.put("services/p-old", stray());
    world.server.put("services/copied", copy());
    world.server.put("configmaps/copied", copy());
    world.server.put(
        "services/foreign",
        json!({"metadata": {"labels": {"app": "x"}}}),
    );
    world.server.put("jobs/p-train-old", stray());
    world.reconcile("p").await.unwrap();
    let writes = world.server.take_writes();
    let deletes: Vec<_> = writes
        .iter()
        .filter(|w| w.what.starts_with("DELETE"))
        .collect();
    assert_eq!(deletes.len(), 1, "{writes:#?}");
    assert_eq!(deletes[0].what, "DELETE services/p-old");
    assert_eq!(
        deletes[0].body["preconditions"]["uid"],
        json!("uid-services/p-old")
    );
    // Another object of the same name, or none, is no error.
    for code in [409, 404] {
        world.server.put("services/p-old", stray());
        world
            .server
            .refuse("DELETE services/p-old", Fault::Code(code));
        world.reconcile("p").await.unwrap();
        world.server.accept();
    }
}

#[tokio::test]
async fn a_refused_request_ends_in_an_error_that_names_step_and_object() {
    let cases = [
        (
            "GET modelversions",
            Fault::Code(403),
            "Dereference",
            "ModelVersion",
        ),
        ("GET pods", Fault::Broken, "Dereference", "Pod"),
        (
            "GET configmaps",
            Fault::Code(500),
            "Dereference",
            "ConfigMap",
        ),
        (
            "PATCH roles/p-stream",
            Fault::Code(500),
            "Apply",
            "Role p-stream",
        ),
        (
            "PATCH configmaps/p-serving",
            Fault::Broken,
            "Apply",
            "ConfigMap p-serving",
        ),
        (
            "PATCH pipelines/p/status",
            Fault::Code(500),
            "Status",
            "status",
        ),
    ];
    for (request, fault, category, object) in cases {
        let world = World::new(|_| {});
        world.server.refuse(request, fault);
        let error = world.reconcile("p").await.unwrap_err();
        assert_eq!(error.category(), category, "{request}");
        assert!(error.to_string().contains(object), "{request}: {error}");
        assert!(!error.is_conflict());
        world.server.accept();
        world.settle().await;
    }
}

#[tokio::test]
async fn status_holds_only_what_the_operator_owns() {
    let world = World::new(|_| {});
    world.report_backfill();
    world.reconcile("p").await.unwrap();
    world.reconcile("p").await.unwrap();
    let writes = world.server.take_writes();
    let statuses = writes
        .iter()
        .filter(|w| w.what == "PATCH pipelines/p/status");
    let mut count = 0;
    for write in statuses {
        count += 1;
        for worker in [
            "prepare",
            "ingest",
            "lake",
            "stream",
            "training",
            "drift",
            "performance",
        ] {
            assert!(write.body["status"][worker].is_null(), "{}", write.body);
        }
        assert!(!write.body["status"]["run"].is_null());
    }
    assert_eq!(count, 2);
    assert_eq!(world.status("lake")["rows"], json!(9));
}

#[tokio::test]
async fn an_invalid_spec_is_explained_once_and_nothing_is_made() {
    let world = World::new(|v| v["spec"]["source"]["backfill"]["to"] = json!("2007-02-30"));
    world.reconcile("p").await.unwrap();
    world.reconcile("p").await.unwrap();
    let writes = world.server.take_write_names();
    assert_eq!(writes, ["PATCH pipelines/p/status"]);
    assert_eq!(
        world.condition("p", "Stalled")["reason"],
        json!("InvalidSpec")
    );
}

#[tokio::test]
async fn a_pipeline_that_does_not_decode_is_explained_and_keeps_its_status() {
    let world = World::serving().await;
    world.server.edit("pipelines/p", |p| {
        p["status"]["lastDecision"]["action"] = json!("ModelBlessed");
    });
    for _ in 0..2 {
        world.reconcile("p").await.unwrap();
    }
    assert_eq!(
        world.server.take_write_names(),
        ["PATCH pipelines/p/status"]
    );
    let stalled = world.condition("p", "Stalled");
    assert_eq!(stalled["reason"], json!("Undecodable"));
    let message = stalled["message"].as_str().unwrap();
    assert!(message.contains("ModelBlessed"), "{message}");
    assert_eq!(world.status("champion")["version"], json!(1));
    assert_eq!(world.server.paths("deployments").len(), 5);
}

#[tokio::test]
async fn a_version_that_does_not_decode_stalls_no_pipeline_and_keeps_its_number() {
    let world = World::serving().await;
    world.server.edit("modelversions/p-v1", |v| {
        v["spec"]["trigger"] = json!("Whim")
    });
    world.server.put(
        "modelversions/q-v7",
        json!({"apiVersion": "foresail.dev/v1alpha1", "kind": "ModelVersion", "spec": {}}),
    );
    world.reconcile("p").await.unwrap();
    assert_eq!(
        world.status("champion")["version"],
        json!(1),
        "it serves on"
    );
    world.server.edit("pipelines/p", |p| {
        p["metadata"]["annotations"] = json!({"foresail.dev/retrain": "now"});
    });
    world.settle().await;
    world.report_result();
    world.settle().await;
    assert_eq!(world.server.paths("modelversions").len(), 3);
    assert_eq!(
        world.server.get("modelversions/p-v2")["spec"]["trigger"],
        json!("Manual")
    );
}

/// A Pipeline that deletes its topics.
fn deleting(v: &mut Value) {
    v["spec"]["deletionPolicy"] = json!({"topics": "Delete"});
}

#[tokio::test]
async fn a_run_in_flight_is_suspended_and_resumed_by_a_write_to_that_field_alone() {
    let world = World::new(|_| {});
    world.report_backfill();
    world.settle().await;
    let run = world.status("run")["id"].as_str().unwrap().to_owned();
    let job = format!("PATCH jobs/p-train-{run}");
    for suspend in [true, false] {
        world
            .server
            .edit("pipelines/p", |p| p["spec"]["suspend"] = json!(suspend));
        world.reconcile("p").await.unwrap();
        let writes = world.server.take_writes();
        let bodies: Vec<&Value> = writes
            .iter()
            .filter(|write| write.what == job)
            .map(|write| &write.body)
            .collect();
        assert_eq!(bodies, [&json!({"spec": {"suspend": suspend}})]);
    }
}

#[tokio::test]
async fn the_finalizer_comes_before_anything_is_made_and_goes_with_its_reason() {
    let world = World::new(deleting);
    world.reconcile("p").await.unwrap();
    assert_eq!(world.server.take_write_names(), ["PATCH pipelines/p"]);
    world.settle().await;
    world
        .server
        .edit("pipelines/p", |p| p["spec"]["deletionPolicy"] = json!({}));
    world.reconcile("p").await.unwrap();
    assert_eq!(world.server.take_write_names(), ["PATCH pipelines/p"]);
    assert_eq!(
        world.server.get("pipelines/p")["metadata"]["finalizers"],
        json!([])
    );
}

async fn being_deleted(since: Timestamp) -> World {
    let world = World::new(deleting);
    world.settle().await;
    world.server.edit("pipelines/p", |p| {
        p["metadata"]["deletionTimestamp"] = json!(since.to_string());
    });
    world
}

#[tokio::test]
async fn a_deletion_stops_the_workers_runs_its_job_and_lets_go() {
    let world = being_deleted(Timestamp::now()).await;
    let labels = world.server.get("configmaps/p-serving")["metadata"]["labels"].clone();
    world
        .server
        .put("pods/p-ingest-0", json!({"metadata": {"labels": labels}}));
    world.reconcile("p").await.unwrap();
    assert!(
        world.server.paths("jobs").is_empty(),
        "it waits for the pod"
    );
    world.server.take_writes();
    world
        .server
        .edit("pods/p-ingest-0", |p| p["metadata"]["labels"] = json!({}));
    world.reconcile("p").await.unwrap();
    let made = ["PATCH configmaps/p-cleanup", "PATCH jobs/p-cleanup"];
    assert_eq!(world.server.take_write_names(), made);
    world.reconcile("p").await.unwrap();
    assert_eq!(
        world.server.take_write_names(),
        [""; 0],
        "it waits for the Job"
    );
    world
        .server
        .edit("jobs/p-cleanup", |j| j["status"] = json!({"succeeded": 1}));
    world.reconcile("p").await.unwrap();
    let gone = [
        "DELETE jobs/p-cleanup",
        "DELETE configmaps/p-cleanup",
        "PATCH pipelines/p",
    ];
    assert_eq!(world.server.take_write_names(), gone);
    assert!(world.server.get("pipelines/p").is_null());
}

#[tokio::test]
async fn a_pipeline_that_the_watch_still_shows_is_not_cleaned_up_again() {
    let world = being_deleted(Timestamp::now()).await;
    let seen = world.server.get("pipelines/p");
    world.reconcile("p").await.unwrap();
    world
        .server
        .edit("jobs/p-cleanup", |j| j["status"] = json!({"succeeded": 1}));
    world.reconcile("p").await.unwrap();
    assert!(world.server.get("pipelines/p").is_null(), "it is gone");
    world.server.take_writes();
    world.reconcile_seen(seen.clone()).await.unwrap();
    assert_eq!(world.server.take_write_names(), [""; 0]);
    // Its name has passed to another, whose children are not touched.
    let mut other = seen.clone();
    other["metadata"]["uid"] = json!("another");
    world.server.put("pipelines/p", other);
    world.reconcile_seen(seen).await.unwrap();
    assert_eq!(world.server.take_write_names(), [""; 0]);
}

#[tokio::test]
async fn a_refused_cleanup_is_an_error_that_names_its_object_and_holds_the_pipeline() {
    let cases = [
        (
            "PATCH configmaps/p-cleanup",
            Fault::Code(403),
            "ConfigMap p-cleanup",
        ),
        ("PATCH jobs/p-cleanup", Fault::Code(500), "Job p-cleanup"),
        ("GET pods", Fault::Broken, "Pod"),
    ];
    for (request, fault, object) in cases {
        let world = being_deleted(Timestamp::now()).await;
        world.server.refuse(request, fault);
        let error = world.reconcile("p").await.unwrap_err();
        assert_eq!(error.category(), "Cleanup", "{error}");
        assert!(error.to_string().contains(object), "{error}");
        assert!(!world.server.get("pipelines/p").is_null());
    }
}

#[tokio::test]
async fn a_cleanup_that_cannot_end_lets_go_and_says_so() {
    type Change = fn(&World);
    let cases: [(&str, Timestamp, Change); 4] = [
        ("late", Timestamp::UNIX_EPOCH, |_| {}),
        ("a namespace that goes", Timestamp::now(), |world| {
            let words = "namespace n is being terminated";
            let refused = Fault::Says(403, words);
            world.server.refuse("PATCH configmaps/p-cleanup", refused);
        }),
        ("an invalid spec", Timestamp::now(), |world| {
            world.server.edit("pipelines/p", |p| {
                p["spec"]["source"]["backfill"]["to"] = json!("2007-02-30");
            });
        }),
        ("a spec that does not decode", Timestamp::now(), |world| {
            world.server.edit("pipelines/p", |p| p["spec"] = json!({}));
        }),
    ];
    for (case, since, change) in cases {
        let world = being_deleted(since).await;
        change(&world);
        world.reconcile("p").await.unwrap();
        let writes = world.server.take_writes();
        assert!(world.server.get("pipelines/p").is_null(), "{case}");
        let said = |w: &crate::scripted_api::Write| w.body["reason"] == json!("CleanupAbandoned");
        assert!(writes.iter().any(said), "{case}: {writes:#?}");
    }
}

//! What a reconcile asks the API server, and what it decides while the watches are behind.

use super::*;

/// Every kind that is watched, for one look without the watches.
const KINDS: usize = 11;

impl World {
    /// A Pipeline whose first version serves, and nothing is left to do.
    async fn at_rest() -> Self {
        let world = Self::serving().await;
        for job in world.server.paths("jobs") {
            let ended = |job: &mut Value| job["status"] = json!({"succeeded": 1});
            world.server.edit(&job, ended);
        }
        world.settle().await;
        world
    }

    fn stored(&self) -> Value {
        self.server.get("pipelines/p")
    }

    /// The workers have rolled out.
    fn roll_out(&self) {
        for deployment in self.server.paths("deployments") {
            self.server.edit(&deployment, |deployment| {
                deployment["status"] = json!({"replicas": 1, "updatedReplicas": 1});
            });
        }
    }
}

#[tokio::test]
async fn a_reconcile_at_rest_asks_the_api_server_nothing() {
    let world = World::at_rest().await;
    world.reconcile("p").await.unwrap();
    assert_eq!(world.server.take_reads(), [""; 0]);
    assert_eq!(world.server.take_write_names(), [""; 0]);
}

#[tokio::test]
async fn without_watches_each_kind_is_listed_once() {
    let world = World::at_rest().await;
    world.catch_up().await;
    for kind in ["", "deployments"] {
        // All watches break, or one.
        world.server.refuse(&format!("GET {kind}"), Fault::Broken);
        world.catch_up().await;
        world.server.accept();
        world.reconcile_behind(world.stored()).await.unwrap();
        let mut reads = world.server.take_reads();
        let all = reads.len();
        reads.sort();
        reads.dedup();
        assert_eq!(reads.len(), all, "{reads:#?}");
        if kind.is_empty() {
            assert_eq!(all, KINDS, "{reads:#?}");
        } else {
            assert_eq!(reads, ["GET deployments"]);
        }
        assert_eq!(world.server.take_write_names(), [""; 0]);
    }
}

#[tokio::test]
async fn what_the_watches_do_not_show_yet_is_neither_lost_nor_made_again() {
    let world = World::new(|_| {});
    world.report_backfill();
    world.settle().await;
    world.report_result();
    // The version is made and serves, and only the watch of Pipelines has told.
    world.reconcile("p").await.unwrap();
    let decision = world.status("lastDecision");
    world.server.take_writes();
    for _ in 0..3 {
        world.reconcile_behind(world.stored()).await.unwrap();
    }
    let writes = world.server.take_write_names();
    let harmless = |write: &String| {
        write == "PATCH modelversions/p-v1/status" || write == "PATCH pipelines/p/status"
    };
    assert!(writes.iter().all(harmless), "{writes:#?}");
    assert_eq!(world.status("champion")["version"], json!(1));
    assert_eq!(world.status("lastDecision"), decision);
    assert_eq!(world.server.paths("modelversions"), ["modelversions/p-v1"]);
}

#[tokio::test]
async fn a_job_that_the_watch_does_not_show_yet_is_not_made_again() {
    let world = World::new(|_| {});
    world.catch_up().await;
    for _ in 0..3 {
        world.reconcile_behind(world.stored()).await.unwrap();
    }
    let writes = world.server.take_writes();
    // A template is written when a Job is made; it cannot be changed.
    let made = writes.iter().filter(|write| {
        let template = &write.body["spec"]["template"];
        write.what.starts_with("PATCH jobs/") && !template.is_null()
    });
    assert_eq!(made.count(), 1, "{writes:#?}");
}

#[tokio::test]
async fn nothing_is_removed_that_a_pod_needs_which_the_watch_does_not_show_yet() {
    let world = World::serving().await;
    world.roll_out();
    let like = world.server.get("deployments/p-lake")["metadata"].clone();
    let metadata = json!({"labels": like["labels"], "ownerReferences": like["ownerReferences"]});
    let old = "configmaps/p-config-lake-0a";
    world.server.put(old, json!({"metadata": metadata}));
    world.catch_up().await;
    let volumes = json!([{"name": "config", "configMap": {"name": "p-config-lake-0a"}}]);
    world.server.put(
        "pods/p-lake-x",
        json!({
            "metadata": {"labels": like["labels"]}, "spec": {"containers": [], "volumes": volumes},
            "status": {"phase": "Running"}
        }),
    );
    world.reconcile_behind(world.stored()).await.unwrap();
    assert!(!world.server.get(old).is_null());
    world.server.remove("pods/p-lake-x");
    world.reconcile_behind(world.stored()).await.unwrap();
    assert!(world.server.get(old).is_null(), "nobody needs it");
}

#[tokio::test]
async fn a_deletion_by_hand_is_mended_once_it_is_shown() {
    let world = World::at_rest().await;
    world.server.remove("services/p-predict");
    world.reconcile("p").await.unwrap();
    assert_eq!(
        world.server.take_write_names(),
        ["PATCH services/p-predict"]
    );
}

#[tokio::test]
async fn events_are_asked_for_only_about_what_has_waited() {
    let world = World::at_rest().await;
    let labels = world.server.get("deployments/p-lake")["metadata"]["labels"].clone();
    for (seconds, asked) in [(0, 0), (60, 1)] {
        let made = Timestamp::now() - jiff::SignedDuration::from_secs(seconds);
        let made = made.to_string();
        world.server.put(
            "pods/p-lake-x",
            json!({
                "metadata": {"labels": labels, "creationTimestamp": made},
                "spec": {"containers": []}, "status": {"phase": "Pending"}
            }),
        );
        world.reconcile("p").await.unwrap();
        assert_eq!(world.server.take_reads(), vec!["GET events"; asked]);
    }
}

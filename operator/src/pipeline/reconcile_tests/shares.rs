//! Operators with a share each: what belongs to another one is read and left alone.

use super::*;
use crate::pipeline::reads;
use crate::selection::Selection;

impl World {
    /// From here on an operator with this label selector.
    fn becomes(&mut self, selector: &str) {
        let context = Arc::get_mut(&mut self.context).unwrap();
        context.selection = Selection::new(None, Some(selector)).unwrap();
    }

    fn reconciles(&self) -> u64 {
        self.context.metrics.reconciles.with(["ok"]).get()
    }
}

fn shard(name: &'static str) -> impl Fn(&mut Value) {
    move |v| v["metadata"]["labels"] = json!({"shard": name})
}

#[tokio::test]
async fn a_pipeline_of_another_operator_is_left_alone_whatever_becomes_of_it() {
    let mut world = World::new(shard("a"));
    world.becomes("!shard");
    let mut deleted = world.server.get("pipelines/p");
    deleted["metadata"]["deletionTimestamp"] = json!("2026-01-01T00:00:00Z");
    deleted["metadata"]["finalizers"] = json!(["foresail.dev/cleanup"]);
    let mut undecodable = world.server.get("pipelines/p");
    undecodable["spec"]["source"] = json!("nowhere");
    for seen in [world.server.get("pipelines/p"), deleted, undecodable] {
        let action = world.reconcile_seen(seen).await.unwrap();
        assert_eq!(action, Action::await_change());
        assert_eq!(world.server.take_write_names(), [""; 0]);
        assert_eq!(world.server.take_reads(), [""; 0]);
    }
    assert_eq!(world.reconciles(), 0);
    world.becomes("shard in (a,b)");
    world.settle().await;
    assert!(world.reconciles() > 0);
    assert_eq!(world.condition("p", "Ready")["reason"], json!("Preparing"));
}

#[tokio::test]
async fn another_label_hands_a_pipeline_over_as_it_is() {
    let mut world = World::serving().await;
    world.becomes("shard=a");
    world.reconcile("p").await.unwrap();
    assert_eq!(world.server.take_write_names(), [""; 0], "not yet");
    world.server.edit("pipelines/p", shard("a"));
    let (champion, jobs) = (world.status("champion"), world.server.paths("jobs"));
    world.settle().await;
    assert_eq!(world.status("champion"), champion);
    assert_eq!(world.server.paths("jobs"), jobs, "no other run");
    // Children have no label of a share: their Pipeline has it.
    let lake = world.server.get("deployments/p-lake");
    assert!(lake["metadata"]["labels"]["shard"].is_null());
    world.server.remove("deployments/p-lake");
    world.settle().await;
    assert!(world.server.get("deployments/p-lake").is_object());
}

#[tokio::test]
async fn bars_of_a_pipeline_of_another_operator_are_read() {
    let mut world = World::new(|v| {
        reads(v);
        shard("a")(v);
    });
    world.becomes("shard=a");
    let other = object(|v| {
        v["metadata"]["name"] = json!("prices");
        shard("b")(v);
        v["status"] = json!({"prepare": {"config": "c", "complete": true}});
    });
    let other = serde_json::to_value(other).unwrap();
    world.server.put("pipelines/prices", other);
    let other = world.server.get("pipelines/prices");
    world.settle().await;
    let sources = world.condition("p", "SourcesReady");
    assert_ne!(sources["reason"], json!("PipelineNotFound"), "{sources}");
    assert_eq!(world.server.get("pipelines/prices"), other);
}

//! Reconciles of accounts against a scripted API server.

use foresail_crds::Pipeline;
use kube::runtime::{reflector, watcher};
use serde_json::{Value, json};

use super::*;
use crate::pipeline::{from_provider, object};
use crate::scripted_api::Server;
use crate::selection::Selection;

const PATH: &str = "provideraccounts/market";

struct World {
    server: Server,
    context: Arc<Context>,
    pipelines: Vec<Value>,
}

impl World {
    /// A server that holds one account, and one Pipeline that names it.
    fn new(change: impl FnOnce(&mut Value)) -> Self {
        let (server, context) = Server::with_context();
        let mut account = json!({
            "apiVersion": "foresail.dev/v1alpha1", "kind": "ProviderAccount",
            "metadata": {"name": "market", "generation": 3},
            "spec": {"provider": "AlphaVantage", "secretName": "key"}
        });
        change(&mut account);
        server.put(PATH, account);
        Self {
            server,
            context: Arc::new(context),
            pipelines: vec![pipeline("p", |_| {})],
        }
    }

    /// Reconciles the account as it is stored, and as `seen` says the watch shows it.
    async fn reconcile_seen(&self, seen: Value) -> Result<Action, Error> {
        let accounts: Vec<Value> = {
            let paths = self.server.paths("provideraccounts");
            paths.iter().map(|path| self.server.get(path)).collect()
        };
        let around = Surroundings {
            context: self.context.clone(),
            pipelines: store(&self.pipelines),
            accounts: store(&accounts),
            retries: Retries::default(),
        };
        let object: Guarded = serde_json::from_value(seen).unwrap();
        reconcile(Arc::new(object), Arc::new(around)).await
    }

    async fn reconcile(&self) -> Result<Action, Error> {
        self.reconcile_seen(self.server.get(PATH)).await
    }

    fn ready(&self) -> (Value, Value) {
        let condition = self.server.get(PATH)["status"]["conditions"][0].clone();
        (condition["status"].clone(), condition["reason"].clone())
    }

    fn ledger(&self) -> Value {
        self.server.get(PATH)["status"]["ledger"].clone()
    }
}

fn pipeline(name: &str, change: impl FnOnce(&mut Value)) -> Value {
    let pipeline: Pipeline = object(|v| {
        from_provider(v);
        v["metadata"]["name"] = json!(name);
        change(v);
    });
    serde_json::to_value(pipeline).unwrap()
}

fn store<K>(objects: &[Value]) -> Store<DeserializeGuard<K>>
where
    K: Resource<DynamicType = ()> + Clone + serde::de::DeserializeOwned + 'static,
{
    let (store, mut writer) = reflector::store();
    for object in objects {
        let object: DeserializeGuard<K> = serde_json::from_value(object.clone()).unwrap();
        writer.apply_watcher_event(&watcher::Event::Apply(object));
    }
    store
}

#[tokio::test]
async fn a_new_account_is_ready_and_knows_what_its_pipelines_plan() {
    let world = World::new(|_| {});
    world.reconcile().await.unwrap();
    assert_eq!(world.ready(), (json!("True"), json!("Ready")));
    assert_eq!(
        world.server.get(PATH)["status"]["observedGeneration"],
        json!(3)
    );
    let share = &world.ledger()["shares"][0];
    assert_eq!(
        (&share["pipeline"], &share["livePlanned"]),
        (&json!("n/p"), &json!(3))
    );
    let writes = world.server.take_writes();
    assert_eq!(writes.len(), 2, "{writes:#?}");
    assert!(
        writes[1].body["status"]["ledger"].is_null(),
        "a condition says nothing of the ledger"
    );
    assert!(writes[0].body["metadata"]["resourceVersion"].is_string());
    // What does not differ is not written again.
    world.reconcile().await.unwrap();
    assert_eq!(world.server.take_write_names(), [""; 0]);
}

#[tokio::test]
async fn plans_are_written_on_the_ledger_that_was_read() {
    let world = World::new(|_| {});
    let seen = world.server.get(PATH);
    // A pod enters a request meanwhile.
    world.server.edit(PATH, |account| {
        account["status"]["ledger"] = json!({"grants": 7, "keyHash": "h1"});
    });
    let error = world.reconcile_seen(seen).await.unwrap_err();
    assert!(error.is_conflict(), "{error}");
    assert_eq!(world.ledger()["grants"], json!(7));
    assert_eq!(world.ready().1, json!("Ready"), "it is judged all the same");
    world.reconcile().await.unwrap();
    let ledger = world.ledger();
    assert_eq!(ledger["grants"], json!(7));
    assert_eq!(ledger["keyHash"], json!("h1"));
    assert_eq!(ledger["shares"][0]["livePlanned"], json!(3));
}

#[tokio::test]
async fn who_leaves_takes_the_plan_along() {
    let mut world = World::new(|_| {});
    world.pipelines.push(pipeline("q", |v| {
        v["metadata"]["namespace"] = json!("another");
    }));
    world.reconcile().await.unwrap();
    assert_eq!(world.ledger()["shares"].as_array().unwrap().len(), 1);
    world.pipelines.clear();
    world.reconcile().await.unwrap();
    assert_eq!(world.ledger()["shares"], json!([]));
}

#[tokio::test]
async fn accounts_with_one_key_and_plans_that_do_not_fit_are_told() {
    let world = World::new(|v| v["status"] = json!({"ledger": {"keyHash": "h1"}}));
    let mut other = world.server.get(PATH);
    other["metadata"] = json!({"name": "other"});
    world.server.put("provideraccounts/other", other);
    world.reconcile().await.unwrap();
    assert_eq!(world.ready(), (json!("False"), json!("SameKey")));
    world.server.remove("provideraccounts/other");
    world.reconcile().await.unwrap();
    assert_eq!(world.ready(), (json!("True"), json!("Ready")));
    world.server.edit(PATH, |account| {
        account["spec"]["limits"] = json!({"perDay": 2});
    });
    world.reconcile().await.unwrap();
    assert_eq!(world.ready(), (json!("False"), json!("PlanInfeasible")));
}

#[tokio::test]
async fn an_account_that_does_not_decode_is_explained_once() {
    let world = World::new(|v| v["spec"]["limits"] = json!({"resetTimeZone": "Mars/Olympus"}));
    for _ in 0..2 {
        world.reconcile().await.unwrap();
    }
    assert_eq!(
        world.server.take_write_names(),
        ["PATCH provideraccounts/market/status"]
    );
    assert_eq!(world.ready(), (json!("False"), json!("Undecodable")));
    let said = world.server.get(PATH)["status"]["conditions"].to_string();
    assert!(said.contains("Mars/Olympus"), "{said}");
}

#[tokio::test]
async fn an_account_is_judged_by_one_operator_for_the_pipelines_of_all() {
    let mut world = World::new(|v| v["metadata"]["labels"] = json!({"shard": "a"}));
    world.pipelines.push(pipeline("q", |v| {
        v["metadata"]["labels"] = json!({"shard": "b"});
    }));
    for (selector, shares) in [("shard!=a", 0), ("shard=a", 2)] {
        let context = Arc::get_mut(&mut world.context).unwrap();
        context.selection = Selection::new(None, Some(selector)).unwrap();
        world.reconcile().await.unwrap();
        let writes = world.server.take_write_names();
        assert_eq!(writes.is_empty(), shares == 0, "{selector}: {writes:#?}");
        let stored = world.ledger()["shares"].as_array().map_or(0, Vec::len);
        assert_eq!(stored, shares, "{selector}");
    }
}

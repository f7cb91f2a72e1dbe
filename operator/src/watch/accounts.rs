//! Which changes lead to a reconcile of a ProviderAccount, and which changes of one lead to a reconcile of Pipelines.

use std::sync::Arc;
use std::time::Duration;

use foresail_runtime_base::Shutdown;
use futures::StreamExt;
use kube::runtime::controller::{Config as ControllerConfig, Controller, Error};
use kube::runtime::reflector::{ObjectRef, Store};
use kube::runtime::watcher;
use kube::{Client, Resource, ResourceExt};

use super::api;
use super::seen::{Content, Seen};
use crate::account::{self, Guarded, Surroundings};
use crate::pipeline;

/// Reconciles of accounts at one time.
const CONCURRENCY: u16 = 2;
/// Changes within this time are one reconcile. A ledger changes with every request, and a plan may wait for a second.
const DEBOUNCE: Duration = Duration::from_secs(1);

/// Watches accounts, and the Pipelines that name them.
pub fn controller(client: &Client, namespace: Option<&str>, stop: Shutdown) -> Controller<Guarded> {
    let config = ControllerConfig::default()
        .concurrency(CONCURRENCY)
        .debounce(DEBOUNCE);
    Controller::new(
        api::<Guarded>(client, namespace),
        watcher::Config::default(),
    )
    .with_config(config)
    .watches(
        api::<pipeline::Guarded>(client, namespace),
        watcher::Config::default().page_size(50),
        |pipeline| named_by(&pipeline),
    )
    .graceful_shutdown_on(async move { stop.cancelled().await })
}

/// Runs it until shutdown.
pub async fn reconcile_all(controller: Controller<Guarded>, around: Arc<Surroundings>) {
    let retries = around.clone();
    controller
        .run(account::reconcile, account::error_policy, around)
        .for_each(|result| async {
            match result {
                Ok(_) => {}
                Err(Error::ReconcilerFailed(error, object)) if error.is_conflict() => {
                    tracing::debug!(%error, account = %object, "conflict, trying again");
                }
                Err(Error::ReconcilerFailed(error, object)) => {
                    tracing::warn!(%error, account = %object, "reconcile of an account failed");
                }
                Err(Error::ObjectNotFound(object)) => {
                    let namespace = object.namespace.clone().unwrap_or_default();
                    let gone = ObjectRef::new(&object.name).within(&namespace);
                    retries.retries.forget(&gone);
                }
                // A queue error names an object that is gone by now, or a watch that restarts.
                Err(error) => tracing::debug!(%error, "account queue"),
            }
        })
        .await;
}

/// The accounts that a Pipeline names.
fn named_by(pipeline: &pipeline::Guarded) -> Vec<ObjectRef<Guarded>> {
    let Some((pipeline, namespace)) = pipeline.0.as_ref().ok().zip(pipeline.namespace()) else {
        return Vec::new();
    };
    let source = &pipeline.spec.source;
    let first = source.provider.iter().map(|provider| &*provider.account);
    let all = first.chain(source.other_accounts());
    all.map(|name| ObjectRef::new(name).within(&namespace))
        .collect()
}

/// From an account to the Pipelines that name it.
pub struct Concerned {
    pipelines: Store<pipeline::Guarded>,
    seen: Seen<Guarded>,
}

impl Concerned {
    /// Of the Pipelines in this store.
    pub fn new(pipelines: Store<pipeline::Guarded>) -> Self {
        Self {
            pipelines,
            seen: Seen::default(),
        }
    }

    /// The Pipelines that an event of an account concerns: none where nothing but its ledger has changed, which it does with
    /// every request.
    pub fn by(&self, account: &Guarded) -> Vec<ObjectRef<pipeline::Guarded>> {
        if !self.seen.is_news(account, content(account)) {
            return Vec::new();
        }
        let wanted = ObjectRef::from_obj(account);
        let all = self.pipelines.state();
        let naming = all
            .iter()
            .filter(|pipeline| named_by(pipeline).contains(&wanted));
        naming
            .map(|pipeline| ObjectRef::from_obj(pipeline.as_ref()))
            .collect()
    }
}

/// Of an account that decodes.
fn content(account: &Guarded) -> Option<Content> {
    let readable = account.0.as_ref().ok()?;
    let status = readable.status.as_ref();
    let meta = account.meta();
    let told = (
        &meta.uid,
        &meta.deletion_timestamp,
        &readable.spec,
        status.map(|status| &status.conditions),
    );
    let untold = status.map(|status| &status.ledger);
    Some(Content::new(&told, &untold))
}

#[cfg(test)]
mod tests {
    use kube::runtime::reflector;
    use serde_json::{Value, json};

    use super::*;
    use crate::pipeline::{from_provider, object};

    fn pipeline(name: &str, change: impl FnOnce(&mut Value)) -> pipeline::Guarded {
        let pipeline = object(|v| {
            v["metadata"]["name"] = json!(name);
            change(v);
        });
        serde_json::from_value(serde_json::to_value(pipeline).unwrap()).unwrap()
    }

    fn account(change: impl FnOnce(&mut Value)) -> Guarded {
        let mut account = json!({
            "apiVersion": "foresail.dev/v1alpha1", "kind": "ProviderAccount",
            "metadata": {"name": "market", "namespace": "n", "uid": "u"},
            "spec": {"provider": "Yahoo"}, "status": {"ledger": {"grants": 1}}
        });
        change(&mut account);
        serde_json::from_value(account).unwrap()
    }

    fn concerned() -> Concerned {
        let (store, mut writer) = reflector::store();
        let another = |v: &mut Value| {
            from_provider(v);
            v["metadata"]["namespace"] = json!("another");
        };
        for pipeline in [
            pipeline("csv", |_| {}),
            pipeline("there", another),
            pipeline("p", from_provider),
        ] {
            writer.apply_watcher_event(&watcher::Event::Apply(pipeline));
        }
        Concerned::new(store)
    }

    #[test]
    fn a_change_of_an_account_concerns_who_names_it_and_a_request_nobody() {
        let concerned = concerned();
        let names = |change: fn(&mut Value)| {
            let found = concerned.by(&account(change));
            found.into_iter().map(|p| p.name).collect::<Vec<_>>()
        };
        let spent: fn(&mut Value) = |v| v["status"]["ledger"]["grants"] = json!(2);
        assert_eq!(names(|_| {}), ["p"]);
        assert_eq!(names(spent), [""; 0]);
        // Its deletion shows it as it was.
        assert_eq!(names(spent), ["p"]);
        assert_eq!(names(|v| v["spec"]["userAgent"] = json!("curl")), ["p"]);
        let undecodable: fn(&mut Value) = |v| v["spec"]["provider"] = json!("Bloomberg");
        assert_eq!(names(undecodable), ["p"]);
        assert_eq!(names(|_| {}), ["p"], "it decodes again");
    }

    #[test]
    fn a_pipeline_leads_to_the_accounts_that_it_names() {
        let named = |names: &[&str]| {
            let all = names.iter().map(|name| ObjectRef::new(name).within("n"));
            all.collect::<Vec<_>>()
        };
        assert_eq!(named_by(&pipeline("p", from_provider)), named(&["market"]));
        assert_eq!(named_by(&pipeline("p", |_| {})), []);
        let several = pipeline("p", |v| {
            from_provider(v);
            v["spec"]["source"]["fallback"] = json!([{"account": "b"}, {"account": "a"}]);
        });
        assert_eq!(named_by(&several), named(&["market", "b", "a"]));
    }
}

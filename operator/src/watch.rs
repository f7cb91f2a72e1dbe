//! Which changes lead to which reconcile.

mod accounts;
mod follow;
mod readers;
mod seen;

use std::sync::Arc;
use std::time::Duration;

use foresail_crds::names::PipelineName;
use foresail_runtime_base::Shutdown;
use futures::StreamExt;
use kube::api::DynamicObject;
use kube::runtime::controller::{Config as ControllerConfig, Controller};
use kube::runtime::reflector::ObjectRef;
use kube::runtime::watcher;
use kube::{Api, Client, ResourceExt};

use crate::account::Surroundings;
use crate::context::Context;
use crate::pipeline::{self, Guarded};
use crate::retries::Retries;
use crate::store::Store;
use follow::Followed;
#[cfg(test)]
pub use follow::catch_up;

/// Reconciles at one time.
const CONCURRENCY: u16 = 8;
/// Changes within this time are one reconcile.
const DEBOUNCE: Duration = Duration::from_millis(200);

/// Runs the controllers until shutdown.
pub async fn run(context: Arc<Context>, client: Client, shutdown: Shutdown) {
    let namespace = context.selection.namespace();
    let labels = context.selection.labels();
    tracing::info!(namespace, %labels, "watching");
    let pipelines = pipelines(&client, namespace, &context.store, shutdown.clone());
    let accounts = accounts::controller(&client, namespace, shutdown);
    let around = Arc::new(Surroundings {
        context: context.clone(),
        pipelines: pipelines.store(),
        accounts: accounts.store(),
        retries: Retries::default(),
    });
    tokio::join!(
        reconcile_pipelines(pipelines, context),
        accounts::reconcile_all(accounts, around)
    );
}

fn pipelines(
    client: &Client,
    namespace: Option<&str>,
    store: &Store,
    stop: Shutdown,
) -> Controller<Guarded> {
    let config = ControllerConfig::default()
        .concurrency(CONCURRENCY)
        .debounce(DEBOUNCE);
    let controller = Controller::new(
        api::<Guarded>(client, namespace),
        watcher::Config::default().page_size(50),
    );
    let concerned = accounts::Concerned::new(controller.store());
    let readers = readers::Readers::new(controller.store());
    let follow = |followed: &Followed| follow::follow(followed, (client, namespace), store);
    let controller = follow::children().fold(controller.with_config(config), |with, followed| {
        with.owns_stream_with(follow(&followed), followed.kind)
    });
    let theirs = [follow::pods(), follow::versions()];
    let controller = theirs.into_iter().fold(controller, |with, followed| {
        let pipeline = move |object: DynamicObject| {
            let name = (followed.of)(&object)?;
            Some(ObjectRef::new(&name).within(&object.namespace()?))
        };
        with.watches_stream_with(follow(&followed), pipeline, followed.kind)
    });
    let accounts = follow::accounts();
    let naming = move |account: DynamicObject| {
        let account = follow::guarded(&account);
        account.map_or_else(Vec::new, |account| concerned.by(&account))
    };
    controller
        .watches_stream_with(follow(&accounts), naming, accounts.kind)
        .watches(
            api::<Guarded>(client, namespace),
            watcher::Config::default().page_size(50),
            move |pipeline| readers.by(&pipeline),
        )
        .graceful_shutdown_on(async move { stop.cancelled().await })
}

async fn reconcile_pipelines(controller: Controller<Guarded>, context: Arc<Context>) {
    let reconciles = context.metrics.reconciles.clone();
    let retries = context.clone();
    controller
        .run(pipeline::reconcile, pipeline::error_policy, context)
        .for_each(|result| async {
            match result {
                // Counted there: those of others are none of ours.
                Ok(_) => {}
                Err(kube::runtime::controller::Error::ReconcilerFailed(error, object)) => {
                    reconciles.with([error.category()]).inc();
                    if error.is_conflict() {
                        // Somebody wrote meanwhile; the next try follows at once.
                        return tracing::debug!(%error, pipeline = %object, "conflict, trying again");
                    }
                    tracing::warn!(%error, category = error.category(), pipeline = %object, "reconcile failed");
                }
                Err(kube::runtime::controller::Error::ObjectNotFound(object)) => {
                    let namespace = object.namespace.clone().unwrap_or_default();
                    retries.retries.forget(&PipelineName::new(namespace, object.name.clone()));
                }
                // A queue error names an object that is gone by now, or a watch that restarts.
                Err(error) => tracing::debug!(%error, "controller queue"),
            }
        })
        .await;
}

fn api<K>(client: &Client, namespace: Option<&str>) -> Api<K>
where
    K: kube::Resource<Scope = k8s_openapi::NamespaceResourceScope>,
    K::DynamicType: Default,
{
    match namespace {
        Some(namespace) => Api::namespaced(client.clone(), namespace),
        None => Api::all(client.clone()),
    }
}

//! Which changes lead to which reconcile.

mod accounts;
mod readers;
mod seen;

use std::sync::Arc;
use std::time::Duration;

use foresail_crds::names::PipelineName;
use foresail_crds::{ModelVersion, ProviderAccount};
use foresail_runtime_base::Shutdown;
use futures::StreamExt;
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::autoscaling::v2::HorizontalPodAutoscaler;
use k8s_openapi::api::batch::v1::Job;
use k8s_openapi::api::core::v1::{ConfigMap, Pod, Service, ServiceAccount};
use k8s_openapi::api::policy::v1::PodDisruptionBudget;
use k8s_openapi::api::rbac::v1::{Role, RoleBinding};
use kube::core::DeserializeGuard;
use kube::runtime::controller::{Config as ControllerConfig, Controller};
use kube::runtime::reflector::ObjectRef;
use kube::runtime::watcher;
use kube::{Api, Client, ResourceExt};

use crate::account::Surroundings;
use crate::context::Context;
use crate::pipeline::{self, Guarded, labels};
use crate::retries::Retries;

/// Reconciles at one time.
const CONCURRENCY: u16 = 8;
/// Changes within this time are one reconcile.
const DEBOUNCE: Duration = Duration::from_millis(200);

/// Runs the controllers until shutdown.
pub async fn run(
    context: Arc<Context>,
    client: Client,
    namespace: Option<&str>,
    shutdown: Shutdown,
) {
    let pipelines = pipelines(&client, namespace, shutdown.clone());
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

fn pipelines(client: &Client, namespace: Option<&str>, stop: Shutdown) -> Controller<Guarded> {
    let ours = watcher::Config::default()
        .labels(&labels::managed_selector())
        .page_size(50);
    let config = ControllerConfig::default()
        .concurrency(CONCURRENCY)
        .debounce(DEBOUNCE);
    let controller = Controller::new(
        api::<Guarded>(client, namespace),
        watcher::Config::default().page_size(50),
    );
    let concerned = accounts::Concerned::new(controller.store());
    let readers = readers::Readers::new(controller.store());
    controller
        .with_config(config)
        .owns(api::<Deployment>(client, namespace), ours.clone())
        .owns(api::<Job>(client, namespace), ours.clone())
        .owns(api::<ConfigMap>(client, namespace), ours.clone())
        .owns(api::<Service>(client, namespace), ours.clone())
        .owns(api::<ServiceAccount>(client, namespace), ours.clone())
        .owns(api::<Role>(client, namespace), ours.clone())
        .owns(api::<RoleBinding>(client, namespace), ours.clone())
        .owns(
            api::<HorizontalPodAutoscaler>(client, namespace),
            ours.clone(),
        )
        .owns(api::<PodDisruptionBudget>(client, namespace), ours.clone())
        .watches(
            api::<DeserializeGuard<ModelVersion>>(client, namespace),
            watcher::Config::default(),
            pipeline_of,
        )
        .watches(
            api::<DeserializeGuard<ProviderAccount>>(client, namespace),
            watcher::Config::default(),
            move |account| concerned.by(&account),
        )
        .watches(
            api::<Guarded>(client, namespace),
            watcher::Config::default().page_size(50),
            move |pipeline| readers.by(&pipeline),
        )
        .watches(api::<Pod>(client, namespace), ours, |pod: Pod| {
            let name = pod.labels().get(labels::PIPELINE).cloned()?;
            Some(ObjectRef::new(&name).within(&pod.namespace()?))
        })
        .graceful_shutdown_on(async move { stop.cancelled().await })
}

async fn reconcile_pipelines(controller: Controller<Guarded>, context: Arc<Context>) {
    let reconciles = context.metrics.reconciles.clone();
    let retries = context.clone();
    controller
        .run(pipeline::reconcile, pipeline::error_policy, context)
        .for_each(|result| async {
            match result {
                Ok(_) => {
                    reconciles.with(["ok"]).inc();
                }
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

/// The Pipeline of a version; of one that does not decode, by its name.
fn pipeline_of(version: DeserializeGuard<ModelVersion>) -> Option<ObjectRef<Guarded>> {
    let namespace = version.namespace()?;
    let pipeline = match version.0 {
        Ok(version) => version.spec.pipeline,
        Err(invalid) => invalid.metadata.name?.rsplit_once("-v")?.0.to_string(),
    };
    Some(ObjectRef::new(&pipeline).within(&namespace))
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

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_version_leads_to_its_pipeline_also_when_it_does_not_decode() {
        let pipeline = |spec| {
            let version = json!({
                "apiVersion": "foresail.dev/v1alpha1", "kind": "ModelVersion",
                "metadata": {"name": "a-v2-v13", "namespace": "n"}, "spec": spec
            });
            pipeline_of(serde_json::from_value(version).unwrap())
        };
        let expected = ObjectRef::new("a-v2").within("n");
        assert_eq!(pipeline(json!({})), Some(expected));
    }
}

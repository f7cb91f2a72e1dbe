//! Operators: the one that all tests share, and those that tests bring along because they break them.

use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::api::core::v1::Pod;
use kube::api::{DeleteParams, ListParams, Patch, PatchParams};
use kube::{Api, Client, ResourceExt};
use serde_json::{Value, json};

use crate::cluster::{OPERATOR_NAMESPACE, SHARD};
use crate::{Cluster, Space, audit, faults, helm, repo, until};

/// Name of the release, in whatever namespace it is.
const RELEASE: &str = "foresail";
const LEADS: Duration = Duration::from_secs(60);
const SCALED: Duration = Duration::from_secs(90);

/// The operator of one release.
pub struct Operator {
    client: Client,
    namespace: String,
}

impl Operator {
    /// The one that looks after everything that no test has taken for itself.
    pub fn shared(cluster: &Cluster) -> Self {
        Self {
            client: cluster.client.clone(),
            namespace: OPERATOR_NAMESPACE.into(),
        }
    }

    /// Installs one in a namespace of a test, for this namespace and what is [apart](Space::apart) in it; returns once all of
    /// its pods are ready. It goes with the namespace.
    ///
    /// # Errors
    /// Helm's own words, or pods that do not start.
    pub async fn install(space: &Space, replicas: i32) -> Result<Self> {
        let values = own_values(&helm::values(OPERATOR_NAMESPACE, RELEASE)?, space, replicas)?;
        let chart = repo::path("charts/foresail").display().to_string();
        let install = ["install", RELEASE, &chart, "--values", "-"];
        helm::run(&space.name, &install, Some(&values.to_string()))?;
        let operator = Self {
            client: space.cluster.client.clone(),
            namespace: space.name.clone(),
        };
        operator.are_ready(replicas).await?;
        Ok(operator)
    }

    /// Its pods.
    ///
    /// # Errors
    /// When there is none.
    pub async fn pods(&self) -> Result<Vec<Pod>> {
        let pods = self.api::<Pod>().list(&component()).await?;
        if pods.items.is_empty() {
            bail!("no operator runs in {}", self.namespace);
        }
        Ok(pods.items)
    }

    /// Sets the number of its pods and waits for them.
    ///
    /// # Errors
    /// When there are not so many ready ones after a while.
    pub async fn scale(&self, replicas: i32) -> Result<()> {
        let name = self.deployment().await?.name_any();
        let patch = Patch::Merge(json!({"spec": {"replicas": replicas}}));
        let api = self.api::<Deployment>();
        api.patch(&name, &PatchParams::default(), &patch).await?;
        self.are_ready(replicas).await
    }

    async fn are_ready(&self, replicas: i32) -> Result<()> {
        let what = format!("{replicas} operators in {}", self.namespace);
        until(&what, SCALED, async || {
            let status = self.deployment().await?.status.unwrap_or_default();
            let (all, ready) = (
                status.replicas.unwrap_or(0),
                status.ready_replicas.unwrap_or(0),
            );
            ensure!(
                all == replicas && ready == replicas,
                "{ready} of {all} ready"
            );
            Ok(())
        })
        .await
    }

    /// SIGKILLs the pod that leads and removes it, so that no restart back-off stands between this kill and the next, and
    /// its Lease, whose end the next one would wait for. Returns once another one leads.
    ///
    /// # Errors
    /// When none leads, before or after.
    pub async fn kill_leader(&self) -> Result<()> {
        let dead = until("an operator to kill", LEADS, async || {
            let pod = self.leader().await?;
            faults::kill_processes(&pod)?;
            Ok(pod.name_any())
        })
        .await?;
        let at_once = DeleteParams {
            grace_period_seconds: Some(0),
            ..DeleteParams::default()
        };
        gone(self.api::<Pod>().delete(&dead, &at_once).await)?;
        self.steal_lease().await?;
        until("another operator leads", LEADS, async || {
            let name = self.leader().await?.name_any();
            ensure!(name != dead, "{name} is the dead one");
            Ok(())
        })
        .await
    }

    /// Removes its Lease: without it a leader is replaced while it still works.
    ///
    /// # Errors
    /// When the API server does not answer.
    pub async fn steal_lease(&self) -> Result<()> {
        let api = self.api::<Lease>();
        for lease in api.list(&ListParams::default()).await? {
            let name = lease.name_any();
            gone(api.delete(&name, &DeleteParams::default()).await)?;
        }
        Ok(())
    }

    /// How often it has written to objects of a namespace.
    ///
    /// # Errors
    /// When there is no audit log.
    pub fn writes(&self, space: &Space) -> Result<usize> {
        let user = format!("system:serviceaccount:{}:{RELEASE}", self.namespace);
        let writes = audit::writes(&space.cluster, &space.name)?;
        Ok(writes.iter().filter(|write| write.user == user).count())
    }

    /// The pod that holds the Lease: others stand by and do nothing.
    async fn leader(&self) -> Result<Pod> {
        let leases = self.api::<Lease>().list(&ListParams::default()).await?;
        let holder = leases
            .iter()
            .find_map(|lease| lease.spec.as_ref()?.holder_identity.clone());
        let holder = holder.context("nobody leads")?;
        let mut pods = self.pods().await?.into_iter();
        let pod = pods.find(|p| p.name_any() == holder && p.metadata.deletion_timestamp.is_none());
        pod.with_context(|| format!("`{holder}` leads, and is not there"))
    }

    async fn deployment(&self) -> Result<Deployment> {
        let operators = self.api::<Deployment>().list(&component()).await?.items;
        let first = operators.into_iter().next();
        first.with_context(|| format!("no operator is installed in {}", self.namespace))
    }

    fn api<K>(&self) -> Api<K>
    where
        K: kube::Resource<Scope = k8s_openapi::NamespaceResourceScope, DynamicType = ()>,
    {
        Api::namespaced(self.client.clone(), &self.namespace)
    }
}

fn component() -> ListParams {
    ListParams::default().labels("app.kubernetes.io/component=operator")
}

/// Somebody else may have removed it already.
fn gone<T>(answer: Result<T, kube::Error>) -> Result<()> {
    match answer {
        Err(kube::Error::Api(status)) if status.is_not_found() => Ok(()),
        other => Ok(other.map(drop)?),
    }
}

/// Values of the shared operator, for one in a namespace of its own: nothing it makes is of the cluster, and it plays no
/// provider.
fn own_values(shared: &str, space: &Space, replicas: i32) -> Result<Value> {
    let mut values: Value = serde_json::from_str(shared).context("the values are no JSON")?;
    let simulator = format!("foresail-provider-simulator.{OPERATOR_NAMESPACE}:8080");
    values["watchNamespace"] = json!(space.name);
    values["watchLabelSelector"] = json!(format!("{SHARD}={}", space.name));
    values["aggregateRoles"] = json!(false);
    values["replicas"] = json!(replicas);
    values["providers"] = json!({"allowedHosts": [simulator], "simulator": {"enabled": false}});
    Ok(values)
}

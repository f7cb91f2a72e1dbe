//! Who owns what in a namespace: what is left without a living owner would never go.

use std::collections::BTreeSet;
use std::fmt::Debug;

use anyhow::Result;
use foresail_crds::ModelVersion;
use k8s_openapi::NamespaceResourceScope;
use k8s_openapi::api::apps::v1::{Deployment, ReplicaSet};
use k8s_openapi::api::autoscaling::v2::HorizontalPodAutoscaler;
use k8s_openapi::api::batch::v1::Job;
use k8s_openapi::api::core::v1::{ConfigMap, Pod, Service, ServiceAccount};
use k8s_openapi::api::policy::v1::PodDisruptionBudget;
use k8s_openapi::api::rbac::v1::{Role, RoleBinding};
use kube::api::ListParams;
use kube::{Resource, ResourceExt};
use serde::de::DeserializeOwned;

use crate::Space;

/// What Kubernetes itself puts into every namespace.
const KUBERNETES: [&str; 2] = ["ConfigMap kube-root-ca.crt", "ServiceAccount default"];

const MANAGED_BY: &str = "app.kubernetes.io/managed-by";

/// Objects and their owners.
#[derive(Default)]
struct Census {
    living: BTreeSet<String>,
    /// Name, and the identities of its owners.
    owned: Vec<(String, Vec<String>)>,
}

/// Objects of a namespace that no living object owns; Pipelines and Secrets are the users', and what a Helm release has made is
/// the release's.
///
/// # Errors
/// When the API server does not answer.
pub async fn orphans(space: &Space) -> Result<Vec<String>> {
    let mut census = Census::default();
    // Owners are looked at last: one that was made meanwhile is not taken for dead.
    census.count::<Pod>(space).await?;
    census.count::<ReplicaSet>(space).await?;
    census.count::<Job>(space).await?;
    census.count::<Deployment>(space).await?;
    census.count::<ConfigMap>(space).await?;
    census.count::<Service>(space).await?;
    census.count::<ServiceAccount>(space).await?;
    census.count::<Role>(space).await?;
    census.count::<RoleBinding>(space).await?;
    census.count::<HorizontalPodAutoscaler>(space).await?;
    census.count::<PodDisruptionBudget>(space).await?;
    census.count::<ModelVersion>(space).await?;
    let pipelines = space.pipelines().list(&ListParams::default()).await?;
    census
        .living
        .extend(pipelines.iter().filter_map(ResourceExt::uid));
    let lives = |owner: &String| census.living.contains(owner);
    let orphans = census
        .owned
        .iter()
        .filter(|(name, owners)| !KUBERNETES.contains(&name.as_str()) && !owners.iter().any(lives));
    Ok(orphans.map(|(name, _)| name.clone()).collect())
}

impl Census {
    async fn count<K>(&mut self, space: &Space) -> Result<()>
    where
        K: Resource<Scope = NamespaceResourceScope, DynamicType = ()>
            + Clone
            + DeserializeOwned
            + Debug,
    {
        let kind = K::kind(&());
        for object in space.api::<K>().list(&ListParams::default()).await? {
            self.living.extend(object.uid());
            if object
                .labels()
                .get(MANAGED_BY)
                .is_some_and(|by| by == "Helm")
            {
                continue;
            }
            let owners = object.owner_references().iter();
            let owners = owners.map(|owner| owner.uid.clone()).collect();
            let name = format!("{kind} {}", object.name_any());
            self.owned.push((name, owners));
        }
        Ok(())
    }
}

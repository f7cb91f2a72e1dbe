//! The children of a Pipeline, and how far they are: prepared (as they must be), then applied (as
//! they live). Only `apply` makes the second from the first, so status cannot speak of children
//! that were not applied.

use std::marker::PhantomData;

use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::autoscaling::v2::HorizontalPodAutoscaler;
use k8s_openapi::api::batch::v1::Job;
use k8s_openapi::api::core::v1::{ConfigMap, Service, ServiceAccount};
use k8s_openapi::api::policy::v1::PodDisruptionBudget;
use k8s_openapi::api::rbac::v1::{Role, RoleBinding};
use kube::Resource;
use kube::core::ApiResource;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::labels;

/// Every kind the operator makes, in the order of applying.
pub fn kinds() -> [ApiResource; 9] {
    [
        ApiResource::erase::<ConfigMap>(&()),
        ApiResource::erase::<ServiceAccount>(&()),
        ApiResource::erase::<Role>(&()),
        ApiResource::erase::<RoleBinding>(&()),
        ApiResource::erase::<Service>(&()),
        ApiResource::erase::<Deployment>(&()),
        ApiResource::erase::<PodDisruptionBudget>(&()),
        ApiResource::erase::<HorizontalPodAutoscaler>(&()),
        ApiResource::erase::<Job>(&()),
    ]
}

#[derive(Clone, Debug)]
pub struct Child {
    /// Its API.
    pub kind: ApiResource,
    pub name: String,
    pub namespace: String,
    /// The object, with type and metadata.
    pub value: Value,
}

impl Child {
    /// The object in its own type; nothing for another kind.
    pub fn read<K>(&self) -> Option<K>
    where
        K: Resource<DynamicType = ()> + DeserializeOwned,
    {
        let kind_matches = self.kind.kind == K::kind(&());
        kind_matches.then(|| serde_json::from_value(self.value.clone()).ok())?
    }

    /// The role it belongs to; none for what several share.
    pub fn role(&self) -> Option<foresail_crds::Role> {
        let component = &self.value["metadata"]["labels"][labels::COMPONENT];
        foresail_crds::Role::from_name(component.as_str()?)
    }

    /// Kind and name, for people.
    pub fn title(&self) -> String {
        format!("{} {}", self.kind.kind, self.name)
    }
}

/// Children as they must be.
#[derive(Clone, Copy, Debug, Default)]
pub struct Prepared;

/// Children at one stage, in the order they are applied: configuration before workloads, so that no
/// pod waits for it.
#[derive(Clone, Debug)]
pub struct Resources<Stage> {
    /// The objects.
    pub children: Vec<Child>,
    stage: PhantomData<Stage>,
}

impl Default for Resources<Prepared> {
    fn default() -> Self {
        Self::new(Vec::new(), Prepared)
    }
}

impl Resources<Prepared> {
    /// Adds one child.
    pub fn add<K>(&mut self, object: &K)
    where
        K: Resource<DynamicType = ()> + Serialize,
    {
        let kind = ApiResource::erase::<K>(&());
        let mut value = serde_json::to_value(object).unwrap_or_default();
        value["apiVersion"] = kind.api_version.clone().into();
        value["kind"] = kind.kind.clone().into();
        let meta = object.meta();
        self.children.push(Child {
            name: meta.name.clone().unwrap_or_default(),
            namespace: meta.namespace.clone().unwrap_or_default(),
            kind,
            value,
        });
    }
}

impl<Stage> Resources<Stage> {
    /// Children at a stage; who has no value of the stage cannot make them.
    pub fn new(children: Vec<Child>, _: Stage) -> Self {
        Self {
            children,
            stage: PhantomData,
        }
    }

    /// The child of a kind and name.
    pub fn find<K>(&self, name: &str) -> Option<K>
    where
        K: Resource<DynamicType = ()> + DeserializeOwned,
    {
        let mut named = self.children.iter().filter(|child| child.name == name);
        named.find_map(Child::read)
    }

    /// Every child of a kind.
    pub fn all<K>(&self) -> impl Iterator<Item = K>
    where
        K: Resource<DynamicType = ()> + DeserializeOwned,
    {
        self.children.iter().filter_map(Child::read)
    }
}

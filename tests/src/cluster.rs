//! The shared cluster, and the namespace of a test.

use std::fmt::Debug;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, anyhow};
use foresail_crds::{ModelVersion, Pipeline};
use k8s_openapi::api::core::v1::{Namespace, Secret};
use kube::api::{DeleteParams, ListParams, Patch, PatchParams, PostParams};
use kube::{Api, Client, Resource};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::settings::Settings;
use crate::{repo, until};

/// Field manager of everything the tests apply.
pub const MANAGER: &str = "foresail-tests";
/// Secret with the S3 keys in every test namespace.
pub const S3_SECRET: &str = "s3-credentials";
/// Namespace of the operator.
pub const OPERATOR_NAMESPACE: &str = "foresail-system";
/// Label of what the operator in [`OPERATOR_NAMESPACE`] leaves alone (`tests/node/configs/market.yaml`).
pub const SHARD: &str = "foresail.dev/shard";

/// A client and the addresses of the node.
#[derive(Clone)]
pub struct Cluster {
    /// Kubernetes client with all rights.
    pub client: Client,
    /// Addresses.
    pub settings: Arc<Settings>,
}

impl Cluster {
    /// Connects; `None` when there is no node.
    pub async fn connect() -> Result<Option<Self>> {
        let Some(settings) = Settings::read()? else {
            return Ok(None);
        };
        rustls::crypto::ring::default_provider()
            .install_default()
            .ok();
        let client = Client::try_default()
            .await
            .context("no client: is KUBECONFIG set?")?;
        Ok(Some(Self {
            client,
            settings: Arc::new(settings),
        }))
    }

    /// A namespace that admits restricted pods only, with the S3 keys in it.
    pub async fn make_space(&self, test: &str) -> Result<Space> {
        let suffix: u32 = rand::random();
        let short: String = test.replace('_', "-").chars().take(24).collect();
        let name = format!("t-{}-{:04x}", short.trim_end_matches('-'), suffix & 0xffff);
        let namespace = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": {
            "pod-security.kubernetes.io/enforce": "restricted", "foresail.dev/test": "true"}}});
        let api: Api<Namespace> = Api::all(self.client.clone());
        api.create(&PostParams::default(), &serde_json::from_value(namespace)?)
            .await
            .with_context(|| format!("cannot make the namespace {name}"))?;
        let space = Space {
            cluster: self.clone(),
            name,
            is_apart: false,
        };
        space
            .put_s3_secret(
                S3_SECRET,
                &self.settings.access_key,
                &self.settings.secret_key,
            )
            .await?;
        Ok(space)
    }
}

/// One test's namespace.
#[derive(Clone)]
pub struct Space {
    /// Where it is.
    pub cluster: Cluster,
    /// Its name.
    pub name: String,
    /// Whether what is applied through this value is left alone by the operator that all tests share.
    is_apart: bool,
}

impl Space {
    /// Objects of one kind in this namespace.
    pub fn api<K>(&self) -> Api<K>
    where
        K: Resource<Scope = k8s_openapi::NamespaceResourceScope, DynamicType = ()>,
    {
        Api::namespaced(self.cluster.client.clone(), &self.name)
    }

    /// Pipelines of this namespace.
    pub fn pipelines(&self) -> Api<Pipeline> {
        self.api()
    }

    /// Model versions of this namespace.
    pub fn versions(&self) -> Api<ModelVersion> {
        self.api()
    }

    /// Writes a Secret with S3 keys.
    pub async fn put_s3_secret(&self, name: &str, key: &str, secret: &str) -> Result<()> {
        let object = json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name},
            "stringData": {"accessKeyId": key, "secretAccessKey": secret}});
        self.apply::<Secret>(name, &object).await.map(drop)
    }

    /// The same namespace, for what another operator than the shared one looks after: what is applied through it has the
    /// label [`SHARD`], with the namespace as its value.
    pub fn apart(&self) -> Self {
        Self {
            is_apart: true,
            ..self.clone()
        }
    }

    /// Server-side apply under the tests' own field manager.
    pub async fn apply<K>(&self, name: &str, object: &Value) -> Result<K>
    where
        K: Resource<Scope = k8s_openapi::NamespaceResourceScope, DynamicType = ()>
            + Clone
            + DeserializeOwned
            + Debug,
    {
        let mut object = object.clone();
        if self.is_apart && K::group(&()) == "foresail.dev" {
            object["metadata"]["labels"][SHARD] = json!(self.name);
        }
        self.api::<K>()
            .patch(
                name,
                &PatchParams::apply(MANAGER).force(),
                &Patch::Apply(&object),
            )
            .await
            .with_context(|| format!("cannot apply {name} in {}", self.name))
    }

    /// Applies a Pipeline; its name is read from the object.
    pub async fn apply_pipeline(&self, object: &Value) -> Result<Pipeline> {
        let name = object["metadata"]["name"]
            .as_str()
            .context("the Pipeline has no name")?;
        self.apply(name, object).await
    }

    /// An example with this node's addresses.
    pub fn example(&self, relative: &str) -> Result<Value> {
        repo::yaml(relative, &self.cluster.settings.placeholders())
    }

    /// Deletes a Pipeline and waits until it and its dependents are gone.
    pub async fn delete_pipeline(&self, name: &str, limit: Duration) -> Result<()> {
        let api = self.pipelines();
        match api.delete(name, &DeleteParams::foreground()).await {
            Err(kube::Error::Api(status)) if status.is_not_found() => return Ok(()),
            other => other.map(drop)?,
        }
        until(&format!("deletion of {name}"), limit, async || {
            match api.get_opt(name).await? {
                None => Ok(()),
                Some(left) => Err(anyhow!(
                    "still there, finalizers {:?}",
                    left.metadata.finalizers
                )),
            }
        })
        .await
    }

    /// Deletes all of it, and waits until it is gone.
    ///
    /// # Errors
    /// When something stays.
    pub async fn remove(&self) -> Result<()> {
        self.delete().await?;
        self.gone().await
    }

    /// Deletes its Pipelines, then the namespace, which takes its time to go.
    ///
    /// # Errors
    /// When a Pipeline stays, or the API server does not answer.
    pub async fn delete(&self) -> Result<()> {
        for pipeline in self.pipelines().list(&ListParams::default()).await?.items {
            let name = pipeline.metadata.name.unwrap_or_default();
            self.delete_pipeline(&name, Duration::from_secs(90)).await?;
        }
        let api: Api<Namespace> = Api::all(self.cluster.client.clone());
        api.delete(&self.name, &DeleteParams::default()).await?;
        Ok(())
    }

    /// Waits until the deleted namespace is gone.
    ///
    /// # Errors
    /// When it is still there after a while.
    pub async fn gone(&self) -> Result<()> {
        let api: Api<Namespace> = Api::all(self.cluster.client.clone());
        until(
            &format!("deletion of namespace {}", self.name),
            Duration::from_secs(300),
            async || match api.get_opt(&self.name).await? {
                None => Ok(()),
                Some(_) => Err(anyhow!("still there")),
            },
        )
        .await
    }
}

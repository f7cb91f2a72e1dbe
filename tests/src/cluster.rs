//! The shared cluster and a namespace per test. Tests that run pods take a permit, since the node
//! has two cores.

use std::fmt::Debug;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use anyhow::{Context, Result, anyhow};
use foresail_crds::{ModelVersion, Pipeline};
use futures::FutureExt;
use k8s_openapi::api::core::v1::{Namespace, Secret};
use kube::api::{DeleteParams, ListParams, Patch, PatchParams, PostParams};
use kube::{Api, Client, Resource};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use tokio::sync::{RwLock, Semaphore};

use crate::settings::Settings;
use crate::{diagnostics, repo, until};

/// Field manager of everything the tests apply.
pub const MANAGER: &str = "foresail-tests";
/// Secret with the S3 keys in every test namespace.
pub const S3_SECRET: &str = "s3-credentials";
/// Namespace of the operator.
pub const OPERATOR_NAMESPACE: &str = "foresail-system";

static PIPELINES: Semaphore = Semaphore::const_new(4);
/// Held for writing by tests that break what all of them share.
static SHARED: RwLock<()> = RwLock::const_new(());
/// Tests that wait for [`SHARED`] or read it.
static SHARING: AtomicUsize = AtomicUsize::new(0);

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
        let Some(settings) = Settings::read() else {
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

    /// Server-side apply under the tests' own field manager.
    pub async fn apply<K>(&self, name: &str, object: &Value) -> Result<K>
    where
        K: Resource<Scope = k8s_openapi::NamespaceResourceScope, DynamicType = ()>
            + Clone
            + DeserializeOwned
            + Debug,
    {
        self.api::<K>()
            .patch(
                name,
                &PatchParams::apply(MANAGER).force(),
                &Patch::Apply(object),
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

    /// Deletes its Pipelines, then the namespace.
    pub async fn remove(&self) -> Result<()> {
        for pipeline in self.pipelines().list(&ListParams::default()).await?.items {
            let name = pipeline.metadata.name.unwrap_or_default();
            self.delete_pipeline(&name, Duration::from_secs(90)).await?;
        }
        let api: Api<Namespace> = Api::all(self.cluster.client.clone());
        api.delete(&self.name, &DeleteParams::default()).await?;
        until(
            &format!("deletion of namespace {}", self.name),
            Duration::from_secs(90),
            async || match api.get_opt(&self.name).await? {
                None => Ok(()),
                Some(_) => Err(anyhow!("still there")),
            },
        )
        .await
    }
}

/// Runs `body` when there is a cluster.
///
/// # Errors
/// Those of `body`.
pub async fn on_cluster(body: impl AsyncFnOnce(Cluster) -> Result<()>) -> Result<()> {
    match Cluster::connect().await? {
        None => {
            println!("skipped: no cluster");
            Ok(())
        }
        Some(cluster) => body(cluster).await,
    }
}

/// Runs `body` in a namespace of its own, tells what went on there when it fails, and removes it.
///
/// # Errors
/// Those of `body`; a panic in it is one.
pub async fn in_namespace(test: &str, body: impl AsyncFnOnce(Space) -> Result<()>) -> Result<()> {
    on_cluster(async |cluster| {
        let _sharing = Sharing::new();
        let _shared = SHARED.read().await;
        let _permit = PIPELINES.acquire().await.context("the permits are gone")?;
        in_space(cluster, test, body).await
    })
    .await
}

/// The same for tests that break Kafka, Redis, S3 or the operator: no other test runs meanwhile.
///
/// # Errors
/// Those of `body`; a panic in it is one.
pub async fn alone_in_namespace(
    test: &str,
    body: impl AsyncFnOnce(Space) -> Result<()>,
) -> Result<()> {
    on_cluster(async |cluster| {
        // The tests that can run beside each other go first: a writer in the queue would hold them up.
        while SHARING.load(Ordering::Relaxed) > 0 {
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
        let _alone = SHARED.write().await;
        in_space(cluster, test, body).await
    })
    .await
}

/// Counts while it lives.
struct Sharing;

impl Sharing {
    fn new() -> Self {
        SHARING.fetch_add(1, Ordering::Relaxed);
        Self
    }
}

impl Drop for Sharing {
    fn drop(&mut self) {
        SHARING.fetch_sub(1, Ordering::Relaxed);
    }
}

async fn in_space(
    cluster: Cluster,
    test: &str,
    body: impl AsyncFnOnce(Space) -> Result<()>,
) -> Result<()> {
    let space = cluster.make_space(test).await?;
    let result = AssertUnwindSafe(body(space.clone()))
        .catch_unwind()
        .await
        .unwrap_or_else(|panic| Err(anyhow!("panicked: {}", message(&*panic))));
    if result.is_err() {
        diagnostics::print(&space).await;
        if cluster.settings.keep {
            println!("kept: namespace {}", space.name);
            return result;
        }
    }
    if let Err(error) = space.remove().await {
        println!("namespace {} is not removed: {error:#}", space.name);
    }
    result
}

fn message(panic: &(dyn std::any::Any + Send)) -> String {
    panic
        .downcast_ref::<String>()
        .cloned()
        .or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()))
        .unwrap_or_else(|| "no message".into())
}

//! Asks the API server: would this be stored? Nothing is stored (dry run), unknown fields count.

use anyhow::{Context, Result, anyhow, bail, ensure};
use foresail_tests::{Cluster, Space};
use kube::api::{Patch, PatchParams, PostParams};
use kube::core::Request;
use serde_json::Value;

/// An object that must be refused.
pub struct Case {
    /// What is wrong with it.
    pub name: String,
    /// The object.
    pub object: Value,
    /// Part of the answer.
    pub says: String,
}

/// A refusal of the API server.
pub struct Refused {
    /// HTTP status.
    pub code: u16,
    /// Its words.
    pub message: String,
}

impl Refused {
    /// As an error about `what`.
    pub fn error(self, what: &str) -> anyhow::Error {
        anyhow!("{what} is refused ({}): {}", self.code, self.message)
    }
}

/// One collection of the API.
pub struct DryRun {
    cluster: Cluster,
    url: String,
}

impl DryRun {
    /// Pipelines.
    pub fn pipelines(cluster: &Cluster) -> Self {
        Self::new(cluster, "pipelines")
    }

    /// Model versions.
    pub fn versions(cluster: &Cluster) -> Self {
        Self::new(cluster, "modelversions")
    }

    /// Accounts with providers.
    pub fn accounts(cluster: &Cluster) -> Self {
        Self::new(cluster, "provideraccounts")
    }

    fn new(cluster: &Cluster, plural: &str) -> Self {
        Self {
            cluster: cluster.clone(),
            url: format!("/apis/foresail.dev/v1alpha1/namespaces/default/{plural}"),
        }
    }

    /// The object as it would be stored.
    pub async fn create(&self, object: &Value) -> Result<Value, Refused> {
        let internal = |error: String| Refused {
            code: 0,
            message: error,
        };
        let parameters = PostParams {
            dry_run: true,
            ..PostParams::default()
        };
        let body = serde_json::to_vec(object).map_err(|e| internal(e.to_string()))?;
        let mut request = Request::new(&self.url)
            .create(&parameters, body)
            .map_err(|e| internal(e.to_string()))?;
        let strict = format!("{}&fieldValidation=Strict", request.uri());
        *request.uri_mut() = strict.parse().map_err(|_| internal(strict.clone()))?;
        match self.cluster.client.request::<Value>(request).await {
            Ok(stored) => Ok(stored),
            Err(kube::Error::Api(status)) => Err(Refused {
                code: status.code,
                message: status.message.clone(),
            }),
            Err(other) => Err(internal(other.to_string())),
        }
    }

    /// Fails unless the object is refused, as a fault of the sender, in the expected words.
    pub async fn expect_refusal(&self, case: &Case) -> Result<()> {
        let Err(refused) = self.create(&case.object).await else {
            bail!("{}: accepted", case.name);
        };
        ensure!(
            matches!(refused.code, 400 | 413 | 422),
            "{}: answer {} instead of a refusal: {}",
            case.name,
            refused.code,
            refused.message
        );
        ensure!(
            refused.message.contains(&case.says),
            "{}: expected `{}` in: {}",
            case.name,
            case.says,
            refused.message.chars().take(400).collect::<String>()
        );
        Ok(())
    }
}

/// Any document of the API server.
pub async fn get(cluster: &Cluster, path: &str) -> Result<Value> {
    let mut request = Request::new("").get("any", &kube::api::GetParams::default())?;
    *request.uri_mut() = path.parse().context("no path")?;
    Ok(cluster.client.request(request).await?)
}

/// Server-side apply under another field manager.
pub async fn apply_as(space: &Space, manager: &str, object: &Value) -> Result<()> {
    let name = object["metadata"]["name"].as_str().context("no name")?;
    let parameters = PatchParams::apply(manager);
    space
        .pipelines()
        .patch(name, &parameters, &Patch::Apply(object))
        .await
        .map(drop)
        .with_context(|| format!("{manager} cannot apply {name}"))
}

//! The API server refuses one kind of write after the other: each time the Pipeline says which object, in the server's
//! words, and goes on by itself once it may.

use std::fmt::Debug;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use foresail_crds::pipeline::conditions;
use foresail_tests::cluster::OPERATOR_NAMESPACE;
use foresail_tests::{Checks, Space, in_namespace, pipelines, until};
use k8s_openapi::NamespaceResourceScope;
use k8s_openapi::api::admissionregistration::v1::{
    ValidatingAdmissionPolicy, ValidatingAdmissionPolicyBinding,
};
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::autoscaling::v2::HorizontalPodAutoscaler;
use k8s_openapi::api::core::v1::{ConfigMap, Service, ServiceAccount};
use k8s_openapi::api::policy::v1::PodDisruptionBudget;
use k8s_openapi::api::rbac::v1::{Role, RoleBinding};
use kube::api::{DeleteParams, Patch, PatchParams, PostParams};
use kube::{Api, Resource};
use serde::de::DeserializeOwned;
use serde_json::json;

const READY: Duration = Duration::from_secs(300);
/// A refusal is in status within 30 s; the policy has to reach the API server first.
const TOLD: Duration = Duration::from_secs(40);
/// What the policy says, and status must repeat.
const WORDS: &str = "not today, says the policy of this test";
const NAME: &str = "refused";
/// The parameter of the policy.
const REFUSED_KIND: &str = "refused-kind";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_kind_of_write_that_is_refused_is_told_and_made_up_for() -> Result<()> {
    in_namespace("refusals", async |space| {
        space
            .apply_pipeline(&pipelines::small(&space, NAME))
            .await?;
        pipelines::ready(&space, NAME, READY).await?;
        refuse(&space, "none").await?;
        let policy = Policy::make(&space).await?;
        let mut checks = Checks::new();
        let lake = format!("{NAME}-lake");
        let predict = format!("{NAME}-predict");
        told::<ServiceAccount>(&mut checks, &space, &lake).await;
        told::<Role>(&mut checks, &space, &lake).await;
        told::<RoleBinding>(&mut checks, &space, &lake).await;
        told::<ConfigMap>(&mut checks, &space, &format!("{NAME}-serving")).await;
        told::<Service>(&mut checks, &space, &predict).await;
        told::<HorizontalPodAutoscaler>(&mut checks, &space, &predict).await;
        told::<PodDisruptionBudget>(&mut checks, &space, &predict).await;
        told::<Deployment>(&mut checks, &space, &lake).await;
        refuse(&space, "none").await?;
        pipelines::ready(&space, NAME, READY).await?;

        refuse(&space, "Job").await?;
        checks.add("Job", retrained(&space).await);
        // The same run goes on as soon as its Job may be made, and then its version is refused.
        refuse(&space, "ModelVersion").await?;
        checks.add("ModelVersion", says(&space, "ModelVersion", READY).await);
        refuse(&space, "none").await?;
        pipelines::ready(&space, NAME, READY).await?;
        let versions = space.versions().list(&Default::default()).await?.items;
        ensure!(versions.len() == 2, "{} versions", versions.len());
        policy.remove().await?;
        checks.verdict()
    })
    .await
}

/// The object goes, and its being made again is refused.
async fn told<K>(checks: &mut Checks, space: &Space, name: &str)
where
    K: Resource<Scope = NamespaceResourceScope, DynamicType = ()>
        + Clone
        + DeserializeOwned
        + Debug,
{
    let kind = K::kind(&()).into_owned();
    let attempt = async || {
        refuse(space, &kind).await?;
        let api = space.api::<K>();
        until(&format!("{kind} refused"), TOLD, async || {
            // Made again before the policy had heard of it: once more.
            if api.get_opt(name).await?.is_some() {
                api.delete(name, &DeleteParams::default()).await?;
            }
            said(space, &kind).await
        })
        .await
    };
    checks.add(&kind, attempt().await);
}

/// A run is asked for until the policy refuses its Job.
async fn retrained(space: &Space) -> Result<String> {
    let patch = json!({"metadata": {"annotations": {"foresail.dev/retrain": "refused"}}});
    let api = space.pipelines();
    // The parameter is on its way to the API server: nothing that is written tells when it has come.
    tokio::time::sleep(Duration::from_secs(3)).await;
    api.patch(NAME, &PatchParams::default(), &Patch::Merge(&patch))
        .await?;
    says(space, "Job", TOLD).await
}

async fn says(space: &Space, kind: &str, limit: Duration) -> Result<String> {
    until(&format!("{kind} refused"), limit, async || {
        said(space, kind).await
    })
    .await
}

/// Ready is not True, and names object, words and what happens next.
async fn said(space: &Space, kind: &str) -> Result<String> {
    let pipeline = space.pipelines().get(NAME).await?;
    let ready = pipelines::condition(&pipeline, conditions::READY).context("no Ready")?;
    let message = &ready.message;
    ensure!(ready.status != "True", "Ready is True");
    ensure!(
        message.contains(&format!("{kind} {NAME}")) && message.contains(WORDS),
        "{message}"
    );
    ensure!(message.contains("tried again"), "no next step: {message}");
    Ok(message.clone())
}

/// From now on the operator's writes of this kind are refused.
async fn refuse(space: &Space, kind: &str) -> Result<()> {
    let parameter = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": REFUSED_KIND},
        "data": {"kind": kind}});
    space
        .apply::<ConfigMap>(REFUSED_KIND, &parameter)
        .await
        .map(drop)
}

/// An admission policy for the operator's writes in one namespace.
struct Policy {
    name: String,
    policies: Api<ValidatingAdmissionPolicy>,
    bindings: Api<ValidatingAdmissionPolicyBinding>,
}

impl Policy {
    async fn make(space: &Space) -> Result<Self> {
        let client = &space.cluster.client;
        let made = Self {
            name: space.name.clone(),
            policies: Api::all(client.clone()),
            bindings: Api::all(client.clone()),
        };
        let operator = format!("system:serviceaccount:{OPERATOR_NAMESPACE}:");
        let policy = json!({
            "metadata": {"name": made.name},
            "spec": {
                "failurePolicy": "Fail",
                "paramKind": {"apiVersion": "v1", "kind": "ConfigMap"},
                "matchConstraints": {
                    "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": space.name}},
                    "resourceRules": [{"apiGroups": ["*"], "apiVersions": ["*"], "resources": ["*"],
                        "operations": ["CREATE", "UPDATE"]}]
                },
                "matchConditions": [{"name": "operator",
                    "expression": format!("request.userInfo.username.startsWith('{operator}')")}],
                "validations": [{"expression": "params.data.kind != request.kind.kind", "message": WORDS}]
            }
        });
        let binding = json!({
            "metadata": {"name": made.name},
            "spec": {
                "policyName": made.name,
                "validationActions": ["Deny"],
                "paramRef": {"name": REFUSED_KIND, "namespace": space.name, "parameterNotFoundAction": "Allow"}
            }
        });
        let (policy, binding) = (
            serde_json::from_value(policy)?,
            serde_json::from_value(binding)?,
        );
        made.policies
            .create(&PostParams::default(), &policy)
            .await?;
        made.bindings
            .create(&PostParams::default(), &binding)
            .await?;
        Ok(made)
    }

    async fn remove(self) -> Result<()> {
        let Self {
            name,
            policies,
            bindings,
        } = self;
        bindings.delete(&name, &DeleteParams::default()).await?;
        policies.delete(&name, &DeleteParams::default()).await?;
        Ok(())
    }
}

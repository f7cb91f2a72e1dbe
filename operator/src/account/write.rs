//! Writes into the status of an account: the condition by server-side apply, which leaves the ledger alone, and the plans by
//! compare-and-swap, as whoever shares the ledger writes it.

use foresail_crds::pipeline::conditions::READY;
use foresail_crds::{API_VERSION, MANAGER, ProviderAccount, ProviderAccountStatus};
use foresail_quota::{Ledger, LivePlan};
use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::api::{DynamicObject, Patch, PatchParams};
use kube::core::ApiResource;
use kube::{Api, Resource, ResourceExt};
use serde_json::{Value, json};

use super::Guarded;
use super::judgement::Verdict;
use crate::condition::{Claim, Conditions};
use crate::context::Context;
use crate::pipeline::Error;

/// Says a verdict, when it is another one than is said.
pub async fn condition(
    account: &ProviderAccount,
    verdict: Verdict,
    with: (&Context, Timestamp),
) -> Result<(), Error> {
    let (context, now) = with;
    let fallback = ProviderAccountStatus::default();
    let said = account.status.as_ref().unwrap_or(&fallback);
    let generation = account.metadata.generation;
    let new = claim(verdict, (&said.conditions, generation), now);
    if said.conditions == [new.clone()] && said.observed_generation == generation {
        return Ok(());
    }
    apply(account, (new, generation), context).await
}

/// The same of an account that does not decode.
pub async fn undecodable(
    object: &Guarded,
    verdict: Verdict,
    with: (&Context, Timestamp),
) -> Result<(), Error> {
    let (context, now) = with;
    let name = object.name_any();
    tracing::error!(
        account = name,
        message = verdict.message,
        "ProviderAccount left as it is"
    );
    let stored = api(object, context).get_opt(&name).await;
    let stored = stored.map_err(|source| Error::Dereference {
        object: format!("ProviderAccount {name}"),
        source,
    })?;
    let Some(stored) = stored else {
        return Ok(());
    };
    let status = &stored.data["status"];
    let said: Vec<Condition> =
        serde_json::from_value(status["conditions"].clone()).unwrap_or_default();
    let generation = object.meta().generation;
    let new = claim(verdict, (&said, generation), now);
    if said == [new.clone()] && status["observedGeneration"].as_i64() == generation {
        return Ok(());
    }
    apply(object, (new, generation), context).await
}

/// Sets the live requests of the Pipelines aside, when they are not. A pod that wrote meanwhile makes it a conflict.
pub async fn plans(
    account: &ProviderAccount,
    plans: &[LivePlan],
    context: &Context,
) -> Result<(), Error> {
    let fallback = Ledger::default();
    let ledger = account.status.as_ref().and_then(|s| s.ledger.as_ref());
    let ledger = ledger.unwrap_or(&fallback);
    let next = ledger.with_plans(plans);
    if next == *ledger {
        return Ok(());
    }
    let mut written = serde_json::to_value(&next).unwrap_or_default();
    // A list that is left out would stay.
    written["shares"] = json!(next.shares);
    let patch = json!({
        "metadata": {"resourceVersion": account.resource_version()},
        "status": {"ledger": written}
    });
    let (params, patch) = (PatchParams::default(), Patch::Merge(&patch));
    let (name, api) = (account.name_any(), api(account, context));
    let write = api.patch_status(&name, &params, &patch);
    performed("account-plans", write, context).await
}

fn claim(
    verdict: Verdict,
    (old, generation): (&[Condition], Option<i64>),
    now: Timestamp,
) -> Condition {
    let conditions = Conditions {
        old,
        generation,
        now,
    };
    conditions.claim(Claim {
        type_: READY,
        truth: verdict.ready,
        reason: verdict.reason,
        message: verdict.message,
    })
}

async fn apply(
    object: &impl ResourceExt,
    (condition, generation): (Condition, Option<i64>),
    context: &Context,
) -> Result<(), Error> {
    let name = object.name_any();
    let patch: Value = json!({
        "apiVersion": API_VERSION, "kind": "ProviderAccount",
        "metadata": {"name": name},
        "status": {"observedGeneration": generation, "conditions": [condition]}
    });
    let (params, patch) = (PatchParams::apply(MANAGER).force(), Patch::Apply(&patch));
    let api = api(object, context);
    let write = api.patch_status(&name, &params, &patch);
    performed("account-status", write, context).await
}

async fn performed(
    what: &'static str,
    write: impl Future<Output = kube::Result<DynamicObject>>,
    context: &Context,
) -> Result<(), Error> {
    let written = context.effects.perform("kubernetes", what, write).await;
    written.map(drop).map_err(Error::Status)
}

/// The answer of a write is not used, and need not decode.
fn api(object: &impl ResourceExt, context: &Context) -> Api<DynamicObject> {
    let namespace = object.namespace().unwrap_or_default();
    let kind = ApiResource::erase::<ProviderAccount>(&());
    Api::namespaced_with(context.client.clone(), &namespace, &kind)
}

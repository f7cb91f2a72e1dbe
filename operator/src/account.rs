//! Reconciling one ProviderAccount: what its condition says, and which live requests its Pipelines plan. The ledger in
//! its status belongs to the ingest pods that share it; the operator asks no provider. Decisions are pure (`loads`,
//! `judgement`), writes are thin (`write`).

mod judgement;
mod loads;
mod write;

use std::sync::Arc;
use std::time::Duration;

use foresail_crds::ProviderAccount;
use jiff::Timestamp;
use kube::core::DeserializeGuard;
use kube::runtime::controller::Action;
use kube::runtime::reflector::{ObjectRef, Store};
use kube::{Resource, ResourceExt};

use crate::context::Context;
use crate::pipeline::{self, Error};
use crate::retries::{self, Retries};
use judgement::{Seen, Verdict};

/// An account, or why it does not decode: one that does not must not keep the others from being read.
pub type Guarded = DeserializeGuard<ProviderAccount>;

/// Time after which an account is looked at without a change: a Pipeline that names another one by now, or a key that
/// another account has as well, is seen by then. Where nothing differs, nothing is written.
const LOOK: Duration = Duration::from_secs(60);

/// What all reconciles of accounts share.
pub struct Surroundings {
    /// Clients, and what the administrator settles.
    pub context: Arc<Context>,
    /// The Pipelines, as the watch shows them.
    pub pipelines: Store<pipeline::Guarded>,
    /// The accounts, likewise.
    pub accounts: Store<Guarded>,
    /// When failed reconciles are tried again.
    pub retries: Retries<ObjectRef<Guarded>>,
}

/// Says what is to be said of one account, and sets the live requests of its Pipelines aside, whoever looks after those. Another
/// operator's account is left alone.
///
/// # Errors
/// When its status cannot be read or written.
pub async fn reconcile(object: Arc<Guarded>, around: Arc<Surroundings>) -> Result<Action, Error> {
    if !around.context.selection.has(object.as_ref()) {
        return Ok(Action::await_change());
    }
    let now = Timestamp::now();
    if object.meta().deletion_timestamp.is_some() {
        return Ok(Action::await_change());
    }
    match &object.0 {
        Ok(account) => settle(account, &around, now).await?,
        Err(invalid) => {
            let message = format!(
                "the stored object does not decode: {}; correct it; its Pipelines read no new bar before",
                invalid.error
            );
            let verdict = Verdict::bad("Undecodable", message);
            write::undecodable(&object, verdict, (&around.context, now)).await?;
        }
    }
    around.retries.forget(&ObjectRef::from_obj(object.as_ref()));
    Ok(Action::requeue(LOOK))
}

/// When an account whose reconcile failed is tried again.
pub fn error_policy(object: Arc<Guarded>, error: &Error, around: Arc<Surroundings>) -> Action {
    Action::requeue(if error.is_conflict() {
        retries::after_conflict()
    } else {
        let name = ObjectRef::from_obj(object.as_ref());
        around.retries.after_error(&name)
    })
}

async fn settle(
    account: &ProviderAccount,
    around: &Surroundings,
    now: Timestamp,
) -> Result<(), Error> {
    let namespace = account.namespace().unwrap_or_default();
    let pipelines = around.pipelines.state();
    let named = pipelines.iter().filter_map(|object| object.0.as_ref().ok());
    let named = named.filter(|pipeline| pipeline.namespace().unwrap_or_default() == namespace);
    let loads = loads::of(account, named);
    let accounts = around.accounts.state();
    let readable = accounts.iter().filter_map(|object| object.0.as_ref().ok());
    let keys: Vec<(String, &str)> = readable.filter_map(key_hash).collect();
    let verdict = judgement::judge(Seen {
        account,
        keys: &keys,
        loads: &loads,
        hosts: &around.context.installation.provider_hosts,
    });
    // Plans are written on the version that was read, which a condition makes an older one.
    let planned = write::plans(account, &loads::plans(&loads), &around.context).await;
    write::condition(account, verdict, (&around.context, now)).await?;
    planned
}

/// `namespace/name`, and the hash of the key where it is known.
fn key_hash(account: &ProviderAccount) -> Option<(String, &str)> {
    let ledger = account.status.as_ref()?.ledger.as_ref()?;
    Some((title(account), ledger.key_hash.as_deref()?))
}

/// `namespace/name`.
fn title(object: &impl ResourceExt) -> String {
    format!(
        "{}/{}",
        object.namespace().unwrap_or_default(),
        object.name_any()
    )
}

#[cfg(test)]
#[path = "account/reconcile_tests.rs"]
mod tests;

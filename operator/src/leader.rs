//! A Lease, so that one operator works while others stand by. Safety never rests on it: two live
//! operators make the same objects. Renewals are the only writes of an idle operator.

use std::time::Duration;

use foresail_runtime_base::Shutdown;
use foresail_runtime_base::effects::Effects;
use jiff::Timestamp;
use k8s_openapi::api::coordination::v1::{Lease as LeaseObject, LeaseSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::MicroTime;
use kube::api::{ObjectMeta, PostParams};
use kube::{Api, Client};
use tokio::time::timeout;

const NAME: &str = foresail_crds::MANAGER;
const DURATION: Duration = Duration::from_secs(15);
const RENEW: Duration = Duration::from_secs(5);
const RETRY: Duration = Duration::from_secs(2);

/// This instance's claim.
pub struct Lease {
    api: Api<LeaseObject>,
    identity: String,
    effects: Effects,
}

impl Lease {
    /// A claim not yet made.
    pub fn new(client: Client, namespace: &str, identity: &str, effects: Effects) -> Self {
        Self {
            api: Api::namespaced(client, namespace),
            identity: identity.into(),
            effects,
        }
    }

    /// Waits until this instance holds the Lease; false at shutdown.
    pub async fn acquire(&self, shutdown: &Shutdown) -> bool {
        while !shutdown.is_cancelled() {
            match timeout(DURATION, self.attempt()).await {
                Ok(Ok(true)) => return true,
                Ok(Ok(false)) => {}
                Ok(Err(error)) => tracing::warn!(%error, "lease not taken, trying again"),
                Err(_) => tracing::warn!("no answer about the lease, trying again"),
            }
            tokio::select! {
                () = tokio::time::sleep(RETRY) => {}
                () = shutdown.cancelled() => {}
            }
        }
        false
    }

    /// Renews until shutdown; ends the process when the Lease is lost, so that a standby goes on.
    pub async fn keep(self, shutdown: Shutdown) {
        let mut renewed = tokio::time::Instant::now();
        loop {
            tokio::select! {
                () = tokio::time::sleep(RENEW) => {}
                () = shutdown.cancelled() => return self.release().await,
            }
            match timeout(RENEW, self.attempt()).await {
                Ok(Ok(true)) => renewed = tokio::time::Instant::now(),
                Ok(Ok(false)) => {
                    tracing::error!("another instance holds the lease, stopping");
                    return shutdown.cancel();
                }
                // Without an API server nobody can take it either: go on until it is back.
                _ => tracing::warn!(since = ?renewed.elapsed(), "lease not renewed, trying again"),
            }
        }
    }

    async fn attempt(&self) -> Result<bool, kube::Error> {
        let now = Timestamp::now();
        let Some(current) = self.api.get_opt(NAME).await? else {
            let lease = self.claim(
                ObjectMeta {
                    name: Some(NAME.into()),
                    ..ObjectMeta::default()
                },
                now,
            );
            let params = PostParams::default();
            let create = self.api.create(&params, &lease);
            self.effects.perform("kubernetes", "lease", create).await?;
            return Ok(true);
        };
        let spec = current.spec.unwrap_or_default();
        let mine = spec.holder_identity.as_deref() == Some(&self.identity);
        let renewed = spec.renew_time.map_or(Timestamp::UNIX_EPOCH, |t| t.0);
        let age = now.duration_since(renewed).unsigned_abs();
        let free = spec.holder_identity.as_deref().unwrap_or("").is_empty() || age > DURATION;
        if !mine && !free {
            return Ok(false);
        }
        // The resource version makes a concurrent claim fail with a conflict.
        let lease = self.claim(current.metadata, now);
        let params = PostParams::default();
        let replace = self.api.replace(NAME, &params, &lease);
        match self.effects.perform("kubernetes", "lease", replace).await {
            Ok(_) => Ok(true),
            Err(kube::Error::Api(status)) if status.code == 409 => Ok(false),
            Err(error) => Err(error),
        }
    }

    fn claim(&self, metadata: ObjectMeta, now: Timestamp) -> LeaseObject {
        let metadata = ObjectMeta {
            managed_fields: None,
            ..metadata
        };
        LeaseObject {
            metadata,
            spec: Some(LeaseSpec {
                holder_identity: Some(self.identity.clone()),
                lease_duration_seconds: Some(15),
                renew_time: Some(MicroTime(now)),
                ..LeaseSpec::default()
            }),
        }
    }

    /// Lets a standby take over at once.
    async fn release(&self) {
        let Ok(Some(mut lease)) = self.api.get_opt(NAME).await else {
            return;
        };
        let spec = lease.spec.get_or_insert_default();
        if spec.holder_identity.as_deref() == Some(&self.identity) {
            spec.holder_identity = Some(String::new());
            lease.metadata.managed_fields = None;
            let params = PostParams::default();
            let replace = self.api.replace(NAME, &params, &lease);
            self.effects
                .perform("kubernetes", "lease", replace)
                .await
                .ok();
        }
    }
}

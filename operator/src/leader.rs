//! A Lease, so that one operator works while others stand by. Safety never rests on it: two live
//! operators make the same objects. Renewals are the only writes of an idle operator.
//!
//! Why this is not a library: docs/adr/0010-lease.md.

use std::time::Duration;

use foresail_runtime_base::Shutdown;
use foresail_runtime_base::effects::Effects;
use foresail_runtime_base::retry::Backoff;
use jiff::Timestamp;
use k8s_openapi::api::coordination::v1::{Lease as LeaseObject, LeaseSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::MicroTime;
use kube::api::{ObjectMeta, PostParams};
use kube::{Api, Client};
use tokio::time::{Instant, timeout};

/// A holder that has not renewed for so long is taken for dead.
const SECONDS: i32 = 15;
const DURATION: Duration = Duration::from_secs(SECONDS.unsigned_abs() as u64);
/// Bound of the time between two renewals: three fit into the duration, one may fail.
const RENEW: Duration = Duration::from_secs(5);
/// Bound of the time between two tries to take it.
const RETRY: Duration = Duration::from_secs(2);

/// This instance's claim.
pub struct Lease {
    api: Api<LeaseObject>,
    name: String,
    identity: String,
    effects: Effects,
    /// What the other holder wrote last, and when this process first saw it.
    seen: Option<Seen>,
}

/// A holder is judged by whether its record changes, on the clock of this process: the clocks of two
/// machines need not agree.
struct Seen {
    record: LeaseSpec,
    since: Instant,
}

impl Lease {
    /// A claim not yet made.
    pub fn new(
        client: Client,
        (namespace, name): (&str, String),
        identity: &str,
        effects: Effects,
    ) -> Self {
        Self {
            api: Api::namespaced(client, namespace),
            name,
            identity: identity.into(),
            effects,
            seen: None,
        }
    }

    /// Waits until this instance holds the Lease; false at shutdown.
    pub async fn acquire(&mut self, shutdown: &Shutdown) -> bool {
        let mut pause = Backoff::new(RETRY, RETRY);
        while !shutdown.is_cancelled() {
            match timeout(DURATION, self.attempt(Instant::now())).await {
                Ok(Ok(true)) => return true,
                Ok(Ok(false)) => {}
                Ok(Err(error)) => tracing::warn!(%error, "lease not taken, trying again"),
                Err(_) => tracing::warn!("no answer about the lease, trying again"),
            }
            pause.wait(shutdown).await;
        }
        false
    }

    /// Renews until shutdown; ends the process when the Lease is lost, so that a standby goes on.
    pub async fn keep(mut self, shutdown: Shutdown) {
        let mut pause = Backoff::new(RENEW, RENEW);
        let mut renewed = Instant::now();
        loop {
            pause.wait(&shutdown).await;
            if shutdown.is_cancelled() {
                return self.release().await;
            }
            match timeout(RENEW, self.attempt(Instant::now())).await {
                Ok(Ok(true)) => renewed = Instant::now(),
                Ok(Ok(false)) => {
                    tracing::error!("another instance holds the lease, stopping");
                    return shutdown.cancel();
                }
                // Without an API server nobody can take it either: go on until it is back.
                _ => tracing::warn!(since = ?renewed.elapsed(), "lease not renewed, trying again"),
            }
        }
    }

    /// Takes or renews the Lease; false while another instance holds it.
    async fn attempt(&mut self, now: Instant) -> Result<bool, kube::Error> {
        let Some(current) = self.api.get_opt(&self.name).await? else {
            let metadata = ObjectMeta {
                name: Some(self.name.clone()),
                ..ObjectMeta::default()
            };
            let lease = self.claim(metadata, None);
            let params = PostParams::default();
            let create = self.api.create(&params, &lease);
            return won(self.effects.perform("kubernetes", "lease", create).await);
        };
        let record = current.spec.unwrap_or_default();
        if !self.may_take(&record, now) {
            return Ok(false);
        }
        // The resource version makes a concurrent claim fail with a conflict.
        let lease = self.claim(current.metadata, Some(record));
        let params = PostParams::default();
        let replace = self.api.replace(&self.name, &params, &lease);
        won(self.effects.perform("kubernetes", "lease", replace).await)
    }

    /// Ours, given back, or not renewed for as long as its holder promised.
    fn may_take(&mut self, record: &LeaseSpec, now: Instant) -> bool {
        let holder = record.holder_identity.as_deref().unwrap_or_default();
        if holder.is_empty() || holder == self.identity {
            return true;
        }
        match &self.seen {
            Some(seen) if seen.record == *record => {
                let promised = record.lease_duration_seconds.unwrap_or(SECONDS);
                let promised = Duration::from_secs(promised.unsigned_abs().into());
                now.duration_since(seen.since) > promised
            }
            _ => {
                self.seen = Some(Seen {
                    record: record.clone(),
                    since: now,
                });
                false
            }
        }
    }

    fn claim(&self, metadata: ObjectMeta, before: Option<LeaseSpec>) -> LeaseObject {
        let now = Some(MicroTime(Timestamp::now()));
        let is_new = before.is_none();
        let before = before.unwrap_or_default();
        let renews = before.holder_identity.as_deref() == Some(&self.identity);
        let transitions = before.lease_transitions.unwrap_or(0);
        LeaseObject {
            metadata: ObjectMeta {
                managed_fields: None,
                ..metadata
            },
            spec: Some(LeaseSpec {
                holder_identity: Some(self.identity.clone()),
                lease_duration_seconds: Some(SECONDS),
                acquire_time: if renews {
                    before.acquire_time
                } else {
                    now.clone()
                },
                lease_transitions: Some(transitions.saturating_add(i32::from(!renews && !is_new))),
                renew_time: now,
                ..LeaseSpec::default()
            }),
        }
    }

    /// Lets a standby take over at once.
    async fn release(&self) {
        let Ok(Some(mut lease)) = self.api.get_opt(&self.name).await else {
            return;
        };
        let spec = lease.spec.get_or_insert_default();
        if spec.holder_identity.as_deref() == Some(&self.identity) {
            spec.holder_identity = Some(String::new());
            lease.metadata.managed_fields = None;
            let params = PostParams::default();
            let replace = self.api.replace(&self.name, &params, &lease);
            self.effects
                .perform("kubernetes", "lease", replace)
                .await
                .ok();
        }
    }
}

/// A conflict means that another instance was faster.
fn won(answer: Result<LeaseObject, kube::Error>) -> Result<bool, kube::Error> {
    match answer {
        Ok(_) => Ok(true),
        Err(kube::Error::Api(status)) if status.code == 409 => Ok(false),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use foresail_runtime_base::metrics::Registry;
    use serde_json::json;

    use super::*;
    use crate::scripted_api::{Fault, Server};

    const PATH: &str = "leases/foresail-operator";

    fn instance(client: &Client, identity: &str) -> Lease {
        let effects = Effects::new(&Registry::default(), None);
        Lease::new(
            client.clone(),
            ("n", "foresail-operator".into()),
            identity,
            effects,
        )
    }

    fn holder(server: &Server) -> String {
        let lease = server.get(PATH);
        lease["spec"]["holderIdentity"]
            .as_str()
            .unwrap()
            .to_string()
    }

    #[tokio::test]
    async fn one_takes_and_renews_while_the_other_waits() {
        let (server, client) = Server::start();
        let (mut first, mut second) = (instance(&client, "a"), instance(&client, "b"));
        let start = Instant::now();
        assert!(first.attempt(start).await.unwrap());
        for second_now in [0, 10, 20, 30, 40] {
            let now = start + Duration::from_secs(second_now);
            assert!(first.attempt(now).await.unwrap(), "renewed");
            assert!(!second.attempt(now).await.unwrap(), "{second_now}");
        }
        assert_eq!(holder(&server), "a");
        assert_eq!(server.get(PATH)["spec"]["leaseTransitions"], json!(0));
    }

    #[tokio::test]
    async fn a_holder_that_stops_renewing_is_replaced_whatever_its_clock_says() {
        // Its clock is years behind, or ahead.
        for renewed in ["1999-01-01T00:00:00.000000Z", "2999-01-01T00:00:00.000000Z"] {
            let (server, client) = Server::start();
            let spec = json!({
                "holderIdentity": "a", "leaseDurationSeconds": 15, "renewTime": renewed
            });
            server.put(PATH, json!({"spec": spec}));
            let mut second = instance(&client, "b");
            let start = Instant::now();
            for (after, taken) in [(0, false), (15, false), (16, true)] {
                let now = start + Duration::from_secs(after);
                assert_eq!(
                    second.attempt(now).await.unwrap(),
                    taken,
                    "{renewed} {after}"
                );
            }
            assert_eq!(holder(&server), "b");
        }
    }

    #[tokio::test]
    async fn a_lease_is_lost_to_another_holder_and_given_back_at_shutdown() {
        let (server, client) = Server::start();
        let mut first = instance(&client, "a");
        assert!(first.attempt(Instant::now()).await.unwrap());
        first.release().await;
        assert_eq!(holder(&server), "");
        let mut second = instance(&client, "b");
        assert!(second.attempt(Instant::now()).await.unwrap(), "at once");
        assert!(!first.attempt(Instant::now()).await.unwrap(), "lost");
        first.release().await;
        assert_eq!(holder(&server), "b", "only its own");
    }

    #[tokio::test]
    async fn a_concurrent_claim_is_no_error_and_a_refusal_is_one() {
        let (server, client) = Server::start();
        let mut instance = instance(&client, "a");
        for (code, lost) in [(409, true), (403, false), (500, false)] {
            server.refuse("POST leases", Fault::Code(code));
            let answer = instance.attempt(Instant::now()).await;
            assert_eq!(matches!(answer, Ok(false)), lost, "{code}: {answer:?}");
            server.accept();
        }
        assert!(instance.attempt(Instant::now()).await.unwrap());
        server.refuse("PUT leases", Fault::Code(409));
        assert!(!instance.attempt(Instant::now()).await.unwrap());
    }

    #[tokio::test]
    async fn keeping_ends_the_process_when_another_holds_the_lease() {
        let (server, client) = Server::start();
        let mut first = instance(&client, "a");
        let shutdown = Shutdown::new();
        assert!(first.acquire(&shutdown).await);
        server.edit(PATH, |lease| lease["spec"]["holderIdentity"] = json!("b"));
        timeout(RENEW * 3, first.keep(shutdown.clone()))
            .await
            .unwrap();
        assert!(shutdown.is_cancelled());
        assert_eq!(holder(&server), "b");
    }
}

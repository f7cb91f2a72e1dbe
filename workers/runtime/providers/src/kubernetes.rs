//! The ledger in the status of a ProviderAccount. Requests are made by hand where the `Date` of the answer is wanted.

use std::time::Duration;

use foresail_crds::ProviderAccount;
use foresail_providers::Headers;
use foresail_quota::Ledger;
use foresail_runtime_base::RoleError;
use foresail_runtime_cluster::named;
use futures::future::{BoxFuture, FutureExt};
use jiff::Timestamp;
use kube::Resource;
use kube::api::{GetParams, Patch, PatchParams};
use kube::client::Body;
use kube::core::Request;
use serde_json::{Map, Value, json};
use tokio::time::timeout;

use crate::store::{Seen, Store, Version, Written};

/// Time that a read may take.
const READ: Duration = Duration::from_secs(10);

/// One ProviderAccount of a cluster.
pub struct Kubernetes {
    client: kube::Client,
    namespace: String,
    name: String,
}

/// What the API server answered.
struct Answered {
    status: u16,
    date: Option<Timestamp>,
    body: Vec<u8>,
}

impl Kubernetes {
    /// The account of this name.
    ///
    /// # Errors
    /// Internal error `NoKubernetesApi`: outside a cluster there is no ledger, and without one nothing is asked.
    pub fn new(
        api: foresail_runtime_cluster::Api,
        namespace: &str,
        name: &str,
    ) -> Result<Self, RoleError> {
        let client = api.ok_or_else(|| {
            let message = format!(
                "the requests to a provider are entered in the ProviderAccount {namespace}/{name}, and there is no \
                 Kubernetes API to reach it; run the worker in a cluster"
            );
            RoleError::internal("NoKubernetesApi", message)
        })?;
        Ok(Self {
            client,
            namespace: namespace.into(),
            name: name.into(),
        })
    }

    fn requests(&self) -> Request {
        Request::new(ProviderAccount::url_path(&(), Some(&self.namespace)))
    }

    async fn send(&self, request: http::Request<Vec<u8>>) -> Result<Answered, String> {
        let sent = self.client.send(request.map(Body::from)).await;
        let (head, body) = sent.map_err(|e| e.to_string())?.into_parts();
        let date = head.headers.get("date").and_then(|date| date.to_str().ok());
        let date = date.and_then(|date| Headers::from_iter([("date", date)]).date());
        let body = body.collect_bytes().await.map_err(|e| e.to_string())?;
        Ok(Answered {
            status: head.status.as_u16(),
            date,
            body: body.to_vec(),
        })
    }

    async fn get(&self) -> Result<Version, RoleError> {
        let request = self.requests().get(&self.name, &GetParams::default());
        let request = request.map_err(|e| RoleError::internal("BadRequest", e.to_string()))?;
        let answered = match timeout(READ, self.send(request)).await {
            Ok(answered) => answered,
            Err(_) => Err(format!("no answer within {} s", READ.as_secs())),
        };
        let answered = answered.map_err(|cause| self.unreachable(&cause))?;
        match answered.status {
            200 => version(&answered).map_err(|cause| self.unreachable(&cause)),
            status => Err(self.refused(status)),
        }
    }

    async fn patch(&self, ledger: &Ledger, over: &Version) -> Result<Answered, String> {
        let body = patch(ledger, over).map_err(|e| e.to_string())?;
        let (params, body) = (PatchParams::default(), Patch::Merge(body));
        let requests = self.requests();
        let request = requests.patch_subresource("status", &self.name, &params, &body);
        self.send(request.map_err(|e| e.to_string())?).await
    }

    fn refused(&self, status: u16) -> RoleError {
        let account = format!("ProviderAccount {}/{}", self.namespace, self.name);
        match status {
            404 => {
                let message = format!(
                    "{account} does not exist; make it, or name another in source.provider.account"
                );
                RoleError::user("AccountMissing", message)
            }
            401 | 403 => {
                let message = format!(
                    "{account} may not be used by this worker: HTTP {status}; it is tried again"
                );
                RoleError::internal("AccountForbidden", message)
            }
            _ => self.unreachable(&format!("HTTP {status}")),
        }
    }

    fn unreachable(&self, cause: &str) -> RoleError {
        let message = format!(
            "ProviderAccount {}/{}: {cause}; nothing is asked until its ledger can be read and written",
            self.namespace, self.name
        );
        RoleError::outside("AccountUnreachable", message)
    }
}

impl Store for Kubernetes {
    fn read(&self) -> BoxFuture<'_, Result<Version, RoleError>> {
        self.get().boxed()
    }

    fn write<'a>(&'a self, ledger: &'a Ledger, over: &'a Version) -> BoxFuture<'a, Written> {
        async move {
            match self.patch(ledger, over).await {
                Ok(answered) => match answered.status {
                    200 => match version(&answered) {
                        Ok(version) => Written::Done(Box::new(version)),
                        Err(cause) => Written::Doubt(cause),
                    },
                    409 => Written::Conflict,
                    status @ 400..=499 if status != 429 => Written::Refused(self.refused(status)),
                    status => Written::Doubt(format!("HTTP {status}")),
                },
                Err(cause) => Written::Doubt(cause),
            }
        }
        .boxed()
    }

    fn watch(&self, seen: Seen) -> BoxFuture<'static, ()> {
        let api: kube::Api<ProviderAccount> =
            kube::Api::namespaced(self.client.clone(), &self.namespace);
        let name = self.name.clone();
        async move {
            named::watch(api, &name, |account| seen(of_account(account, None))).await;
        }
        .boxed()
    }
}

fn version(answered: &Answered) -> Result<Version, String> {
    let account: ProviderAccount =
        serde_json::from_slice(&answered.body).map_err(|e| e.to_string())?;
    Ok(of_account(account, answered.date))
}

fn of_account(account: ProviderAccount, date: Option<Timestamp>) -> Version {
    Version {
        ledger: account
            .status
            .unwrap_or_default()
            .ledger
            .unwrap_or_default(),
        resource: account.metadata.resource_version.unwrap_or_default(),
        date,
    }
}

/// The merge patch that turns one version into another, and does nothing to any other version.
fn patch(ledger: &Ledger, over: &Version) -> serde_json::Result<Value> {
    let (before, after) = (
        serde_json::to_value(&over.ledger)?,
        serde_json::to_value(ledger)?,
    );
    Ok(json!({
        "metadata": {"resourceVersion": over.resource},
        "status": {"ledger": with_nulls(&before, after)},
    }))
}

/// What is gone must be null in a merge patch; a key that is absent stays as it was.
fn with_nulls(before: &Value, after: Value) -> Value {
    let (Value::Object(before), Value::Object(mut after)) = (before, after.clone()) else {
        return after;
    };
    let gone = before.keys().filter(|key| !after.contains_key(*key));
    let gone: Map<String, Value> = gone.map(|key| (key.clone(), Value::Null)).collect();
    for (key, value) in &mut after {
        if let Some(old) = before.get(key) {
            *value = with_nulls(old, value.take());
        }
    }
    after.extend(gone);
    Value::Object(after)
}

#[cfg(test)]
mod tests {
    use foresail_quota::{Breaker, BreakerState, Park, ParkReason};

    use super::*;

    /// RFC 7386, as the API server does it.
    fn merged(target: Value, patch: &Value) -> Value {
        let Value::Object(patch) = patch else {
            return patch.clone();
        };
        let mut target = match target {
            Value::Object(target) => target,
            _ => Map::new(),
        };
        for (key, value) in patch {
            match value {
                Value::Null => target.remove(key),
                value => {
                    let old = target.remove(key).unwrap_or_default();
                    target.insert(key.clone(), merged(old, value))
                }
            };
        }
        Value::Object(target)
    }

    #[test]
    fn a_patch_takes_away_what_is_gone() {
        let parked = Ledger {
            grants: 7,
            parked: Some(Park {
                until: Some(Timestamp::UNIX_EPOCH),
                reason: ParkReason::DailyQuota,
                attempt: 2,
                probing: true,
            }),
            breaker: Breaker {
                state: BreakerState::Open,
                failures: 5,
                openings: 1,
                until: Some(Timestamp::UNIX_EPOCH),
            },
            key_hash: Some("a".into()),
            ..Ledger::default()
        };
        let bad_key = Ledger {
            parked: Some(Park {
                until: None,
                reason: ParkReason::BadKey,
                attempt: 1,
                probing: false,
            }),
            ..Ledger::default()
        };
        for (before, after) in [
            (&parked, &Ledger::default()),
            (&parked, &bad_key),
            (&bad_key, &parked),
            (&Ledger::default(), &parked),
        ] {
            let over = Version {
                ledger: before.clone(),
                resource: "41".into(),
                date: None,
            };
            let patch = patch(after, &over).unwrap();
            assert_eq!(patch["metadata"]["resourceVersion"], "41");
            let stored = json!({"status": {"ledger": before, "conditions": []}, "metadata": {}});
            let stored = merged(stored, &patch);
            let read: Ledger = serde_json::from_value(stored["status"]["ledger"].clone()).unwrap();
            assert_eq!(&read, after);
            assert_eq!(
                stored["status"]["conditions"],
                json!([]),
                "what others write stays"
            );
        }
    }

    #[test]
    fn a_pod_without_an_api_says_so() {
        let error = Kubernetes::new(None, "n", "free").err().unwrap();
        assert_eq!(error.reason, "NoKubernetesApi");
        assert!(error.message.contains("n/free"), "{error}");
    }
}

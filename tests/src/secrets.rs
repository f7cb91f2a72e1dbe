//! What must be seen nowhere, in every form it may be written in, and where a person or a log shipper could see it.

use std::fmt::Debug;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE};
use foresail_crds::{ModelVersion, Pipeline, ProviderAccount};
use k8s_openapi::NamespaceResourceScope;
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::batch::v1::Job;
use k8s_openapi::api::core::v1::{ConfigMap, Event, Pod};
use kube::api::{ListParams, LogParams};
use kube::{Api, Resource, ResourceExt};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::cluster::OPERATOR_NAMESPACE;
use crate::{Space, faults, metrics, topics, until};

/// A pod may not have started yet, or have just gone.
const READ: Duration = Duration::from_secs(60);

/// Secrets of one test.
#[derive(Default)]
pub struct Secrets(Vec<Secret>);

struct Secret {
    what: &'static str,
    forms: Vec<String>,
}

impl Secrets {
    /// One that is there already.
    pub fn add(&mut self, what: &'static str, value: &str) {
        let forms = forms(value);
        self.0.push(Secret { what, forms });
    }

    /// A new one that nothing else holds.
    pub fn make(&mut self, what: &'static str) -> String {
        let value = format!("canary{:016x}", rand::random::<u64>());
        self.add(what, &value);
        value
    }

    /// What each place shows of them; nothing, mostly.
    fn seen(&self, places: &[(String, String)]) -> Vec<String> {
        let mut seen = Vec::new();
        for (place, text) in places {
            let shown = |secret: &&Secret| secret.forms.iter().any(|form| text.contains(form));
            let shown = self.0.iter().filter(shown);
            seen.extend(shown.map(|secret| format!("{place} shows {}", secret.what)));
        }
        seen
    }

    /// Looks for them in what ingest of a Pipeline has written to Kafka, and in what it shows at `/metrics`.
    ///
    /// # Errors
    /// The places that show one; also when no record is in quarantine, so that nothing was looked at.
    pub async fn stay_out_of_records(&self, space: &Space, pipeline: &str) -> Result<String> {
        let topics = topics::names(space, pipeline);
        let mut places = Vec::new();
        for topic in [&topics.quarantine, &topics.bars] {
            for record in topics::read_all(space, topic).await? {
                let (key, headers) = (&record.key, &record.headers);
                let value = String::from_utf8_lossy(&record.value);
                places.push((topic.clone(), format!("{key:?} {headers:?} {value}")));
            }
        }
        let is_refused = |(place, _): &&(String, String)| *place == topics.quarantine;
        let refused = places.iter().filter(is_refused).count();
        ensure!(refused > 0, "nothing of {pipeline} is in quarantine");
        for pod in faults::pods_of(space, &format!("{pipeline}-ingest")).await? {
            let text = metrics::text_of_pod(&space.cluster, &pod).await?;
            places.push((format!("/metrics of {}", pod.name_any()), text));
        }
        let seen = self.seen(&places);
        ensure!(seen.is_empty(), "{seen:#?}");
        Ok(format!("{refused} records in quarantine show no secret"))
    }

    /// Looks for them in every log, event, status, ConfigMap and spec of a namespace, and in the operator's log.
    ///
    /// # Errors
    /// The places that show one; also a log that cannot be read.
    pub async fn stay_out_of_sight(&self, space: &Space) -> Result<String> {
        let mut places = until("every log", READ, async || logs(space).await).await?;
        let logs = places.len();
        shown::<Pod>(space, &mut places).await?;
        shown::<Job>(space, &mut places).await?;
        shown::<Deployment>(space, &mut places).await?;
        shown::<ConfigMap>(space, &mut places).await?;
        shown::<Event>(space, &mut places).await?;
        shown::<Pipeline>(space, &mut places).await?;
        shown::<ModelVersion>(space, &mut places).await?;
        shown::<ProviderAccount>(space, &mut places).await?;
        let seen = self.seen(&places);
        ensure!(seen.is_empty(), "{seen:#?}");
        let (secrets, all) = (self.0.len(), places.len());
        Ok(format!(
            "{secrets} secrets in none of {all} places, {logs} of them logs"
        ))
    }
}

/// As it is, percent-encoded, and as it stands in base64, wherever in the encoded bytes it begins.
fn forms(value: &str) -> Vec<String> {
    let mut forms = vec![value.to_owned()];
    let percent = |is_plain: fn(&u8) -> bool, upper: bool| -> String {
        let encoded = value.bytes().map(|byte| match (is_plain(&byte), upper) {
            (true, _) => char::from(byte).to_string(),
            (false, true) => format!("%{byte:02X}"),
            (false, false) => format!("%{byte:02x}"),
        });
        encoded.collect()
    };
    for upper in [true, false] {
        forms.push(percent(|_| false, upper));
        forms.push(percent(u8::is_ascii_alphanumeric, upper));
        forms.push(percent(
            |byte| byte.is_ascii_alphanumeric() || b"-._~".contains(byte),
            upper,
        ));
    }
    for before in 0..3 {
        let bytes = [vec![0; before].as_slice(), value.as_bytes()].concat();
        // Characters that hold bits of what stands before or behind it say nothing.
        let (first, end) = ((before * 8).div_ceil(6), bytes.len() * 8 / 6);
        for text in [STANDARD.encode(&bytes), URL_SAFE.encode(&bytes)] {
            forms.extend(text.get(first..end).map(str::to_owned));
        }
    }
    forms
}

/// The log of every container, also of one that was restarted.
async fn logs(space: &Space) -> Result<Vec<(String, String)>> {
    let operator = Api::namespaced(space.cluster.client.clone(), OPERATOR_NAMESPACE);
    let mut found = Vec::new();
    for pods in [space.api::<Pod>(), operator] {
        for pod in pods.list(&ListParams::default()).await? {
            let name = pod.name_any();
            let status = pod.status.unwrap_or_default();
            let statuses = status.container_statuses.unwrap_or_default();
            ensure!(!statuses.is_empty(), "pod {name} has not started");
            for container in statuses {
                for previous in [false, true] {
                    if previous && container.restart_count == 0 {
                        continue;
                    }
                    let which = LogParams {
                        container: Some(container.name.clone()),
                        previous,
                        ..LogParams::default()
                    };
                    let log = pods.logs(&name, &which).await;
                    let log =
                        log.with_context(|| format!("the log of pod {name} cannot be read"))?;
                    found.push((format!("the log of pod {name}"), log));
                }
            }
        }
    }
    Ok(found)
}

async fn shown<K>(space: &Space, places: &mut Vec<(String, String)>) -> Result<()>
where
    K: Resource<Scope = NamespaceResourceScope, DynamicType = ()>
        + Clone
        + DeserializeOwned
        + Serialize
        + Debug,
{
    let kind = K::kind(&());
    for object in space.api::<K>().list(&ListParams::default()).await? {
        let place = format!("{kind} {}", object.name_any());
        places.push((place, serde_json::to_string(&object)?));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_seen_as_it_is_and_within_base64() {
        let mut secrets = Secrets::default();
        let value = secrets.make("the key");
        secrets.make("another one");
        let seen = |text: String| secrets.seen(&[("a log".into(), text)]);
        let shows = ["a log shows the key"];
        assert_eq!(seen(format!("key={value};")), shows);
        for before in ["", "u", "us", "user", "user:"] {
            for after in ["", "x", "xy"] {
                let text = format!("{before}{value}{after}");
                assert_eq!(seen(STANDARD.encode(&text)), shows, "{text}");
                assert_eq!(seen(URL_SAFE.encode(&text)), shows, "{text}");
            }
        }
        assert!(seen("canary0123456789abcdef".into()).is_empty());
    }

    #[test]
    fn a_secret_is_seen_percent_encoded() {
        let mut secrets = Secrets::default();
        secrets.add("the key", "A/b+9=x-");
        let seen = |text: &str| secrets.seen(&[("a log".into(), text.into())]);
        for text in [
            "?apikey=A%2Fb%2B9%3Dx-&x",
            "a%2fb%2b9%3dx-",
            "A%2fb%2b9%3dx%2d",
            "%41%2F%62%2B%39%3D%78%2D",
        ] {
            let shows = seen(text).len();
            // In lower case the letters of the key are others.
            assert_eq!(shows, usize::from(!text.starts_with('a')), "{text}");
        }
    }
}

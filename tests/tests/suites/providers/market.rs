//! The simulated providers of the chart (tests/node/configs/market.yaml): its clock, who has asked, and accounts with it.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use foresail_crds::ProviderAccount;
use foresail_tests::cluster::OPERATOR_NAMESPACE;
use foresail_tests::{Cluster, Space, pipelines, until};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp, ToSpan};
use k8s_openapi::api::core::v1::{Secret, Service};
use kube::Api;
use serde_json::{Value, json};

/// A key that is good for everything.
pub const PAID: &str = "PAID-7Q2M9X4T1V8K";
/// Another one, with signs that addresses have to encode. Three symbols of it are answered with the key in every form.
pub const ECHOED: &str = "ECHO-4K8S/1D+7Q5=X";
pub const ECHOING: [&str; 3] = ["ECHOA", "ECHOB", "ECHOC"];
/// Symbols that every provider of the market has.
pub const SYMBOLS: [&str; 2] = ["MKTA", "MKTB"];
/// Symbol, date, split factor and dividend, as in the scenario.
pub const ACTIONS: [(&str, &str, f64, f64); 3] = [
    ("MKTA", "2025-06-10", 4.0, 0.0),
    ("MKTA", "2026-02-10", 1.0, 0.75),
    ("MKTB", "2026-05-12", 0.5, 0.0),
];

/// Name of the Service that the chart makes, and its port.
const SERVICE: (&str, u16) = ("foresail-provider-simulator", 8080);
const SOON: Duration = Duration::from_secs(120);
const ANSWERED: Duration = Duration::from_secs(10);

/// The same as a map.
pub fn listed_actions() -> BTreeMap<(String, String), (f64, f64)> {
    let keyed = |(symbol, date, split, dividend): &(&str, &str, f64, f64)| {
        ((symbol.to_string(), date.to_string()), (*split, *dividend))
    };
    ACTIONS.iter().map(keyed).collect()
}

/// Where pods reach it.
pub fn endpoint() -> String {
    format!("http://{}.{OPERATOR_NAMESPACE}:{}", SERVICE.0, SERVICE.1)
}

/// Makes an account with the simulator; `key` goes into a Secret of its name.
pub async fn account(space: &Space, name: &str, spec: Value, key: Option<&str>) -> Result<()> {
    let mut object = json!({"apiVersion": "foresail.dev/v1alpha1", "kind": "ProviderAccount",
        "metadata": {"name": name}, "spec": spec});
    let fields = object["spec"].as_object_mut().context("no spec")?;
    fields
        .entry("endpoint")
        .or_insert_with(|| json!(endpoint()));
    if let Some(key) = key {
        let secret = json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name}, "stringData": {"apiKey": key}});
        space.apply::<Secret>(name, &secret).await?;
        fields.insert("secretName".into(), json!(name));
    }
    space
        .apply::<ProviderAccount>(name, &object)
        .await
        .map(drop)
}

/// A small Pipeline that reads from an account.
pub fn from_provider(space: &Space, name: &str, account: &str) -> Value {
    let mut object = pipelines::small(space, name);
    object["spec"]["instruments"] = json!(SYMBOLS.map(|symbol| json!({"symbol": symbol})));
    object["spec"]["source"] = json!({"provider": {"account": account, "poll": "10s"}});
    object
}

/// Sets the market's clock to that of this machine, so that every session that has ended is there.
pub async fn now(cluster: &Cluster) -> Result<()> {
    clock(
        cluster,
        &json!({"now": Timestamp::now().to_string(), "speed": 1}),
    )
    .await
}

/// Makes a day of the market last so many seconds, counted as `every <seconds>s` in the limits of an account is: from 1970.
pub async fn fast(cluster: &Cluster, day: i64) -> Result<()> {
    let standing: Value = get(cluster, "/simulator/clock").await?;
    let standing: Timestamp = serde_json::from_value(standing["now"].clone())?;
    // The midnight after the one to come: meanwhile the clock moves on.
    let midnight = standing
        .max(Timestamp::now())
        .to_zoned(TimeZone::UTC)
        .date();
    let midnight = midnight
        .saturating_add(2.days())
        .to_zoned(TimeZone::UTC)?
        .timestamp();
    let speed = 86_400 / day;
    let passed = Timestamp::now().as_millisecond().rem_euclid(day * 1000) * speed;
    let to = midnight.checked_add(SignedDuration::from_millis(passed))?;
    clock(cluster, &json!({"now": to.to_string(), "speed": speed})).await
}

/// Moves the market's clock; it is left where it is when it is ahead already.
pub async fn clock(cluster: &Cluster, to: &Value) -> Result<()> {
    let url = format!("{}/simulator/clock", reached(cluster).await?);
    let answer = http()?.put(url).json(to).send().await?;
    let status = answer.status();
    let text = answer.text().await?;
    ensure!(
        status.is_success() || text.contains("does not go back"),
        "{status}: {text}"
    );
    Ok(())
}

/// Lists a symbol as it is from now on.
pub async fn list(cluster: &Cluster, listing: &Value) -> Result<()> {
    let url = format!("{}/simulator/listing", reached(cluster).await?);
    http()?
        .put(url)
        .json(listing)
        .send()
        .await?
        .error_for_status()?;
    Ok(())
}

/// Who has asked how often, by key.
pub async fn seen(cluster: &Cluster) -> Result<Value> {
    get(cluster, "/simulator/seen").await
}

async fn get(cluster: &Cluster, path: &str) -> Result<Value> {
    let url = format!("{}{path}", reached(cluster).await?);
    Ok(http()?
        .get(url)
        .send()
        .await?
        .error_for_status()?
        .json()
        .await?)
}

fn http() -> reqwest::Result<reqwest::Client> {
    reqwest::Client::builder()
        .timeout(ANSWERED)
        .no_proxy()
        .build()
}

/// Where this machine reaches it.
async fn reached(cluster: &Cluster) -> Result<String> {
    let (name, port) = SERVICE;
    if let Some(proxy) = &cluster.settings.service_proxy {
        return Ok(format!(
            "{proxy}/api/v1/namespaces/{OPERATOR_NAMESPACE}/services/{name}:http/proxy"
        ));
    }
    let api: Api<Service> = Api::namespaced(cluster.client.clone(), OPERATOR_NAMESPACE);
    until("the simulator of providers", SOON, async || {
        let service = api.get(name).await?;
        let address = service.spec.and_then(|spec| spec.cluster_ip);
        let url = format!(
            "http://{}:{port}",
            address.context("the Service has no address")?
        );
        http()?
            .get(format!("{url}/simulator/clock"))
            .send()
            .await?
            .error_for_status()?;
        Ok(url)
    })
    .await
}

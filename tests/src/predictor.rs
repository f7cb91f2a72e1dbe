//! A client of the predictors: over the Service's cluster IP, as a pod in the cluster would; on a cluster elsewhere
//! through its API server.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use foresail_crds::role::HTTP_PORT;
use k8s_openapi::api::core::v1::{Pod, Service};
use serde_json::Value;
use tokio::task::JoinHandle;
use tokio::time::sleep;

use crate::{Space, until};

/// Header that names the version that answered.
pub const VERSION_HEADER: &str = "x-foresail-model-version";
const TIMEOUT: Duration = Duration::from_secs(5);
/// Longest wait for the way from the Service to a pod.
const REACHED: Duration = Duration::from_secs(90);

/// A client for one Pipeline.
#[derive(Clone)]
pub struct Predictor {
    base: String,
    http: reqwest::Client,
}

/// One answer.
pub struct Answer {
    /// HTTP status.
    pub status: u16,
    /// Version of the header.
    pub version: Option<u32>,
    /// Body; text where it is not JSON.
    pub body: Value,
}

impl Predictor {
    /// Finds the Service `<pipeline>-predict`.
    ///
    /// # Errors
    /// When there is none yet.
    pub async fn find(space: &Space, pipeline: &str) -> Result<Self> {
        let name = format!("{pipeline}-predict");
        let service = space.api::<Service>().get(&name).await?;
        let base = match &space.cluster.settings.service_proxy {
            Some(proxy) => format!(
                "{proxy}/api/v1/namespaces/{}/services/{name}:http/proxy",
                space.name
            ),
            None => cluster_address(service)?,
        };
        let found = Self::at(&base)?;
        // A pod is ready before kube-proxy has made the way to it; the first answer says that it has.
        // Where nobody answers, the test has its own words for it.
        let reached = until("an answer of any kind", REACHED, async || {
            found.get("/v1/timeseries/models").await
        });
        reached.await.ok();
        Ok(found)
    }

    /// A client of one pod, past the Service: only on a node whose pods this machine reaches.
    ///
    /// # Errors
    /// When the pod has no address.
    pub fn of_pod(pod: &Pod) -> Result<Self> {
        let address = pod
            .status
            .as_ref()
            .and_then(|status| status.pod_ip.as_ref());
        let address = address.context("the pod has no address")?;
        Self::at(&format!("http://{address}:{HTTP_PORT}"))
    }

    /// A client of a known address.
    ///
    /// # Errors
    /// When no client can be made.
    pub fn at(base: &str) -> Result<Self> {
        // A connection per request: it must reach any pod, also one that has just started.
        let http = reqwest::Client::builder()
            .timeout(TIMEOUT)
            .no_proxy()
            .pool_max_idle_per_host(0)
            .build()?;
        Ok(Self {
            base: base.to_owned(),
            http,
        })
    }

    /// Its address, `http://host:port`.
    pub fn base(&self) -> &str {
        &self.base
    }

    /// GET.
    ///
    /// # Errors
    /// When there is no answer at all.
    pub async fn get(&self, path: &str) -> Result<Answer> {
        read(self.http.get(format!("{}{path}", self.base))).await
    }

    /// POST of JSON.
    ///
    /// # Errors
    /// When there is no answer at all.
    pub async fn post(&self, path: &str, body: &Value) -> Result<Answer> {
        read(self.http.post(format!("{}{path}", self.base)).json(body)).await
    }

    /// Forecast closes of a symbol.
    ///
    /// # Errors
    /// Any answer but 200, and closes that are not all positive numbers.
    pub async fn forecast(&self, symbol: &str) -> Result<(u32, Vec<f64>)> {
        let symbol = foresail_domain::symbol::key(symbol);
        let answer = self.get(&format!("/v1/forecasts/{symbol}")).await?;
        answer.forecast()
    }
}

/// Address of the port `http` inside the cluster.
fn cluster_address(service: Service) -> Result<String> {
    let spec = service.spec.context("the Service has no spec")?;
    let ip = spec.cluster_ip.context("the Service has no address")?;
    let ports = spec.ports.unwrap_or_default();
    let port = ports.iter().find(|p| p.name.as_deref() == Some("http"));
    let port = port.context("no port `http`")?;
    Ok(format!("http://{ip}:{}", port.port))
}

impl Answer {
    /// Version and closes of a forecast.
    ///
    /// # Errors
    /// Any answer but 200, a body of another version than the header, closes that are not positive.
    pub fn forecast(&self) -> Result<(u32, Vec<f64>)> {
        ensure!(self.status == 200, "answer {}: {}", self.status, self.body);
        let closes = deep(&self.body, &["mean_forecast"])
            .and_then(Value::as_array)
            .with_context(|| format!("no forecast in {}", self.body))?;
        let closes: Vec<f64> = closes.iter().filter_map(Value::as_f64).collect();
        ensure!(
            !closes.is_empty() && closes.iter().all(|c| c.is_finite() && *c > 0.0),
            "closes {closes:?}"
        );
        let said = deep(&self.body, &["model_version"])
            .and_then(Value::as_u64)
            .and_then(|v| u32::try_from(v).ok());
        let version = said
            .or(self.version)
            .with_context(|| format!("no version in {}", self.body))?;
        ensure!(
            self.version.is_none_or(|header| header == version),
            "a mixed answer: header {:?}, body {version}",
            self.version
        );
        Ok((version, closes))
    }
}

/// The first value under one of these keys, wherever it stands.
pub fn deep<'a>(value: &'a Value, keys: &[&str]) -> Option<&'a Value> {
    match value {
        Value::Object(fields) => fields
            .iter()
            .find(|(key, _)| keys.contains(&key.as_str()))
            .map(|(_, found)| found)
            .or_else(|| fields.values().find_map(|inner| deep(inner, keys))),
        Value::Array(items) => items.iter().find_map(|inner| deep(inner, keys)),
        _ => None,
    }
}

async fn read(request: reqwest::RequestBuilder) -> Result<Answer> {
    let response = request.send().await.context("no answer")?;
    let status = response.status().as_u16();
    let header = response.headers().get(VERSION_HEADER);
    let version = header
        .and_then(|v| v.to_str().ok())
        .and_then(|v| v.parse().ok());
    let text = response.text().await.context("a cut answer")?;
    let body = serde_json::from_str(&text).unwrap_or(Value::String(text));
    Ok(Answer {
        status,
        version,
        body,
    })
}

/// A client that asks the whole time.
pub struct Asker {
    stop: Arc<AtomicBool>,
    task: JoinHandle<Asked>,
}

/// What came back.
#[derive(Debug, Default)]
pub struct Asked {
    /// Requests sent.
    pub sent: u64,
    /// Those without a good answer: when (since the start) and why.
    pub failed: Vec<String>,
    /// Versions that answered, in order of first sight.
    pub versions: Vec<u32>,
    /// Different closes of one symbol under one version, to see that bars move on.
    pub changes: BTreeMap<String, usize>,
}

impl Asker {
    /// Starts asking for one symbol after the other, `pause` between two requests.
    pub fn start(predictor: Predictor, symbols: Vec<String>, pause: Duration) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let task = tokio::spawn(ask(predictor, symbols, pause, Arc::clone(&stop)));
        Self { stop, task }
    }

    /// Ends it.
    ///
    /// # Errors
    /// When its task has died.
    pub async fn finish(self) -> Result<Asked> {
        self.stop.store(true, Ordering::Relaxed);
        self.task.await.context("the asking client died")
    }
}

async fn ask(
    predictor: Predictor,
    symbols: Vec<String>,
    pause: Duration,
    stop: Arc<AtomicBool>,
) -> Asked {
    let (begin, mut asked) = (Instant::now(), Asked::default());
    let (mut last, mut seen) = (BTreeMap::new(), BTreeSet::new());
    for symbol in symbols.iter().cycle() {
        if stop.load(Ordering::Relaxed) {
            break;
        }
        asked.sent += 1;
        match predictor.forecast(symbol).await {
            Ok((version, closes)) => {
                if seen.insert(version) {
                    asked.versions.push(version);
                }
                if last.insert(symbol.clone(), closes.clone()) != Some(closes) {
                    *asked.changes.entry(symbol.clone()).or_default() += 1;
                }
            }
            Err(error) => asked
                .failed
                .push(format!("{symbol} at {:.1?}: {error:#}", begin.elapsed())),
        }
        sleep(pause).await;
    }
    asked
}

//! A CSV file over HTTP, as a vendor has it: packed, behind a token. And what must not be read, or sent, that way.

use std::collections::BTreeSet;
use std::io::Write;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use flate2::Compression;
use flate2::write::GzEncoder;
use foresail_domain::TradingCalendar;
use foresail_tests::web::{Answer, Request, Server};
use foresail_tests::{Space, in_namespace, pipelines};
use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan};
use k8s_openapi::api::core::v1::{Secret, Service};
use kube::Api;
use serde_json::{Value, json};

const SHOWN: Duration = Duration::from_secs(60);
/// Eight Pipelines are prepared at one time.
const REFUSED: Duration = Duration::from_secs(180);
/// With the time in which the kubelet brings a changed Secret into a pod.
const READY: Duration = Duration::from_secs(360);
const TOKEN: &str = "canary-token-123";
const SESSIONS: usize = 420;
/// The file ends so many sessions ago, and a source may stand still for fewer.
const MISSING: usize = 9;
const STALE_AFTER: usize = 5;
/// Every so many sessions a row has a price below zero.
const BAD_EVERY: usize = 60;

/// The newest sessions that have ended, by the clock.
pub(super) fn newest_sessions() -> Result<Vec<Date>> {
    let yesterday = Timestamp::now()
        .to_zoned(TimeZone::UTC)
        .date()
        .yesterday()?;
    let from = yesterday.checked_sub(2.years())?;
    let mut sessions: Vec<_> = TradingCalendar::Weekdays
        .sessions(from, yesterday)
        .collect();
    Ok(sessions.split_off(sessions.len() - SESSIONS))
}

/// Two symbols that wander, and the number of rows that are no bars.
pub(super) fn file(sessions: &[Date]) -> Result<(Vec<u8>, u64)> {
    let mut text = String::from("symbol,date,open,high,low,close,volume\n");
    let mut bad = 0;
    for (session, day) in sessions.iter().enumerate() {
        for (i, symbol) in ["SIMA", "SIMB"].into_iter().enumerate() {
            let wave = ((session * (7 + i)) as f64).sin();
            let close = 100.0 + session as f64 * 0.05 + wave;
            let is_bad = session % BAD_EVERY == 1;
            bad += u64::from(is_bad);
            let low = if is_bad { -1.0 } else { close - 1.5 };
            let line = format!(
                "{symbol},{day},{close:.2},{:.2},{low:.2},{close:.2},1000\n",
                close + 1.5
            );
            text.push_str(&line);
        }
    }
    let mut packed = GzEncoder::new(Vec::new(), Compression::fast());
    packed.write_all(text.as_bytes())?;
    Ok((packed.finish()?, bad))
}

/// Methods and `Authorization` of what was asked.
type Asked = BTreeSet<(String, Option<String>)>;

/// The server of a vendor: a file for who has the token.
pub(super) struct Vendor {
    pub(super) server: Server,
    asked: Arc<Mutex<Asked>>,
    file: Arc<Mutex<Vec<u8>>>,
}

impl Vendor {
    /// Who does not know the token is told what was shown.
    pub(super) async fn start(space: &Space, file: Vec<u8>, token: &str) -> Result<Self> {
        let asked = Arc::<Mutex<Asked>>::default();
        let (seen, expected) = (Arc::clone(&asked), format!("Bearer {token}"));
        let file = Arc::new(Mutex::new(file));
        let shown_file = Arc::clone(&file);
        let answer = move |request: Request| {
            let shown = request.header("authorization").map(str::to_owned);
            let knows = shown.as_deref() == Some(expected.as_str());
            let stranger = format!("<html>who are you, {shown:?}?</html>");
            let mut seen = seen.lock().unwrap_or_else(PoisonError::into_inner);
            seen.insert((request.method.clone(), shown));
            match request.method.as_str() {
                // As an address that is signed for GET.
                "HEAD" => Answer::new("403 Forbidden", ""),
                "GET" if knows => {
                    let file = shown_file.lock().unwrap_or_else(PoisonError::into_inner);
                    let tag = format!("ETag: \"{}\"", file.len());
                    Answer {
                        headers: vec![tag],
                        ..Answer::new("200 OK", file.clone())
                    }
                }
                _ => Answer::new("401 Unauthorized", stranger),
            }
        };
        let server = Server::start(&space.cluster, answer).await?;
        Ok(Self {
            server,
            asked,
            file,
        })
    }

    fn put(&self, bytes: Vec<u8>) {
        *self.file.lock().unwrap_or_else(PoisonError::into_inner) = bytes;
    }

    fn asked(&self) -> Asked {
        let asked = self.asked.lock().unwrap_or_else(PoisonError::into_inner);
        asked.clone()
    }
}

async fn put_secret(space: &Space, data: Value) -> Result<()> {
    let name = "vendor";
    let object = json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name},
        "stringData": data});
    space.apply::<Secret>(name, &object).await.map(drop)
}

/// A Pipeline that reads this file, with the token of the Secret `vendor`.
pub(super) fn reading(space: &Space, name: &str, uri: &str) -> Value {
    let mut object = pipelines::small(space, name);
    object["spec"]["calendar"] = json!("Weekdays");
    object["spec"]["source"] = json!({"csv": {"uri": uri, "secretName": "vendor"}});
    object
}

/// Review, security C1 and the suites' gap: HTTP with token and gzip; audit A12: the file stops, and goes on.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_packed_file_behind_a_token_is_read_and_missed_when_it_stops() -> Result<()> {
    in_namespace("vendor", async |space| {
        let name = "vendor";
        let sessions = newest_sessions()?;
        let (bytes, bad) = file(&sessions[..SESSIONS - MISSING])?;
        let vendor = Vendor::start(&space, bytes, TOKEN).await?;
        put_secret(&space, json!({"token": TOKEN})).await?;
        let uri = format!("{}/daily/bars.csv.gz", vendor.server.url());
        let mut object = reading(&space, name, &uri);
        object["spec"]["source"]["csv"]["poll"] = json!("10s");
        object["spec"]["source"]["staleAfterSessions"] = json!(STALE_AFTER);
        space.apply_pipeline(&object).await?;
        let refused = pipelines::explained(&space, name, "CredentialRefused", SHOWN).await?;
        let words = pipelines::summary(&refused);
        let host = vendor.server.host();
        ensure!(
            words.contains("`hosts`") && words.contains(&host),
            "{words}"
        );
        ensure!(vendor.asked().is_empty(), "{:?}", vendor.asked());

        let data = json!({"token": TOKEN, "hosts": host, "plaintext": "true"});
        put_secret(&space, data).await?;
        pipelines::drained(&space, name, READY).await?;
        expect_counts(&space, name, (SESSIONS - MISSING, bad)).await?;
        let stale = pipelines::explained(&space, name, "SourceStale", SHOWN).await?;
        let words = pipelines::summary(&stale);
        let newest = sessions[SESSIONS - MISSING - 1].to_string();
        ensure!(words.contains(&newest), "{words}");

        let (bytes, bad) = file(&sessions)?;
        vendor.put(bytes);
        pipelines::ready(&space, name, READY).await?;
        expect_counts(&space, name, (SESSIONS, bad)).await?;
        let expected = BTreeSet::from([("GET".to_owned(), Some(format!("Bearer {TOKEN}")))]);
        ensure!(vendor.asked() == expected, "{:?}", vendor.asked());
        Ok(())
    })
    .await
}

/// Every row of so many sessions was read once; `bad` of them are in quarantine.
async fn expect_counts(space: &Space, name: &str, (sessions, bad): (usize, u64)) -> Result<()> {
    let status = space.pipelines().get(name).await?.status;
    let ingest = status
        .and_then(|status| status.ingest)
        .context("no status.ingest")?;
    let rows = 2 * sessions as u64;
    let found = (ingest.rows_read, ingest.rows_sent, ingest.rows_quarantined);
    ensure!(
        found == (rows, rows - bad, bad),
        "{found:?} of {rows} rows, {bad} bad"
    );
    Ok(())
}

/// A server that is allowed and leads to where nothing is to be read: the path says where.
async fn misleading(space: &Space, api_server: String) -> Result<Server> {
    let answer = move |request: Request| {
        let (status, to) = match request.path.as_str() {
            "/service.csv" => (
                "301 Moved Permanently",
                "https://kubernetes.default.svc/version",
            ),
            "/address.csv" => ("307 Temporary Redirect", api_server.as_str()),
            _ => ("302 Found", "http://169.254.169.254/latest/meta-data/"),
        };
        Answer {
            headers: vec![format!("Location: {to}")],
            ..Answer::new(status, "")
        }
    };
    Server::start(&space.cluster, answer).await
}

/// Review, security C2.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_only_the_cluster_reaches_is_not_read() -> Result<()> {
    in_namespace("inside", async |space| {
        let services: Api<Service> = Api::namespaced(space.cluster.client.clone(), "default");
        let address = services.get("kubernetes").await?.spec;
        let address = address.and_then(|spec| spec.cluster_ip);
        let address = address.context("the API server has no address in the cluster")?;
        let api_server = format!("https://{address}/version");
        let server = misleading(&space, api_server.clone()).await?;
        let moved = |path: &str| format!("{}/{path}.csv", server.url());
        // The API server by its names and its address in the cluster, the admin port of a pod's own loopback, the metadata of a
        // cloud; and all of them once more behind a server that is allowed.
        let inside = [
            (
                "service",
                "https://kubernetes.default.svc/version".to_owned(),
            ),
            (
                "dotted",
                "https://kubernetes.default.svc.cluster.local./version".to_owned(),
            ),
            ("address", api_server),
            ("loopback", "http://2130706433:8081/metrics".to_owned()),
            (
                "metadata",
                "http://[::ffff:169.254.169.254]/latest/meta-data".to_owned(),
            ),
            ("moved-service", moved("service")),
            ("moved-address", moved("address")),
            ("moved-metadata", moved("metadata")),
        ];
        for (name, uri) in &inside {
            let mut object = reading(&space, name, uri);
            object["spec"]["source"] = json!({"csv": {"uri": uri}});
            space.apply_pipeline(&object).await?;
        }
        for (name, _) in &inside {
            let refused = pipelines::explained(&space, name, "AddressNotAllowed", REFUSED).await?;
            let words = pipelines::summary(&refused);
            // What clouds keep for their machines no administrator opens.
            let is_openable = !name.contains("metadata");
            let remedy = words.contains("sources.allowedNetworks");
            ensure!(remedy == is_openable, "{name}: {words}");
        }
        Ok(())
    })
    .await
}

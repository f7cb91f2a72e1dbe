//! `foresail-worker serve` as people start it: a process, folders and files.

#![allow(clippy::unwrap_used)]

use std::io::{BufRead, BufReader};
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use foresail_features::fingerprint;
use serde_json::{Value, json};
use tempfile::TempDir;

/// Longest wait for what is followed every second.
const SOON: Duration = Duration::from_secs(60);

fn certificate(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../runtime/http/testdata")
        .join(name)
}

fn serve(arguments: &[String]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_foresail-worker"));
    command.arg("serve").args(arguments);
    command
}

/// Arguments as one line; `folder` is where versions are.
fn line(folder: &Path, more: &str) -> Vec<String> {
    let model = format!("--model five={}", folder.display());
    let all = format!("{model} --http 127.0.0.1:0 {more}");
    all.split_whitespace().map(str::to_owned).collect()
}

/// A version that repeats the last close, in a folder of its own. Its manifest comes last.
fn put(versions: &Path, number: u32) {
    let features = json!([{"name": "r", "function": "LogReturn"}]);
    let features: Vec<_> = serde_json::from_value(features).unwrap();
    let adjustment = serde_json::from_value(json!("All")).unwrap();
    let manifest = json!({
        "formatVersion": 1, "namespace": "n", "pipeline": "p", "runId": format!("r{number}"), "codeVersion": "0",
        "seed": 1,
        "data": {"deltaVersion": 1, "bars": 9, "trainingRows": 9, "firstEventTime": 0, "trainedThrough": 9,
            "dataThrough": 9, "symbols": ["X"]},
        "features": features, "adjustment": "All",
        "fingerprint": fingerprint(&features, adjustment).unwrap(),
        "warmUp": 2, "target": "LogReturn", "horizon": 2, "lookback": 1, "kind": "Naive", "weights": null,
        "scaler": {"mean": [0.0], "std": [1.0]}, "evaluation": [], "gate": null,
        "driftReference": {"windowSessions": 5, "features": [], "calibration": []}
    });
    let folder = versions.join(number.to_string());
    std::fs::create_dir_all(&folder).unwrap();
    let part = folder.join("part");
    std::fs::write(&part, manifest.to_string()).unwrap();
    std::fs::rename(part, folder.join("manifest.json")).unwrap();
}

/// A version whose manifest says nothing.
fn put_broken(versions: &Path, number: u32) {
    let folder = versions.join(number.to_string());
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(folder.join("manifest.json"), "{}").unwrap();
}

/// A server that answers.
struct Running {
    child: Child,
    address: SocketAddr,
}

impl Running {
    fn start(arguments: &[String]) -> Self {
        let mut child = serve(arguments).stderr(Stdio::piped()).spawn().unwrap();
        let mut said = BufReader::new(child.stderr.take().unwrap()).lines();
        let address = said.find_map(|line| {
            let line: Value = serde_json::from_str(&line.unwrap()).unwrap();
            line["address"].as_str()?.parse().ok()
        });
        // Whoever writes logs must be read.
        std::thread::spawn(move || said.for_each(drop));
        Self {
            address: address.expect("it ended"),
            child,
        }
    }

    fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

fn versions() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    put(folder.path(), 1);
    folder
}

/// Calls `ask` until it is true.
async fn soon<F: Future<Output = bool>>(mut ask: impl FnMut() -> F) {
    let begin = Instant::now();
    while !ask().await {
        assert!(begin.elapsed() < SOON, "it does not come");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

fn provider() {
    rustls::crypto::ring::default_provider()
        .install_default()
        .ok();
}

/// A client that trusts our authority.
fn trusting() -> reqwest::ClientBuilder {
    let ca = std::fs::read(certificate("ca.crt")).unwrap();
    let ca = reqwest::Certificate::from_pem(&ca).unwrap();
    reqwest::Client::builder().tls_certs_only([ca])
}

#[test]
fn what_is_wrong_is_one_line_and_ends_with_64() {
    let good = versions();
    let empty = tempfile::tempdir().unwrap();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = taken.local_addr().unwrap();
    let broken = tempfile::tempdir().unwrap();
    put_broken(broken.path(), 1);
    let (crt, key) = (certificate("server-1.crt"), certificate("server-2.key"));
    let pair = format!(
        "--anonymous --tls-cert {} --tls-key {}",
        crt.display(),
        key.display()
    );
    let nobody = format!("--api-keys {}", empty.path().display());
    let admin = format!("--anonymous --admin {taken}");
    let mut port = line(good.path(), "--anonymous");
    port[3] = taken.to_string();
    let cases = [
        (line(good.path(), ""), "--api-keys"),
        (line(good.path(), "--anonymous --what"), "--what"),
        (line(empty.path(), "--anonymous"), "holds no version"),
        (line(Path::new("/none"), "--anonymous"), "/none"),
        (line(broken.path(), "--anonymous"), "cannot be used"),
        (line(good.path(), &pair), "another certificate"),
        (line(good.path(), &nobody), "no file with a key"),
        (line(good.path(), &admin), "in use"),
        (port, "in use"),
    ];
    for (arguments, expected) in cases {
        let Output { status, stderr, .. } = serve(&arguments).output().unwrap();
        let said = String::from_utf8(stderr).unwrap();
        assert_eq!(status.code(), Some(64), "{arguments:?}: {said}");
        assert_eq!(said.lines().count(), 1, "{arguments:?}: {said}");
        assert!(said.contains(expected), "{arguments:?}: {said}");
    }
    let help = serve(&["--help".into()]).output().unwrap();
    assert!(help.status.success() && help.stdout.starts_with(b"Serves"));
}

#[tokio::test]
async fn a_new_version_takes_over_while_requests_go_on() {
    provider();
    let folder = versions();
    let running = Running::start(&line(folder.path(), "--anonymous"));
    let client = reqwest::Client::new();
    let url = running.url("/v1/models/five:predict");
    let body = r#"{"instances": [[[0.01]]]}"#;
    let ask = || async {
        let asked = client.post(&url).body(body).send().await.unwrap();
        assert_eq!(asked.status(), 200);
        let version = &asked.headers()["x-foresail-model-version"];
        let version: u32 = version.to_str().unwrap().parse().unwrap();
        let answer: Value = asked.json().await.unwrap();
        assert_eq!(answer, json!({"predictions": [[0.0, 0.0]]}));
        version
    };
    assert_eq!(ask().await, 1);
    put(folder.path(), 2);
    soon(|| async { ask().await == 2 }).await;
    // The one before it is there under its number and as `previous`.
    for pin in ["versions/1", "labels/previous"] {
        let url = running.url(&format!("/v1/models/five/{pin}:predict"));
        let asked = client.post(&url).body(body).send().await.unwrap();
        assert_eq!(asked.status(), 200, "{pin}");
        assert_eq!(asked.headers()["x-foresail-model-version"], "1", "{pin}");
    }
    // One that cannot be used leaves the one that answers, until a good one comes.
    put_broken(folder.path(), 3);
    let waited = Instant::now();
    while waited.elapsed() < Duration::from_secs(3) {
        assert_eq!(ask().await, 2);
    }
    put(folder.path(), 4);
    soon(|| async { ask().await == 4 }).await;
}

#[tokio::test]
async fn every_protocol_answers_and_what_needs_bars_says_so() {
    provider();
    let folder = versions();
    let running = Running::start(&line(folder.path(), "--anonymous"));
    let client = reqwest::Client::new();
    let post = async |path: &str, body: Value| {
        let request = client.post(running.url(path));
        let request = request.header("content-type", "application/json");
        let answer = request.body(body.to_string()).send().await.unwrap();
        let status = answer.status().as_u16();
        (status, answer.json::<Value>().await.unwrap())
    };
    let x = json!({"name": "x", "shape": [1, 1, 1], "datatype": "FP32", "data": [0.01]});
    let (status, answer) = post("/v2/models/five/infer", json!({"inputs": [x]})).await;
    assert_eq!((status, &answer["model_version"]), (200, &json!("1")));
    assert_eq!(answer["outputs"][0]["data"], json!([0.0, 0.0]));
    let frame = json!({"dataframe_split": {"columns": ["r"], "data": [[0.01]]}});
    let (status, answer) = post("/invocations", frame).await;
    assert_eq!(
        (status, answer),
        (200, json!({"predictions": [[0.0, 0.0]]}))
    );
    let series = json!({"type": "univariate_time_series", "series": [98.0, 99.5], "frequency": "day",
        "start_timestamp": "2026-01-02T21:00:00Z"});
    let series = json!({"model": "five", "inputs": [series]});
    let (status, answer) = post("/v1/timeseries/forecast", series).await;
    assert_eq!(status, 200, "{answer}");
    let forecast = &answer["outputs"][0]["content"][0];
    assert_eq!(forecast["mean_forecast"], json!([99.5, 99.5]));
    assert_eq!(forecast["start_timestamp"], json!("2026-01-06T21:00:00Z"));
    for path in ["/v1/forecasts", "/v1/forecasts/IBM"] {
        let answer = client.get(running.url(path)).send().await.unwrap();
        assert_eq!(answer.status(), 501, "{path}");
        let answer: Value = answer.json().await.unwrap();
        let message = answer["error"]["message"].as_str().unwrap();
        assert!(message.contains("/v1/timeseries/forecast"), "{message}");
    }
}

#[tokio::test]
async fn with_tls_and_keys_only_who_has_both_is_answered() {
    provider();
    let folder = versions();
    let keys = tempfile::tempdir().unwrap();
    std::fs::write(keys.path().join("ann"), "first\n").unwrap();
    let more = format!(
        "--api-keys {} --tls-cert {} --tls-key {} --client-ca {}",
        keys.path().display(),
        certificate("server-1.crt").display(),
        certificate("server-1.key").display(),
        certificate("ca.crt").display()
    );
    let running = Running::start(&line(folder.path(), &more));
    let url = |path: &str| format!("https://localhost:{}{path}", running.address.port());
    let without = trusting().build().unwrap();
    assert!(without.get(url("/ping")).send().await.is_err());
    let mut pem = std::fs::read(certificate("client.key")).unwrap();
    pem.extend(std::fs::read(certificate("client.crt")).unwrap());
    let identity = reqwest::Identity::from_pem(&pem).unwrap();
    let client = trusting().identity(identity).build().unwrap();
    for open in ["/ping", "/v2/health/live", "/v2/health/ready"] {
        assert_eq!(client.get(url(open)).send().await.unwrap().status(), 200);
    }
    let asked = async |key: &str| {
        let request = client.get(url("/v1/models"));
        let request = request.header("Authorization", format!("Bearer {key}"));
        request.send().await.unwrap().status().as_u16()
    };
    assert_eq!((asked("first").await, asked("wrong").await), (200, 401));
    std::fs::write(keys.path().join("ann"), "second\n").unwrap();
    let begin = Instant::now();
    while asked("second").await != 200 {
        assert!(begin.elapsed() < SOON, "the new key is not taken");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(asked("first").await, 401);
    for path in [
        "/v1/models",
        "/v2",
        "/openapi.json",
        "/version",
        "/nothing",
    ] {
        let denied = client.get(url(path)).send().await.unwrap();
        assert_eq!(denied.status(), 401, "{path}");
        let challenge = denied.headers()["www-authenticate"].to_str().unwrap();
        assert!(challenge.starts_with("Bearer"), "{challenge}");
    }
}

//! A provider that sends the key back in every form, over a port: the client, the ledger and the judge of answers that ingest
//! uses keep it out of whatever is logged, told or stored. The log is taken at its finest level.

#![allow(clippy::unwrap_used)]

mod support;

use std::io;
use std::sync::{Arc, LazyLock, Mutex};
use std::time::Duration;

use foresail_crds::ProviderAccountSpec;
use foresail_domain::Symbol;
use foresail_providers::request::{Kind, Size};
use foresail_providers::{Request, Verdict};
use foresail_quota::{Ledger, Purpose};
use foresail_runtime_base::metrics::Registry;
use foresail_runtime_base::{Outside, Secrets, Shutdown};
use foresail_runtime_providers::memory::{Memory, Weather};
use foresail_runtime_providers::{Client, Provider};
use jiff::Timestamp;
use serde_json::json;
use tempfile::TempDir;
use tracing_subscriber::EnvFilter;

/// With signs that addresses have to encode.
const KEY: &str = "CANARY/k3y+7Q=x 9&Z";
/// The simulator is in the same process, and the other end may know the key.
const FILTER: &str =
    "trace,actix_http=off,actix_web=off,actix_server=off,mio=off,foresail_simulate=off";
const SCENARIO: &str = r#"
start: 2023-01-03
clock: 2024-06-14T22:00:00Z
symbols: [{symbol: IBM}]
failures:
- {kind: Echo, symbol: ECHO}
- {kind: EchoError, symbol: ERROR}
- {kind: Redirect, symbol: MOVED, location: "http://169.254.169.254/?apikey={key}"}
- {kind: Redirect, symbol: AGAIN, location: "/query?function=SPLITS&symbol=IBM&apikey={key}"}
- {kind: Torn, symbol: TORN}
- {kind: Cut, symbol: CUT}
- {kind: Slow, symbol: SLOW}
"#;
const SYMBOLS: [&str; 8] = [
    "IBM", "ECHO", "ERROR", "MOVED", "AGAIN", "TORN", "CUT", "SLOW",
];

static LOG: LazyLock<Arc<Mutex<Vec<u8>>>> = LazyLock::new(Arc::default);

struct Log;

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        LOG.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// What was logged, told and stored of an account.
#[derive(Default)]
struct Seen {
    told: Vec<String>,
    reasons: Vec<String>,
}

struct Asked {
    provider: Provider,
    ledger: Memory,
    registry: Registry,
    _secrets: TempDir,
}

impl Asked {
    fn new(address: &str) -> Self {
        let log = tracing_subscriber::fmt().with_writer(|| Log);
        let log = log.with_env_filter(EnvFilter::new(FILTER));
        log.try_init().ok();
        foresail_runtime_base::init("test");
        let spec = json!({
            "provider": "AlphaVantage",
            "endpoint": format!("http://{address}"),
            "secretName": "key",
            "limits": {"perMinute": 6000},
        });
        let spec: ProviderAccountSpec = serde_json::from_value(spec).unwrap();
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("provider")).unwrap();
        std::fs::write(folder.path().join("provider/apiKey"), KEY).unwrap();
        let secrets = Secrets::at(folder.path());
        let hosts = [address.to_owned()];
        let client = Client::patient(&spec, &hosts, &secrets, Duration::from_secs(2)).unwrap();
        let ledger = Memory::new(Ledger::default(), Timestamp::now(), Weather::default());
        let (outside, registry) = (Outside::plain(secrets), Registry::default());
        let provider = Provider::new(
            &spec,
            ("account", "n/p"),
            (client, Arc::new(ledger.clone())),
            (&outside, &registry),
            Shutdown::new(),
        );
        Self {
            provider,
            ledger,
            registry,
            _secrets: folder,
        }
    }

    /// Asks once for a symbol.
    async fn ask(&self, symbol: &str, seen: &mut Seen) {
        let request = Request {
            symbol: Symbol::new(symbol).unwrap(),
            kind: Kind::Daily(Size::Full),
        };
        match self.provider.fetch(&request, Purpose::Live).await {
            Ok(Verdict::Data(_)) => seen.reasons.push("Data".into()),
            Ok(verdict) => {
                seen.reasons.push(verdict.reason().into());
                seen.told.push(format!("{symbol}: {verdict:?}"));
            }
            Err(stopped) => {
                seen.reasons.push(stopped.error.reason.clone());
                seen.told
                    .push(format!("{symbol}: {} {stopped:?}", stopped.error));
            }
        }
    }

    fn stored(&self, seen: &mut Seen) {
        let ledger = self.ledger.ledger();
        seen.told.push(serde_json::to_string(&ledger).unwrap());
        seen.told.push(self.registry.encode());
    }
}

/// The key in lower case, encoded, and the signs of base64 that are of nothing else.
fn forms() -> Vec<String> {
    let percent = |all: bool| -> String {
        let bytes = KEY
            .bytes()
            .map(|byte| match byte.is_ascii_alphanumeric() && !all {
                true => char::from(byte).to_string(),
                false => format!("%{byte:02x}"),
            });
        bytes.collect()
    };
    let mut forms = vec![
        KEY.to_owned(),
        "canary".to_owned(),
        percent(true),
        percent(false),
    ];
    // Within base64, behind none, one and two other bytes.
    forms.extend(["q0foqvjzl", "nbtkfsws9", "dqu5bulkv"].map(str::to_owned));
    forms.iter().map(|form| form.to_lowercase()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_key_is_in_nothing_that_is_logged_told_or_stored() {
    let (address, simulator) = support::started(SCENARIO).await;
    let mut seen = Seen::default();
    for symbol in SYMBOLS {
        // Each by an account of its own, so that none waits for what another one met.
        let asked = Asked::new(&address.to_string());
        asked.ask(symbol, &mut seen).await;
        asked.stored(&mut seen);
    }
    // Nobody listens: the address of the request is in the error of the client.
    let unused = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let nobody = unused.local_addr().unwrap().to_string();
    drop(unused);
    Asked::new(&nobody).ask("IBM", &mut seen).await;
    simulator.cancel();

    for reason in ["Data", "Unknown", "ProviderDown"] {
        assert!(
            seen.reasons.iter().any(|met| met == reason),
            "{:?}",
            seen.reasons
        );
    }
    let quarantined = seen.told.iter().find(|text| text.contains("moon"));
    assert!(quarantined.unwrap().contains("***"), "{quarantined:?}");
    let logged = String::from_utf8_lossy(&LOG.lock().unwrap()).into_owned();
    // The log is a fine one: it tells of each connection.
    assert!(
        logged.contains("hyper") && logged.len() > 10_000,
        "{logged}"
    );
    seen.told.push(logged);
    for text in &seen.told {
        let text = text.to_lowercase();
        for form in forms() {
            if let Some(at) = text.find(&form) {
                let around = text[at.saturating_sub(200)..].chars().take(400);
                panic!("{form}: {}", around.collect::<String>());
            }
        }
    }
}

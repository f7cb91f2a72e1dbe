//! Whoever may make a Pipeline or a ProviderAccount names addresses, and so does whoever answers there. Each attempt here would
//! lead to a place that only the cluster or the machine reaches, through the two clients of ingest: of files and of providers.
//! A canary listens on every address of this machine and counts connections, whatever is said on them.

#![allow(clippy::unwrap_used)]

use std::fmt::Write;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use foresail_crds::ProviderAccountSpec;
use foresail_domain::Symbol;
use foresail_providers::request::{ChartInterval, Kind, Window};
use foresail_providers::{Request, Verdict};
use foresail_quota::{Ledger, Purpose};
use foresail_runtime_base::metrics::Registry;
use foresail_runtime_base::{Outside, RoleError, Secrets, Shutdown};
use foresail_runtime_http::Client as Files;
use foresail_runtime_providers::memory::{Memory, Weather};
use foresail_runtime_providers::{Client, Provider};
use jiff::Timestamp;
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

/// Where the vendor listens, the one address that is allowed.
const VENDOR: &str = "127.0.0.2";
const PATIENCE: Duration = Duration::from_secs(20);

/// Hosts that are this machine, in every notation.
const LOOPBACK: [&str; 34] = [
    "127.0.0.1",
    "127.0.0.1.",
    "127.0.0.3",
    "127.1",
    "2130706433",
    "0x7f000001",
    "0x7f.0x0.0x0.0x1",
    "0177.0.0.01",
    "017700000001",
    "%31%32%37.0.0.1",
    "\u{ff11}\u{ff12}\u{ff17}.0.0.1",
    "127\u{3002}0\u{ff0e}0\u{ff61}1",
    "0.0.0.0",
    "0",
    "0.1",
    "localhost",
    "localhost.",
    "LocalHost",
    "\u{24db}ocalhost",
    "loc\u{ad}alhost",
    "prices.example.com@127.0.0.1",
    "prices.example.com:80@127.0.0.1",
    "prices.example.com%2f@127.0.0.1",
    "127.0.0.2%23@127.0.0.1",
    "[::1]",
    "[0:0:0:0:0:0:0:1]",
    "[::]",
    "[::ffff:127.0.0.1]",
    "[::ffff:7f00:1]",
    "[::ffff:0:127.0.0.1]",
    "[::127.0.0.1]",
    "[64:ff9b::127.0.0.1]",
    "[64:ff9b:1::127.0.0.1]",
    "[2002:7f00:1::]",
];

/// Hosts of clouds and clusters, where nothing of this test listens.
const INSIDE: [&str; 22] = [
    "169.254.169.254",
    "169.254.169.254.",
    "2852039166",
    "0xa9.0xfe.0xa9.0xfe",
    "169.254.170.23",
    "[::ffff:169.254.169.254]",
    "[::ffff:a9fe:a9fe]",
    "[64:ff9b::a9fe:a9fe]",
    "[2002:a9fe:a9fe::1]",
    "[fe80::a9fe:a9fe]",
    "[fd00:ec2::254]",
    "[fd20:ce::254]",
    "100.100.100.200",
    "168.63.129.16",
    "192.0.0.192",
    "10.96.0.1",
    "[::ffff:10.96.0.1]",
    "172.20.0.1",
    "100.64.0.1",
    "[fc00::1]",
    "[fd12:3456::1]",
    "[2001:0:7f00:1::]",
];

/// Counts who connects, on every address of this machine.
struct Canary {
    port: u16,
    connected: Arc<AtomicUsize>,
}

impl Canary {
    async fn start() -> Self {
        // A socket of IPv6 takes connections over IPv4 as well, where there is IPv6.
        let listener = match TcpListener::bind("[::]:0").await {
            Ok(listener) => listener,
            Err(_) => TcpListener::bind("0.0.0.0:0").await.unwrap(),
        };
        let port = listener.local_addr().unwrap().port();
        let connected = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&connected);
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                count.fetch_add(1, Ordering::SeqCst);
                tokio::spawn(async move {
                    let mut head = [0; 8192];
                    // Whatever comes of it: nobody should have asked.
                    let _ = stream.read(&mut head).await.ok().unwrap_or(0);
                    let answer =
                        "HTTP/1.1 200 OK\r\nContent-Length: 6\r\nConnection: close\r\n\r\nsecret";
                    stream.write_all(answer.as_bytes()).await.ok();
                });
            }
        });
        Self { port, connected }
    }

    fn connects(&self) -> usize {
        self.connected.load(Ordering::SeqCst)
    }

    fn at(&self, host: &str) -> String {
        format!("http://{host}:{}/bars.csv", self.port)
    }
}

/// What the vendor answers: a status, a head and a body, the same whatever is asked, but for `/hop` with a number, which leads
/// to the number before and at last there.
#[derive(Clone)]
struct Said(&'static str, String, String);

/// The server of somebody whose address is allowed.
async fn vendor(said: Said) -> SocketAddr {
    let listener = TcpListener::bind((VENDOR, 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut head = vec![0; 8192];
            let Ok(length) = stream.read(&mut head).await else {
                continue;
            };
            let head = String::from_utf8_lossy(&head[..length]).into_owned();
            let hop = head.split("/hop").nth(1).and_then(|rest| {
                let digits: String = rest.chars().take_while(char::is_ascii_digit).collect();
                digits.parse::<u32>().ok()
            });
            let Said(mut status, mut headers, body) = said.clone();
            if let Some(left) = hop.filter(|left| *left > 0) {
                (status, headers) = ("302 Found", format!("Location: /hop{}\r\n", left - 1));
            }
            let mut answer = format!("HTTP/1.1 {status}\r\nConnection: close\r\n{headers}");
            write!(answer, "Content-Length: {}\r\n\r\n{body}", body.len()).unwrap();
            stream.write_all(answer.as_bytes()).await.ok();
        }
    });
    address
}

/// Where a redirect could lead.
fn locations(canary: &Canary) -> Vec<String> {
    let port = canary.port;
    let hosts = LOOPBACK.iter().filter(|host| host.is_ascii());
    let mut locations: Vec<String> = hosts.map(|host| canary.at(host)).collect();
    locations.extend(INSIDE.map(|host| format!("http://{host}/latest/meta-data/")));
    locations.extend([
        format!("//127.0.0.1:{port}/"),
        format!("\\\\127.0.0.1:{port}\\x"),
        format!("/\\127.0.0.1:{port}/"),
        format!("http:\\\\127.0.0.1:{port}/"),
        format!("http:/\\127.0.0.1:{port}/"),
        format!("HTTP://127.0.0.1:{port}/"),
        format!("https://127.0.0.1:{port}/"),
        format!("http://user:secret@127.0.0.1:{port}/"),
        format!("ftp://127.0.0.1:{port}/"),
        format!("gopher://127.0.0.1:{port}/_GET%20/"),
        format!("unix://127.0.0.1:{port}/var/run/docker.sock"),
        "file:///etc/passwd".to_owned(),
        "data:text/csv,a,b".to_owned(),
    ]);
    locations
}

/// Answers that lead to the canary, or to where clouds hand out credentials.
fn redirects(canary: &Canary) -> Vec<Said> {
    let port = canary.port;
    let there = |location: &str| format!("Location: {location}\r\n");
    let mut said = Vec::new();
    for status in [
        "201 Created",
        "300 Multiple Choices",
        "301 Moved Permanently",
        "302 Found",
        "303 See Other",
        "304 Not Modified",
        "305 Use Proxy",
        "307 Temporary Redirect",
        "308 Permanent Redirect",
        "401 Unauthorized",
        "503 Service Unavailable",
    ] {
        said.push(Said(status, there(&canary.at("127.0.0.1")), String::new()));
    }
    let locations = locations(canary);
    said.extend(
        locations
            .iter()
            .map(|location| Said("302 Found", there(location), String::new())),
    );
    let to = canary.at("127.0.0.1");
    for headers in [
        format!("Refresh: 0; url={to}\r\n"),
        format!("Content-Location: {to}\r\n"),
        format!("Alt-Svc: http/1.1=\"127.0.0.1:{port}\"; ma=3600\r\n"),
        format!("Link: <{to}>; rel=preload\r\n"),
    ] {
        said.push(Said("200 OK", headers, "a,b\n".into()));
    }
    let page =
        format!("<html><head><meta http-equiv=refresh content=\"0; url={to}\"></head></html>");
    let kind = "Content-Type: text/html\r\n";
    said.push(Said("200 OK", kind.into(), page));
    said
}

fn files() -> Files {
    foresail_runtime_base::init("test");
    let allowed = [format!("{VENDOR}/32")];
    Files::new(&allowed, &Secrets::at("/nowhere")).unwrap()
}

/// Not every resolver knows this machine by a name with a dot behind it.
fn is_unknown(address: &str, reason: &str) -> bool {
    address.contains("//localhost.:") && reason == "SourceUnreachable"
}

/// Reads a file as prepare and as ingest do; the error, where there is one.
async fn read(files: &Files, uri: &str) -> Result<(), RoleError> {
    let probed = files.head(uri, 1 << 20).await.map(drop);
    let read = async {
        let mut answer = files.get(uri).await?;
        while answer.chunk().await?.is_some() {}
        Ok(())
    };
    let read = read.await;
    assert_eq!(probed, read, "{uri}: the probe is the read");
    files.stamp(uri).await.ok();
    read
}

#[tokio::test(flavor = "multi_thread")]
async fn no_address_of_a_file_leads_inside() {
    let (canary, files) = (Canary::start().await, files());
    let mut attempts = 0;
    let mut addresses: Vec<String> = LOOPBACK.map(|host| canary.at(host)).into();
    addresses.extend(INSIDE.map(|host| format!("http://{host}/latest/meta-data/")));
    let port = canary.port;
    addresses.extend([
        format!("https://127.0.0.1:{port}/bars.csv"),
        format!("HTTP:\\\\127.0.0.1:{port}\\bars.csv"),
        format!("http:127.0.0.1:{port}/bars.csv"),
        format!("http://127.0.0.1:{port}#@prices.example.com/"),
        format!("http://127.0.0.1:{port}\\@prices.example.com/"),
        format!("ht\ntp://127.0.0.1:{port}/bars.csv"),
        format!("ftp://127.0.0.1:{port}/bars.csv"),
        format!("gopher://127.0.0.1:{port}/_GET%20/"),
    ]);
    for uri in &addresses {
        let refused = read(&files, uri).await.unwrap_err();
        let is_closed = refused.reason == "AddressNotAllowed" || is_unknown(uri, &refused.reason);
        assert!(is_closed, "{uri}: {refused}");
        attempts += 1;
    }
    // What is no address at all.
    for uri in [
        format!("http://[fe80::1%25lo]:{port}/"),
        format!("http://127.0.0.1:{port}:80/"),
        format!("http://0x7f.1.2.3.4:{port}/"),
        format!("http://256.0.0.1:{port}/"),
    ] {
        let refused = read(&files, &uri).await.unwrap_err();
        assert_eq!(refused.reason, "BadSourceUri", "{uri}: {refused}");
        attempts += 1;
    }
    assert_eq!(canary.connects(), 0);
    println!("{attempts} addresses of files, 0 connects");
    assert!(attempts >= 60);
}

#[tokio::test(flavor = "multi_thread")]
async fn no_redirect_of_a_file_leads_inside() {
    let (canary, files) = (Canary::start().await, files());
    let (mut refused, mut attempts) = (0, 0);
    for said in redirects(&canary) {
        // At once, after two steps, and after more than are followed.
        for hops in [0, 2, 6] {
            let uri = format!("http://{}/hop{hops}", vendor(said.clone()).await);
            let outcome = read(&files, &uri).await;
            let reason = outcome.err().map(|error| error.reason);
            let is_followed = ["301", "302", "303", "307", "308"]
                .iter()
                .any(|status| said.0.starts_with(status));
            match reason.as_deref() {
                Some("AddressNotAllowed") => assert!(is_followed && hops < 6, "{}", said.1),
                Some("RedirectRefused") => assert!(is_followed || hops == 6, "{}", said.1),
                Some(other) if is_unknown(&said.1, other) => assert!(hops < 6, "{}", said.1),
                // It is an answer, and the end of it.
                other => assert!(!is_followed && hops < 6, "{} {other:?}", said.1),
            }
            refused += usize::from(reason.is_some());
            attempts += 1;
        }
    }
    assert_eq!(canary.connects(), 0);
    println!("{attempts} redirects of files, {refused} refused, 0 connects");
    assert!(attempts >= 200 && refused > attempts / 2);
}

fn account(endpoint: &str) -> ProviderAccountSpec {
    let spec = json!({"provider": "Yahoo", "endpoint": endpoint, "limits": {"perMinute": 6000}});
    serde_json::from_value(spec).unwrap()
}

/// Asks an account, as ingest does.
async fn ask(spec: &ProviderAccountSpec, allowed: &[&str]) -> Result<Verdict, RoleError> {
    foresail_runtime_base::init("test");
    let secrets = Secrets::at("/nowhere");
    let allowed: Vec<String> = allowed.iter().map(ToString::to_string).collect();
    let client = Client::patient(spec, &allowed, &secrets, PATIENCE)?;
    let ledger = Memory::new(Ledger::default(), Timestamp::now(), Weather::default());
    let provider = Provider::new(
        spec,
        ("account", "n/p"),
        (client, Arc::new(ledger)),
        (&Outside::plain(secrets), &Registry::default()),
        Shutdown::new(),
    );
    let request = Request {
        symbol: Symbol::new("IBM").unwrap(),
        kind: Kind::Chart {
            interval: ChartInterval::Day,
            window: Window::Month,
        },
    };
    let verdict = provider.fetch(&request, Purpose::Live).await;
    verdict.map_err(|stopped| stopped.error)
}

#[tokio::test(flavor = "multi_thread")]
async fn no_endpoint_of_an_account_leads_inside() {
    let canary = Canary::start().await;
    let (port, mut attempts) = (canary.port, 0);
    let allowed = ["prices.example.com:8080", VENDOR, "169.254.170.2"];
    let mut endpoints: Vec<String> = LOOPBACK.map(|host| format!("http://{host}:{port}")).into();
    endpoints.extend(INSIDE.map(|host| format!("http://{host}")));
    endpoints.extend([
        format!("http://prices.example.com:{port}"),
        format!("http://prices.example.com:8080@127.0.0.1:{port}"),
        format!("http://prices.example.com:8080/../@127.0.0.1:{port}"),
        format!("http://prices.example.com:8080#@127.0.0.1:{port}"),
        format!("http://prices.example.com:8080\\@127.0.0.1:{port}"),
        format!("http://prices.example.com:8080.127.0.0.1:{port}"),
        format!("http://{VENDOR}.:{port}"),
        format!("http://{VENDOR}@127.0.0.1:{port}"),
        format!("http://2130706434:{port}"),
        format!("https://query2.finance.yahoo.com:{port}"),
        format!("https://query2.finance.yahoo.com@127.0.0.1:{port}"),
        format!("https://query2.finance.yahoo.com.127.0.0.1.nip.io:{port}"),
        format!("http://query2.finance.yahoo.com:{port}"),
        "https://kubernetes.default.svc".to_owned(),
        "https://kubernetes.default.svc.cluster.local.".to_owned(),
        format!("ftp://{VENDOR}:{port}"),
        format!("http://\t{VENDOR}:{port}"),
        format!("//127.0.0.1:{port}"),
        "file:///etc/passwd".to_owned(),
    ]);
    for endpoint in &endpoints {
        let refused = ask(&account(endpoint), &allowed).await.unwrap_err();
        assert_eq!(
            refused.reason, "EndpointNotAllowed",
            "{endpoint}: {refused}"
        );
        attempts += 1;
    }
    // An administrator may name a host; what it turns out to be is judged all the same.
    for host in [
        "169.254.169.254",
        "169.254.170.2",
        "100.100.100.200",
        "168.63.129.16",
        "192.0.0.192",
        "0.0.0.0",
        "0",
        "2852039166",
        "0xa9fea9fe",
    ] {
        let endpoint = format!("http://{host}:{port}");
        let refused = ask(&account(&endpoint), &[host]).await.unwrap_err();
        assert_eq!(refused.reason, "AddressNotAllowed", "{endpoint}: {refused}");
        attempts += 1;
    }
    assert_eq!(canary.connects(), 0);
    println!("{attempts} endpoints of accounts, 0 connects");
    assert!(attempts >= 80);
}

#[tokio::test(flavor = "multi_thread")]
async fn no_answer_of_a_provider_leads_inside() {
    let canary = Canary::start().await;
    let mut attempts = 0;
    for said in redirects(&canary) {
        let endpoint = format!("http://{}", vendor(said.clone()).await);
        // Nothing is followed, so that nothing is data.
        let outcome = ask(&account(&endpoint), &[VENDOR]).await;
        assert!(!matches!(outcome, Ok(Verdict::Data(_))), "{}", said.1);
        attempts += 1;
    }
    assert_eq!(canary.connects(), 0);
    println!("{attempts} answers of providers, 0 connects");
    assert!(attempts >= 60);
}

/// A canary that nobody could reach would prove nothing.
#[tokio::test(flavor = "multi_thread")]
async fn the_canary_is_heard_on_each_address_when_it_is_allowed() {
    foresail_runtime_base::init("test");
    let canary = Canary::start().await;
    let everything = ["0.0.0.0/0".to_owned(), "::/0".to_owned()];
    let files = Files::new(&everything, &Secrets::at("/nowhere")).unwrap();
    let mut expected = 0;
    for host in [
        "127.0.0.1",
        "0.0.0.0",
        "2130706433",
        "localhost",
        "127.0.0.3",
    ] {
        files.head(&canary.at(host), 10).await.unwrap();
        expected += 1;
        assert_eq!(canary.connects(), expected, "{host}");
    }
    if std::net::TcpListener::bind("[::1]:0").is_ok() {
        files.head(&canary.at("[::1]"), 10).await.unwrap();
        expected += 1;
    }
    let vendor = vendor(Said(
        "302 Found",
        format!("Location: {}\r\n", canary.at("127.0.0.1")),
        String::new(),
    ));
    let uri = format!("http://{}/hop2", vendor.await);
    assert_eq!(files.head(&uri, 10).await.unwrap(), b"secret");
    assert_eq!(canary.connects(), expected + 1);
    let named = account(&format!("http://127.0.0.1:{}", canary.port));
    ask(&named, &["127.0.0.1"]).await.ok();
    assert_eq!(canary.connects(), expected + 2);
}

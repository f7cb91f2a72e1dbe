//! The cache against a real `redis-server` (Debian package `redis`). Without the program on
//! PATH the tests print so and pass: the full run installs it first.

#![allow(clippy::unwrap_used)]

use std::io::{Read, Write};
use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use foresail_crds::pipeline::spec::RedisSpec;
use foresail_crds::records::FeatureRecord;
use foresail_runtime_base::metrics::Registry;
use foresail_runtime_base::{Outside, Secrets};
use foresail_runtime_cache::{Cache, Error};

struct Server {
    process: Child,
    port: u16,
}

impl Server {
    fn start(port: Option<u16>, extra: &[&str]) -> Option<Self> {
        let port = port.unwrap_or_else(free_port);
        let started = Command::new("redis-server")
            .args(["--port", &port.to_string(), "--bind", "127.0.0.1"])
            .args(["--save", "", "--appendonly", "no"])
            .args(extra)
            .stdout(Stdio::null())
            .spawn();
        let Ok(process) = started else {
            eprintln!("skipped: no redis-server on PATH");
            return None;
        };
        let server = Self { process, port };
        let until = Instant::now() + Duration::from_secs(10);
        while std::net::TcpStream::connect(("127.0.0.1", port)).is_err() {
            assert!(Instant::now() < until, "redis-server does not listen");
            std::thread::sleep(Duration::from_millis(20));
        }
        Some(server)
    }

    fn cache(&self) -> Cache {
        open(self.port, "fs:ns/name:", Path::new("/none"))
    }

    fn cli(&self, arguments: &[&str]) {
        let done = Command::new("redis-cli")
            .args(["-p", &self.port.to_string()])
            .args(arguments)
            .stdout(Stdio::null())
            .status()
            .unwrap();
        assert!(done.success());
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().port()
}

fn open(port: u16, prefix: &str, secrets: &Path) -> Cache {
    let spec = RedisSpec {
        url: format!("redis://127.0.0.1:{port}"),
        secret_name: None,
    };
    let registry = Registry::default();
    let outside = Outside::new(Secrets::at(secrets), &registry, None);
    Cache::open(&spec, prefix, &outside, &registry)
}

fn row(symbol: &str, event_time: i64) -> FeatureRecord {
    FeatureRecord {
        symbol: symbol.into(),
        event_time,
        close: 0.1 * event_time as f64,
        adjustment_factor: 1.0,
        values: vec![1.0 / event_time as f64],
    }
}

fn times(rows: &[FeatureRecord]) -> Vec<i64> {
    rows.iter().map(|row| row.event_time).collect()
}

const PRINT: &str = "abcdefabcdefabcdef";

#[tokio::test(flavor = "multi_thread")]
async fn rows_are_kept_newest_and_in_order() {
    let Some(server) = Server::start(None, &[]) else {
        return;
    };
    let cache = server.cache();
    assert_eq!(cache.rows(PRINT, "A").await, None);
    let rows: Vec<_> = (1..=6)
        .flat_map(|t| [row("A", t), row("B", 10 * t)])
        .collect();
    let lengths = cache.push_rows(PRINT, &rows, 4).await.unwrap();
    assert_eq!(lengths["A"], 4);
    let stored = cache.rows(PRINT, "A").await.unwrap();
    assert_eq!(stored, (3..=6).map(|t| row("A", t)).collect::<Vec<_>>());
    // Older and equal rows change nothing.
    cache
        .push_rows(PRINT, &[row("A", 2), row("A", 6)], 4)
        .await
        .unwrap();
    assert_eq!(times(&cache.rows(PRINT, "A").await.unwrap()), [3, 4, 5, 6]);
    assert_eq!(
        times(&cache.rows(PRINT, "B").await.unwrap()),
        [30, 40, 50, 60]
    );
    // Another feature set has lists of its own.
    cache
        .push_rows("another-fingerprint", &[row("A", 1)], 4)
        .await
        .unwrap();
    assert_eq!(times(&cache.rows(PRINT, "A").await.unwrap()), [3, 4, 5, 6]);
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_made_once_more_take_the_place_of_those_of_their_event_times() {
    let Some(server) = Server::start(None, &[]) else {
        return;
    };
    let cache = server.cache();
    let revised = |event_time| FeatureRecord {
        close: 7.0,
        ..row("A", event_time)
    };
    let stored = async || cache.rows(PRINT, "A").await.unwrap();
    let rows: Vec<_> = [1, 2, 3, 5].map(|t| row("A", t)).into();
    cache.push_rows(PRINT, &rows, 5).await.unwrap();
    let again = [3, 4, 5].map(revised);
    let length = cache.supersede_rows(PRINT, &again, 5).await.unwrap();
    let mut expected = rows[..2].to_vec();
    expected.extend(again);
    assert_eq!((length, stored().await), (5, expected.clone()));
    // One that was slower has nothing to say any more, and all of them may go.
    cache.push_rows(PRINT, &[row("A", 6)], 6).await.unwrap();
    expected.push(row("A", 6));
    assert_eq!(
        cache
            .supersede_rows(PRINT, &[row("A", 2)], 6)
            .await
            .unwrap(),
        6
    );
    assert_eq!(stored().await, expected);
    let whole: Vec<_> = (-1..=6).map(revised).collect();
    assert_eq!(cache.supersede_rows(PRINT, &whole, 3).await.unwrap(), 3);
    assert_eq!(stored().await, whole[5..]);
    assert_eq!(cache.supersede_rows("none", &whole, 3).await.unwrap(), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_of_any_symbol_come_back_and_never_those_of_another() {
    let Some(server) = Server::start(None, &[]) else {
        return;
    };
    let cache = server.cache();
    let codes = [
        "M&M.NS",
        "BTC/USDT",
        "BTC",
        "GC1!",
        "NYSE:BRK.B",
        "$SPX",
        "BF B",
        "^GSPC",
        "EURUSD=X",
        "AAPL*",
        "@ES#",
    ];
    let rows: Vec<_> = (1..=3)
        .flat_map(|t| codes.map(|code| row(code, t)))
        .collect();
    cache.push_rows(PRINT, &rows, 4).await.unwrap();
    for code in codes {
        let stored = cache.rows(PRINT, code).await.unwrap();
        assert_eq!(stored, (1..=3).map(|t| row(code, t)).collect::<Vec<_>>());
    }
    // Where rows of this symbol were stored before symbols had other signs.
    server.cli(&["del", "fs:ns/name:rows:abcdefabcdefabcd:^GSPC"]);
    assert_eq!(cache.rows(PRINT, "^GSPC").await, None);
    assert_eq!(cache.delete_prefix().await.unwrap(), codes.len() as u64 - 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flush_is_noticed_and_repaired() {
    let Some(server) = Server::start(None, &[]) else {
        return;
    };
    let cache = server.cache();
    let rows: Vec<_> = (1..=4).map(|t| row("A", t)).collect();
    cache.push_rows(PRINT, &rows, 4).await.unwrap();
    server.cli(&["flushall"]);
    let lengths = cache.push_rows(PRINT, &[row("A", 5)], 4).await.unwrap();
    assert_eq!(lengths["A"], 1);
    let rows: Vec<_> = (1..=5).map(|t| row("A", t)).collect();
    assert_eq!(cache.replace_rows(PRINT, &rows, 4).await.unwrap(), 4);
    assert_eq!(times(&cache.rows(PRINT, "A").await.unwrap()), [2, 3, 4, 5]);
    // Replacing with something older than what is stored changes nothing.
    assert_eq!(cache.replace_rows(PRINT, &rows[..2], 4).await.unwrap(), 4);
    assert_eq!(times(&cache.rows(PRINT, "A").await.unwrap()), [2, 3, 4, 5]);
}

#[tokio::test(flavor = "multi_thread")]
async fn garbage_is_not_used_and_is_overwritten() {
    let Some(server) = Server::start(None, &[]) else {
        return;
    };
    let cache = server.cache();
    let key = format!("fs:ns/name:rows:{}:A", &PRINT[..16]);
    server.cli(&["set", &key, "garbage"]);
    assert_eq!(cache.rows(PRINT, "A").await, None);
    cache.push_rows(PRINT, &[row("A", 1)], 4).await.unwrap();
    server.cli(&["rpush", &key, "garbage"]);
    assert_eq!(cache.rows(PRINT, "A").await, None);
    cache.push_rows(PRINT, &[row("A", 2)], 4).await.unwrap();
    assert_eq!(times(&cache.rows(PRINT, "A").await.unwrap()), [2]);

    cache
        .put("f", b"forecast", Duration::from_secs(60))
        .await
        .unwrap();
    assert_eq!(cache.get("f").await.as_deref(), Some(&b"forecast"[..]));
    server.cli(&["append", "fs:ns/name:value:f", "x"]);
    assert_eq!(cache.get("f").await, None);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_outage_is_answered_at_once_and_ends_by_itself() {
    let Some(server) = Server::start(None, &[]) else {
        return;
    };
    let (cache, port) = (server.cache(), server.port);
    cache.push_rows(PRINT, &[row("A", 1)], 4).await.unwrap();
    drop(server);
    assert!(cache.push_rows(PRINT, &[row("A", 2)], 4).await.is_err());
    let started = Instant::now();
    assert!(matches!(
        cache.push_rows(PRINT, &[row("A", 2)], 4).await,
        Err(Error::BreakerOpen)
    ));
    assert!(started.elapsed() < Duration::from_millis(20));
    assert_eq!(
        cache.ping().await.unwrap_err().reason,
        "RedisUnreachable".to_string()
    );
    let _again = Server::start(Some(port), &[]).unwrap();
    let until = Instant::now() + Duration::from_secs(15);
    while cache.push_rows(PRINT, &[row("A", 3)], 4).await.is_err() {
        assert!(Instant::now() < until, "the breaker never closed");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert_eq!(times(&cache.rows(PRINT, "A").await.unwrap()), [3]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_never_answers_costs_little() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let cache = open(
        listener.local_addr().unwrap().port(),
        "fs:x/y:",
        Path::new("/none"),
    );
    let started = Instant::now();
    assert_eq!(cache.get("k").await, None);
    assert!(
        started.elapsed() < Duration::from_millis(500),
        "{:?}",
        started.elapsed()
    );
    let started = Instant::now();
    for _ in 0..1_000 {
        assert_eq!(cache.get("k").await, None);
    }
    assert!(started.elapsed() < Duration::from_millis(200));
}

#[tokio::test(flavor = "multi_thread")]
async fn clean_up_removes_only_this_pipeline() {
    let Some(server) = Server::start(None, &[]) else {
        return;
    };
    let (mine, other) = (
        server.cache(),
        open(server.port, "fs:ns/name2:", Path::new("/none")),
    );
    mine.ping().await.unwrap();
    let hour = Duration::from_secs(3_600);
    for i in 0..1_200 {
        mine.put(&i.to_string(), b"v", hour).await.unwrap();
    }
    other.put("k", b"v", hour).await.unwrap();
    assert_eq!(mine.delete_prefix().await.unwrap(), 1_201);
    assert_eq!(mine.delete_prefix().await.unwrap(), 0);
    assert!(other.get("k").await.is_some());
}

#[tokio::test(flavor = "multi_thread")]
async fn wrong_credentials_have_their_own_reason() {
    let Some(server) = Server::start(None, &["--requirepass", "right"]) else {
        return;
    };
    let error = server.cache().ping().await.unwrap_err();
    assert_eq!(error.reason, "RedisAuthFailed");

    let folder = std::env::temp_dir().join(format!("foresail-redis-{}", std::process::id()));
    std::fs::create_dir_all(folder.join("redis")).unwrap();
    std::fs::write(folder.join("redis/hosts"), "127.0.0.1").unwrap();
    std::fs::write(folder.join("redis/plaintext"), "true").unwrap();
    for (password, expected) in [("right", true), ("wrong", false)] {
        std::fs::write(folder.join("redis/password"), password).unwrap();
        let cache = open(server.port, "fs:ns/name:", &folder);
        assert_eq!(cache.ping().await.is_ok(), expected, "{password}");
    }
    std::fs::remove_dir_all(folder).unwrap();
}

/// Needs no Redis: the point is what a stranger gets who listens in its place.
#[tokio::test(flavor = "multi_thread")]
async fn a_stranger_gets_no_password_and_is_not_quoted() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let (heard, hear) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut buffer = [0; 1024];
            let length = stream.read(&mut buffer).unwrap_or(0);
            stream.write_all(b"-HIDDEN hidden words\r\n").ok();
            let text = String::from_utf8_lossy(&buffer[..length]).into_owned();
            heard.send(text).ok();
        }
    });
    let folder = std::env::temp_dir().join(format!("foresail-stranger-{}", std::process::id()));
    let secret = folder.join("redis");
    std::fs::create_dir_all(&secret).unwrap();
    std::fs::write(secret.join("password"), "canary-password").unwrap();
    let cache = open(port, "fs:ns/name:", &folder);
    let write = |key: &str, text: &str| std::fs::write(secret.join(key), text).unwrap();
    let says = async || cache.ping().await.unwrap_err();
    for (key, text) in [("hosts", "redis.example.com"), ("hosts", "127.0.0.1")] {
        assert_eq!(says().await.reason, "CredentialRefused");
        write(key, text);
    }
    let error = says().await;
    assert_eq!(error.reason, "CredentialRefused");
    assert!(error.message.contains("`plaintext`"), "{error}");
    assert!(hear.try_recv().is_err(), "somebody was connected to");
    write("plaintext", "true");
    let error = says().await;
    assert!(!error.message.contains("hidden"), "{error}");
    let heard = hear.recv_timeout(Duration::from_secs(10)).unwrap();
    assert!(heard.contains("canary-password"), "{heard}");
    std::fs::remove_dir_all(folder).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_goes_wrong_is_counted_by_its_operation() {
    let registry = Registry::default();
    let outside = Outside::new(Secrets::at("/none"), &registry, None);
    let spec = RedisSpec {
        url: format!("redis://127.0.0.1:{}", free_port()),
        secret_name: None,
    };
    let cache = Cache::open(&spec, "fs:ns/name:", &outside, &registry);
    assert_eq!(cache.get("k").await, None);
    let text = registry.encode();
    assert!(
        text.contains("foresail_cache_errors_total{operation=\"get\"} 1"),
        "{text}"
    );
}

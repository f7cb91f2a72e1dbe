//! The simulator is asked as a provider is: by the client, the ledger and the judge of answers that ingest uses. Failures and
//! refusals are met on the way; the key is in nothing that is printed.

#![allow(clippy::unwrap_used)]

mod support;

use std::io;
use std::sync::{Arc, LazyLock, Mutex};
use std::time::Duration;

use foresail_crds::ProviderAccountSpec;
use foresail_domain::Symbol;
use foresail_providers::request::{ChartInterval, Kind, Size, Window};
use foresail_providers::{Answer, Request, Row, Verdict, same, traded};
use foresail_quota::{Ledger, Level, Purpose};
use foresail_runtime_base::metrics::Registry;
use foresail_runtime_base::{Outside, Secrets, Shutdown};
use foresail_runtime_providers::memory::{Memory, Weather};
use foresail_runtime_providers::{Client, Provider, Stopped};
use foresail_simulation::{Scenario, Traded};
use jiff::Timestamp;
use serde_json::json;
use tempfile::TempDir;

const KEY: &str = "CANARYKEY0000001";
const SYMBOLS: [&str; 3] = ["IBM", "VOD.L", "BRK-B"];
const MARKET: &str = "
start: 2023-01-03
clock: 2024-06-14T22:00:00Z
symbols:
- symbol: IBM
  splits: [{date: 2024-01-05, numerator: 2, denominator: 1}, {date: 2024-03-01, numerator: 3, denominator: 2}]
  dividends: [{date: 2024-01-08, amount: 1.5}, {date: 2024-04-08, amount: 0.5}]
- {symbol: VOD.L, currency: GBp}
- {symbol: BRK-B, volatility: 0.01}
";
const PAID: &str = "keys: [{key: CANARYKEY0000001, premium: true}]\n";

/// Everything that was logged.
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

fn logged() -> String {
    String::from_utf8_lossy(&LOG.lock().unwrap()).into_owned()
}

/// A provider behind a simulator.
struct Asked {
    provider: Provider,
    ledger: Memory,
    registry: Registry,
    base: String,
    simulator: Shutdown,
    _secrets: TempDir,
}

impl Asked {
    async fn new(name: &str, scenario: &str, (key, timeout): (&str, u64)) -> Self {
        let log = tracing_subscriber::fmt().with_writer(|| Log);
        let log = log.with_max_level(tracing_subscriber::filter::LevelFilter::DEBUG);
        log.try_init().ok();
        foresail_runtime_base::init("test");
        let (address, simulator) = support::started(scenario).await;
        let base = format!("http://{address}");
        let mut spec = json!({
            "provider": name,
            "endpoint": base,
            "limits": {"perMinute": 600},
        });
        if name == "AlphaVantage" {
            spec["secretName"] = json!("key");
        }
        let spec: ProviderAccountSpec = serde_json::from_value(spec).unwrap();
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("provider")).unwrap();
        std::fs::write(folder.path().join("provider/apiKey"), key).unwrap();
        let secrets = Secrets::at(folder.path());
        let hosts = [address.to_string()];
        let timeout = Duration::from_secs(timeout);
        let client = Client::patient(&spec, &hosts, &secrets, timeout).unwrap();
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
            base,
            simulator,
            _secrets: folder,
        }
    }

    async fn fetch(&self, symbol: &str, kind: Kind) -> Result<Verdict, Stopped> {
        let symbol = Symbol::new(symbol).unwrap();
        let request = Request { symbol, kind };
        self.provider.fetch(&request, Purpose::Live).await
    }

    /// Asks until there is an answer; what went wrong before goes to `met`.
    async fn insist(&self, symbol: &str, kind: Kind, met: &Mutex<Vec<String>>) -> Answer {
        for _ in 0..12 {
            match self.fetch(symbol, kind).await {
                Ok(Verdict::Data(answer)) => return *answer,
                Ok(other) => panic!("{symbol} {kind:?}: {other:?}"),
                Err(stopped) => met.lock().unwrap().push(stopped.error.to_string()),
            }
        }
        panic!("{symbol} {kind:?}: {met:?}");
    }

    /// The bars of a symbol as traded.
    async fn bars(&self, symbol: &str, met: &Mutex<Vec<String>>) -> Vec<Row> {
        if self.provider.kind() == foresail_providers::Provider::Yahoo {
            let kind = Kind::Chart {
                interval: ChartInterval::Day,
                window: Window::Max,
            };
            let Answer::Series(mut series) = self.insist(symbol, kind, met).await else {
                panic!("no chart");
            };
            let (splits, mut paid) = (series.splits.items, series.dividends.items);
            traded::undo_splits(&mut series.rows, &splits);
            traded::undo_splits_of_dividends(&mut paid, &splits);
            traded::join(&mut series.rows, &splits, &paid, series.currency);
            return series.rows;
        }
        let rows = self.insist(symbol, Kind::Daily(Size::Full), met).await;
        let splits = self.insist(symbol, Kind::Splits, met).await;
        let dividends = self.insist(symbol, Kind::Dividends, met).await;
        let (Answer::Series(mut series), Answer::Splits(splits), Answer::Dividends(paid)) =
            (rows, splits, dividends)
        else {
            panic!("answers to something else");
        };
        traded::join(
            &mut series.rows,
            &splits.items,
            &paid.items,
            series.currency,
        );
        series.rows
    }

    /// Requests that reached the simulator.
    async fn seen(&self) -> u64 {
        let secrets = Secrets::at("/nowhere");
        let client = foresail_runtime_http::Client::new(&["127.0.0.0/8".into()], &secrets).unwrap();
        let address = format!("{}/simulator/seen", self.base);
        let seen = client.head(&address, 1 << 16).await.unwrap();
        let seen: serde_json::Value = serde_json::from_slice(&seen).unwrap();
        let answers = seen["answers"].as_object().unwrap().values();
        answers.filter_map(serde_json::Value::as_u64).sum()
    }
}

impl Drop for Asked {
    fn drop(&mut self) {
        self.simulator.cancel();
    }
}

fn compare(row: &Row, day: &Traded, provider: foresail_providers::Provider) {
    let mut expected = Row::new(day.date, None, day.prices, Some(day.volume));
    (expected.split_factor, expected.dividend) = (day.split_factor, day.dividend);
    if provider == foresail_providers::Provider::AlphaVantage {
        assert_eq!(*row, expected);
        return;
    }
    assert_eq!(row.date, day.date);
    let near = |a: f64, b: f64| assert!(same::near(a, b), "{row:?} and {expected:?}");
    near(row.open, expected.open);
    near(row.high, expected.high);
    near(row.low, expected.low);
    near(row.close, expected.close);
    near(row.volume.unwrap(), day.volume);
    near(row.split_factor, day.split_factor);
    near(row.dividend, day.dividend);
}

#[tokio::test(flavor = "multi_thread")]
async fn every_bar_comes_through_failures_as_it_was_traded() {
    let failures = "failures:
- {kind: Slow, symbol: VOD.L, every: 3, until: 2024-06-14T22:00:30Z}
- {kind: Torn, provider: AlphaVantage, every: 4, until: 2024-06-14T22:00:30Z}
- {kind: WrongSymbol, provider: AlphaVantage, every: 5, until: 2024-06-14T22:00:30Z}
- {kind: WrongSymbol, provider: Yahoo, every: 2, until: 2024-06-14T22:00:30Z}
- {kind: Redirect, provider: AlphaVantage, every: 7, until: 2024-06-14T22:00:30Z}
";
    let scenario = format!("{MARKET}{PAID}{failures}");
    let market = Scenario::read(&scenario).unwrap();
    for name in ["AlphaVantage", "Yahoo"] {
        let asked = Asked::new(name, &scenario, (KEY, 3)).await;
        let met = Mutex::default();
        let (ibm, vod, brk) = tokio::join!(
            asked.bars(SYMBOLS[0], &met),
            asked.bars(SYMBOLS[1], &met),
            asked.bars(SYMBOLS[2], &met),
        );
        for (symbol, rows) in SYMBOLS.iter().zip([ibm, vod, brk]) {
            let traded = market.traded(symbol, market.clock.unwrap());
            assert_eq!(rows.len(), traded.len(), "{name} {symbol}");
            for (row, day) in rows.iter().zip(&traded) {
                compare(row, day, asked.provider.kind());
            }
        }
        let met = met.into_inner().unwrap();
        assert!(!met.is_empty(), "no failure was met");
        assert!(met.iter().all(|error| !error.contains("CANARY")), "{met:?}");
        if name == "AlphaVantage" {
            let level = asked.provider.level().await.unwrap();
            assert_eq!(level, Level::Full, "all rows came");
            for reason in ["ProviderMalformed", "ProviderDown"] {
                assert!(met.iter().any(|error| error.starts_with(reason)), "{met:?}");
            }
        }
    }
    assert!(!logged().contains("CANARY"), "the key is in the log");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bomb_is_read_no_further_than_16_mib() {
    let scenario = format!("{MARKET}{PAID}failures: [{{kind: Bomb, every: 1}}]\n");
    let asked = Asked::new("Yahoo", &scenario, (KEY, 30)).await;
    let kind = Kind::Chart {
        interval: ChartInterval::Day,
        window: Window::Month,
    };
    let mut errors = Vec::new();
    // Packing it takes the simulator some time, once.
    for _ in 0..3 {
        let error = asked.fetch("IBM", kind).await.unwrap_err().error;
        if error.reason == "ProviderMalformed" {
            assert!(error.message.contains("TooLarge"), "{error}");
            return;
        }
        errors.push(error);
    }
    panic!("{errors:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_quota_that_is_used_up_and_a_bad_key_are_not_asked_again() {
    let free = "keys: [{key: CANARYKEY0000001, perDay: 2}]\n";
    let asked = Asked::new("AlphaVantage", &format!("{MARKET}{free}"), (KEY, 10)).await;
    let refused = asked.fetch("IBM", Kind::Daily(Size::Full)).await.unwrap();
    let Verdict::NotEntitled { instead } = refused else {
        panic!("{refused:?}");
    };
    assert_eq!(instead.unwrap().kind, Kind::Daily(Size::Compact));
    assert_eq!(asked.ledger.ledger().entitlement.level, Level::Compact);
    let compact = Kind::Daily(Size::Compact);
    assert!(matches!(
        asked.fetch("IBM", compact).await,
        Ok(Verdict::Data(_))
    ));
    for _ in 0..2 {
        let stopped = asked.fetch("IBM", Kind::Splits).await.unwrap_err();
        assert_eq!(stopped.error.reason, "QuotaExhausted", "{}", stopped.error);
        assert!(stopped.until > Some(Timestamp::now()) && stopped.is_general);
        assert!(
            !stopped.error.message.contains("CANARY"),
            "{}",
            stopped.error
        );
    }
    assert_eq!(asked.seen().await, 3);
    let metrics = asked.registry.encode();
    for (metric, reason) in [
        ("answers", "NotEntitled"),
        ("answers", "Data"),
        ("waits", "DailyQuota"),
    ] {
        let line = format!("foresail_provider_{metric}_total{{reason=\"{reason}\"}} 1");
        assert!(metrics.contains(&line), "{line}: {metrics}");
    }

    let wrong = Asked::new(
        "AlphaVantage",
        &format!("{MARKET}{PAID}"),
        ("CANARYWRONG", 10),
    )
    .await;
    for _ in 0..2 {
        let stopped = wrong.fetch("IBM", compact).await.unwrap_err();
        assert_eq!(stopped.error.reason, "BadKey");
        assert_eq!(stopped.error.exit_code(), 64, "a person must act");
        assert!(
            !stopped.error.message.contains("CANARY"),
            "{}",
            stopped.error
        );
    }
    assert_eq!(wrong.seen().await, 1);
    assert!(!logged().contains("CANARY"), "the key is in the log");
}

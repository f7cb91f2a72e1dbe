//! The simulator is true when strangers believe it: yfinance and alpha_vantage read it, and so do we, and all agree on
//! every bar. The packages are in the cache once `make test` has set the machine up.

#![allow(clippy::unwrap_used)]

mod support;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::Command;

use foresail_domain::Symbol;
use foresail_providers::request::{ChartInterval, Kind, Size, Window};
use foresail_providers::{Answer, Headers, Key, Request, Row, Verdict, classify, traded};
use foresail_runtime_base::Secrets;
use foresail_runtime_http::Client;
use serde::Deserialize;

const SCENARIO: &str = "
start: 2023-01-03
clock: 2024-06-14T22:00:00Z
symbols:
- symbol: BRK-B
  splits: [{date: 2024-01-05, numerator: 2, denominator: 1}, {date: 2024-03-01, numerator: 3, denominator: 2}]
  dividends: [{date: 2024-01-08, amount: 1.5}, {date: 2024-04-08, amount: 0.5}]
keys: [{key: PAID1, premium: true}]
";
const SYMBOL: &str = "BRK-B";
const DAY: &str = "2024-06-12";
/// Yahoo sends 32-bit floats.
const SINGLE: f64 = 1e-5;

/// Time, then open, high, low, close, volume and what a client adds.
type Rows = Vec<(String, Vec<f64>)>;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Read {
    yahoo: Vec<Vec<serde_json::Value>>,
    yahoo_minutes: Vec<Vec<serde_json::Value>>,
    alpha_vantage: Vec<Vec<serde_json::Value>>,
    alpha_vantage_adjusted: Vec<Vec<serde_json::Value>>,
    alpha_vantage_minutes: Vec<Vec<serde_json::Value>>,
}

fn rows(read: &[Vec<serde_json::Value>]) -> Rows {
    let row = |row: &Vec<serde_json::Value>| {
        let numbers = row[1..].iter().map(|value| value.as_f64().unwrap());
        (row[0].as_str().unwrap().to_string(), numbers.collect())
    };
    read.iter().map(row).collect()
}

fn packages() -> Option<PathBuf> {
    let cache = std::env::var_os("FORESAIL_CACHE").map(PathBuf::from);
    let home = std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".cache/foresail"));
    let folder = cache.or(home)?.join("strangers");
    folder.join("yfinance").is_dir().then_some(folder)
}

#[tokio::test(flavor = "multi_thread")]
async fn yfinance_and_alpha_vantage_read_the_bars_that_we_read() {
    let Some(packages) = packages() else {
        println!("skipped: yfinance and alpha_vantage are not there; `make test` fetches them");
        return;
    };
    let (address, shutdown) = support::started(SCENARIO).await;
    let base = format!("http://{address}");
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/strangers.py");
    let mut python = Command::new("python3");
    python
        .args(["-W", "ignore", script, &base, "PAID1", SYMBOL, DAY])
        .env("PYTHONPATH", packages);
    let done = tokio::task::spawn_blocking(move || python.output())
        .await
        .unwrap()
        .unwrap();
    let words = String::from_utf8_lossy(&done.stderr);
    assert!(done.status.success(), "{words}");
    let read: Read = serde_json::from_slice(&done.stdout).unwrap();

    let ours = traded_days(&base).await;
    assert!(ours.len() > 350, "{}", ours.len());
    let later = |row: &Row| -> f64 {
        let later = ours.iter().filter(|other| other.date > row.date);
        later.map(|other| other.split_factor).product()
    };
    let (plain, adjusted) = (
        rows(&read.alpha_vantage),
        rows(&read.alpha_vantage_adjusted),
    );
    let yahoo = rows(&read.yahoo);
    assert_eq!([plain.len(), adjusted.len(), yahoo.len()], [ours.len(); 3]);
    for (row, ((plain, adjusted), yahoo)) in
        ours.iter().zip(plain.iter().zip(&adjusted).zip(&yahoo))
    {
        let date = row.date.to_string();
        assert!(
            [&plain.0, &adjusted.0, &yahoo.0]
                .iter()
                .all(|time| time.starts_with(&date)),
            "{date}"
        );
        let numbers = [row.open, row.high, row.low, row.close, row.volume.unwrap()];
        assert_eq!(plain.1, numbers, "{date}");
        assert_eq!(adjusted.1[6..], [row.dividend, row.split_factor], "{date}");
        let ratio = later(row);
        for (theirs, own) in yahoo.1.iter().zip(&numbers[..4]) {
            assert!(
                near(theirs * ratio, *own),
                "{date}: {theirs} x {ratio} and {own}"
            );
        }
        let split = if row.split_factor == 1.0 {
            0.0
        } else {
            row.split_factor
        };
        assert_eq!(yahoo.1[5], split, "{date}");
        assert!(near(yahoo.1[6] * ratio, row.dividend), "{date}");
    }
    minutes_agree(
        &rows(&read.yahoo_minutes),
        &rows(&read.alpha_vantage_minutes),
    );
    shutdown.cancel();
}

/// Every bar of the day, whoever reads it.
fn minutes_agree(yahoo: &Rows, alpha_vantage: &Rows) {
    let of_day = alpha_vantage
        .iter()
        .filter(|(time, _)| time.starts_with(DAY));
    let of_day: BTreeMap<&str, &Vec<f64>> =
        of_day.map(|(time, row)| (time.as_str(), row)).collect();
    assert_eq!((yahoo.len(), of_day.len()), (78, 78));
    for (time, row) in yahoo {
        let theirs = of_day[time.as_str()];
        for (a, b) in row.iter().zip(theirs) {
            assert!(near(*a, *b), "{time}: {a} and {b}");
        }
    }
}

fn near(a: f64, b: f64) -> bool {
    (a - b).abs() <= SINGLE * a.abs().max(b.abs())
}

/// Daily bars as traded, as Alpha Vantage's three functions give them; Yahoo's chart gives the same.
async fn traded_days(base: &str) -> Vec<Row> {
    let Answer::Series(series) = ask(base, Kind::Daily(Size::Full)).await else {
        panic!("no series");
    };
    let Answer::Splits(splits) = ask(base, Kind::Splits).await else {
        panic!("no splits");
    };
    let Answer::Dividends(dividends) = ask(base, Kind::Dividends).await else {
        panic!("no dividends");
    };
    let mut days = series.rows;
    traded::join(&mut days, &splits.items, &dividends.items, series.currency);
    let chart = |interval| Kind::Chart {
        interval,
        window: Window::Max,
    };
    let Answer::Series(mut yahoo) = ask(base, chart(ChartInterval::Day)).await else {
        panic!("no chart");
    };
    traded::undo_splits(&mut yahoo.rows, &yahoo.splits.items);
    assert_eq!(yahoo.rows.len(), days.len());
    for (row, day) in yahoo.rows.iter().zip(&days) {
        assert!(
            row.date == day.date && near(row.close, day.close),
            "{row:?} and {day:?}"
        );
    }
    days
}

async fn ask(base: &str, kind: Kind) -> Answer {
    let symbol = Symbol::new(SYMBOL).unwrap();
    let request = Request { symbol, kind };
    let key = Key::new("PAID1").unwrap();
    let target = request.target(Some(&key));
    let secrets = Secrets::at("/nowhere");
    let client = Client::new(&["127.0.0.0/8".into()], &secrets).unwrap();
    let mut answer = client
        .get(&format!("{base}{}", target.reveal()))
        .await
        .unwrap();
    let mut body = Vec::new();
    while let Some(chunk) = answer.chunk().await.unwrap() {
        body.extend_from_slice(&chunk);
    }
    match classify(&request, Some(&key), 200, &Headers::default(), &body) {
        Verdict::Data(answer) => *answer,
        other => panic!("{request}: {other:?}"),
    }
}

//! How fast answers are judged, for `make bench-providers` (bench/providers.py).
//!
//!     foresail-bench-providers write FOLDER      writes answers as large as they come
//!     foresail-bench-providers classify FOLDER   judges them, and the golden ones, and prints JSON

use std::error::Error;
use std::fmt::Write;
use std::fs;
use std::path::Path;
use std::time::Instant;

use foresail_domain::Symbol;
use foresail_providers::request::{ChartInterval, Kind, Minutes, Month, Size, Window};
use foresail_providers::{Answer, Headers, Request, Verdict, classify};
use jiff::ToSpan;
use jiff::civil::{Date, date};
use serde_json::{Value, json};

#[allow(dead_code, clippy::unwrap_used)]
#[path = "../tests/answers/cases.rs"]
mod cases;

type Result<T> = std::result::Result<T, Box<dyn Error>>;

const SYMBOL: &str = "IBM";
const ROUNDS: u32 = 20;

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["write", folder] => write(Path::new(folder)),
        ["classify", folder] => judge(Path::new(folder)),
        _ => Err("write FOLDER, or classify FOLDER".into()),
    }
}

/// Name, what is asked for, and what makes the answer.
type Large = (&'static str, Kind, fn() -> String);

/// Answers as large as they come.
fn large() -> [Large; 4] {
    let chart = |interval| Kind::Chart {
        interval,
        window: Window::Max,
    };
    let minutes = Kind::Intraday {
        interval: Minutes::One,
        month: Month::new(2025, 12),
    };
    [
        (
            "alpha_vantage-days",
            Kind::Daily(Size::Full),
            alpha_vantage_days,
        ),
        ("alpha_vantage-minutes", minutes, alpha_vantage_minutes),
        ("yahoo-days", chart(ChartInterval::Day), yahoo_days),
        (
            "yahoo-minutes",
            chart(ChartInterval::OneMinute),
            yahoo_minutes,
        ),
    ]
}

fn write(folder: &Path) -> Result<()> {
    fs::create_dir_all(folder)?;
    for (name, _, body) in large() {
        fs::write(folder.join(name).with_extension("json"), body())?;
    }
    Ok(())
}

fn judge(folder: &Path) -> Result<()> {
    let headers = Headers::from_iter([("date", "Sat, 10 Jan 2026 03:00:00 GMT")]);
    let mut results = Vec::new();
    for (name, kind, _) in large() {
        let body = fs::read(folder.join(name).with_extension("json"))?;
        let symbol = Symbol::new(SYMBOL)?;
        let request = Request { symbol, kind };
        let measured = || sums(&classify(&request, None, 200, &headers, &body));
        results.push(result(name, body.len(), 1, measured));
    }
    let golden = cases::cases();
    let bytes = golden.iter().map(|case| case.body.len()).sum();
    let all = || {
        let verdicts = golden.iter().map(|case| case.verdict_of(&case.body));
        verdicts
            .map(|verdict| sums(&verdict))
            .fold((0, 0.0), |a, b| (a.0 + b.0, a.1 + b.1))
    };
    results.push(result("golden", bytes, golden.len(), all));
    println!("{}", Value::from(results));
    Ok(())
}

/// Rows of a verdict, and the sum of their numbers.
fn sums(verdict: &Verdict) -> (usize, f64) {
    let Verdict::Data(answer) = verdict else {
        return (0, 0.0);
    };
    let Answer::Series(series) = &**answer else {
        return (0, 0.0);
    };
    let numbers = series.rows.iter();
    let sum =
        numbers.map(|row| row.open + row.high + row.low + row.close + row.volume.unwrap_or(0.0));
    (series.rows.len(), sum.sum())
}

/// The best and the median of many rounds.
fn result(name: &str, bytes: usize, bodies: usize, measured: impl Fn() -> (usize, f64)) -> Value {
    let mut seconds = Vec::new();
    let mut found = (0, 0.0);
    for _ in 0..ROUNDS {
        let start = Instant::now();
        found = std::hint::black_box(measured());
        seconds.push(start.elapsed().as_secs_f64());
    }
    seconds.sort_by(f64::total_cmp);
    let (rows, sum) = found;
    json!({
        "name": name, "bytes": bytes, "bodies": bodies, "rows": rows, "sum": sum, "rounds": ROUNDS,
        "best": seconds.first(), "seconds": seconds.get(seconds.len() / 2),
    })
}

/// A price that moves without a pattern, with so many decimals.
fn price(at: u32, step: u32) -> f64 {
    let moved = at.wrapping_mul(2_654_435_761).wrapping_add(step) >> 16;
    150.0 + f64::from(at % 977) / 10.0 + f64::from(moved % 997) / 1e4
}

fn alpha_vantage(size: &str, interval: Option<&str>, rows: impl Iterator<Item = String>) -> String {
    let mut head = vec![("Information", "Prices (open, high, low, close) and Volumes")];
    head.extend([("Symbol", "IBM"), ("Last Refreshed", "2026-01-09")]);
    head.extend(interval.map(|interval| ("Interval", interval)));
    head.extend([("Output Size", size), ("Time Zone", "US/Eastern")]);
    let mut body = "{\n    \"Meta Data\": {\n".to_owned();
    for (at, (name, text)) in head.iter().enumerate() {
        let end = if at + 1 < head.len() { "," } else { "" };
        let _ = writeln!(body, "        \"{}. {name}\": \"{text}\"{end}", at + 1);
    }
    let _ = write!(
        body,
        "    }},\n    \"Time Series ({})\": {{",
        interval.unwrap_or("Daily")
    );
    for (at, row) in rows.enumerate() {
        let before = if at == 0 { "" } else { "," };
        let at = u32::try_from(at).unwrap_or(0);
        let (open, close) = (price(at, 1), price(at, 2));
        let (high, low) = (open.max(close) + 1.0, open.min(close) - 1.0);
        let _ = write!(
            body,
            "{before}\n        \"{row}\": {{\n            \"1. open\": \"{open:.4}\",\n            \"2. high\": \"{high:.4}\",\n            \
             \"3. low\": \"{low:.4}\",\n            \"4. close\": \"{close:.4}\",\n            \"5. volume\": \"{}\"\n        }}",
            4_000_000 + at * 13
        );
    }
    body.push_str("\n    }\n}");
    body
}

fn alpha_vantage_days() -> String {
    let days = (0..7300).map(|back| date(2026, 1, 9) - back.days());
    let is_weekday = |day: &Date| day.weekday().to_monday_zero_offset() < 5;
    alpha_vantage(
        "Full size",
        None,
        days.filter(is_weekday).map(|day| day.to_string()),
    )
}

fn alpha_vantage_minutes() -> String {
    let days = (1..=31).rev().map(|day| date(2025, 12, day));
    let minutes = days.flat_map(|day| {
        (4 * 60..20 * 60)
            .rev()
            .map(move |minute| format!("{day} {:02}:{:02}:00", minute / 60, minute % 60))
    });
    alpha_vantage("Full size", Some("1min"), minutes)
}

/// The first second of a session of New York in winter, some days before the end of 2025, and its length.
fn session(days_before: i64) -> (i64, i64) {
    (1_767_105_000 - 86_400 * days_before, 390 * 60)
}

fn yahoo_days() -> String {
    let stamps = (0..5040).rev().map(|back| session(back).0);
    yahoo(&stamps.collect::<Vec<_>>(), "1d", "")
}

/// The days that one answer holds.
fn yahoo_minutes() -> String {
    let sessions = [7, 6, 5, 4, 1, 0].map(session);
    let minutes = sessions
        .iter()
        .flat_map(|(start, length)| (*start..start + length).step_by(60));
    let hours = sessions.map(|(start, length)| format!("[{}]", period(start, start + length)));
    let periods = format!(",\"tradingPeriods\":[{}]", hours.join(","));
    yahoo(&minutes.collect::<Vec<_>>(), "1m", &periods)
}

fn period(start: i64, end: i64) -> String {
    format!("{{\"timezone\":\"EST\",\"start\":{start},\"end\":{end},\"gmtoffset\":-18000}}")
}

/// Rows at these seconds, as 32-bit floats printed long; `more` follows in the head.
fn yahoo(stamps: &[i64], granularity: &str, more: &str) -> String {
    let rows = u32::try_from(stamps.len()).unwrap_or(u32::MAX);
    let column = |value: &dyn Fn(u32) -> f64| {
        let values = (0..rows).map(|at| format!("{:?}", f64::from(value(at) as f32)));
        values.collect::<Vec<_>>().join(",")
    };
    let stamps: Vec<_> = stamps.iter().map(i64::to_string).collect();
    let stamps = stamps.join(",");
    let (open, close) = (|at| price(at, 1), |at| price(at, 2));
    let high = column(&|at| open(at).max(close(at)) + 1.0);
    let low = column(&|at| open(at).min(close(at)) - 1.0);
    let (open, close) = (column(&open), column(&close));
    let volume = (0..rows).map(|at| (4_000_000 + at * 13).to_string());
    let volume = volume.collect::<Vec<_>>().join(",");
    let (start, length) = session(0);
    let [pre, regular, post] = [
        (start, start),
        (start, start + length),
        (start + length, start + length),
    ]
    .map(|(start, end)| period(start, end));
    format!(
        "{{\"chart\":{{\"result\":[{{\"meta\":{{\"currency\":\"USD\",\"symbol\":\"{SYMBOL}\",\"exchangeName\":\"NYQ\",\
         \"fullExchangeName\":\"NYSE\",\"instrumentType\":\"EQUITY\",\"firstTradeDate\":-252322200,\"regularMarketTime\":{},\
         \"hasPrePostMarketData\":true,\"gmtoffset\":-18000,\"timezone\":\"EST\",\
         \"exchangeTimezoneName\":\"America/New_York\",\"regularMarketPrice\":200.0,\"priceHint\":2,\
         \"currentTradingPeriod\":{{\"pre\":{pre},\"regular\":{regular},\"post\":{post}}}{more},\
         \"dataGranularity\":\"{granularity}\",\"range\":\"max\",\"validRanges\":[\"1d\",\"5d\",\"1mo\",\"max\"]}},\
         \"timestamp\":[{stamps}],\"indicators\":{{\"quote\":[{{\"open\":[{open}],\
         \"high\":[{high}],\"low\":[{low}],\"close\":[{close}],\"volume\":[{volume}]}}],\"adjclose\":[{{\"adjclose\":[{close}]}}]}}}}],\
         \"error\":null}}}}",
        start + length
    )
}

//! How fast answers are judged: `cargo run --release -p foresail-providers --example foresail-bench-providers`.
//! Prints MB/s (10^6 bytes) of the best of ten rounds, on answers as large as they come.

use std::fmt::Write;
use std::time::Instant;

use foresail_domain::Symbol;
use foresail_providers::request::{ChartInterval, Kind, Minutes, Month, Size, Window};
use foresail_providers::{Answer, Headers, Request, Verdict, classify};
use jiff::ToSpan;
use jiff::civil::{Date, date};

const ROUNDS: u32 = 10;

fn main() {
    let headers = Headers::from_iter([("date", "Sat, 10 Jan 2026 03:00:00 GMT")]);
    let window = Window::Max;
    let intraday = Kind::Intraday {
        interval: Minutes::One,
        month: Month::new(2025, 12),
    };
    let chart = |interval| Kind::Chart { interval, window };
    for (name, kind, body) in [
        (
            "alpha vantage, 20 years",
            Kind::Daily(Size::Full),
            alpha_vantage_days(),
        ),
        (
            "alpha vantage, a month of minutes",
            intraday,
            alpha_vantage_minutes(),
        ),
        (
            "yahoo, 20 years",
            chart(ChartInterval::Day),
            yahoo(5040, 86_400, "1d"),
        ),
        (
            "yahoo, a week of minutes",
            chart(ChartInterval::OneMinute),
            yahoo(10_000, 60, "1m"),
        ),
    ] {
        let symbol = Symbol::new("IBM").unwrap_or_else(|error| unreachable!("{error}"));
        let request = Request { symbol, kind };
        let mut best = f64::INFINITY;
        let mut rows = 0;
        for _ in 0..ROUNDS {
            let start = Instant::now();
            let verdict = classify(&request, None, 200, &headers, body.as_bytes());
            best = best.min(start.elapsed().as_secs_f64());
            rows = match verdict {
                Verdict::Data(answer) => match *answer {
                    Answer::Series(series) => series.rows.len(),
                    _ => 0,
                },
                _ => 0,
            };
        }
        let megabytes = body.len() as f64 / 1e6;
        println!(
            "{name}: {rows} rows, {megabytes:.2} MB, {:.2} ms, {:.0} MB/s",
            best * 1e3,
            megabytes / best
        );
    }
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

fn yahoo(rows: u32, step: i64, granularity: &str) -> String {
    let column = |value: &dyn Fn(u32) -> f64| {
        let values = (0..rows).map(|at| format!("{:?}", f64::from(value(at) as f32)));
        values.collect::<Vec<_>>().join(",")
    };
    let stamps = (0..rows).map(|at| (1_767_364_200 - step * i64::from(rows - at)).to_string());
    let stamps = stamps.collect::<Vec<_>>().join(",");
    let (open, close) = (|at| price(at, 1), |at| price(at, 2));
    let high = column(&|at| open(at).max(close(at)) + 1.0);
    let low = column(&|at| open(at).min(close(at)) - 1.0);
    let (open, close) = (column(&open), column(&close));
    let volume = (0..rows).map(|at| (4_000_000 + at * 13).to_string());
    let volume = volume.collect::<Vec<_>>().join(",");
    format!(
        "{{\"chart\":{{\"result\":[{{\"meta\":{{\"currency\":\"USD\",\"symbol\":\"IBM\",\"exchangeTimezoneName\":\"America/New_York\",\
         \"dataGranularity\":\"{granularity}\"}},\"timestamp\":[{stamps}],\"indicators\":{{\"quote\":[{{\"open\":[{open}],\
         \"high\":[{high}],\"low\":[{low}],\"close\":[{close}],\"volume\":[{volume}]}}],\"adjclose\":[{{\"adjclose\":[{close}]}}]}}}}],\
         \"error\":null}}}}"
    )
}

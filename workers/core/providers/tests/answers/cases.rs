//! The golden bodies with what was asked and what is expected, and verdicts as text.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use foresail_domain::Symbol;
use foresail_providers::request::{ChartInterval, Kind, Minutes, Month, Size, Window};
use foresail_providers::verdict::{Basis, Listed};
use foresail_providers::*;

/// A line of the table.
#[derive(Clone, Debug)]
pub struct Case {
    /// The body's path below the folder.
    pub name: String,
    /// What was asked.
    pub request: Request,
    /// Status of the answer.
    pub status: u16,
    /// Its headers.
    pub headers: Headers,
    /// Its body.
    pub body: Vec<u8>,
    /// The verdict as text.
    pub expected: String,
}

impl Case {
    /// The verdict over another body in the place of this one.
    pub fn verdict_of(&self, body: &[u8]) -> Verdict {
        classify(&self.request, None, self.status, &self.headers, body)
    }
}

/// The folder of the bodies.
pub fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/providers")
}

/// All lines of the table. A line whose body is not there fails.
pub fn cases() -> Vec<Case> {
    let table = fs::read_to_string(folder().join("verdicts.txt")).unwrap();
    let lines = table.lines().filter(|line| !line.starts_with('#'));
    lines.map(case).collect()
}

/// Paths of all bodies that lie in the folder.
pub fn bodies() -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for provider in fs::read_dir(folder()).unwrap() {
        let provider = provider.unwrap().path();
        if provider.is_dir() {
            for body in fs::read_dir(&provider).unwrap() {
                let body = body.unwrap().path();
                let name = body.strip_prefix(folder()).unwrap();
                found.insert(name.to_str().unwrap().to_owned());
            }
        }
    }
    found
}

fn case(line: &str) -> Case {
    let parts: Vec<&str> = line.split(" | ").collect();
    let [name, asked, status, headers, expected] = parts[..] else {
        panic!("five parts are between ` | `: {line}");
    };
    let body = fs::read(folder().join(name)).unwrap_or_else(|error| panic!("{name}: {error}"));
    let headers = headers.split("; ").filter_map(|pair| pair.split_once(": "));
    Case {
        name: name.to_owned(),
        request: request(asked),
        status: status.parse().unwrap(),
        headers: headers.collect(),
        body,
        expected: expected.to_owned(),
    }
}

/// Kinds by their names in the table.
fn kinds(month: Option<Month>) -> BTreeMap<String, Kind> {
    let chart = |interval| Kind::Chart {
        interval,
        window: Window::Year,
    };
    let intraday = |interval| Kind::Intraday { interval, month };
    let mut kinds: BTreeMap<String, Kind> = [
        ("daily-compact", Kind::Daily(Size::Compact)),
        ("daily-full", Kind::Daily(Size::Full)),
        ("daily-adjusted-compact", Kind::DailyAdjusted(Size::Compact)),
        ("daily-adjusted-full", Kind::DailyAdjusted(Size::Full)),
        ("intraday-1min", intraday(Minutes::One)),
        ("intraday-5min", intraday(Minutes::Five)),
        ("splits", Kind::Splits),
        ("dividends", Kind::Dividends),
    ]
    .map(|(name, kind)| (name.to_owned(), kind))
    .into();
    for interval in [
        ChartInterval::OneMinute,
        ChartInterval::FiveMinutes,
        ChartInterval::FifteenMinutes,
        ChartInterval::Hour,
        ChartInterval::Day,
        ChartInterval::Quarter,
    ] {
        kinds.insert(format!("chart-{}", interval.as_str()), chart(interval));
    }
    kinds
}

fn request(asked: &str) -> Request {
    let mut words = asked.split(' ');
    let (kind, symbol) = (words.next().unwrap(), words.next().unwrap());
    let month = words.next().map(|month| {
        let (year, month) = month.split_once('-').unwrap();
        Month::new(year.parse().unwrap(), month.parse().unwrap()).unwrap()
    });
    Request {
        symbol: Symbol::new(symbol).unwrap(),
        kind: kinds(month)[kind],
    }
}

/// A verdict as it stands in the table.
pub fn text(verdict: &Verdict) -> String {
    let reason = verdict.reason();
    let rest = match verdict {
        Verdict::Data(answer) => return answer_text(answer),
        Verdict::Burst { wait } => format!("{}", wait.as_secs()),
        Verdict::NotEntitled { instead: Some(to) } => {
            let kinds = kinds(None);
            let (name, _) = kinds.iter().find(|(_, kind)| **kind == to.kind).unwrap();
            format!("then {name}")
        }
        Verdict::OutOfReach { reach_days } => reach_days.to_string(),
        Verdict::WindowTooWide { widest_days } => widest_days.to_string(),
        Verdict::Refused { wait } => match wait {
            Some(Wait::For(wait)) => format!("{}s", wait.as_secs()),
            Some(Wait::Until(at)) => format!("until {at}"),
            None => String::new(),
        },
        Verdict::Malformed(fault) => fault.reason().to_owned(),
        _ => String::new(),
    };
    format!("{reason} {rest}").trim_end().to_owned()
}

fn answer_text(answer: &Answer) -> String {
    match answer {
        Answer::Series(series) => series_text(series),
        Answer::Splits(list) => list_text("Splits", list, |s| format!("{} {}", s.date, s.ratio)),
        Answer::Dividends(list) => {
            list_text("Dividends", list, |d| format!("{} {}", d.ex_date, d.amount))
        }
    }
}

fn ends(items: &[String]) -> String {
    match (items.first(), items.last()) {
        (Some(first), Some(last)) => format!("; first {first}; last {last}"),
        _ => String::new(),
    }
}

fn list_text<T>(name: &str, list: &Listed<T>, item: impl Fn(&T) -> String) -> String {
    let items: Vec<String> = list.items.iter().map(item).collect();
    let count = items.len();
    let (ends, dropped) = (ends(&items), &list.dropped);
    format!("{name} {count}{ends}; dropped {dropped}")
}

/// A row as it stands in the table.
pub fn row_text(row: &Row) -> String {
    let start = row.start.map(|start| format!("@{start}"));
    let volume = row.volume.map_or("-".to_owned(), |v| v.to_string());
    let (date, start) = (row.date, start.unwrap_or_default());
    let (open, high, low, close) = (row.open, row.high, row.low, row.close);
    format!("{date}{start} {open} {high} {low} {close} {volume}")
}

fn series_text(series: &Series) -> String {
    let rows: Vec<String> = series.rows.iter().map(row_text).collect();
    let mut text = format!("Data {}{}", rows.len(), ends(&rows));
    let mut add = |name: &str, value: String| {
        if !value.is_empty() {
            text.push_str(&format!("; {name}{value}"));
        }
    };
    let some = |count: u64| Some(count).filter(|c| *c > 0).map(|c| c.to_string());
    let live = series.rows.iter().filter(|row| !row.is_final).count() as u64;
    let of_rows = |value: fn(&Row) -> f64, usual| {
        let values = series.rows.iter().map(value).filter(|v| *v != usual);
        values.map(|v| v.to_string()).collect::<Vec<_>>().join(", ")
    };
    let paid = |list: &Listed<Dividend>| {
        let paid = list.items.iter().map(|d| {
            let currency = d.currency.map_or("-".to_owned(), |c| c.to_string());
            format!("{} {} {currency}", d.ex_date, d.amount)
        });
        paid.collect::<Vec<_>>().join(", ")
    };
    let splits = series.splits.items.iter();
    let splits: Vec<String> = splits.map(|s| format!("{} {}", s.date, s.ratio)).collect();
    let drops = |drops: &Drops| {
        if drops.total() == 0 {
            String::new()
        } else {
            drops.to_string()
        }
    };
    add("dropped ", series.dropped.to_string());
    add("widened ", some(series.widened).unwrap_or_default());
    add("live ", some(live).unwrap_or_default());
    add("row splits ", of_rows(|row| row.split_factor, 1.0));
    add("row dividends ", of_rows(|row| row.dividend, 0.0));
    add(
        "",
        if series.is_compact {
            "compact".into()
        } else {
            String::new()
        },
    );
    let is_adjusted = series.basis == Basis::SplitAdjusted;
    add(
        "",
        if is_adjusted {
            "adjusted".into()
        } else {
            String::new()
        },
    );
    add("", series.currency.map_or(String::new(), |c| c.to_string()));
    add("splits ", splits.join(", "));
    add("split drops ", drops(&series.splits.dropped));
    add("dividends ", paid(&series.dividends));
    add("dividend drops ", drops(&series.dividends.dropped));
    add("gains ", paid(&series.capital_gains));
    text
}

//! Files of bars that are parts of sessions, as vendors write them.

#![allow(clippy::unwrap_used)]

use std::io::Read;

use foresail_bars::{Checker, Described, RowOutcome, Simulator, in_order};
use foresail_crds::RoleError;
use foresail_crds::worker_config::IngestConfig;
use foresail_domain::{Bar, BarGrid, Interval, Span, TradingCalendar};
use jiff::Timestamp;
use jiff::civil::{Date, date};
use jiff::tz::TimeZone;
use serde_json::{Value, json};

const NOW: i64 = 1_740_000_000_000;
/// A whole day, a holiday, and a half day.
const FROM: Date = date(2024, 11, 27);
const TO: Date = date(2024, 11, 29);

fn config(interval: &str, csv: &Value) -> IngestConfig {
    let mut source = json!({"interval": interval, "csv": {"uri": "http://host/f.csv"}});
    for (key, value) in csv.as_object().unwrap() {
        source["csv"][key] = value.clone();
    }
    serde_json::from_value(json!({
        "pipeline": {"namespace": "n", "name": "p"},
        "instruments": [{"symbol": "X"}, {"symbol": "Y"}],
        "calendar": "XNYS",
        "source": source,
        "kafka": {"bootstrapServers": "k:9092", "topicPrefix": ""}
    }))
    .unwrap()
}

/// Bars, and reasons of what was refused.
type Outcome = Result<(Vec<Bar>, Vec<&'static str>), RoleError>;

fn read(file: &str, interval: &str, csv: &Value) -> Outcome {
    let config = config(interval, csv);
    let described = Described::new(&config, config.source.csv.clone().unwrap());
    let open = || Ok(Box::new(file.as_bytes()) as Box<dyn Read + Send>);
    let mut checker = Checker::new(&config, "csv")?;
    let (mut bars, mut refused) = (Vec::new(), Vec::new());
    for row in in_order(open, &described, tempfile::tempfile)? {
        match checker.check(&row?, NOW) {
            RowOutcome::Bar(bar, _) => bars.push(bar),
            RowOutcome::Refused(refusal) => refused.push(refusal.reason),
            RowOutcome::OutOfScope => refused.push("OutOfScope"),
        }
    }
    Ok((bars, refused))
}

fn grid(interval: &str) -> BarGrid {
    BarGrid::new(TradingCalendar::Xnys, Interval::named(interval).unwrap())
}

fn spans(interval: &str) -> Vec<Span> {
    let grid = grid(interval);
    let days = grid.calendar().sessions(FROM, TO).collect::<Vec<_>>();
    days.into_iter().flat_map(|day| grid.session(day)).collect()
}

fn close(place: usize) -> String {
    format!("{}.{:02}", 40 + place % 7, place % 100)
}

/// A file of one symbol with its rows stamped by `stamp`.
fn file(header: &str, interval: &str, stamp: impl Fn(Span) -> String) -> String {
    let mut text = format!("{header}\n");
    for (place, span) in spans(interval).into_iter().enumerate() {
        text.push_str(&format!("{},{},100\n", stamp(span), close(place)));
    }
    text
}

fn local(ms: i64, form: &str) -> String {
    let zone = TimeZone::get("America/New_York").unwrap();
    let at = Timestamp::from_millisecond(ms).unwrap().to_zoned(zone);
    at.strftime(form).to_string()
}

/// Every bar is there, with its close, and nothing was refused.
fn holds(found: &Outcome, interval: &str) {
    let (bars, refused) = found.as_ref().unwrap();
    assert_eq!(refused.len(), 0, "{refused:?}");
    let ends: Vec<i64> = spans(interval).iter().map(|span| span.end).collect();
    assert_eq!(
        bars.iter().map(|bar| bar.event_time).collect::<Vec<_>>(),
        ends
    );
    for (place, bar) in bars.iter().enumerate() {
        assert_eq!(bar.interval.as_str(), interval);
        assert_eq!(format!("{:.2}", bar.close), close(place));
    }
}

#[test]
fn stamps_of_starts_and_of_ends_in_many_forms_are_the_same_bars() {
    type Form = fn(i64) -> String;
    let forms: [(&str, Form); 8] = [
        ("Datetime,Close,Volume", |ms| {
            local(ms, "%Y-%m-%d %H:%M:%S%:z")
        }),
        ("timestamp,close,volume", |ms| {
            local(ms, "%Y-%m-%d %H:%M:%S")
        }),
        ("date,close,volume", |ms| local(ms, "%m/%d/%Y %H:%M")),
        ("<DATE>,<TIME>,<CLOSE>,<VOL>", |ms| {
            local(ms, "%Y%m%d,%H%M%S")
        }),
        ("Date,Time,Close,Volume", |ms| {
            local(ms, "%d.%m.%Y,%-I:%M %p")
        }),
        ("time,close,volume", |ms| (ms / 1_000).to_string()),
        ("Open time,Close,Volume", |ms| ms.to_string()),
        ("Date,Close,Volume", |ms| {
            Timestamp::from_millisecond(ms).unwrap().to_string()
        }),
    ];
    for interval in ["1m", "5m", "15m", "30m", "1h"] {
        for (header, form) in forms {
            let symbol = json!({"symbol": "X"});
            let starts = file(header, interval, |span| form(span.start));
            holds(&read(&starts, interval, &symbol), interval);
            let ends = file(header, interval, |span| form(span.end));
            let declared = json!({"symbol": "X", "dialect": {"stamp": "End"}});
            holds(&read(&ends, interval, &declared), interval);
        }
    }
}

#[test]
fn newest_first_and_by_symbol_and_repeated_rows() {
    let whole = file("Datetime,Close,Volume", "5m", |span| {
        local(span.start, "%Y-%m-%d %H:%M:%S")
    });
    let (header, rows) = whole.split_once('\n').unwrap();
    let mut rows: Vec<&str> = rows.lines().collect();
    rows.reverse();
    let falling = format!("{header}\n{}\n", rows.join("\n"));
    holds(&read(&falling, "5m", &json!({"symbol": "X"})), "5m");
    // The first row is written again with another close: the last one counts.
    let repeated = format!(
        "{whole}{}\n",
        rows.last().unwrap().replace("40.00", "41.00")
    );
    let (bars, refused) = read(&repeated, "5m", &json!({"symbol": "X"})).unwrap();
    assert_eq!(
        refused,
        ["OutOfOrder"],
        "a stray row is refused where the file is in order"
    );
    assert_eq!(bars.len(), spans("5m").len());
}

#[test]
fn what_is_on_no_bar_says_where_it_lies() {
    let mut text = file("time,close,volume", "5m", |span| {
        (span.start / 1_000).to_string()
    });
    for (stamp, reason) in [
        // Thanksgiving; before the open; after the early close; between two bars; tomorrow; no time.
        ("2024-11-28T15:00:00Z", "OffSession"),
        ("2024-11-29T14:00:00Z", "OffHours"),
        ("2024-11-29T18:00:00Z", "OffHours"),
        ("2024-11-29T17:02:00Z", "OffGrid"),
        ("2999-01-02T15:00:00Z", "InTheFuture"),
        ("2024-11-29", "BadDate"),
    ] {
        let seconds = stamp.parse::<Timestamp>().map(Timestamp::as_second);
        let written = seconds.map_or_else(|_| stamp.to_owned(), |s| s.to_string());
        text.push_str(&format!("{written},50,1\n"));
        let (bars, refused) = read(&text, "5m", &json!({"symbol": "X"})).unwrap();
        assert_eq!(refused.last(), Some(&reason), "{stamp}");
        assert_eq!(bars.len(), spans("5m").len());
    }
}

#[test]
fn a_file_of_another_interval_is_named() {
    let minutes = |interval| {
        file("Datetime,Close,Volume", interval, |span| {
            local(span.start, "%Y-%m-%d %H:%M:%S")
        })
    };
    let error = |file: &str, interval| {
        let error = read(file, interval, &json!({"symbol": "X"})).unwrap_err();
        assert_eq!(error.reason, "IntervalDoesNotFit", "{error}");
        error.message
    };
    let fine = error(&minutes("1m"), "5m");
    assert!(
        fine.contains("60 seconds apart") && fine.contains("source.interval to 1m"),
        "{fine}"
    );
    let coarse = error(&minutes("15m"), "1m");
    assert!(coarse.contains("source.interval to 15m"), "{coarse}");
    let daily = error(&minutes("15m"), "1d");
    assert!(daily.contains("rows of each symbol and session"), "{daily}");
    let mut days = "Date,Close,Volume\n".to_owned();
    for day in TradingCalendar::Xnys.sessions(date(2024, 1, 2), TO) {
        days.push_str(&format!("{day},40,100\n"));
    }
    let dates = error(&days, "1m");
    assert!(dates.contains("without a time of day"), "{dates}");
}

#[test]
fn a_bar_that_has_begun_is_unfinished() {
    let config = config("5m", &json!({"symbol": "X"}));
    let described = Described::new(&config, config.source.csv.clone().unwrap());
    let file =
        "time,close\n2024-11-27T15:00:00Z,40\n2024-11-27T15:05:00Z,41\n2024-11-27T15:10:00Z,42\n";
    let open = || Ok(Box::new(file.as_bytes()) as Box<dyn Read + Send>);
    let now: Timestamp = "2024-11-27T15:07:00Z".parse().unwrap();
    let mut checker = Checker::new(&config, "csv").unwrap();
    let rows = in_order(open, &described, tempfile::tempfile).unwrap();
    let reasons: Vec<&str> = rows
        .map(
            |row| match checker.check(&row.unwrap(), now.as_millisecond()) {
                RowOutcome::Refused(refusal) => refusal.reason,
                _ => "Good",
            },
        )
        .collect();
    assert_eq!(reasons, ["Good", "Unfinished", "InTheFuture"]);
}

#[test]
fn the_simulator_makes_every_bar_of_every_interval() {
    for interval in Interval::ALL {
        let config: IngestConfig = {
            let mut config = config(interval.as_str(), &json!({}));
            config.source.csv = None;
            let market =
                json!({"seed": 3, "start": "2024-11-26", "sessions": 3, "splitEverySessions": 2});
            config.source.simulator = Some(serde_json::from_value(market).unwrap());
            config
        };
        let grid = config.bar_grid();
        let symbols = ["X".to_owned(), "Y".to_owned()];
        let spec = config.source.simulator.clone().unwrap();
        let rows = Simulator::new(&spec, &symbols, &grid).unwrap();
        let mut checker = Checker::new(&config, "simulator").unwrap();
        let mut ends = Vec::new();
        for row in rows {
            match checker.check(&row, NOW) {
                RowOutcome::Bar(bar, _) if bar.symbol == "X" => ends.push(bar.event_time),
                RowOutcome::Bar(..) => {}
                other => panic!("{other:?}"),
            }
        }
        let days = ["2024-11-26", "2024-11-27", "2024-11-29"].map(|day| day.parse().unwrap());
        let expected: Vec<i64> = days
            .into_iter()
            .flat_map(|day: Date| grid.session(day))
            .map(|span| span.end)
            .collect();
        assert_eq!(ends, expected, "{interval}");
    }
}

//! Files as people of the trade have them, one of each kind that was once refused without saying why, or read wrongly
//! without a word.

#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::io::{Read, Write};

use flate2::Compression;
use flate2::write::GzEncoder;
use foresail_bars::{Checker, Described, RowOutcome, in_order, unpacked};
use foresail_crds::RoleError;
use foresail_crds::worker_config::IngestConfig;
use foresail_domain::{Bar, TradingCalendar};
use jiff::civil::{Date, date};
use serde_json::{Value, json};

const NOW: i64 = 1_700_000_000_000;
const SESSIONS: usize = 1_500;

/// Date, open, high, low, close in cents, and volume.
type Row = (Date, [u64; 4], u64);

/// Sessions of one symbol from 2015 on.
fn market(calendar: TradingCalendar) -> Vec<Row> {
    let mut state = 7u64;
    let mut next = move |choices: u64| {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) % choices
    };
    let sessions = calendar.sessions(date(2015, 1, 2), Date::MAX);
    let mut close = 5_022;
    let row = |date| {
        let open = close;
        close = (close + next(200)).saturating_sub(99).max(1_000);
        let (high, low) = (open.max(close) + next(50), open.min(close) - next(50));
        (date, [open, high, low, close], 10_000 + next(2_000_000))
    };
    sessions.take(SESSIONS).map(row).collect()
}

fn xnys() -> Vec<Row> {
    market(TradingCalendar::Xnys)
}

fn price(cents: u64) -> String {
    format!("{}.{:02}", cents / 100, cents % 100)
}

const HEADER: &str = "Date,Open,High,Low,Close,Volume";

/// A plain line.
fn line((date, prices, volume): &Row) -> String {
    let [open, high, low, close] = prices.map(price);
    format!("{date},{open},{high},{low},{close},{volume}")
}

fn file(header: &str, rows: &[Row], line: impl Fn(&Row) -> String) -> String {
    let lines: Vec<String> = rows.iter().map(line).collect();
    format!("{header}\n{}\n", lines.join("\n"))
}

/// What became of the rows of a file.
struct Outcome {
    bars: Vec<Bar>,
    refused: BTreeMap<&'static str, Vec<String>>,
    told: usize,
}

impl Outcome {
    fn count(&self, reason: &str) -> usize {
        self.refused.get(reason).map_or(0, Vec::len)
    }

    /// The bars of these rows and no other, and nothing refused.
    fn is(&self, rows: &[Row]) {
        assert!(self.refused.is_empty(), "{:?}", self.refused);
        self.holds(rows);
    }

    fn holds(&self, rows: &[Row]) {
        let closes = |closes: Vec<f64>| closes;
        let found = closes(self.bars.iter().map(|bar| bar.close).collect());
        let expected = rows.iter().map(|row| price(row.1[3]).parse().unwrap());
        assert_eq!(found, closes(expected.collect()));
    }
}

fn config(csv: &Value, calendar: TradingCalendar) -> IngestConfig {
    serde_json::from_value(json!({
        "pipeline": {"namespace": "n", "name": "p"},
        "instruments": [{"symbol": "ACME"}],
        "calendar": calendar,
        "source": {"csv": csv},
        "kafka": {"bootstrapServers": "k:9092", "topicPrefix": ""}
    }))
    .unwrap()
}

fn read_on(bytes: &[u8], more: Value, calendar: TradingCalendar) -> Result<Outcome, RoleError> {
    let mut csv = json!({"uri": "http://host/f.csv", "symbol": "ACME"});
    for (name, value) in more.as_object().unwrap() {
        csv[name] = value.clone();
    }
    let config = config(&csv, calendar);
    let described = Described::new(&config, config.source.csv.clone().unwrap());
    let open = || Ok(unpacked(bytes).unwrap() as Box<dyn Read + Send>);
    let mut checker = Checker::new(&config, "csv")?;
    let mut found = Outcome {
        bars: Vec::new(),
        refused: BTreeMap::new(),
        told: 0,
    };
    for row in in_order(open, &described, tempfile::tempfile)? {
        match checker.check(&row?, NOW) {
            RowOutcome::Bar(bar, notes) => {
                found.told += usize::from(notes.suspicion.is_some());
                found.bars.push(bar);
            }
            RowOutcome::Refused(refusal) => {
                let messages = found.refused.entry(refusal.reason).or_default();
                messages.push(refusal.message);
            }
            RowOutcome::OutOfScope => panic!("every row is of the symbol"),
        }
    }
    Ok(found)
}

fn read(text: impl AsRef<[u8]>) -> Outcome {
    read_on(text.as_ref(), json!({}), TradingCalendar::Xnys).unwrap()
}

fn error(bytes: &[u8]) -> RoleError {
    let read = read_on(bytes, json!({}), TradingCalendar::Xnys);
    let error = read.err().unwrap();
    assert!(error.message.chars().count() < 1_000, "{error}");
    assert!(!error.message.contains(char::is_control), "{error}");
    error
}

#[test]
fn a_history_with_zero_splits() {
    let rows = xnys();
    let header = "Date,Open,High,Low,Close,Volume,Dividends,Stock Splits";
    let text = file(header, &rows, |row| {
        let plain = line(row);
        let (date, rest) = plain.split_once(',').unwrap();
        format!("{date} 00:00:00-05:00,{rest},0.0,0.0")
    });
    let columns = json!({"columns": {"splitFactor": "Stock Splits", "dividend": "Dividends"}});
    let found = read_on(text.as_bytes(), columns, TradingCalendar::Xnys).unwrap();
    found.is(&rows);
    assert!(found.bars.iter().all(|bar| bar.split_factor == 1.0));
}

#[test]
fn a_high_below_the_close_in_the_last_bit() {
    let rows = xnys();
    let mut moved = 0;
    let text = file(HEADER, &rows, |(date, [open, high, low, close], volume)| {
        // Each price is adjusted on its own.
        let adjusted = |cents: &u64| *cents as f64 * 0.812_345_678_9 / 100.0;
        let (high, top) = (adjusted(high.min(close)), adjusted(close));
        let high = high.max(adjusted(open)).max(top).next_down();
        format!(
            "{date},{},{high},{},{top},{volume}",
            adjusted(open).min(high),
            adjusted(low)
        )
    });
    let found = read(&text);
    for bar in &found.bars {
        moved += u64::from(bar.high == Some(bar.close));
    }
    assert_eq!((found.bars.len(), moved > 100), (SESSIONS, true));
}

#[test]
fn dollar_signs_and_dates_of_the_united_states_newest_first() {
    let rows = xnys();
    let text = file(
        "Date,Close/Last,Volume,Open,High,Low",
        &rows.iter().rev().copied().collect::<Vec<_>>(),
        |(date, prices, volume)| {
            let [open, high, low, close] = prices.map(|cents| format!("${}", price(cents)));
            let date = date.strftime("%m/%d/%Y");
            format!("{date},{close},{volume},{open},{high},{low}")
        },
    );
    read(&text).is(&rows);
}

#[test]
fn months_by_name_thousands_and_volumes_in_short() {
    let rows: Vec<Row> = xnys()
        .into_iter()
        .map(|(date, cents, volume)| (date, cents.map(|c| c * 40), volume / 10_000 * 10_000))
        .collect();
    let text = file(
        "\u{feff}\"Date\",\"Price\",\"Open\",\"High\",\"Low\",\"Vol.\",\"Change %\"",
        &rows.iter().rev().copied().collect::<Vec<_>>(),
        |(date, prices, volume)| {
            let grouped = |cents: u64| {
                format!(
                    "{},{:03}.{:02}",
                    cents / 100_000,
                    cents / 100 % 1_000,
                    cents % 100
                )
            };
            let [open, high, low, close] = prices.map(grouped);
            let volume = match volume {
                0..1_000_000 => format!("{}.00K", volume / 1_000),
                _ => format!("{}.{:02}M", volume / 1_000_000, volume / 10_000 % 100),
            };
            let date = date.strftime("%b %d, %Y");
            format!(
                "\"{date}\",\"{close}\",\"{open}\",\"{high}\",\"{low}\",\"{volume}\",\"-1.11%\""
            )
        },
    );
    let columns = json!({"columns": {"close": "Price", "volume": "Vol."}});
    let found = read_on(text.as_bytes(), columns, TradingCalendar::Xnys).unwrap();
    found.is(&rows);
    let volumes = found.bars.iter().zip(&rows);
    assert!(
        volumes
            .clone()
            .all(|(bar, row)| bar.volume == Some(row.2 as f64))
    );
}

#[test]
fn newest_first() {
    let rows = xnys();
    let newest: Vec<Row> = rows.iter().rev().copied().collect();
    read(file("timestamp,open,high,low,close,volume", &newest, line)).is(&rows);
}

/// Lines in which every `each`th volume is a word.
fn with_words(rows: &[Row], each: usize, words: &[&str]) -> String {
    let mut text = format!("{HEADER}\n");
    let mut words = words.iter().cycle();
    for (i, row) in rows.iter().enumerate() {
        let plain = line(row);
        let (prices, volume) = plain.rsplit_once(',').unwrap();
        let volume = if i % each == 0 {
            words.next().unwrap()
        } else {
            volume
        };
        text.push_str(&format!("{prices},{volume}\n"));
    }
    text
}

const WORDS: [&str; 18] = [
    "", "null", "NaN", "nan", "NA", "N/A", "n/a", "None", "none", "#N/A", "-", "--", ".", "NULL",
    "<NA>", "nil", "∅", " ",
];

#[test]
fn a_dash_for_no_volume() {
    let rows = xnys();
    for each in [1, 3] {
        let found = read(with_words(&rows, each, &["-"]));
        found.is(&rows);
        let missing = found.bars.iter().filter(|bar| bar.volume.is_none());
        assert_eq!(missing.count(), SESSIONS / each);
    }
}

#[test]
fn every_word_for_nothing() {
    let rows = xnys();
    let found = read(with_words(&rows, SESSIONS / WORDS.len() + 1, &WORDS));
    found.is(&rows);
    let missing = found.bars.iter().filter(|bar| bar.volume.is_none());
    assert_eq!(missing.count(), WORDS.len());
    let mut text = format!("{HEADER}\n");
    for (word, row) in WORDS.iter().zip(&rows) {
        text.push_str(&format!("{},{word},{word},{word},{word},{word}\n", row.0));
    }
    for row in &rows[WORDS.len()..] {
        text.push_str(&format!("{}\n", line(row)));
    }
    let found = read(&text);
    assert_eq!(found.bars.len(), SESSIONS - WORDS.len());
    assert_eq!(found.count("MissingClose"), WORDS.len());
    assert_eq!(found.refused.len(), 1);
}

#[test]
fn the_same_day_twice() {
    let rows = xnys();
    let (last, before) = rows.split_last().unwrap();
    let within = (last.0, [last.1[0], last.1[1], last.1[2], last.1[2]], 1_000);
    let mut all = before.to_vec();
    all.extend([within, *last]);
    let found = read(file(HEADER, &all, line));
    found.holds(&rows);
    assert_eq!((found.count("Superseded"), found.refused.len()), (1, 1));
}

#[test]
fn half_hours_as_daily_bars() {
    let mut text = format!("{HEADER}\n");
    for (date, prices, volume) in &xnys()[..400] {
        for half_hour in 0..13 {
            let time = date.at(9, 30, 0, 0) + jiff::Span::new().minutes(half_hour * 30);
            let [open, high, low, close] = prices.map(price);
            let time = time.strftime("%Y-%m-%d %H:%M:%S");
            text.push_str(&format!("{time},{open},{high},{low},{close},{volume}\n"));
        }
    }
    let error = error(text.as_bytes());
    assert_eq!(error.reason, "IntervalDoesNotFit");
    assert!(
        error.message.contains("13 rows of each symbol and session"),
        "{error}"
    );
}

#[test]
fn rows_of_weekends_and_holidays() {
    let rows = xnys();
    let mut filled = Vec::new();
    let mut day = rows[0].0;
    let mut sessions = rows.iter().peekable();
    let mut close = 0;
    while let Some(next) = sessions.peek() {
        if next.0 == day {
            close = next.1[3];
            filled.push(*sessions.next().unwrap());
        } else {
            filled.push((day, [close; 4], 0));
        }
        day = day.tomorrow().unwrap();
    }
    let found = read(file(HEADER, &filled, line));
    found.holds(&rows);
    assert_eq!(found.count("OffSession"), filled.len() - SESSIONS);
    // On the other way round: days of a coin on the calendar of an exchange, and on its own.
    let coin = market(TradingCalendar::AlwaysOpen);
    let text = file(HEADER, &coin, line);
    let found = read(&text);
    assert!(found.count("OffSession") > SESSIONS / 4);
    assert_eq!(found.count("OffSession") + found.bars.len(), SESSIONS);
    let always = read_on(text.as_bytes(), json!({}), TradingCalendar::AlwaysOpen);
    always.unwrap().is(&coin);
    let leap = coin.iter().any(|row| row.0 == date(2016, 2, 29));
    assert!(leap);
}

#[test]
fn line_ends_encodings_delimiters_and_packing() {
    let rows = xnys();
    let plain = file(HEADER, &rows, line);
    read(plain.replace('\n', "\r")).is(&rows);
    read(plain.replace('\n', "\r\n")).is(&rows);
    let units = format!("\u{feff}{plain}");
    let utf16: Vec<u8> = units.encode_utf16().flat_map(u16::to_le_bytes).collect();
    read(&utf16).is(&rows);
    let semicolons = plain.replace(',', ";").replace('.', ",");
    read(&semicolons).is(&rows);
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(plain.as_bytes()).unwrap();
    read(encoder.finish().unwrap()).is(&rows);
    read(zstd::encode_all(plain.as_bytes(), 3).unwrap()).is(&rows);
}

#[test]
fn a_comma_too_many_or_a_column_too_few() {
    let rows = xnys();
    let trailing = file(HEADER, &rows, |row| format!("{},", line(row)));
    read(&trailing).is(&rows);
    let header = file(&format!("{HEADER},"), &rows, line);
    read(&header).is(&rows);
    let mut short = format!("{HEADER}\n");
    for (i, row) in rows.iter().enumerate() {
        let plain = line(row);
        let cut = plain.rsplit_once(',').unwrap().0;
        short.push_str(if i % 50 == 0 { cut } else { &plain });
        short.push('\n');
    }
    let found = read(&short);
    assert_eq!(found.count("Unreadable"), SESSIONS / 50);
    assert_eq!(found.bars.len(), SESSIONS - SESSIONS / 50);
}

#[test]
fn pence_then_pounds() {
    let rows = xnys();
    let times = |row: &Row, factor: u64| (row.0, row.1.map(|cents| cents * factor), row.2);
    let spiked: Vec<Row> = (rows.iter().enumerate())
        .map(|(i, row)| times(row, if i % 400 == 399 { 100 } else { 1 }))
        .collect();
    let found = read(file(HEADER, &spiked, line));
    assert_eq!((found.count("SuspectedUnit"), found.told), (3, 0));
    let said = &found.refused["SuspectedUnit"][0];
    assert!(said.contains("times those before"), "{said}");
    let switched: Vec<Row> = (rows.iter().enumerate())
        .map(|(i, row)| times(row, if i < 900 { 100 } else { 1 }))
        .collect();
    let found = read(file(HEADER, &switched, line));
    assert_eq!((found.count("SuspectedUnit"), found.told), (2, 1));
}

#[test]
fn what_is_no_table_is_named() {
    let page = "<!DOCTYPE html>\n<html lang=\"en\"><head><title>Too many requests</title></head>\n</html>\n";
    let document = format!("{{\"Information\": \"{}\"}}", "limit ".repeat(1 << 16));
    for (bytes, word) in [
        (page.as_bytes(), "HTML"),
        (document.as_bytes(), "JSON"),
        (b"[{\"date\": \"2020-01-02\"}]", "JSON"),
        (b"", "empty"),
        (b"PK\x03\x04\x14\0\0\0", "zip"),
    ] {
        let error = error(bytes);
        assert_eq!(error.reason, "NoTable", "{error}");
        assert!(error.message.contains(word), "{error}");
    }
    let header_alone = read(format!("{HEADER}\n"));
    assert!(header_alone.bars.is_empty() && header_alone.refused.is_empty());
}

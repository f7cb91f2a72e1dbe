//! A market, and the ways in which people write it down.

#![allow(dead_code, clippy::unwrap_used)]

use std::io::{Read, Write};

use flate2::Compression;
use flate2::write::GzEncoder;
use foresail_bars::{Checker, Described, RowOutcome, in_order, unpacked};
use foresail_crds::RoleError;
use foresail_crds::pipeline::spec::CsvSource;
use foresail_crds::worker_config::IngestConfig;
use foresail_domain::{Bar, TradingCalendar};
use rand::Rng;
use rand::seq::IndexedRandom;
use rand_chacha::ChaCha8Rng;
use serde_json::json;

const NOW: i64 = 1_700_000_000_000;
pub const SYMBOLS: [&str; 2] = ["ACME", "BRK.B"];

/// A row before it is written: prices in cents.
#[derive(Clone)]
pub struct Row {
    pub symbol: &'static str,
    pub date: jiff::civil::Date,
    pub cents: [u64; 4],
    pub volume: Option<u64>,
}

/// Sessions of both symbols.
pub fn market(random: &mut ChaCha8Rng, sessions: usize) -> Vec<Row> {
    let mut date = jiff::civil::date(2019, 12, 2);
    let mut rows = Vec::new();
    // Prices of three to eight digits, so that thousands are divided.
    let mut cents = 10u64.pow(random.random_range(3..7)) + 1_234;
    for _ in 0..sessions {
        for symbol in SYMBOLS {
            cents = (cents as f64 * random.random_range(0.95..1.05)) as u64 + 1;
            let (low, high) = (cents * 97 / 100, cents * 103 / 100 + 1);
            let open = random.random_range(low..=high);
            let volume =
                (random.random_range(0..10) > 0).then(|| random.random_range(0..90_000) * 1_000);
            rows.push(Row {
                symbol,
                date,
                cents: [open, high, low, cents],
                volume,
            });
        }
        date = TradingCalendar::Xnys.next_session(date);
    }
    rows
}

/// How a file is written.
#[derive(Debug)]
pub struct Written {
    delimiter: char,
    decimal: char,
    grouped: bool,
    currency: &'static str,
    quoted: bool,
    date: usize,
    nothing: &'static str,
    short_volume: bool,
    before: usize,
    behind: bool,
    end: &'static str,
    newest_first: bool,
    names: usize,
    encoding: usize,
    pub packing: usize,
    layout: usize,
}

const NAMES: [[&str; 7]; 4] = [
    ["symbol", "date", "open", "high", "low", "close", "volume"],
    [
        "Ticker",
        "Date",
        "Open",
        "High",
        "Low",
        "Close/Last",
        "Vol.",
    ],
    [
        "<TICKER>",
        "<DTYYYYMMDD>",
        "<OPEN>",
        "<HIGH>",
        "<LOW>",
        "<CLOSE>",
        "<VOL>",
    ],
    [
        "Symbol",
        "timestamp",
        "1. open",
        "2. high",
        "3. low",
        "4. close",
        "5. volume",
    ],
];
const DATES: usize = 16;
const ENCODINGS: usize = 7;
/// A row for each bar, fields above symbols, symbols above fields, and the same without names of the levels.
const LAYOUTS: usize = 4;

impl Written {
    pub fn new(random: &mut ChaCha8Rng) -> Self {
        let decimal = *['.', ','].choose(random).unwrap();
        let grouped = random.random();
        // A date such as `Dec 15, 2020`, a decimal comma and thousands need quotes between commas.
        Self {
            delimiter: *[',', ';', '\t', '|'].choose(random).unwrap(),
            decimal,
            grouped,
            currency: ["", "$", "€"].choose(random).unwrap(),
            quoted: true,
            date: random.random_range(0..DATES),
            nothing: ["", "-", "N/A", "null", "--", "#N/A", "NaN", "∅", " "]
                .choose(random)
                .unwrap(),
            short_volume: random.random(),
            before: random.random_range(0..3),
            behind: random.random(),
            end: ["\n", "\r\n", "\r"].choose(random).unwrap(),
            newest_first: random.random(),
            names: random.random_range(0..NAMES.len()),
            encoding: random.random_range(0..ENCODINGS),
            packing: random.random_range(0..3),
            layout: random.random_range(0..LAYOUTS),
        }
    }

    /// One whose lines can be taken apart and put together as bytes.
    pub fn lines_of_bytes(random: &mut ChaCha8Rng) -> Self {
        Self {
            packing: 0,
            encoding: 0,
            end: "\n",
            ..Self::new(random)
        }
    }

    /// Lines of these rows, without those of the header.
    pub fn line_count(&self, rows: &[Row]) -> usize {
        self.lines(rows).1.len()
    }

    fn number(&self, whole: u64, fraction: Option<u64>) -> String {
        let mut text = whole.to_string();
        if self.grouped {
            let sign = if self.decimal == '.' { ',' } else { '.' };
            let mut at = text.len();
            while at > 3 {
                at -= 3;
                text.insert(at, sign);
            }
        }
        if let Some(fraction) = fraction {
            text.push(self.decimal);
            text.push_str(&format!("{fraction:02}"));
        }
        text
    }

    fn date(&self, date: jiff::civil::Date) -> String {
        let form = [
            "%Y-%m-%d",
            "%Y/%m/%d",
            "%Y%m%d",
            "%m/%d/%Y",
            "%d/%m/%Y",
            "%d.%m.%Y",
            "%b %d, %Y",
            "%d-%b-%Y",
            "%Y-%m-%d 00:00:00-05:00",
            "%Y-%m-%dT00:00:00.000Z",
            "%a %b %d %Y 00:00:00 GMT+0900 (Japan Standard Time)",
            "%d-%b-%y",
            "%m/%d/%Y 4:00 PM",
        ];
        let end = TradingCalendar::Xnys.session_end(date);
        match self.date.checked_sub(form.len()) {
            None => date.strftime(form[self.date]).to_string(),
            Some(0) => (end / 1_000).to_string(),
            Some(1) => end.to_string(),
            // The evening of the exchange is the next day in UTC.
            Some(_) => {
                let evening = jiff::Timestamp::from_millisecond(end).unwrap();
                (evening + jiff::Span::new().hours(4)).to_string()
            }
        }
    }

    /// Prices and volume.
    fn fields(&self, row: &Row) -> Vec<String> {
        let prices = row.cents.map(|cents| {
            format!(
                "{}{}",
                self.currency,
                self.number(cents / 100, Some(cents % 100))
            )
        });
        let volume = match row.volume {
            None => self.nothing.to_owned(),
            Some(volume) if self.short_volume && volume > 0 => {
                format!("{}K", self.number(volume / 1_000, None))
            }
            Some(volume) => self.number(volume, None),
        };
        prices.into_iter().chain([volume]).collect()
    }

    /// The header, and the lines of the rows.
    fn lines(&self, rows: &[Row]) -> (Vec<String>, Vec<String>) {
        if self.layout == 0 {
            let row = |row: &Row| {
                let mut columns = vec![row.symbol.to_owned(), self.date(row.date)];
                columns.extend(self.fields(row));
                self.line(&columns)
            };
            let header = self.line(&NAMES[self.names].map(str::to_owned));
            return (vec![header], rows.iter().map(row).collect());
        }
        let names = &NAMES[self.names][2..];
        let label = |text: &str| {
            if self.layout == 3 {
                String::new()
            } else {
                text.to_owned()
            }
        };
        let (mut fields, mut symbols) = (vec![label("Price")], vec![label("Ticker")]);
        let mut dates = vec!["Date".to_owned()];
        for symbol in SYMBOLS {
            fields.extend(names.iter().map(|name| (*name).to_owned()));
            symbols.extend(names.iter().map(|_| symbol.to_owned()));
            dates.extend(names.iter().map(|_| String::new()));
        }
        let mut header = vec![fields, symbols];
        if self.layout == 2 {
            header.reverse();
        }
        header.push(dates);
        let beside = |rows: &[Row]| {
            let mut columns = vec![self.date(rows[0].date)];
            columns.extend(rows.iter().flat_map(|row| self.fields(row)));
            self.line(&columns)
        };
        let header = header.iter().map(|columns| self.line(columns)).collect();
        (header, rows.chunks(SYMBOLS.len()).map(beside).collect())
    }

    fn line(&self, columns: &[String]) -> String {
        let quote = |text: &String| {
            if self.quoted && text.contains([',', ';', ' ', '\t', '|']) {
                format!("\"{text}\"")
            } else {
                text.clone()
            }
        };
        let mut line = columns
            .iter()
            .map(quote)
            .collect::<Vec<_>>()
            .join(&self.delimiter.to_string());
        if self.behind {
            line.push(self.delimiter);
        }
        line
    }

    pub fn file(&self, rows: &[Row]) -> Vec<u8> {
        let mut lines = vec!["Report of the day", "sep=;", ""][..self.before]
            .iter()
            .map(|l| (*l).to_owned())
            .collect::<Vec<_>>();
        let (header, mut rows) = self.lines(rows);
        lines.extend(header);
        if self.newest_first {
            rows.reverse();
        }
        lines.extend(rows);
        let text = lines.join(self.end) + self.end;
        let text = text.as_str();
        let utf16 = |text: &str, bytes: fn(u16) -> [u8; 2]| {
            text.encode_utf16().flat_map(bytes).collect::<Vec<u8>>()
        };
        let marked = format!("\u{feff}{text}");
        let bytes = match self.encoding {
            0 => text.as_bytes().to_vec(),
            1 => marked.into_bytes(),
            2 => utf16(text, u16::to_le_bytes),
            3 => utf16(text, u16::to_be_bytes),
            4 => utf16(&marked, u16::to_le_bytes),
            5 => utf16(&marked, u16::to_be_bytes),
            // Windows-1252 has no sign for nothing of its own.
            _ => encoding_rs::WINDOWS_1252
                .encode(&text.replace('∅', ""))
                .0
                .into_owned(),
        };
        match self.packing {
            0 => return bytes,
            1 => return zstd::encode_all(bytes.as_slice(), 1).unwrap(),
            _ => {}
        }
        let mut packed = GzEncoder::new(Vec::new(), Compression::fast());
        packed.write_all(&bytes).unwrap();
        packed.finish().unwrap()
    }
}

/// A source that says nothing of its file.
pub fn spec() -> CsvSource {
    serde_json::from_value(json!({"uri": "http://host/f.csv"})).unwrap()
}

/// Both symbols.
pub fn config() -> IngestConfig {
    serde_json::from_value(json!({
        "pipeline": {"namespace": "n", "name": "p"},
        "instruments": SYMBOLS.map(|symbol| json!({"symbol": symbol})),
        "calendar": "XNYS",
        "source": {"csv": spec()},
        "kafka": {"bootstrapServers": "k:9092", "topicPrefix": ""}
    }))
    .unwrap()
}

/// Bars of a file, and what was refused.
pub type Outcome = Result<(Vec<Bar>, Vec<String>), RoleError>;

/// Reads a file of which nothing is said.
pub fn read(file: &[u8]) -> Outcome {
    read_as(file, &Described::new(&config(), spec()))
}

/// Reads a file that is described.
pub fn read_as(file: &[u8], described: &Described) -> Outcome {
    let open = || Ok(unpacked(file).unwrap() as Box<dyn Read + Send>);
    let mut checker = Checker::new(&config(), "csv")?;
    let (mut bars, mut refused) = (Vec::new(), Vec::new());
    for (position, row) in in_order(open, described, tempfile::tempfile)?.enumerate() {
        let row = row?;
        assert_eq!(row.position, position as u64);
        match checker.check(&row, NOW) {
            RowOutcome::Bar(bar, _) => bars.push(bar),
            RowOutcome::Refused(refusal) => refused.push(refusal.message),
            RowOutcome::OutOfScope => refused.push("out of scope".into()),
        }
    }
    bars.sort_by(|a, b| (&a.symbol, a.event_time).cmp(&(&b.symbol, b.event_time)));
    Ok((bars, refused))
}

/// Symbol, end of the session, prices and volume.
pub type Numbers = (String, i64, [f64; 4], Option<f64>);

/// What rows are once they are read.
pub fn expected(rows: &[Row]) -> Vec<Numbers> {
    let mut all: Vec<_> = rows
        .iter()
        .map(|row| {
            let prices = row.cents.map(|cents| {
                format!("{}.{:02}", cents / 100, cents % 100)
                    .parse()
                    .unwrap()
            });
            let end = TradingCalendar::Xnys.session_end(row.date);
            (
                row.symbol.to_owned(),
                end,
                prices,
                row.volume.map(|v| v as f64),
            )
        })
        .collect();
    all.sort_by(|a, b| (&a.0, a.1).cmp(&(&b.0, b.1)));
    all
}

/// What bars are.
pub fn found(bars: Vec<Bar>) -> Vec<Numbers> {
    bars.into_iter()
        .map(|bar| {
            let prices = [
                bar.open.unwrap(),
                bar.high.unwrap(),
                bar.low.unwrap(),
                bar.close,
            ];
            (bar.symbol, bar.event_time, prices, bar.volume)
        })
        .collect()
}

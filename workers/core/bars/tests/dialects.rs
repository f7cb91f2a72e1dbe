//! The same bars, written as people write them in 2,000 ways, are the same bars when they are read.

#![allow(clippy::unwrap_used)]

use std::io::{Read, Write};

use flate2::Compression;
use flate2::write::GzEncoder;
use foresail_bars::{Checker, RowOutcome, in_order, unpacked};
use foresail_crds::RoleError;
use foresail_crds::pipeline::spec::CsvSource;
use foresail_crds::worker_config::IngestConfig;
use foresail_domain::{Bar, TradingCalendar};
use rand::seq::{IndexedRandom, SliceRandom};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde_json::json;

const NOW: i64 = 1_700_000_000_000;
const SYMBOLS: [&str; 2] = ["ACME", "BRK.B"];
const DIALECTS: u64 = 2_000;

/// A row before it is written: prices in cents.
#[derive(Clone)]
struct Row {
    symbol: &'static str,
    date: jiff::civil::Date,
    cents: [u64; 4],
    volume: Option<u64>,
}

fn market(random: &mut ChaCha8Rng) -> Vec<Row> {
    let mut date = jiff::civil::date(2019, 12, 2);
    let mut rows = Vec::new();
    // Prices of three to eight digits, so that thousands are divided.
    let mut cents = 10u64.pow(random.random_range(3..7)) + 1_234;
    for _ in 0..40 {
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
struct Written {
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
    gzip: bool,
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
const DATES: usize = 9;
const ENCODINGS: usize = 7;

impl Written {
    fn new(random: &mut ChaCha8Rng) -> Self {
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
            gzip: random.random(),
        }
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
        ];
        date.strftime(form[self.date]).to_string()
    }

    fn row(&self, row: &Row) -> String {
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
        let mut columns = vec![row.symbol.to_owned(), self.date(row.date)];
        columns.extend(prices);
        columns.push(volume);
        self.line(&columns)
    }

    fn line(&self, columns: &[String]) -> String {
        let quote = |text: &String| {
            if self.quoted && text.contains([',', ';', ' ']) {
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

    fn file(&self, rows: &[Row]) -> Vec<u8> {
        let mut lines = vec!["Report of the day", "sep=;", ""][..self.before]
            .iter()
            .map(|l| (*l).to_owned())
            .collect::<Vec<_>>();
        lines.push(self.line(&NAMES[self.names].map(str::to_owned)));
        let mut rows: Vec<String> = rows.iter().map(|row| self.row(row)).collect();
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
        if !self.gzip {
            return bytes;
        }
        let mut packed = GzEncoder::new(Vec::new(), Compression::fast());
        packed.write_all(&bytes).unwrap();
        packed.finish().unwrap()
    }
}

fn spec() -> CsvSource {
    serde_json::from_value(json!({"uri": "http://host/f.csv"})).unwrap()
}

fn config() -> IngestConfig {
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
fn read(file: &[u8]) -> Result<(Vec<Bar>, Vec<String>), RoleError> {
    let open = || Ok(unpacked(file).unwrap() as Box<dyn Read + Send>);
    let mut checker = Checker::new(&config(), "csv")?;
    let (mut bars, mut refused) = (Vec::new(), Vec::new());
    for row in in_order(open, &spec(), tempfile::tempfile)? {
        match checker.check(&row?, NOW) {
            RowOutcome::Bar(bar, _) => bars.push(bar),
            RowOutcome::Refused(refusal) => refused.push(refusal.message),
            RowOutcome::OutOfScope => refused.push("out of scope".into()),
        }
    }
    bars.sort_by(|a, b| (&a.symbol, a.event_time).cmp(&(&b.symbol, b.event_time)));
    Ok((bars, refused))
}

fn expected(rows: &[Row]) -> Vec<(String, i64, [f64; 4], Option<f64>)> {
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

fn found(bars: Vec<Bar>) -> Vec<(String, i64, [f64; 4], Option<f64>)> {
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

#[test]
fn a_file_in_any_dialect_reads_back_equal() {
    for seed in 0..DIALECTS {
        let mut random = ChaCha8Rng::seed_from_u64(seed);
        let (rows, written) = (market(&mut random), Written::new(&mut random));
        let file = written.file(&rows);
        let (bars, refused) = read(&file).unwrap_or_else(|e| panic!("{seed} {written:?}: {e:?}"));
        assert!(refused.is_empty(), "{seed} {written:?}: {refused:?}");
        assert_eq!(found(bars), expected(&rows), "{seed} {written:?}");
    }
}

/// Each result equals the undamaged rows', or is told.
#[test]
fn a_damaged_file_is_never_silently_another_one() {
    for seed in 0..500 {
        let mut random = ChaCha8Rng::seed_from_u64(seed);
        let rows = market(&mut random);
        let mut written = Written::new(&mut random);
        // What is packed has a checksum of its own.
        written.gzip = false;
        let whole = written.file(&rows);
        let mut file = whole.clone();
        let what = random.random_range(0..4);
        match what {
            0 => file.truncate(random.random_range(0..file.len())),
            1 => {
                let at = random.random_range(0..file.len());
                file.splice(at..at, random.random_iter().take(40).collect::<Vec<u8>>());
            }
            2 => (0..5).for_each(|_| {
                let at = random.random_range(0..file.len());
                file[at] = random.random();
            }),
            _ => {
                let mut pieces: Vec<&[u8]> = whole.chunks(whole.len() / 5 + 1).collect();
                pieces.shuffle(&mut random);
                file = pieces.concat();
            }
        }
        // An error tells; a panic fails the test.
        let Ok((bars, _)) = read(&file) else { continue };
        if what == 0 {
            // Of a file that is cut off, every bar but the last row's is one that was written.
            let all = expected(&rows);
            let wrong = bars.iter().filter(|bar| {
                !all.iter().any(|row| {
                    row.0 == bar.symbol && row.1 == bar.event_time && row.2[3] == bar.close
                })
            });
            assert!(wrong.count() <= 1, "{seed} {written:?}");
        }
    }
}

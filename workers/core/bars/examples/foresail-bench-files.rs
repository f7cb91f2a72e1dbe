//! Our side of `make bench-files`: writes a file of daily bars, and reads it as ingest and `evaluate` do. Prints one JSON line.

use std::error::Error;
use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::Path;
use std::time::Instant;

use foresail_bars::{Checker, CsvRows, Described, Fields, RawRow, RowOutcome, in_order};
use foresail_crds::worker_config::IngestConfig;
use foresail_domain::TradingCalendar;
use serde_json::json;

type Result<T> = std::result::Result<T, Box<dyn Error + Send + Sync>>;

/// Bytes of a row, about.
const ROW: u64 = 58;
/// Sessions of each symbol.
const SESSIONS: usize = 12_000;
/// The files end long before.
const NOW: i64 = 4_000_000_000_000;

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let option = |name: &str| {
        let at = arguments.iter().position(|a| a == name)?;
        arguments.get(at + 1).cloned()
    };
    let file = option("--file").ok_or("--file FILE is missing")?;
    let file = Path::new(&file);
    match arguments.first().map(String::as_str) {
        Some("write") => write(
            file,
            option("--bytes").ok_or("--bytes N is missing")?.parse()?,
        ),
        Some("rows") => measure(file, rows),
        Some("ordered") => measure(file, ordered),
        Some("bars") => measure(file, bars),
        _ => Err("write --file FILE --bytes N | rows | ordered | bars --file FILE".into()),
    }
}

/// Random walks of as many symbols as are needed, session after session.
fn write(file: &Path, bytes: u64) -> Result<()> {
    let symbols = (bytes / ROW / SESSIONS as u64).max(1) as usize;
    let mut state = 7u64;
    let mut random = move |below: u64| {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) % below
    };
    let mut closes: Vec<u64> = (0..symbols).map(|_| 2_000 + random(20_000)).collect();
    let part = file.with_extension("part");
    let mut out = BufWriter::with_capacity(1 << 20, File::create(&part)?);
    writeln!(out, "symbol,date,open,high,low,close,volume")?;
    let (mut date, mut written) = (jiff::civil::date(1970, 1, 1), 0);
    while written < bytes {
        date = TradingCalendar::Weekdays.next_session(date);
        for (symbol, close) in closes.iter_mut().enumerate() {
            let open = *close;
            // Back towards where such prices are.
            let drift = if open > 20_000 { 0 } else { 2 };
            *close = (open * (990 + random(20) + drift) / 1_000).max(500);
            let (high, low) = (open.max(*close) + random(90), open.min(*close) - random(90));
            let cents = |price: u64| (price / 100, price % 100);
            let ((o, oc), (h, hc), (l, lc), (c, cc)) =
                (cents(open), cents(high), cents(low), cents(*close));
            let volume = 10_000 + random(10_000_000);
            writeln!(
                out,
                "S{symbol:04},{date},{o}.{oc:02},{h}.{hc:02},{l}.{lc:02},{c}.{cc:02},{volume}"
            )?;
        }
        out.flush()?;
        written = out.get_ref().metadata()?.len();
    }
    drop(out);
    Ok(fs::rename(part, file)?)
}

/// What is compared with the others: rows, and sums of their numbers.
#[derive(Default)]
struct Sums {
    rows: u64,
    prices: f64,
    volumes: f64,
}

impl Sums {
    fn add(&mut self, fields: &Fields) {
        let number = |text: Option<&str>| text.and_then(|t| t.parse::<f64>().ok()).unwrap_or(0.0);
        self.rows += 1;
        let prices = [&fields.open, &fields.high, &fields.low, &fields.close];
        self.prices += prices
            .map(|price| number(price.as_deref()))
            .iter()
            .sum::<f64>();
        self.volumes += number(fields.volume.as_deref());
    }
}

fn measure(file: &Path, read: fn(&Path) -> Result<Sums>) -> Result<()> {
    let start = Instant::now();
    let Sums {
        rows,
        prices,
        volumes,
    } = read(file)?;
    let seconds = start.elapsed().as_secs_f64();
    let bytes = fs::metadata(file)?.len();
    println!(
        "{}",
        json!({"seconds": seconds, "mb_per_s": bytes as f64 / 1e6 / seconds, "rows": rows,
            "sums": [prices, volumes], "peak_rss_mib": peak_rss_mib()?})
    );
    Ok(())
}

fn described() -> Result<Described> {
    let csv = serde_json::from_value(json!({"uri": "http://host/file.csv"}))?;
    Ok(Described::alone(csv))
}

/// Every row with its numbers, as the reader gives them.
fn rows(file: &Path) -> Result<Sums> {
    let mut sums = Sums::default();
    for row in CsvRows::new(File::open(file)?, &described()?)? {
        sums.add(&row?.fields);
    }
    Ok(sums)
}

/// What ingest and `evaluate` read: the order of the file is found first, in a pass of its own, and the last row of a
/// session counts.
fn ordered(file: &Path) -> Result<Sums> {
    let mut sums = Sums::default();
    each(file, |row| sums.add(&row.fields))?;
    Ok(sums)
}

fn each(file: &Path, mut take: impl FnMut(RawRow)) -> Result<()> {
    let bytes = file.to_owned();
    let open = || {
        let failed = |e: io::Error| foresail_crds::RoleError::user("FileUnreadable", e.to_string());
        File::open(&bytes).map_err(failed)
    };
    // The file is in order: nothing is written here.
    let scratch = || Ok(io::Cursor::new(Vec::new()));
    for row in in_order(open, &described()?, scratch)? {
        take(row?);
    }
    Ok(())
}

/// The same, and every row checked and made a bar.
fn bars(file: &Path) -> Result<Sums> {
    let symbols: Vec<_> = (0..10_000)
        .map(|i| json!({"symbol": format!("S{i:04}")}))
        .collect();
    let config: IngestConfig = serde_json::from_value(json!({
        "pipeline": {"namespace": "n", "name": "p"}, "instruments": symbols, "calendar": "Weekdays",
        "source": {"csv": {"uri": "http://host/file.csv"}},
        "kafka": {"bootstrapServers": "k:9092", "topicPrefix": ""}
    }))?;
    let mut checker = Checker::new(&config, "csv")?;
    let mut sums = Sums::default();
    each(file, |row| {
        if let RowOutcome::Bar(bar, _) = checker.check(&row, NOW) {
            sums.rows += 1;
            let prices = [bar.open, bar.high, bar.low, Some(bar.close)];
            sums.prices += prices.into_iter().flatten().sum::<f64>();
            sums.volumes += bar.volume.unwrap_or(0.0);
        }
    })?;
    Ok(sums)
}

/// Most memory this process has had at once.
fn peak_rss_mib() -> Result<f64> {
    let status = fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|l| l.strip_prefix("VmHWM:"));
    let kib = line.and_then(|l| l.split_whitespace().next());
    Ok(kib.ok_or("no VmHWM")?.parse::<f64>()? / 1024.0)
}

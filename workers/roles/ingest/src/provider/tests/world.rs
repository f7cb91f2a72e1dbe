//! Processes that read a simulated market, and die.

use std::collections::{BTreeMap, HashMap};

use foresail_bars::{Checker, RowOutcome};
use foresail_crds::pipeline::status::IngestStatus;
use foresail_crds::records::Refusal;
use foresail_crds::worker_config::IngestConfig;
use foresail_domain::{Bar, Calendar, CalendarOverride, Symbol, TradingCalendar};
use foresail_providers::request::Provider;
use foresail_providers::{Headers, Key, Request, Row, Verdict, classify, same};
use foresail_quota::Level;
use foresail_simulation::{Scenario, Simulation, Traded};
use jiff::Timestamp;
use serde_json::json;

use crate::batch::Progress;
use crate::position::{Position, after, newest_time};
use crate::provider::entry::{Entry, Step};
use crate::provider::harvest::Harvest;
use crate::provider::memory::Memory;
use crate::provider::recent::{Recent, Wanted};
use crate::provider::report;
use crate::provider::review::Review;
use crate::provider::run::start;
use crate::provider::survey::Survey;
use crate::provider::timetable::Timetable;
use crate::provider::traded::{raw, settle};
use crate::provider::wanted::{self, Source};
use crate::reading::Trail;
use crate::testing::{ALL, World};

const KEY: &str = "CANARYKEY0000001";
pub(super) const MARKET: &str = "
seed: 5
start: 2023-01-03
clock: 2024-02-01T22:00:00Z
symbols:
- symbol: IBM
  splits: [{date: 2023-08-01, numerator: 2, denominator: 1}, {date: 2024-02-06, numerator: 3, denominator: 1}]
  dividends: [{date: 2023-05-10, amount: 1.5}, {date: 2024-02-05, amount: 0.25}]
- {symbol: VOD.L, currency: GBp}
- {symbol: BRK-B, volatility: 0.01}
keys: [{key: CANARYKEY0000001, premium: true}]
";
pub(super) const SYMBOLS: [&str; 3] = ["IBM", "VOD.L", "BRK-B"];
pub(super) const PROVIDERS: [Provider; 2] = [Provider::AlphaVantage, Provider::Yahoo];

/// A market, and who reads it.
pub(super) struct Reader {
    pub config: IngestConfig,
    pub source: Source,
    /// Names of all providers that are asked.
    pub names: Vec<&'static str>,
    pub scenario: Scenario,
    simulation: Simulation,
    pub kafka: World,
    /// Rows that are refused with what is sent next.
    pub refused: Vec<(usize, Row, Refusal)>,
    /// Requests so far.
    pub asked: Vec<Request>,
}

/// One process.
pub(super) struct Process {
    pub timetable: Timetable,
    pub entries: Vec<Entry>,
    pub progress: Progress,
    next: u64,
}

pub(super) fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

impl Reader {
    pub(super) fn new(provider: Provider, symbols: &[&str], market: &str) -> Self {
        let scenario = Scenario::read(market).unwrap();
        let instruments = symbols.iter().map(|symbol| json!({"symbol": symbol}));
        let config = json!({
            "pipeline": {"namespace": "n", "name": "p"},
            "instruments": instruments.collect::<Vec<_>>(),
            "calendar": "XNYS",
            "source": {"provider": {"account": "a", "delay": "30m", "poll": "10m"}},
            "kafka": {"bootstrapServers": "k:9092", "topicPrefix": ""}
        });
        Self {
            config: serde_json::from_value(config).unwrap(),
            source: Source {
                provider,
                level: Level::Unknown,
            },
            names: vec![provider.name()],
            simulation: Simulation::new(scenario.clone()),
            scenario,
            kafka: World::new(),
            refused: Vec::new(),
            asked: Vec::new(),
        }
    }

    /// A process that starts with what Kafka holds.
    pub(super) fn start(&self) -> Process {
        let messages = self.kafka.messages();
        let (next, state) = after(&messages);
        let position = Position {
            next,
            state,
            written: 0,
            last_news: newest_time(&messages),
        };
        let name = self.source.provider.name();
        let provider = self.config.source.provider.as_ref().unwrap();
        let timetable = Timetable::new(&self.config, provider).unwrap();
        let symbols = self.config.symbols();
        let wanted = Wanted {
            symbols: &symbols,
            keep: timetable.kept(),
            providers: &self.names,
            timetable: &timetable,
        };
        // As the tail is read: from further and further back.
        let mut recent = Recent::default();
        for from in (0..=messages.len()).rev().step_by(7).chain([0]) {
            recent = Recent::default();
            for message in &messages[from..] {
                wanted.take(&mut recent, message);
            }
            if wanted.is_enough(&recent) {
                break;
            }
        }
        let marks = recent.marks();
        let mut entries = Vec::new();
        for symbol in &symbols {
            let mut entry = Entry::new(Symbol::new(symbol.as_str()).unwrap());
            let memory = recent.memory(symbol, timetable.kept());
            entry.reopen(marks.0.get(symbol).copied(), memory);
            entries.push(entry);
        }
        let checker = Checker::new(&self.config, name).unwrap();
        let started = (start(&position), marks);
        Process {
            timetable,
            entries,
            progress: Progress::new(checker, Trail::new(&self.config), started, name),
            next: 0,
        }
    }

    pub(super) fn ask(&mut self, request: &Request, now: Timestamp) -> Verdict {
        self.asked.push(request.clone());
        let query = request.query();
        let pairs = query.split('&').map(|pair| pair.split_once('=').unwrap());
        let pairs = pairs.chain([("apikey", KEY)]);
        let asked = foresail_simulation::Request {
            path: request.path(),
            query: pairs.map(|(k, v)| (k.to_string(), v.to_string())).collect(),
        };
        let answer = self.simulation.answer(&asked, now, 0);
        let date = now.strftime("%a, %d %b %Y %H:%M:%S GMT").to_string();
        let headers = Headers::from_iter([("date", date)]);
        let (key, body) = (Key::new(KEY), answer.body.as_bytes());
        classify(request, key.as_ref(), answer.status, &headers, body)
    }

    /// A round as the worker makes one; the process dies after so many transactions.
    pub(super) fn round(
        &mut self,
        process: &mut Process,
        now: &str,
        transactions: usize,
    ) -> IngestStatus {
        let now = at(now);
        let ms = now.as_millisecond();
        let mut unknown = Vec::new();
        for (index, entry) in process.entries.iter_mut().enumerate() {
            if !entry.is_due(&process.timetable, ms) {
                continue;
            }
            loop {
                let wanted = wanted::request(entry, &self.source, &process.timetable, ms);
                let Some(request) = wanted else {
                    match settle(entry, &process.timetable, ms) {
                        true => entry.lack = None,
                        false => entry.lacks("NotYet", "it is asked again"),
                    }
                    break;
                };
                let verdict = self.ask(&request, now);
                if let Verdict::Unknown { scrubbed } = &verdict
                    && entry.is_news(scrubbed)
                {
                    unknown.push((index, scrubbed.clone()));
                }
                if entry.take(&request, verdict, ms) == Step::Over {
                    break;
                }
            }
            entry.attempted(ms);
        }
        self.send(process, unknown, (ms, transactions));
        let mut status = IngestStatus::default();
        process.progress.report(&mut status);
        let sum = status.rows_sent + status.rows_quarantined + status.rows_unchanged;
        assert_eq!(
            status.rows_read, sum,
            "read = sent + quarantined + unchanged"
        );
        status
    }

    /// Reads again what is to be read again, as the worker does. Says how many requests that took.
    pub(super) fn review(&mut self, process: &mut Process, now: &str) -> usize {
        let (now, asked) = (at(now), self.asked.len());
        let ms = now.as_millisecond();
        let mut bars = HashMap::new();
        for entry in &mut process.entries {
            entry.review = entry.due_review(&process.timetable, ms);
            let compares = |review: &Review| review.compares(&process.timetable);
            if let Some(review) = entry.review.filter(compares) {
                let from = process.timetable.start(review.from);
                bars.insert(entry.symbol.to_string(), from);
            }
        }
        self.survey(process, bars);
        for entry in &mut process.entries {
            entry.gaps.wait(ms);
            while entry.review.is_some() {
                let wanted = wanted::request(entry, &self.source, &process.timetable, ms);
                let step = match wanted {
                    Some(request) => {
                        let verdict = self.ask(&request, now);
                        entry.take(&request, verdict, ms)
                    }
                    None => {
                        settle(entry, &process.timetable, ms);
                        Step::Over
                    }
                };
                if step == Step::Over {
                    entry.reviewed(&process.timetable, ms);
                }
            }
        }
        self.send(process, Vec::new(), (ms, ALL));
        for entry in &mut process.entries {
            entry.memory.narrow();
        }
        self.asked.len() - asked
    }

    /// Reads all that was sent, as the worker does.
    pub(super) fn survey(&self, process: &mut Process, bars: HashMap<String, i64>) {
        let symbols = self.config.symbols();
        let wanted = Wanted {
            symbols: &symbols,
            keep: process.timetable.kept(),
            providers: &self.names,
            timetable: &process.timetable,
        };
        let mut survey = Survey::new(wanted, bars.clone());
        for message in self.kafka.messages() {
            survey.take(&message);
        }
        let mut found = survey.found();
        for entry in &mut process.entries {
            let Some(found) = found.get_mut(&*entry.symbol) else {
                continue;
            };
            entry.gaps.found(std::mem::take(&mut found.gaps));
            if let Some(from) = bars.get(&*entry.symbol) {
                found.widen(&mut entry.memory, *from);
            }
        }
    }

    pub(super) fn send(
        &mut self,
        process: &mut Process,
        unknown: Vec<(usize, String)>,
        (now, transactions): (i64, usize),
    ) {
        let refused = std::mem::take(&mut self.refused);
        let harvest = Harvest::new(&mut process.entries, unknown, &process.timetable);
        let mut harvest = harvest.with_refused(refused);
        let mut committed = 0;
        loop {
            let known = (process.entries.as_mut_slice(), &process.timetable);
            let counted = (&mut process.progress, &mut process.next);
            let target = (&self.kafka.topics, 0);
            let (mut batch, is_more) = harvest.batch(known, counted, target, now).unwrap();
            batch.close().unwrap();
            let wrote = !batch.records.is_empty();
            if wrote && committed == transactions {
                return;
            }
            committed += usize::from(wrote);
            self.kafka.records.append(&mut batch.records);
            if !is_more {
                return;
            }
        }
    }

    pub(super) fn bars(&self, symbol: &str) -> Vec<Bar> {
        let records = self.kafka.records.iter();
        let records = records.filter(|record| record.topic == self.kafka.topics.bars);
        let bars = records.map(|record| serde_json::from_slice::<Bar>(&record.value).unwrap());
        bars.filter(|bar| bar.symbol == symbol).collect()
    }

    /// The bar of each session as it was sent last.
    pub(super) fn latest(&self, symbol: &str) -> Vec<Bar> {
        let mut latest = BTreeMap::new();
        for bar in self.bars(symbol) {
            let known = latest.get(&bar.event_time);
            let before = known.map(|known: &Bar| known.revision);
            let next = before.map_or(0, |revision| revision + 1);
            assert_eq!(bar.revision, next, "{bar:?}");
            latest.insert(bar.event_time, bar);
        }
        latest.into_values().collect()
    }

    /// Every bar of the market until a time was sent, once, as it was traded.
    fn compare(&self, until: &str) {
        for symbol in self.config.symbols() {
            assert!(self.bars(&symbol).iter().all(|bar| bar.revision == 0));
        }
        self.compare_latest(until);
    }

    /// What was sent last of each bar is what the market knows at a time.
    pub(super) fn compare_latest(&self, until: &str) {
        let until = at(until);
        for symbol in self.config.symbols() {
            let bars = self.latest(&symbol);
            let mut traded = self.scenario.traded(&symbol, until);
            traded.retain(|day| day.end <= until.as_millisecond());
            assert_eq!(bars.len(), traded.len(), "{symbol}");
            for (bar, day) in bars.iter().zip(&traded) {
                compare(bar, day, self.source.provider);
            }
        }
    }

    fn asked_for(&self, symbol: &str) -> usize {
        let of = |request: &&Request| &*request.symbol == symbol;
        self.asked.iter().filter(of).count()
    }
}

/// Alpha Vantage sends what was traded, bit for bit; Yahoo 32-bit floats of what it restated.
pub(super) fn compare(bar: &Bar, day: &Traded, provider: Provider) {
    let [open, high, low, close] = day.prices;
    let expected = Bar {
        event_time: day.end,
        open: Some(open),
        high: Some(high),
        low: Some(low),
        close,
        volume: Some(day.volume),
        split_factor: day.split_factor,
        dividend: day.dividend,
        ..bar.clone()
    };
    match provider {
        Provider::AlphaVantage => assert_eq!(*bar, expected),
        Provider::Yahoo => assert!(same::same(bar, &expected), "{bar:?} and {expected:?}"),
    }
}

#[test]
fn all_bars_arrive_as_they_were_traded_and_each_new_one_once() {
    for provider in PROVIDERS {
        let mut reader = Reader::new(provider, &SYMBOLS, MARKET);
        let mut process = reader.start();
        let first = reader.round(&mut process, "2024-02-02T20:00:00Z", ALL);
        reader.compare("2024-02-02T20:00:00Z");
        assert_eq!(first.rows_unchanged, 0);
        // The dividend, and the split that restates the history of one provider.
        for day in ["02-02", "02-05", "02-06", "02-07"] {
            let before = reader.asked.len();
            let evening = format!("2024-{day}T22:00:00Z");
            reader.round(&mut process, &evening, ALL);
            reader.compare(&evening);
            let expected = if provider == Provider::Yahoo { 3 } else { 9 };
            assert_eq!(reader.asked.len(), before + expected, "{day}");
            // Nothing is due any more.
            reader.round(&mut process, &evening, ALL);
            assert_eq!(reader.asked.len(), before + expected);
        }
        let ibm = reader.bars("IBM");
        let factors = ibm.iter().map(|bar| bar.split_factor);
        assert_eq!(factors.product::<f64>(), 6.0, "{provider:?}");
        let pounds = reader.bars("VOD.L");
        assert!(pounds.iter().all(|bar| bar.close < 1_000.0));
    }
}

#[test]
fn a_process_that_dies_anywhere_loses_and_doubles_nothing() {
    for provider in PROVIDERS {
        for transactions in 0..4 {
            let mut reader = Reader::new(provider, &SYMBOLS, MARKET);
            for evening in ["2024-02-01T22:00:00Z", "2024-02-05T22:00:00Z"] {
                for _ in 0..2 {
                    let mut process = reader.start();
                    reader.round(&mut process, evening, transactions);
                }
                let mut process = reader.start();
                let status = reader.round(&mut process, evening, ALL);
                reader.compare(evening);
                let sent = SYMBOLS.iter().map(|symbol| reader.bars(symbol).len());
                assert_eq!(status.rows_sent, sent.sum::<usize>() as u64);
            }
        }
    }
}

#[test]
fn a_row_that_is_refused_goes_to_quarantine_once() {
    let hole = "- {symbol: LATE, holes: [{date: 2024-02-01}]}\nkeys:";
    let market = MARKET.replace("keys:", hole);
    for provider in PROVIDERS {
        let mut reader = Reader::new(provider, &["LATE"], &market);
        // The market trades on a day that the calendar does not have, and the bar of the next one is late.
        let closed = CalendarOverride {
            date: "2024-01-31".into(),
            closed: Some(true),
            ..CalendarOverride::default()
        };
        reader.config.calendar = Calendar::new(TradingCalendar::Xnys, &[closed]).unwrap();
        let mut process = reader.start();
        let first = reader.round(&mut process, "2024-02-01T22:00:00Z", ALL);
        assert_eq!((first.rows_quarantined, first.refusals.len()), (1, 1));
        assert_eq!(first.refusals[0].reason, "OffSession");
        for minute in 10..15 {
            let now = format!("2024-02-01T22:{minute}:00Z");
            let again = reader.round(&mut process, &now, ALL);
            assert_eq!(again.rows_quarantined, 1, "{provider:?}");
            assert_eq!(again.rows_sent, first.rows_sent);
        }
        assert_eq!(reader.kafka.quarantined(), 1);
        // While nothing is new, only the bars are asked for.
        let begun = if provider == Provider::Yahoo { 1 } else { 3 };
        assert_eq!(reader.asked.len(), begun + 5);
    }
}

#[test]
fn an_answer_of_no_known_kind_is_kept_once_and_without_the_key() {
    let failure = "failures: [{kind: Unknown, symbol: IBM, until: 2024-02-02T00:00:00Z}]\n";
    let market = format!("{MARKET}{failure}");
    let mut reader = Reader::new(Provider::AlphaVantage, &SYMBOLS, &market);
    let mut process = reader.start();
    reader.round(&mut process, "2024-02-01T22:00:00Z", ALL);
    let status = reader.round(&mut process, "2024-02-01T22:10:00Z", ALL);
    assert_eq!(status.rows_quarantined, 1);
    let is_refused = |topic: &str| topic == reader.kafka.topics.quarantine;
    let refused = reader
        .kafka
        .records
        .iter()
        .find(|record| is_refused(&record.topic));
    let text = String::from_utf8(refused.unwrap().value.clone()).unwrap();
    assert!(
        text.contains("UnknownAnswer") && text.contains("moon"),
        "{text}"
    );
    assert!(!text.contains("CANARY"), "{text}");
    assert_eq!(reader.bars("IBM").len(), 0);
    reader.round(&mut process, "2024-02-05T22:00:00Z", ALL);
    reader.compare("2024-02-05T22:00:00Z");
}

#[test]
fn a_symbol_that_nobody_trades_is_left_out_alone() {
    for provider in PROVIDERS {
        let mut reader = Reader::new(provider, &["GONE", "IBM"], MARKET);
        let mut process = reader.start();
        reader.round(&mut process, "2024-02-01T22:00:00Z", ALL);
        assert!(!reader.bars("IBM").is_empty());
        assert_eq!(process.entries[0].lack.as_ref().unwrap().0, "BadSymbol");
        reader.round(&mut process, "2024-02-02T21:59:00Z", ALL);
        assert_eq!(reader.asked_for("GONE"), 1, "not before a day is over");
        reader.round(&mut process, "2024-02-02T22:00:00Z", ALL);
        assert_eq!(reader.asked_for("GONE"), 2);
    }
}

#[test]
fn rows_are_read_with_the_bits_they_were_written_with() {
    let reader = Reader::new(Provider::Yahoo, &SYMBOLS, MARKET);
    let now = at("2024-02-02T00:00:00Z").as_millisecond();
    for price in [
        127.142_501_831_054_69,
        1e-7,
        0.1 + 0.2,
        123_456_789.012_345_67,
    ] {
        let date = jiff::civil::date(2024, 2, 1);
        let row = Row::new(date, None, [price; 4], Some(price));
        let raw = raw("IBM", &row, 7);
        let mut checker = Checker::new(&reader.config, "yahoo").unwrap();
        let RowOutcome::Bar(bar, _) = checker.check(&raw, now) else {
            panic!("{price}: {raw:?}");
        };
        assert_eq!(bar.close.to_bits(), price.to_bits());
        assert_eq!(bar.volume.map(f64::to_bits), Some(price.to_bits()));
        let original: BTreeMap<String, serde_json::Value> =
            serde_json::from_slice(&raw.original).unwrap();
        assert_eq!(
            original["high"].as_f64().map(f64::to_bits),
            Some(price.to_bits())
        );
    }
}

#[test]
fn the_source_is_complete_while_nothing_is_due_and_the_backfill_once_all_was_sent() {
    let mut reader = Reader::new(Provider::Yahoo, &["GONE", "IBM"], MARKET);
    let mut process = reader.start();
    let told = |process: &Process, now: &str| {
        let mut status = IngestStatus::default();
        process.progress.report(&mut status);
        let now = at(now).as_millisecond();
        report::told(&process.entries, &process.timetable, now, &mut status);
        let missing = report::missing(&process.entries, &process.timetable, now);
        let missing: Vec<String> = missing.into_iter().map(|missing| missing.symbol).collect();
        let bars: Vec<String> = status.symbols.into_iter().map(|bars| bars.symbol).collect();
        (
            status.backfill_complete,
            status.source_complete,
            missing,
            bars,
        )
    };
    let names = |names: &[&str]| names.iter().map(ToString::to_string).collect::<Vec<_>>();
    let (evening, next) = ("2024-02-01T22:00:00Z", "2024-02-02T21:45:00Z");
    let all = || names(&["GONE", "IBM"]);
    assert_eq!(told(&process, evening), (false, false, names(&[]), all()));
    reader.round(&mut process, evening, ALL);
    assert_eq!(
        told(&process, evening),
        (true, true, names(&["GONE"]), all())
    );
    assert_eq!(told(&process, next), (true, false, names(&["GONE"]), all()));
    // After a restart nothing was counted of a symbol that has bars, and nobody is to take that for none.
    let process = reader.start();
    let bars = names(&["GONE"]);
    assert_eq!(told(&process, evening), (false, false, names(&[]), bars));
    // Rows that were lost with their transaction were not sent.
    let mut lost = Reader::new(Provider::Yahoo, &["IBM"], MARKET);
    let mut process = lost.start();
    lost.round(&mut process, evening, 0);
    process.entries[0].reopen(None, Memory::empty(5));
    assert!(!told(&process, evening).0);
}

/// Wherever a provider puts the key, no record and no status has it.
#[test]
fn a_key_that_is_echoed_is_kept_nowhere() {
    let failures = r#"failures:
- {kind: Echo, symbol: IBM}
- {kind: EchoError, symbol: VOD.L}
- {kind: Redirect, symbol: BRK-B, location: "http://10.0.0.1/?apikey={key}"}
"#;
    let market = format!("{MARKET}{failures}");
    let mut reader = Reader::new(Provider::AlphaVantage, &SYMBOLS, &market);
    let mut process = reader.start();
    let evening = "2024-02-01T22:00:00Z";
    let status = reader.round(&mut process, evening, ALL);
    assert!(status.rows_quarantined >= 1 && status.rows_sent == 0);
    let now = at(evening).as_millisecond();
    let missing = report::missing(&process.entries, &process.timetable, now);
    assert_eq!(missing.len(), SYMBOLS.len());
    let mut places = vec![
        serde_json::to_string(&status).unwrap(),
        serde_json::to_string(&missing).unwrap(),
        format!("{:?}", process.entries),
    ];
    for record in &reader.kafka.records {
        places.push(String::from_utf8_lossy(&record.value).into_owned());
        places.push(format!("{:?} {:?}", record.key, record.headers));
    }
    let quarantine = &reader.kafka.topics.quarantine;
    let echoed = reader.kafka.records.iter().find(|r| r.topic == *quarantine);
    let echoed = String::from_utf8_lossy(&echoed.unwrap().value).into_owned();
    assert!(
        echoed.contains("moon") && echoed.contains("***"),
        "{echoed}"
    );
    // As it is, and the middle of it within base64.
    let percent: String = KEY.bytes().map(|byte| format!("%{byte:02x}")).collect();
    let forms = [
        "canarykey",
        &percent,
        "q0foqvjzs0v",
        "nbtkfswutf",
        "dqu5bulllrv",
    ];
    for place in &places {
        let place = place.to_lowercase();
        for form in forms {
            assert!(!place.contains(form), "{form}: {place}");
        }
    }
}

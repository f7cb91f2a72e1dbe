//! A second account that confirms bars. Both providers know the same market, one of them with mistakes and holes.

use foresail_domain::Bar;
use foresail_providers::Verdict;
use foresail_providers::request::Provider;
use foresail_quota::Level;

use super::world::{Process, Reader, at};
use crate::provider::entry::Step;
use crate::provider::quorum::{self, Quorum, Said};
use crate::provider::traded::settle;
use crate::provider::wanted::{self, Source};
use crate::testing::ALL;

/// The chart has Wednesday's close of `A` wrong until Friday, lacks Thursday's bar of `B` and one of June, and does not know
/// `HERE`. Both have Monday's close of `C` wrong: one until Thursday, the chart until Friday.
const MARKET: &str = "
seed: 5
start: 2023-01-03
clock: 2024-02-01T22:00:00Z
symbols:
- symbol: A
  splits: [{date: 2024-01-10, numerator: 2, denominator: 1}]
  mistakes: [{date: 2024-01-31, factor: 1.01, until: 2024-02-02T12:00:00Z, provider: Yahoo}]
- symbol: B
  holes: [{date: 2024-02-01, provider: Yahoo}, {date: 2023-06-15, provider: Yahoo}]
- symbol: C
  mistakes: [{date: 2024-01-29, factor: 1.02, until: 2024-02-01T12:00:00Z, provider: AlphaVantage},
    {date: 2024-01-29, factor: 1.02, until: 2024-02-02T12:00:00Z, provider: Yahoo}]
- {symbol: HERE, provider: AlphaVantage}
keys: [{key: CANARYKEY0000001, premium: true}]
";
const WEDNESDAY: &str = "2024-01-31T22:00:00Z";
const THURSDAY: &str = "2024-02-01T22:00:00Z";
const FRIDAY: &str = "2024-02-02T22:00:00Z";

/// A first account, and the one that confirms its bars.
struct Pair {
    reader: Reader,
    second: Quorum,
    source: Source,
}

impl Pair {
    fn new(symbols: &[&str]) -> Self {
        Self::of([Provider::AlphaVantage, Provider::Yahoo], symbols)
    }

    fn of([first, second]: [Provider; 2], symbols: &[&str]) -> Self {
        Self {
            reader: Reader::new(first, symbols, MARKET),
            second: Quorum::new("second", 0.001, symbols.len()),
            source: Source {
                provider: second,
                level: Level::Unknown,
            },
        }
    }

    /// A round as the worker makes one. Says of how many symbols the second account was asked.
    fn round(&mut self, process: &mut Process, now: &str, transactions: usize) -> usize {
        self.round_with(process, now, (true, transactions))
    }

    /// The same with a second account that answers, or does not.
    fn round_with(
        &mut self,
        process: &mut Process,
        now: &str,
        (answers, transactions): (bool, usize),
    ) -> usize {
        let ms = at(now).as_millisecond();
        let mut asked = 0;
        for index in 0..process.entries.len() {
            if !process.entries[index].is_due(&process.timetable, ms) {
                continue;
            }
            self.ask(process, index, now);
            let entry = &mut process.entries[index];
            let Some(review) = quorum::needed(entry, &process.timetable) else {
                continue;
            };
            asked += 1;
            let said = match answers {
                true => {
                    entry.exchange(self.second.own(index).unwrap());
                    review.into_iter().for_each(|review| entry.begin(review));
                    let said = self.closes(process, index, now);
                    let entry = &mut process.entries[index];
                    entry.exchange(self.second.own(index).unwrap());
                    said
                }
                false => Said::Nothing,
            };
            let entry = &mut process.entries[index];
            let judged = (&mut *entry, "first");
            let refused = self
                .second
                .judge(index, judged, &said, (&process.timetable, ms));
            let refused = refused.into_iter().map(|(row, why)| (index, row, why));
            self.reader.refused.extend(refused);
        }
        self.reader.send(process, Vec::new(), (ms, transactions));
        asked
    }

    fn ask(&mut self, process: &mut Process, index: usize, now: &str) {
        let ms = at(now).as_millisecond();
        let entry = &mut process.entries[index];
        loop {
            let source = self.reader.source;
            let Some(request) = wanted::request(entry, &source, &process.timetable, ms) else {
                match settle(entry, &process.timetable, ms) {
                    true => entry.lack = None,
                    false => entry.lacks("NotYet", "it is asked again"),
                }
                break;
            };
            let verdict = self.reader.ask(&request, at(now));
            if entry.take(&request, verdict, ms) == Step::Over {
                break;
            }
        }
        entry.attempted(ms);
    }

    fn closes(&mut self, process: &mut Process, index: usize, now: &str) -> Said {
        let ms = at(now).as_millisecond();
        let entry = &mut process.entries[index];
        let said = loop {
            let Some(request) = quorum::request(entry, &self.source, &process.timetable, ms) else {
                let series = entry.parts.series.take().unwrap();
                break Said::Closes(quorum::closes(series, process.timetable.today(ms)));
            };
            let verdict = self.reader.ask(&request, at(now));
            let never = matches!(verdict, Verdict::BadSymbol);
            if entry.take(&request, verdict, ms) == Step::Over {
                break if never { Said::Never } else { Said::Nothing };
            }
        };
        entry.forget_answers();
        said
    }

    fn bars(&self, symbol: &str) -> Vec<Bar> {
        self.reader.bars(symbol)
    }

    /// Confirmed, unconfirmed, differing.
    fn counts(&self) -> (u64, u64, u64) {
        let state = self.second.state();
        (state.confirmed, state.unconfirmed, state.differing)
    }

    fn quarantine(&self) -> Vec<String> {
        let topic = &self.reader.kafka.topics.quarantine;
        let records = self.reader.kafka.records.iter();
        let records = records.filter(|record| record.topic == *topic);
        records
            .map(|record| String::from_utf8_lossy(&record.value).into_owned())
            .collect()
    }
}

#[test]
fn a_bar_of_which_two_accounts_differ_is_refused_once_with_both_closes_until_they_agree() {
    let mut pair = Pair::new(&["A"]);
    let mut process = pair.reader.start();
    assert_eq!(pair.round(&mut process, WEDNESDAY, ALL), 1);
    let sent = pair.bars("A").len();
    assert_eq!(pair.counts(), (sent as u64, 0, 1), "splits are undone");
    let refused = pair.quarantine();
    assert_eq!(refused.len(), 1);
    assert!(refused[0].contains("SourcesDiffer"), "{refused:?}");
    for part in [
        "A of 2024-01-31: close ",
        " by account first and ",
        " by account second, 0.99 % apart",
    ] {
        assert!(refused[0].contains(part), "{part}: {refused:?}");
    }
    assert_eq!(process.entries[0].lack.as_ref().unwrap().0, "SourcesDiffer");
    // Nobody is asked before there is another bar.
    assert_eq!(pair.round(&mut process, "2024-02-01T20:00:00Z", ALL), 0);
    assert_eq!(pair.round(&mut process, THURSDAY, ALL), 1);
    assert_eq!(pair.bars("A").len(), sent + 1);
    assert_eq!((pair.quarantine().len(), pair.counts().2), (1, 1));
    // It is corrected: both bars arrive, the older one late.
    assert_eq!(pair.round(&mut process, FRIDAY, ALL), 1);
    let bars = pair.bars("A");
    assert_eq!((bars.len(), pair.quarantine().len()), (sent + 3, 1));
    assert_eq!(pair.counts().2, 0);
    let wednesday = at("2024-01-31T21:00:00Z").as_millisecond();
    let late: Vec<_> = bars
        .iter()
        .filter(|bar| bar.event_time == wednesday)
        .collect();
    assert_eq!((late.len(), late[0].revision), (1, 0));
    pair.reader.compare_latest(FRIDAY);
}

#[test]
fn who_confirms_is_asked_for_closes_alone_and_either_provider_can() {
    let mut pair = Pair::of([Provider::Yahoo, Provider::AlphaVantage], &["A"]);
    let mut process = pair.reader.start();
    pair.round(&mut process, WEDNESDAY, ALL);
    assert_eq!(pair.reader.asked.len(), 2, "{:?}", pair.reader.asked);
    let sent = pair.bars("A").len();
    assert!(sent > 200);
    assert_eq!(pair.counts(), (sent as u64, 0, 1));
    assert!(pair.quarantine()[0].contains("1.00 % apart"));
}

#[test]
fn a_bar_that_only_one_account_has_waits_for_a_poll_and_is_sent() {
    let mut pair = Pair::new(&["B"]);
    let mut process = pair.reader.start();
    pair.round(&mut process, WEDNESDAY, ALL);
    let sent = pair.bars("B").len();
    // The one of June lies between others.
    assert_eq!(pair.counts(), (sent as u64 - 1, 1, 0));
    for (now, bars) in [(THURSDAY, 0), ("2024-02-01T22:10:00Z", 1)] {
        assert_eq!(pair.round(&mut process, now, ALL), 1, "{now}");
        assert_eq!(pair.bars("B").len(), sent + bars, "{now}");
    }
    assert_eq!((pair.counts().1, pair.quarantine().len()), (2, 0));
    assert_eq!(process.entries[0].lack, None);
}

#[test]
fn a_second_account_that_does_not_answer_or_does_not_know_a_symbol_stops_nothing_for_long() {
    let mut pair = Pair::new(&["A", "HERE"]);
    let mut process = pair.reader.start();
    assert_eq!(pair.round_with(&mut process, WEDNESDAY, (true, ALL)), 2);
    assert!(!pair.bars("HERE").is_empty());
    let mut alone = Pair::new(&["A"]);
    let mut process = alone.reader.start();
    alone.round_with(&mut process, WEDNESDAY, (false, ALL));
    assert_eq!(alone.bars("A"), []);
    assert_eq!(process.entries[0].lack.as_ref().unwrap().0, "Unconfirmed");
    alone.round_with(&mut process, "2024-01-31T22:10:00Z", (false, ALL));
    assert!(alone.bars("A").len() > 200);
}

#[test]
fn a_correction_counts_once_the_second_account_agrees() {
    let mut pair = Pair::new(&["C"]);
    let mut process = pair.reader.start();
    pair.round(&mut process, WEDNESDAY, ALL);
    assert_eq!(pair.quarantine().len(), 0, "both have the same close");
    let before = pair.bars("C").len();
    pair.round(&mut process, THURSDAY, ALL);
    assert_eq!(
        (pair.bars("C").len(), pair.quarantine().len()),
        (before + 1, 1)
    );
    pair.round(&mut process, FRIDAY, ALL);
    let bars = pair.bars("C");
    let revised: Vec<_> = bars.iter().filter(|bar| bar.revision == 1).collect();
    assert_eq!((bars.len(), revised.len()), (before + 3, 1));
    pair.reader.compare_latest(FRIDAY);
}

#[test]
fn a_process_that_dies_anywhere_sends_no_bar_twice() {
    for transactions in 0..3 {
        let mut pair = Pair::new(&["A", "B"]);
        for evening in [WEDNESDAY, THURSDAY, FRIDAY] {
            let mut process = pair.reader.start();
            pair.second = Quorum::new("second", 0.001, 2);
            pair.round(&mut process, evening, transactions);
            let mut process = pair.reader.start();
            pair.second.reopen();
            pair.round(&mut process, evening, ALL);
        }
        for symbol in ["A", "B"] {
            assert_eq!(pair.reader.latest(symbol).len(), pair.bars(symbol).len());
        }
        // The day of which they differ is refused again by each process, since nobody knows what the quarantine holds.
        assert!(!pair.quarantine().is_empty() && pair.quarantine().len() <= 4);
    }
}

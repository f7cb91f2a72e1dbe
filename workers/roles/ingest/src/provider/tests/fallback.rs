//! Another account for what the first one cannot give. Both providers know the same market, one of them with mistakes and holes.

use foresail_domain::Bar;
use foresail_providers::Verdict;
use foresail_providers::request::Provider;
use foresail_quota::Level;
use foresail_runtime_base::RoleError;
use foresail_runtime_providers::Stopped;

use super::world::{Process, Reader, at};
use crate::provider::account::Account;
use crate::provider::entry::Step;
use crate::provider::fallback::{Fallback, Turns};
use crate::provider::review::Review;
use crate::provider::traded::settle;
use crate::provider::wanted::{self, Source};
use crate::testing::ALL;

/// The chart has Wednesday's close of `A` wrong, lacks Thursday's bar of `B` for an evening and one of June for ever, and does not
/// know `HERE`.
const MARKET: &str = "
seed: 5
start: 2023-01-03
clock: 2024-02-01T22:00:00Z
symbols:
- symbol: A
  mistakes: [{date: 2024-01-31, factor: 1.01, provider: Yahoo}]
- symbol: B
  holes: [{date: 2024-02-01, until: 2024-02-02T12:00:00Z, provider: Yahoo}]
- symbol: GAP
  holes: [{date: 2023-06-15, provider: Yahoo}]
- {symbol: HERE, provider: AlphaVantage}
keys: [{key: CANARYKEY0000001, premium: true}]
";
const WEDNESDAY: &str = "2024-01-31T22:00:00Z";
const THURSDAY: &str = "2024-02-01T22:00:00Z";
const FRIDAY: &str = "2024-02-02T22:00:00Z";
const NAMES: [&str; 2] = ["yahoo", "alpha-vantage"];

/// A first account, and the one behind it.
struct Chain {
    reader: Reader,
    first: Account,
    second: Fallback,
    source: Source,
}

impl Chain {
    fn new(providers: [Provider; 2], symbols: &[&str]) -> Self {
        let mut reader = Reader::new(providers[0], symbols, MARKET);
        reader.names = providers.map(|provider| provider.name()).to_vec();
        Self {
            reader,
            first: Account::new("first"),
            second: Fallback::new("second", 0, symbols.len()),
            source: Source {
                provider: providers[1],
                level: Level::Unknown,
            },
        }
    }

    /// A round of the first account, which is stopped for a reason, and then of the second one. Says of how many symbols the
    /// second one was asked.
    fn round(&mut self, process: &mut Process, now: &str, stopped: Option<&str>) -> usize {
        self.round_of(process, now, stopped, ALL)
    }

    fn round_of(
        &mut self,
        process: &mut Process,
        now: &str,
        stopped: Option<&str>,
        transactions: usize,
    ) -> usize {
        let ms = at(now).as_millisecond();
        let stopped = stopped.map(|reason| Stopped {
            error: RoleError::outside(reason, "not now"),
            until: None,
            is_general: true,
            is_fault: true,
        });
        let poll = process.timetable.poll();
        self.first.was_asked(stopped.as_ref(), poll, ms);
        if stopped.is_none() {
            self.reader.round(process, now, transactions);
        }
        let mut turns = Turns::new(process.entries.len());
        let (first, timetable) = (&self.first, &process.timetable);
        let entries = &process.entries;
        self.second
            .take_turns(&mut turns, (first, None), entries, (timetable, ms));
        let due = self.second.due(&turns, timetable, ms);
        let due: Vec<_> = due.into_iter().map(|index| (index, None)).collect();
        self.ask(process, now, &due, transactions);
        due.len()
    }

    /// What is left to the second account; says of how many symbols.
    fn fill(&mut self, process: &mut Process, now: &str) -> usize {
        let ms = at(now).as_millisecond();
        let left = self.second.left(&process.entries, &process.timetable, ms);
        let left: Vec<_> = left
            .into_iter()
            .map(|(index, review)| (index, Some(review)))
            .collect();
        self.ask(process, now, &left, ALL);
        left.len()
    }

    fn ask(
        &mut self,
        process: &mut Process,
        now: &str,
        asked: &[(usize, Option<Review>)],
        transactions: usize,
    ) {
        let ms = at(now).as_millisecond();
        for (index, review) in asked {
            let entry = &mut process.entries[*index];
            entry.exchange(self.second.own(*index).unwrap());
            if let Some(review) = review {
                entry.begin(*review);
            }
            loop {
                let wanted = wanted::request(entry, &self.source, &process.timetable, ms);
                let Some(request) = wanted else {
                    if settle(entry, &process.timetable, ms) {
                        entry.lack = None;
                    }
                    break;
                };
                let verdict: Verdict = self.reader.ask(&request, at(now));
                if entry.take(&request, verdict, ms) == Step::Over {
                    break;
                }
            }
            match review {
                Some(_) => entry.reviewed(&process.timetable, ms),
                None => entry.attempted(ms),
            }
            entry.fill_only(&process.timetable);
        }
        process.progress.set_provider(self.source.provider.name());
        self.reader.send(process, Vec::new(), (ms, transactions));
        let first = self.reader.source.provider.name();
        process.progress.set_provider(first);
        for (index, _) in asked {
            let entry = &mut process.entries[*index];
            self.second.brought(*index, entry.mark);
            entry.exchange(self.second.own(*index).unwrap());
        }
    }

    fn bars(&self, symbol: &str) -> Vec<Bar> {
        self.reader.bars(symbol)
    }
}

/// How many bars are of which provider.
fn by_provider(bars: &[Bar]) -> [usize; 2] {
    NAMES.map(|name| bars.iter().filter(|bar| bar.provider == name).count())
}

#[test]
fn an_account_that_is_not_to_be_asked_has_its_place_taken_at_once_and_its_own_bars_count_later() {
    // The second one has Wednesday wrong.
    let mut chain = Chain::new([Provider::AlphaVantage, Provider::Yahoo], &["A"]);
    let mut process = chain.reader.start();
    assert_eq!(
        chain.round(&mut process, WEDNESDAY, Some("QuotaExhausted")),
        1
    );
    let bars = chain.bars("A");
    assert!(bars.len() > 200, "{}", bars.len());
    assert_eq!(by_provider(&bars), [bars.len(), 0]);
    assert_eq!(chain.second.standing_in(&process.entries), 1);
    // The first one may be asked again. What is the same to a part in 100,000 is no correction.
    assert_eq!(chain.round(&mut process, THURSDAY, None), 0);
    let revised: Vec<Bar> = chain.bars("A")[bars.len()..].to_vec();
    let numbers: Vec<_> = revised
        .iter()
        .map(|bar| (bar.revision, &*bar.provider))
        .collect();
    assert_eq!(numbers, [(1, "alpha-vantage"), (0, "alpha-vantage")]);
    let wrong = &bars[bars.len() - 1];
    assert_eq!(revised[0].event_time, wrong.event_time);
    assert!((wrong.close / revised[0].close - 1.01).abs() < 1e-4);
    assert_eq!(chain.second.standing_in(&process.entries), 0);
    chain.reader.latest("A");
}

#[test]
fn who_stands_in_changes_no_bar() {
    let mut chain = Chain::new([Provider::AlphaVantage, Provider::Yahoo], &["A"]);
    let mut process = chain.reader.start();
    assert_eq!(chain.round(&mut process, WEDNESDAY, None), 0);
    let before = chain.bars("A").len();
    assert_eq!(chain.round(&mut process, THURSDAY, Some("BadKey")), 1);
    let added = chain.bars("A")[before..].to_vec();
    assert_eq!(added.len(), 1);
    assert_eq!((added[0].revision, &*added[0].provider), (0, "yahoo"));
    assert_eq!(chain.reader.kafka.quarantined(), 0);
}

#[test]
fn a_bar_that_has_not_come_is_given_the_time_of_a_poll() {
    let mut chain = Chain::new([Provider::Yahoo, Provider::AlphaVantage], &["A", "B"]);
    let mut process = chain.reader.start();
    assert_eq!(chain.round(&mut process, WEDNESDAY, None), 0);
    let before = chain.bars("B").len();
    for (now, asked) in [
        (THURSDAY, 0),
        ("2024-02-01T22:09:00Z", 0),
        ("2024-02-01T22:10:00Z", 1),
        ("2024-02-01T22:20:00Z", 0),
    ] {
        assert_eq!(chain.round(&mut process, now, None), asked, "{now}");
    }
    let bars = chain.bars("B");
    assert_eq!(by_provider(&bars), [before, 1]);
    // The first one has it by then, and brings the next one itself.
    assert_eq!(chain.round(&mut process, FRIDAY, None), 0);
    assert_eq!(by_provider(&chain.bars("B")), [before + 1, 1]);
    assert_eq!(by_provider(&chain.bars("A"))[1], 0);
}

#[test]
fn a_symbol_that_is_not_known_there_is_asked_of_the_second_account_each_evening() {
    let mut chain = Chain::new([Provider::Yahoo, Provider::AlphaVantage], &["A", "HERE"]);
    let mut process = chain.reader.start();
    for evening in [WEDNESDAY, THURSDAY, FRIDAY] {
        assert_eq!(chain.round(&mut process, evening, None), 1, "{evening}");
        assert_eq!(chain.second.standing_in(&process.entries), 1);
    }
    // Whatever else keeps the first one from being asked for a moment.
    let monday = "2024-02-05T22:00:00Z";
    assert_eq!(
        chain.round(&mut process, monday, Some("ProviderMidnight")),
        1
    );
    let bars = chain.bars("HERE");
    assert_eq!(by_provider(&bars), [0, bars.len()]);
    assert_eq!(by_provider(&chain.bars("A"))[1], 0);
}

#[test]
fn a_second_account_that_cannot_be_asked_either_is_asked_later() {
    let mut chain = Chain::new([Provider::Yahoo, Provider::AlphaVantage], &["A"]);
    let process = chain.reader.start();
    let ms = at(WEDNESDAY).as_millisecond();
    let poll = process.timetable.poll();
    let stopped = |reason: &str, until: Option<&str>| Stopped {
        error: RoleError::outside(reason, "not now"),
        until: until.map(at),
        is_general: true,
        is_fault: true,
    };
    let mut third = Fallback::new("third", 1, 1);
    let midnight = "2024-02-01T05:00:00Z";
    chain
        .first
        .was_asked(Some(&stopped("BadKey", None)), poll, ms);
    let quota = stopped("QuotaExhausted", Some(midnight));
    chain.second.account.was_asked(Some(&quota), poll, ms);
    let mut turns = Turns::new(1);
    let (entries, at_now) = (&process.entries, (&process.timetable, ms));
    let before = (&chain.first, None);
    chain.second.take_turns(&mut turns, before, entries, at_now);
    assert_eq!(chain.second.due(&turns, &process.timetable, ms), [0; 0]);
    let next = chain.second.next_time(&turns, entries, at_now);
    assert_eq!(next, Some(at(midnight).as_millisecond()));
    third.take_turns(
        &mut turns,
        (&chain.first, Some(&chain.second)),
        entries,
        at_now,
    );
    assert_eq!(third.due(&turns, &process.timetable, ms), [0]);
    let reason = |account: &Account| account.state(0).reason;
    assert_eq!(
        reason(&chain.second.account).as_deref(),
        Some("QuotaExhausted")
    );
    chain.second.account.was_asked(None, poll, ms);
    assert_eq!(reason(&chain.second.account), None);
}

#[test]
fn a_gap_of_the_first_account_is_filled_by_the_second_once() {
    let mut chain = Chain::new([Provider::Yahoo, Provider::AlphaVantage], &["GAP"]);
    let mut process = chain.reader.start();
    chain.round(&mut process, THURSDAY, None);
    let before = chain.bars("GAP").len();
    let mut filled = 0;
    for day in 1..10 {
        let evening = format!("2024-02-{day:02}T23:00:00Z");
        assert_eq!(chain.round(&mut process, &evening, None), 0, "{evening}");
        chain.reader.review(&mut process, &evening);
        filled += chain.fill(&mut process, &evening);
    }
    assert_eq!(filled, 1);
    let bars = chain.bars("GAP");
    let late: Vec<&Bar> = bars
        .iter()
        .filter(|bar| bar.provider == "alpha-vantage")
        .collect();
    let june = at("2023-06-15T20:00:00Z").as_millisecond();
    assert_eq!(late.len(), 1);
    assert_eq!((late[0].event_time, late[0].revision), (june, 0));
    assert_eq!(process.entries[0].gaps.counts(), (0, 0));
    assert!(bars.len() > before + 1);
}

#[test]
fn a_process_that_dies_anywhere_sends_nothing_of_a_second_account_twice() {
    for transactions in 0..3 {
        let mut chain = Chain::new([Provider::AlphaVantage, Provider::Yahoo], &["A", "B"]);
        for evening in [WEDNESDAY, THURSDAY] {
            for _ in 0..2 {
                let mut process = chain.reader.start();
                chain.second = Fallback::new("second", 0, 2);
                chain.round_of(&mut process, evening, Some("BadKey"), transactions);
            }
        }
        let mut process = chain.reader.start();
        chain.second = Fallback::new("second", 0, 2);
        chain.round(&mut process, FRIDAY, Some("BadKey"));
        for symbol in ["A", "B"] {
            let bars = chain.bars(symbol);
            assert!(bars.iter().all(|bar| bar.revision == 0));
            assert_eq!(chain.reader.latest(symbol).len(), bars.len());
        }
    }
}

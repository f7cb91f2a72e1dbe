//! What lies further back than the sessions that every answer has: gaps, and bars that were changed long after their day.

use foresail_providers::request::{Kind, Provider, Size};
use foresail_quota::Level;
use jiff::civil::{Date, date};
use jiff::{Span, Timestamp};

use super::world::{PROVIDERS, Process, Reader, at};
use crate::provider::report;
use crate::provider::review::is_turn;
use crate::provider::timetable::new_york;
use crate::testing::ALL;

/// In February a bar of June appears, a close of May is corrected, and a split of July becomes known.
const OLD: &str = "
seed: 5
start: 2023-01-03
clock: 2024-02-01T22:00:00Z
symbols:
- symbol: HOLE
  holes: [{date: 2023-06-15, until: 2024-02-10T00:00:00Z}, {date: 2023-06-20}]
- symbol: CHANGED
  dividends: [{date: 2023-05-12, amount: 0.5}]
  splits: [{date: 2023-07-05, numerator: 2, denominator: 1, known: 2024-02-10T00:00:00Z}]
  mistakes: [{date: 2023-05-10, factor: 1.02, until: 2024-02-10T00:00:00Z}]
keys: [{key: CANARYKEY0000001, premium: true}]
";
const THURSDAY: &str = "2024-02-01T22:00:00Z";

fn revised(reader: &Reader, symbol: &str) -> Vec<Date> {
    let bars = reader.bars(symbol).into_iter();
    let corrections = bars.filter(|bar| bar.revision > 0);
    let dates = corrections.map(|bar| {
        let end = Timestamp::from_millisecond(bar.event_time).unwrap();
        end.to_zoned(jiff::tz::TimeZone::UTC).date()
    });
    dates.collect()
}

fn counts(process: &Process) -> (u64, u64) {
    let mut state = foresail_crds::pipeline::status::ProviderState::default();
    report::compared(&process.entries, &mut state);
    (state.sessions_asked_again, state.sessions_without_bar)
}

#[test]
fn a_session_without_a_bar_is_asked_for_three_times_and_its_bar_is_taken_when_it_comes() {
    for provider in PROVIDERS {
        let mut reader = Reader::new(provider, &["HOLE"], OLD);
        let mut process = reader.start();
        reader.round(&mut process, THURSDAY, ALL);
        assert_eq!(counts(&process), (2, 0));
        // The process dies. What the topic lacks is found again.
        let mut process = reader.start();
        assert_eq!(reader.review(&mut process, THURSDAY), 0, "not at once");
        assert_eq!(counts(&process), (2, 0));
        let requests = if provider == Provider::Yahoo { 1 } else { 3 };
        let sent = reader.bars("HOLE").len();
        for (now, asked) in [
            ("2024-02-01T22:09:00Z", 0),
            ("2024-02-01T22:10:00Z", requests),
            ("2024-02-02T20:00:00Z", 0),
            ("2024-02-02T22:10:00Z", 0),
        ] {
            assert_eq!(reader.review(&mut process, now), asked, "{now}");
        }
        // A day has passed, but the bar of Friday goes first.
        reader.round(&mut process, "2024-02-02T22:10:00Z", ALL);
        assert_eq!(
            reader.review(&mut process, "2024-02-02T22:10:00Z"),
            requests
        );
        assert_eq!(reader.bars("HOLE").len(), sent + 1);
        // Later one of them is there.
        let end = "2024-02-12T22:00:00Z";
        reader.round(&mut process, end, ALL);
        assert_eq!(reader.review(&mut process, end), requests);
        assert_eq!(counts(&process), (0, 1));
        let late: Vec<_> = reader.latest("HOLE");
        let june = at("2023-06-15T20:00:00Z").as_millisecond();
        assert_eq!(late.iter().filter(|bar| bar.event_time == june).count(), 1);
        assert!(revised(&reader, "HOLE").is_empty());
        reader.compare_latest(end);
        for day in 13..29 {
            let evening = format!("2024-02-{day}T22:00:00Z");
            reader.round(&mut process, &evening, ALL);
            let expected = reader.review(&mut process, &evening);
            assert!(expected == 0 || counts(&process) == (0, 1), "{expected}");
        }
        reader.compare_latest("2024-02-28T22:00:00Z");
    }
}

/// Evenings of so many days since one, with a round and a review on each; the requests of the reviews.
fn evenings(reader: &mut Reader, process: &mut Process, first: Date, days: i64) -> Vec<usize> {
    let evening = |day| {
        let date = first.checked_add(Span::new().days(day)).unwrap();
        format!("{date}T22:00:00Z")
    };
    let mut asked = Vec::new();
    for day in 0..days {
        reader.round(process, &evening(day), ALL);
        asked.push(reader.review(process, &evening(day)));
    }
    asked
}

#[test]
fn the_whole_history_is_compared_once_in_a_quarter_and_a_late_split_is_one_revision() {
    for provider in PROVIDERS {
        let mut reader = Reader::new(provider, &["CHANGED"], OLD);
        let mut process = reader.start();
        reader.round(&mut process, THURSDAY, ALL);
        let sent = reader.bars("CHANGED").len();
        let first = date(2024, 2, 12);
        let asked = evenings(&mut reader, &mut process, first, 91);
        let changed = [date(2023, 5, 10), date(2023, 7, 5)];
        assert_eq!(revised(&reader, "CHANGED"), changed, "{provider:?}");
        reader.compare_latest("2024-05-12T22:00:00Z");
        // The lists of one provider show that something has changed.
        let reviews = asked.iter().filter(|asked| **asked > 0).count();
        match provider {
            Provider::Yahoo => assert_eq!(reviews, 1, "{asked:?}"),
            Provider::AlphaVantage => assert!((1..=2).contains(&reviews), "{asked:?}"),
        }
        assert!(reader.bars("CHANGED").len() > sent + 2);
        assert_eq!(reader.kafka.quarantined(), 0);
    }
}

#[test]
fn a_history_that_was_read_just_now_is_not_read_again_when_it_is_the_turn_of_its_symbol() {
    let session = date(2024, 2, 1);
    let has_turn = |name: &String| is_turn(name, session, &new_york());
    let name = (0..1_000).map(|n| format!("S{n}")).find(has_turn).unwrap();
    let market = OLD.replace("CHANGED", &name);
    for provider in PROVIDERS {
        let mut reader = Reader::new(provider, &[&name], &market);
        let mut process = reader.start();
        reader.round(&mut process, THURSDAY, ALL);
        assert_eq!(reader.review(&mut process, THURSDAY), 0, "{provider:?}");
        // Another process does not know of it.
        let mut process = reader.start();
        assert_ne!(reader.review(&mut process, THURSDAY), 0, "{provider:?}");
        assert_eq!(reader.review(&mut process, THURSDAY), 0, "{provider:?}");
    }
}

#[test]
fn what_a_person_asks_for_is_read_again_alone() {
    for provider in PROVIDERS {
        let mut reader = Reader::new(provider, &["CHANGED"], OLD);
        let mut process = reader.start();
        reader.round(&mut process, THURSDAY, ALL);
        let monday = "2024-02-12T22:00:00Z";
        process.entries[0].refetch = Some((date(2023, 7, 1), date(2023, 7, 31)));
        let requests = if provider == Provider::Yahoo { 1 } else { 3 };
        assert_eq!(reader.review(&mut process, monday), requests);
        assert_eq!(revised(&reader, "CHANGED"), [date(2023, 7, 5)]);
        assert_eq!(process.entries[0].refetch, None);
        process.entries[0].refetch = Some((date(2023, 5, 1), date(2023, 7, 31)));
        reader.review(&mut process, monday);
        let both = [date(2023, 7, 5), date(2023, 5, 10)];
        assert_eq!(revised(&reader, "CHANGED"), both);
    }
}

#[test]
fn a_late_split_reaches_a_bar_that_the_key_cannot_read_any_more() {
    let split = "known: 2024-02-10T00:00:00Z}]\n  mistakes";
    let market = OLD.replace("2023-07-05", "2023-09-20");
    let market = market.replace(split, "known: 2024-04-10T00:00:00Z}]\n  mistakes");
    let market = market.replace("premium: true", "premium: false");
    let mut reader = Reader::new(Provider::AlphaVantage, &["CHANGED"], &market);
    reader.source.level = Level::Compact;
    let mut process = reader.start();
    let asked = evenings(&mut reader, &mut process, date(2024, 2, 1), 80);
    assert_eq!(
        revised(&reader, "CHANGED"),
        [date(2023, 9, 20)],
        "{asked:?}"
    );
    let is_full = |kind: &Kind| *kind == Kind::Daily(Size::Full);
    assert!(!reader.asked.iter().any(|request| is_full(&request.kind)));
    let bars = reader.latest("CHANGED");
    let split = bars.iter().find(|bar| bar.split_factor == 2.0).unwrap();
    assert_eq!((split.revision, split.dividend), (1, 0.0));
}

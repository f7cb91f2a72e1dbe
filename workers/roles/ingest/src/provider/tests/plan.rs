//! When bars are expected, and which requests they take.

use foresail_crds::worker_config::IngestConfig;
use foresail_domain::Symbol;
use foresail_providers::request::{ChartInterval, Kind, Provider, Size, Window};
use foresail_providers::verdict::{Basis, Listed};
use foresail_providers::{Answer, Drops, Request, Row, Series, Verdict};
use foresail_quota::{Level, Purpose};
use jiff::Timestamp;
use jiff::civil::{Date, date};
use serde_json::json;

use crate::provider::entry::{Entry, Step};
use crate::provider::memory::Memory;
use crate::provider::timetable::Timetable;
use crate::provider::wanted::{self, Source};

const YAHOO: Source = Source {
    provider: Provider::Yahoo,
    level: Level::Unknown,
};
const FRIDAY: &str = "2024-02-02T22:00:00Z";

fn ms(text: &str) -> i64 {
    text.parse::<Timestamp>().unwrap().as_millisecond()
}

fn timetable(backfill: serde_json::Value) -> Timetable {
    let config = json!({
        "pipeline": {"namespace": "n", "name": "p"},
        "instruments": [{"symbol": "IBM"}],
        "calendar": "XNYS",
        "source": {
            "provider": {"account": "a", "delay": "30m", "poll": "10m"},
            "backfill": backfill,
        },
        "kafka": {"bootstrapServers": "k:9092", "topicPrefix": ""}
    });
    let config: IngestConfig = serde_json::from_value(config).unwrap();
    Timetable::new(&config, config.source.provider.as_ref().unwrap()).unwrap()
}

fn entry(mark: Option<&str>) -> Entry {
    let mut entry = Entry::new(Symbol::new("IBM").unwrap());
    let timetable = timetable(json!({}));
    let mark = mark.map(|date| timetable.end(date.parse().unwrap()));
    entry.reopen(mark, Memory::empty(0));
    entry
}

fn series(dates: &[Date]) -> Verdict {
    let rows = dates
        .iter()
        .map(|date| Row::new(*date, None, [1.0; 4], None));
    Verdict::Data(Box::new(Answer::Series(Series {
        rows: rows.collect(),
        dropped: Drops::default(),
        read: 1,
        widened: 0,
        basis: Basis::AsTraded,
        currency: None,
        is_compact: true,
        splits: Listed::default(),
        dividends: Listed::default(),
        capital_gains: Listed::default(),
    })))
}

fn alpha_vantage(level: Level) -> Source {
    Source {
        provider: Provider::AlphaVantage,
        level,
    }
}

#[test]
fn a_bar_is_expected_after_its_session_also_when_that_is_half_a_day() {
    let timetable = timetable(json!({}));
    // Thanksgiving, and the half day after it, which ends at one o'clock in New York.
    for (now, newest, next) in [
        ("2024-11-27T21:29:59Z", "2024-11-26", "2024-11-27T21:30:00Z"),
        ("2024-11-27T21:30:00Z", "2024-11-27", "2024-11-29T18:30:00Z"),
        ("2024-11-29T18:29:59Z", "2024-11-27", "2024-11-29T18:30:00Z"),
        ("2024-11-29T18:30:00Z", "2024-11-29", "2024-12-02T21:30:00Z"),
        ("2024-12-01T12:00:00Z", "2024-11-29", "2024-12-02T21:30:00Z"),
    ] {
        let now = ms(now);
        let end = timetable.end(newest.parse().unwrap());
        assert_eq!(timetable.newest_expected(now), Some(end));
        assert_eq!(timetable.next_expected(now), Some(ms(next)), "{newest}");
        assert!(entry(None).is_due(&timetable, now));
        assert!(!entry(Some(newest)).is_due(&timetable, now));
    }
    let before = entry(Some("2024-11-27"));
    assert!(!before.is_due(&timetable, ms("2024-11-29T18:29:59Z")));
    assert!(before.is_due(&timetable, ms("2024-11-29T18:30:00Z")));
}

#[test]
fn outside_the_declared_range_nothing_is_expected() {
    let now = ms(FRIDAY);
    let ended = timetable(json!({"from": "2024-01-02", "to": "2024-01-10"}));
    let end = ended.end(date(2024, 1, 10));
    assert_eq!(ended.newest_expected(now), Some(end));
    assert_eq!(ended.next_expected(now), None);
    let future = timetable(json!({"from": "2024-03-01"}));
    assert_eq!(future.newest_expected(now), None);
    assert_eq!(future.next_expected(now), Some(ms("2024-03-01T21:30:00Z")));
}

#[test]
fn the_first_time_all_is_asked_for_and_later_the_newest_rows() {
    let (all, now) = (timetable(json!({})), ms(FRIDAY));
    let kind = |entry: &Entry, level, timetable: &Timetable| {
        let request = wanted::request(entry, &alpha_vantage(level), timetable, now);
        request.unwrap().kind
    };
    let (full, compact) = (Kind::Daily(Size::Full), Kind::Daily(Size::Compact));
    let (new, old) = (entry(None), entry(Some("2024-02-01")));
    assert_eq!(kind(&new, Level::Unknown, &all), full);
    assert_eq!(kind(&new, Level::Compact, &all), compact);
    assert_eq!(kind(&old, Level::Full, &all), compact);
    // After a long time away the newest rows do not reach back.
    assert_eq!(kind(&entry(Some("2023-06-01")), Level::Unknown, &all), full);
    let recent = timetable(json!({"from": "2024-01-02"}));
    assert_eq!(kind(&new, Level::Unknown, &recent), compact);
}

/// What is set aside for the new bars of a Pipeline is for its first ones too: they come with the history.
#[test]
fn only_a_window_that_ends_before_now_is_history_alone() {
    let now = ms(FRIDAY);
    let purpose = |kind| {
        let symbol = entry(None).symbol;
        wanted::purpose(&Request { symbol, kind }, now)
    };
    let window = |to| Kind::Chart {
        interval: ChartInterval::Day,
        window: Window::Period { from: 0, to },
    };
    assert_eq!(purpose(Kind::Daily(Size::Full)), Purpose::Live);
    assert_eq!(purpose(Kind::Splits), Purpose::Live);
    assert_eq!(purpose(window(now / 1000 + 1)), Purpose::Live);
    assert_eq!(purpose(window(now / 1000)), Purpose::Backfill);
}

/// The kinds of requests that are made, with these answers.
fn asked(entry: &mut Entry, source: &Source, answers: Vec<Verdict>) -> Vec<Kind> {
    let (timetable, now) = (timetable(json!({})), ms(FRIDAY));
    let mut kinds = Vec::new();
    for answer in answers {
        let Some(request) = wanted::request(entry, source, &timetable, now) else {
            return kinds;
        };
        kinds.push(request.kind);
        if entry.take(&request, answer, now) == Step::Over {
            return kinds;
        }
    }
    let next = wanted::request(entry, source, &timetable, now);
    kinds.extend(next.map(|request| request.kind));
    kinds
}

#[test]
fn actions_are_asked_for_when_there_is_a_bar_they_may_concern() {
    let source = alpha_vantage(Level::Unknown);
    let answers = |last: Date| {
        let splits = Answer::Splits(Listed::default());
        let dividends = Answer::Dividends(Listed::default());
        vec![
            series(&[date(2024, 2, 1), last]),
            Verdict::Data(Box::new(splits)),
            Verdict::Data(Box::new(dividends)),
        ]
    };
    let daily = Kind::Daily(Size::Compact);
    let mut known = entry(Some("2024-02-01"));
    let kinds = asked(&mut known, &source, answers(date(2024, 2, 2)));
    assert_eq!(kinds, [daily, Kind::Splits, Kind::Dividends]);
    let mut waiting = entry(Some("2024-02-01"));
    let kinds = asked(&mut waiting, &source, answers(date(2024, 2, 1)));
    assert_eq!(kinds, [daily], "the bar has not come");
}

#[test]
fn what_is_not_paid_for_is_asked_for_in_short_once() {
    let full = Kind::Daily(Size::Full);
    let symbol = Symbol::new("IBM").unwrap();
    let instead = Request { symbol, kind: full }.compact().map(Box::new);
    let refused = || Verdict::NotEntitled {
        instead: instead.clone(),
    };
    let mut new = entry(None);
    let source = alpha_vantage(Level::Unknown);
    let kinds = asked(&mut new, &source, vec![refused(), refused()]);
    assert_eq!(kinds, [full, Kind::Daily(Size::Compact)]);
    assert_eq!(new.lack.as_ref().unwrap().0, "NotEntitled");
    let (timetable, now) = (timetable(json!({})), ms(FRIDAY));
    assert!(!new.is_due(&timetable, now));
    let tomorrow = Some(ms("2024-02-03T22:00:00Z"));
    assert_eq!(new.next_attempt(&timetable, now), tomorrow);
}

#[test]
fn a_bar_that_has_not_come_is_polled_for() {
    let (timetable, now) = (timetable(json!({})), ms(FRIDAY));
    let mut late = entry(Some("2024-02-01"));
    assert_eq!(late.next_attempt(&timetable, now), Some(now));
    late.attempted(now);
    assert_eq!(late.next_attempt(&timetable, now), Some(now + 600_000));
    let there = entry(Some("2024-02-02"));
    assert_eq!(there.next_attempt(&timetable, now), None);
}

/// First and last day of each window, UTC.
fn windows(kinds: &[Kind]) -> Vec<[String; 2]> {
    let day = |second| {
        let at = Timestamp::from_second(second).unwrap();
        at.strftime("%F").to_string()
    };
    let window = |kind: &Kind| match kind {
        Kind::Chart {
            window: Window::Period { from, to },
            ..
        } => [day(*from), day(*to)],
        other => panic!("{other:?}"),
    };
    kinds.iter().map(window).collect()
}

#[test]
fn a_chart_begins_before_the_newest_bar_and_ends_behind_now() {
    let mut known = entry(Some("2024-02-01"));
    let kinds = asked(&mut known, &YAHOO, vec![series(&[date(2024, 2, 2)])]);
    assert_eq!(windows(&kinds), [["2024-01-25", "2024-02-03"]]);
    let kinds = asked(&mut entry(None), &YAHOO, vec![Verdict::Empty]);
    assert_eq!(windows(&kinds), [["1950-01-01", "2024-02-03"]]);
    // What the provider does not reach is left out, once.
    let far = || Verdict::OutOfReach { reach_days: 60 };
    let kinds = asked(&mut entry(None), &YAHOO, vec![far(), far()]);
    assert_eq!(kinds.len(), 2);
    assert_eq!(windows(&kinds)[1], ["2023-12-05", "2024-02-03"]);
}

#[test]
fn a_window_that_is_too_wide_is_asked_for_in_parts() {
    let mut new = entry(None);
    new.reach_days = Some(31);
    let answers = vec![
        Verdict::WindowTooWide { widest_days: 14 },
        series(&[date(2024, 1, 4), date(2024, 1, 16)]),
        Verdict::Empty,
        series(&[date(2024, 1, 31), date(2024, 2, 1)]),
        series(&[date(2024, 2, 2)]),
    ];
    let windows = windows(&asked(&mut new, &YAHOO, answers));
    let from: Vec<&str> = windows.iter().map(|[from, _]| from.as_str()).collect();
    assert_eq!(
        from,
        ["2024-01-03", "2024-01-03", "2024-01-17", "2024-01-31"]
    );
    assert_eq!(windows.last().unwrap()[1], "2024-02-03");
    assert_eq!(new.parts.series.as_ref().unwrap().rows.len(), 4);
}

#[test]
fn no_bar_is_expected_of_a_day_that_the_calendar_does_not_know() {
    let last = date(2027, 12, 31);
    let timetable = timetable(json!({}));
    let closed = ms("2027-12-31T21:30:00Z");
    assert_eq!(timetable.next_expected(closed - 1), Some(closed));
    // The Monday behind the end may be a session, and so may any day of the year.
    for now in [
        "2027-12-31T21:30:00Z",
        "2028-01-04T22:00:00Z",
        "2028-11-30T22:00:00Z",
    ] {
        let now = ms(now);
        assert_eq!(timetable.newest_expected(now), Some(timetable.end(last)));
        assert_eq!(timetable.next_expected(now), None);
        // What is known is still asked for, by whoever does not have it.
        assert!(entry(None).is_due(&timetable, now));
        assert!(entry(Some("2027-12-30")).is_due(&timetable, now));
        assert!(!entry(Some("2027-12-31")).is_due(&timetable, now));
    }
}

//! Bars within a session: what is asked for them, and that each of them comes once as it was traded.

use foresail_crds::pipeline::status::ProviderState;
use foresail_domain::{Bar, Interval};
use foresail_providers::Request;
use foresail_providers::request::{ChartInterval, Kind, Minutes, Month, Provider, Window};
use foresail_quota::Purpose;
use foresail_simulation::Traded;
use jiff::Timestamp;
use jiff::civil::date;

use super::world::{MARKET, PROVIDERS, Process, Reader, SYMBOLS, at, compare};
use crate::provider::report;
use crate::provider::review::{Review, Why};
use crate::provider::timetable::of_interval;
use crate::provider::wanted;
use crate::testing::ALL;

const HALF_AN_HOUR: i64 = 1_800_000;
const FRIDAY: &str = "2024-02-02T22:00:00Z";

fn reader(provider: Provider, symbols: &[&str], market: &str, interval: Interval) -> Reader {
    let mut reader = Reader::new(provider, symbols, market);
    reader.config.source.interval = interval;
    reader.config.source.backfill.from = Some("2024-01-16".into());
    reader
}

/// Rounds until nothing is due; their requests.
fn rounds(reader: &mut Reader, process: &mut Process, now: &str) -> usize {
    let asked = reader.asked.len();
    for _ in 0..10 {
        reader.round(process, now, ALL);
        let ms = at(now).as_millisecond();
        let is_due = |process: &Process| {
            let mut entries = process.entries.iter();
            entries.any(|entry| {
                let next = entry.next_attempt(&process.timetable, ms);
                entry.is_due(&process.timetable, ms) && next.is_some_and(|next| next <= ms)
            })
        };
        if !is_due(process) {
            return reader.asked.len() - asked;
        }
    }
    panic!("there is no end of it");
}

/// The bars of a symbol that are wanted and expected.
fn truth(reader: &Reader, symbol: &str, now: Timestamp) -> Vec<Traded> {
    let length = reader.config.source.interval.length_ms().unwrap();
    let mut bars = reader.scenario.traded_within(symbol, length / 60_000, now);
    bars.retain(|bar| {
        bar.end + HALF_AN_HOUR <= now.as_millisecond() && bar.date >= date(2024, 1, 16)
    });
    bars
}

/// Every bar of the market that is expected was sent, and its last revision is what the market knows.
fn check(reader: &Reader, now: &str) {
    let now = at(now);
    for symbol in reader.config.symbols() {
        let (bars, traded) = (reader.latest(&symbol), truth(reader, &symbol, now));
        assert_eq!(bars.len(), traded.len(), "{symbol} {now}");
        for (bar, traded) in bars.iter().zip(&traded) {
            compare(bar, traded, reader.source.provider);
        }
    }
}

fn revised(reader: &Reader, symbol: &str) -> Vec<Bar> {
    let mut bars = reader.bars(symbol);
    bars.retain(|bar| bar.revision > 0);
    bars
}

#[test]
fn bars_of_each_interval_arrive_as_they_were_traded_and_each_new_one_once() {
    for provider in PROVIDERS {
        for interval in Interval::ALL.into_iter().filter(|one| one.is_intraday()) {
            // A minute of three symbols takes a test too long.
            let symbols = match interval {
                Interval::OneMinute => &SYMBOLS[..1],
                _ => &SYMBOLS[..],
            };
            let mut reader = reader(provider, symbols, MARKET, interval);
            let mut process = reader.start();
            rounds(&mut reader, &mut process, FRIDAY);
            check(&reader, FRIDAY);
            // A dividend on Monday, and a split on Tuesday that restates the history of one provider.
            for now in [
                "2024-02-05T14:59:00Z",
                "2024-02-05T16:00:00Z",
                "2024-02-05T17:01:00Z",
                "2024-02-05T21:31:00Z",
                "2024-02-06T16:01:00Z",
                "2024-02-06T17:31:00Z",
                "2024-02-07T21:30:00Z",
            ] {
                rounds(&mut reader, &mut process, now);
                check(&reader, now);
                assert_eq!(
                    rounds(&mut reader, &mut process, now),
                    0,
                    "{interval} {now}"
                );
            }
            for symbol in symbols {
                assert!(
                    revised(&reader, symbol).is_empty(),
                    "{provider:?} {interval}"
                );
            }
            let ibm = reader.bars("IBM");
            let factors = ibm.iter().map(|bar| bar.split_factor);
            assert_eq!(factors.product::<f64>(), 3.0, "{provider:?} {interval}");
            let paid: f64 = ibm.iter().map(|bar| bar.dividend).sum();
            assert!((paid - 0.25).abs() < 1e-6, "{paid}");
            assert_eq!(reader.kafka.quarantined(), 0);
        }
    }
}

#[test]
fn a_process_that_dies_anywhere_loses_and_doubles_nothing() {
    for provider in PROVIDERS {
        for transactions in 0..4 {
            let mut reader = reader(provider, &SYMBOLS, MARKET, Interval::FifteenMinutes);
            for now in [
                "2024-02-01T22:00:00Z",
                "2024-02-05T17:00:00Z",
                "2024-02-06T18:00:00Z",
            ] {
                for _ in 0..2 {
                    let mut process = reader.start();
                    reader.round(&mut process, now, transactions);
                }
                let mut process = reader.start();
                rounds(&mut reader, &mut process, now);
                check(&reader, now);
                assert!(revised(&reader, "IBM").is_empty());
            }
        }
    }
}

#[test]
fn later_bars_of_a_session_cost_one_request_and_what_happened_to_the_shares_is_asked_once_a_day() {
    for (provider, first) in [(Provider::Yahoo, 1), (Provider::AlphaVantage, 3)] {
        let mut reader = reader(provider, &["IBM"], MARKET, Interval::FiveMinutes);
        let mut process = reader.start();
        rounds(&mut reader, &mut process, FRIDAY);
        for (now, requests) in [
            // The market has opened, and its first bar is not expected yet.
            ("2024-02-05T15:04:59Z", 0),
            // January is compared as well.
            (
                "2024-02-05T15:05:00Z",
                if first == 1 { 1 } else { first + 1 },
            ),
            ("2024-02-05T15:10:00Z", 1),
            ("2024-02-05T15:14:00Z", 0),
            ("2024-02-05T18:00:00Z", 1),
            ("2024-02-05T21:30:00Z", 1),
            ("2024-02-05T22:30:00Z", 0),
        ] {
            assert_eq!(
                rounds(&mut reader, &mut process, now),
                requests,
                "{provider:?} {now}"
            );
        }
        check(&reader, "2024-02-05T22:30:00Z");
    }
}

#[test]
fn what_has_changed_of_the_last_sessions_is_sent_with_the_first_bar_of_the_next() {
    let market = MARKET.replace(
        "- {symbol: BRK-B",
        "- symbol: FIXED\n  mistakes: [{date: 2024-01-31, factor: 1.02, until: 2024-02-05T00:00:00Z}]\n- symbol: LATE\n  \
         holes: [{date: 2024-01-31, until: 2024-02-05T00:00:00Z}]\n- {symbol: BRK-B",
    );
    for provider in PROVIDERS {
        let symbols = ["FIXED", "LATE"];
        let mut reader = reader(provider, &symbols, &market, Interval::ThirtyMinutes);
        let mut process = reader.start();
        rounds(&mut reader, &mut process, FRIDAY);
        check(&reader, FRIDAY);
        let monday = "2024-02-05T16:00:00Z";
        rounds(&mut reader, &mut process, monday);
        check(&reader, monday);
        let fixed = revised(&reader, "FIXED");
        assert!((11..=13).contains(&fixed.len()), "{}", fixed.len());
        assert!(revised(&reader, "LATE").is_empty());
        let mut state = ProviderState::default();
        report::compared(&process.entries, &mut state);
        assert_eq!((state.restated.len(), state.no_longer_sent), (0, 0));
        assert_eq!(
            (state.sessions_asked_again, state.sessions_without_bar),
            (0, 0)
        );
    }
}

#[test]
fn a_session_without_a_bar_is_asked_for_again_and_all_of_its_bars_are_taken() {
    let hole = "- {symbol: HOLE, holes: [{date: 2024-01-18, until: 2024-02-02T22:00:00Z}]}\nkeys:";
    let market = MARKET.replace("keys:", hole);
    for provider in PROVIDERS {
        let mut reader = reader(provider, &["HOLE"], &market, Interval::OneHour);
        let mut process = reader.start();
        let evening = "2024-02-02T21:45:00Z";
        rounds(&mut reader, &mut process, evening);
        let sent = reader.bars("HOLE").len();
        let mut process = reader.start();
        assert_eq!(reader.review(&mut process, evening), 0, "not at once");
        let requests = reader.review(&mut process, FRIDAY);
        assert!(requests > 0);
        assert_eq!(reader.bars("HOLE").len(), sent + 7);
        check(&reader, FRIDAY);
        assert!(revised(&reader, "HOLE").is_empty());
        let mut state = ProviderState::default();
        report::compared(&process.entries, &mut state);
        assert_eq!(
            (state.sessions_asked_again, state.sessions_without_bar),
            (0, 0)
        );
    }
}

#[test]
fn the_newest_bar_that_is_expected_is_that_of_the_grid() {
    let timetable = of_interval(Interval::OneHour);
    let ms = |text: &str| at(text).as_millisecond();
    // The day before Thanksgiving, and the half day after it: half past nine to one o'clock in New York.
    for (now, newest, next) in [
        (
            "2024-11-27T15:59:59Z",
            "2024-11-26T21:00:00Z",
            "2024-11-27T16:00:00Z",
        ),
        (
            "2024-11-27T16:00:00Z",
            "2024-11-27T15:30:00Z",
            "2024-11-27T17:00:00Z",
        ),
        // The last bar is half an hour.
        (
            "2024-11-27T21:00:00Z",
            "2024-11-27T20:30:00Z",
            "2024-11-27T21:30:00Z",
        ),
        (
            "2024-11-27T21:30:00Z",
            "2024-11-27T21:00:00Z",
            "2024-11-29T16:00:00Z",
        ),
        (
            "2024-11-29T18:30:00Z",
            "2024-11-29T18:00:00Z",
            "2024-12-02T16:00:00Z",
        ),
    ] {
        let (now, newest) = (ms(now), ms(newest));
        assert_eq!(timetable.newest_expected(now), Some(newest));
        assert_eq!(timetable.next_expected(now), Some(ms(next)));
    }
    let end = ms("2024-11-27T15:30:00Z");
    let start = end / 1000 - 3600;
    assert_eq!(timetable.place(end), (date(2024, 11, 27), Some(start)));
}

#[test]
fn a_bar_in_which_nobody_traded_is_asked_for_less_and_less_until_the_next_one_is_expected() {
    let (mut reader, minute) = (
        reader(Provider::Yahoo, &["IBM"], MARKET, Interval::OneHour),
        60_000,
    );
    let mut process = reader.start();
    rounds(&mut reader, &mut process, FRIDAY);
    let due = at("2024-02-05T21:30:00Z").as_millisecond();
    let entry = &mut process.entries[0];
    let mut asked = due;
    for minutes in [10, 20, 40, 80, 160, 320] {
        entry.attempted(asked);
        let next = entry.next_attempt(&process.timetable, asked).unwrap();
        assert_eq!(next - due, minutes * minute);
        assert_eq!(entry.next_review(&process.timetable, asked), None);
        asked = next;
    }
    // The first bar of Tuesday is asked for when it is expected.
    let next = at("2024-02-06T16:00:00Z").as_millisecond();
    assert_eq!(
        entry.next_attempt(&process.timetable, next),
        Some(due + 170 * minute)
    );
}

/// The windows that are asked for, as they are named in New York.
fn windows(reader: &Reader) -> Vec<(ChartInterval, String, String)> {
    let zone = jiff::tz::TimeZone::get("America/New_York").unwrap();
    let text = |second| {
        let at = Timestamp::from_second(second).unwrap();
        at.to_zoned(zone.clone())
            .strftime("%m-%d %H:%M")
            .to_string()
    };
    let window = |request: &Request| match request.kind {
        Kind::Chart {
            interval,
            window: Window::Period { from, to },
        } => (interval, text(from), text(to)),
        other => panic!("{other:?}"),
    };
    reader.asked.iter().map(window).collect()
}

#[test]
fn a_chart_is_asked_as_far_back_as_it_reaches_from_the_open_of_a_session() {
    let asked = |interval| {
        let mut reader = reader(Provider::Yahoo, &["IBM"], MARKET, interval);
        reader.config.source.backfill.from = None;
        let mut process = reader.start();
        rounds(&mut reader, &mut process, FRIDAY);
        let first = reader.bars("IBM")[0].event_time;
        let history = windows(&reader);
        reader.asked.clear();
        rounds(&mut reader, &mut process, "2024-02-05T15:30:00Z");
        rounds(&mut reader, &mut process, "2024-02-05T16:30:00Z");
        (first, history, windows(&reader))
    };
    let of = |interval, from: &str, to: &str| (interval, from.to_string(), to.to_string());
    let minute = ChartInterval::OneMinute;
    let (first, history, live) = asked(Interval::OneMinute);
    // Four weeks, in windows of eight days. The answers do not have to refuse a wider one first.
    let expected = [
        of(minute, "01-05 09:30", "01-13 09:30"),
        of(minute, "01-13 09:30", "01-21 09:30"),
        of(minute, "01-21 09:30", "01-29 09:30"),
        of(minute, "01-29 09:30", "02-02 18:00"),
    ];
    assert_eq!(history, expected);
    assert_eq!(first, at("2024-01-05T14:31:00Z").as_millisecond());
    let live_windows = [
        of(minute, "01-29 09:30", "02-05 11:30"),
        of(minute, "02-05 09:30", "02-05 12:30"),
    ];
    assert_eq!(live, live_windows);
    let quarter = ChartInterval::FifteenMinutes;
    let (_, history, _) = asked(Interval::ThirtyMinutes);
    assert_eq!(history, [of(quarter, "12-06 09:30", "02-02 18:00")]);
    let (_, history, _) = asked(Interval::OneHour);
    assert_eq!(history[0].0, ChartInterval::Hour);
    assert_eq!(history.len(), 1);
}

#[test]
fn months_are_asked_for_from_the_oldest_on_and_within_a_session_the_newest_rows() {
    let mut reader = reader(
        Provider::AlphaVantage,
        &["IBM"],
        MARKET,
        Interval::FiveMinutes,
    );
    reader.config.source.backfill.from = None;
    let mut process = reader.start();
    rounds(&mut reader, &mut process, FRIDAY);
    let months = |reader: &Reader| {
        let kinds = reader.asked.iter().map(|request| request.kind);
        let month = kinds.filter_map(|kind| match kind {
            Kind::Intraday {
                interval: Minutes::Five,
                month,
            } => Some(month),
            Kind::Splits | Kind::Dividends => None,
            other => panic!("{other:?}"),
        });
        month.collect::<Vec<_>>()
    };
    // Two years back, though the market began one year later.
    let mut month = Month::new(2022, 2);
    let mut expected = vec![month];
    while month < Month::new(2024, 2) {
        month = month.and_then(Month::next);
        expected.push(month);
    }
    assert_eq!(months(&reader), expected);
    assert_eq!(
        reader.asked.len(),
        expected.len() + 2,
        "one list of splits for all"
    );
    assert_eq!(reader.bars("IBM").len(), reader.latest("IBM").len());
    let is_of = |bar: &Bar| bar.event_time == at("2023-01-03T14:35:00Z").as_millisecond();
    assert!(is_of(&reader.bars("IBM")[0]));
    reader.asked.clear();
    rounds(&mut reader, &mut process, "2024-02-09T15:30:00Z");
    rounds(&mut reader, &mut process, "2024-02-09T16:30:00Z");
    let recent = [Month::new(2024, 1), Month::new(2024, 2), None];
    assert_eq!(months(&reader), recent);
    // A day without the worker is more than the newest rows have.
    let now = at("2024-02-09T16:30:00Z").as_millisecond();
    let purpose = |month| {
        let symbol = process.entries[0].symbol.clone();
        let kind = Kind::Intraday {
            interval: Minutes::Five,
            month,
        };
        wanted::purpose(&Request { symbol, kind }, now)
    };
    assert_eq!(purpose(None), Purpose::Live);
    assert_eq!(purpose(Month::new(2024, 2)), Purpose::Live);
    assert_eq!(
        purpose(Month::new(2024, 1)),
        Purpose::Live,
        "it is compared"
    );
    assert_eq!(purpose(Month::new(2023, 12)), Purpose::Live);
    assert_eq!(purpose(Month::new(2023, 11)), Purpose::Backfill);
}

#[test]
fn a_review_asks_for_its_months_alone() {
    let mut reader = reader(Provider::AlphaVantage, &["IBM"], MARKET, Interval::OneHour);
    let mut process = reader.start();
    rounds(&mut reader, &mut process, FRIDAY);
    reader.asked.clear();
    let why = Why::Refetch;
    let (from, to) = (date(2024, 1, 17), date(2024, 1, 20));
    process.entries[0].begin(Review { why, from, to });
    let now = at(FRIDAY).as_millisecond();
    let next = |process: &Process| {
        wanted::request(&process.entries[0], &reader.source, &process.timetable, now).unwrap()
    };
    let month = Month::new(2024, 1);
    let interval = Minutes::Thirty;
    assert_eq!(next(&process).kind, Kind::Intraday { interval, month });
    process.entries[0].postpone(now);
    process.entries[0].refetch = Some((from, to));
    assert_eq!(reader.review(&mut process, "2024-02-02T23:01:00Z"), 3);
    assert!(revised(&reader, "IBM").is_empty());
}

#[test]
fn a_key_that_nobody_pays_for_is_told_so() {
    let market = MARKET.replace("premium: true", "premium: false");
    let mut reader = reader(
        Provider::AlphaVantage,
        &["IBM"],
        &market,
        Interval::FiveMinutes,
    );
    let mut process = reader.start();
    reader.round(&mut process, FRIDAY, ALL);
    assert_eq!(process.entries[0].lack.as_ref().unwrap().0, "NotEntitled");
    assert_eq!(reader.asked.len(), 1);
    let now = at(FRIDAY).as_millisecond();
    let tomorrow = now + 24 * 60 * 60 * 1000;
    let next = process.entries[0].next_attempt(&process.timetable, now);
    assert_eq!(next, Some(tomorrow));
}

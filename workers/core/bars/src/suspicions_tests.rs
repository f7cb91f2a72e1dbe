use foresail_domain::TradingCalendar;

use super::*;

fn bar([open, high, low, close]: [f64; 4]) -> Bar {
    serde_json::from_value(serde_json::json!({
        "symbol": "X", "interval": "1d", "eventTime": 0, "open": open, "high": high, "low": low, "close": close,
        "volume": null, "splitFactor": 1.0, "dividend": 0.0, "ingestedAt": 0, "provider": "csv", "revision": 0
    }))
    .unwrap()
}

/// A bar of which all prices are the close.
fn flat(close: f64) -> Bar {
    bar([close; 4])
}

#[test]
fn moves_of_splits_are_suspected_and_those_of_markets_are_not() {
    let split = |before, after: f64| match suspected(before, &flat(after)) {
        Some(SuspicionKind::Split(split)) => Some(ratio(split)),
        _ => None,
    };
    assert_eq!(split(100.0, 50.5).as_deref(), Some("2:1"));
    assert_eq!(split(100.0, 25.2).as_deref(), Some("4:1"));
    assert_eq!(split(100.0, 66.0).as_deref(), Some("3:2"));
    assert_eq!(split(10.0, 99.0).as_deref(), Some("1:10"));
    for after in [52.5, 101.0, 75.0, 150.0, 80.0, 62.0] {
        assert_eq!(suspected(100.0, &flat(after)), None, "{after}");
    }
    // A fall to the half within the session began near the close before.
    assert_eq!(suspected(100.0, &bar([98.0, 99.0, 49.0, 50.0])), None);
    let opened = suspected(100.0, &bar([51.0, 52.0, 49.0, 50.0]));
    assert_eq!(opened, Some(SuspicionKind::Split(2.0)));
}

#[test]
fn what_the_source_declares_explains_a_move_and_one_that_is_not_there_is_told() {
    let declared = |close, split_factor, dividend| Bar {
        split_factor,
        dividend,
        ..flat(close)
    };
    assert_eq!(suspected(100.0, &declared(50.0, 2.0, 0.0)), None);
    assert_eq!(suspected(100.0, &declared(50.0, 1.0, 49.0)), None);
    // Prices that were adjusted already, and the column of splits beside them.
    let twice = suspected(50.0, &declared(50.0, 2.0, 0.0));
    assert_eq!(twice, Some(SuspicionKind::Split(0.5)));
}

#[test]
fn a_tripling_is_told_whatever_its_size_and_a_hundredfold_is_another_unit() {
    let kind = |before, after| suspected(before, &flat(after));
    assert_eq!(kind(1.0, 3.3), Some(SuspicionKind::Jump));
    assert_eq!(kind(3.3, 1.0), Some(SuspicionKind::Jump));
    assert_eq!(kind(1.0, 2.8), None);
    assert_eq!(kind(1.0, 101.0), Some(SuspicionKind::Unit));
    assert_eq!(kind(101.0, 1.0), Some(SuspicionKind::Unit));
    // Only one price of the bar is wrong.
    let one = suspected(1.0, &bar([1.0, 100.0, 1.0, 100.0]));
    assert_eq!(one, Some(SuspicionKind::Jump));
}

fn judge(holds: bool) -> Judge {
    Judge {
        calendar: TradingCalendar::Weekdays.into(),
        holds,
    }
}

/// What becomes of closes, one a weekday.
fn moves(judge: Judge, closes: &[f64]) -> Vec<String> {
    let mut date = jiff::civil::date(2020, 1, 1);
    let mut level: Option<Level> = None;
    let mut next = |close: &f64| {
        date = judge.calendar.next_session(date);
        let bar = Bar {
            event_time: judge.calendar.session_end(date),
            ..flat(*close)
        };
        let Some(level) = &mut level else {
            level = Some(Level::new(&bar, date));
            return "first".to_string();
        };
        match level.next(&bar, date, &judge) {
            Move::Usual => "usual".into(),
            Move::Held(held) => format!("held {}", held.reason()),
            Move::Told(told) => format!("told {} {}", told.reason(), told.held),
        }
    };
    closes.iter().map(&mut next).collect()
}

#[test]
fn moves_that_markets_make_are_told_or_held_back_as_declared() {
    let closes = [100.0, 50.0, 51.0, 49.0, 50.0];
    let warned = moves(judge(false), &closes);
    let expected = ["first", "told SuspectedSplit 0", "usual", "usual", "usual"];
    assert_eq!(warned, expected);
    let held = moves(judge(true), &closes);
    let split = "held SuspectedSplit";
    let expected = ["first", split, split, "told SuspectedSplit 2", "usual"];
    assert_eq!(held, expected);
    // The market goes on from the new level.
    let moved = moves(judge(true), &[100.0, 50.0, 54.0, 60.0, 62.0]);
    assert_eq!(moved, expected);
    // One wrong row leaves no trace.
    let one = moves(judge(true), &[100.0, 50.0, 101.0, 33.0, 99.0]);
    assert_eq!(one, ["first", split, "usual", split, "usual"]);
}

#[test]
fn another_unit_is_held_back_whatever_is_declared() {
    for holds in [false, true] {
        let found = moves(judge(holds), &[5.0, 505.0, 5.1, 505.0, 510.0, 500.0, 505.0]);
        let unit = "held SuspectedUnit";
        let expected = [
            "first",
            unit,
            "usual",
            unit,
            unit,
            "told SuspectedUnit 2",
            "usual",
        ];
        assert_eq!(found, expected);
    }
}

#[test]
fn a_move_over_many_missing_sessions_is_none_of_a_session() {
    let level = |days: i64| {
        let first = jiff::civil::date(2020, 1, 1);
        let mut level = Level::new(&flat(100.0), first);
        let date = first + jiff::Span::new().days(days);
        level.next(&flat(25.0), date, &judge(false))
    };
    // Wednesday to Thursday of the week after the next: ten sessions are missing, and then eleven.
    assert!(matches!(level(15), Move::Told(_)));
    assert_eq!(level(16), Move::Usual);
}

#[test]
fn a_suspicion_names_symbol_dates_and_both_prices() {
    let suspicion = Suspicion {
        kind: SuspicionKind::Split(4.0),
        symbol: "ACME".into(),
        before: Quote {
            date: jiff::civil::date(2020, 1, 2),
            time: None,
            close: 100.5,
        },
        after: Quote {
            date: jiff::civil::date(2020, 1, 3),
            time: None,
            close: 25.25,
        },
        declared: 1.0,
        held: 2,
    };
    assert_eq!(
        suspicion.to_string(),
        "ACME: 2020-01-02 closes at 100.5 and 2020-01-03 at 25.25, as after a split of 4:1, and nothing declares one; \
         the new level is accepted, its first 2 bars are in quarantine as SuspectedSplit"
    );
}

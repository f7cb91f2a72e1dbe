use foresail_domain::TradingCalendar;
use serde_json::json;
use smol_str::SmolStr;

use super::*;

const NOW: i64 = 1_700_000_000_000;

pub fn config(source: serde_json::Value) -> IngestConfig {
    serde_json::from_value(json!({
        "pipeline": {"namespace": "n", "name": "p"},
        "instruments": [{"symbol": "X"}, {"symbol": "Y"}],
        "calendar": "XNYS",
        "source": source,
        "kafka": {"bootstrapServers": "k:9092", "topicPrefix": ""}
    }))
    .unwrap()
}

fn checker(backfill: serde_json::Value) -> Checker {
    let source = json!({"csv": {"uri": "http://h/f.csv"}, "backfill": backfill});
    Checker::new(&config(source), "csv").unwrap()
}

fn row(text: &str) -> RawRow {
    let get = |i: usize| {
        text.split(',')
            .nth(i)
            .filter(|t| !t.is_empty())
            .map(SmolStr::from)
    };
    let fields = Fields {
        symbol: get(0),
        date: get(1),
        open: get(2),
        high: get(3),
        low: get(4),
        close: get(5),
        volume: get(6),
        adjusted_close: get(7),
        ..Fields::default()
    };
    RawRow {
        position: 0,
        line: 2,
        part: None,
        original: text.as_bytes().into(),
        length: text.len() as u64,
        fields,
        superseded: false,
        next_adjusted: None,
    }
}

#[test]
fn each_kind_of_bad_row_has_its_reason_and_leaves_the_rest_alone() {
    let mut checker = checker(json!({}));
    let cases = [
        ("X,2000-03-01,1,2,1,1.5,10", "Good"),
        ("X,2000-03-02,1,2,-1,-1.5,10", "NotPositive"),
        ("X,2000-03-02,1,1,2,1.5,10", "HighBelowLow"),
        ("X,2000-03-02,1,2,1,2.5,10", "OutsideRange"),
        ("X,2000-03-02,1,2,1,,10", "MissingClose"),
        ("X,,1,2,1,1.5,10", "MissingDate"),
        ("X,2000-03-01,1,2,1,1.5,10", "Duplicate"),
        ("X,2000-02-29,1,2,1,1.5,10", "OutOfOrder"),
        ("X,2000-03-02,1,2,1,1.2.3,10", "NotANumber"),
        (",,,,,,", "Unreadable"),
        (",2000-03-02,1,2,1,1.5,10", "MissingSymbol"),
        ("X,2000-03-02,1,2,1,1.5,-10", "NegativeVolume"),
        ("X,2999-01-01,1,2,1,1.5,10", "InTheFuture"),
        ("X,2000-02-30,1,2,1,1.5,10", "BadDate"),
        ("X,03/02/2000,1,2,1,1.5,10", "BadDate"),
        ("X,2000-03-04,1,2,1,1.5,10", "OffSession"),
        ("X,2000-07-04,1,2,1,1.5,10", "OffSession"),
        ("X,2000-03-02,1,2,1,inf,10", "NotFinite"),
        ("X,2000-03-02,,,,1.5,", "Good"),
        ("Z,2000-03-02,1,2,1,1.5,10", "OutOfScope"),
        ("Y,2000-03-02 16:00:00,0,2,1,1.5,10", "Good"),
        ("Y,2000-03-03 16:00:00 XYZ,1,2,1,1.5,10", "BadDate"),
    ];
    for (text, expected) in cases {
        let outcome = match checker.check(&row(text), NOW) {
            RowOutcome::Bar(..) => "Good",
            RowOutcome::OutOfScope => "OutOfScope",
            RowOutcome::Refused(refusal) => refusal.reason,
        };
        assert_eq!(outcome, expected, "{text}");
    }
}

#[test]
fn behind_the_end_of_the_calendar_nothing_is_a_bar_but_what_an_override_says() {
    let now: Timestamp = "2028-03-01T00:00:00Z".parse().unwrap();
    let refusal = |overrides: serde_json::Value, date: &str| {
        let mut config = config(json!({"csv": {"uri": "http://h/f.csv"}}));
        let overrides: Vec<foresail_domain::CalendarOverride> =
            serde_json::from_value(overrides).unwrap();
        config.calendar = Calendar::new(TradingCalendar::Xnys, &overrides).unwrap();
        let mut checker = Checker::new(&config, "csv").unwrap();
        let row = row(&format!("X,{date},1,2,1,1.5,10"));
        match checker.check(&row, now.as_millisecond()) {
            RowOutcome::Refused(refusal) => (refusal.reason, refusal.message),
            _ => ("Good", String::new()),
        }
    };
    let none = || json!([]);
    assert_eq!(refusal(none(), "2027-12-31").0, "Good");
    // A usual weekday, and one that will be a holiday: who knows.
    for day in ["2028-01-04", "2028-01-17"] {
        let (reason, message) = refusal(none(), day);
        assert_eq!(reason, "CalendarExpired", "{day}");
        assert!(
            message.contains("XNYS") && message.contains("2027-12-31"),
            "{message}"
        );
    }
    // An override is of its own day, and makes none of those before it known.
    let told =
        || json!([{"date": "2028-02-01", "open": true}, {"date": "2028-02-02", "closed": true}]);
    for (day, reason) in [
        ("2028-01-31", "CalendarExpired"),
        ("2028-02-01", "Good"),
        ("2028-02-02", "OffSession"),
        ("2028-02-03", "CalendarExpired"),
    ] {
        assert_eq!(refusal(told(), day).0, reason, "{day}");
    }
}

#[test]
fn the_bar_of_a_session_that_has_begun_is_unfinished_and_not_of_the_future() {
    let reason = |date: &str, now: &str| {
        let now: Timestamp = now.parse().unwrap();
        let row = row(&format!("X,{date},1,2,1,1.5,10"));
        match checker(json!({})).check(&row, now.as_millisecond()) {
            RowOutcome::Refused(refusal) => refusal.reason,
            _ => "Good",
        }
    };
    let day = "2023-11-15";
    // Still the 14th in New York; noon there; a second before the close, and the close.
    assert_eq!(reason(day, "2023-11-15T04:59:59Z"), "InTheFuture");
    assert_eq!(reason(day, "2023-11-15T17:00:00Z"), UNFINISHED);
    assert_eq!(reason(day, "2023-11-15T20:59:59Z"), UNFINISHED);
    assert_eq!(reason(day, "2023-11-15T21:00:00Z"), "Good");
    // No hour makes a session of a holiday.
    assert_eq!(reason("2023-11-23", "2023-11-23T17:00:00Z"), "OffSession");
}

#[test]
fn a_zero_open_is_missing_and_not_a_price() {
    let mut checker = checker(json!({}));
    let RowOutcome::Bar(bar, _) = checker.check(&row("X,2000-03-01,0.0,2,1,1.5,"), NOW) else {
        panic!("good row refused");
    };
    assert_eq!((bar.open, bar.volume), (None, None));
    let end = TradingCalendar::Xnys.session_end("2000-03-01".parse().unwrap());
    assert_eq!(bar.event_time, end);
}

fn bar(checker: &mut Checker, row: &RawRow) -> Bar {
    match checker.check(row, NOW) {
        RowOutcome::Bar(bar, _) => bar,
        other => panic!("{other:?}"),
    }
}

#[test]
fn zeros_of_a_suspended_day_and_of_a_day_without_a_split_are_nothing() {
    let mut checker = checker(json!({}));
    let suspended = bar(&mut checker, &row("X,2000-03-01,0,0,0,1.5,0"));
    assert_eq!(
        (suspended.open, suspended.high, suspended.low),
        (None, None, None)
    );
    let mut unsplit = row("X,2000-03-02,1,2,1,1.5,10");
    unsplit.fields.split_factor = Some("0.0".into());
    unsplit.fields.dividend = Some("0.0".into());
    assert_eq!(bar(&mut checker, &unsplit).split_factor, 1.0);
    // A low of zero alone is a wrong price.
    let refused = checker.check(&row("X,2000-03-03,1,2,0,1.5,10"), NOW);
    assert!(matches!(refused, RowOutcome::Refused(r) if r.reason == "NotPositive"));
}

#[test]
fn high_and_low_give_way_in_the_last_bits_only() {
    let mut checker = checker(json!({}));
    let close = 50.78;
    let above = f64::from_bits(f64::to_bits(close) + 1);
    let text = format!("X,2000-03-01,{above},{close},{close},{above},10");
    let found = bar(&mut checker, &row(&text));
    assert_eq!((found.high, found.low), (Some(above), Some(close)));
    let notes = |outcome| match outcome {
        RowOutcome::Bar(_, notes) => notes,
        other => panic!("{other:?}"),
    };
    let text = format!("Y,2000-03-01,{above},{close},{close},{above},10");
    assert!(notes(checker.check(&row(&text), NOW)).clamped);
    assert!(!notes(checker.check(&row("Y,2000-03-02,50,51,49,50,10"), NOW)).clamped);
    let refused = checker.check(&row("X,2000-03-02,50,50.78,49,50.7801,10"), NOW);
    assert!(matches!(refused, RowOutcome::Refused(r) if r.reason == "OutsideRange"));
}

#[test]
fn dates_before_the_calendars_are_taken_as_they_are() {
    let mut checker = checker(json!({}));
    // The exchange traded on Saturdays until 1952.
    bar(&mut checker, &row("X,1951-03-03,1,2,1,1.5,10"));
}

#[test]
fn scope_is_backfill_and_replay() {
    let mut checker = checker(json!({"from": "2000-03-02", "to": "2000-03-03"}));
    let mut passes = |text: &str| matches!(checker.check(&row(text), NOW), RowOutcome::Bar(..));
    assert!(!passes("X,2000-03-01,1,2,1,1.5,1"));
    assert!(passes("X,2000-03-02,1,2,1,1.5,1"));
    assert!(passes("X,2000-03-03,1,2,1,1.5,1"));
    assert!(!passes("X,2000-03-06,1,2,1,1.5,1"));
}

#[test]
fn splits_come_from_the_adjusted_close() {
    let mut checker = checker(json!({}));
    checker.check(&row("X,2000-06-20,,,,101.25,1,3.2531"), NOW);
    let RowOutcome::Bar(bar, _) = checker.check(&row("X,2000-06-21,,,,55.62,1,3.5742"), NOW) else {
        panic!("good row refused");
    };
    assert_eq!((bar.split_factor, bar.dividend), (2.0, 0.0));
}

/// Outcomes of closes of X, one a day from 2000-03-01; every price of a bar is its close.
fn closes(checker: &mut Checker, closes: &[f64]) -> Vec<String> {
    let mut date: Date = "2000-03-01".parse().unwrap();
    let mut outcome = |close: &f64| {
        let text = format!("X,{date},{close},{close},{close},{close},10");
        date = TradingCalendar::Xnys.next_session(date);
        match checker.check(&row(&text), NOW) {
            RowOutcome::Bar(_, notes) => match notes.suspicion.filter(|told| told.held > 0) {
                Some(level) => level.to_string(),
                None => "good".to_string(),
            },
            RowOutcome::Refused(refusal) => refusal.reason.to_string(),
            RowOutcome::OutOfScope => "out of scope".to_string(),
        }
    };
    closes.iter().map(&mut outcome).collect()
}

#[test]
fn a_bar_that_is_a_hundred_times_too_large_or_small_is_refused_and_leaves_no_trace() {
    for wrong in [100.0, 0.01, 62.0, 1.0 / 62.0] {
        let found = closes(
            &mut checker(json!({})),
            &[5.0, 5.1 * wrong, 5.2, 5.0 * wrong, 5.3],
        );
        let expected = ["good", "SuspectedUnit", "good", "SuspectedUnit", "good"];
        assert_eq!(found, expected, "{wrong}");
    }
}

#[test]
fn moves_that_markets_make_are_no_jumps() {
    let found = closes(
        &mut checker(json!({})),
        &[0.0001, 0.0004, 0.0001, 0.003, 0.03, 1.2, 0.06, 0.002],
    );
    assert!(found.iter().all(|outcome| outcome == "good"), "{found:?}");
    // From one to sixty within the session: its first trade was near the close before.
    let mut checker = checker(json!({}));
    checker.check(&row("X,2000-03-01,1,1,1,1,10"), NOW);
    let outcome = checker.check(&row("X,2000-03-02,1.1,70,1.1,60,10"), NOW);
    assert!(matches!(outcome, RowOutcome::Bar(..)), "{outcome:?}");
}

#[test]
fn a_run_on_a_new_level_is_a_rebasing_and_told() {
    let found = closes(
        &mut checker(json!({})),
        &[5.0, 510.0, 490.0, 520.0, 505.0, 5.0],
    );
    let expected = [
        "good",
        "SuspectedUnit",
        "SuspectedUnit",
        "told",
        "good",
        "SuspectedUnit",
    ];
    for (found, expected) in found.iter().zip(expected) {
        let found = if found.starts_with(
            "X: 2000-03-01 closes at 5 and 2000-03-06 at 520, all prices 104.0000 times",
        ) {
            "told"
        } else {
            found.as_str()
        };
        assert_eq!(found, expected);
    }
    // Wrong rows that do not agree make no level.
    let found = closes(
        &mut checker(json!({})),
        &[5.0, 500.0, 0.05, 500.0, 0.05, 5.0],
    );
    assert!(found[1..5].iter().all(|outcome| outcome == "SuspectedUnit"));
    assert_eq!(found[5], "good");
}

#[test]
fn one_row_again_and_again_is_no_run() {
    let mut checker = checker(json!({}));
    checker.check(&row("X,2000-03-01,5,5,5,5,10"), NOW);
    for _ in 0..5 {
        let outcome = checker.check(&row("X,2000-03-02,500,500,500,500,10"), NOW);
        let RowOutcome::Refused(refusal) = outcome else {
            panic!("{outcome:?}");
        };
        assert_eq!(refusal.reason, "SuspectedUnit");
    }
}

#[test]
fn a_declared_split_explains_a_jump() {
    let source = json!({"csv": {"uri": "http://h/f.csv"}});
    let mut checker = Checker::new(&config(source), "csv").unwrap();
    let mut outcome = |date: &str, close: &str, split: Option<&str>| {
        let mut row = row(&format!("X,{date},,,,{close},10"));
        row.fields.split_factor = split.map(SmolStr::from);
        match checker.check(&row, NOW) {
            RowOutcome::Bar(..) => "good",
            RowOutcome::Refused(refusal) => refusal.reason,
            RowOutcome::OutOfScope => "out of scope",
        }
    };
    assert_eq!(outcome("2000-03-01", "0.05", None), "good");
    // A reverse split 1:100, and one that is not there.
    assert_eq!(outcome("2000-03-02", "5.1", Some("0.01")), "good");
    assert_eq!(outcome("2000-03-03", "5.0", Some("0.01")), "SuspectedUnit");
    assert_eq!(outcome("2000-03-06", "0.05", Some("1")), "SuspectedUnit");
}

#[test]
fn bytes_that_are_no_row_are_named() {
    let mut checker = checker(json!({}));
    let mut raw = RawRow {
        original: b"PK\x03\x04".as_slice().into(),
        length: 4,
        ..RawRow::default()
    };
    let message = |outcome| match outcome {
        RowOutcome::Refused(refusal) => refusal.message,
        other => panic!("{other:?}"),
    };
    let said = message(checker.check(&raw, NOW));
    assert!(said.starts_with("`0x504b0304` does not have"), "{said}");
    raw.length = 1 << 20;
    let said = message(checker.check(&raw, NOW));
    assert!(said.contains("has 1048576 bytes"), "{said}");
}

#[test]
fn the_simulator_makes_no_jumps_of_its_own() {
    let spec = serde_json::from_value(json!({"seed": 3, "start": "1980-01-02", "sessions": 4000,
        "annualVolatility": "1.5", "splitEverySessions": 40, "badRowEvery": 50}))
    .unwrap();
    let symbols = ["X".to_string(), "Y".to_string()];
    let rows = crate::Simulator::new(
        &spec,
        &symbols,
        &BarGrid::new(TradingCalendar::Xnys, Interval::Session),
    )
    .unwrap();
    let mut checker = checker(json!({}));
    let mut reasons = std::collections::BTreeMap::new();
    for row in rows {
        if let RowOutcome::Refused(refusal) = checker.check(&row, NOW) {
            *reasons.entry(refusal.reason).or_insert(0) += 1;
        }
    }
    assert!(
        !reasons.is_empty() && !reasons.contains_key("SuspectedUnit"),
        "{reasons:?}"
    );
}

#[test]
fn a_row_that_is_no_utf_8_where_that_is_declared_says_so() {
    let csv = json!({"uri": "http://h/f.csv", "dialect": {"encoding": "Utf8"}});
    let mut checker = Checker::new(&config(json!({"csv": csv})), "csv").unwrap();
    let raw = RawRow {
        original: b"X,2000-01-03,F\xfc".as_slice().into(),
        length: 15,
        ..RawRow::default()
    };
    match checker.check(&raw, NOW) {
        RowOutcome::Refused(refusal) => {
            assert_eq!(refusal.reason, "NotUtf8");
            assert!(
                refusal.message.starts_with("`0x582c"),
                "{}",
                refusal.message
            );
        }
        other => panic!("{other:?}"),
    }
}

/// Split factors and dividends of rows of X, one a session, each with its close and adjusted close as they are printed.
fn actions(rows: &[(&str, &str)]) -> Vec<(f64, f64)> {
    let mut date: Date = "2000-03-01".parse().unwrap();
    let raw: Vec<RawRow> = rows
        .iter()
        .map(|(close, adjusted)| {
            let text = format!("X,{date},,,,{close},10,{adjusted}");
            date = TradingCalendar::Xnys.next_session(date);
            row(&text)
        })
        .collect();
    let rows = crate::order::with_next_adjusted(raw.into_iter().map(Ok));
    let mut checker = checker(json!({}));
    rows.map(|row| {
        let bar = bar(&mut checker, &row.unwrap());
        (bar.split_factor, bar.dividend)
    })
    .collect()
}

#[test]
fn steps_of_the_adjusted_close_are_taken_over_holes() {
    let whole = [
        ("100", "25"),
        ("101", "25.25"),
        ("25.5", "25.5"),
        ("26", "26"),
    ];
    let none = (1.0, 0.0);
    let expected = [none, none, (4.0, 0.0), none];
    assert_eq!(actions(&whole), expected);
    for holes in [&[2][..], &[1], &[1, 2]] {
        let mut rows = whole;
        holes.iter().for_each(|hole| rows[*hole].1 = "");
        assert_eq!(actions(&rows), expected, "{holes:?}");
    }
    // A dividend of one per cent, and the day before it without an adjusted close.
    let before = ("100.37", "99.3663");
    let after = ("100.37", "100.37");
    let paid = actions(&[before, before, ("100.37", ""), after, after]);
    assert_eq!(paid[..3], [none; 3]);
    assert!((paid[3].1 - 1.0037).abs() < 1e-3, "{paid:?}");
    // Nobody knows what comes behind the end of the file.
    assert_eq!(actions(&[("100", "100"), ("25", "")]), [none; 2]);
}

#[test]
fn the_same_numbers_give_the_same_bars_however_they_are_printed() {
    let numbers: Vec<(f64, f64)> = (0..200)
        .map(|i| {
            let close = f64::from(4000 + (i * 37) % 400) / 100.0;
            let factor = if i < 100 { 0.985 } else { 1.0 };
            (close, (close * factor * 100.0).round() / 100.0)
        })
        .collect();
    let printed = |print: fn(f64) -> String| {
        let rows: Vec<_> = numbers
            .iter()
            .map(|(c, a)| (print(*c), print(*a)))
            .collect();
        let rows: Vec<_> = rows.iter().map(|(c, a)| (c.as_str(), a.as_str())).collect();
        actions(&rows)
    };
    let two = printed(|value| format!("{value:.2}"));
    assert_eq!(two, printed(|value| value.to_string()));
    assert_eq!(two, printed(|value| format!("{value:.6}")));
    let dividends: Vec<usize> = (0..two.len()).filter(|i| two[*i].1 > 0.0).collect();
    assert_eq!(dividends, [100], "{two:?}");
    assert!(two.iter().all(|action| action.0 == 1.0));
}

#[test]
fn moves_that_markets_make_are_held_back_where_it_is_declared() {
    let source = |policy: Option<&str>| {
        let mut source = json!({"csv": {"uri": "http://h/f.csv"}});
        if let Some(policy) = policy {
            source["onSuspicion"] = json!(policy);
        }
        Checker::new(&config(source), "csv").unwrap()
    };
    let prices = [100.0, 101.0, 25.3, 25.5, 25.4, 80.0];
    for policy in [None, Some("Warn"), Some("Stop")] {
        let found = closes(&mut source(policy), &prices);
        assert!(found.iter().all(|outcome| outcome == "good"), "{found:?}");
    }
    let found = closes(&mut source(Some("Quarantine")), &prices);
    assert_eq!(found[2..4], ["SuspectedSplit", "SuspectedSplit"]);
    assert!(
        found[4].ends_with("its first 2 bars are in quarantine as SuspectedSplit"),
        "{found:?}"
    );
    assert_eq!(found[5], "PriceJump");
}

#[test]
fn a_row_beside_the_order_is_judged_by_the_close_before_it_and_leaves_the_rest_alone() {
    let mut checker = checker(json!({}));
    let bar = |outcome| match outcome {
        RowOutcome::Bar(bar, notes) => (bar.close, notes.suspicion.is_some()),
        other => panic!("{other:?}"),
    };
    for day in ["X,2000-03-01,1,2,1,1.5,10", "X,2000-03-03,1,2,1,1.6,10"] {
        bar(checker.check(&row(day), NOW));
    }
    let before = Some(Quote {
        date: "2000-03-01".parse().unwrap(),
        time: None,
        close: 1.5,
    });
    let late = row("X,2000-03-02,4,5,4,4.6,10");
    assert_eq!(bar(checker.check_beside(&late, before, NOW)), (4.6, true));
    assert_eq!(bar(checker.check_beside(&late, None, NOW)), (4.6, false));
    let unit = row("X,2000-03-02,150,160,150,155,10");
    let RowOutcome::Refused(refusal) = checker.check_beside(&unit, before, NOW) else {
        panic!("another unit is no correction");
    };
    assert_eq!(refusal.reason, "SuspectedUnit");
    // The order goes on where it was, with the newest bar as it was corrected.
    let newest = row("X,2000-03-03,4,5,4,4.8,10");
    assert_eq!(bar(checker.check_beside(&newest, before, NOW)), (4.8, true));
    let next = row("X,2000-03-06,4,5,4,4.9,10");
    assert_eq!(bar(checker.check(&next, NOW)), (4.9, false));
    assert!(matches!(
        checker.check(&late, NOW),
        RowOutcome::Refused(refusal) if refusal.reason == "OutOfOrder"
    ));
}

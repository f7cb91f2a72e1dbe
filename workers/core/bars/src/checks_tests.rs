use serde_json::json;

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
            .map(str::to_string)
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
        original: text.into(),
        fields,
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
        ("X,2000-03-02,1,2,1,inf,10", "NotFinite"),
        ("X,2000-03-02,,,,1.5,", "Good"),
        ("Z,2000-03-02,1,2,1,1.5,10", "OutOfScope"),
        ("Y,2000-03-02 16:00:00,0,2,1,1.5,10", "Good"),
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
fn a_zero_open_is_missing_and_not_a_price() {
    let mut checker = checker(json!({}));
    let RowOutcome::Bar(bar, date) = checker.check(&row("X,2000-03-01,0.0,2,1,1.5,"), NOW) else {
        panic!("good row refused");
    };
    assert_eq!((bar.open, bar.volume), (None, None));
    assert_eq!(date.to_string(), "2000-03-01");
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

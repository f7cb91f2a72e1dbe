//! Every invariant, its reason, and the wire form.

use super::*;

fn bar() -> Bar {
    Bar {
        symbol: "AAPL".into(),
        interval: Interval::Session,
        event_time: 1_000,
        open: Some(10.0),
        high: Some(12.0),
        low: Some(9.0),
        close: 11.0,
        volume: Some(5.0),
        split_factor: 1.0,
        dividend: 0.0,
        ingested_at: 2_000,
        provider: "csv".into(),
        revision: 0,
    }
}

#[test]
fn good_bars_pass_with_and_without_optional_fields() {
    assert_eq!(bar().check(1_000), Ok(()));
    let sparse = Bar {
        open: None,
        high: None,
        low: None,
        volume: None,
        ..bar()
    };
    assert_eq!(sparse.check(1_000), Ok(()));
}

#[test]
fn each_broken_invariant_has_its_reason() {
    let cases = [
        (
            Bar {
                close: f64::NAN,
                ..bar()
            },
            "NotFinite",
        ),
        (
            Bar {
                close: 0.0,
                ..bar()
            },
            "NotPositive",
        ),
        (
            Bar {
                open: Some(-1.0),
                ..bar()
            },
            "NotPositive",
        ),
        (
            Bar {
                high: Some(8.0),
                ..bar()
            },
            "HighBelowLow",
        ),
        (
            Bar {
                close: 12.5,
                ..bar()
            },
            "OutsideRange",
        ),
        (
            Bar {
                open: Some(8.9),
                ..bar()
            },
            "OutsideRange",
        ),
        (
            Bar {
                volume: Some(-1.0),
                ..bar()
            },
            "NegativeVolume",
        ),
        (
            Bar {
                volume: Some(f64::INFINITY),
                ..bar()
            },
            "NotFinite",
        ),
        (
            Bar {
                event_time: 1_001,
                ..bar()
            },
            "InTheFuture",
        ),
        (
            Bar {
                split_factor: 0.0,
                ..bar()
            },
            "BadCorporateAction",
        ),
        (
            Bar {
                dividend: -0.1,
                ..bar()
            },
            "BadCorporateAction",
        ),
        (
            Bar {
                dividend: f64::NAN,
                ..bar()
            },
            "BadCorporateAction",
        ),
        (
            Bar {
                split_factor: 1e5,
                ..bar()
            },
            "BadCorporateAction",
        ),
        (
            Bar {
                close: 1e-13,
                low: None,
                ..bar()
            },
            "OutOfBounds",
        ),
        (
            Bar {
                high: Some(1e13),
                ..bar()
            },
            "OutOfBounds",
        ),
        (
            Bar {
                volume: Some(1e25),
                ..bar()
            },
            "OutOfBounds",
        ),
    ];
    for (bad, reason) in cases {
        assert_eq!(bad.check(1_000).unwrap_err().reason(), reason, "{bad:?}");
    }
}

#[test]
fn json_round_trips_bit_for_bit() {
    let original = Bar {
        close: 0.1 + 0.2,
        open: None,
        ..bar()
    };
    let text = serde_json::to_string(&original).unwrap();
    let back: Bar = serde_json::from_str(&text).unwrap();
    assert_eq!(back.close.to_bits(), original.close.to_bits());
    assert_eq!(back, original);
    assert!(text.contains("\"eventTime\":1000") && text.contains("\"1d\""));
}

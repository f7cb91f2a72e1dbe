use super::*;
use crate::rank::spearman;

fn record(symbol: usize, event_time: i64, step: usize, values: [f64; 4]) -> Record {
    let [close, forecast, actual, naive] = values;
    Record {
        fold: 0,
        symbol,
        event_time,
        step,
        forecast,
        actual,
        close,
        naive,
    }
}

#[test]
fn errors_by_hand_dates_weigh_alike() {
    // Date 0: errors 1 and 3; date 1: error 2. Naive: 2 and 4; 2.
    let records = [
        record(0, 0, 1, [10.0, 11.0, 12.0, 10.0]),
        record(1, 0, 1, [10.0, 11.0, 14.0, 10.0]),
        record(0, 1, 1, [10.0, 10.0, 8.0, 10.0]),
    ];
    let seen = metrics(&records, Unit::Price, &|_| 0.5).unwrap();
    assert_eq!((seen.count, seen.dates), (3, 2));
    // ((1 + 9) / 2 + 4) / 2 = 4.5; naive ((4 + 16) / 2 + 4) / 2 = 7.
    assert!((seen.rmse - 4.5f64.sqrt()).abs() < 1e-15);
    assert!((seen.naive_rmse - 7f64.sqrt()).abs() < 1e-15);
    assert_eq!((seen.mae, seen.naive_mae), (2.0, 2.5));
    assert_eq!(seen.mase, Some(4.0));
    assert!((seen.rmse_ratio.unwrap() - (4.5f64 / 7.0).sqrt()).abs() < 1e-15);
    // Date 0: two hits; date 1: no move forecast, half.
    assert_eq!(seen.directional_accuracy, Some(0.75));
    let relative = metrics(&records, Unit::Relative, &|_| 0.05).unwrap();
    assert!((relative.rmse - 0.45f64.sqrt() / 10f64.sqrt()).abs() < 1e-15);
    assert!((relative.mase.unwrap() - 4.0).abs() < 1e-12);
    let losses = date_losses(&records, Unit::Price).unwrap();
    assert_eq!((losses[0].model, losses[1].naive), (5.0, 4.0));
    // Terms 4 - (1 - 1) and 16 - (9 - 1).
    assert_eq!(losses[0].clark_west, 6.0);
}

#[test]
fn ties_of_direction() {
    let up = record(0, 0, 1, [10.0, 11.0, 12.0, 10.0]);
    let still = Record { actual: 10.0, ..up };
    let seen = |r: Record| metrics(&[r], Unit::Price, &|_| 1.0).unwrap();
    assert_eq!(seen(up).directional_accuracy, Some(1.0));
    assert_eq!(seen(still).directional_accuracy, None);
    let down = Record {
        forecast: 9.0,
        ..up
    };
    assert_eq!(seen(down).directional_accuracy, Some(0.0));
    let naive = Record {
        forecast: 10.0,
        ..up
    };
    assert_eq!(seen(naive).directional_accuracy, Some(0.5));
}

#[test]
fn information_coefficient_is_ranked_within_a_date_where_it_can() {
    // Date 0 ranks right, date 1 wrong: 0 on average. Over time alone it would be 1 for symbol 0.
    let mut records = Vec::new();
    for symbol in 0..3 {
        let s = symbol as f64;
        records.push(record(symbol, 0, 1, [10.0, 10.0 + s, 10.0 + 2.0 * s, 10.0]));
        records.push(record(symbol, 1, 1, [10.0, 20.0 - s, 20.0 + s, 10.0]));
    }
    let ic = |records: &[Record]| {
        let found = metrics(records, Unit::Relative, &|_| 1.0).unwrap();
        found.information_coefficient
    };
    assert_eq!(ic(&records), Some(0.0));
    assert_eq!(ic(&records[..1]), None);
    let one: Vec<Record> = (0..5)
        .map(|t| record(0, t, 1, [10.0, 10.0 + t as f64, 9.0 + t as f64, 10.0]))
        .collect();
    assert_eq!(ic(&one), Some(1.0));
    // Steps are ranked apart: their scales differ.
    let mut both = one.clone();
    both.extend((0..5).map(|t| record(0, t, 2, [10.0, 30.0 + t as f64, 30.0 - t as f64, 10.0])));
    assert_eq!(ic(&both), Some(0.0));
}

#[test]
fn spearman_by_hand() {
    // Ranks 1, 2.5, 2.5, 4 against 1, 2, 3, 4: 4.5 / sqrt(4.5 * 5).
    let seen = spearman(&[1.0, 2.0, 2.0, 9.0], &[1.0, 2.0, 3.0, 4.0]).unwrap();
    assert!((seen - 4.5 / 22.5f64.sqrt()).abs() < 1e-15);
    assert_eq!(spearman(&[1.0, 1.0, 1.0], &[1.0, 2.0, 3.0]), None);
    assert_eq!(spearman(&[1.0, f64::NAN, 1.5], &[1.0, 2.0, 3.0]), None);
    assert_eq!(spearman(&[], &[]), None);
    assert_eq!(spearman(&[0.0, -0.0, 1.0], &[1.0, 1.0, 2.0]), Some(1.0));
}

#[test]
fn groups_and_cells() {
    let mut records = Vec::new();
    for fold in 0..2 {
        for symbol in 0..3 {
            for step in 1..=2 {
                let error = (1 + fold + symbol) as f64 * step as f64;
                records.push(Record {
                    fold,
                    ..record(symbol, fold as i64, step, [10.0, 10.0, 10.0 + error, 10.0])
                });
            }
        }
    }
    let seen = breakdown(&records, Unit::Price, &|_| 1.0).unwrap();
    assert_eq!(
        (seen.folds.len(), seen.symbols.len(), seen.steps.len()),
        (2, 3, 2)
    );
    assert_eq!(seen.cells.len(), 12);
    let last = seen.cells.last().unwrap();
    assert_eq!((last.fold, last.symbol, last.step), (1, 2, 2));
    assert_eq!((last.metrics.rmse, last.metrics.count), (8.0, 1));
    assert_eq!(seen.steps[&1].mae, 2.5);
    assert_eq!(seen.all.rmse_ratio, Some(1.0));
}

#[test]
fn what_has_no_answer_is_none_or_an_error() {
    let one: NaiveScale = &|_| 1.0;
    assert!(matches!(
        metrics(&[], Unit::Price, one),
        Err(InputError::TooFew { .. })
    ));
    let good = record(0, 0, 1, [10.0, 11.0, 12.0, 10.0]);
    for bad in [f64::NAN, f64::INFINITY, -1e71] {
        let forecast = Record {
            forecast: bad,
            ..good
        };
        let found = breakdown(&[good, forecast], Unit::Price, one).unwrap_err();
        assert!(matches!(found, InputError::BadValue { index: 1, .. }));
    }
    let free = Record { close: 0.0, ..good };
    assert!(date_losses(&[free], Unit::Relative).is_err());
    let perfect = Record {
        actual: 10.0,
        ..good
    };
    let seen = metrics(&[perfect], Unit::Price, &|_| 0.0).unwrap();
    assert_eq!((seen.mase, seen.rmse_ratio), (None, None));
}

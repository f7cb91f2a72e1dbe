use jiff::civil::date;

use super::*;
use crate::same::near;

fn row(day: Date, close: f64) -> Row {
    Row::new(
        day,
        None,
        [close, close + 1.0, close - 1.0, close],
        Some(2800.0),
    )
}

fn split(day: Date, ratio: f64) -> Split {
    Split { date: day, ratio }
}

fn paid(day: Date, amount: f64, currency: &str) -> Dividend {
    Dividend {
        ex_date: day,
        amount,
        currency: Currency::new(currency),
    }
}

/// The days of two splits of one share, with invented prices.
fn splits() -> [Split; 2] {
    [split(date(2014, 6, 9), 7.0), split(date(2020, 8, 31), 4.0)]
}

#[test]
fn every_later_split_is_undone() {
    let days = [
        date(2014, 6, 6),
        date(2014, 6, 9),
        date(2020, 8, 28),
        date(2020, 8, 31),
        date(2026, 1, 9),
    ];
    let mut rows = days.map(|day| row(day, 20.0));
    // The order of the splits is nothing.
    let [first, second] = splits();
    undo_splits(&mut rows, &[second, first]);
    assert_eq!(rows.map(|row| row.close), [560.0, 80.0, 80.0, 20.0, 20.0]);
    let volumes = rows.map(|row| row.volume.unwrap());
    assert_eq!(volumes, [100.0, 700.0, 700.0, 2800.0, 2800.0]);
    assert_eq!(
        (rows[0].open, rows[0].high, rows[0].low),
        (560.0, 588.0, 532.0)
    );
    assert!(rows.iter().all(|row| row.checked().is_ok()));
}

#[test]
fn a_split_behind_the_window_is_undone_too_and_a_reverse_one() {
    let mut rows = [row(date(2015, 1, 2), 20.0)];
    undo_splits(&mut rows, &splits());
    assert_eq!(rows[0].close, 80.0);
    let mut rows = [row(date(2019, 1, 2), 20.0), row(date(2021, 1, 4), 20.0)];
    undo_splits(&mut rows, &[split(date(2020, 1, 2), 0.1)]);
    assert_eq!(rows[0].close, 2.0);
    assert_eq!(rows[0].volume, Some(28_000.0));
    assert_eq!(rows[1], row(date(2021, 1, 4), 20.0));
}

#[test]
fn dividends_are_undone_as_prices_are() {
    let mut dividends = [
        paid(date(2014, 5, 8), 0.1175, "USD"),
        paid(date(2020, 8, 7), 0.205, "USD"),
        paid(date(2020, 11, 6), 0.205, "USD"),
    ];
    undo_splits_of_dividends(&mut dividends, &splits());
    let amounts = dividends.map(|dividend| dividend.amount);
    assert_eq!(amounts, [0.1175 * 28.0, 0.82, 0.205]);
}

#[test]
fn restating_and_undoing_are_one_row() {
    let mut state = 7_u64;
    for _ in 0..2000 {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        let close = 1.0 + (state >> 40) as f64 / 1000.0;
        let ratios = [1.5, 2.0, 7.0, 0.1];
        let splits: Vec<Split> = ratios
            .iter()
            .enumerate()
            .filter(|(at, _)| state >> (30 + at) & 1 == 1)
            .map(|(at, ratio)| split(date(2000 + at as i16, 5, 5), *ratio))
            .collect();
        let day = date(1999 + (state >> 34 & 3) as i16, 6, 6);
        let later = splits.iter().filter(|split| split.date > day);
        let factor: f64 = later.map(|split| split.ratio).product();
        let mut rows = [row(day, f64::from((close / factor) as f32))];
        undo_splits(&mut rows, &splits);
        assert!(near(rows[0].close, close), "{close} {factor}");
    }
}

#[test]
fn actions_go_to_their_rows_and_what_is_declared_stays_apart() {
    let day = |day| date(2026, 1, day);
    let mut rows = [5, 6, 8, 9].map(|at| row(day(at), 100.0));
    rows[0].dividend = 77.0;
    let splits = [
        split(day(2), 3.0),
        split(day(6), 2.0),
        split(day(6), 1.5),
        split(day(20), 4.0),
    ];
    let dividends = [
        paid(day(5), 0.5, "USD"),
        paid(day(7), 0.25, "USD"),
        paid(day(8), 0.25, "USD"),
        paid(day(9), 9.0, "EUR"),
        paid(day(30), 1.0, "USD"),
    ];
    let apart = join(&mut rows, &splits, &dividends, Currency::new("USD"));
    assert_eq!(rows.map(|row| row.split_factor), [1.0, 3.0, 1.0, 1.0]);
    assert_eq!(rows.map(|row| row.dividend), [0.5, 0.0, 0.5, 0.0]);
    assert_eq!(apart.splits, [splits[3]]);
    assert_eq!(apart.dividends, [dividends[4]]);
    assert_eq!(apart.foreign, [dividends[3]]);
    assert_eq!((apart.before.total(), apart.moved), (1, 1));
    // Once more says the same.
    let once = rows;
    assert_eq!(
        join(&mut rows, &splits, &dividends, Currency::new("USD")),
        apart
    );
    assert_eq!(rows, once);
    // Nothing known of currencies is no difference.
    let apart = join(&mut rows, &[], &dividends, None);
    assert!(apart.foreign.is_empty() && rows[3].dividend == 9.0);
}

#[test]
fn a_volume_is_rounded_by_the_shares_that_one_stands_for() {
    let split = |day: i8, ratio: f64| Split {
        date: date(2024, 3, day),
        ratio,
    };
    let rounding = |splits: &[Split]| rounding_of_volume(date(2024, 3, 10), splits);
    assert_eq!(rounding(&[]), 1.0);
    assert_eq!(
        rounding(&[split(10, 0.1), split(9, 0.1)]),
        1.0,
        "not after it"
    );
    assert_eq!(rounding(&[split(11, 4.0)]), 1.0);
    assert!((rounding(&[split(11, 0.1)]) - 10.0).abs() < 1e-9);
    let both = [split(14, 4.0), split(11, 0.1)];
    assert!(
        (rounding(&both) - 10.0).abs() < 1e-9,
        "the later one was not known"
    );
}

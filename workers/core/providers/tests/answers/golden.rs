//! Every golden body gets the verdict of its line, and none is without one.

use std::collections::BTreeSet;

use crate::cases::{Case, bodies, cases, text};
use foresail_providers::verdict::Listed;
use foresail_providers::*;

#[test]
fn every_body_has_a_line_and_every_line_a_body() {
    let told: BTreeSet<String> = cases().into_iter().map(|case| case.name).collect();
    assert_eq!(told, bodies());
    assert!(told.len() >= 60, "{}", told.len());
}

#[test]
fn every_body_is_judged_as_its_line_says() {
    let wrong: Vec<String> = cases()
        .iter()
        .filter_map(|case| {
            let found = text(&case.verdict_of(&case.body));
            let Case { name, expected, .. } = case;
            (found != *expected).then(|| format!("{name}\n  said {expected}\n  is   {found}"))
        })
        .collect();
    assert!(
        wrong.is_empty(),
        "{} wrong:\n{}",
        wrong.len(),
        wrong.join("\n")
    );
}

#[test]
fn rows_read_are_rows_given_and_dropped_and_no_row_is_bad() {
    fn is_whole<T>(list: &Listed<T>) -> bool {
        list.read == list.items.len() as u64 + list.dropped.total()
    }
    let mut series_seen = 0;
    for case in cases() {
        let Verdict::Data(answer) = case.verdict_of(&case.body) else {
            continue;
        };
        let whole = match *answer {
            Answer::Splits(list) => is_whole(&list),
            Answer::Dividends(list) => is_whole(&list),
            Answer::Series(series) => {
                series_seen += 1;
                let rows = &series.rows;
                assert!(
                    rows.iter().all(|row| row.checked().is_ok()),
                    "{}",
                    case.name
                );
                let is_sorted =
                    |pair: &[Row]| (pair[0].date, pair[0].start) < (pair[1].date, pair[1].start);
                assert!(rows.windows(2).all(is_sorted), "{}", case.name);
                is_whole(&series.splits)
                    && is_whole(&series.dividends)
                    && is_whole(&series.capital_gains)
                    && series.read == rows.len() as u64 + series.dropped.total()
            }
        };
        assert!(whole, "{}", case.name);
    }
    assert!(series_seen > 30);
}

#[test]
fn the_table_has_every_reason() {
    let met: BTreeSet<String> = cases()
        .iter()
        .map(|case| case.verdict_of(&case.body).reason().to_owned())
        .collect();
    let all = [
        "BadKey",
        "BadSymbol",
        "Burst",
        "DailyQuota",
        "Data",
        "DemoKey",
        "Down",
        "Empty",
        "Malformed",
        "NotEntitled",
        "OutOfReach",
        "Refused",
        "Unknown",
        "WindowTooWide",
    ];
    assert_eq!(met, all.map(str::to_owned).into());
}

#[test]
fn a_body_that_is_too_large_is_not_read() {
    let case = &cases()[0];
    let mut body = case.body.clone();
    body.resize(LARGEST_BODY, b' ');
    assert_eq!(case.verdict_of(&body), case.verdict_of(&case.body));
    body.push(b' ');
    assert_eq!(case.verdict_of(&body), Verdict::Malformed(Fault::TooLarge));
}

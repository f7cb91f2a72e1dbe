//! The guard of features.

use std::collections::BTreeSet;

use super::disturb::{Access, Cuts, disturbed};
use super::verdict::{Evidence, Guard, Verdict};

/// Feature values of one symbol at one time.
#[derive(Clone, Debug, PartialEq)]
pub struct Row {
    /// Index of the symbol.
    pub symbol: usize,
    /// Milliseconds UTC.
    pub time: i64,
    /// Values, in the order of the columns.
    pub values: Vec<f64>,
}

/// Changes every input after random times, then removes them, and looks for a row at or before the
/// time that changed by a bit, vanished or appeared. `rows` computes all rows from inputs in the order
/// given; `columns` names its values.
pub fn feature_guard<B: Clone>(
    data: &[B],
    columns: &[String],
    access: &Access<B>,
    rows: &dyn Fn(&[B]) -> Vec<Row>,
    cuts: &Cuts,
) -> Verdict {
    let guard = Guard::Features;
    let mut times: BTreeSet<i64> = data.iter().map(|b| (access.time)(b)).collect();
    // After the last time there is nothing to change.
    times.pop_last();
    let cuts_at = cuts.draw(&times);
    if cuts_at.is_empty() {
        return Verdict::fail(guard, 0, "there is no time to cut at".into(), None);
    }
    let all = sorted(rows(data));
    let (mut checked, mut reacted) = (0, false);
    for cut in &cuts_at {
        let before = until(&all, *cut);
        let changed = sorted(rows(&disturbed(data, access, *cut, cuts.seed)));
        let kept: Vec<B> = data
            .iter()
            .filter(|b| (access.time)(b) <= *cut)
            .cloned()
            .collect();
        let removed = sorted(rows(&kept));
        reacted |= first_difference(&all, &changed, columns).is_some();
        for (what, seen) in [("changed", &changed), ("removed", &removed)] {
            if let Some(evidence) = first_difference(before, until(seen, *cut), columns) {
                let detail = format!("inputs {what} after a time alter a row at or before it");
                let evidence = Evidence {
                    cut: Some(*cut),
                    ..evidence
                };
                return Verdict::fail(guard, checked, detail, Some(evidence));
            }
            checked += before.iter().map(|r| r.values.len()).sum::<usize>();
        }
    }
    if checked == 0 || !reacted {
        let detail = "no row follows a change of the inputs: the guard is blind".into();
        return Verdict::fail(guard, checked, detail, None);
    }
    let detail = format!("{} cuts, no row at or before one changed", cuts_at.len());
    Verdict::pass(guard, checked, detail)
}

fn sorted(mut rows: Vec<Row>) -> Vec<Row> {
    rows.sort_by_key(|r| (r.time, r.symbol));
    rows
}

fn until(rows: &[Row], cut: i64) -> &[Row] {
    rows.split_at(rows.partition_point(|r| r.time <= cut)).0
}

/// The first forecast that differs; values are named by their place.
pub(super) fn difference(before: Vec<Row>, after: Vec<Row>) -> Option<Evidence> {
    first_difference(&sorted(before), &sorted(after), &[])
}

/// The first row or value that differs, bitwise.
fn first_difference(before: &[Row], after: &[Row], columns: &[String]) -> Option<Evidence> {
    let key = |r: &Row| (r.time, r.symbol);
    for place in 0..before.len().max(after.len()) {
        let (a, b) = match (before.get(place), after.get(place)) {
            (Some(a), Some(b)) if key(a) == key(b) => (a, b),
            (Some(a), b) if b.is_none_or(|b| key(a) < key(b)) => {
                return Some(existence(a, "a row", "no row"));
            }
            (_, Some(b)) => return Some(existence(b, "no row", "a row")),
            _ => return None,
        };
        for column in 0..a.values.len().max(b.values.len()) {
            let (x, y) = (a.values.get(column), b.values.get(column));
            if x.map(|v| v.to_bits()) != y.map(|v| v.to_bits()) {
                let text = |v: Option<&f64>| v.map_or("no value".into(), |v| format!("{v:?}"));
                let name = columns.get(column).cloned();
                return Some(Evidence {
                    column: Some(name.unwrap_or_else(|| format!("column {column}"))),
                    ..existence(a, &text(x), &text(y))
                });
            }
        }
    }
    None
}

fn existence(row: &Row, expected: &str, found: &str) -> Evidence {
    Evidence {
        time: Some(row.time),
        symbol: Some(row.symbol),
        expected: expected.into(),
        found: found.into(),
        ..Evidence::default()
    }
}

//! Direction and rank of changes: hits and the information coefficient.

use std::collections::BTreeMap;

use crate::record::{Record, group};

/// Fewest symbols of a date that are ranked against each other.
const FEWEST_SYMBOLS: usize = 3;

/// Share of moves whose sign was forecast, dates weighing alike; `None` when nothing moved.
pub(crate) fn share_of_hits(records: &[&Record]) -> Option<f64> {
    let mut dates: BTreeMap<i64, (f64, f64)> = BTreeMap::new();
    for r in records {
        let product = sign(r.forecast - r.close) * sign(r.actual - r.close);
        if r.actual != r.close {
            let (hits, moves) = dates.entry(r.event_time).or_default();
            *hits += 0.5 * (1.0 + product);
            *moves += 1.0;
        }
    }
    let shares: Vec<f64> = dates.values().map(|(hits, moves)| hits / moves).collect();
    mean(&shares)
}

/// -1, 0 or 1; `f64::signum` knows no 0.
fn sign(x: f64) -> f64 {
    f64::from(i8::from(x > 0.0) - i8::from(x < 0.0))
}

/// Mean Spearman correlation of forecast and actual relative change. Per step: across the symbols of
/// each date with at least three, averaged over dates; where no date has three, over time for each
/// symbol, averaged over symbols. Then averaged over steps. Constant groups have no rank order and
/// are left out; `None` when nothing is left.
pub(crate) fn information_coefficient(records: &[&Record]) -> Option<f64> {
    let steps = group(records, |r| r.step).into_values();
    let found: Vec<f64> = steps
        .filter_map(|records| {
            let mut groups: Vec<Vec<&Record>> =
                group(&records, |r| r.event_time).into_values().collect();
            groups.retain(|g| g.len() >= FEWEST_SYMBOLS);
            if groups.is_empty() {
                groups = group(&records, |r| r.symbol).into_values().collect();
            }
            let ranked: Vec<f64> = groups.iter().filter_map(|g| of_group(g)).collect();
            mean(&ranked)
        })
        .collect();
    mean(&found)
}

fn of_group(records: &[&Record]) -> Option<f64> {
    let change = |f: fn(&Record) -> f64| -> Vec<f64> {
        records.iter().map(|r| f(r) / r.close - 1.0).collect()
    };
    spearman(&change(|r| r.forecast), &change(|r| r.actual))
}

/// Spearman's rank correlation, ties sharing their mean rank; the longer series is cut. `None` for
/// fewer than three pairs, a constant series, or a value that is not finite.
pub fn spearman(a: &[f64], b: &[f64]) -> Option<f64> {
    let n = a.len().min(b.len());
    let (a, b) = (a.get(..n)?, b.get(..n)?);
    if n < 3 || a.iter().chain(b).any(|v| !v.is_finite()) {
        return None;
    }
    pearson(&ranks(a), &ranks(b))
}

/// Ranks from 1; ties share their mean.
fn ranks(values: &[f64]) -> Vec<f64> {
    let mut order: Vec<(usize, f64)> = values.iter().copied().enumerate().collect();
    order.sort_by(|a, b| a.1.total_cmp(&b.1));
    let mut ranks = vec![0.0; values.len()];
    let mut before = 0;
    // `==` also joins 0.0 and -0.0, which sort next to each other.
    for tied in order.chunk_by(|a, b| a.1 == b.1) {
        let rank = before as f64 + 0.5 * (tied.len() as f64 + 1.0);
        for (index, _) in tied {
            if let Some(slot) = ranks.get_mut(*index) {
                *slot = rank;
            }
        }
        before += tied.len();
    }
    ranks
}

fn pearson(a: &[f64], b: &[f64]) -> Option<f64> {
    let (ma, mb) = (mean(a)?, mean(b)?);
    let (mut ab, mut aa, mut bb) = (0.0, 0.0, 0.0);
    for (x, y) in a.iter().zip(b) {
        ab += (x - ma) * (y - mb);
        aa += (x - ma) * (x - ma);
        bb += (y - mb) * (y - mb);
    }
    (aa > 0.0 && bb > 0.0).then(|| (ab / (aa * bb).sqrt()).clamp(-1.0, 1.0))
}

fn mean(values: &[f64]) -> Option<f64> {
    (!values.is_empty()).then(|| values.iter().sum::<f64>() / values.len() as f64)
}

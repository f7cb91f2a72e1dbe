//! A small honest pipeline over generated bars, with places to plant leaks.

use std::collections::BTreeSet;

use foresail_evaluation::leak_guard::{Access, FittedFold, Row};
use foresail_evaluation::metrics::{DateLoss, date_losses};
use foresail_evaluation::walk_forward::{Blocks, Fold, Plan, Span, TrainingWindow, folds};
use foresail_evaluation::{Record, Unit, spearman};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

pub const HORIZON: usize = 5;
pub const COLUMNS: [&str; 4] = ["return", "momentum", "distance", "noise"];

/// What is planted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Leak {
    None,
    // In features.
    CentredWindow,
    TargetAsFeature,
    Backfill,
    TodaysAdjustment,
    GlobalMinMax,
    LookAheadRank,
    // In the folds.
    ShuffledSplit,
    NoPurge,
    UnderstatedLabelEnd,
    // In what is fitted.
    ScalerOnAllRows,
    SelectionOnAllRows,
    ChoiceOnTest,
    CalibrationOnTest,
    ForecastSeesNextBar,
}

/// One bar; a gap has no close. `factor` is 1, and 2 after a split.
#[derive(Clone, Debug)]
pub struct Bar {
    pub symbol: usize,
    pub time: i64,
    pub close: Option<f64>,
    pub factor: f64,
}

/// 320 sessions of three symbols, a gap now and then, one split.
pub fn bars() -> Vec<Bar> {
    let mut random = ChaCha8Rng::seed_from_u64(20);
    let mut bars = Vec::new();
    for symbol in 0..3 {
        let mut log = 3.0 + symbol as f64;
        for session in 0..320 {
            log += 0.04 * (random.random::<f64>() - 0.5);
            let factor = if session >= 200 { 2.0 } else { 1.0 };
            let gap = random.random::<f64>() < 0.03;
            bars.push(Bar {
                symbol,
                time: session * 1000,
                close: (!gap).then_some(log.exp() / factor),
                factor,
            });
        }
    }
    bars
}

/// How the guards read and change bars.
pub fn access<'a>() -> Access<'a, Bar> {
    Access {
        time: &|b: &Bar| b.time,
        disturb: &|b: &mut Bar, draw: &mut dyn FnMut() -> f64| {
            b.close = b.close.map(|c| c * (4.0 * draw() - 2.0).exp());
            b.factor *= 1.0 + 3.0 * draw();
        },
    }
}

/// Adjusted closes of one symbol, gaps filled with the last close known.
fn series(bars: &[Bar], symbol: usize, leak: Leak) -> Vec<(i64, f64)> {
    let own: Vec<&Bar> = bars.iter().filter(|b| b.symbol == symbol).collect();
    let last = own.last().map_or(1.0, |b| b.factor);
    let mut known: Option<f64> = None;
    let mut filled = Vec::new();
    for (i, bar) in own.iter().enumerate() {
        let adjusted = |b: &Bar| {
            let scale = match leak {
                Leak::TodaysAdjustment => b.factor / last,
                _ => b.factor,
            };
            b.close.map(|c| c * scale)
        };
        let fill = match leak {
            Leak::Backfill => own[i..].iter().find_map(|b| adjusted(b)),
            _ => known,
        };
        known = adjusted(bar).or(fill);
        filled.extend(known.map(|c| (bar.time, c)));
    }
    filled
}

/// Feature rows, oldest first.
pub fn features(bars: &[Bar], leak: Leak) -> Vec<Row> {
    let mut rows = Vec::new();
    for symbol in 0..3 {
        let series = series(bars, symbol, leak);
        let closes: Vec<f64> = series.iter().map(|(_, c)| *c).collect();
        for t in 10..closes.len() {
            let back = |k: usize| (closes[t] / closes[t - k]).ln();
            let window = match leak {
                Leak::CentredWindow => &closes[t - 4..(t + 5).min(closes.len())],
                _ => &closes[t - 9..=t],
            };
            let mean = window.iter().sum::<f64>() / window.len() as f64;
            let level = match leak {
                Leak::TargetAsFeature => closes.get(t + HORIZON).map_or(0.0, |c| c / closes[t]),
                Leak::GlobalMinMax => {
                    let low = closes.iter().copied().fold(f64::INFINITY, f64::min);
                    let high = closes.iter().copied().fold(0.0, f64::max);
                    (closes[t] - low) / (high - low)
                }
                Leak::LookAheadRank => closes.iter().filter(|c| **c < closes[t]).count() as f64,
                // An absolute price shows what was done to the adjustment.
                Leak::TodaysAdjustment => closes[t],
                _ => back(10),
            };
            rows.push(Row {
                symbol,
                time: series[t].0,
                values: vec![back(1), back(5), closes[t] / mean - 1.0, level],
            });
        }
    }
    rows.sort_by_key(|r| (r.time, r.symbol));
    rows
}

/// Rows with the log change to `HORIZON` sessions ahead; the closes are honest.
pub struct Data {
    pub rows: Vec<Row>,
    pub labels: Vec<Option<f64>>,
    pub spans: Vec<Span>,
    pub sessions: Vec<i64>,
}

pub fn data(bars: &[Bar], leak: Leak) -> Data {
    let rows = features(bars, leak);
    let all: Vec<Vec<(i64, f64)>> = (0..3).map(|s| series(bars, s, Leak::None)).collect();
    let ahead = |row: &Row| {
        let own = &all[row.symbol];
        let at = own.binary_search_by_key(&row.time, |(t, _)| *t).ok()?;
        let (end, later) = own.get(at + HORIZON)?;
        Some(((later / own[at].1).ln(), *end))
    };
    let labels: Vec<Option<f64>> = rows.iter().map(|r| ahead(r).map(|(y, _)| y)).collect();
    let spans = rows.iter().map(|r| Span {
        event_time: r.time,
        label_end: ahead(r).map(|(_, end)| end),
    });
    let spans = spans.collect();
    let sessions: BTreeSet<i64> = rows.iter().map(|r| r.time).collect();
    Data {
        labels,
        spans,
        sessions: sessions.into_iter().collect(),
        rows,
    }
}

pub const PLAN: Plan = Plan {
    window: TrainingWindow::Expanding,
    min_train: 120,
    blocks: Blocks::Count(3),
    embargo: HORIZON,
    horizon: HORIZON,
};

/// Folds; the leaks here leave the plan alone and move rows.
pub fn cut(data: &Data, leak: Leak) -> Vec<Fold> {
    let mut found = folds(&data.sessions, &data.spans, &PLAN).unwrap();
    for fold in &mut found {
        let start = data.sessions[fold.test_sessions.start];
        match leak {
            Leak::NoPurge => {
                let before = |i: &usize| data.spans[*i].event_time < start;
                fold.train = (0..data.spans.len()).filter(before).collect();
            }
            Leak::ShuffledSplit => {
                let mut known: Vec<usize> = (0..data.spans.len())
                    .filter(|i| data.spans[*i].label_end.is_some())
                    .collect();
                let mut random = ChaCha8Rng::seed_from_u64(1);
                for last in (1..known.len()).rev() {
                    known.swap(last, random.random_range(0..=last));
                }
                fold.train = known.split_off(known.len() / 5);
                fold.test = known;
            }
            _ => {}
        }
    }
    found
}

/// Mean, deviation, column, ridge, slope, margin: everything that is fitted.
fn fit(data: &Data, fold: &Fold, leak: Leak) -> ([f64; 6], Vec<Row>) {
    let label = |i: &usize| data.labels[*i].unwrap_or(0.0);
    let column = |rows: &[usize], k: usize| -> Vec<f64> {
        rows.iter().map(|i| data.rows[*i].values[k]).collect()
    };
    let all: Vec<usize> = (0..data.rows.len())
        .filter(|i| data.labels[*i].is_some())
        .collect();
    let chosen_on = if leak == Leak::SelectionOnAllRows {
        &all
    } else {
        &fold.train
    };
    let strength = |k: usize| {
        let labels: Vec<f64> = chosen_on.iter().map(label).collect();
        spearman(&column(chosen_on, k), &labels)
            .unwrap_or(0.0)
            .abs()
    };
    let best = (0..4)
        .max_by(|a, b| strength(*a).total_cmp(&strength(*b)))
        .unwrap();
    let scaled_on = if leak == Leak::ScalerOnAllRows {
        &all
    } else {
        &fold.train
    };
    let values = column(scaled_on, best);
    let mean = values.iter().sum::<f64>() / values.len() as f64;
    let squares = values.iter().map(|v| (v - mean).powi(2)).sum::<f64>();
    let deviation = (squares / values.len() as f64).sqrt().max(1e-12);
    let z = |i: &usize| (data.rows[*i].values[best] - mean) / deviation;
    let slope = |rows: &[usize], ridge: f64| {
        let xy: f64 = rows.iter().map(|i| z(i) * label(i)).sum();
        let xx: f64 = rows.iter().map(|i| z(i) * z(i)).sum();
        xy / (xx + ridge * rows.len() as f64)
    };
    let (early, late) = fold.train.split_at(fold.train.len() * 3 / 4);
    let judged = if leak == Leak::ChoiceOnTest {
        &fold.test
    } else {
        late
    };
    let loss = |ridge: f64| -> f64 {
        let slope = slope(early, ridge);
        judged
            .iter()
            .map(|i| (label(i) - slope * z(i)).powi(2))
            .sum()
    };
    let ridges = [0.0, 0.3, 1.0, 3.0, 10.0, 100.0];
    let ridge = ridges
        .into_iter()
        .min_by(|a, b| loss(*a).total_cmp(&loss(*b)))
        .unwrap();
    let slope = slope(&fold.train, ridge);
    let calibrated = if leak == Leak::CalibrationOnTest {
        &fold.test
    } else {
        late
    };
    let residuals = calibrated.iter().map(|i| (label(i) - slope * z(i)).abs());
    let margin = residuals.sum::<f64>() / calibrated.len() as f64;
    let forecast = |i: &usize| {
        let row = &data.rows[*i];
        let peek = match leak {
            Leak::ForecastSeesNextBar => data.labels[*i].unwrap_or(0.0) * 0.1,
            _ => 0.0,
        };
        Row {
            symbol: row.symbol,
            time: row.time,
            values: vec![slope * z(i) + peek, margin],
        }
    };
    let forecasts = fold.test.iter().map(forecast).collect();
    (
        [mean, deviation, best as f64, ridge, slope, margin],
        forecasts,
    )
}

/// The pipeline, as the guard of fits runs it.
pub fn pipeline(bars: &[Bar], leak: Leak) -> Vec<FittedFold> {
    let data = data(bars, leak);
    cut(&data, leak)
        .iter()
        .map(|fold| {
            let (state, forecasts) = fit(&data, fold, leak);
            FittedFold {
                fit_until: fold.fit_until,
                state: state.iter().flat_map(|v| v.to_le_bytes()).collect(),
                forecasts,
            }
        })
        .collect()
}

/// Losses on labels moved between dates, as the control runs it. A target among the features moves
/// with the labels, as it does where features are joined to them.
pub fn on_moved_labels(data: &mut Data, order: &[usize], leak: Leak) -> Vec<DateLoss> {
    let known = |d: &Data, symbol: usize, session: usize| {
        let time = d.sessions[session];
        let at = d
            .rows
            .binary_search_by_key(&(time, symbol), |r| (r.time, r.symbol));
        at.ok().and_then(|i| d.labels[i])
    };
    let own: Vec<f64> = data.labels.iter().flatten().copied().collect();
    let drift = own.iter().sum::<f64>() / own.len() as f64;
    let moved: Vec<Option<f64>> = (0..data.rows.len())
        .map(|i| {
            data.labels[i]?;
            let session = data.sessions.binary_search(&data.rows[i].time).unwrap();
            let from = known(data, data.rows[i].symbol, order[session]);
            Some(from.map_or(0.0, |y| y - drift))
        })
        .collect();
    data.labels = moved;
    if leak == Leak::TargetAsFeature {
        for (row, label) in data.rows.iter_mut().zip(&data.labels) {
            row.values[3] = label.unwrap_or(0.0);
        }
    }
    let mut records = Vec::new();
    for (index, fold) in cut(data, leak).iter().enumerate() {
        let (_, forecasts) = fit(data, fold, leak);
        for (row, i) in forecasts.iter().zip(&fold.test) {
            records.push(Record {
                fold: index,
                symbol: row.symbol,
                event_time: row.time,
                step: HORIZON,
                forecast: 1.0 + row.values[0],
                actual: 1.0 + data.labels[*i].unwrap_or(0.0),
                close: 1.0,
                naive: 1.0,
            });
        }
    }
    date_losses(&records, Unit::Relative).unwrap()
}

//! The leak guard on the data at hand. What comes after random times is changed, and nothing computed,
//! fitted or forecast up to them may change by a bit; labels are shuffled, and no skill may be left.

use std::collections::BTreeMap;

use foresail_crds::TrainingParameters;
use foresail_crds::model_manifest::{LeakCheck, LeakGuardResult};
use foresail_crds::pipeline::spec::ModelKind;
use foresail_domain::Bar;
use foresail_evaluation::Unit;
use foresail_evaluation::leak_guard::{
    Access, Control, Cuts, FittedFold, GuardReport, Row, Verdict, feature_guard, fit_guard,
    shuffled_labels,
};
use foresail_evaluation::metrics::{DateLoss, date_losses};
use foresail_evaluation::walk_forward::Blocks;
use foresail_features::FeatureSet;
use foresail_model::{ModelError, Predictor};
use foresail_runtime_base::RoleError;

use super::folds::{self, Cut, Fold};
use crate::data::dataset::{self, Dataset, Sample};
use crate::data::split::sessions;
use crate::errors::records;
use crate::fit::{SILENT, fit};
use crate::inputs::Declared;
use crate::lake::Bars;

/// Cuts of the guard of features; each computes all features once more.
const FEATURE_CUTS: usize = 8;
/// Random cuts of the guard of fits, beside the end of the training rows.
const FIT_CUTS: usize = 2;
/// Level of the shuffled-label control.
const ALPHA: f64 = 0.001;
/// Newest bars of a symbol, and symbols, that are checked: the guard's time is bounded.
const MOST_BARS: usize = 5_000;
const MOST_SYMBOLS: usize = 20;
/// Longest detail that is stored, in characters.
const LONGEST: usize = 900;

/// A bar and the index of its symbol.
type Placed = (usize, Bar);

/// Runs every guard on what a Pipeline declares; `overlap` is the verdict on the folds that were used.
///
/// # Errors
/// Features that cannot be computed; user error `NotFittable` for prices that never move.
pub(crate) fn verdicts(
    declared: Declared,
    bars: &Bars,
    overlap: Verdict,
) -> Result<Vec<Verdict>, RoleError> {
    let placed = place(bars);
    let guards = Guards { declared };
    let data = guards.dataset(bars)?;
    moves(&data.known())?;
    Ok(vec![
        guards.features(&placed)?,
        guards.fit(&placed),
        overlap,
        guards.shuffled(&data),
    ])
}

struct Guards<'a> {
    declared: Declared<'a>,
}

/// The newest fold, and the linear kind fitted before it.
struct Newest<'a> {
    fold: Fold<'a>,
    model: Predictor,
}

impl Guards<'_> {
    fn features(&self, placed: &[Placed]) -> Result<Verdict, RoleError> {
        let template = FeatureSet::new(self.declared.features, self.declared.adjustment)
            .map_err(dataset::invalid)?;
        let rows = |placed: &[Placed]| rows(&template, placed);
        let cuts = self.cuts(FEATURE_CUTS);
        Ok(feature_guard(
            placed,
            template.names(),
            &access(),
            &rows,
            &cuts,
        ))
    }

    /// One refit of the linear kind: scaler, weights and forecasts.
    fn fit(&self, placed: &[Placed]) -> Verdict {
        let refit = |placed: &[Placed]| {
            let data = self.dataset(&unplace(placed)).map_err(|e| e.message)?;
            self.refit(&data.known())
        };
        fit_guard(placed, &access(), &refit, &self.cuts(FIT_CUTS))
    }

    fn refit(&self, known: &[&Sample]) -> Result<Vec<FittedFold>, String> {
        let Newest { fold, model } = self.newest(known)?;
        let scaler = model.scaler();
        let numbers = scaler.mean.iter().chain(&scaler.std);
        let mut state: Vec<u8> = numbers.flat_map(|v| v.to_le_bytes()).collect();
        let weights = model.encode().map_err(|e| e.to_string())?;
        state.extend(weights.unwrap_or_default());
        let horizon = self.parameters().horizon;
        let mut forecasts = Vec::new();
        for sample in &fold.test {
            let values = match model.forecast(&sample.rows(1), 1.0) {
                // Rows from changed bars lie far outside what the model was fitted on, and it may give anything for
                // them. That is no leak, unless it is so for a row that knows no changed bar.
                Err(ModelError::NotFinite) => vec![f64::INFINITY; horizon],
                closes => closes.map_err(|e| e.to_string())?,
            };
            forecasts.push(Row {
                symbol: sample.symbol,
                time: sample.event_time,
                values,
            });
        }
        Ok(vec![FittedFold {
            fit_until: fold.fit_until,
            state,
            forecasts,
        }])
    }

    /// The linear kind on labels moved in blocks of dates, means of each symbol and step taken off.
    fn shuffled(&self, data: &Dataset) -> Verdict {
        let known = data.known();
        let sessions = sessions(&known);
        let labels = centred(&known);
        let horizon = self.parameters().horizon;
        let control = Control {
            block: horizon,
            horizon,
            alpha: ALPHA,
            seed: self.parameters().seed,
        };
        let run = |order: &[usize]| -> Result<Vec<DateLoss>, String> {
            let from = |time: i64| -> Option<i64> {
                let at = sessions.binary_search(&time).ok()?;
                sessions.get(*order.get(at)?).copied()
            };
            let moved = known.iter().filter_map(|sample| {
                let labels = labels.get(&(from(sample.event_time)?, sample.symbol))?;
                Some(Sample {
                    labels: Some(labels.clone()),
                    ..(*sample).clone()
                })
            });
            let moved: Vec<Sample> = moved.collect();
            self.losses(&moved.iter().collect::<Vec<_>>())
        };
        shuffled_labels(sessions.len(), &control, &run)
    }

    fn losses(&self, known: &[&Sample]) -> Result<Vec<DateLoss>, String> {
        let Newest { fold, model } = self.newest(known)?;
        let mut all = Vec::new();
        for sample in &fold.test {
            let records = records(&model, sample, self.parameters().target, 0);
            all.extend(records.map_err(|e| e.to_string())?);
        }
        date_losses(&all, Unit::Relative).map_err(|e| e.to_string())
    }

    /// The fold whose test rows are the newest fifth, and the linear kind fitted before it.
    fn newest<'s>(&self, known: &[&'s Sample]) -> Result<Newest<'s>, String> {
        let cut = Cut {
            horizon: self.parameters().horizon,
            tested: sessions(known).len() / 5,
            blocks: Blocks::Count(1),
            newest: None,
        };
        let folds = folds::cut(known, cut).map_err(|e| e.to_string())?;
        let fold = folds.folds.into_iter().next_back();
        let fold = fold.ok_or("there is no fold")?;
        let model = fit(ModelKind::Linear, &fold.train, self.parameters(), SILENT);
        Ok(Newest {
            fold,
            model: model.map_err(|e| e.message)?,
        })
    }

    fn dataset(&self, bars: &Bars) -> Result<Dataset, RoleError> {
        self.declared.feature_rows(bars, &[ModelKind::Linear])
    }

    fn parameters(&self) -> &TrainingParameters {
        self.declared.parameters
    }

    fn cuts(&self, count: usize) -> Cuts {
        Cuts {
            count,
            seed: self.parameters().seed,
            also: Vec::new(),
        }
    }
}

/// As it is stored with a version.
pub(crate) fn result(report: &GuardReport) -> LeakGuardResult {
    let checks = report.verdicts.iter().map(|verdict| LeakCheck {
        name: format!("{:?}", verdict.guard),
        passed: verdict.passed,
        checked: verdict.checked as u64,
        detail: detail(verdict),
    });
    LeakGuardResult {
        passed: report.passed,
        checks: checks.collect(),
    }
}

/// The verdict in words, with the first violation.
pub(crate) fn detail(verdict: &Verdict) -> String {
    let mut text = verdict.detail.clone();
    if let Some(evidence) = &verdict.evidence {
        let mut add = |name: &str, value: Option<String>| {
            if let Some(value) = value {
                text.push_str(&format!(", {name} {value}"));
            }
        };
        add("cut at", evidence.cut.map(|v| v.to_string()));
        add("row at", evidence.time.map(|v| v.to_string()));
        add("symbol", evidence.symbol.map(|v| v.to_string()));
        add("fold", evidence.fold.map(|v| v.to_string()));
        add("in", evidence.column.clone());
        add("expected", Some(evidence.expected.clone()));
        add("found", Some(evidence.found.clone()));
    }
    text.chars().take(LONGEST).collect()
}

/// Refuses prices that never move. The guards cannot tell whether a model that has nothing to learn has learnt from the
/// future, and nearly always the source is broken.
fn moves(known: &[&Sample]) -> Result<(), RoleError> {
    let mut labels = known
        .iter()
        .flat_map(|sample| sample.labels.iter().flatten());
    let first = labels.next();
    if first.is_none() || labels.any(|label| Some(label) != first) {
        return Ok(());
    }
    let message = format!(
        "the close does not move in any of {} training rows, so there is nothing to learn; check the source",
        known.len()
    );
    Err(RoleError::user("NotFittable", message))
}

/// Labels without the mean of their symbol and step: a drift survives shuffling.
fn centred(known: &[&Sample]) -> BTreeMap<(i64, usize), Vec<f64>> {
    let mut sums: BTreeMap<usize, (Vec<f64>, f64)> = BTreeMap::new();
    for sample in known {
        let Some(labels) = &sample.labels else {
            continue;
        };
        let (sum, count) = sums.entry(sample.symbol).or_default();
        sum.resize(labels.len(), 0.0);
        sum.iter_mut().zip(labels).for_each(|(s, l)| *s += l);
        *count += 1.0;
    }
    let centred = known.iter().filter_map(|sample| {
        let (sum, count) = sums.get(&sample.symbol)?;
        let labels = sample.labels.as_ref()?.iter().zip(sum);
        let labels = labels.map(|(label, sum)| label - sum / count).collect();
        Some(((sample.event_time, sample.symbol), labels))
    });
    centred.collect()
}

fn place(bars: &Bars) -> Vec<Placed> {
    let newest = |bars: &[Bar]| bars.len().saturating_sub(MOST_BARS);
    let symbols = bars.iter().take(MOST_SYMBOLS).enumerate();
    let placed = symbols.flat_map(|(symbol, (_, bars))| {
        let newest = bars.iter().skip(newest(bars));
        newest.map(move |bar| (symbol, bar.clone()))
    });
    placed.collect()
}

fn unplace(placed: &[Placed]) -> Bars {
    let mut bars: Bars = Vec::new();
    for (symbol, bar) in placed {
        while bars.len() <= *symbol {
            bars.push((bar.symbol.clone(), Vec::new()));
        }
        if let Some((_, list)) = bars.get_mut(*symbol) {
            list.push(bar.clone());
        }
    }
    bars
}

fn rows(template: &FeatureSet, placed: &[Placed]) -> Vec<Row> {
    let mut rows = Vec::new();
    let (mut current, mut set) = (usize::MAX, template.clone());
    for (symbol, bar) in placed {
        if current != *symbol {
            (current, set) = (*symbol, template.clone());
        }
        // A bar the features refuse gives no row, before and after the change alike.
        if let Ok(Some(row)) = set.push(bar) {
            rows.push(Row {
                symbol: *symbol,
                time: row.event_time,
                values: row.values,
            });
        }
    }
    rows
}

fn access() -> Access<'static, Placed> {
    Access {
        time: &|(_, bar): &Placed| bar.event_time,
        disturb: &|(_, bar): &mut Placed, random| disturb(bar, random),
    }
}

/// Every value that is there changes, within what a bar may hold.
fn disturb(bar: &mut Bar, random: &mut dyn FnMut() -> f64) {
    let mut factor = || 0.5 + random();
    bar.close *= factor();
    for price in [&mut bar.open, &mut bar.high, &mut bar.low, &mut bar.volume] {
        *price = price.map(|value| value * factor());
    }
    bar.split_factor *= factor();
    bar.dividend = bar.close * 0.01 * factor();
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use foresail_crds::pipeline::spec::Adjustment;
    use foresail_domain::{BarGrid, Interval, TradingCalendar};

    use super::*;
    use crate::data::dataset::FeatureSnapshot;

    /// The label is the value of the row; rows of the newest sessions hold `newest`.
    fn samples(newest: f64) -> Vec<Sample> {
        let sample = |session: i64| {
            let value = if session < 380 {
                (session % 7) as f64 / 100.0
            } else {
                newest
            };
            Sample {
                symbol: 0,
                event_time: session,
                close: 50.0,
                adjustment_factor: 1.0,
                window: vec![Arc::new(FeatureSnapshot {
                    values: Box::new([value]),
                    close: 50.0,
                })],
                labels: Some(vec![value]),
                labels_end: Some(session + 1),
            }
        };
        (0..400).map(sample).collect()
    }

    #[test]
    fn a_forecast_of_changed_bars_that_no_close_can_hold_is_no_leak() {
        let parameters = crate::testing::parameters(
            serde_json::json!({"model": {"kind": "Linear"}, "horizon": 1}),
        );
        let grid = BarGrid::new(TradingCalendar::Weekdays, Interval::Session);
        let declared = Declared {
            features: &[],
            adjustment: Adjustment::None,
            grid: &grid,
            parameters: &parameters,
        };
        let guards = Guards { declared };
        let forecasts = |newest: f64| {
            let samples = samples(newest);
            let folds = guards.refit(&samples.iter().collect::<Vec<_>>()).unwrap();
            let rows = folds.into_iter().flat_map(|fold| fold.forecasts);
            rows.map(|row| row.values).collect::<Vec<_>>()
        };
        let (calm, changed) = (forecasts(0.01), forecasts(1e6));
        assert!(calm.iter().flatten().all(|v| v.is_finite()));
        assert_eq!(changed.len(), calm.len());
        assert_eq!(changed.last(), Some(&vec![f64::INFINITY]));
        assert_eq!(changed.first(), calm.first());
    }
}

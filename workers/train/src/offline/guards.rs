//! Proof on the data at hand that no feature looks ahead: everything after random cuts is changed, and
//! no row at or before a cut may change by a bit.

use foresail_domain::Bar;
use foresail_evaluation::leak_guard::{Access, Cuts, Row, Verdict, feature_guard};
use foresail_features::{FeatureError, FeatureSet};

use super::input::Input;

/// Cuts per evaluation; each computes all features once more.
const CUTS: usize = 8;

/// A bar and the index of its symbol.
type Placed = (usize, Bar);

/// Runs it on all bars.
///
/// # Errors
/// A feature that cannot be computed.
pub(super) fn features(input: &Input) -> Result<Verdict, FeatureError> {
    let config = &input.config;
    let blank = FeatureSet::new(&config.features, config.source.adjustment)?;
    let placed: Vec<Placed> = input
        .bars
        .iter()
        .enumerate()
        .flat_map(|(symbol, (_, bars))| bars.iter().map(move |bar| (symbol, bar.clone())))
        .collect();
    let access = Access {
        time: &|(_, bar): &Placed| bar.event_time,
        disturb: &|(_, bar): &mut Placed, random| disturb(bar, random),
    };
    let cuts = Cuts {
        count: CUTS,
        seed: config.training.seed,
        also: Vec::new(),
    };
    let rows = |placed: &[Placed]| rows(&blank, placed);
    Ok(feature_guard(&placed, blank.names(), &access, &rows, &cuts))
}

fn rows(blank: &FeatureSet, placed: &[Placed]) -> Vec<Row> {
    let (mut rows, mut now) = (Vec::new(), (usize::MAX, blank.clone()));
    for (symbol, bar) in placed {
        if now.0 != *symbol {
            now = (*symbol, blank.clone());
        }
        // A bar the features refuse gives no row, before and after the change alike.
        if let Ok(Some(row)) = now.1.push(bar) {
            rows.push(Row {
                symbol: *symbol,
                time: row.event_time,
                values: row.values,
            });
        }
    }
    rows
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

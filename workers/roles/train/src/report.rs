//! The report of a version: one self-contained HTML page that shows what the card says. Markup escapes
//! every text it is given; charts are SVG in it.

pub(crate) mod card;
pub(crate) mod charts;
pub(crate) mod closes;
pub(crate) mod page;
pub(crate) mod tables;

use std::collections::BTreeMap;

use foresail_crds::RoleError;
use foresail_crds::pipeline::spec::ModelKind;
use foresail_evaluation::Record;
use foresail_evaluation::metrics::{Breakdown, Metrics};
use foresail_evaluation::quantile::quantile_of_sorted;
use maud::{Markup, html};

use crate::validation::coverage::INTERVAL;
use crate::validation::walk_forward::{WalkForward, residual};
use card::Card;
use charts::{Bar, Bars, ChartError, Lines};
use page::{document, section};

/// Forecasts drawn, newest.
const MOST_POINTS: usize = 260;

/// The page.
///
/// # Errors
/// Internal error `ChartFailed`.
pub(crate) fn html(card: &Card, results: &WalkForward) -> Result<String, RoleError> {
    page::drawn(page_of(card, results))
}

fn page_of(card: &Card, results: &WalkForward) -> Result<Markup, ChartError> {
    let title = format!("{}/{}, run {}", card.namespace, card.pipeline, card.run_id);
    let sections = [
        section("Verdict", &verdict(card), tables::kinds(card)),
        section(
            "Leak guard",
            "What comes later was changed; nothing computed, fitted or forecast before may move by a bit. On \
             shuffled labels no skill may be left.",
            tables::guard(&card.leak_guard.verdicts),
        ),
        section(
            "Forecast against actual",
            "The last step of the walk-forward forecasts of the first symbol, with the 10 to 90 % quantiles of \
             the residuals.",
            forecasts(&card.data.symbols, results.horizon, &results.last_step())?,
        ),
        section(
            "Error by fold, year and step",
            "RMSE relative to the close at forecast time, beside that of the naive forecast.",
            errors(&card.breakdown, &card.years)?,
        ),
        section(
            "Calibration",
            "How often the 80 % interval of the last step held the outcome. Reported, not promised.",
            tables::coverage(card),
        ),
        section(
            "Permutation importance",
            "Rise of the RMSE when the feature is taken from other rows.",
            importance(card)?,
        ),
        section(
            "Long or flat on the forecasts",
            &format!(
                "Against buying and holding; a change of position costs {} hundredths of a percent.",
                card.cost_bps
            ),
            tables::simulation(&card.simulation),
        ),
        section(
            "Gate",
            "Challenger against champion, on dates unseen by both.",
            tables::gate(card),
        ),
        section(
            "Data and parameters",
            "What `foresail-trainer reproduce` starts from.",
            tables::facts(card),
        ),
    ];
    Ok(document(&title, &sections))
}

/// The one sentence a reader looks for.
fn verdict(card: &Card) -> String {
    let evaluation = |kind: ModelKind| card.evaluation.iter().find(|e| e.kind == kind);
    let (Some(own), Some(naive)) = (evaluation(card.kind), evaluation(ModelKind::Naive)) else {
        return "Nothing was evaluated.".into();
    };
    let share = 100.0 * (own.rmse / naive.rmse.max(f64::MIN_POSITIVE) - 1.0);
    let side = if share < 0.0 { "below" } else { "above" };
    let tests = match (own.p_value_vs_naive, own.p_value_diebold_mariano) {
        (Some(clark_west), Some(diebold_mariano)) => format!(
            " (p for \"not better than naive\": Clark-West {clark_west:.4}, Diebold-Mariano \
             {diebold_mariano:.4})"
        ),
        _ => String::new(),
    };
    let guard = if card.leak_guard.passed {
        "The leak guard found nothing."
    } else {
        "The leak guard FAILED: do not believe these numbers."
    };
    format!(
        "{:?}: RMSE {:.2} % {side} the naive forecast on {} walk-forward rows{tests}. {guard}",
        card.kind,
        share.abs(),
        own.count
    )
}

/// Forecasts of the last step, `last`, of the first symbol, with their outcomes.
///
/// # Errors
/// The backend's.
pub(crate) fn forecasts(
    symbols: &[String],
    horizon: usize,
    last: &[Record],
) -> Result<Markup, ChartError> {
    let symbol = last.first().map_or(0, |r| r.symbol);
    let own: Vec<&Record> = last.iter().filter(|r| r.symbol == symbol).collect();
    let own = own.split_at(own.len().saturating_sub(MOST_POINTS)).1;
    let mut residuals: Vec<f64> = last.iter().map(residual).collect();
    residuals.sort_by(f64::total_cmp);
    let [low, high] = INTERVAL.map(|level| quantile_of_sorted(&residuals, level).unwrap_or(0.0));
    let series =
        |value: &dyn Fn(&Record) -> f64| own.iter().map(|r| value(r)).collect::<Vec<f64>>();
    let name = symbols.get(symbol).map_or("", String::as_str);
    charts::lines(&Lines {
        title: format!("{name}, {horizon} bars ahead"),
        dates: own.iter().map(|r| tables::date(r.event_time)).collect(),
        actual: series(&|r| r.actual),
        forecast: series(&|r| r.forecast),
        low: series(&|r| r.forecast + low * r.close),
        high: series(&|r| r.forecast + high * r.close),
    })
}

/// Errors by fold, step and year.
///
/// # Errors
/// The backend's.
pub(crate) fn errors(
    breakdown: &Breakdown,
    years: &BTreeMap<i16, Metrics>,
) -> Result<Markup, ChartError> {
    let chart = |title: &str, bars: Vec<Bar>| {
        charts::bars(&Bars {
            title: title.into(),
            unit: "RMSE / close, %",
            width: charts::HALF,
            bars,
        })
    };
    let pair = |name: String, m: &Metrics| Bar {
        name,
        share: m.rmse,
        naive: Some(m.naive_rmse),
    };
    let folds = breakdown.folds.iter();
    let folds = folds.map(|(n, m)| pair(format!("fold {}", n + 1), m));
    let years = years.iter().map(|(n, m)| pair(n.to_string(), m));
    let steps = breakdown.steps.iter();
    let steps = steps.map(|(n, m)| pair(format!("step {n}"), m));
    let charts = [
        chart("by fold", folds.collect())?,
        chart("by step", steps.collect())?,
        chart("by year", years.collect())?,
    ];
    Ok(html! { div.row { @for chart in charts { (chart) } } })
}

fn importance(card: &Card) -> Result<Markup, ChartError> {
    let bars = card.importance.iter().map(|i| Bar {
        name: i.feature.clone(),
        share: i.rise,
        naive: None,
    });
    charts::bars(&Bars {
        title: "by feature".into(),
        unit: "rise of the RMSE, %",
        width: charts::WIDTH,
        bars: bars.collect(),
    })
}

#[cfg(test)]
mod tests;

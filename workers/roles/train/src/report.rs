//! The report of a version: one self-contained HTML page that shows what the card says. Markup escapes
//! every text it is given; charts are SVG in it.

pub(crate) mod card;
mod charts;
mod tables;

use foresail_crds::RoleError;
use foresail_crds::pipeline::spec::ModelKind;
use foresail_evaluation::Record;
use foresail_evaluation::metrics::Metrics;
use foresail_evaluation::quantile::quantile_of_sorted;
use maud::{DOCTYPE, Markup, PreEscaped, html};

use crate::validation::coverage::INTERVAL;
use crate::validation::walk_forward::{WalkForward, residual};
use card::Card;
use charts::{Bar, Bars, ChartError, Lines};

/// Look of the page; nothing is loaded from elsewhere.
const STYLE: &str = include_str!("report/page.css");
/// Forecasts drawn, newest.
const MOST_POINTS: usize = 260;

/// The page.
///
/// # Errors
/// Internal error `ChartFailed`.
pub(crate) fn html(card: &Card, results: &WalkForward) -> Result<String, RoleError> {
    let page = page(card, results);
    page.map(Markup::into_string)
        .map_err(|e| RoleError::internal("ChartFailed", e.to_string()))
}

fn page(card: &Card, results: &WalkForward) -> Result<Markup, ChartError> {
    let title = format!("{}/{}, run {}", card.namespace, card.pipeline, card.run_id);
    let sections = [
        section("Verdict", &verdict(card), tables::kinds(card)),
        section(
            "Leak guard",
            "What comes later was changed; nothing computed, fitted or forecast before may move by a bit. On \
             shuffled labels no skill may be left.",
            tables::guard(card),
        ),
        section(
            "Forecast against actual",
            "The last step of the walk-forward forecasts of the first symbol, with the 10 to 90 % quantiles of \
             the residuals.",
            forecasts(card, results)?,
        ),
        section(
            "Error by fold, year and step",
            "RMSE relative to the close at forecast time, beside that of the naive forecast.",
            errors(card)?,
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
            tables::simulation(card),
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
    Ok(html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width";
                title { (title) }
                style { (PreEscaped(STYLE)) }
            }
            body { main { h1 { (title) } @for section in sections { (section) } } }
        }
    })
}

fn section(heading: &str, note: &str, body: Markup) -> Markup {
    html! { section { h2 { (heading) } p { (note) } (body) } }
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

fn forecasts(card: &Card, results: &WalkForward) -> Result<Markup, ChartError> {
    let last = results.last_step();
    let symbol = last.first().map_or(0, |r| r.symbol);
    let own: Vec<&Record> = last.iter().filter(|r| r.symbol == symbol).collect();
    let own = own.split_at(own.len().saturating_sub(MOST_POINTS)).1;
    let mut residuals: Vec<f64> = last.iter().map(residual).collect();
    residuals.sort_by(f64::total_cmp);
    let [low, high] = INTERVAL.map(|level| quantile_of_sorted(&residuals, level).unwrap_or(0.0));
    let series =
        |value: &dyn Fn(&Record) -> f64| own.iter().map(|r| value(r)).collect::<Vec<f64>>();
    let name = card.data.symbols.get(symbol).map_or("", String::as_str);
    charts::lines(&Lines {
        title: format!("{name}, {} sessions ahead", results.horizon),
        dates: own.iter().map(|r| tables::date(r.event_time)).collect(),
        actual: series(&|r| r.actual),
        forecast: series(&|r| r.forecast),
        low: series(&|r| r.forecast + low * r.close),
        high: series(&|r| r.forecast + high * r.close),
    })
}

fn errors(card: &Card) -> Result<Markup, ChartError> {
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
    let breakdown = &card.breakdown;
    let folds = breakdown.folds.iter();
    let folds = folds.map(|(n, m)| pair(format!("fold {}", n + 1), m));
    let years = card.years.iter().map(|(n, m)| pair(n.to_string(), m));
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

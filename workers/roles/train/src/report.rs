//! The report of a version: one self-contained HTML page that shows what the card says.

mod draw;
mod tables;

use foresail_crds::pipeline::spec::ModelKind;
use foresail_evaluation::conformal;
use foresail_evaluation::metrics::{Metrics, Record};

use crate::card::Card;
use crate::validate::{INTERVAL, Judged, residual};
use draw::{Bars, Line};

/// Look of the page; nothing is loaded from elsewhere.
const STYLE: &str = include_str!("report/page.css");
/// Forecasts drawn, newest.
const MOST_POINTS: usize = 260;

/// The page.
pub(crate) fn html(card: &Card, judged: &Judged) -> String {
    let title = format!("{}/{}, run {}", card.namespace, card.pipeline, card.run_id);
    let mut page = format!(
        "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" \
         content=\"width=device-width\"><title>{0}</title><style>{STYLE}</style></head><body><main><h1>{0}</h1>",
        escaped(&title)
    );
    let mut section = |heading: &str, note: &str, body: String| {
        page.push_str(&format!(
            "<section><h2>{heading}</h2><p>{note}</p>{body}</section>"
        ));
    };
    section("Verdict", &escaped(&verdict(card)), tables::kinds(card));
    section(
        "Leak guard",
        "What comes later was changed; nothing computed, fitted or forecast before may move by a bit. On \
         shuffled labels no skill may be left.",
        tables::guard(card),
    );
    section(
        "Forecast against actual",
        "The last step of the walk-forward forecasts of the first symbol, with the 10 to 90 % quantiles of \
         the residuals.",
        forecasts(card, judged),
    );
    section(
        "Error by fold, year and step",
        "RMSE relative to the close; the grey bar is the naive forecast.",
        errors(card),
    );
    section(
        "Calibration",
        "How often the 80 % interval of the last step held the outcome. Reported, not promised.",
        tables::coverage(card),
    );
    section(
        "Permutation importance",
        "Rise of the RMSE when the feature is taken from other rows.",
        importance(card),
    );
    section(
        "Long or flat on the forecasts",
        &format!(
            "Against buying and holding; a change of position costs {} hundredths of a percent.",
            card.cost_bps
        ),
        tables::simulation(card),
    );
    section(
        "Gate",
        "Challenger against champion, on dates unseen by both.",
        tables::gate(card),
    );
    section(
        "Data and parameters",
        "What `foresail-trainer reproduce` starts from.",
        tables::facts(card),
    );
    page.push_str("</main></body></html>");
    page
}

/// The one sentence a reader looks for.
fn verdict(card: &Card) -> String {
    let of = |kind: ModelKind| card.evaluation.iter().find(|e| e.kind == kind);
    let (Some(own), Some(naive)) = (of(card.kind), of(ModelKind::Naive)) else {
        return "Nothing was judged.".into();
    };
    let share = 100.0 * (own.rmse / naive.rmse.max(f64::MIN_POSITIVE) - 1.0);
    let side = if share < 0.0 { "below" } else { "above" };
    let test = own.p_value_vs_naive.map_or_else(String::new, |p| {
        format!(" (Clark-West p = {p:.4} for \"not better than naive\")")
    });
    let guard = if card.leak_guard.passed {
        "The leak guard found nothing."
    } else {
        "The leak guard FAILED: do not believe these numbers."
    };
    format!(
        "{:?}: RMSE {:.2} % {side} the naive forecast on {} walk-forward rows{test}. {guard}",
        card.kind,
        share.abs(),
        own.count
    )
}

fn forecasts(card: &Card, judged: &Judged) -> String {
    let horizon = usize::try_from(card.recipe.training.horizon).unwrap_or(1);
    let symbol = judged.records.first().map_or(0, |r| r.symbol);
    let own = judged.records.iter();
    let own: Vec<_> = own
        .filter(|r| r.symbol == symbol && r.step == horizon)
        .collect();
    let own = own.split_at(own.len().saturating_sub(MOST_POINTS)).1;
    let last = judged.records.iter().filter(|r| r.step == horizon);
    let mut residuals: Vec<f64> = last.map(residual).collect();
    residuals.sort_by(f64::total_cmp);
    let [low, high] =
        INTERVAL.map(|level| conformal::quantile_of_sorted(&residuals, level).unwrap_or(0.0));
    let series =
        |value: &dyn Fn(&Record) -> f64| own.iter().map(|r| value(r)).collect::<Vec<f64>>();
    let line = |name, values| Line { name, values };
    let name = card.data.symbols.get(symbol).map_or("", String::as_str);
    let ends = [own.first(), own.last()]
        .map(|r| r.map_or_else(String::new, |r| tables::date(r.event_time)));
    draw::lines(
        &format!("{name}, {horizon} sessions ahead"),
        &[
            line("actual", series(&|r| r.actual)),
            line("forecast", series(&|r| r.forecast)),
        ],
        (
            &series(&|r| r.forecast + low * r.close),
            &series(&|r| r.forecast + high * r.close),
        ),
        &ends,
    )
}

fn errors(card: &Card) -> String {
    let of = |title: &str, values: Vec<(String, f64, f64)>| {
        draw::bars(&Bars {
            title: title.into(),
            values,
        })
    };
    let pairs = |name: String, m: &Metrics| (name, m.rmse, m.naive_rmse);
    let folds = card
        .breakdown
        .folds
        .iter()
        .map(|(n, m)| pairs(format!("fold {}", n + 1), m));
    let years = card.years.iter().map(|(n, m)| pairs(n.to_string(), m));
    let steps = card
        .breakdown
        .steps
        .iter()
        .map(|(n, m)| pairs(format!("step {n}"), m));
    format!(
        "<div class=\"row\">{}{}{}</div>",
        of("by fold", folds.collect()),
        of("by year", years.collect()),
        of("by step", steps.collect())
    )
}

fn importance(card: &Card) -> String {
    let values = card
        .importance
        .iter()
        .map(|i| (i.feature.clone(), i.rise, 0.0));
    draw::bars(&Bars {
        title: String::new(),
        values: values.collect(),
    })
}

/// Text that may hold anything, for HTML.
fn escaped(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            '\'' => safe.push_str("&#39;"),
            other => safe.push(other),
        }
    }
    safe
}

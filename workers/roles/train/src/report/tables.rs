//! Tables of the report.

use std::collections::BTreeMap;

use foresail_crds::model_manifest::RefusedBars;
use foresail_evaluation::leak_guard::Verdict;
use foresail_evaluation::strategy::{Outcome, Simulation};
use jiff::Timestamp;
use jiff::tz::TimeZone;
use maud::{Markup, html};

use super::card::Card;
use super::page::{Row, cell, table, words};
use crate::validation::leak_guard;

pub(crate) fn percent(share: f64) -> String {
    format!("{:.2} %", 100.0 * share)
}

/// Day of a time in milliseconds, UTC.
pub(crate) fn date(time: i64) -> String {
    Timestamp::from_millisecond(time).map_or_else(
        |_| String::new(),
        |t| t.to_zoned(TimeZone::UTC).date().to_string(),
    )
}

pub(super) fn kinds(card: &Card) -> Markup {
    let rows = card.evaluation.iter().map(|e| {
        let p = |value: Option<f64>| value.map_or_else(|| "-".into(), |p| format!("{p:.4}"));
        let cells = vec![
            words(format!("{:?}", e.kind)),
            cell(percent(e.rmse)),
            cell(percent(e.mae)),
            cell(format!("{:.3}", e.mase)),
            cell(percent(e.directional_accuracy)),
            cell(p(e.p_value_vs_naive)),
            cell(p(e.p_value_diebold_mariano)),
            cell(e.count.to_string()),
        ];
        Row {
            own: e.kind == card.kind,
            cells,
        }
    });
    let heads = [
        "kind",
        "RMSE / close",
        "MAE / close",
        "MASE",
        "direction",
        "p, Clark-West",
        "p, Diebold-Mariano",
        "rows",
    ];
    table(&heads, rows)
}

pub(crate) fn guard(verdicts: &[Verdict]) -> Markup {
    let rows = verdicts.iter().map(|v| {
        let (class, word) = if v.passed {
            ("good", "passed")
        } else {
            ("bad", "FAILED")
        };
        let cells = vec![
            words(format!("{:?}", v.guard)),
            html! { td class={ "text " (class) } { (word) } },
            cell(v.checked.to_string()),
            words(leak_guard::detail(v)),
        ];
        Row::plain(cells)
    });
    table(&["check", "verdict", "compared", "found"], rows)
}

pub(super) fn coverage(card: &Card) -> Markup {
    let Some(coverage) = &card.coverage else {
        return html! { p { "Too few folds or dates for an interval." } };
    };
    let b = &coverage.bootstrap;
    let cells = vec![
        cell(percent(coverage.level)),
        cell(percent(b.estimate)),
        cell(format!("{} to {}", percent(b.lower), percent(b.upper))),
        cell(coverage.count.to_string()),
    ];
    table(
        &["nominal", "realised", "95 % (block bootstrap)", "forecasts"],
        [Row::plain(cells)],
    )
}

pub(crate) fn simulation(simulation: &BTreeMap<String, Simulation>) -> Markup {
    let line = |name: String, o: &Outcome| {
        let sharpe = o.sharpe.map_or_else(|| "-".into(), |s| format!("{s:.2}"));
        let cells = vec![
            words(name),
            cell(percent(o.total_return)),
            cell(percent(o.annual_return)),
            cell(percent(o.volatility)),
            cell(sharpe),
            cell(percent(o.max_drawdown)),
            cell(percent(o.exposure)),
        ];
        Row::plain(cells)
    };
    let rows = simulation.iter().flat_map(|(symbol, s)| {
        [
            line(format!("{symbol}, forecasts"), &s.strategy),
            line(format!("{symbol}, held"), &s.hold),
        ]
    });
    let heads = [
        "",
        "return",
        "a year",
        "volatility",
        "Sharpe",
        "deepest fall",
        "time long",
    ];
    table(&heads, rows)
}

pub(super) fn gate(card: &Card) -> Markup {
    if let Some(unseen) = card.unseen_sessions {
        return html! {
            p { "Not compared: the champion was trained on all but " (unseen) " bars of the gate window." }
        };
    }
    let Some(gate) = &card.gate else {
        return html! { p { "A first version: there was no champion." } };
    };
    let cells = vec![
        cell(gate.dates.to_string()),
        cell(gate.challenger_rmse.to_string()),
        cell(format!(
            "{} (v{})",
            gate.champion_rmse, gate.champion_version
        )),
        cell(gate.naive_rmse.to_string()),
        cell(gate.effect.to_string()),
        cell(gate.p_value.to_string()),
    ];
    let heads = ["dates", "this version", "champion", "naive", "effect", "p"];
    table(&heads, [Row::plain(cells)])
}

/// Bars that the features refuse, by reason.
fn left_out(refused: &[RefusedBars]) -> String {
    let parts = refused
        .iter()
        .map(|r| format!("{} left out ({})", r.count, r.reason));
    let parts: Vec<String> = parts.collect();
    if parts.is_empty() {
        return "none left out".into();
    }
    parts.join(", ")
}

pub(super) fn facts(card: &Card) -> Markup {
    let (data, training) = (&card.data, &card.recipe.training);
    let facts = [
        (
            "data",
            format!(
                "Delta version {}, {} bars, {}, {} training rows",
                data.delta_version,
                data.bars,
                left_out(&data.refused_bars),
                data.training_rows
            ),
        ),
        (
            "from, through",
            format!(
                "{} to {}",
                date(data.first_event_time),
                date(data.trained_through)
            ),
        ),
        ("symbols", data.symbols.join(", ")),
        (
            "features",
            card.features
                .iter()
                .map(|f| f.name.clone())
                .collect::<Vec<_>>()
                .join(", "),
        ),
        ("fingerprint", card.fingerprint.clone()),
        ("adjustment", format!("{:?}", card.adjustment)),
        (
            "training",
            serde_json::to_string(training).unwrap_or_default(),
        ),
        (
            "code, instructions, seed",
            format!(
                "{}, {}, {}",
                card.code_version, card.instruction_set, training.seed
            ),
        ),
    ];
    let rows = facts
        .into_iter()
        .map(|(name, value)| Row::plain(vec![words(name), words(value)]));
    table(&["", ""], rows)
}

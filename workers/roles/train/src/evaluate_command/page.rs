//! An evaluation as one self-contained HTML page: what the table says, and what the declared kind forecast.

use foresail_runtime_base::RoleError;
use maud::{Markup, html};

use super::report::{Report, Score};
use crate::report::charts::ChartError;
use crate::report::page::{Row, cell, document, drawn, section, table, words};
use crate::report::tables::{self, percent};
use crate::report::{errors, forecasts};

/// Suspicious moves that are shown.
const SUSPICIONS: usize = 100;

impl Report {
    /// The page. Nothing in it is loaded from elsewhere.
    ///
    /// # Errors
    /// Internal error `ChartFailed`.
    pub fn page(&self) -> Result<String, RoleError> {
        drawn(self.markup())
    }

    fn markup(&self) -> Result<Markup, ChartError> {
        let shown = &self.drawn;
        let [from, to] = &self.test;
        let scores = format!(
            "Forecast dates {from} to {to}, {} fit(s) per kind. RMSE and MAE are of the close {} bars ahead, in units of \
             the price; MASE and p of all steps. Bold: declared in the Pipeline. Ratio: RMSE over that of the naive forecast, \
             which is the last close.",
            self.folds, self.horizon
        );
        let simulation = format!(
            "Against buying and holding; a change of position costs {} hundredths of a percent.",
            shown.cost_bps
        );
        let sections = [
            section(
                "Verdict",
                &self.verdict(),
                html! { (self.scores()) p { (scores) } },
            ),
            section(
                "Leak guard",
                "What comes later was changed; nothing computed, fitted or forecast before may move by a bit. On shuffled \
                 labels no skill may be left.",
                tables::guard(&self.guards),
            ),
            section(
                "Forecast against actual",
                "The last step of the forecasts of the first symbol, with the 10 to 90 % quantiles of the residuals.",
                forecasts(&shown.symbols, self.horizon, &shown.last)?,
            ),
            section(
                "Error by fold, year and step",
                "RMSE relative to the close at forecast time, beside that of the naive forecast.",
                errors(&shown.breakdown, &shown.years)?,
            ),
            section(
                "Long or flat on the forecasts",
                &simulation,
                tables::simulation(&shown.simulation),
            ),
            section("Rows of the file", "", self.rows()),
        ];
        Ok(document(&shown.title, &sections))
    }

    /// The one sentence a reader looks for.
    fn verdict(&self) -> String {
        let model = &self.model;
        let Some(ratio) = model.rmse_ratio else {
            return "The naive forecast makes no error here: there is nothing to compare with."
                .into();
        };
        let share = 100.0 * (ratio - 1.0);
        let side = if share < 0.0 { "below" } else { "above" };
        let sure = match model.rmse_ratio_interval {
            Some([_, high]) if high < 1.0 => "The 95 % interval of the ratio lies below 1.",
            Some([low, _]) if low > 1.0 => "The 95 % interval of the ratio lies above 1.",
            Some(_) => "The 95 % interval of the ratio holds 1: it may be chance.",
            None => "",
        };
        let guard = if self.guards.iter().all(|verdict| verdict.passed) {
            "The leak guard found nothing."
        } else {
            "The leak guard FAILED: do not believe these numbers."
        };
        format!(
            "{}: RMSE {:.2} % {side} the naive forecast on {} forecasts. {sure} {guard}",
            model.kind,
            share.abs(),
            model.count
        )
    }

    fn scores(&self) -> Markup {
        let number = |value: Option<f64>, digits: usize| {
            value.map_or_else(|| "-".into(), |v| format!("{v:.digits$}"))
        };
        let row = |score: &Score| Row {
            own: score.kind == self.model.kind,
            cells: vec![
                words(&score.kind),
                cell(score.count.to_string()),
                cell(format!("{:.4}", score.rmse)),
                cell(format!("{:.4}", score.mae)),
                cell(number(score.mase, 3)),
                cell(number(score.rmse_ratio, 4)),
                cell(
                    score
                        .rmse_ratio_interval
                        .map_or_else(|| "-".into(), |[a, b]| format!("{a:.4} to {b:.4}")),
                ),
                cell(
                    score
                        .directional_accuracy
                        .map_or_else(|| "-".into(), percent),
                ),
                cell(score.coverage_80.map_or_else(|| "-".into(), percent)),
                cell(number(score.p_value_vs_naive, 4)),
                cell(number(score.p_value_diebold_mariano, 4)),
            ],
        };
        let heads = [
            "kind",
            "forecasts",
            "RMSE",
            "MAE",
            "MASE",
            "ratio",
            "95 %",
            "direction",
            "in the 80 % interval",
            "p, Clark-West",
            "p, Diebold-Mariano",
        ];
        table(&heads, self.kinds.values().map(row))
    }

    fn rows(&self) -> Markup {
        let rows = &self.rows;
        let refused = rows.refused.iter().map(|(reason, count)| {
            let example = rows.examples.get(reason).map_or("", String::as_str);
            Row::plain(vec![words(reason), cell(count.to_string()), words(example)])
        });
        let more = rows.suspicions.len().saturating_sub(SUSPICIONS);
        html! {
            p {
                (rows.read) " rows: " (rows.bars) " bars, " (rows.out_of_scope) " of other symbols. Features: "
                (self.drawn.features.join(", "))
            }
            @if !rows.refused.is_empty() { (table(&["refused", "rows", "the first"], refused)) }
            @if !rows.without_bars.is_empty() { p.bad { "No bar of " (rows.without_bars.join(", ")) } }
            @if rows.clamped > 0 { p { (rows.clamped) " bars with high or low moved in the last bits" } }
            @if rows.over_gaps > 0 {
                p { (rows.over_gaps) " rows reach over more missing bars than training.maxGapSessions allows and are left out" }
            }
            @for suspicion in rows.suspicions.iter().take(SUSPICIONS) { p.bad { (suspicion) } }
            @if more > 0 { p.bad { "and " (more) " more suspicious moves" } }
        }
    }
}

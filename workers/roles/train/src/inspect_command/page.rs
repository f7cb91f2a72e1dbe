//! An inspection as one self-contained HTML page.

use foresail_domain::Bar;
use foresail_runtime_base::RoleError;
use maud::{Markup, html};

use super::inspection::{Inspection, Symbol};
use super::text::{action, ends, numbers, some};
use crate::report::charts::ChartError;
use crate::report::closes;
use crate::report::page::{Row, cell, document, drawn, section, table, words};

/// Symbols that are drawn, and symbols that are listed.
const DRAWN: usize = 40;
const LISTED: usize = 1_000;
/// Suspicions that are shown of one symbol.
const SUSPICIONS: usize = 100;

impl Inspection {
    /// The page. Nothing in it is loaded from elsewhere.
    ///
    /// # Errors
    /// Internal error `ChartFailed`.
    pub fn page(&self) -> Result<String, RoleError> {
        drawn(self.markup())
    }

    fn markup(&self) -> Result<Markup, ChartError> {
        let mut sections = vec![
            section("How it is read", "", self.reading()),
            section(
                "Refused",
                "Rows that are no bars, with the first of each reason: its line, the value and what was expected.",
                self.refused(),
            ),
            section(
                "Symbols",
                "Sessions without a bar are counted from the first bar to the last one.",
                self.list(),
            ),
        ];
        for (name, bars, symbol) in self.each().take(DRAWN) {
            sections.push(section(name, "", self.symbol((name, bars, symbol))?));
        }
        if let Some(spec) = &self.spec {
            let note = "In the spec of a Pipeline, to read the file like this.";
            sections.push(section("Pipeline", note, html! { pre { (spec) } }));
        }
        Ok(document(&self.file, &sections))
    }

    fn reading(&self) -> Markup {
        let rows = &self.rows;
        let bars: usize = rows.bars.iter().map(|(_, bars)| bars.len()).sum();
        let [missing, off, doubled] = self
            .sessions()
            .map(|(count, what)| format!("{count} {what}"));
        let facts = [
            ("form", self.dialect.clone()),
            (
                "rows",
                format!(
                    "{} read: {bars} bars, {} of other symbols, {} refused",
                    rows.read,
                    rows.out_of_scope,
                    rows.all_refused()
                ),
            ),
            ("calendar", self.grid.calendar().name().to_owned()),
            (self.unit(), format!("{missing}, {off}, {doubled}")),
        ];
        let fact = |(name, value)| Row::plain(vec![words(name), words(value)]);
        html! {
            (table(&["", ""], facts.into_iter().map(fact)))
            @for (symbol, meant) in rows.without_bars() {
                p.bad { "No bar of " (symbol) @if let Some(meant) = meant { "; the file has " (meant) } }
            }
            @if rows.clamped > 0 { p { (rows.clamped) " bars with high or low moved in the last bits" } }
        }
    }

    fn refused(&self) -> Markup {
        if self.rows.refused.is_empty() {
            return html! { p { "None." } };
        }
        let rows = self.rows.refused.iter().map(|(reason, refused)| {
            Row::plain(vec![
                words(reason),
                cell(refused.rows.to_string()),
                words(&refused.example),
            ])
        });
        table(&["reason", "rows", "the first"], rows)
    }

    fn list(&self) -> Markup {
        let rows = self.each().take(LISTED).map(|(name, bars, symbol)| {
            let date = |bar: Option<&Bar>| bar.map_or_else(String::new, |bar| self.date(bar));
            Row::plain(vec![
                words(name),
                cell(bars.len().to_string()),
                cell(date(bars.first())),
                cell(date(bars.last())),
                cell(symbol.missing.len().to_string()),
                cell(symbol.suspicions.len().to_string()),
            ])
        });
        let missing = format!("{} missing", self.unit());
        let heads = [
            "symbol",
            "bars",
            "first",
            "last",
            missing.as_str(),
            "suspicious",
        ];
        let more = self.symbols.len().saturating_sub(LISTED);
        html! {
            (table(&heads, rows))
            @if more > 0 { p { "and " (more) " more" } }
            @if self.symbols.len() > DRAWN { p { "The first " (DRAWN) " are drawn below." } }
        }
    }

    fn symbol(&self, (name, bars, symbol): (&str, &[Bar], &Symbol)) -> Result<Markup, ChartError> {
        let dates: Vec<String> = bars.iter().map(|bar| self.date(bar)).collect();
        let closes: Vec<f64> = bars.iter().map(|bar| bar.close).collect();
        let chart = closes::closes(name, &dates, &closes)?;
        let (first, last) = ends(bars);
        let row = |bar: &Bar| {
            let mut cells = vec![words(self.date(bar))];
            cells.extend(numbers(bar).map(cell));
            cells.push(cell(action(bar).trim()));
            Row::plain(cells)
        };
        let heads = [self.head(), "open", "high", "low", "close", "volume", ""];
        let more = symbol.suspicions.len().saturating_sub(SUSPICIONS);
        let missing = &symbol.missing;
        Ok(html! {
            (chart)
            (table(&heads, first.iter().chain(last).map(row)))
            @if !missing.is_empty() {
                p { (missing.len()) " " (self.unit()) " " (self.lacking()) ": " (some(missing)) }
            }
            @for suspicion in symbol.suspicions.iter().take(SUSPICIONS) { p.bad { (suspicion) } }
            @if more > 0 { p.bad { "and " (more) " more of them" } }
        })
    }
}

//! What every page is made of: one self-contained document, sections and tables. Markup escapes every text it is given.

use foresail_crds::RoleError;
use maud::{DOCTYPE, Markup, PreEscaped, html};

use super::charts::ChartError;

/// Look of the page; nothing is loaded from elsewhere.
pub(crate) const STYLE: &str = include_str!("page.css");

/// The whole page.
pub(crate) fn document(title: &str, sections: &[Markup]) -> Markup {
    html! {
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
    }
}

/// A part of it.
pub(crate) fn section(heading: &str, note: &str, body: Markup) -> Markup {
    html! { section { h2 { (heading) } @if !note.is_empty() { p { (note) } } (body) } }
}

/// Column heads and rows; the first cell of a row is text.
pub(crate) fn table(heads: &[&str], rows: impl IntoIterator<Item = Row>) -> Markup {
    html! {
        table {
            thead { tr { @for head in heads { th { (head) } } } }
            tbody {
                @for row in rows {
                    tr.own[row.own] { @for cell in row.cells { (cell) } }
                }
            }
        }
    }
}

/// A row of a table.
pub(crate) struct Row {
    /// Of the served kind: shown bold.
    pub own: bool,
    pub cells: Vec<Markup>,
}

impl Row {
    pub(crate) fn plain(cells: Vec<Markup>) -> Self {
        Self { own: false, cells }
    }
}

/// A number.
pub(crate) fn cell(text: impl AsRef<str>) -> Markup {
    html! { td { (text.as_ref()) } }
}

/// A cell of text.
pub(crate) fn words(text: impl AsRef<str>) -> Markup {
    html! { td.text { (text.as_ref()) } }
}

/// The page, or why it cannot be drawn.
///
/// # Errors
/// Internal error `ChartFailed`.
pub(crate) fn drawn(page: Result<Markup, ChartError>) -> Result<String, RoleError> {
    page.map(Markup::into_string)
        .map_err(|e| RoleError::internal("ChartFailed", e.to_string()))
}

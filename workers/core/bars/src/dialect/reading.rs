//! What stands in the columns of a row, in one form.

use std::borrow::Cow;

use smol_str::SmolStr;

use super::columns::BarColumns;
use super::numbers::{self, Kind};
use super::{Dialect, dates};
use crate::row::{Fields, RowKey, inlined};
use crate::split::Row;

/// Words for nothing, in lower case. An empty column is one too.
const NOTHING: [&str; 15] = [
    "-", "--", "---", ".", "n/a", "#n/a", "na", "<na>", "nan", "null", "\\n", "none", "nil", "∅",
    "–",
];

/// The last date that was read, as it is written and in its one form: many rows on end have the same.
#[derive(Debug, Default)]
pub(crate) struct LastDate {
    written: String,
    normal: SmolStr,
}

impl LastDate {
    /// The one form of a date. What is in no form that is known stays as it is.
    fn normal(&mut self, text: &str, form: &dates::Form) -> &SmolStr {
        if self.written != text {
            text.clone_into(&mut self.written);
            let normal = || dates::normal(text, form).map(SmolStr::from);
            let other = (!dates::is_normal(text)).then(normal).flatten();
            self.normal = other.unwrap_or_else(|| inlined(text));
        }
        &self.normal
    }
}

impl Dialect {
    /// What stands in a column; nothing for a word that means so.
    pub(super) fn text<'a>(&self, row: &'a Row<'_>, column: Option<usize>) -> Option<&'a str> {
        let text = trimmed(row.get(column?)?);
        // No usual word begins with a digit, and most texts do.
        if text.as_bytes().first()?.is_ascii_digit() && self.nothing.is_empty() {
            return Some(text);
        }
        let is_nothing = NOTHING.iter().any(|word| word.eq_ignore_ascii_case(text))
            || (!self.nothing.is_empty() && self.nothing.contains(&text.to_lowercase()));
        (!is_nothing).then_some(text)
    }

    /// Date of a row as it is written, with the time of day where that is apart.
    pub(super) fn when<'a>(&self, row: &'a Row<'_>) -> Option<Cow<'a, str>> {
        let columns = &self.layout.columns;
        let date = self.text(row, Some(columns.date))?;
        Some(match self.text(row, columns.time) {
            Some(time) => format!("{date} {time}").into(),
            None => date.into(),
        })
    }

    /// The bars of a row, each in one form: dates as `YYYY-MM-DD` or as moments, numbers as programs write them. What is in no form that
    /// is known stays as it is, so that it is refused by its words. Of symbols beside each other, those of which the row
    /// says nothing have no bar there. `first` becomes the first of them, and the only one unless symbols stand beside
    /// each other; it stays empty when it is no row of these columns.
    pub(crate) fn fields(
        &self,
        row: &Row<'_>,
        last: &mut LastDate,
        first: &mut Fields,
    ) -> Vec<Fields> {
        if !self.layout.columns.fit(row) {
            return Vec::new();
        }
        let date = self.when(row).map(|text| last.normal(&text, &self.dates));
        let mut bars = self.bars(row);
        if let Some(bar) = bars.next() {
            self.bar(row, bar, date, first);
        }
        let other = |bar| {
            let mut fields = Fields::default();
            self.bar(row, bar, date, &mut fields);
            fields
        };
        bars.map(other).collect()
    }

    /// What tells the bars of a row from others: symbol and date of those that [`Self::fields`] gives, one after the other;
    /// false when it gives none.
    pub(crate) fn keys(
        &self,
        row: &Row<'_>,
        last: &mut LastDate,
        each: &mut impl FnMut(RowKey<'_>),
    ) -> bool {
        if !self.layout.columns.fit(row) {
            return false;
        }
        let date = self.when(row).map(|text| last.normal(&text, &self.dates));
        let mut found = false;
        for bar in self.bars(row) {
            found = true;
            each(RowKey {
                symbol: self.symbol(row, bar),
                date: date.map(SmolStr::as_str),
            });
        }
        found
    }

    /// The date of a row that is one of these columns and has a date that can be read.
    pub(crate) fn date(&self, row: &Row<'_>) -> Option<String> {
        let columns = &self.layout.columns;
        let text = self.when(row)?;
        dates::normal(&text, &self.dates).filter(|_| columns.fit(row))
    }

    /// The bars of which a row says something; of a row that says nothing, which is still a row, the first one.
    fn bars<'a>(&'a self, row: &'a Row<'_>) -> impl Iterator<Item = &'a BarColumns> {
        let bars = &self.layout.columns.bars;
        let says = |bar: &BarColumns| {
            let mut texts = bar.all().map(|column| self.text(row, Some(column)));
            bars.len() == 1 || texts.any(|text| text.is_some())
        };
        let first = bars.iter().position(says).unwrap_or(0);
        let (first, others) = bars.get(first..).and_then(<[_]>::split_first).unzip();
        let others = others.into_iter().flatten().filter(move |bar| says(bar));
        first.into_iter().chain(others)
    }

    /// Whose bar it is.
    fn symbol<'a>(&'a self, row: &'a Row<'_>, bar: &'a BarColumns) -> Option<&'a str> {
        let named = bar.symbol.as_ref().or(self.symbol.as_ref());
        named.map(String::as_str).or_else(|| {
            // A ticker may be the word for nothing.
            let text = trimmed(row.get(self.layout.columns.symbol?)?);
            (!text.is_empty()).then_some(text)
        })
    }

    /// Puts a bar into `fields`, which are hundreds of bytes: nearly all rows are one bar, and theirs are moved no more.
    fn bar(
        &self,
        row: &Row<'_>,
        columns: &BarColumns,
        date: Option<&SmolStr>,
        fields: &mut Fields,
    ) {
        let number = |column, kind| {
            let text = self.text(row, column)?;
            if numbers::is_plain(text, self.decimal) {
                return Some(inlined(text));
            }
            let normal = numbers::normal(text, self.decimal, kind);
            Some(normal.map_or_else(|| text.into(), SmolStr::from))
        };
        let price = |column| number(column, Kind::Price);
        fields.symbol = self.symbol(row, columns).map(inlined);
        fields.date = date.cloned();
        fields.open = price(columns.open);
        fields.high = price(columns.high);
        fields.low = price(columns.low);
        fields.close = price(Some(columns.close));
        fields.volume = number(columns.volume, Kind::Volume);
        fields.adjusted_close = price(columns.adjusted_close);
        fields.split_factor = price(columns.split_factor);
        fields.dividend = price(columns.dividend);
    }
}

/// A text without what is blank around it, which few texts of files have.
fn trimmed(text: &str) -> &str {
    let bare = |byte: Option<&u8>| byte.is_some_and(u8::is_ascii_graphic);
    let bytes = text.as_bytes();
    if bare(bytes.first()) && bare(bytes.last()) {
        return text;
    }
    text.trim()
}

//! How the text of a file is read: found in its beginning, and declared in `source.csv.dialect` where a person knows
//! better. What can be read in two ways is an error with both readings, never a guess. Used by `csv_source`.

mod clock;
mod columns;
mod dates;
mod layout;
mod numbers;
pub(crate) mod text;
mod words;

use std::borrow::Cow;
use std::fmt::{self, Display, Formatter};

use foresail_crds::RoleError;
use foresail_crds::pipeline::spec::{CsvEncoding, DecimalSign};
use foresail_crds::role_error::shown_address;
use smol_str::SmolStr;

use crate::described::Described;
use crate::lines::Lines;
use crate::row::Fields;
use crate::split::{Row, Splitter};
use columns::BarColumns;
use layout::Layout;
use numbers::Kind;

/// Bytes of a file that are looked at.
pub const HEAD: usize = 1 << 20;
/// Words for nothing, in lower case. An empty column is one too.
const NOTHING: [&str; 15] = [
    "-", "--", "---", ".", "n/a", "#n/a", "na", "<na>", "nan", "null", "\\n", "none", "nil", "∅",
    "–",
];

/// How a file is read.
#[derive(Clone, Debug)]
pub struct Dialect {
    /// What ends a line.
    pub(crate) end: u8,
    /// UTF-8 is declared: a line with another byte is no row.
    pub(crate) utf8: bool,
    layout: Layout,
    decimal: DecimalSign,
    dates: dates::Form,
    nothing: Vec<String>,
    symbol: Option<String>,
}

/// The bars of a row.
#[derive(Debug, Default)]
pub(crate) struct RowFields {
    /// The first of them, and the only one unless symbols stand beside each other.
    pub first: Fields,
    pub others: Vec<Fields>,
}

impl Dialect {
    /// Finds it in the first [`HEAD`] bytes of a file, in UTF-8 or the like; `whole` when there are no more.
    ///
    /// # Errors
    /// User errors `CsvHeader` when no line has the columns that are needed, `AmbiguousNumbers` and `AmbiguousDates` when
    /// numbers or dates can be read in two ways.
    pub(crate) fn find(head: &[u8], whole: bool, of: &Described) -> Result<Self, RoleError> {
        let declared = of.csv.dialect.clone().unwrap_or_default();
        let end = if head.contains(&b'\n') { b'\n' } else { b'\r' };
        let words = declared.nothing.iter();
        let mut found = Self {
            end,
            utf8: declared.encoding == Some(CsvEncoding::Utf8),
            layout: Layout::find(head, end, of)?,
            decimal: DecimalSign::Point,
            dates: dates::Form {
                calendar: of.calendar,
                stamp: of.stamp(),
                ..dates::Form::default()
            },
            nothing: words.map(|word| word.trim().to_lowercase()).collect(),
            symbol: of.csv.symbol.clone(),
        };
        let (numbers, dates) = found.hints(head, whole);
        let uri = shown_address(&of.csv.uri);
        let sign = declared.decimal.map_or_else(|| numbers.sign(), Ok);
        found.decimal = sign.map_err(|why| {
            let message = format!(
                "{uri}: its numbers can be read in two ways: {why}; say which in source.csv.dialect.decimal"
            );
            RoleError::user("AmbiguousNumbers", message)
        })?;
        let order = declared.date_order;
        let order = order.map_or_else(|| dates.order(), |order| Ok(Some(order)));
        found.dates.order = order.map_err(|why| {
            let message = format!(
                "{uri}: its dates can be read in two ways: {why}; say which in source.csv.dialect.dateOrder"
            );
            RoleError::user("AmbiguousDates", message)
        })?;
        found.dates.unit = dates.unit();
        Ok(found)
    }

    /// Whether splits and dividends are derived from the adjusted close.
    pub(crate) fn derives_actions(&self) -> bool {
        let derives = |bar: &BarColumns| {
            bar.adjusted_close.is_some() && bar.split_factor.or(bar.dividend).is_none()
        };
        self.layout.columns.bars.iter().any(derives)
    }

    /// What the numbers and the dates of the first rows say.
    fn hints(&self, head: &[u8], whole: bool) -> (numbers::Hints, dates::Hints) {
        let (mut numbers, mut dates) = (numbers::Hints::default(), dates::Hints::default());
        // The last line may be cut off.
        let last = memchr::memrchr(self.end, head).filter(|_| !whole);
        let mut lines = Lines::new(&head[..last.unwrap_or(head.len())], self.end);
        let mut splitter = self.splitter();
        for _ in 0..self.before() {
            let _ = lines.first();
        }
        let columns = &self.layout.columns;
        while let Ok(Some(line)) = lines.next() {
            let row = splitter.row(&line.bytes);
            let Some(row) = row.filter(|row| columns.fit(row)) else {
                continue;
            };
            if let Some(text) = self.when(&row) {
                dates.add(&text);
            }
            for bar in &columns.bars {
                for text in bar
                    .prices()
                    .iter()
                    .filter_map(|price| self.text(&row, *price))
                {
                    numbers.add(text, Kind::Price);
                }
                if let Some(text) = self.text(&row, bar.volume) {
                    numbers.add(text, Kind::Volume);
                }
            }
        }
        (numbers, dates)
    }

    /// Lines before the first row.
    pub(crate) fn before(&self) -> usize {
        self.layout.skip + self.layout.height
    }

    /// What takes lines apart.
    pub(crate) fn splitter(&self) -> Splitter {
        Splitter::new(self.layout.delimiter)
    }

    /// Whether a row may hold several bars.
    pub(crate) fn has_several(&self) -> bool {
        self.layout.columns.bars.len() > 1
    }

    /// What stands in a column; nothing for a word that means so.
    fn text<'a>(&self, row: &'a Row<'_>, column: Option<usize>) -> Option<&'a str> {
        let text = row.get(column?)?.trim();
        let longest_word = 8;
        // No usual word begins with a digit, and most texts do.
        if text.as_bytes().first()?.is_ascii_digit() && self.nothing.is_empty() {
            return Some(text);
        }
        if text.len() <= longest_word || !self.nothing.is_empty() {
            let word = text.to_lowercase();
            if NOTHING.contains(&word.as_str()) || self.nothing.contains(&word) {
                return None;
            }
        }
        Some(text)
    }

    /// Date of a row as it is written, with the time of day where that is apart.
    fn when<'a>(&self, row: &'a Row<'_>) -> Option<Cow<'a, str>> {
        let columns = &self.layout.columns;
        let date = self.text(row, Some(columns.date))?;
        Some(match self.text(row, columns.time) {
            Some(time) => format!("{date} {time}").into(),
            None => date.into(),
        })
    }

    /// The bars of a row, each in one form: dates as `YYYY-MM-DD` or as moments, numbers as programs write them. What is in no form that
    /// is known stays as it is, so that it is refused by its words. Of symbols beside each other, those of which the row
    /// says nothing have no bar there. `None` when it is no row of these columns.
    pub(crate) fn fields(&self, row: &Row<'_>) -> Option<RowFields> {
        let columns = &self.layout.columns;
        if !columns.fit(row) {
            return None;
        }
        let date = self.when(row).map(|text| {
            if dates::is_normal(&text) {
                return text.into();
            }
            let normal = dates::normal(&text, &self.dates);
            normal.map_or_else(|| text.into(), SmolStr::from)
        });
        let mut bars = columns.bars.iter();
        if columns.bars.len() == 1 {
            let first = self.bar(row, bars.next()?, date);
            let others = Vec::new();
            return Some(RowFields { first, others });
        }
        let says = |bar: &&BarColumns| {
            bar.all()
                .any(|column| self.text(row, Some(column)).is_some())
        };
        let mut said = bars.clone().filter(says);
        // A row without any value is still a row.
        let first = said.next().or_else(|| bars.next())?;
        Some(RowFields {
            first: self.bar(row, first, date.clone()),
            others: said.map(|bar| self.bar(row, bar, date.clone())).collect(),
        })
    }

    /// The date of a row that is one of these columns and has a date that can be read.
    pub(crate) fn date(&self, row: &Row<'_>) -> Option<String> {
        let columns = &self.layout.columns;
        let text = self.when(row)?;
        dates::normal(&text, &self.dates).filter(|_| columns.fit(row))
    }

    fn bar(&self, row: &Row<'_>, columns: &BarColumns, date: Option<SmolStr>) -> Fields {
        let number = |column, kind| {
            let text = self.text(row, column)?;
            if numbers::is_plain(text, self.decimal) {
                return Some(text.into());
            }
            let normal = numbers::normal(text, self.decimal, kind);
            Some(normal.map_or_else(|| text.into(), SmolStr::from))
        };
        let price = |column| number(column, Kind::Price);
        let named = columns.symbol.as_ref().or(self.symbol.as_ref());
        Fields {
            symbol: named.map(|name| name.as_str().into()).or_else(|| {
                // A ticker may be the word for nothing.
                let text = row.get(self.layout.columns.symbol?)?.trim();
                (!text.is_empty()).then(|| text.into())
            }),
            date,
            open: price(columns.open),
            high: price(columns.high),
            low: price(columns.low),
            close: price(Some(columns.close)),
            volume: number(columns.volume, Kind::Volume),
            adjusted_close: price(columns.adjusted_close),
            split_factor: price(columns.split_factor),
            dividend: price(columns.dividend),
        }
    }
}

impl Display for Dialect {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let Layout {
            skip,
            height,
            delimiter,
            columns,
        } = &self.layout;
        write!(f, "delimiter {delimiter:?}, decimal {:?}", self.decimal)?;
        if let Some(order) = self.dates.order {
            write!(f, ", dates {order:?}")?;
        }
        if let Some(unit) = self.dates.unit {
            write!(f, ", dates in {unit:?} since 1970")?;
        }
        if let Some(stamp) = self.dates.stamp {
            write!(f, ", stamped with the {stamp:?} of bars")?;
        }
        if *skip > 0 {
            write!(f, ", {skip} lines before the header")?;
        }
        if *height > 1 {
            write!(f, ", a header of {height} lines")?;
        }
        if columns.bars.len() > 1 {
            write!(f, ", {} symbols beside each other", columns.bars.len())?;
        }
        Ok(())
    }
}

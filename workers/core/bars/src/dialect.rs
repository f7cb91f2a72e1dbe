//! How the text of a file is read: found in its beginning, and declared in `source.csv.dialect` where a person knows
//! better. What can be read in two ways is an error with both readings, never a guess. Used by `csv_source`.

pub(crate) mod columns;
pub(crate) mod dates;
pub(crate) mod numbers;
pub(crate) mod text;

use std::borrow::Cow;
use std::fmt::{self, Display, Formatter};

use foresail_crds::RoleError;
use foresail_crds::pipeline::spec::{CsvDialect, CsvSource, DateOrder, DecimalSign, Delimiter};
use foresail_crds::role_error::shown_address;

use crate::header;
use crate::lines::Lines;
use crate::row::Fields;
use crate::split::Splitter;
use columns::Columns;
use numbers::Kind;

/// Bytes of a file that are looked at.
pub const HEAD: usize = 1 << 20;
/// Lines among which the header is.
const LINES_BEFORE: usize = 64;
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
    /// Lines before the header.
    pub(crate) skip: usize,
    pub(crate) delimiter: Delimiter,
    pub(crate) columns: Columns,
    decimal: DecimalSign,
    order: Option<DateOrder>,
    nothing: Vec<String>,
    symbol: Option<String>,
}

impl Dialect {
    /// Finds it in the first [`HEAD`] bytes of a file, in UTF-8 or the like; `whole` when there are no more.
    ///
    /// # Errors
    /// User errors `CsvHeader` when no line has the columns that are needed, `AmbiguousNumbers` and `AmbiguousDates` when
    /// numbers or dates can be read in two ways.
    pub(crate) fn find(head: &[u8], whole: bool, spec: &CsvSource) -> Result<Self, RoleError> {
        let declared = spec.dialect.clone().unwrap_or_default();
        let end = if head.contains(&b'\n') { b'\n' } else { b'\r' };
        let (skip, delimiter, columns) = find_header(head, end, &declared, spec)?;
        let mut found = Self {
            end,
            skip,
            delimiter,
            columns,
            decimal: DecimalSign::Point,
            order: None,
            nothing: declared
                .nothing
                .iter()
                .map(|word| word.trim().to_lowercase())
                .collect(),
            symbol: spec.symbol.clone(),
        };
        let (numbers, dates) = found.hints(head, whole);
        let uri = shown_address(&spec.uri);
        let sign = declared.decimal.map_or_else(|| numbers.sign(), Ok);
        found.decimal = sign.map_err(|why| {
            let message = format!(
                "{uri}: its numbers can be read in two ways: {why}; say which in source.csv.dialect.decimal"
            );
            RoleError::user("AmbiguousNumbers", message)
        })?;
        let order = declared.date_order;
        let order = order.map_or_else(|| dates.order(), |order| Ok(Some(order)));
        found.order = order.map_err(|why| {
            let message = format!(
                "{uri}: its dates can be read in two ways: {why}; say which in source.csv.dialect.dateOrder"
            );
            RoleError::user("AmbiguousDates", message)
        })?;
        Ok(found)
    }

    /// What the numbers and the dates of the first rows say.
    fn hints(&self, head: &[u8], whole: bool) -> (numbers::Hints, dates::Hints) {
        let (mut numbers, mut dates) = (numbers::Hints::default(), dates::Hints::default());
        // The last line may be cut off.
        let last = memchr::memrchr(self.end, head).filter(|_| !whole);
        let mut lines = Lines::new(&head[..last.unwrap_or(head.len())], self.end);
        let mut splitter = Splitter::new(self.delimiter);
        for _ in 0..=self.skip {
            let _ = lines.first();
        }
        while let Ok(Some(line)) = lines.next() {
            let Some(row) = splitter
                .split(&line.bytes)
                .filter(|row| self.columns.fit(row))
            else {
                continue;
            };
            let columns = &self.columns;
            if let Some(text) = self.text(&row, Some(columns.date)) {
                dates.add(text);
            }
            let prices = [
                columns.open,
                columns.high,
                columns.low,
                Some(columns.close),
                columns.adjusted_close,
            ];
            for column in prices {
                if let Some(text) = self.text(&row, column) {
                    numbers.add(text, Kind::Price);
                }
            }
            if let Some(text) = self.text(&row, columns.volume) {
                numbers.add(text, Kind::Volume);
            }
        }
        (numbers, dates)
    }

    /// What stands in a column; nothing for a word that means so.
    fn text<'a>(&self, row: &'a [Cow<'_, str>], column: Option<usize>) -> Option<&'a str> {
        let text = row.get(column?)?.trim();
        let longest_word = 8;
        if text.is_empty() {
            return None;
        }
        if text.len() <= longest_word || !self.nothing.is_empty() {
            let word = text.to_lowercase();
            if NOTHING.contains(&word.as_str()) || self.nothing.contains(&word) {
                return None;
            }
        }
        Some(text)
    }

    /// The columns of a row in one form: dates as `YYYY-MM-DD`, numbers as programs write them. What is in no form that
    /// is known stays as it is, so that it is refused by its words.
    pub(crate) fn fields(&self, row: &[Cow<'_, str>]) -> Fields {
        let number = |column, kind| {
            let text = self.text(row, column)?;
            Some(numbers::normal(text, self.decimal, kind).unwrap_or_else(|| text.to_owned()))
        };
        let price = |column| number(column, Kind::Price);
        let columns = &self.columns;
        Fields {
            symbol: self.symbol.clone().or_else(|| {
                // A ticker may be the word for nothing.
                let text = row.get(columns.symbol?)?.trim();
                (!text.is_empty()).then(|| text.to_owned())
            }),
            date: self
                .text(row, Some(columns.date))
                .map(|text| dates::normal(text, self.order).unwrap_or_else(|| text.to_owned())),
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
        write!(
            f,
            "delimiter {:?}, decimal {:?}",
            self.delimiter, self.decimal
        )?;
        if let Some(order) = self.order {
            write!(f, ", dates {order:?}")?;
        }
        if self.skip > 0 {
            write!(f, ", {} lines before the header", self.skip)?;
        }
        Ok(())
    }
}

/// The first line with the columns that are needed, and what divides them.
fn find_header(
    head: &[u8],
    end: u8,
    declared: &CsvDialect,
    spec: &CsvSource,
) -> Result<(usize, Delimiter, Columns), RoleError> {
    let mut lines = Lines::new(head, end);
    let mut missing: Option<(usize, &str, Vec<u8>)> = None;
    let declared_skip = declared.skip_lines.map(|n| n as usize);
    for skip in 0..=declared_skip.unwrap_or(LINES_BEFORE) {
        let line = lines.first().unwrap_or_default();
        if line.length == 0 && skip > 0 && declared_skip.is_none() {
            continue;
        }
        if declared_skip.is_some_and(|declared| skip < declared) {
            continue;
        }
        let delimiters = declared
            .delimiter
            .map_or(Delimiter::ALL.to_vec(), |one| vec![one]);
        let mut best: Option<(Delimiter, Columns)> = None;
        for delimiter in delimiters {
            let mut splitter = Splitter::new(delimiter);
            let names = splitter.split(&line.bytes).unwrap_or_default();
            let width = names.len();
            match Columns::new(&names, spec) {
                Ok(columns)
                    if best
                        .as_ref()
                        .is_none_or(|(_, other)| other.count < columns.count) =>
                {
                    best = Some((delimiter, columns));
                }
                Ok(_) => {}
                // The line with most columns is the one that was meant.
                Err(name) if missing.as_ref().is_none_or(|(most, ..)| *most < width) => {
                    missing = Some((width, name, line.bytes.clone()));
                }
                Err(_) => {}
            }
        }
        if let Some((delimiter, columns)) = best {
            return Ok((skip, delimiter, columns));
        }
    }
    let (_, name, line) = missing.unwrap_or_else(|| (0, spec.columns.date.as_str(), Vec::new()));
    Err(no_column(name, &line, spec))
}

fn no_column(name: &str, header: &[u8], spec: &CsvSource) -> RoleError {
    let uri = shown_address(&spec.uri);
    let found = match header::shown(&String::from_utf8_lossy(header)) {
        Some(shown) => format!("its header is `{shown}`; set source.csv.columns"),
        None => {
            "no line of its beginning looks like names of columns; check what is there, or set \
                 source.csv.dialect.skipLines and delimiter"
                .into()
        }
    };
    RoleError::user(
        "CsvHeader",
        format!("{uri} has no column `{name}`: {found}"),
    )
}

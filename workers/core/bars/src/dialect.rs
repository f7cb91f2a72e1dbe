//! How the text of a file is read: found in its beginning, and declared in `source.csv.dialect` where a person knows
//! better. What can be read in two ways is an error with both readings, never a guess. Used by `csv_source`.

mod clock;
mod columns;
mod dates;
mod layout;
mod numbers;
mod reading;
pub(crate) mod text;
mod words;

use std::fmt::{self, Display, Formatter};

use foresail_crds::RoleError;
use foresail_crds::pipeline::spec::{CsvEncoding, DecimalSign};
use foresail_crds::role_error::shown_address;

use crate::described::Described;
use crate::lines::Lines;
use crate::split::Splitter;
use columns::BarColumns;
pub(crate) use dates::iso;
use layout::Layout;
use numbers::Kind;
pub(crate) use reading::LastDate;

/// Bytes of a file that are looked at.
pub const HEAD: usize = 1 << 20;

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

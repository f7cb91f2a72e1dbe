//! Where the header of a file is, how many lines it has, and whether a row holds one bar or those of several symbols.

use std::borrow::Cow;
use std::sync::Arc;

use foresail_crds::RoleError;
use foresail_crds::pipeline::spec::{CsvLayout, CsvSource, DecimalSign, Delimiter};
use foresail_crds::role_error::{presentable, shown_address};

use super::columns::{self, BarColumns, Columns, Named};
use super::numbers::{self, Kind};
use crate::described::Described;
use crate::header;
use crate::lines::Lines;
use crate::split::Splitter;

/// Lines among which the header is.
const LINES_BEFORE: usize = 64;
/// Characters of a name that are shown.
const LONGEST_NAME: usize = 64;
/// Most lines of a header.
const TALLEST: usize = 3;

/// A header.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Layout {
    /// Lines before it.
    pub skip: usize,
    /// Its lines.
    pub height: usize,
    pub delimiter: Delimiter,
    pub columns: Columns,
}

/// The columns of a line, each a text of its own.
type Texts = Vec<Cow<'static, str>>;

impl Layout {
    /// The first header with the columns that are needed, among the lines of `head` that end with `end`.
    ///
    /// # Errors
    /// User error `CsvHeader` when there is none.
    pub(crate) fn find(head: &[u8], end: u8, of: &Described) -> Result<Self, RoleError> {
        let declared = of.csv.dialect.clone().unwrap_or_default();
        let first = declared.skip_lines.map_or(0, |lines| lines as usize);
        let last = declared.skip_lines.map_or(LINES_BEFORE, |_| first);
        let mut lines = Lines::new(head, end);
        let lines: Vec<Arc<[u8]>> = (0..last + TALLEST)
            .map(|_| lines.first().unwrap_or_default().bytes)
            .collect();
        let delimiters = declared
            .delimiter
            .map_or(Delimiter::ALL.to_vec(), |one| vec![one]);
        let search = Search {
            of,
            lines: &lines,
            delimiters,
            layout: declared.layout,
        };
        let range = || first..=last;
        let is = |layout| declared.layout.is_none_or(|declared| declared == layout);
        let usual = range().find_map(|skip| search.rows_or_stacked(skip));
        // A line of symbols is a header when nothing else is one.
        let wide = || range().find_map(|skip| search.best(skip, closes));
        let found = usual.or_else(|| is(CsvLayout::ColumnPerSymbol).then(wide)?);
        let found = found.ok_or_else(|| search.missing(range()))?;
        match search.twice(&found) {
            Some(name) => Err(two_columns(&name, &of.csv)),
            None => Ok(found),
        }
    }
}

/// A header that is looked for.
struct Search<'a> {
    of: &'a Described,
    lines: &'a [Arc<[u8]>],
    delimiters: Vec<Delimiter>,
    layout: Option<CsvLayout>,
}

/// Columns by the texts of up to [`TALLEST`] lines, and how many of them they are in.
type Reader = fn(&[Texts], &Described) -> Option<(usize, Columns)>;

impl Search<'_> {
    fn rows_or_stacked(&self, skip: usize) -> Option<Layout> {
        let is = |layout| self.layout.is_none_or(|declared| declared == layout);
        let found = is(CsvLayout::StackedHeader).then(|| self.best(skip, stacked));
        let rows = || is(CsvLayout::RowPerBar).then(|| self.best(skip, rows))?;
        found.flatten().or_else(rows)
    }

    /// The header at a line with the delimiter that gives most columns.
    fn best(&self, skip: usize, read: Reader) -> Option<Layout> {
        let mut best: Option<Layout> = None;
        if self.lines.get(skip)?.is_empty() {
            return None;
        }
        for delimiter in &self.delimiters {
            let texts = self.texts(skip, *delimiter);
            let Some((height, columns)) = read(&texts, self.of) else {
                continue;
            };
            let most = best.as_ref().map_or(0, |best| best.columns.count);
            if columns.count > most {
                best = Some(Layout {
                    skip,
                    height,
                    delimiter: *delimiter,
                    columns,
                });
            }
        }
        best
    }

    fn texts(&self, skip: usize, delimiter: Delimiter) -> Vec<Texts> {
        let mut splitter = Splitter::new(delimiter);
        let mut texts = |line: &Arc<[u8]>| -> Texts {
            let split = splitter.split(line).unwrap_or_default();
            split
                .into_iter()
                .map(|t| Cow::Owned(t.into_owned()))
                .collect()
        };
        let lines = self.lines.iter().skip(skip).take(TALLEST);
        lines.map(&mut texts).collect()
    }

    /// The name of a column that is read and of which there are two in one line: the second may be of another symbol.
    fn twice(&self, found: &Layout) -> Option<String> {
        let texts = self.texts(found.skip, found.delimiter);
        let header = texts.first().filter(|_| found.height == 1)?;
        let Columns {
            symbol,
            date,
            time,
            bars,
            ..
        } = &found.columns;
        let read = bars
            .iter()
            .flat_map(BarColumns::all)
            .chain(*symbol)
            .chain(*time)
            .chain([*date]);
        let name = |column: usize| Some(header.get(column)?.trim());
        let mut read = read.filter_map(name);
        let times = |name: &str| {
            let same = |other: &&Cow<str>| other.trim().eq_ignore_ascii_case(name);
            header.iter().filter(same).count()
        };
        // Symbols beside each other are many, and differ by case as well.
        let is_one_bar = bars.len() == 1;
        read.find(|name| is_one_bar && times(name) > 1)
            .map(str::to_owned)
    }

    /// What the line that was meant lacks: the one with most columns.
    fn missing(&self, range: impl Iterator<Item = usize>) -> RoleError {
        let (spec, mut most, mut line) = (&self.of.csv, 0, None);
        let mut name = spec.columns.date.as_str();
        for skip in range {
            for delimiter in &self.delimiters {
                let texts = self.texts(skip, *delimiter);
                let Some(texts) = texts.first().filter(|texts| texts.len() > most) else {
                    continue;
                };
                if let Err(missing) = Columns::new(texts, spec) {
                    (most, name) = (texts.len(), missing);
                    line = self.lines.get(skip);
                }
            }
        }
        no_column(name, line.map_or(&[], |line| &**line), spec)
    }
}

fn no_column(name: &str, header: &[u8], spec: &CsvSource) -> RoleError {
    let uri = shown_address(&spec.uri);
    let found = match header::shown(&String::from_utf8_lossy(header)) {
        Some(shown) => format!(
            "its header is `{shown}`; set source.csv.columns, or source.csv.dialect.layout when symbols stand beside each \
             other"
        ),
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

fn two_columns(name: &str, spec: &CsvSource) -> RoleError {
    let uri = shown_address(&spec.uri);
    let name = presentable(name, LONGEST_NAME);
    let message = format!(
        "{uri} has two columns `{name}`: give one of them another name, or set source.csv.dialect.layout to StackedHeader \
         when a line of symbols says whose they are"
    );
    RoleError::user("CsvHeader", message)
}

/// A row is one bar.
fn rows(lines: &[Texts], of: &Described) -> Option<(usize, Columns)> {
    let header = lines.first()?;
    let columns = Columns::new(header, &of.csv).ok()?;
    let columns = match of.interval.is_intraday() {
        true => columns.timed(header, &of.csv),
        false => columns,
    };
    Some((1, columns))
}

/// A date, and a column of closes for each symbol: all that are declared, or all there are when the layout is declared.
fn closes(lines: &[Texts], of: &Described) -> Option<(usize, Columns)> {
    let header = lines.first()?;
    let named: Vec<Named> = header.iter().map(AsRef::as_ref).enumerate().collect();
    let date = columns::date(&named, &of.csv)?;
    let is_declared = of.layout() == Some(CsvLayout::ColumnPerSymbol);
    let has = |symbol: &String| named.iter().any(|(_, name)| name.trim() == symbol);
    let unmistakable =
        of.csv.symbol.is_none() && !of.symbols.is_empty() && of.symbols.iter().all(has);
    if !is_declared && !unmistakable {
        return None;
    }
    let symbols = named
        .iter()
        .filter(|(column, name)| *column != date && !name.trim().is_empty());
    let bars = symbols.map(|(column, name)| BarColumns::close(name.trim().to_owned(), *column));
    let columns = beside_each_other(date, columns::count(header), bars.collect(), of)?;
    Some((1, columns))
}

/// Fields above symbols, or symbols above fields, and perhaps the name of the column of dates below both. Or both in one
/// name, as pandas writes them into formats that have one line of names.
fn stacked(lines: &[Texts], of: &Described) -> Option<(usize, Columns)> {
    let header = lines.first()?;
    if let Some((above, below)) = pairs(header) {
        let columns = above_each_other((&above, &below), None, Evidence::Pairs, of)?;
        return Some((1, columns));
    }
    let dates = lines.get(2).filter(|line| names_dates_alone(line, of));
    let evidence = match dates {
        Some(_) => Evidence::DatesBelow,
        None => Evidence::Nothing,
    };
    let columns = above_each_other((header, lines.get(1)?), dates, evidence, of)?;
    Some((if dates.is_some() { 3 } else { 2 }, columns))
}

/// The halves of names such as `('Close', 'AAPL')`; a name of another form stays above.
fn pairs(header: &Texts) -> Option<(Texts, Texts)> {
    let halves = |name: &str| {
        let inner = name.trim().strip_prefix("('")?.strip_suffix("')")?;
        let (above, below) = inner.split_once("', '")?;
        Some((Cow::Owned(above.to_owned()), Cow::Owned(below.to_owned())))
    };
    if !header.iter().any(|name| halves(name).is_some()) {
        return None;
    }
    let other = |name: &Cow<'static, str>| (name.clone(), Cow::Borrowed(""));
    let names = header.iter();
    Some(
        names
            .map(|name| halves(name).unwrap_or_else(|| other(name)))
            .unzip(),
    )
}

fn above_each_other(
    (above, below): (&Texts, &Texts),
    dates: Option<&Texts>,
    evidence: Evidence,
    of: &Described,
) -> Option<Columns> {
    let bars = bars_below(above, below, evidence, of)
        .or_else(|| bars_below(below, above, evidence, of))?;
    let taken: Vec<usize> = bars.iter().flat_map(BarColumns::all).collect();
    let free = |line: &Texts| {
        let named = line.iter().map(AsRef::as_ref).enumerate();
        let free: Vec<Named> = named.filter(|(i, _)| !taken.contains(i)).collect();
        columns::date(&free, &of.csv)
    };
    // Without a name it is the index of a table, which stands first.
    let named = dates
        .and_then(free)
        .or_else(|| free(above))
        .or_else(|| free(below));
    let count = columns::count(above).max(columns::count(below));
    beside_each_other(named.unwrap_or(0), count, bars, of)
}

/// Whether a line is the name of the column of dates and nothing else.
fn names_dates_alone(line: &Texts, of: &Described) -> bool {
    let named = line.iter().map(AsRef::as_ref).enumerate();
    let named: Vec<Named> = named
        .filter(|(_, name): &Named| !name.trim().is_empty())
        .collect();
    named.len() == 1 && columns::date(&named, &of.csv).is_some()
}

/// What says that there are symbols beside each other, before their names are looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Evidence {
    Nothing,
    /// Below them, the name of dates stands alone.
    DatesBelow,
    /// Field and symbol are one name.
    Pairs,
}

/// The bars of a line of fields and one of symbols. What looks like it may be a line of units below the names of one
/// symbol, or the first row, so something must speak for symbols: the word for them, a line with the name of dates alone,
/// or a symbol that is declared.
fn bars_below(
    fields: &Texts,
    symbols: &Texts,
    evidence: Evidence,
    of: &Described,
) -> Option<Vec<BarColumns>> {
    let mut groups: Vec<(&str, Vec<Named>)> = Vec::new();
    let columns = fields.iter().zip(symbols).enumerate();
    // What stands above the index names the lines.
    for (column, (field, symbol)) in columns.skip(usize::from(evidence != Evidence::Pairs)) {
        let (field, symbol) = (field.trim(), symbol.trim());
        if field.is_empty() || symbol.is_empty() {
            continue;
        }
        match groups.iter_mut().find(|(name, _)| *name == symbol) {
            Some((_, columns)) => columns.push((column, field)),
            None => groups.push((symbol, vec![(column, field)])),
        }
    }
    let bars = groups.iter().filter_map(|(symbol, named)| {
        let mut bar = BarColumns::new(named, &of.csv)?;
        bar.symbol = Some((*symbol).to_owned());
        Some(bar)
    });
    let bars: Vec<BarColumns> = bars.collect();
    let mut names = bars.iter().filter_map(|bar| bar.symbol.as_ref());
    let is_declared = |symbol: &String| of.symbols.contains(symbol);
    let speaks = symbols
        .first()
        .is_some_and(|label| columns::names_symbols(label))
        || evidence != Evidence::Nothing
        || of.layout() == Some(CsvLayout::StackedHeader)
        || names.clone().any(is_declared);
    let is_value = |symbol: &String| {
        let read = |sign| numbers::normal(symbol, sign, Kind::Volume).is_some();
        read(DecimalSign::Point) || read(DecimalSign::Comma)
    };
    let are_names = names.all(|symbol| is_declared(symbol) || !is_value(symbol));
    (speaks && are_names && !bars.is_empty()).then_some(bars)
}

/// Bars beside each other. A symbol of the spec is the name of the only one, or one of several.
fn beside_each_other(
    date: usize,
    count: usize,
    mut bars: Vec<BarColumns>,
    of: &Described,
) -> Option<Columns> {
    if let Some(symbol) = &of.csv.symbol {
        match bars.as_mut_slice() {
            [one] => one.symbol = Some(symbol.clone()),
            _ => bars.retain(|bar| bar.symbol.as_ref() == Some(symbol)),
        }
    }
    let columns = Columns {
        symbol: None,
        date,
        time: None,
        count,
        bars,
    };
    (!columns.bars.is_empty()).then_some(columns)
}

#[cfg(test)]
#[path = "layout_tests.rs"]
mod tests;

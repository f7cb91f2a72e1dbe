//! Which column holds what: by the names of the spec, or by those that vendors use where the spec says nothing else.

use std::borrow::Cow;

use foresail_crds::pipeline::spec::{CsvColumns, CsvSource};

use crate::split::Row;

/// What the columns of a file hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Columns {
    pub symbol: Option<usize>,
    pub date: usize,
    /// Times of day, where they are apart from dates.
    pub time: Option<usize>,
    /// Columns up to the last one with a name.
    pub count: usize,
    /// The bars of a row; one, or one for each symbol that stands beside the others.
    pub bars: Vec<BarColumns>,
}

/// Columns of one bar.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct BarColumns {
    /// Whose bar it is, when the header says so.
    pub symbol: Option<String>,
    pub open: Option<usize>,
    pub high: Option<usize>,
    pub low: Option<usize>,
    pub close: usize,
    pub volume: Option<usize>,
    pub adjusted_close: Option<usize>,
    pub split_factor: Option<usize>,
    pub dividend: Option<usize>,
}

/// Names of vendors, in lower case and letters only. Splits and dividends are not among them: beside prices that are
/// adjusted already, as some vendors export them, they would count twice, so a person must name them.
const DATE: &[&str] = &[
    "date",
    "timestamp",
    "datetime",
    "time",
    "day",
    "tradedate",
    "tradingday",
    "dtyyyymmdd",
    "observationdate",
    "opentime",
    "unix",
];
const TIME: &[&str] = &["time", "bartime", "timeofday", "hour"];
const SYMBOL: &[&str] = &["symbol", "ticker", "instrument", "code"];
const OPEN: &[&str] = &["open", "openprice", "openingprice"];
const HIGH: &[&str] = &["high", "highprice", "max"];
const LOW: &[&str] = &["low", "lowprice", "min"];
const CLOSE: &[&str] = &[
    "close",
    "closelast",
    "last",
    "price",
    "closeprice",
    "closingprice",
    "settle",
    "lastprice",
];
const VOLUME: &[&str] = &["volume", "vol", "totalvolume", "tradedvolume"];
const ADJUSTED: &[&str] = &["adjclose", "adjustedclose", "closeadj", "closeadjusted"];

/// A column: its index and its name.
pub(crate) type Named<'a> = (usize, &'a str);

impl Columns {
    /// Those of a row that is one bar.
    ///
    /// # Errors
    /// The name of a column that is needed and absent.
    pub(crate) fn new<'a>(header: &[Cow<'_, str>], spec: &'a CsvSource) -> Result<Self, &'a str> {
        let named: Vec<Named> = header.iter().map(AsRef::as_ref).enumerate().collect();
        let default = CsvColumns::default();
        let names = &spec.columns;
        let symbol = match spec.symbol {
            Some(_) => None,
            None => {
                let found = find(&named, &names.symbol, &default.symbol, SYMBOL);
                Some(found.ok_or(names.symbol.as_str())?)
            }
        };
        let date = date(&named, spec).ok_or(names.date.as_str())?;
        Ok(Self {
            symbol,
            date,
            time: None,
            bars: vec![BarColumns::new(&named, spec).ok_or(names.close.as_str())?],
            count: count(header),
        })
    }

    /// With the column of times of day beside that of dates, where there is one.
    pub(crate) fn timed(mut self, header: &[Cow<'_, str>], spec: &CsvSource) -> Self {
        let named: Vec<Named> = header.iter().map(AsRef::as_ref).enumerate().collect();
        let usual = CsvColumns::default().time;
        let found = find(&named, &spec.columns.time, &usual, TIME);
        self.time = found.filter(|time| *time != self.date);
        self
    }

    /// Whether a row has these columns: all of them, and nothing behind them. One that is cut off may be cut within a
    /// number, so it is none.
    pub(crate) fn fit(&self, row: &Row<'_>) -> bool {
        let is_empty = |column| row.get(column).is_none_or(|text| text.trim().is_empty());
        row.len() >= self.count && (self.count..row.len()).all(is_empty)
    }
}

impl BarColumns {
    /// Those of a bar among these columns; `None` without a close.
    pub(crate) fn new(named: &[Named], spec: &CsvSource) -> Option<Self> {
        let (names, default) = (&spec.columns, CsvColumns::default());
        let (adjusted, usual) = (&names.adjusted_close, &default.adjusted_close);
        Some(Self {
            symbol: None,
            close: find(named, &names.close, &default.close, CLOSE)?,
            open: find(named, &names.open, &default.open, OPEN),
            high: find(named, &names.high, &default.high, HIGH),
            low: find(named, &names.low, &default.low, LOW),
            volume: find(named, &names.volume, &default.volume, VOLUME),
            adjusted_close: find(named, adjusted, usual, ADJUSTED),
            split_factor: exactly(named, &names.split_factor),
            dividend: exactly(named, &names.dividend),
        })
    }

    /// A close and nothing else.
    pub(crate) fn close(symbol: String, close: usize) -> Self {
        Self {
            symbol: Some(symbol),
            close,
            open: None,
            high: None,
            low: None,
            volume: None,
            adjusted_close: None,
            split_factor: None,
            dividend: None,
        }
    }

    /// Columns of prices.
    pub(crate) fn prices(&self) -> [Option<usize>; 5] {
        let Self {
            open, high, low, ..
        } = *self;
        [open, high, low, Some(self.close), self.adjusted_close]
    }

    /// All columns.
    pub(crate) fn all(&self) -> impl Iterator<Item = usize> {
        let others = [self.volume, self.split_factor, self.dividend];
        self.prices().into_iter().chain(others).flatten()
    }
}

/// The column of dates.
pub(crate) fn date(named: &[Named], spec: &CsvSource) -> Option<usize> {
    find(named, &spec.columns.date, &CsvColumns::default().date, DATE)
}

/// Columns up to the last one with a name.
pub(crate) fn count(header: &[Cow<'_, str>]) -> usize {
    let named = header.iter().rposition(|name| !name.trim().is_empty());
    named.map_or(0, |last| last + 1)
}

/// Whether a name is one of symbols.
pub(crate) fn names_symbols(name: &str) -> bool {
    SYMBOL.contains(&plain(name).trim_end_matches('s'))
}

/// The column of a name. One of the spec means that column and no other.
fn find(named: &[Named], name: &str, default: &str, vendors: &[&str]) -> Option<usize> {
    let others = || {
        let is = |vendor: &&str| named.iter().find(|(_, n)| plain(n) == **vendor);
        (name == default).then(|| vendors.iter().find_map(is))?
    };
    exactly(named, name).or_else(|| Some(others()?.0))
}

fn exactly(named: &[Named], name: &str) -> Option<usize> {
    let is = |column: &&Named| column.1.trim().eq_ignore_ascii_case(name);
    Some(named.iter().find(is)?.0)
}

/// `4. close` of an API, `<CLOSE>` and `Adj Close` in one form.
fn plain(name: &str) -> String {
    let letters = name.chars().filter(|c| c.is_ascii_alphabetic());
    letters.map(|c| c.to_ascii_lowercase()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn columns(header: &str, change: impl FnOnce(&mut CsvSource)) -> Result<Columns, String> {
        let mut spec: CsvSource =
            serde_json::from_value(serde_json::json!({"uri": "http://host/f.csv", "symbol": "X"}))
                .unwrap();
        change(&mut spec);
        let header: Vec<_> = header.split(',').map(Cow::from).collect();
        Columns::new(&header, &spec).map_err(str::to_owned)
    }

    #[test]
    fn the_names_of_vendors_are_known() {
        for header in [
            "date,open,high,low,close,adj_close,volume",
            "Date,Open,High,Low,Close,Adj Close,Volume",
            "timestamp,1. open,2. high,3. low,4. close,5. adjusted close,6. volume",
            "<DATE>,<OPEN>,<HIGH>,<LOW>,<CLOSE>,<ADJ CLOSE>,<VOL>",
            "Datetime,Open Price,High Price,Low Price,Last Price,Adj. Close,Vol.",
        ] {
            let found = columns(header, |_| {}).unwrap();
            let bar = &found.bars[0];
            assert_eq!(
                (found.date, bar.open, bar.high, bar.low),
                (0, Some(1), Some(2), Some(3)),
                "{header}"
            );
            assert_eq!(
                (bar.close, bar.adjusted_close, bar.volume),
                (4, Some(5), Some(6)),
                "{header}"
            );
        }
        assert_eq!(columns("Date,Close/Last", |_| {}).unwrap().bars[0].close, 1);
    }

    #[test]
    fn a_name_of_the_spec_means_that_column() {
        let found = columns("Date,Close,Price", |spec| {
            spec.columns.close = "price".into()
        });
        assert_eq!(found.unwrap().bars[0].close, 2);
        let found = columns("Date,Close", |spec| spec.columns.close = "settle".into());
        assert_eq!(found, Err("settle".into()));
        // The name of the spec comes before those of vendors, wherever it stands.
        let found = columns("Date,Last,close", |_| {}).unwrap();
        assert_eq!(found.bars[0].close, 2);
    }

    /// Beside adjusted prices they would count twice.
    #[test]
    fn splits_and_dividends_are_never_guessed() {
        let found = columns("Date,Close,Dividends,Stock Splits", |_| {}).unwrap();
        let bar = &found.bars[0];
        assert_eq!((bar.split_factor, bar.dividend), (None, None));
    }

    #[test]
    fn empty_columns_behind_the_last_say_nothing_and_a_row_that_is_cut_off_is_none() {
        let found = columns("Date,Close,Volume,,", |_| {}).unwrap();
        let fits = |row: &str| found.fit(&Row::Taken(row.split(',').map(Cow::from).collect()));
        assert!(fits("2020-01-02,1,2") && fits("2020-01-02,1,2,") && fits("2020-01-02,1,2,, ,"));
        assert!(!fits("2020-01-02,1") && !fits("2020-01-02,1,2,3"));
    }
}

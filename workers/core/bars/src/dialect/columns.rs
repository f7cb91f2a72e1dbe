//! Which column holds what: by the names of the spec, or by those that vendors use where the spec says nothing else.

use std::borrow::Cow;

use foresail_crds::pipeline::spec::{CsvColumns, CsvSource};

/// Column index of each field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Columns {
    pub symbol: Option<usize>,
    pub date: usize,
    pub open: Option<usize>,
    pub high: Option<usize>,
    pub low: Option<usize>,
    pub close: usize,
    pub volume: Option<usize>,
    pub adjusted_close: Option<usize>,
    pub split_factor: Option<usize>,
    pub dividend: Option<usize>,
    /// Columns up to the last one with a name.
    pub count: usize,
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
];
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

impl Columns {
    /// Finds them in a header.
    ///
    /// # Errors
    /// The name of a column that is needed and absent.
    pub(crate) fn new<'a>(header: &[Cow<'_, str>], spec: &'a CsvSource) -> Result<Self, &'a str> {
        let default = CsvColumns::default();
        let exactly = |name: &str| {
            header
                .iter()
                .position(|h| h.trim().eq_ignore_ascii_case(name))
        };
        let known = |names: &[&str]| {
            let is = |name: &str| header.iter().position(|h| plain(h) == name);
            names.iter().find_map(|name| is(name))
        };
        // A name of the spec means that column and no other.
        let find = |name: &str, default: &str, names: &[&str]| {
            let others = || (name == default).then(|| known(names))?;
            exactly(name).or_else(others)
        };
        let names = &spec.columns;
        let symbol = match spec.symbol {
            Some(_) => None,
            None => {
                Some(find(&names.symbol, &default.symbol, SYMBOL).ok_or(names.symbol.as_str())?)
            }
        };
        let named = header.iter().rposition(|name| !name.trim().is_empty());
        Ok(Self {
            symbol,
            date: find(&names.date, &default.date, DATE).ok_or(names.date.as_str())?,
            open: find(&names.open, &default.open, OPEN),
            high: find(&names.high, &default.high, HIGH),
            low: find(&names.low, &default.low, LOW),
            close: find(&names.close, &default.close, CLOSE).ok_or(names.close.as_str())?,
            volume: find(&names.volume, &default.volume, VOLUME),
            adjusted_close: find(&names.adjusted_close, &default.adjusted_close, ADJUSTED),
            split_factor: exactly(&names.split_factor),
            dividend: exactly(&names.dividend),
            count: named.map_or(0, |last| last + 1),
        })
    }

    /// Whether a row has these columns: all of them, and nothing behind them. One that is cut off may be cut within a
    /// number, so it is none.
    pub(crate) fn fit(&self, row: &[Cow<'_, str>]) -> bool {
        let behind = row.get(self.count..);
        behind.is_some_and(|behind| behind.iter().all(|text| text.trim().is_empty()))
    }
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
            assert_eq!(
                (found.date, found.open, found.high, found.low),
                (0, Some(1), Some(2), Some(3)),
                "{header}"
            );
            assert_eq!(
                (found.close, found.adjusted_close, found.volume),
                (4, Some(5), Some(6)),
                "{header}"
            );
        }
        assert_eq!(columns("Date,Close/Last", |_| {}).unwrap().close, 1);
    }

    #[test]
    fn a_name_of_the_spec_means_that_column() {
        let found = columns("Date,Close,Price", |spec| {
            spec.columns.close = "price".into()
        });
        assert_eq!(found.unwrap().close, 2);
        let found = columns("Date,Close", |spec| spec.columns.close = "settle".into());
        assert_eq!(found, Err("settle".into()));
        // The name of the spec comes before those of vendors, wherever it stands.
        assert_eq!(columns("Date,Last,close", |_| {}).unwrap().close, 2);
    }

    /// Beside adjusted prices they would count twice.
    #[test]
    fn splits_and_dividends_are_never_guessed() {
        let found = columns("Date,Close,Dividends,Stock Splits", |_| {}).unwrap();
        assert_eq!((found.split_factor, found.dividend), (None, None));
    }

    #[test]
    fn empty_columns_behind_the_last_say_nothing_and_a_row_that_is_cut_off_is_none() {
        let found = columns("Date,Close,Volume,,", |_| {}).unwrap();
        let fits = |row: &str| found.fit(&row.split(',').map(Cow::from).collect::<Vec<_>>());
        assert!(fits("2020-01-02,1,2") && fits("2020-01-02,1,2,") && fits("2020-01-02,1,2,, ,"));
        assert!(!fits("2020-01-02,1") && !fits("2020-01-02,1,2,3"));
    }
}

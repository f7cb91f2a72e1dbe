use foresail_crds::pipeline::spec::CsvDialect;

use super::*;

fn described(symbols: &[&str], change: impl FnOnce(&mut CsvSource)) -> Described {
    let spec = serde_json::json!({"uri": "http://host/f.csv"});
    let mut described = Described::alone(serde_json::from_value(spec).unwrap());
    described.symbols = symbols.iter().map(|s| (*s).to_owned()).collect();
    change(&mut described.csv);
    described
}

fn find(file: &str, of: &Described) -> Result<Layout, String> {
    Layout::find(file.as_bytes(), b'\n', of).map_err(|error| error.message)
}

/// Symbol, open and close of each bar, the column of dates, and the lines of the header.
type Found = (Vec<(String, Option<usize>, usize)>, usize, usize);

fn bars(file: &str, of: &Described) -> Found {
    let found = find(file, of).unwrap_or_else(|error| panic!("{file}: {error}"));
    let bar = |bar: &BarColumns| (bar.symbol.clone().unwrap_or_default(), bar.open, bar.close);
    let bars = found.columns.bars.iter().map(bar).collect();
    (bars, found.columns.date, found.height)
}

fn bar(symbol: &str, open: Option<usize>, close: usize) -> (String, Option<usize>, usize) {
    (symbol.to_owned(), open, close)
}

#[test]
fn the_header_lines_of_yfinance_are_one_header() {
    let nobody = described(&[], |_| {});
    let one = "Price,Close,High,Low,Open,Volume\nTicker,AAPL,AAPL,AAPL,AAPL,AAPL\nDate,,,,,\n2020-01-02,1,1,1,1,1\n";
    assert_eq!(bars(one, &nobody), (vec![bar("AAPL", Some(4), 1)], 0, 3));
    let several =
        "Price,Close,Close,Open,Open\nTicker,AAPL,MSFT,AAPL,MSFT\nDate,,,,\n2020-01-02,1,2,1,2\n";
    let expected = (vec![bar("AAPL", Some(3), 1), bar("MSFT", Some(4), 2)], 0, 3);
    assert_eq!(bars(several, &nobody), expected);
    let by_ticker =
        "Ticker,AAPL,AAPL,MSFT,MSFT\nPrice,Open,Close,Open,Close\nDate,,,,\n2020-01-02,1,1,2,2\n";
    let expected = (vec![bar("AAPL", Some(1), 2), bar("MSFT", Some(3), 4)], 0, 3);
    assert_eq!(bars(by_ticker, &nobody), expected);
    // Of older releases, without names of the levels.
    let unnamed = ",Adj Close,Close,Open\n,AAPL,AAPL,AAPL\nDate,,,\n2020-01-02,1,1,1\n";
    assert_eq!(
        bars(unnamed, &nobody),
        (vec![bar("AAPL", Some(3), 2)], 0, 3)
    );
    // The index is a column of numbers, and dates stand beside the prices.
    let reset = "Price,Date,Close,Open\nTicker,,AAPL,AAPL\n0,2020-01-02,1,1\n";
    assert_eq!(bars(reset, &nobody), (vec![bar("AAPL", Some(3), 2)], 1, 2));
    // Field and symbol in one name, as pandas writes them to Parquet, with the index at the end.
    let pairs =
        "\"('Close', 'AAPL')\",\"('Open', 'AAPL')\",\"('Close', 'MSFT')\",Date\n1,1,2,2020-01-02\n";
    let expected = (vec![bar("AAPL", Some(1), 0), bar("MSFT", None, 2)], 3, 1);
    assert_eq!(bars(pairs, &nobody), expected);
    // A title before it, and another delimiter.
    let later = format!("Report\n{}", several.replace(',', ";"));
    assert_eq!(find(&later, &nobody).unwrap().skip, 1);
}

#[test]
fn without_a_word_for_symbols_only_declared_ones_are_symbols() {
    let file = "Date,Close,Open\n,AAPL,AAPL\n2020-01-02,1,1\n";
    let declared = described(&["AAPL"], |spec| spec.symbol = Some("AAPL".into()));
    assert_eq!(bars(file, &declared), (vec![bar("AAPL", Some(2), 1)], 0, 2));
    // A line of units is no line of symbols: it is a row that is refused.
    let units = "Date,Close,Open\n,USD,USD\n2020-01-02,1,1\n";
    assert_eq!(find(units, &declared).unwrap().height, 1);
    let layout = |layout| CsvDialect {
        layout: Some(layout),
        ..CsvDialect::default()
    };
    let stacked = described(&[], |spec| {
        spec.dialect = Some(layout(CsvLayout::StackedHeader));
    });
    assert_eq!(bars(units, &stacked), (vec![bar("USD", Some(2), 1)], 0, 2));
    // A first row below the word for symbols is one as well.
    for row in [
        "AAPL,2020-01-02,50.2",
        "AAPL,12/15/2020,$50.20",
        "50.2,AAPL,1",
    ] {
        let file = format!("symbol,date,close\n{row}\n");
        let found = find(&file, &described(&["AAPL"], |_| {})).unwrap();
        assert_eq!((found.height, found.columns.symbol), (1, Some(0)), "{row}");
    }
}

#[test]
fn a_symbol_of_the_spec_is_that_of_the_file_or_one_of_it() {
    let named = described(&["X"], |spec| spec.symbol = Some("X".into()));
    let one = "Price,Close,Open\nTicker,AAPL,AAPL\nDate,,\n2020-01-02,1,1\n";
    assert_eq!(bars(one, &named).0, [bar("X", Some(2), 1)]);
    let several = "Price,Close,Close\nTicker,AAPL,X\nDate,,\n2020-01-02,1,1\n";
    assert_eq!(bars(several, &named).0, [bar("X", None, 2)]);
    let others = several.replace('X', "Y");
    assert!(find(&others, &named).is_err());
}

#[test]
fn a_column_of_closes_for_each_symbol_is_read_when_it_can_be_nothing_else() {
    let wide = "Date,AAPL,MSFT\n2020-01-02,1,2\n";
    let expected = (vec![bar("AAPL", None, 1), bar("MSFT", None, 2)], 0, 1);
    assert_eq!(bars(wide, &described(&["MSFT"], |_| {})), expected);
    for symbols in [&[][..], &["MSFT", "GOOG"], &["msft"]] {
        let error = find(wide, &described(symbols, |_| {})).unwrap_err();
        assert!(error.contains("source.csv.dialect.layout"), "{error}");
    }
    let declared = described(&["GOOG"], |spec| {
        spec.dialect = Some(CsvDialect {
            layout: Some(CsvLayout::ColumnPerSymbol),
            ..CsvDialect::default()
        });
    });
    assert_eq!(bars(wide, &declared), expected);
    // Prices of one symbol are no symbols.
    let rows = "Date,Open,Close\n2020-01-02,1,2\n";
    let one = described(&["Open"], |spec| spec.symbol = Some("Open".into()));
    assert_eq!(find(rows, &one).unwrap().columns.bars.len(), 1);
}

/// The first of two columns of closes may be of another symbol.
#[test]
fn two_columns_of_one_name_are_an_error() {
    let one = described(&["X"], |spec| spec.symbol = Some("X".into()));
    let error = find("Date,Close,Open,close\n2020-01-02,1,2,3\n", &one).unwrap_err();
    assert!(error.contains("two columns `Close`"), "{error}");
    assert!(find("Date,Close,Note,Note\n2020-01-02,1,2,3\n", &one).is_ok());
}

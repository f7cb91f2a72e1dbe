use super::*;

fn request(symbol: &str, kind: Kind) -> Request {
    let symbol = Symbol::new(symbol).unwrap();
    Request { symbol, kind }
}

fn chart(symbol: &str, interval: ChartInterval, window: Window) -> Request {
    request(symbol, Kind::Chart { interval, window })
}

#[test]
fn every_kind_asks_in_the_words_of_its_provider() {
    let text = |kind| request("IBM", kind).to_string();
    let month = Month::new(2024, 5);
    let interval = Minutes::Five;
    assert_eq!(
        text(Kind::Daily(Size::Compact)),
        "/query?function=TIME_SERIES_DAILY&symbol=IBM&outputsize=compact"
    );
    assert_eq!(
        text(Kind::DailyAdjusted(Size::Full)),
        "/query?function=TIME_SERIES_DAILY_ADJUSTED&symbol=IBM&outputsize=full"
    );
    assert_eq!(
        text(Kind::Intraday { interval, month }),
        "/query?function=TIME_SERIES_INTRADAY&symbol=IBM&interval=5min&adjusted=false&extended_hours=false\
         &outputsize=full&month=2024-05"
    );
    assert_eq!(text(Kind::Splits), "/query?function=SPLITS&symbol=IBM");
    assert_eq!(
        text(Kind::Dividends),
        "/query?function=DIVIDENDS&symbol=IBM"
    );
    let window = Window::Period { from: 1, to: 86401 };
    assert_eq!(
        chart("AAPL", ChartInterval::Day, window).to_string(),
        "/v8/finance/chart/AAPL?period1=1&period2=86401&interval=1d&includePrePost=false\
         &events=div,splits,capitalGains"
    );
    assert_eq!(
        chart("AAPL", ChartInterval::Quarter, Window::Max).to_string(),
        "/v8/finance/chart/AAPL?range=max&interval=3mo&includePrePost=false&events=div,splits,capitalGains"
    );
}

#[test]
fn codes_with_signs_are_encoded() {
    for (code, path) in [
        ("^GSPC", "%5EGSPC"),
        ("EURUSD=X", "EURUSD%3DX"),
        ("M&M.NS", "M%26M.NS"),
        ("BRK-B", "BRK-B"),
        ("BTC/USDT", "BTC%2FUSDT"),
        ("BF B", "BF%20B"),
        ("ES#", "ES%23"),
        ("ACHR+", "ACHR%2B"),
    ] {
        let asked = chart(code, ChartInterval::Day, Window::Month);
        assert_eq!(asked.path(), format!("/v8/finance/chart/{path}"));
        let query = request(code, Kind::Splits).query();
        assert_eq!(query, format!("function=SPLITS&symbol={path}"));
    }
}

#[test]
fn the_key_is_in_the_target_and_nowhere_else() {
    let key = Key::new(" C4N&RY K3Y\n").unwrap();
    let asked = request("IBM", Kind::Daily(Size::Full));
    let target = asked.target(Some(&key));
    assert!(target.reveal().ends_with("&apikey=C4N%26RY%20K3Y"));
    let shown = format!("{target:?} {asked:?} {asked} {key:?}");
    assert!(!shown.contains("C4N"), "{shown}");
    // Yahoo takes none.
    let asked = chart("IBM", ChartInterval::Day, Window::Year);
    assert!(!asked.target(Some(&key)).reveal().contains("C4N"));
    assert_eq!(Key::new(" \n"), None);
}

#[test]
fn only_a_full_request_has_a_smaller_one() {
    let asked = request("IBM", Kind::Daily(Size::Full));
    let smaller = asked.compact().unwrap();
    assert_eq!(smaller, request("IBM", Kind::Daily(Size::Compact)));
    assert_eq!(smaller.compact(), None);
    assert_eq!(request("IBM", Kind::Splits).compact(), None);
}

#[test]
fn an_hour_has_two_names_and_months_exist() {
    assert!(ChartInterval::Hour.is("1h") && ChartInterval::Hour.is("60m"));
    assert!(!ChartInterval::OneMinute.is("60m") && !ChartInterval::Day.is("1wk"));
    assert_eq!(Month::new(2024, 13), None);
    assert_eq!(Month::new(24, 1), None);
}

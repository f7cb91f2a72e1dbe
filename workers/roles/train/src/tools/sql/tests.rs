#![allow(clippy::unwrap_used)]

use foresail_domain::Interval;

use super::*;

fn bars() -> Bars {
    let bar = |symbol: &str, day: i64, close: f64| Bar {
        symbol: symbol.into(),
        interval: Interval::Session,
        event_time: day * 86_400_000,
        open: None,
        high: Some(close + 1.0),
        low: Some(close - 1.0),
        close,
        volume: Some(100.0),
        split_factor: if day == 3 { 2.0 } else { 1.0 },
        dividend: 0.0,
        ingested_at: 0,
        provider: "test".into(),
        revision: 0,
    };
    let series = |symbol: &str, closes: [f64; 4]| {
        let bars = (1..)
            .zip(closes)
            .map(|(day, close)| bar(symbol, day, close));
        (symbol.to_owned(), bars.collect())
    };
    vec![
        series("A", [10.0, 11.0, 6.0, 6.5]),
        series("B", [40.0, 44.0, 20.0, 21.0]),
    ]
}

async fn ask(text: &str) -> Result<String> {
    let context = context(&bars(), Adjustment::All)?;
    shown(frame(&context, text).await?, 5).await
}

#[tokio::test]
async fn a_split_moves_raw_bars_and_not_adjusted_ones() {
    let answer = "SELECT symbol, round(simple_return(close) OVER (PARTITION BY symbol ORDER BY event_time), 6) AS change \
         FROM {} ORDER BY symbol, event_time LIMIT 3";
    let raw = ask(&answer.replace("{}", "bars")).await.unwrap();
    assert!(raw.contains("| A      | -0.454545 |"), "{raw}");
    let adjusted = ask(&answer.replace("{}", "adjusted_bars")).await.unwrap();
    assert!(adjusted.contains("| A      | 0.090909 |"), "{adjusted}");
    assert!(adjusted.contains("| A      |          |"), "{adjusted}");
    assert!(adjusted.ends_with("3 rows"), "{adjusted}");
}

#[tokio::test]
async fn a_long_answer_says_that_it_is_cut() {
    let answer = ask("SELECT close FROM bars").await.unwrap();
    assert!(answer.contains("the first 5 rows"), "{answer}");
    assert!(
        ask("SHOW FUNCTIONS")
            .await
            .unwrap()
            .contains("the first 5 rows")
    );
}

#[tokio::test]
async fn nothing_but_reading_is_allowed() {
    for text in [
        "DROP TABLE bars",
        "INSERT INTO bars SELECT * FROM bars",
        "COPY bars TO '/tmp/leak.csv'",
        "CREATE EXTERNAL TABLE leak STORED AS PARQUET LOCATION '/etc'",
        "SET datafusion.execution.batch_size = 1",
    ] {
        let error = ask(text).await.unwrap_err().to_string();
        assert!(error.contains("not supported"), "{text}: {error}");
    }
    let error = ask("SELECT * FROM '/etc/passwd'")
        .await
        .unwrap_err()
        .to_string();
    assert!(error.contains("not found"), "{error}");
}

#[tokio::test]
async fn features_are_made_when_they_are_named() {
    let context = context(&bars(), Adjustment::All).unwrap();
    assert!(names(&context, "SELECT * FROM features f", "features").unwrap());
    assert!(
        names(
            &context,
            "SELECT * FROM bars JOIN features USING (symbol)",
            "features"
        )
        .unwrap()
    );
    assert!(!names(&context, "SELECT close AS features FROM bars", "features").unwrap());
}

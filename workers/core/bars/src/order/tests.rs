use super::*;
use crate::row::RawRow;

fn spec() -> Described {
    let spec = serde_json::json!({"uri": "http://host/f.csv"});
    Described::alone(serde_json::from_value(spec).unwrap())
}

fn read(file: &str) -> Vec<RawRow> {
    let rows = in_order(|| Ok(file.as_bytes()), &spec(), tempfile::tempfile).unwrap();
    rows.collect::<Result<_, _>>().unwrap()
}

fn closes(file: &str) -> Vec<(String, bool)> {
    let rows = read(file);
    let positions: Vec<u64> = rows.iter().map(|row| row.position).collect();
    assert_eq!(positions, (0..rows.len() as u64).collect::<Vec<_>>());
    rows.into_iter()
        .map(|row| {
            let close = row.fields.close.unwrap_or_default();
            (close.into(), row.superseded)
        })
        .collect()
}

fn plain(closes: &[&str]) -> Vec<(String, bool)> {
    closes
        .iter()
        .map(|close| ((*close).to_owned(), false))
        .collect()
}

#[test]
fn a_file_in_order_is_left_as_it_is() {
    let by_symbol =
        "symbol,date,close\nA,2020-01-02,1\nA,2020-01-03,2\nB,2020-01-02,3\nB,2020-01-03,4\n";
    assert_eq!(closes(by_symbol), plain(&["1", "2", "3", "4"]));
}

#[test]
fn newest_first_and_no_order_are_sorted_and_what_has_no_date_stays_with_its_neighbour() {
    let falling = "symbol,date,close\nA,01/06/2020,4\nbroken\nA,01/03/2020,2\nA,01/02/2020,1\nA,12/31/2019,0\n";
    assert_eq!(closes(falling), plain(&["0", "1", "2", "", "4"]));
    let mixed =
        "symbol,date,close\nA,2020-01-03,2\nA,2020-01-02,1\nB,2020-01-02,3\nB,2020-01-03,4\n";
    assert_eq!(closes(mixed), plain(&["1", "3", "2", "4"]));
}

#[test]
fn the_last_row_of_a_day_counts_whichever_way_the_file_runs() {
    let mut rising = plain(&["1", "2", "3"]);
    rising[1].1 = true;
    let file = "symbol,date,close\nA,2020-01-02,1\nA,2020-01-03,2\nA,2020-01-03,3\n";
    assert_eq!(closes(file), rising);
    let file = "symbol,date,close\nA,2020-01-03,3\nA,2020-01-03,2\nA,2020-01-02,1\n";
    assert_eq!(closes(file), rising);
    // What has no price supersedes nothing.
    let file = "symbol,date,close\nA,2020-01-02,1\nA,2020-01-03,2\nA,2020-01-03,\n";
    assert!(closes(file).iter().all(|(_, superseded)| !superseded));
}

/// A wrong date in a row is no order of the file: sorted, the row would be a bar of a day that it is not of.
#[test]
fn a_stray_row_stays_where_it_is() {
    let rows: String = (1..=25)
        .map(|day| format!("A,2020-01-{day:02},{day}\n"))
        .collect();
    let file = format!("symbol,date,close\nA,2020-03-01,0\n{rows}");
    assert_eq!(closes(&file)[0].0, "0");
}

#[test]
fn parts_of_sessions_are_no_daily_bars() {
    let rows: String = (0..40)
        .map(|i| format!("A,2020-01-{:02} 10:{:02}:00,1\n", 2 + i / 10, i % 10))
        .collect();
    let file = format!("symbol,date,close\n{rows}");
    let error = in_order(|| Ok(file.as_bytes()), &spec(), tempfile::tempfile)
        .err()
        .unwrap();
    assert_eq!(error.reason, "IntervalDoesNotFit");
    assert!(error.message.contains("about 13 rows"), "{error}");
}

#[test]
fn many_runs_are_one_file_in_order() {
    let mut date = jiff::civil::date(1990, 1, 1);
    let (mut lines, filler) = (Vec::new(), "x".repeat(60_000));
    for i in 0..1_500 {
        lines.push(format!("A,{date},{i},{filler}"));
        date = date.tomorrow().unwrap();
    }
    let expected: Vec<String> = (0..1_500).map(|i| i.to_string()).collect();
    lines.reverse();
    let file = format!("symbol,date,close,text\n{}\n", lines.join("\n"));
    let found: Vec<String> = closes(&file).into_iter().map(|(close, _)| close).collect();
    assert_eq!(found, expected);
}

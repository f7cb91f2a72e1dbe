//! The pages of `inspect` and `evaluate`: well-formed, with nothing from elsewhere, and nothing in them obeys the file.

#![allow(clippy::unwrap_used)]

mod common;

use std::path::Path;

use common::Folder;
use foresail_train::evaluate_command::{self, evaluate};
use foresail_train::inspect_command::{self, Inspection, inspect};

fn inspected(file: &Path) -> Inspection {
    let request = inspect_command::Request {
        file: file.to_owned(),
        pipeline: None,
    };
    inspect(&request).unwrap()
}

/// Closes on weekdays from 2015 on; every fifth comes back to where it was.
fn closes(count: usize) -> Vec<(jiff::civil::Date, f64)> {
    let mut date = jiff::civil::date(2015, 1, 1);
    let mut bars = Vec::new();
    while bars.len() < count {
        if date.weekday().to_monday_zero_offset() < 5 {
            let i = bars.len() as f64;
            bars.push((date, 50.0 + 5.0 * (i * 0.05).sin() + (i * 12.9898).sin()));
        }
        date = date.tomorrow().unwrap();
    }
    bars
}

/// Every tag that is opened is closed, in order.
fn assert_well_formed(page: &str) {
    const EMPTY: [&str; 2] = ["meta", "!DOCTYPE"];
    let mut open: Vec<&str> = Vec::new();
    for piece in page.split('<').skip(1) {
        let (tag, text) = piece.split_once('>').unwrap_or_else(|| panic!("<{piece}"));
        assert!(!text.contains('>'), "{text}");
        let name = tag.split([' ', '\n']).next().unwrap().trim_end_matches('/');
        if let Some(closed) = name.strip_prefix('/') {
            assert_eq!(open.pop(), Some(closed), "{tag}");
        } else if !tag.ends_with('/') && !EMPTY.contains(&name) {
            open.push(name);
        }
    }
    assert!(open.is_empty(), "{open:?}");
}

/// Nothing is loaded, nothing runs.
fn assert_self_contained(page: &str) {
    for part in [
        "<script", "<img", "<link", "src=", "href=", "url(", "@import", "onerror",
    ] {
        assert!(!page.to_lowercase().contains(part), "{part}");
    }
}

#[test]
fn a_page_obeys_no_text_of_the_file_and_needs_no_network() {
    let folder = Folder::new("escaped");
    let mut rows = String::from("symbol,date,close,<img onload=1>\n");
    for (date, close) in closes(60) {
        rows.push_str(&format!("<script>alert(1)</script>,{date},{close:.2},x\n"));
    }
    rows.push_str("B&B,2015-01-05,<img src=x onerror=y>,x\nB&B,2015-01-06,7.25,x\n");
    let found = inspected(&folder.file("a<b>&.csv", &rows));
    let page = found.page().unwrap();
    assert_well_formed(&page);
    for part in ["<script", "<img", "<b>"] {
        assert!(!page.contains(part), "{part}");
    }
    for text in [
        "&lt;script&gt;alert(1)&lt;/script&gt;",
        "a&lt;b&gt;&amp;.csv",
        "B&amp;B",
        "7.25",
        "NotANumber",
        "line 62: close `&lt;img src=x onerror=y&gt;`",
    ] {
        assert!(page.contains(text), "{text}");
    }
}

#[test]
fn a_page_says_what_was_found() {
    let folder = Folder::new("said");
    let mut rows = String::from("Date,Close/Last,Volume\n");
    let bars = closes(400);
    for (place, (date, close)) in bars.iter().enumerate().rev() {
        match place {
            // A session without a row, and one with two.
            100 => {}
            200 => {
                rows.push_str(&format!("{},${close:.2},5\n", date.strftime("%m/%d/%Y")).repeat(2))
            }
            _ => rows.push_str(&format!("{},${close:.2},5\n", date.strftime("%m/%d/%Y"))),
        }
    }
    let found = inspected(&folder.file("acme.csv", &rows));
    let (page, text) = (found.page().unwrap(), found.to_string());
    assert_well_formed(&page);
    assert_self_contained(&page);
    let (missing, last) = (bars[100].0.to_string(), bars[399]);
    for part in [
        "1 missing, 0 off the calendar, 1 doubled",
        "Superseded",
        &format!("{:.2}", last.1),
        &last.0.to_string(),
        &missing,
        "symbol: ACME",
        "calendar: Weekdays",
    ] {
        assert!(page.contains(part) && text.contains(part), "{part}: {text}");
    }
    assert_eq!(page.matches("<svg").count(), 1);
    // What no line of a narrow terminal holds is left out, but for the sentences.
    let table = found.text(30);
    let table = table.lines().filter(|line| line.starts_with("  20"));
    assert!(table.clone().count() == 6 && table.clone().all(|line| line.chars().count() <= 30));
}

#[test]
fn many_symbols_are_listed_and_some_are_drawn() {
    let folder = Folder::new("many");
    let mut rows = String::from("symbol,date,close\n");
    for (date, close) in closes(30) {
        (0..70).for_each(|i| rows.push_str(&format!("S{i:02},{date},{close:.2}\n")));
    }
    let found = inspected(&folder.file("many.csv", &rows));
    let (page, text) = (found.page().unwrap(), found.to_string());
    assert_well_formed(&page);
    assert_eq!(page.matches("<svg").count(), 40);
    assert!(page.contains(">S69<") && page.contains("The first 40 are drawn"));
    assert!(text.contains("50 more symbols") && text.contains("symbol: S69"));
}

/// The Pipeline that `inspect` writes is one that `evaluate` takes, and its page has the numbers of the table.
#[test]
fn what_inspect_finds_can_be_evaluated_and_shown() {
    let folder = Folder::new("found");
    let mut rows = String::from("Date,Close\n");
    closes(1_200)
        .iter()
        .for_each(|(date, close)| rows.push_str(&format!("{date},{close:.2}\n")));
    let csv = folder.file("acme.csv", &rows);
    let pipeline = inspected(&csv).pipeline().unwrap().to_owned();
    let request = evaluate_command::Request {
        csv,
        pipeline: folder.file("acme.yaml", &pipeline),
        test_from: None,
        refit_every: None,
        kinds: vec![],
        allow_refused: false,
        allow_suspicious: false,
    };
    let report = evaluate(&request, &|_| {}).unwrap();
    let page = report.page().unwrap();
    assert_well_formed(&page);
    assert_self_contained(&page);
    for part in [
        format!("{:.4}", report.model.rmse),
        format!("{:.4}", report.naive.mae),
        report.test[0].clone(),
        "acme on ".into(),
        "ACME, 5 bars ahead".into(),
        "The leak guard found nothing.".into(),
    ] {
        assert!(page.contains(&part), "{part}");
    }
    // The last fifth is tested, less the sessions whose outcome is not known.
    assert!((220..=240).contains(&report.model.count), "{report}");
}

use super::*;

const GOOD: &str = "\
# A comment, and an empty line.

zone Asia/Tokyo
from 2024-01-01
through 2024-12-31
hours 2024-01-01 Mon-Sat 09:00-11:30 12:30-15:00
hours 2024-11-05 Mon-Fri 09:00-15:30
closed 2024 01-02 12-31
day 2024 09:00-12:00 03-04 12-30
day 2024 10:00-11:30 12:30-15:00 06-09
";

fn d(text: &str) -> Date {
    text.parse().unwrap()
}

fn hours(text: &str) -> Hours {
    read_hours(&text.split(' ').collect::<Vec<_>>()).unwrap()
}

#[test]
fn a_file_says_what_it_says() {
    let file = File::parse(GOOD).unwrap();
    assert_eq!(
        (file.from, file.through),
        (d("2024-01-01"), d("2024-12-31"))
    );
    assert_eq!(file.zone.iana_name(), Some("Asia/Tokyo"));
    // Before the first era, its first and its last day, and the era after it.
    for (date, expected, saturday) in [
        ("2023-05-05", "09:00-11:30 12:30-15:00", true),
        ("2024-01-01", "09:00-11:30 12:30-15:00", true),
        ("2024-11-04", "09:00-11:30 12:30-15:00", true),
        ("2024-11-05", "09:00-15:30", false),
        ("2025-01-01", "09:00-15:30", false),
    ] {
        let era = file.era(d(date));
        assert_eq!(era.hours, hours(expected), "{date}");
        assert_eq!(era.is_open(d("2024-06-08")), saturday, "{date}");
        assert!(era.is_open(d("2024-06-03")) && era.is_open(d("2024-06-07")));
        assert!(!era.is_open(d("2024-06-09")), "{date}");
    }
    let exceptions: Vec<_> = file.exceptions.into_iter().collect();
    let short = Some(hours("09:00-12:00"));
    let expected = [
        (d("2024-01-02"), None),
        (d("2024-03-04"), short),
        (d("2024-06-09"), Some(hours("10:00-11:30 12:30-15:00"))),
        (d("2024-12-30"), short),
        (d("2024-12-31"), None),
    ];
    assert_eq!(exceptions, expected);
}

#[test]
fn what_is_wrong_is_told_with_its_line() {
    let of_line = [
        ("zone Asia/Tokyo", "zone Mars/Olympus", 3),
        ("from 2024-01-01", "from 2024-13-01", 4),
        ("from 2024-01-01", "since 2024-01-01", 4),
        ("through 2024-12-31", "through", 5),
        ("Mon-Sat", "Mon-Caturday", 6),
        ("Mon-Sat", "Mon", 6),
        ("12:30-15:00\nhours", "12:30\nhours", 6),
        ("12:30-15:00\nhours", "11:00-15:00\nhours", 6),
        ("12:30-15:00\nhours", "12:30-12:00\nhours", 6),
        ("12:30-15:00\nhours", "12:30-15:00 16:00-17:00\nhours", 6),
        ("09:00-15:30", "15:30-09:00", 7),
        ("09:00-15:30", "09:00-25:30", 7),
        ("01-02 12-31", "", 8),
        ("01-02 12-31", "01-02 02-30", 8),
        ("09:00-12:00 03-04", "03-04", 9),
        ("09:00-12:00 03-04 12-30", "09:00-12:00", 9),
        ("03-04 12-30", "03-04 12-31", 9),
    ];
    for (from, to, line) in of_line {
        let error = with(from, to);
        assert_eq!(error.line, line, "{to}: {error}");
    }
    for (from, to, word) in [
        ("zone Asia/Tokyo", "", "lacks"),
        ("from 2024-01-01", "", "lacks"),
        ("through 2024-12-31", "", "lacks"),
        (
            "through 2024-12-31",
            "through 2023-12-31",
            "before it begins",
        ),
        (
            "hours 2024-01-01",
            "hours 2024-01-02",
            "must begin at `from`",
        ),
        ("hours 2024-11-05", "hours 2023-11-05", "be in order"),
        ("closed 2024 01-02", "closed 2025 01-02", "outside of"),
        // A Sunday, and the usual hours.
        ("01-02 12-31", "01-02 06-16", "as its weekday is"),
        (
            "10:00-11:30 12:30-15:00 06-09",
            "09:00-11:30 12:30-15:00 06-10",
            "as its weekday is",
        ),
    ] {
        let error = with(from, to);
        assert!(
            error.line == 0 && error.what.contains(word),
            "{to}: {error}"
        );
    }
}

/// What is wrong with the good file when it has `to` in place of `from`.
fn with(from: &str, to: &str) -> Malformed {
    assert!(GOOD.contains(from), "{from}");
    File::parse(&GOOD.replacen(from, to, 1)).unwrap_err()
}

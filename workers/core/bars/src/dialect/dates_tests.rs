use super::*;

fn plain(text: &str) -> Option<String> {
    normal(text, &Form::default())
}

#[test]
fn every_form_of_a_day_is_that_day() {
    for text in [
        "2020-12-05",
        "2020/12/05",
        "2020.12.5",
        "20201205",
        "20201205 160000",
        "20201205.0",
        "20201205T00:00:00",
        "2020-12-05 00:00:00-05:00",
        "2020-12-05T21:00:00Z",
        "Dec 5, 2020",
        "December 05 2020",
        "5-Dec-2020",
        "05 dec 2020",
        "5-Dec-20",
        "05Dec2020",
        "Dec 5, 20",
        "2020-Dec-05",
        "Saturday, December 5, 2020",
        "Sat Dec 05 2020 00:00:00 GMT-0500 (EST)",
        "Sat, 05 Dec 2020 21:00:00 GMT",
        "20201205160000",
        "202012051600",
        " 2020-12-05 ",
    ] {
        assert_eq!(plain(text).as_deref(), Some("2020-12-05"), "{text}");
    }
    let order = |text, order| in_order(text, order);
    for text in [
        "12/05/2020",
        "12-5-2020",
        "12.05.2020",
        "12/05/2020 16:00",
        "12/05/20",
    ] {
        let found = order(text, DateOrder::MonthDayYear);
        assert_eq!(found.as_deref(), Some("2020-12-05"), "{text}");
        let found = order(text, DateOrder::DayMonthYear);
        assert_eq!(found.as_deref(), Some("2020-05-12"), "{text}");
        assert_eq!(plain(text), None, "{text}");
    }
    let year_first = order("20-12-05", DateOrder::YearMonthDay);
    assert_eq!(year_first.as_deref(), Some("2020-12-05"));
    assert_eq!(plain("05/05/2020").as_deref(), Some("2020-05-05"));
    for text in [
        "",
        "x",
        "2020-13-05",
        "2020-02-30",
        "12/05/202",
        "2020-12",
        "202012055",
        "Foo 5, 2020",
        "1-2-3",
        "0/5/2020",
        "1607126400",
        "2020-12-05 as of 2020-12-04",
        "2020-12-05 noon",
    ] {
        assert_eq!(order(text, DateOrder::MonthDayYear), None, "{text}");
    }
}

#[test]
fn two_digits_are_a_year_from_1970_to_2069() {
    let year = |text| in_order(text, DateOrder::MonthDayYear);
    assert_eq!(year("12/31/69").as_deref(), Some("2069-12-31"));
    assert_eq!(year("12/31/70").as_deref(), Some("1970-12-31"));
    assert_eq!(year("12/31/99").as_deref(), Some("1999-12-31"));
    assert_eq!(year("12/31/00").as_deref(), Some("2000-12-31"));
}

/// The rule that keeps a session on its day: a midnight is a date, another instant is a time at the exchange.
#[test]
fn a_time_with_a_zone_is_of_the_day_of_the_exchange() {
    use TradingCalendar::{AlwaysOpen, Weekdays, Xnys};
    let read = |text, calendar| {
        let form = Form {
            calendar,
            ..Form::default()
        };
        normal(text, &form)
    };
    for (text, calendar, date) in [
        ("2020-12-15 00:00:00-05:00", Xnys, "2020-12-15"),
        ("2020-12-15T00:00:00+00:00", Xnys, "2020-12-15"),
        ("2020-12-15T00:00:00+09:00", Xnys, "2020-12-15"),
        ("2020-12-15T05:00:00Z", Xnys, "2020-12-15"),
        ("2020-07-15T04:00:00Z", Xnys, "2020-07-15"),
        ("2020-12-16T01:00:00Z", Xnys, "2020-12-15"),
        ("2020-12-16T06:00:00+09:00", Xnys, "2020-12-15"),
        ("2020-12-15T20:00:00-05:00", AlwaysOpen, "2020-12-16"),
        ("2020-12-15T09:00:00+11:00", Weekdays, "2020-12-15"),
        ("2020-12-15 23:59:59", Xnys, "2020-12-15"),
    ] {
        let found = read(text, calendar);
        assert_eq!(found.as_deref(), Some(date), "{text} {calendar:?}");
    }
}

#[test]
fn counts_since_1970_are_read_in_the_unit_of_the_file() {
    let read = |texts: &[&str]| -> Vec<String> {
        let mut hints = Hints::default();
        texts.iter().for_each(|text| hints.add(text));
        let form = Form {
            unit: hints.unit(),
            ..Form::default()
        };
        texts
            .iter()
            .map(|text| normal(text, &form).unwrap_or_default())
            .collect()
    };
    let days = ["1973-01-01", "2020-12-15"];
    assert_eq!(read(&["94694400", "1607990400"]), days);
    assert_eq!(read(&["94694400000", "1607990400000.0"]), days);
    // 05:00 UTC and the open of New York are of that day, the evening of the day before is not.
    let day = read(&["1608008400", "1608042600", "1608001200"]);
    assert_eq!(day, ["2020-12-15", "2020-12-15", "2020-12-14"]);
    // What is a date of the calendar is one, unless the file counts milliseconds.
    assert_eq!(read(&["202012151600"]), ["2020-12-15"]);
    let mut counted = vec!["1607990400000"; 20];
    counted.push("202012151600");
    assert_eq!(read(&counted)[20], "1976-05-26");
    // Seconds among milliseconds are damage, and so is a digit too many among dates.
    counted[0] = "1607990400";
    assert_eq!(read(&counted)[0], "");
    assert_eq!(read(&["20201215", "202012155"]), ["2020-12-15", ""]);
}

#[test]
fn the_order_is_that_of_the_whole_file_or_an_error_with_both_readings() {
    use DateOrder::{DayMonthYear, MonthDayYear, YearMonthDay};
    let order = |texts: &[&str]| {
        let mut hints = Hints::default();
        texts.iter().for_each(|text| hints.add(text));
        hints.order()
    };
    assert_eq!(order(&["2020-12-05"]), Ok(None));
    assert_eq!(order(&["03/03/2020"]), Ok(None));
    assert_eq!(order(&["03/04/2020", "03/14/2020"]), Ok(Some(MonthDayYear)));
    assert_eq!(order(&["03/04/2020", "14/04/2020"]), Ok(Some(DayMonthYear)));
    assert_eq!(order(&["03/04/20", "03/14/20"]), Ok(Some(MonthDayYear)));
    assert_eq!(order(&["03/04/98", "14/04/98"]), Ok(Some(DayMonthYear)));
    assert_eq!(order(&["98-12-15"]), Ok(Some(YearMonthDay)));
    // A row that is no date in any order says nothing.
    assert_eq!(order(&["45/45/2020", "03/14/2020"]), Ok(Some(MonthDayYear)));
    let either = order(&["03/04/2020"]).unwrap_err();
    assert!(either.contains("2020-03-04 or 2020-04-03"), "{either}");
    let either = order(&["15/12/20"]).unwrap_err();
    assert!(either.contains("2020-12-15 or 2015-12-20"), "{either}");
    let both = order(&["14/04/2020", "04/14/2020"]).unwrap_err();
    assert!(both.contains("`04/14/2020` has the month first"), "{both}");
    let unprintable = order(&["03/04/2020\r 4:00 PM"]).unwrap_err();
    assert!(!unprintable.contains(char::is_control), "{unprintable}");
}

#[test]
fn what_is_left_as_it_stands_is_what_it_would_be_made() {
    for text in ["2020-12-05", "2020-02-29", "0001-01-01", "1999-12-31"] {
        assert!(is_normal(text), "{text}");
        assert_eq!(plain(text).as_deref(), Some(text));
    }
    for text in [
        "2020-02-30",
        "2020-13-01",
        "2020-1-011",
        "2020/12/05",
        "2020-12-05 ",
        "+020-12-05",
        "2020-12-\u{e9}",
    ] {
        assert!(!is_normal(text), "{text}");
    }
}

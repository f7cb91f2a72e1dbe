//! Words and numbers of a date, one by one.

/// The next run of digits or of letters, behind what divides the parts of a date. What follows stays in `rest`.
pub(crate) fn next<'a>(rest: &mut &'a str) -> Option<&'a str> {
    let divides = |c: char| "-/.,".contains(c) || c.is_whitespace();
    let text = rest.trim_start_matches(divides);
    let first = text.chars().next()?;
    let same = |c: char| {
        (first.is_ascii_digit() && c.is_ascii_digit())
            || (first.is_ascii_alphabetic() && c.is_ascii_alphabetic())
    };
    let end = text.find(|c| !same(c)).unwrap_or(text.len());
    let (part, behind) = text.split_at(end);
    *rest = behind;
    (!part.is_empty()).then_some(part)
}

/// A text without the name of a day of the week before it: `Tue, 15 Dec 2020`.
pub(crate) fn without_weekday(text: &str) -> &str {
    const DAYS: [&str; 7] = [
        "monday",
        "tuesday",
        "wednesday",
        "thursday",
        "friday",
        "saturday",
        "sunday",
    ];
    let mut rest = text;
    match next(&mut rest) {
        Some(word) if is_name(word, &DAYS).is_some() => {
            rest.trim_start_matches(|c: char| c == ',' || c == '.' || c.is_whitespace())
        }
        _ => text,
    }
}

/// An English name of a month, whole or its first three letters.
pub(crate) fn month(text: &str) -> Option<i8> {
    const NAMES: [&str; 12] = [
        "january",
        "february",
        "march",
        "april",
        "may",
        "june",
        "july",
        "august",
        "september",
        "october",
        "november",
        "december",
    ];
    let sept = text.eq_ignore_ascii_case("sept").then_some(8);
    let found = sept.or_else(|| is_name(text, &NAMES))?;
    i8::try_from(found + 1).ok()
}

/// Which of these names it is, whole or its first three letters.
fn is_name(text: &str, names: &[&str]) -> Option<usize> {
    let is = |name: &&str| {
        text.eq_ignore_ascii_case(name)
            || (text.len() == 3 && text.eq_ignore_ascii_case(&name[..3]))
    };
    names.iter().position(is)
}

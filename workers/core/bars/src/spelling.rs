//! Which of the symbols of a source may be meant by one that it does not have: people, vendors and files write the same
//! instrument in different ways.

/// Characters of a symbol that are compared; codes of instruments are shorter.
const LONGEST: usize = 64;
/// Two spellings may differ in one of so many letters.
const LETTERS_PER_SLIP: usize = 3;

/// The symbol of `known` that is nearest to `meant`, when one is near: it differs only in case and punctuation, in the
/// name of an exchange before or behind it (`AAPL.US`, `NYSE:IBM`), or in one letter of each three.
pub fn nearest<'a>(meant: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let wanted = letters(meant);
    let distances = known
        .into_iter()
        .filter_map(|other| Some((distance(meant, &wanted, other)?, other)));
    // Of equally near ones the first counts.
    distances
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, other)| other)
}

fn distance(meant: &str, wanted: &[u8], other: &str) -> Option<usize> {
    let letters = letters(other);
    if wanted.is_empty() || letters.is_empty() {
        return None;
    }
    if wanted == letters {
        return Some(0);
    }
    let is_part = |whole: &str, part: &[u8]| {
        let parts = whole.split(|c: char| !c.is_ascii_alphanumeric());
        parts
            .into_iter()
            .any(|p| p.as_bytes().eq_ignore_ascii_case(part))
    };
    if is_part(other, wanted) || is_part(meant, &letters) {
        return Some(1);
    }
    let slips = slips(wanted, &letters);
    let allowed = wanted.len().min(letters.len()) / LETTERS_PER_SLIP;
    (slips <= allowed).then_some(slips + 1)
}

/// Letters and digits, in upper case.
fn letters(symbol: &str) -> Vec<u8> {
    let letters = symbol.bytes().filter(u8::is_ascii_alphanumeric);
    letters
        .map(|c| c.to_ascii_uppercase())
        .take(LONGEST)
        .collect()
}

/// Letters to add, to leave out, to change or to swap with their neighbour until one is the other.
fn slips(a: &[u8], b: &[u8]) -> usize {
    let mut before: Vec<usize> = Vec::new();
    let mut last: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.iter().enumerate() {
        let mut row = vec![i + 1];
        for (j, y) in b.iter().enumerate() {
            let changed = last[j] + usize::from(x != y);
            let mut least = changed.min(last[j + 1] + 1).min(row[j] + 1);
            if i > 0 && j > 0 && *x == b[j - 1] && a[i - 1] == *y {
                least = least.min(before[j - 1] + 1);
            }
            row.push(least);
        }
        before = std::mem::replace(&mut last, row);
    }
    last[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_symbol_is_found_however_it_is_written() {
        let known = ["BRK-B", "AAPL.US", "MSFT", "NYSE:IBM", "GOOG", "T"];
        for (meant, found) in [
            ("BRK.B", Some("BRK-B")),
            ("brk b", Some("BRK-B")),
            ("AAPL", Some("AAPL.US")),
            ("IBM", Some("NYSE:IBM")),
            ("MFST", Some("MSFT")),
            ("GOOGL", Some("GOOG")),
            ("TSLA", None),
            ("F", None),
            ("^", None),
        ] {
            assert_eq!(nearest(meant, known), found, "{meant}");
        }
        assert_eq!(nearest("X", []), None);
    }

    #[test]
    fn the_nearer_one_is_preferred_and_then_the_first() {
        assert_eq!(nearest("ABCD", ["ABCE", "ab-cd"]), Some("ab-cd"));
        assert_eq!(nearest("ABCD", ["ABCE", "ABCF"]), Some("ABCE"));
    }

    #[test]
    fn slips_are_what_a_hand_does() {
        for (a, b, expected) in [
            ("", "AB", 2),
            ("AB", "AB", 0),
            ("AB", "BA", 1),
            ("ABC", "AC", 1),
            ("ABC", "ADC", 1),
            ("KITTEN", "SITTING", 3),
        ] {
            assert_eq!(slips(a.as_bytes(), b.as_bytes()), expected, "{a} {b}");
            assert_eq!(slips(b.as_bytes(), a.as_bytes()), expected, "{b} {a}");
        }
    }
}

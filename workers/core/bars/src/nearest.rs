//! The symbol of a file that is meant by one that is declared and has no row.

/// Least likeness of a symbol that may be meant, 0 to 1.
const LIKE: f64 = 0.6;
/// Likeness of a symbol that holds the other one, as `NYSE:BRK.B` holds `BRK.B`.
const HELD: f64 = 0.9;
/// Fewest letters of a symbol that is found in another one.
const FEWEST: usize = 3;

/// The nearest spelling of `symbol` among those of a file, when one is near. Case and signs do not matter.
pub fn nearest<'a>(symbol: &str, others: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let letters = letters(symbol);
    let mut best: Option<(f64, &str)> = None;
    for other in others {
        let like = likeness(&letters, &self::letters(other));
        if like >= LIKE && best.is_none_or(|(most, _)| like > most) {
            best = Some((like, other));
        }
    }
    best.map(|(_, other)| other)
}

fn likeness(a: &str, b: &str) -> f64 {
    if a.is_empty() || b.is_empty() {
        return 0.0;
    }
    let holds = a.contains(b) || b.contains(a);
    let like = strsim::normalized_damerau_levenshtein(a, b);
    if holds && a.len().min(b.len()) >= FEWEST && a != b {
        return like.max(HELD);
    }
    like
}

fn letters(symbol: &str) -> String {
    let letters = symbol.chars().filter(|c| c.is_alphanumeric());
    letters.flat_map(char::to_uppercase).collect()
}

#[cfg(test)]
mod tests {
    use super::nearest;

    #[test]
    fn the_spelling_of_the_file_is_found_and_a_stranger_is_not() {
        let others = [
            "beta",
            "AAPL",
            "NYSE:BRK.B",
            "BTC-USDT",
            "GOOGL",
            "RELIANCE.NS",
            "x",
            "IBM",
        ];
        for (declared, meant) in [
            ("BETA", Some("beta")),
            ("APPL", Some("AAPL")),
            ("AALP", Some("AAPL")),
            ("BRK-B", Some("NYSE:BRK.B")),
            ("BTC/USDT", Some("BTC-USDT")),
            ("BTCUSD", Some("BTC-USDT")),
            ("GOOG", Some("GOOGL")),
            ("RELIANCE", Some("RELIANCE.NS")),
            ("X.", Some("x")),
            ("Y", None),
            ("GAMMA", None),
            ("$", None),
        ] {
            assert_eq!(nearest(declared, others), meant, "{declared}");
        }
        // The same letters are nearer than more of them.
        assert_eq!(nearest("abc", ["ABCD", "a.b.c"]), Some("a.b.c"));
    }
}

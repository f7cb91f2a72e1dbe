//! The code of an instrument as its vendor writes it, and how it stands in keys and addresses. The rule is here alone:
//! the schema of a Pipeline, and everything that is named by a symbol, ask this module.

use std::borrow::{Borrow, Cow};
use std::fmt::{self, Write};
use std::ops::Deref;

use serde::{Deserialize, Serialize};
use thiserror::Error;

/// Most characters of a symbol.
pub const LONGEST: usize = 32;
/// What a symbol looks like, as a regular expression of the same meaning as [`Symbol::new`]: words of letters, digits,
/// points and signs with spaces between them. No word begins with a point but the first, and none with two.
pub const PATTERN: &str = r"^\.?[A-Za-z0-9_^=&/!:$@#+*-][A-Za-z0-9._^=&/!:$@#+*-]*( +[A-Za-z0-9_^=&/!:$@#+*-][A-Za-z0-9._^=&/!:$@#+*-]*)*$";
/// Signs of a word, beside letters and digits.
const SIGNS: &[u8] = b"_^=&/!:$@#+*-";
/// Signs that stand in keys as they are. Data is stored under keys of symbols with none but these: they must not change.
const PLAIN: &[u8] = b"._^=-";

/// Code of an instrument, such as `AAPL`, `BTC/USDT`, `NYSE:BRK.B` or `BF B`.
///
/// What is read from a spec is not checked again: the schema has the same rule.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(transparent)]
pub struct Symbol(
    #[cfg_attr(
        feature = "schema",
        schemars(length(min = 1, max = LONGEST), regex(pattern = PATTERN))
    )]
    String,
);

/// Why a text is no symbol.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error(
    "`{0}` is no symbol: it must have 1 to {LONGEST} letters, digits and . _ - ^ = & / ! : $ @ # + *, and spaces only between them"
)]
pub struct BadSymbol(String);

impl Symbol {
    /// The symbol of this text.
    ///
    /// # Errors
    /// When it is none.
    pub fn new(text: impl Into<String>) -> Result<Self, BadSymbol> {
        let text = text.into();
        if is_symbol(text.as_bytes()) {
            Ok(Self(text))
        } else {
            Err(BadSymbol(text))
        }
    }
}

fn is_symbol(text: &[u8]) -> bool {
    let in_word = |byte: &u8| byte.is_ascii_alphanumeric() || SIGNS.contains(byte);
    let inner = text.strip_prefix(b".").unwrap_or(text);
    let begins_words = |pair: &[u8]| !matches!(pair, b" .");
    text.len() <= LONGEST
        && inner.first().is_some_and(in_word)
        && inner.last() != Some(&b' ')
        && inner
            .iter()
            .all(|byte| in_word(byte) || matches!(byte, b'.' | b' '))
        && inner.windows(2).all(begins_words)
}

/// A symbol as part of a key or as one segment of the path of a URL: other bytes than letters, digits and `. _ ^ = -` are
/// written as `%` and two hex digits. Two symbols never have one key, and a key never holds `/`, `:`, a space or a
/// control character, whatever text is handed in.
pub fn key(symbol: &str) -> Cow<'_, str> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || PLAIN.contains(&byte);
    if symbol.bytes().all(plain) {
        return Cow::Borrowed(symbol);
    }
    let mut key = String::with_capacity(symbol.len() + 8);
    for byte in symbol.bytes() {
        if plain(byte) {
            key.push(char::from(byte));
        } else {
            let _ = write!(key, "%{byte:02X}");
        }
    }
    Cow::Owned(key)
}

impl Deref for Symbol {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

impl Borrow<str> for Symbol {
    fn borrow(&self) -> &str {
        self
    }
}

impl fmt::Display for Symbol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self)
    }
}

impl PartialEq<str> for Symbol {
    fn eq(&self, other: &str) -> bool {
        **self == *other
    }
}

impl From<Symbol> for String {
    fn from(symbol: Symbol) -> Self {
        symbol.0
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    /// Codes of real vendors: Yahoo, NSE, ccxt, TradingView, Barchart, Schwab, IQFeed, Polygon, Bloomberg, OCC.
    #[rustfmt::skip] // a table
    const REAL: [&str; 35] = [
        "AAPL", "BRK.B", "BRK/B", "BF B", "BF-B", "^GSPC", ".DJI", "EURUSD=X", "CL=F", "600519.SS", "0700.HK", "1234",
        "M&M.NS", "BTC-USD", "BTC_USDT", "BTC/USDT", "BTC/USDT:USDT", "BTC/USD:BTC-240628-50000-C", "GC1!",
        "NYSE:BRK.B", "$SPX", "/ES", "./ESZ24C4000", "A..B", "@ES#", "&ES", "#F:SX7E", "X:BTCUSD", "ACHR+", "AAPL*",
        "SPY230616C00400000.OPRA", "AAPL  230616C00150000", "AAPL US Equity", "SPX US 06/21/24 C4500 Index", "eurusd",
    ];

    #[test]
    fn codes_of_vendors_are_symbols() {
        for text in REAL {
            assert_eq!(Symbol::new(text).unwrap(), *text);
        }
        assert!(Symbol::new("A".repeat(LONGEST)).is_ok());
    }

    #[test]
    #[rustfmt::skip] // a table
    fn what_breaks_lists_paths_and_terminals_is_none() {
        for text in [
            "", ".", "..", " ", " A", "A ", "A\n", "\tA", "A,B", "../../etc", "A .B", "..A", "a%2Fb", "a\\b", "a?b", "'A'",
            "\"A\"", "<b>", "a;b", "a|b", "{A}", "[A]", "(A)", "`A`", "~A", "\u{c4}PL", "A\u{200b}", "A\0",
        ] {
            let error = Symbol::new(text).unwrap_err().to_string();
            assert!(error.contains("is no symbol"), "{error}");
        }
        assert!(Symbol::new("A".repeat(LONGEST + 1)).is_err());
    }

    /// Texts of up to three of these signs, and what a text of theirs may be.
    fn texts() -> Vec<String> {
        let signs: Vec<String> = (0_u8..=127).map(|b| char::from(b).to_string()).collect();
        let few = ["A", "b", "7", ".", " ", "/", ":", "%", "&", "-", "\u{e9}"];
        let mut texts = signs;
        for a in few {
            for b in few {
                texts.push(format!("{a}{b}"));
                texts.extend(few.map(|c| format!("{a}{b}{c}")));
            }
        }
        texts
    }

    #[test]
    fn keys_are_of_safe_signs_and_of_one_symbol_each() {
        let (mut keys, texts) = (BTreeSet::new(), texts());
        for text in &texts {
            let key = key(text);
            assert!(
                key.bytes()
                    .all(|b| b.is_ascii_alphanumeric() || b"._^=-%".contains(&b)),
                "{key}"
            );
            assert!(keys.insert(key.into_owned()), "{text:?}");
        }
        assert_eq!(keys.len(), texts.len());
    }

    #[test]
    fn keys_of_symbols_that_were_possible_before_are_the_symbols() {
        for text in [
            "AAPL",
            "BRK.B",
            "^GSPC",
            "EURUSD=X",
            "RDS-A",
            "A_B",
            "600519.SS",
        ] {
            assert!(matches!(key(text), Cow::Borrowed(same) if same == text));
        }
        assert_eq!(key("BTC/USDT"), "BTC%2FUSDT");
        assert_eq!(key("BF B"), "BF%20B");
        assert_eq!(key("a%2F"), "a%252F");
    }
}

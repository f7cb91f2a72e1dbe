//! Currencies, and the hundredths and thousandths of them that some exchanges quote in.

use std::fmt;

/// A currency by its three letters, such as `USD`.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Currency([u8; 3]);

impl Currency {
    /// The currency of three ASCII letters, kept as written; `None` for any other text.
    pub fn new(code: &str) -> Option<Self> {
        let code: [u8; 3] = code.as_bytes().try_into().ok()?;
        let is_code = code.iter().all(u8::is_ascii_alphabetic);
        is_code.then_some(Self(code))
    }

    /// Its letters.
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).unwrap_or_default()
    }

    /// The currency that people pay in, and how many of this unit are one of it: 100 for `GBp` (pence), `ZAc` and `ILA`,
    /// 1000 for `KWF`, 1 for every other.
    pub fn major(self) -> (Self, f64) {
        match &self.0 {
            b"GBp" => (Self(*b"GBP"), 100.0),
            b"ZAc" => (Self(*b"ZAR"), 100.0),
            b"ILA" => (Self(*b"ILS"), 100.0),
            b"KWF" => (Self(*b"KWD"), 1000.0),
            _ => (self, 1.0),
        }
    }
}

impl fmt::Display for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn minor_units_are_parts_of_a_major_one() {
        for (code, major, parts) in [
            ("GBp", "GBP", 100.0),
            ("GBP", "GBP", 1.0),
            ("ZAc", "ZAR", 100.0),
            ("ILA", "ILS", 100.0),
            ("KWF", "KWD", 1000.0),
            ("USD", "USD", 1.0),
        ] {
            let (found, of) = Currency::new(code).unwrap().major();
            assert_eq!((found.as_str(), of), (major, parts));
        }
        for code in ["", "US", "USDT", "U D", "U\u{e9}"] {
            assert_eq!(Currency::new(code), None, "{code}");
        }
    }
}

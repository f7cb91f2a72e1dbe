//! Numbers as people print them: with a decimal comma, thousands, a currency sign, K or M behind a volume.

use foresail_crds::pipeline::spec::DecimalSign;

use crate::row::shown;

/// Signs that stand before or behind a price and say nothing about its size.
const CURRENCIES: [char; 8] = ['$', '€', '£', '¥', '₹', '₩', '₽', '₺'];
/// Strong hints of one sign for each of the other before a file is taken to use it: a damaged row is no second form.
const MAJORITY: u64 = 20;

/// What a column holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Price,
    /// A count: K, M, B and T may stand behind it.
    Volume,
}

/// What the numbers of a file say about the decimal sign.
#[derive(Debug, Default)]
pub(crate) struct Hints {
    point: Option<Seen>,
    comma: Option<Seen>,
    /// A volume such as `1,234`: few count in thousandths.
    thousands: bool,
    /// A price such as `1,234`.
    either: Option<String>,
}

#[derive(Debug)]
struct Seen {
    example: String,
    times: u64,
}

impl Hints {
    /// Takes note of a number.
    pub(crate) fn add(&mut self, text: &str, kind: Kind) {
        let digits = bare(text, kind).0;
        let note = |seen: &mut Option<Seen>| match seen {
            Some(seen) => seen.times += 1,
            None => {
                *seen = Some(Seen {
                    example: text.to_owned(),
                    times: 1,
                });
            }
        };
        match hint(digits) {
            Hint::Point => note(&mut self.point),
            Hint::Comma => note(&mut self.comma),
            Hint::Either if digits.contains(',') && kind == Kind::Volume => self.thousands = true,
            Hint::Either if digits.contains(',') => {
                self.either.get_or_insert_with(|| text.to_owned());
            }
            // A single point before three digits is what every program writes.
            Hint::Either | Hint::Nothing => {}
        }
    }

    /// The decimal sign of the file.
    ///
    /// # Errors
    /// Two readings of what is there.
    pub(crate) fn sign(&self) -> Result<DecimalSign, String> {
        let times = |seen: &Option<Seen>| seen.as_ref().map_or(0, |seen| seen.times);
        let (point, comma) = (times(&self.point), times(&self.comma));
        match (&self.point, &self.comma, &self.either) {
            (_, None, None) => Ok(DecimalSign::Point),
            (Some(_), None, _) => Ok(DecimalSign::Point),
            (None, Some(_), _) => Ok(DecimalSign::Comma),
            (Some(_), Some(_), _) if point >= comma.saturating_mul(MAJORITY) => {
                Ok(DecimalSign::Point)
            }
            (Some(_), Some(_), _) if comma >= point.saturating_mul(MAJORITY) => {
                Ok(DecimalSign::Comma)
            }
            (Some(one), Some(other), _) => Err(format!(
                "`{}` has a decimal point, `{}` a decimal comma",
                shown(&one.example),
                shown(&other.example)
            )),
            (None, None, Some(_)) if self.thousands => Ok(DecimalSign::Point),
            (None, None, Some(text)) => {
                let readings = [DecimalSign::Point, DecimalSign::Comma]
                    .map(|sign| normal(text, sign, Kind::Price).unwrap_or_default());
                Err(format!(
                    "`{}` may be {} or {}",
                    shown(text),
                    readings[0],
                    readings[1]
                ))
            }
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Hint {
    Point,
    Comma,
    Either,
    Nothing,
}

/// What one number says about the decimal sign.
fn hint(digits: &str) -> Hint {
    let count = |sign| digits.matches(sign).count();
    let (sign, here, other) = match (count('.'), count(',')) {
        (0, 0) => return Hint::Nothing,
        (points, 0) => ('.', Hint::Point, (points, Hint::Comma)),
        (0, commas) => (',', Hint::Comma, (commas, Hint::Point)),
        // The sign that comes last divides the fraction.
        _ if digits.rfind('.') > digits.rfind(',') => return Hint::Point,
        _ => return Hint::Comma,
    };
    if other.0 > 1 {
        // Only thousands are divided twice.
        return other.1;
    }
    let (before, after) = digits.split_once(sign).unwrap_or_default();
    let before = before.trim_start_matches(['-', '+']);
    let grouped = after.len() == 3 && (1..=3).contains(&before.len()) && !before.starts_with('0');
    if grouped { Hint::Either } else { here }
}

/// A number without spaces and currency signs around it, and the power of ten that stands behind it.
fn bare(text: &str, kind: Kind) -> (&str, Option<&'static str>) {
    let around = |c: char| c.is_whitespace() || CURRENCIES.contains(&c);
    let text = text.trim_matches(around);
    let power = match text.as_bytes().last().map(u8::to_ascii_uppercase) {
        Some(b'K') => "e3",
        Some(b'M') => "e6",
        Some(b'B') => "e9",
        Some(b'T') => "e12",
        _ => return (text, None),
    };
    if kind == Kind::Price {
        return (text, None);
    }
    (text[..text.len() - 1].trim_end(), Some(power))
}

/// The number as Rust reads it; `None` when it is none in this form.
pub(crate) fn normal(text: &str, sign: DecimalSign, kind: Kind) -> Option<String> {
    if is_plain(text, sign) {
        return Some(text.to_owned());
    }
    let (digits, power) = bare(text, kind);
    // Some put the sign before the currency: -$1.50.
    let (minus, digits) = match digits.strip_prefix('-') {
        Some(rest) => ("-", rest.trim_start_matches(CURRENCIES)),
        None => ("", digits),
    };
    let (decimal, thousands) = match sign {
        DecimalSign::Point => ('.', ','),
        DecimalSign::Comma => (',', '.'),
    };
    let (whole, fraction) = match digits.split_once(decimal) {
        Some((whole, fraction)) => (whole, Some(fraction)),
        None => (digits, None),
    };
    let whole = ungrouped(whole, thousands)?;
    let mut normal = format!("{minus}{whole}");
    if let Some(fraction) = fraction {
        // A power of ten may follow the fraction, as programs write it.
        let plain = fraction.split(['e', 'E']).next().unwrap_or_default();
        if !plain.bytes().all(|b| b.is_ascii_digit()) || (whole.is_empty() && plain.is_empty()) {
            return None;
        }
        normal.push('.');
        normal.push_str(fraction);
    }
    normal.push_str(power.unwrap_or_default());
    normal.parse::<f64>().is_ok().then_some(normal)
}

/// Digits, and between them a decimal point where it is the decimal sign: what most files have.
pub(crate) fn is_plain(text: &str, sign: DecimalSign) -> bool {
    let mut points = u8::from(sign == DecimalSign::Point);
    let is_digit = |byte: Option<&u8>| byte.is_some_and(u8::is_ascii_digit);
    let bytes = text.as_bytes();
    let plain = bytes.iter().all(|byte| match byte {
        b'0'..=b'9' => true,
        b'.' if points > 0 => {
            points -= 1;
            true
        }
        _ => false,
    });
    plain && is_digit(bytes.first()) && is_digit(bytes.last())
}

/// Digits without what divides their thousands, each group but the first of three.
fn ungrouped(whole: &str, thousands: char) -> Option<String> {
    let divides = |c: char| c == thousands || c == '\'' || c == '’' || c.is_whitespace();
    let mut groups = whole.split(divides);
    let first = groups.next().unwrap_or_default();
    let mut digits = first.to_owned();
    let mut divided = false;
    for group in groups {
        divided = true;
        if group.len() != 3 || !group.bytes().all(|b| b.is_ascii_digit()) {
            return None;
        }
        digits.push_str(group);
    }
    let fits = !divided || (1..=3).contains(&first.len());
    fits.then_some(digits)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sign_of(texts: &[&str]) -> Result<DecimalSign, String> {
        let mut hints = Hints::default();
        for text in texts {
            hints.add(text, Kind::Price);
        }
        hints.sign()
    }

    #[test]
    fn numbers_are_read_in_the_form_of_their_file() {
        use DecimalSign::{Comma, Point};
        let price = |text, sign| normal(text, sign, Kind::Price);
        for (text, sign, value) in [
            ("50.22", Point, "50.22"),
            ("$1,234.50", Point, "1234.50"),
            ("1.234,5 €", Comma, "1234.5"),
            ("1 234,50", Comma, "1234.50"),
            ("1\u{a0}234\u{202f}567.5", Point, "1234567.5"),
            ("1'234.5", Point, "1234.5"),
            ("-$0.5", Point, "-0.5"),
            ("-3,25", Comma, "-3.25"),
            (".5", Point, ".5"),
            ("1e3", Point, "1e3"),
            ("1.5E-3", Point, "1.5E-3"),
            ("1234567", Point, "1234567"),
        ] {
            assert_eq!(price(text, sign).as_deref(), Some(value), "{text}");
        }
        for text in [
            "", "x", ".", "1,2,3", "1,23.4", ",123", "12,34", "1.2.3", "5%", "1.5K", "--5",
            "1,2345", "$", "1.5x",
        ] {
            assert_eq!(price(text, Point), None, "{text}");
        }
        let volume = |text| normal(text, Point, Kind::Volume);
        assert_eq!(volume("1.58M").as_deref(), Some("1.58e6"));
        assert_eq!(volume("673 k").as_deref(), Some("673e3"));
        assert_eq!(volume("1,234,567").as_deref(), Some("1234567"));
        assert_eq!(volume("M"), None);
    }

    #[test]
    fn an_example_that_cannot_be_printed_is_shown_in_hexadecimal() {
        let why = sign_of(&["1.010\u{5}", "1.072,64"]).unwrap_err();
        assert!(why.contains("`0x312e30313005`"), "{why}");
    }

    #[test]
    fn the_decimal_sign_is_that_of_the_whole_file() {
        use DecimalSign::{Comma, Point};
        assert_eq!(sign_of(&[]), Ok(Point));
        assert_eq!(sign_of(&["100", "1.234"]), Ok(Point));
        assert_eq!(sign_of(&["1,234", "1,234.5"]), Ok(Point));
        assert_eq!(sign_of(&["1,234", "1,5"]), Ok(Comma));
        assert_eq!(sign_of(&["1.234", "1.234.567"]), Ok(Comma));
        assert_eq!(sign_of(&["0,123"]), Ok(Comma));
        assert_eq!(sign_of(&["1234,567"]), Ok(Comma));
        let mut many = vec!["1.5"; 40];
        many.push("1,5");
        assert_eq!(sign_of(&many), Ok(Point));
        let both = sign_of(&["1.5", "1,5"]).unwrap_err();
        assert!(both.contains("`1.5`") && both.contains("`1,5`"), "{both}");
        let either = sign_of(&["1,234"]).unwrap_err();
        assert!(either.contains("1234 or 1.234"), "{either}");
        let mut hints = Hints::default();
        hints.add("1,234", Kind::Price);
        hints.add("9,876", Kind::Volume);
        assert_eq!(hints.sign(), Ok(Point));
    }
}

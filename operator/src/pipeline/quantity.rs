//! Kubernetes quantities, exact, by the grammar of their API documentation: `500m`, `1Gi`, `1e3`, `0.5`. What the API
//! server's parser takes beside it (`m`, `.` and `-` are 0 there) is refused. Pure, without panics.

/// Smallest unit that Kubernetes keeps: a billionth.
const NANO: i32 = 9;

/// Largest quantity with a binary unit, as Kubernetes caps it: 2^63 - 1.
const MOST: i128 = i64::MAX as i128 * 1_000_000_000;

/// A quantity in billionths; smaller parts are rounded away from zero and binary ones capped, as Kubernetes does. None for
/// text that is no quantity, or one too large to count.
pub(crate) fn parse(text: &str) -> Option<i128> {
    let (negative, text) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    let is_number = |c: char| c.is_ascii_digit() || c == '.';
    let end = text.find(|c| !is_number(c)).unwrap_or(text.len());
    let (number, unit) = text.split_at(end);
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    let mantissa: i128 = format!("{whole}{fraction}").parse().ok()?;
    let Unit { ten, binary } = Unit::parse(unit)?;
    let decimals = i32::try_from(fraction.len()).ok()?;
    let scaled = mantissa.checked_mul(1024_i128.checked_pow(binary)?)?;
    let value = shifted(scaled, ten.checked_add(NANO)?.checked_sub(decimals)?)?;
    let value = if binary > 0 { value.min(MOST) } else { value };
    Some(if negative { -value } else { value })
}

/// Factor of a unit: a power of ten, or of 1024.
struct Unit {
    ten: i32,
    binary: u32,
}

impl Unit {
    fn parse(text: &str) -> Option<Self> {
        let (ten, binary) = match text {
            "n" => (-9, 0),
            "u" => (-6, 0),
            "m" => (-3, 0),
            "" => (0, 0),
            "k" => (3, 0),
            "M" => (6, 0),
            "G" => (9, 0),
            "T" => (12, 0),
            "P" => (15, 0),
            "E" => (18, 0),
            "Ki" => (0, 1),
            "Mi" => (0, 2),
            "Gi" => (0, 3),
            "Ti" => (0, 4),
            "Pi" => (0, 5),
            "Ei" => (0, 6),
            exponent => (exponent.strip_prefix(['e', 'E'])?.parse().ok()?, 0),
        };
        Some(Self { ten, binary })
    }
}

/// `value` times a power of ten, rounded up.
fn shifted(value: i128, power: i32) -> Option<i128> {
    let factor = 10_i128.checked_pow(power.unsigned_abs());
    if power >= 0 {
        return match factor {
            Some(factor) => value.checked_mul(factor),
            None => (value == 0).then_some(0),
        };
    }
    match factor {
        Some(factor) => Some(value / factor + i128::from(value % factor != 0)),
        None => Some(i128::from(value != 0)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_amount_is_equal_in_every_unit() {
        let equal = [
            ("1Gi", "1024Mi"),
            ("0.5", "500m"),
            ("1", "1000m"),
            ("1e3", "1k"),
            ("1E3", "1k"),
            ("12e-3", "12m"),
            ("1Pi", "1024Ti"),
            ("1Ei", "1152921504606846976"),
            ("1E", "1000P"),
            ("1Gi", "1073741.824k"),
            ("1u", "1000n"),
            ("+1", "1"),
            (".5", "0.5"),
            ("1.", "1"),
            ("0.1n", "1n"),
        ];
        for (one, other) in equal {
            assert!(parse(one).is_some(), "{one}");
            assert_eq!(parse(one), parse(other), "{one} and {other}");
        }
        assert!(parse("1.1Gi") > parse("1Gi") && parse("-1") < parse("0"));
    }

    /// The forms of <https://kubernetes.io/docs/reference/kubernetes-api/common-definitions/quantity/> and of the manual.
    #[test]
    fn every_form_of_the_manual_is_counted_in_billionths() {
        let mebi = 1_i128 << 20;
        let one = 1_000_000_000;
        let cases = [
            ("128974848", 128_974_848 * one),
            ("129e6", 129_000_000 * one),
            ("129E6", 129_000_000 * one),
            ("129e+6", 129_000_000 * one),
            ("129M", 129_000_000 * one),
            ("128974848000m", 128_974_848 * one),
            ("123Mi", 123 * mebi * one),
            ("1e-1", one / 10),
            ("0.1", one / 10),
            ("100m", one / 10),
            ("100000u", one / 10),
            ("100000000n", one / 10),
            ("+1", one),
            ("-1", -one),
            ("-.5Mi", -(mebi / 2) * one),
            ("0", 0),
            ("00", 0),
            ("0.0001n", 1),
            ("-0.0001n", -1),
            ("1Ki", 1_024 * one),
            ("1Gi", 1_024 * mebi * one),
            ("1Ti", mebi * mebi * one),
            ("1Pi", 1_024 * mebi * mebi * one),
            ("1Ei", mebi * mebi * mebi * one),
            ("2.5E", 2_500_000_000 * one * one),
            ("1k", 1_000 * one),
            ("1G", one * one),
            ("1T", 1_000 * one * one),
            ("1P", 1_000_000 * one * one),
            ("8Ei", i128::from(i64::MAX) * one),
            ("99Ei", i128::from(i64::MAX) * one),
            ("-99Ei", -i128::from(i64::MAX) * one),
        ];
        for (text, billionths) in cases {
            assert_eq!(parse(text), Some(billionths), "{text}");
        }
    }

    #[test]
    fn other_text_is_no_quantity() {
        for text in [
            "",
            ".",
            "-",
            "m",
            "k",
            "Ki",
            "IfNotPresent",
            "1KiB",
            "1 Gi",
            "1e",
            "1ex",
            "1e+",
            "1e1.5",
            "1e-",
            "1e--1",
            "1K",
            "1g",
            "1mi",
            "1ki",
            "1i",
            "1nn",
            "1Mi5",
            "1 ",
            " 1",
            "1,5",
            "١",
            "1_000",
            "1.2.3",
            "inf",
            "nan",
            "0x10",
            "--1",
            "+-1",
            "w:1",
            "1e99999999999",
            "9e40",
            "1e2147483647",
            "99999999999999999999999999999999999999999",
        ] {
            assert_eq!(parse(text), None, "{text}");
        }
    }
}

//! What a word without quotes means to kubectl.

use serde_json::{Number, Value};

/// A word as a value: text, unless it is a number, a boolean or nothing.
pub(super) fn resolve(word: &str) -> Value {
    match word {
        "" | "~" | "null" | "Null" | "NULL" => Value::Null,
        "y" | "Y" | "yes" | "Yes" | "YES" | "true" | "True" | "TRUE" | "on" | "On" | "ON" => {
            Value::Bool(true)
        }
        "n" | "N" | "no" | "No" | "NO" | "false" | "False" | "FALSE" | "off" | "Off" | "OFF" => {
            Value::Bool(false)
        }
        word => number(word).map_or_else(|| Value::from(word), Value::Number),
    }
}

/// A word as a key: JSON has no others than text.
pub(super) fn key(word: &str) -> String {
    match resolve(word) {
        Value::String(text) => text,
        value => value.to_string(),
    }
}

/// Integers of any base, and decimals; underscores between digits say nothing.
fn number(word: &str) -> Option<Number> {
    let first = word.bytes().next()?;
    if !(first.is_ascii_digit() || matches!(first, b'+' | b'-' | b'.')) {
        return None;
    }
    let plain = word.replace('_', "");
    integer(&plain).or_else(|| decimal(&plain))
}

fn integer(word: &str) -> Option<Number> {
    let (negative, digits) = match word.strip_prefix(['+', '-']) {
        Some(digits) => (word.starts_with('-'), digits),
        None => (false, word),
    };
    let lower = digits.to_ascii_lowercase();
    let (radix, digits) = match lower.as_bytes() {
        [b'0', b'x', ..] => (16, lower.get(2..)?),
        [b'0', b'o', ..] => (8, lower.get(2..)?),
        [b'0', b'b', ..] => (2, lower.get(2..)?),
        [b'0', _, ..] => (8, lower.get(1..)?),
        _ => (10, lower.as_str()),
    };
    if !digits.starts_with(|c: char| c.is_ascii_alphanumeric()) {
        return None;
    }
    let magnitude = u64::from_str_radix(digits, radix).ok()?;
    if !negative {
        return Some(Number::from(magnitude));
    }
    let value = i64::try_from(-i128::from(magnitude)).ok()?;
    Some(Number::from(value))
}

/// A decimal; a whole one is an integer in JSON.
fn decimal(word: &str) -> Option<Number> {
    let unsigned = word.strip_prefix(['+', '-']).unwrap_or(word);
    let (mantissa, exponent) = match unsigned.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, Some(exponent)),
        None => (unsigned, None),
    };
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    let exponent = exponent.map(|e| e.strip_prefix(['+', '-']).unwrap_or(e));
    let mantissa = match mantissa.split_once('.') {
        Some(("", fraction)) => digits(fraction),
        Some((whole, fraction)) => digits(whole) && (fraction.is_empty() || digits(fraction)),
        None => digits(mantissa),
    };
    if !mantissa || !exponent.is_none_or(digits) {
        return None;
    }
    let value: f64 = word.parse().ok()?;
    let whole = value.fract() == 0.0 && value.abs() < 9e15;
    if whole {
        return Some(Number::from(value as i64));
    }
    Number::from_f64(value)
}

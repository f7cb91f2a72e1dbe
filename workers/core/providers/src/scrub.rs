//! Removes keys from texts of providers, which echo them, before anybody stores or shows such a text.

use base64::Engine;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};

use crate::key::Key;

/// Most bytes of a scrubbed text, without the sign that it was cut.
pub const LONGEST: usize = 2048;
/// Fewest signs of base64 that are taken for a key.
const FEWEST_SIGNS: usize = 8;
/// What stands in the place of a key.
const HIDDEN: &str = "***";
/// What a key follows in texts of providers, without regard to case.
const BEFORE_A_KEY: [&[u8]; 4] = [b"apikey=", b"apikey%3d", b"\"apikey\":\"", b"api key as "];
/// Where such a key ends, beside spaces and control characters.
const AFTER_A_KEY: &[u8] = b"&\"'<>(),;#\\";

/// The beginning of a text without `key`, in whatever case, percent-encoded, escaped as in JSON or within base64, and without
/// anything that stands where providers put a key. Control characters are spaces. At most [`LONGEST`] bytes; a text that was longer
/// ends with `…`.
pub fn scrub(text: &str, key: Option<&Key>) -> String {
    let mut scrubbed = String::with_capacity(text.len().min(LONGEST) + HIDDEN.len());
    let encoded = key.map_or_else(Vec::new, |key| within_base64(key.reveal()));
    let length = |rest: &str| {
        let written = length_of(rest.as_bytes(), key?.reveal());
        let begins = |form: &&String| rest.starts_with(form.as_str());
        written.or_else(|| encoded.iter().find(begins).map(String::len))
    };
    let mut rest = text;
    while let Some(sign) = rest.chars().next() {
        if let Some(length) = length(rest) {
            scrubbed.push_str(HIDDEN);
            rest = rest.get(length..).unwrap_or_default();
        } else if let Some((before, value)) = named_key(rest) {
            scrubbed.push_str(before);
            scrubbed.push_str(HIDDEN);
            rest = value;
        } else {
            let harmless = !sign.is_control() && !turns_text(sign);
            scrubbed.push(if harmless { sign } else { ' ' });
            rest = rest.get(sign.len_utf8()..).unwrap_or_default();
        }
        if scrubbed.len() > LONGEST {
            cut(&mut scrubbed);
            break;
        }
    }
    scrubbed
}

/// Signs that change the direction of the text behind them.
fn turns_text(sign: char) -> bool {
    matches!(sign, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{200e}' | '\u{200f}')
}

fn cut(text: &mut String) {
    let end = (0..=LONGEST).rev().find(|end| text.is_char_boundary(*end));
    text.truncate(end.unwrap_or(0));
    text.push('…');
}

/// What a key follows, and the text behind that key; `None` where no key stands.
fn named_key(text: &str) -> Option<(&str, &str)> {
    let begins = |name: &&[u8]| {
        let start = text.as_bytes().get(..name.len());
        start.is_some_and(|start| start.eq_ignore_ascii_case(name))
    };
    let name = BEFORE_A_KEY.iter().copied().find(begins)?;
    let (before, value) = text.split_at_checked(name.len())?;
    let ends = |sign: char| {
        let listed = u8::try_from(sign).is_ok_and(|byte| AFTER_A_KEY.contains(&byte));
        listed || sign.is_whitespace() || sign.is_control()
    };
    let (key, rest) = value.split_at_checked(value.find(ends).unwrap_or(value.len()))?;
    (!key.is_empty()).then_some((before, rest))
}

/// The signs that stand for a key alone in base64, of both alphabets, wherever it begins in what is encoded. A key that has few
/// of them has none: they could stand for anything.
fn within_base64(key: &str) -> Vec<String> {
    let mut forms = Vec::new();
    for before in 0..3 {
        let bytes = [vec![0; before].as_slice(), key.as_bytes()].concat();
        // The first and the last sign may hold bits of what stands beside the key.
        let signs = (before * 8).div_ceil(6)..bytes.len() * 8 / 6;
        for alphabet in [STANDARD_NO_PAD, URL_SAFE_NO_PAD] {
            let text = alphabet.encode(&bytes);
            let form = text.get(signs.clone()).unwrap_or_default();
            if form.len() >= FEWEST_SIGNS && !forms.iter().any(|known| known == form) {
                forms.push(form.to_owned());
            }
        }
    }
    forms
}

/// How many bytes of `text` are the key in one of its forms; `None` when it does not begin with it.
fn length_of(text: &[u8], key: &str) -> Option<usize> {
    let mut length = 0;
    for wanted in key.bytes() {
        let rest = text.get(length..)?;
        length += [(rest.first().copied(), 1), escaped(rest)]
            .into_iter()
            .find(|(byte, _)| byte.is_some_and(|byte| byte.eq_ignore_ascii_case(&wanted)))?
            .1;
    }
    Some(length)
}

/// The byte that `%41`, `\u0041`, `\/` or `+` stands for, and the length of that.
fn escaped(text: &[u8]) -> (Option<u8>, usize) {
    match text {
        [b'%', high, low, ..] => (hex(*high, *low), 3),
        [b'\\', b'u', b'0', b'0', high, low, ..] => (hex(*high, *low), 6),
        [b'\\', byte, ..] => (Some(*byte), 2),
        [b'+', ..] => (Some(b' '), 1),
        _ => (None, 0),
    }
}

fn hex(high: u8, low: u8) -> Option<u8> {
    let digit = |byte: u8| char::from(byte).to_digit(16);
    u8::try_from(digit(high)? * 16 + digit(low)?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn without(text: &str, key: &str) -> String {
        scrub(text, Key::new(key).as_ref())
    }

    #[test]
    fn a_key_goes_in_every_form() {
        for text in [
            "C4N/RY+7",
            "c4n/ry+7",
            "C4N%2FRY%2B7",
            "c4n%2fry%2b7",
            "%43%34%4e%2F%52%59%2B%37",
            r"C4N\/RY+7",
            r"\u00434N\u002FRY\u002b7",
        ] {
            let whole = without(&format!("a {text} b {text}{text}"), "C4N/RY+7");
            assert_eq!(whole, "a *** b ******", "{text}");
        }
        assert_eq!(without("a b+c%20d", "b c d"), "a ***");
        assert_eq!(without("C4N/RY+", "C4N/RY+7"), "C4N/RY+");
    }

    #[test]
    fn a_key_goes_within_base64_wherever_it_begins() {
        let key = "C4N/RY+7>?x";
        for before in ["", "u", "u:", "us:", "user:"] {
            for behind in ["", "\n", "&x"] {
                let plain = format!("{before}{key}{behind}");
                for alphabet in [STANDARD_NO_PAD, URL_SAFE_NO_PAD] {
                    let scrubbed = without(&format!("a {} b", alphabet.encode(&plain)), key);
                    assert!(scrubbed.contains("***"), "{plain}: {scrubbed}");
                    assert!(scrubbed.len() < 20, "{plain}: {scrubbed}");
                }
            }
        }
        // Four letters could be a part of anything.
        let short = STANDARD_NO_PAD.encode("abc");
        assert_eq!(without(&short, "abc"), short);
    }

    #[test]
    fn what_stands_where_keys_stand_goes_unknown() {
        for (text, scrubbed) in [
            ("your API key as QX7, and", "your API key as ***, and"),
            ("?APIKEY=qx7&symbol=IBM", "?APIKEY=***&symbol=IBM"),
            ("apikey%3Dqx7", "apikey%3D***"),
            (r#"{"apikey":"qx7"}"#, r#"{"apikey":"***"}"#),
            (
                "the apikey is invalid or missing",
                "the apikey is invalid or missing",
            ),
            ("apikey=&x", "apikey=&x"),
        ] {
            assert_eq!(scrub(text, None), scrubbed);
        }
    }

    #[test]
    fn a_long_text_is_cut_between_characters_and_never_within_a_key() {
        assert_eq!(
            scrub(&"ä".repeat(LONGEST), None),
            "ä".repeat(LONGEST / 2) + "…"
        );
        assert_eq!(
            scrub(&("a".to_owned() + &"ä".repeat(LONGEST)), None).len(),
            LONGEST - 1 + 3
        );
        assert_eq!(scrub(&"b".repeat(LONGEST), None).len(), LONGEST);
        for before in LONGEST - 20..LONGEST + 3 {
            let text = "x".repeat(before) + "CANARYCANARY" + &"y".repeat(50);
            let scrubbed = without(&text, "CANARYCANARY");
            assert!(!scrubbed.contains("CA"), "{before}");
        }
        // Keys shrink: what is behind them moves in, and is looked at as well.
        let many = "CANARYCANARY ".repeat(2 * LONGEST);
        assert!(!without(&many, "CANARYCANARY").contains('C'));
    }

    #[test]
    fn control_characters_are_spaces() {
        assert_eq!(
            scrub("a\0b\x1b[31m\u{85}\u{202e}c\r\n", None),
            "a b [31m  c  "
        );
    }
}

//! The body of an answer, before anybody asks what it says.

use std::fmt;
use std::marker::PhantomData;

use serde::Deserialize;
use serde::de::{self, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::error::Category;

use crate::verdict::Fault;

/// Largest body that is read, in bytes.
pub const LARGEST_BODY: usize = 16 << 20;
/// Most rows or entries of one answer: a month of minutes around the clock has 44,640.
pub const MOST_ROWS: usize = 1 << 16;
/// Most bytes of a sentence that are looked at.
const LONGEST_SENTENCE: usize = 4096;

/// What a body looks like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Body<'a> {
    /// Begins as an object or a list.
    Json(&'a str),
    /// Begins with `<`.
    Html,
    /// Anything else that is text.
    Text(&'a str),
}

/// Looks at the beginning of a body. Spaces and a byte order mark around it are nothing.
pub(crate) fn open(body: &[u8]) -> Result<Body<'_>, Fault> {
    if body.len() > LARGEST_BODY {
        return Err(Fault::TooLarge);
    }
    let is_packed = |magic: &[u8]| body.starts_with(magic);
    if is_packed(&[0x1f, 0x8b]) || is_packed(&[0x28, 0xb5, 0x2f, 0xfd]) {
        return Err(Fault::Packed);
    }
    let text = std::str::from_utf8(body).map_err(|_| Fault::NotText)?;
    let text = text.trim_start_matches('\u{feff}').trim();
    match text.as_bytes().first() {
        None => Err(Fault::NoBody),
        Some(b'<') => Ok(Body::Html),
        Some(b'{' | b'[') => Ok(Body::Json(text)),
        Some(_) => Ok(Body::Text(text)),
    }
}

/// The beginning of a sentence in lower case.
pub(crate) fn folded(text: &str) -> String {
    let end = (0..=LONGEST_SENTENCE.min(text.len())).rev();
    let end = end.into_iter().find(|end| text.is_char_boundary(*end));
    let start = text.get(..end.unwrap_or(0)).unwrap_or_default();
    start.to_lowercase()
}

/// Reads a whole text as JSON. Where it is none because of bare `NaN`, `Infinity` or `-Infinity`, which Python writes and
/// one provider sends, it is read again with `null` in their places.
pub(crate) fn parse<T: for<'de> Deserialize<'de>>(text: &str) -> Result<T, Fault> {
    match serde_json::from_str(text) {
        Ok(value) => Ok(value),
        Err(error) => match fault(&error) {
            Fault::NotJson => {
                let text = without_words(text).ok_or(Fault::NotJson)?;
                serde_json::from_str(&text).map_err(|error| fault(&error))
            }
            fault => Err(fault),
        },
    }
}

fn fault(error: &serde_json::Error) -> Fault {
    match error.classify() {
        Category::Eof => Fault::Truncated,
        Category::Syntax | Category::Io => Fault::NotJson,
        Category::Data => Fault::Shape,
    }
}

/// The text with `null` for the words that are no JSON, outside of strings; `None` without any.
fn without_words(text: &str) -> Option<String> {
    if !text.contains("NaN") && !text.contains("Infinity") {
        return None;
    }
    let mut changed = String::with_capacity(text.len() + 64);
    let (mut in_string, mut found) = (false, false);
    let mut rest = text;
    while let Some(sign) = rest.chars().next() {
        let mut length = sign.len_utf8();
        if in_string {
            match sign {
                '"' => in_string = false,
                '\\' => length += rest.chars().nth(1).map_or(0, char::len_utf8),
                _ => {}
            }
        } else if let Some(word) = ["NaN", "Infinity", "-Infinity"]
            .iter()
            .find(|word| rest.starts_with(**word))
        {
            changed.push_str("null");
            found = true;
            rest = rest.get(word.len()..)?;
            continue;
        } else {
            in_string = sign == '"';
        }
        changed.push_str(rest.get(..length)?);
        rest = rest.get(length..)?;
    }
    found.then_some(changed)
}

/// The elements of a list, or the values of an object, [`MOST_ROWS`] at most: more is another shape.
#[derive(Debug)]
pub(crate) struct Capped<T>(pub(crate) Vec<T>);

impl<T> Default for Capped<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

struct CappedVisitor<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Capped<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(CappedVisitor(PhantomData))
    }
}

impl<'de, T: Deserialize<'de>> Visitor<'de> for CappedVisitor<T> {
    type Value = Capped<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a list or an object of at most {MOST_ROWS}")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Self::Value, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = list.next_element()? {
            add(&mut items, item)?;
        }
        Ok(Capped(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut items = Vec::new();
        while let Some((IgnoredAny, item)) = map.next_entry()? {
            add(&mut items, item)?;
        }
        Ok(Capped(items))
    }
}

/// # Errors
/// When there are as many as there can be.
pub(crate) fn add<T, E: de::Error>(items: &mut Vec<T>, item: T) -> Result<(), E> {
    if items.len() >= MOST_ROWS {
        return Err(E::custom("more rows than one answer can have"));
    }
    items.push(item);
    Ok(())
}

/// A number, printed as one or within a string.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) enum Cell {
    /// Not there.
    #[default]
    Absent,
    /// `null`.
    Null,
    /// A text that is no number.
    Text,
    /// A number, perhaps no finite one.
    Number(f64),
}

impl Cell {
    /// The number.
    ///
    /// # Errors
    /// Why there is none, for the count of dropped rows.
    pub(crate) fn number(self) -> Result<f64, &'static str> {
        match self {
            Self::Absent => Err("MissingField"),
            Self::Null => Err("Null"),
            Self::Text => Err("NotANumber"),
            Self::Number(value) => Ok(value),
        }
    }
}

struct CellVisitor;

impl<'de> Deserialize<'de> for Cell {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(CellVisitor)
    }
}

impl Visitor<'_> for CellVisitor {
    type Value = Cell;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a number, or a text that is one")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Cell, E> {
        Ok(text.parse().map_or(Cell::Text, Cell::Number))
    }

    fn visit_f64<E: de::Error>(self, value: f64) -> Result<Cell, E> {
        Ok(Cell::Number(value))
    }

    // Counts of shares are far below 2^53.
    fn visit_u64<E: de::Error>(self, value: u64) -> Result<Cell, E> {
        Ok(Cell::Number(value as f64))
    }

    fn visit_i64<E: de::Error>(self, value: i64) -> Result<Cell, E> {
        Ok(Cell::Number(value as f64))
    }

    fn visit_unit<E: de::Error>(self) -> Result<Cell, E> {
        Ok(Cell::Null)
    }
}

#[cfg(test)]
#[path = "body_tests.rs"]
mod tests;

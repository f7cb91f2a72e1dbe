//! The JSON of Alpha Vantage, read once from its beginning to its end.

use std::fmt;

use serde::Deserialize;
use serde::de::{self, Deserializer, IgnoredAny, MapAccess, Visitor};

use super::raw_row::{RawRow, Rows};
use crate::body::{Capped, Cell, add};

/// Most bytes of the texts of one document that are kept.
const LONGEST_TEXT: usize = 4096;

/// All that is of use in a document.
#[derive(Debug, Default)]
pub(super) struct Document {
    /// Texts under the names that refusals come under, one behind the other.
    pub(super) sentences: String,
    /// Texts under other names.
    pub(super) other_texts: String,
    /// Symbol of the data.
    pub(super) symbol: Option<String>,
    /// Interval as the head names it.
    pub(super) interval: Option<String>,
    /// Time zone as the head names it.
    pub(super) zone: Option<String>,
    /// The head says that these are the last 100 rows.
    pub(super) is_compact: bool,
    /// The first series.
    pub(super) series: Option<Found>,
    /// There is more than one.
    pub(super) other_series: bool,
    /// Splits or dividends.
    pub(super) list: List,
}

/// A series as it stands there.
#[derive(Debug)]
pub(super) struct Found {
    /// `Daily`, `5min`.
    pub(super) length: String,
    /// Its rows, in the order of the document.
    pub(super) rows: Vec<RawRow>,
}

/// A list under `data`.
#[derive(Debug, Default)]
pub(super) enum List {
    /// There is none.
    #[default]
    None,
    /// Its entries, of any kind.
    Entries(Vec<Entry>),
}

/// An entry of a list of splits or of one of dividends.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Entry {
    pub(super) effective_date: Option<String>,
    pub(super) split_factor: Cell,
    pub(super) ex_dividend_date: Option<String>,
    pub(super) amount: Cell,
}

struct DocumentVisitor;

impl<'de> Deserialize<'de> for Document {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(DocumentVisitor)
    }
}

impl<'de> Visitor<'de> for DocumentVisitor {
    type Value = Document;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an answer of Alpha Vantage")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Document, A::Error> {
        let mut document = Document::default();
        while let Some(Name(name)) = map.next_key()? {
            match name.as_str() {
                "Error Message" | "Information" | "Note" | "message" => {
                    document.sentences.hold(map.next_value()?);
                }
                "Meta Data" => document.head(map.next_value()?),
                "symbol" => document.symbol = map.next_value::<Text>()?.0,
                "data" => document.list = List::Entries(map.next_value::<Capped<Entry>>()?.0),
                _ => match series_length(&name) {
                    Some(length) => {
                        document.other_series |= document.series.is_some();
                        let length = length.to_owned();
                        let rows = map.next_value::<Rows>()?.0;
                        document.series = Some(Found { length, rows });
                    }
                    None => document.other_texts.hold(map.next_value()?),
                },
            }
        }
        Ok(document)
    }
}

impl Document {
    fn head(&mut self, head: Head) {
        for (Name(name), Text(text)) in head.0 {
            // The numbers before the names shift from function to function.
            match name.split_once(". ").map(|(_, name)| name) {
                Some("Symbol") => self.symbol = text,
                Some("Interval") => self.interval = text,
                Some("Time Zone") => self.zone = text,
                Some("Output Size") => {
                    let size = text.unwrap_or_default().to_ascii_lowercase();
                    self.is_compact = size.starts_with("compact");
                }
                _ => {}
            }
        }
    }
}

/// `5min` of `Time Series (5min)`.
fn series_length(name: &str) -> Option<&str> {
    name.strip_prefix("Time Series (")?.strip_suffix(')')
}

/// Where texts are held together.
trait Hold {
    fn hold(&mut self, text: Text);
}

impl Hold for String {
    fn hold(&mut self, Text(text): Text) {
        let Some(text) = text.filter(|text| !text.trim().is_empty()) else {
            return;
        };
        if self.len() < LONGEST_TEXT {
            if !self.is_empty() {
                self.push(' ');
            }
            self.push_str(&text);
        }
    }
}

/// Names and texts of the head.
struct Head(Vec<(Name, Text)>);

struct HeadVisitor;

impl<'de> Deserialize<'de> for Head {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(HeadVisitor)
    }
}

impl<'de> Visitor<'de> for HeadVisitor {
    type Value = Head;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the head of an answer")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Head, A::Error> {
        let mut head = Vec::new();
        while let Some(entry) = map.next_entry()? {
            add(&mut head, entry)?;
        }
        Ok(Head(head))
    }
}

/// A name in an object.
struct Name(String);

impl<'de> Deserialize<'de> for Name {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(Name)
    }
}

/// A text; nothing where there is a value of another kind.
#[derive(Default)]
struct Text(Option<String>);

struct TextVisitor;

impl<'de> Deserialize<'de> for Text {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(TextVisitor)
    }
}

impl<'de> Visitor<'de> for TextVisitor {
    type Value = Text;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Text, E> {
        Ok(Text(Some(text.to_owned())))
    }

    fn visit_bool<E: de::Error>(self, _: bool) -> Result<Text, E> {
        Ok(Text(None))
    }

    fn visit_f64<E: de::Error>(self, _: f64) -> Result<Text, E> {
        Ok(Text(None))
    }

    fn visit_u64<E: de::Error>(self, _: u64) -> Result<Text, E> {
        Ok(Text(None))
    }

    fn visit_i64<E: de::Error>(self, _: i64) -> Result<Text, E> {
        Ok(Text(None))
    }

    fn visit_unit<E: de::Error>(self) -> Result<Text, E> {
        Ok(Text(None))
    }

    fn visit_seq<A: de::SeqAccess<'de>>(self, mut list: A) -> Result<Text, A::Error> {
        while list.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Text(None))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Text, A::Error> {
        while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(Text(None))
    }
}

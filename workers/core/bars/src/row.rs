//! A source row before it is believed: text fields and the line they came from.

use std::sync::Arc;

use foresail_crds::records::Refusal;
use foresail_crds::role_error::presentable;
use smol_str::SmolStr;

/// One data row of a source.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RawRow {
    /// Zero-based index of the data row in the source.
    pub position: u64,
    /// Its line in the file, from 1, wherever the order of sessions has put it; 0 where there is no file.
    pub line: u64,
    /// Which bar of its line it is, from 0, where symbols stand beside each other; `None` where a line is one bar.
    pub part: Option<u32>,
    /// The line as read, byte for byte; of one longer than [`LONGEST_ROW`](crate::LONGEST_ROW) its beginning.
    pub original: Arc<[u8]>,
    /// Bytes of the whole line.
    pub length: u64,
    /// Columns by meaning.
    pub fields: Fields,
    /// Another row of the same symbol and session comes later.
    pub superseded: bool,
    /// Close and adjusted close of the symbol's next row that has both, where this one has no adjusted close.
    pub next_adjusted: Option<Box<[SmolStr; 2]>>,
}

/// Characters, or twice as many hexadecimal digits, that tell one row from another.
const SHOWN: usize = 24;

impl RawRow {
    /// The beginning of the row for a message: as text, or in hexadecimal when it is not text that can be printed.
    pub fn shown(&self) -> String {
        match std::str::from_utf8(&self.original) {
            Ok(text) => shown(text),
            Err(_) => hex(&self.original),
        }
    }

    /// A refused row for people, in at most `most` characters: its line, the value that is wrong and what was expected.
    pub fn example(&self, refusal: &Refusal, most: usize) -> String {
        let place = match (self.line, self.part, &self.fields.symbol) {
            (0, ..) => format!("row {}", self.position + 1),
            (line, Some(_), Some(symbol)) => format!("line {line}, {}", shown(symbol)),
            (line, ..) => format!("line {line}"),
        };
        let (row, message) = (self.shown(), &refusal.message);
        // What is no text says nothing in a sentence about its fields.
        let text = if row.starts_with("0x") && !message.contains(&row) {
            format!("{place}: {row}: {message}")
        } else {
            format!("{place}: {message}")
        };
        presentable(&text, most)
    }
}

/// The beginning of a text that somebody else wrote, for a message: in hexadecimal when it cannot be printed.
pub(crate) fn shown(text: &str) -> String {
    if text.contains(char::is_control) {
        return hex(text.as_bytes());
    }
    match text.char_indices().nth(SHOWN) {
        Some((end, _)) => text[..end].to_owned(),
        None => text.to_owned(),
    }
}

fn hex(bytes: &[u8]) -> String {
    let start = bytes.iter().take(SHOWN / 2);
    start.fold("0x".to_string(), |hex, byte| format!("{hex}{byte:02x}"))
}

/// Which bar a row speaks of, before it is believed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RowKey<'a> {
    /// Instrument code.
    pub symbol: Option<&'a str>,
    /// Session date.
    pub date: Option<&'a str>,
}

/// A text as fields have it. Nearly all are short enough to need no memory of their own, and are made here without a call.
#[inline]
pub(crate) fn inlined(text: &str) -> SmolStr {
    if text.len() <= SmolStr::INLINE_CAP {
        return SmolStr::new_inline(text);
    }
    text.into()
}

/// Text of each column; empty text is absent.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Fields {
    /// Instrument code.
    pub symbol: Option<SmolStr>,
    /// Session date.
    pub date: Option<SmolStr>,
    /// First price.
    pub open: Option<SmolStr>,
    /// Highest price.
    pub high: Option<SmolStr>,
    /// Lowest price.
    pub low: Option<SmolStr>,
    /// Last price.
    pub close: Option<SmolStr>,
    /// Traded volume.
    pub volume: Option<SmolStr>,
    /// Fully adjusted close.
    pub adjusted_close: Option<SmolStr>,
    /// Split factor of that day.
    pub split_factor: Option<SmolStr>,
    /// Cash dividend that goes ex that day.
    pub dividend: Option<SmolStr>,
}

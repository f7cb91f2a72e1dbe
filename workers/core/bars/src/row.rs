//! A source row before it is believed: text fields and the line they came from.

/// One data row of a source.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RawRow {
    /// Zero-based index of the data row in the source.
    pub position: u64,
    /// The row as read, byte for byte; of a row longer than [`LONGEST_ROW`](crate::LONGEST_ROW) its beginning.
    pub original: Vec<u8>,
    /// Bytes of the whole row.
    pub length: u64,
    /// Columns by meaning.
    pub fields: Fields,
    /// Another row of the same symbol and session comes later.
    pub superseded: bool,
}

/// Characters, or twice as many hexadecimal digits, that tell one row from another.
const SHOWN: usize = 24;

impl RawRow {
    /// The beginning of the row for a message: as text, or in hexadecimal when it is not text that can be printed.
    pub fn shown(&self) -> String {
        let text = std::str::from_utf8(&self.original).ok();
        match text.filter(|text| !text.contains(char::is_control)) {
            Some(text) => text.chars().take(SHOWN).collect(),
            None => {
                let start = self.original.iter().take(SHOWN / 2);
                start.fold("0x".to_string(), |hex, byte| format!("{hex}{byte:02x}"))
            }
        }
    }
}

/// Text of each column; empty text is absent.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Fields {
    /// Instrument code.
    pub symbol: Option<String>,
    /// Session date.
    pub date: Option<String>,
    /// First price.
    pub open: Option<String>,
    /// Highest price.
    pub high: Option<String>,
    /// Lowest price.
    pub low: Option<String>,
    /// Last price.
    pub close: Option<String>,
    /// Traded volume.
    pub volume: Option<String>,
    /// Fully adjusted close.
    pub adjusted_close: Option<String>,
    /// Split factor of that day.
    pub split_factor: Option<String>,
    /// Cash dividend that goes ex that day.
    pub dividend: Option<String>,
}

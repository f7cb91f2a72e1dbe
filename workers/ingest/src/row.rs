//! A source row before it is believed: text fields and the line they came from.

/// One data row of a source.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct RawRow {
    /// Zero-based index of the data row in the source.
    pub position: u64,
    /// The row as read.
    pub original: String,
    /// Columns by meaning.
    pub fields: Fields,
}

/// Text of each column; empty text is absent.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Fields {
    pub symbol: Option<String>,
    pub date: Option<String>,
    pub open: Option<String>,
    pub high: Option<String>,
    pub low: Option<String>,
    pub close: Option<String>,
    pub volume: Option<String>,
    pub adjusted_close: Option<String>,
    pub split_factor: Option<String>,
    pub dividend: Option<String>,
}

//! A source row before it is believed: text fields and the line they came from.

/// One data row of a source.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RawRow {
    /// Zero-based index of the data row in the source.
    pub position: u64,
    /// The row as read.
    pub original: String,
    /// Columns by meaning.
    pub fields: Fields,
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

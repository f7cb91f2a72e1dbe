//! What goes into the engine and what comes out of it: plain data, known to no server. Made by
//! `records`, `partition` and `engine`.

use foresail_crds::records::{FeatureRecord, QuarantineRecord};

/// One message of the bars topic.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BarMessage {
    /// Partition.
    pub partition: i32,
    /// Offset.
    pub offset: i64,
    /// Key, where it has one.
    pub key: Option<String>,
    /// The bar as JSON.
    pub value: Vec<u8>,
    /// Provider named in the headers, for a bar that cannot be read.
    pub provider: Option<String>,
    /// Zero-based index of the row in its source.
    pub source_position: Option<u64>,
}

/// A bar changes what lies before everything that is known of its symbol: the bars of the symbol in the bars topic, up to
/// its message, are needed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lack {
    /// Partition.
    pub partition: i32,
    /// Instrument code.
    pub symbol: String,
}

/// Something the worker writes.
#[derive(Clone, Debug, PartialEq)]
pub enum Output {
    /// A feature row.
    Row(FeatureRecord),
    /// A bar that cannot be used.
    Refused(QuarantineRecord),
}

/// What one message led to.
#[derive(Clone, Debug, PartialEq)]
pub struct Step {
    /// Place of the feature set that made it; 0 is the declared one.
    pub set: usize,
    /// Partition of the bar, and of the output.
    pub partition: i32,
    /// Offset of the bar; of a row that is made once more, that of the last bar that changed it.
    pub offset: i64,
    /// Time the bar was read from its source, the record timestamp of the output.
    pub timestamp: Option<i64>,
    /// Key of the output: the symbol, where it is known.
    pub key: Option<String>,
    /// Row or refusal.
    pub output: Output,
    /// False when an earlier run has written it already.
    pub fresh: bool,
}

/// Counts since the start of the topic.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// Bars read, used or refused; repeats are not counted.
    pub bars: u64,
    /// Event times with a feature row.
    pub rows: u64,
    /// Bars that took the place of another, or came late.
    pub revised: u64,
    /// Records that were gone before they were read.
    pub lost: u64,
    /// Event time of the newest feature row, milliseconds UTC.
    pub last_event_time: Option<i64>,
}

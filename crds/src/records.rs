//! Records on Kafka and rows in Redis. JSON values, key = symbol, event time also in a header.
//! Good bars travel as `foresail_domain::Bar`; everything derived is defined here.

use serde::{Deserialize, Serialize};

/// Kafka header names.
pub mod header {
    /// Bar end, decimal milliseconds since the Unix epoch, UTC.
    pub const EVENT_TIME: &str = "event_time";
    /// Time the ingest worker read the row, decimal milliseconds since the Unix epoch.
    pub const INGESTED_AT: &str = "ingested_at";
    /// Provider name, for example `csv` or `simulator`.
    pub const PROVIDER: &str = "provider";
    /// Zero-based index of the data row in the source, decimal.
    pub const SOURCE_POSITION: &str = "source_position";
    /// Offsets the bars topic had given out when the record was made, decimal: a topic that ends before
    /// that was deleted and re-created.
    pub const BARS_WRITTEN: &str = "bars_written";
    /// Feature-set fingerprint (hex).
    pub const FINGERPRINT: &str = "fingerprint";
    /// Model version number, decimal.
    pub const MODEL_VERSION: &str = "model_version";
    /// What a served forecast was made from: `pipeline`, or `request` when symbol and time are what a client said.
    pub const ORIGIN: &str = "origin";
    /// Offset of the bar a feature row was computed from, `<partition>:<offset>`.
    pub const SOURCE_OFFSET: &str = "source_offset";
}

/// One symbol's feature vector at one bar. Topic `...features` and Redis list
/// `<prefix>rows:<fingerprint>:<symbol>` (see runtime-cache).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct FeatureRecord {
    /// Instrument code.
    pub symbol: String,
    /// Bar end, milliseconds since the Unix epoch, UTC.
    pub event_time: i64,
    /// Raw as-traded close of the bar.
    pub close: f64,
    /// Cumulative forward adjustment: adjusted close = close * factor.
    pub adjustment_factor: f64,
    /// Values in the order of the feature set, finite.
    pub values: Vec<f64>,
}

/// Longest original kept in a quarantine record, in bytes of its JSON: the record must fit a Kafka message, whatever the
/// row holds.
const LONGEST_ORIGINAL: usize = 256 * 1024;
/// Longest message kept in a quarantine record, in characters.
const LONGEST_MESSAGE: usize = 1_000;
/// Longest key of a record, in characters: the codes of instruments are shorter.
const LONGEST_KEY: usize = 64;

/// The key of a record about a row that was refused: its symbol, as far as it can be one.
pub fn refused_key(symbol: Option<&str>) -> Option<String> {
    symbol.map(|symbol| symbol.chars().take(LONGEST_KEY).collect())
}

/// Why a row or a bar is not used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// CamelCase, for the quarantine record and the counts.
    pub reason: &'static str,
    /// One sentence with the offending values.
    pub message: String,
}

impl Refusal {
    /// A refusal for `reason`.
    pub fn new(reason: &'static str, message: impl Into<String>) -> Self {
        Self {
            reason,
            message: message.into(),
        }
    }
}

/// A source row that was read and refused. Topic `...quarantine`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct QuarantineRecord {
    /// Provider name.
    pub provider: String,
    /// Zero-based index of the data row in the source.
    pub source_position: u64,
    /// CamelCase reason, for example `HighBelowLow`.
    pub reason: String,
    /// One sentence with the offending values.
    pub message: String,
    /// The row as it was read (UTF-8, invalid bytes replaced), cut when it is long.
    pub original: String,
}

impl QuarantineRecord {
    /// The record of a refused row; `original` is cut to what fits a Kafka message, between characters.
    pub fn new(provider: &str, source_position: u64, refusal: Refusal, original: &[u8]) -> Self {
        // More than this cannot fit, however it is written.
        let start = &original[..original.len().min(LONGEST_ORIGINAL + 4)];
        Self {
            provider: provider.chars().take(LONGEST_KEY).collect(),
            source_position,
            reason: refusal.reason.to_string(),
            message: refusal.message.chars().take(LONGEST_MESSAGE).collect(),
            original: fitting(&String::from_utf8_lossy(start)),
        }
    }
}

/// As many characters as fit when they are written as JSON, which makes six bytes of a control character.
fn fitting(text: &str) -> String {
    let mut left = LONGEST_ORIGINAL;
    let fits = |c: &char| {
        let bytes = match c {
            '"' | '\\' => 2,
            c if c.is_ascii_control() => 6,
            c => c.len_utf8(),
        };
        let rest = left.checked_sub(bytes);
        left = rest.unwrap_or(0);
        rest.is_some()
    };
    text.chars().take_while(fits).collect()
}

/// The champion's one forecast for a bar, or a forecast served to a client.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PredictionRecord {
    /// Instrument code.
    pub symbol: String,
    /// Bar the forecast was made at, milliseconds since the Unix epoch, UTC.
    pub event_time: i64,
    /// Number of the ModelVersion that made it.
    pub model_version: u32,
    /// Raw close of that bar: the naive forecast of every step.
    pub close: f64,
    /// Cumulative forward adjustment at that bar.
    pub adjustment_factor: f64,
    /// Forecast closes for steps 1..=horizon, in raw prices as of `event_time`.
    pub forecast: Vec<f64>,
}

/// State of one symbol in the stream worker at `offset` of `partition`. Topic `...stream-state`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct StreamSnapshot {
    /// Partition of the bars topic.
    pub partition: i32,
    /// Next offset to read: every bar below it is contained in `state`.
    pub next_offset: i64,
    /// Fingerprint of the feature set that made the state; another one ignores it.
    pub fingerprint: String,
    /// Symbol the state belongs to.
    pub symbol: String,
    /// Serialised `FeatureSet` state.
    pub state: serde_json::Value,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn original(bytes: &[u8]) -> String {
        QuarantineRecord::new("csv", 1, Refusal::new("NotABar", "no"), bytes).original
    }

    #[test]
    fn a_long_original_is_cut_between_characters() {
        assert_eq!(original("kurz €".as_bytes()), "kurz €");
        for padding in 0..4 {
            let text = "x".repeat(LONGEST_ORIGINAL - padding) + "€€";
            let kept = original(text.as_bytes());
            assert!(text.starts_with(&kept), "{padding}");
            assert_eq!(kept.len(), LONGEST_ORIGINAL - padding % 3, "{padding}");
        }
        // Not UTF-8: replaced by characters of three bytes, and still cut.
        let damaged = original(&vec![0x80; LONGEST_ORIGINAL + 9]);
        assert_eq!(damaged.chars().count(), LONGEST_ORIGINAL / 3);
        assert_eq!(original(b"a\xffb"), "a\u{fffd}b");
    }

    #[test]
    fn a_record_of_any_row_fits_a_kafka_message() {
        for byte in [0, b'"', b'\\', 0x1f, 0x7f, b'x', 0xff] {
            let row = vec![byte; 1_000_000];
            let text = String::from_utf8_lossy(&row).into_owned();
            let refusal = Refusal::new("BadDate", format!("`{text}` is no date"));
            let record = QuarantineRecord::new("csv", 1, refusal, &row);
            let length = serde_json::to_vec(&record).unwrap().len();
            let key = refused_key(Some(&text)).unwrap().len();
            assert!(length + key < 300_000, "{byte}: {length}");
        }
    }
}

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

/// Longest original kept in a quarantine record, in bytes: the record must fit a Kafka message.
const LONGEST_ORIGINAL: usize = 256 * 1024;

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
        let mut end = original.len().min(LONGEST_ORIGINAL);
        let continues = |at: usize| original.get(at).is_some_and(|byte| byte & 0xC0 == 0x80);
        // A character has at most three continuation bytes; more are not UTF-8 and may be cut anywhere.
        let first = (end.saturating_sub(3)..=end)
            .rev()
            .find(|at| !continues(*at));
        end = first.unwrap_or(end);
        Self {
            provider: provider.to_string(),
            source_position,
            reason: refusal.reason.to_string(),
            message: refusal.message,
            original: String::from_utf8_lossy(&original[..end]).into_owned(),
        }
    }
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
        // Not UTF-8: replaced, and still cut.
        let damaged = original(&vec![0x80; LONGEST_ORIGINAL + 9]);
        assert_eq!(damaged.chars().count(), LONGEST_ORIGINAL);
        assert_eq!(original(b"a\xffb"), "a\u{fffd}b");
    }
}

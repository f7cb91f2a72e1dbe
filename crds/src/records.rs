//! Records on Kafka and rows in Redis. JSON values, key = symbol, event time also in a header.
//! Good bars travel as `foresail_domain::Bar`; everything derived is defined here.

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use foresail_domain::{CalendarOverride, Interval};
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
    /// How far ingest is, a [`SourceState`](super::SourceState) in JSON; on the last record of each transaction of ingest.
    pub const SOURCE_STATE: &str = "source_state";
    /// Event time of the newest bar of its symbol, milliseconds UTC, decimal; on a bar of an older session, or a correction, that
    /// came after it.
    pub const NEWEST_EVENT_TIME: &str = "newest_event_time";
    /// Feature-set fingerprint (hex).
    pub const FINGERPRINT: &str = "fingerprint";
    /// Model version number, decimal.
    pub const MODEL_VERSION: &str = "model_version";
    /// What a served forecast was made from: `pipeline`, or `request` when symbol and time are what a client said.
    pub const ORIGIN: &str = "origin";
    /// Offset of the bar a feature row was computed from, `<partition>:<offset>`; of a row that is written once more because
    /// an earlier bar has changed, that of the last bar that changed it. Of two rows of one event time the later one counts.
    pub const SOURCE_OFFSET: &str = "source_offset";
    /// Present when further rows follow, in another transaction, before all is written that bars up to the source offset
    /// led to.
    pub const UNFINISHED: &str = "unfinished";
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

/// What ingest knows at a record: enough to see whether the source still reads as it did, and to go on counting.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SourceState {
    /// How often the source was found to be another one: positions count within a reading.
    pub reading: u64,
    /// Hex SHA-256 over what decides the outcome of a row and every row up to this one.
    pub digest: String,
    /// Rows of this reading.
    pub rows_read: u64,
    /// Bars of it that were sent.
    pub rows_sent: u64,
    /// Rows of it that went to quarantine.
    pub rows_quarantined: u64,
    /// Rows of it that an earlier reading had.
    pub rows_unchanged: u64,
    /// Bars among those sent that correct one of before: revisions.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub rows_revised: u64,
    /// Bars among those sent whose session is older than the newest one of their symbol: they were missing.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub rows_late: u64,
    /// Bars without an open or a volume.
    pub missing_fields: u64,
    /// End of the first session of which a row was refused because it had not ended, milliseconds UTC. From then on the
    /// source is read anew, whether it has changed or not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unfinished: Option<i64>,
    /// End of the first session of which a row was refused because the calendar did not know its day, milliseconds UTC. Once a
    /// release knows it, the source is read anew.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expired: Option<i64>,
    /// The record is of an answer of a provider: a history in a file was read before.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub asked: bool,
    /// The last value of the annotation `foresail.dev/refetch` that was followed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refetched: Option<String>,
    /// Overrides of the calendar that decided when sessions end.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub calendar_overrides: Vec<CalendarOverride>,
    /// Length of the bars.
    #[serde(default, skip_serializing_if = "Interval::is_default")]
    pub interval: Interval,
}

fn is_zero(count: &u64) -> bool {
    *count == 0
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
    /// The row as it was read, from its beginning as far as a record holds it: text, or what `originalEncoding` says.
    pub original: String,
    /// Present when the row is not UTF-8.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub original_encoding: Option<OriginalEncoding>,
    /// Bytes of the whole row: more than `original` holds when that is cut.
    #[serde(default)]
    pub original_bytes: u64,
}

/// How bytes that are not text are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum OriginalEncoding {
    /// RFC 4648, with padding.
    #[serde(rename = "base64")]
    Base64,
}

/// A row as it was read.
#[derive(Clone, Copy, Debug)]
pub struct Original<'a> {
    /// The row, or its beginning.
    pub bytes: &'a [u8],
    /// Bytes of the whole row.
    pub length: u64,
}

impl<'a> Original<'a> {
    /// A row that is held whole.
    pub fn whole(bytes: &'a [u8]) -> Self {
        let length = bytes.len() as u64;
        Self { bytes, length }
    }

    /// As text, when it is UTF-8 as far as it is held: a cut may have split its last character.
    fn text(&self) -> Option<&'a str> {
        match std::str::from_utf8(self.bytes) {
            Ok(text) => Some(text),
            Err(error) if self.length > self.bytes.len() as u64 && error.error_len().is_none() => {
                std::str::from_utf8(&self.bytes[..error.valid_up_to()]).ok()
            }
            Err(_) => None,
        }
    }
}

impl QuarantineRecord {
    /// The record of a refused row, byte for byte; `original` is cut to what fits a Kafka message.
    pub fn new(
        provider: &str,
        source_position: u64,
        refusal: Refusal,
        original: Original<'_>,
    ) -> Self {
        let (kept, original_encoding) = match original.text() {
            Some(text) => (fitting(text), None),
            None => {
                let most = LONGEST_ORIGINAL / 4 * 3;
                let start = &original.bytes[..original.bytes.len().min(most)];
                (BASE64.encode(start), Some(OriginalEncoding::Base64))
            }
        };
        Self {
            provider: provider.chars().take(LONGEST_KEY).collect(),
            source_position,
            reason: refusal.reason.to_string(),
            message: refusal.message.chars().take(LONGEST_MESSAGE).collect(),
            original: kept,
            original_encoding,
            original_bytes: original.length,
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

    fn record(original: Original<'_>) -> QuarantineRecord {
        QuarantineRecord::new("csv", 1, Refusal::new("NotABar", "no"), original)
    }

    /// The bytes that a reader of the topic gets back.
    fn bytes(record: &QuarantineRecord) -> Vec<u8> {
        match record.original_encoding {
            None => record.original.clone().into_bytes(),
            Some(OriginalEncoding::Base64) => BASE64.decode(&record.original).unwrap(),
        }
    }

    #[test]
    fn a_refused_row_is_kept_byte_for_byte() {
        let rows: [&[u8]; 6] = [
            b"",
            "kurz \u{20ac}".as_bytes(),
            b"a\0\x1b",
            b"a\xffb",
            b"\xe2\x82",
            &[0x80; 999],
        ];
        for row in rows {
            let written = serde_json::to_vec(&record(Original::whole(row))).unwrap();
            let read: QuarantineRecord = serde_json::from_slice(&written).unwrap();
            assert_eq!(bytes(&read), row);
            assert_eq!(read.original_bytes, row.len() as u64);
            let encoded = std::str::from_utf8(row).is_err();
            assert_eq!(read.original_encoding.is_some(), encoded, "{row:?}");
        }
    }

    #[test]
    fn a_long_original_is_cut_and_says_so() {
        for padding in 0..4 {
            let text = "x".repeat(LONGEST_ORIGINAL - padding) + "\u{20ac}\u{20ac}";
            let kept = record(Original::whole(text.as_bytes()));
            assert!(text.starts_with(&kept.original), "{padding}");
            assert_eq!(
                kept.original.len(),
                LONGEST_ORIGINAL - padding % 3,
                "{padding}"
            );
            assert_eq!(kept.original_bytes, text.len() as u64);
        }
        let row = vec![0x80; LONGEST_ORIGINAL + 9];
        let kept = record(Original::whole(&row));
        assert_eq!(kept.original.len(), LONGEST_ORIGINAL);
        assert_eq!(bytes(&kept), row[..LONGEST_ORIGINAL / 4 * 3]);
        assert_eq!(kept.original_bytes, row.len() as u64);
        // What was read ends within a character: it is text for all that.
        let cut = Original {
            bytes: b"abc\xe2\x82",
            length: 1_000,
        };
        let kept = record(cut);
        assert_eq!(
            (kept.original.as_str(), kept.original_encoding),
            ("abc", None)
        );
    }

    #[test]
    fn a_record_of_any_row_fits_a_kafka_message() {
        for byte in [0, b'"', b'\\', 0x1f, 0x7f, b'x', 0xff] {
            let row = vec![byte; 1_000_000];
            let text = String::from_utf8_lossy(&row).into_owned();
            let refusal = Refusal::new("BadDate", format!("`{text}` is no date"));
            let record = QuarantineRecord::new("csv", 1, refusal, Original::whole(&row));
            let length = serde_json::to_vec(&record).unwrap().len();
            let key = refused_key(Some(&text)).unwrap().len();
            assert!(length + key < 300_000, "{byte}: {length}");
        }
    }
}

//! Verdicts as Kafka records.

use foresail_bars::{RawRow, Refusal};
use foresail_crds::names::Topics;
use foresail_crds::records::{QuarantineRecord, header};
use foresail_domain::Bar;
use foresail_runtime_base::RoleError;
use foresail_runtime_kafka::Record;

/// Longest original kept, in bytes: the record must fit a Kafka message.
const LONGEST_ORIGINAL: usize = 256 * 1024;

/// Where records go, and what they say of the bars topic.
pub(crate) struct Target<'a> {
    /// Topics of the Pipeline.
    pub topics: &'a Topics,
    /// Offsets the bars topic had given out before this batch.
    pub written: i64,
}

/// The record of a good bar.
pub(crate) fn bar(target: &Target<'_>, row: &RawRow, bar: &Bar) -> Result<Record, RoleError> {
    Ok(Record {
        topic: target.topics.bars.clone(),
        partition: None,
        key: Some(bar.symbol.clone()),
        value: encode(bar)?,
        headers: headers(
            row,
            &bar.provider,
            (bar.ingested_at, target.written),
            Some(bar.event_time),
        ),
        timestamp: Some(bar.ingested_at),
    })
}

/// The record of a refused row.
pub(crate) fn refused(
    target: &Target<'_>,
    row: &RawRow,
    refusal: Refusal,
    provider: &str,
    now: i64,
) -> Result<Record, RoleError> {
    let end = row.original.floor_char_boundary(LONGEST_ORIGINAL);
    let value = QuarantineRecord {
        provider: provider.to_string(),
        source_position: row.position,
        reason: refusal.reason.to_string(),
        message: refusal.message,
        original: row.original.get(..end).unwrap_or_default().to_string(),
    };
    Ok(Record {
        topic: target.topics.quarantine.clone(),
        partition: None,
        key: row.fields.symbol.clone(),
        value: encode(&value)?,
        headers: headers(row, provider, (now, target.written), None),
        timestamp: Some(now),
    })
}

fn headers(
    row: &RawRow,
    provider: &str,
    (now, written): (i64, i64),
    event_time: Option<i64>,
) -> Vec<(String, String)> {
    let mut headers = vec![
        (
            header::SOURCE_POSITION.to_string(),
            row.position.to_string(),
        ),
        (header::PROVIDER.to_string(), provider.to_string()),
        (header::INGESTED_AT.to_string(), now.to_string()),
        (header::BARS_WRITTEN.to_string(), written.to_string()),
    ];
    headers.extend(event_time.map(|t| (header::EVENT_TIME.to_string(), t.to_string())));
    headers
}

fn encode(value: &impl serde::Serialize) -> Result<Vec<u8>, RoleError> {
    serde_json::to_vec(value).map_err(|e| RoleError::internal("Encoding", e.to_string()))
}

//! Bars and refused rows as Kafka records.

use foresail_bars::RawRow;
use foresail_crds::names::Topics;
use foresail_crds::records::{
    Original, QuarantineRecord, Refusal, SourceState, header, refused_key,
};
use foresail_domain::Bar;
use foresail_runtime_base::RoleError;
use foresail_runtime_kafka::Record;

/// Where records go, and what they say of the bars topic.
pub(crate) struct Target<'a> {
    /// Topics of the Pipeline.
    pub topics: &'a Topics,
    /// Offsets the bars topic had given out before this batch.
    pub written: i64,
}

/// The record of a good bar.
pub(crate) fn bar(target: &Target<'_>, row: &RawRow, bar: &Bar) -> Result<Record, RoleError> {
    let mut headers = headers(row, &bar.provider, bar.ingested_at, target.written);
    headers.push((header::EVENT_TIME.to_string(), bar.event_time.to_string()));
    Ok(Record {
        topic: target.topics.bars.clone(),
        partition: None,
        key: Some(bar.symbol.clone()),
        value: encode(bar)?,
        headers,
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
    let original = Original {
        bytes: &row.original,
        length: row.length,
    };
    let value = QuarantineRecord::new(provider, row.position, refusal, original);
    Ok(Record {
        topic: target.topics.quarantine.clone(),
        partition: None,
        key: refused_key(row.fields.symbol.as_deref()),
        value: encode(&value)?,
        headers: headers(row, provider, now, target.written),
        timestamp: Some(now),
    })
}

/// Says in the record of a bar which one of its symbol is the newest, since it is not this one.
pub(crate) fn beside(record: &mut Record, newest: i64) {
    let newest = newest.to_string();
    record
        .headers
        .push((header::NEWEST_EVENT_TIME.into(), newest));
}

/// Writes into a record how far ingest is at it.
pub(crate) fn remember(record: &mut Record, state: &SourceState) -> Result<(), RoleError> {
    let text = serde_json::to_string(state);
    let text = text.map_err(|e| RoleError::internal("Encoding", e.to_string()))?;
    record.headers.push((header::SOURCE_STATE.into(), text));
    Ok(())
}

fn headers(row: &RawRow, provider: &str, now: i64, written: i64) -> Vec<(String, String)> {
    [
        (header::SOURCE_POSITION, row.position.to_string()),
        (header::PROVIDER, provider.to_string()),
        (header::INGESTED_AT, now.to_string()),
        (header::BARS_WRITTEN, written.to_string()),
    ]
    .map(|(name, value)| (name.to_string(), value))
    .to_vec()
}

fn encode(value: &impl serde::Serialize) -> Result<Vec<u8>, RoleError> {
    serde_json::to_vec(value).map_err(|e| RoleError::internal("Encoding", e.to_string()))
}

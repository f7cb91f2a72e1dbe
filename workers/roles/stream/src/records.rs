//! Kafka records to the engine's input, and its outputs to Kafka records. Everything in an output
//! comes from the bar, so that a restart writes the same bytes. Used by `worker` and `recovery`.

use foresail_crds::names::Topics;
use foresail_crds::records::{StreamSnapshot, header, refused_key};
use foresail_domain::symbol;
use foresail_runtime_kafka::{Message, Record};

use crate::step::{BarMessage, Output, Step};

/// What the engine reads of a message of the bars topic.
pub(crate) fn bar_message(message: Message) -> BarMessage {
    let position = message.header(header::SOURCE_POSITION);
    BarMessage {
        source_position: position.and_then(|p| p.parse().ok()),
        provider: message.header(header::PROVIDER).map(str::to_string),
        partition: message.partition,
        offset: message.offset,
        key: message.key,
        value: message.value,
    }
}

/// Record of one output, of the feature set with this fingerprint.
pub(crate) fn output(topics: &Topics, fingerprint: &str, step: &Step) -> Record {
    let source = (
        header::SOURCE_OFFSET.to_string(),
        format!("{}:{}", step.partition, step.offset),
    );
    let (topic, key, value, headers) = match &step.output {
        Output::Row(row) => (
            &topics.features,
            step.key.clone(),
            serde_json::to_vec(row),
            vec![
                (header::EVENT_TIME.into(), row.event_time.to_string()),
                (header::FINGERPRINT.into(), fingerprint.to_string()),
                source,
            ],
        ),
        Output::Refused(refused) => (
            &topics.quarantine,
            refused_key(step.key.as_deref()),
            serde_json::to_vec(refused),
            vec![source],
        ),
    };
    Record {
        topic: topic.clone(),
        partition: Some(step.partition),
        key,
        value: value.expect("plain data always serialises"),
        headers,
        timestamp: step.timestamp,
    }
}

/// Record of one snapshot; the topic keeps the newest per key.
pub(crate) fn snapshot(topics: &Topics, snapshot: &StreamSnapshot) -> Record {
    Record {
        topic: topics.stream_state.clone(),
        partition: None,
        key: Some(snapshot_key(snapshot)),
        value: serde_json::to_vec(snapshot).expect("plain data always serialises"),
        headers: vec![(header::FINGERPRINT.into(), snapshot.fingerprint.clone())],
        timestamp: None,
    }
}

/// The state of one feature set is not that of another, and stays when the set is not computed for a while.
pub(crate) fn snapshot_key(snapshot: &StreamSnapshot) -> String {
    let StreamSnapshot {
        fingerprint,
        partition,
        symbol,
        ..
    } = snapshot;
    format!("{fingerprint}/{partition}/{}", symbol::key(symbol))
}

/// The same record in a transaction that is not the last one of its position: after it alone, what lies below the source
/// offset is not all written.
pub(crate) fn unfinished(mut record: Record) -> Record {
    record
        .headers
        .push((header::UNFINISHED.into(), "true".into()));
    record
}

/// Whether everything is written that the bars up to that behind a feature row led to.
pub(crate) fn is_finished(message: &Message) -> bool {
    message.header(header::UNFINISHED).is_none()
}

/// Offset of the bar behind a feature row.
pub(crate) fn source_offset(message: &Message) -> Option<i64> {
    let (partition, offset) = message.header(header::SOURCE_OFFSET)?.split_once(':')?;
    let same = partition.parse() == Ok(message.partition);
    offset.parse().ok().filter(|_| same)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn snapshots_of_any_symbols_have_keys_of_their_own_and_those_of_plain_ones_stay() {
        let key = |symbol: &str| {
            snapshot_key(&StreamSnapshot {
                partition: 3,
                next_offset: 1,
                fingerprint: "f".into(),
                symbol: symbol.into(),
                state: serde_json::Value::Null,
            })
        };
        assert_eq!(key("^GSPC"), "f/3/^GSPC");
        assert_eq!(key(""), "f/3/");
        let codes = [
            "BTC/USDT", "BTC", "BTC:USDT", "BF B", "BF%20B", "M&M.NS", "3/AAPL",
        ];
        let keys: BTreeSet<String> = codes.iter().map(|code| key(code)).collect();
        assert_eq!(keys.len(), codes.len());
        assert!(keys.iter().all(|key| key.matches('/').count() == 2));
    }
}

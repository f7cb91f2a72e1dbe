//! The monitor's own past: which bars have a canonical forecast, read from the predictions topic
//! after older instances were fenced off. Used by `worker`.

use std::time::Duration;

use foresail_crds::records::{PredictionRecord, header};
use foresail_runtime_base::RoleError;
use foresail_runtime_kafka::{Message, Reader, Record, Settings, Start};

use crate::forecast_tracker::Predicted;

const BATCH: usize = 1_000;
const WAIT: Duration = Duration::from_millis(200);

/// Reads the predictions topic; forecasts of `version` are kept, of the others only the time.
pub(crate) async fn read(
    settings: &Settings,
    topic: &str,
    version: u32,
) -> Result<Predicted, RoleError> {
    let mut predicted = Predicted::default();
    let mut reader = Reader::open(settings, topic, Start::Beginning).await?;
    while !reader.caught_up() {
        for message in reader.next_batch(BATCH, WAIT).await? {
            record_position(&mut predicted, &message, version);
        }
    }
    Ok(predicted)
}

fn record_position(predicted: &mut Predicted, message: &Message, version: u32) {
    let number = |name| message.header(name).and_then(|text| text.parse().ok());
    let (Some(symbol), Some(event_time)) = (&message.key, number(header::EVENT_TIME)) else {
        tracing::warn!(offset = message.offset, "prediction without key or time");
        return;
    };
    let through = predicted
        .through
        .entry(symbol.clone())
        .or_insert(event_time);
    *through = event_time.max(*through);
    if number(header::MODEL_VERSION) != Some(i64::from(version)) {
        return;
    }
    match serde_json::from_slice::<PredictionRecord>(&message.value) {
        Ok(record) => {
            predicted
                .champion
                .insert((symbol.clone(), event_time), record);
        }
        Err(error) => tracing::warn!(symbol, event_time, %error, "prediction cannot be read"),
    }
}

/// Kafka record of a forecast made from the feature row in `source`.
pub(crate) fn record(topic: &str, source: &Message, prediction: &PredictionRecord) -> Record {
    Record {
        topic: topic.to_string(),
        partition: Some(source.partition),
        key: Some(prediction.symbol.clone()),
        value: serde_json::to_vec(prediction).expect("plain data always serialises"),
        headers: vec![
            (header::EVENT_TIME.into(), prediction.event_time.to_string()),
            (
                header::MODEL_VERSION.into(),
                prediction.model_version.to_string(),
            ),
        ],
        timestamp: source.timestamp,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn own_records_are_understood_and_other_versions_only_dated() {
        let prediction = |version, event_time| PredictionRecord {
            symbol: "A".into(),
            event_time,
            model_version: version,
            close: 10.0,
            adjustment_factor: 2.0,
            forecast: vec![0.1 + 0.2],
        };
        let mut predicted = Predicted::default();
        let mut source = Message {
            topic: "features".into(),
            partition: 2,
            offset: 5,
            key: None,
            value: vec![],
            headers: vec![],
            timestamp: Some(9),
        };
        for made in [prediction(1, 10), prediction(2, 20)] {
            let record = record("predictions", &source, &made);
            assert_eq!((record.partition, record.timestamp), (Some(2), Some(9)));
            let message = Message {
                key: record.key,
                value: record.value,
                headers: record.headers,
                ..source.clone()
            };
            record_position(&mut predicted, &message, 1);
        }
        source.key = Some("A".into());
        record_position(&mut predicted, &source, 1);
        assert_eq!(predicted.through["A"], 20);
        assert_eq!(predicted.champion.len(), 1);
        assert_eq!(predicted.champion[&("A".into(), 10)], prediction(1, 10));
    }
}

//! Where to go on: the largest source position in what was really committed.
//!
//! Every transaction holds consecutive rows of the source, so the newest record of each partition
//! of bars and quarantine bounds it; out-of-scope rows leave no record and are checked again. The last record of each
//! transaction says in which reading of the source it was made.

use std::str::FromStr;
use std::time::Duration;

use foresail_crds::names::Topics;
use foresail_crds::records::{SourceState, header};
use foresail_runtime_base::RoleError;
use foresail_runtime_kafka::{
    Message, Reader, Settings, Start, end_offset_sum, open_tail, read_tail, recreated,
};

use crate::marks::{self, Marks};
use crate::provider::{Recent, Survey, Wanted};

/// Newest records read per quarantine partition.
const QUARANTINE_TAIL: usize = 64;

/// Where the committed rows end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Position {
    /// Position of the first row that is not committed, in the newest reading.
    pub next: u64,
    /// What was known at the record before.
    pub state: Option<SourceState>,
    /// Offsets the bars topic has given out.
    pub written: i64,
    /// When the newest record was made, milliseconds UTC.
    pub last_news: Option<i64>,
}

/// Must be called after earlier producers are fenced off: what is read can then no longer change.
///
/// # Errors
/// Those of reading Kafka, and `TopicRecreated` (user).
pub(crate) async fn read(settings: &Settings, topics: &Topics) -> Result<Position, RoleError> {
    let mut newest = read_tail(settings, &topics.bars, 1).await?;
    // The stream worker quarantines here too, with the older position of its bar, so one record is not enough.
    newest.extend(read_tail(settings, &topics.quarantine, QUARANTINE_TAIL).await?);
    let written = end_offset_sum(settings, &topics.bars).await?;
    let known = largest(&newest, header::BARS_WRITTEN).unwrap_or(0);
    check_same_topic(&topics.bars, written, known)?;
    let (next, state) = after(&newest);
    Ok(Position {
        next,
        state,
        written,
        last_news: newest_time(&newest),
    })
}

/// The newest bar of each of these symbols. A symbol without bars costs a pass over the whole topic.
///
/// # Errors
/// Those of reading Kafka.
pub(crate) async fn marks(
    settings: &Settings,
    topics: &Topics,
    symbols: &[String],
) -> Result<Marks, RoleError> {
    let records = symbols.len().saturating_mul(4);
    let take = |marks: &mut Marks, message: Message| {
        let time = marks::event_time(&message).max(marks::newest(&message));
        if let Some((symbol, time)) = message.key.as_deref().zip(time)
            && symbols.iter().any(|declared| declared == symbol)
        {
            marks.add(symbol, time);
        }
    };
    let enough = |marks: &Marks, _: &_| marks.0.len() == symbols.len();
    let (_, marks) = open_tail(settings, &topics.bars, records, take, enough).await?;
    Ok(marks)
}

/// The newest bars of each symbol. One that has fewer costs a pass over the whole topic.
///
/// # Errors
/// Those of reading Kafka.
pub(crate) async fn recent(
    settings: &Settings,
    topics: &Topics,
    wanted: &Wanted<'_>,
) -> Result<Recent, RoleError> {
    let take = |recent: &mut Recent, message: Message| wanted.take(recent, &message);
    let enough = |recent: &Recent, _: &_| wanted.is_enough(recent);
    let (_, recent) = open_tail(settings, &topics.bars, wanted.records(), take, enough).await?;
    Ok(recent)
}

/// Reads the whole bars topic once.
///
/// # Errors
/// Those of reading Kafka.
pub(crate) async fn survey(
    settings: &Settings,
    topics: &Topics,
    survey: &mut Survey<'_>,
) -> Result<(), RoleError> {
    let mut reader = Reader::open(settings, &topics.bars, Start::Beginning).await?;
    while !reader.caught_up() {
        for message in reader.next_batch(1_000, Duration::from_millis(500)).await? {
            survey.take(&message);
        }
    }
    Ok(())
}

/// Refuses a bars topic that has given out fewer offsets than it once had: its bars are gone, and to
/// go on behind them would hide that.
///
/// # Errors
/// User error `TopicRecreated`.
pub(crate) fn check_same_topic(topic: &str, written: i64, known: i64) -> Result<(), RoleError> {
    if written >= known {
        return Ok(());
    }
    let detail = format_args!("it ends at {written} and once ended at {known}");
    Err(recreated(topic, detail))
}

/// The first position behind these records, and what was known there.
pub(crate) fn after(newest: &[Message]) -> (u64, Option<SourceState>) {
    let position = |m: &Message| m.header(header::SOURCE_POSITION)?.parse::<u64>().ok();
    let state =
        |m: &Message| serde_json::from_str::<SourceState>(m.header(header::SOURCE_STATE)?).ok();
    let newest = newest.iter().filter_map(|m| Some((position(m)?, state(m))));
    // Of two records at one position, the one that knows more: a bar that was refused later has its position, too.
    let newest = newest.max_by_key(|(position, state)| {
        let reading = state.as_ref().map_or(0, |state| state.reading);
        (reading, *position, state.is_some())
    });
    newest.map_or((0, None), |(p, state)| (p.saturating_add(1), state))
}

/// When the newest of these records was made, milliseconds UTC.
pub(crate) fn newest_time(newest: &[Message]) -> Option<i64> {
    largest(newest, header::INGESTED_AT)
}

fn largest<T: FromStr + Ord>(newest: &[Message], header: &str) -> Option<T> {
    let number = |m: &Message| m.header(header)?.parse().ok();
    newest.iter().filter_map(number).max()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn in_reading(position: &str, reading: u64) -> Message {
        let state = SourceState {
            reading,
            ..SourceState::default()
        };
        let state = serde_json::to_string(&state).unwrap();
        let mut message = message(position);
        message.headers.push((header::SOURCE_STATE.into(), state));
        message
    }

    fn message(position: &str) -> Message {
        Message {
            topic: "t".into(),
            partition: 0,
            offset: 0,
            key: None,
            value: Vec::new(),
            headers: vec![(header::SOURCE_POSITION.into(), position.into())],
            timestamp: None,
        }
    }

    #[test]
    fn the_largest_position_counts_and_nothing_means_the_start() {
        let next = |newest: &[Message]| after(newest).0;
        assert_eq!(next(&[]), 0);
        assert_eq!(next(&[message("7"), message("12"), message("x")]), 13);
        // Anybody with write access to the topic may have written this.
        assert_eq!(next(&[message(&u64::MAX.to_string())]), u64::MAX);
    }

    #[test]
    fn the_newest_reading_counts_and_not_the_larger_positions_before() {
        let newest = [message("995"), in_reading("990", 0), in_reading("4", 1)];
        let (next, state) = after(&newest);
        assert_eq!((next, state.unwrap().reading), (5, 1));
        let (next, state) = after(&[message("7"), in_reading("7", 0), message("7")]);
        assert_eq!((next, state.is_some()), (8, true));
    }

    #[test]
    fn a_topic_that_shrank_is_another_one() {
        assert_eq!(check_same_topic("bars", 10, 10), Ok(()));
        let error = check_same_topic("bars", 9, 10).unwrap_err();
        assert_eq!(error.reason, "TopicRecreated");
    }
}

//! Where to go on: the largest source position in what was really committed.
//!
//! Every transaction holds consecutive rows of the source, so the newest record of each partition
//! of bars and quarantine bounds it; out-of-scope rows leave no record and are checked again.

use std::str::FromStr;

use foresail_crds::names::Topics;
use foresail_crds::records::header;
use foresail_runtime_base::RoleError;
use foresail_runtime_kafka::{Message, Settings, end_offset_sum, read_tail, recreated};

/// Newest records read per quarantine partition.
const QUARANTINE_TAIL: usize = 64;

/// Where the committed rows end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Position {
    /// Position of the first row that is not committed.
    pub next: u64,
    /// Offsets the bars topic has given out.
    pub written: i64,
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
    Ok(Position {
        next: after(&newest),
        written,
    })
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

fn after(newest: &[Message]) -> u64 {
    largest(newest, header::SOURCE_POSITION).map_or(0, |p: u64| p.saturating_add(1))
}

fn largest<T: FromStr + Ord>(newest: &[Message], header: &str) -> Option<T> {
    let number = |m: &Message| m.header(header)?.parse().ok();
    newest.iter().filter_map(number).max()
}

#[cfg(test)]
mod tests {
    use super::*;

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
        assert_eq!(after(&[]), 0);
        assert_eq!(after(&[message("7"), message("12"), message("x")]), 13);
        // Anybody with write access to the topic may have written this.
        assert_eq!(after(&[message(&u64::MAX.to_string())]), u64::MAX);
    }

    #[test]
    fn a_topic_that_shrank_is_another_one() {
        assert_eq!(check_same_topic("bars", 10, 10), Ok(()));
        let error = check_same_topic("bars", 9, 10).unwrap_err();
        assert_eq!(error.reason, "TopicRecreated");
    }
}

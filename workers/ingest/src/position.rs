//! Where to go on: the largest source position in what was really committed.
//!
//! Every transaction holds consecutive rows of the source, so the newest record of each partition
//! of bars and quarantine bounds it; out-of-scope rows leave no record and are judged again.

use foresail_crds::names::Topics;
use foresail_crds::records::header;
use foresail_runtime_base::RoleError;
use foresail_runtime_kafka::{Message, Settings, read_tail};

/// Records looked at per quarantine partition.
const QUARANTINE_TAIL: usize = 64;

/// Position of the first row that is not committed. Must be called after fencing earlier producers.
///
/// # Errors
/// Those of reading Kafka.
pub(crate) async fn next(settings: &Settings, topics: &Topics) -> Result<u64, RoleError> {
    let mut newest = read_tail(settings, &topics.bars, 1).await?;
    // The stream worker quarantines here too, with the older position of its bar: look past those.
    newest.extend(read_tail(settings, &topics.quarantine, QUARANTINE_TAIL).await?);
    Ok(after(&newest))
}

fn after(newest: &[Message]) -> u64 {
    let position = |m: &Message| m.header(header::SOURCE_POSITION)?.parse::<u64>().ok();
    newest
        .iter()
        .filter_map(position)
        .max()
        .map_or(0, |p| p + 1)
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
    }
}

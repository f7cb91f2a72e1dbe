//! Where in the features topic the monitor begins: far enough back for every symbol, and not at the start of a topic
//! that holds decades. Used by `worker`.

use std::collections::{BTreeMap, BTreeSet};

use foresail_crds::records::header;
use foresail_runtime_base::RoleError;
use foresail_runtime_kafka::{Message, Reach, Settings, Start, open_tail};

/// Rows of each symbol that the first attempt reads back.
const FIRST: usize = 512;

/// The past that a tracker needs of every symbol.
#[derive(Clone, Debug)]
pub(crate) struct Past {
    /// Feature set of the rows.
    pub fingerprint: String,
    /// Every row after this event time is needed, milliseconds UTC.
    pub after: i64,
    /// And so many of the rows up to it.
    pub rows: usize,
}

/// What an attempt has seen.
#[derive(Default)]
struct Seen {
    /// First offset by partition.
    offsets: BTreeMap<i32, i64>,
    /// Event times up to `after`, by past and symbol. A set: rows that were written again count once.
    rows: BTreeMap<(usize, String), BTreeSet<i64>>,
}

/// Offsets from which on the topic holds these pasts. A symbol without so many rows makes it the whole topic.
///
/// # Errors
/// Those of [`open_tail`].
pub(crate) async fn find(
    settings: &Settings,
    topic: &str,
    symbols: &[String],
    pasts: &[Past],
) -> Result<Start, RoleError> {
    let take = |seen: &mut Seen, message| seen.take(pasts, &message);
    let enough = |seen: &Seen, _: &Reach| seen.holds(pasts, symbols);
    let first = FIRST.saturating_mul(symbols.len());
    let (_, seen) = open_tail(settings, topic, first, take, enough).await?;
    Ok(Start::Offsets(seen.offsets))
}

impl Seen {
    fn take(&mut self, pasts: &[Past], message: &Message) {
        self.offsets
            .entry(message.partition)
            .or_insert(message.offset);
        let time = message.header(header::EVENT_TIME);
        let time: Option<i64> = time.and_then(|text| text.parse().ok());
        let (Some(symbol), Some(time)) = (&message.key, time) else {
            return;
        };
        let print = message.header(header::FINGERPRINT);
        for (i, past) in pasts.iter().enumerate() {
            if print == Some(&past.fingerprint) && time <= past.after {
                let rows = self.rows.entry((i, symbol.clone())).or_default();
                rows.insert(time);
                // The newest of them are enough, however many there are.
                if rows.len() > past.rows {
                    rows.pop_first();
                }
            }
        }
    }

    fn holds(&self, pasts: &[Past], symbols: &[String]) -> bool {
        let known = |i: usize, symbol: &String| {
            let rows = self.rows.get(&(i, symbol.clone()));
            rows.map_or(0, BTreeSet::len)
        };
        let whole =
            |(i, past): (usize, &Past)| symbols.iter().all(|symbol| known(i, symbol) >= past.rows);
        pasts.iter().enumerate().all(whole)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(offset: i64, symbol: &str, time: i64, fingerprint: &str) -> Message {
        Message {
            topic: "features".into(),
            partition: 1,
            offset,
            key: Some(symbol.into()),
            value: vec![],
            headers: vec![
                (header::EVENT_TIME.into(), time.to_string()),
                (header::FINGERPRINT.into(), fingerprint.into()),
            ],
            timestamp: None,
        }
    }

    #[test]
    fn every_symbol_needs_its_rows_up_to_the_end_of_training() {
        let symbols = ["A".to_owned(), "B".to_owned()];
        let past = |after, rows| Past {
            fingerprint: "f".into(),
            after,
            rows,
        };
        let pasts = [past(10, 2), past(12, 1)];
        let mut seen = Seen::default();
        let rows = [
            (4, "A", 9, "f"),
            (5, "A", 10, "f"),
            // Written again, of other features, after the end of training: none of them is one more row of the past.
            (6, "B", 9, "f"),
            (7, "B", 9, "f"),
            (8, "B", 10, "g"),
            (9, "B", 11, "f"),
        ];
        for (offset, symbol, time, fingerprint) in rows {
            seen.take(&pasts, &message(offset, symbol, time, fingerprint));
        }
        assert!(!seen.holds(&pasts, &symbols));
        seen.take(&pasts, &message(10, "B", 10, "f"));
        assert!(seen.holds(&pasts, &symbols));
        assert_eq!(seen.offsets, BTreeMap::from([(1, 4)]));
    }
}

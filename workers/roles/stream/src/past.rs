//! Bars of some symbols, read again from the first record of their partition: rare, since the newest ones are kept.
//! Used by `worker`.

use std::collections::BTreeMap;
use std::time::Duration;

use foresail_domain::Bar;
use foresail_runtime_base::RoleError;
use foresail_runtime_kafka::{Reader, Settings, Start};

use crate::engine::{BarMessage, Past};
use crate::engines::Engines;

/// Most symbols whose bars are read at once.
const MOST_AT_ONCE: usize = 64;
const BATCH: usize = 10_000;
const WAIT: Duration = Duration::from_millis(200);

/// What is needed of a partition before its next message can be taken.
#[derive(Debug, Default)]
pub(crate) struct Lacking<'a> {
    partition: i32,
    /// Offset of that message.
    below: i64,
    /// By symbol, its first message that needs bars.
    pub messages: BTreeMap<String, &'a BarMessage>,
}

/// What the first message needs, and those of its partition that wait behind it: one reading serves them all.
pub(crate) fn lacking<'a>(engines: &Engines, waiting: &'a [BarMessage]) -> Lacking<'a> {
    let Some(first) = waiting.first() else {
        return Lacking::default();
    };
    let mut lacking = Lacking {
        partition: first.partition,
        below: first.offset,
        messages: BTreeMap::new(),
    };
    let of_partition = waiting.iter().filter(|m| m.partition == first.partition);
    for message in of_partition {
        if lacking.messages.len() == MOST_AT_ONCE {
            break;
        }
        if let Some(lack) = engines.lacks(message) {
            lacking.messages.entry(lack.symbol).or_insert(message);
        }
    }
    lacking
}

/// Reads the bars of these symbols up to the message that needs them.
///
/// # Errors
/// Those of [`Reader::open`] and [`Reader::next_batch`].
pub(crate) async fn read(
    settings: &Settings,
    topic: &str,
    lacking: &Lacking<'_>,
) -> Result<BTreeMap<String, Past>, RoleError> {
    let (partition, below) = (lacking.partition, lacking.below);
    let mut reader = Reader::open(settings, topic, Start::Partition(partition)).await?;
    let ends = reader.ends().await?;
    let is_cut = ends.get(&partition).is_some_and(|(low, _)| *low > 0);
    let symbols = lacking.messages.keys().cloned();
    let empty = |symbol| {
        let past = Past {
            is_cut,
            ..Past::default()
        };
        (symbol, past)
    };
    let mut pasts: BTreeMap<String, Past> = symbols.map(empty).collect();
    tracing::info!(
        partition,
        symbols = pasts.len(),
        "bars before those that are kept have changed; reading them again"
    );
    'reading: while !is_cut && !reader.caught_up() {
        for message in reader.next_batch(BATCH, WAIT).await? {
            if message.offset >= below {
                break 'reading;
            }
            let Ok(bar) = serde_json::from_slice::<Bar>(&message.value) else {
                continue;
            };
            if let Some(past) = pasts.get_mut(&bar.symbol) {
                past.take(&bar);
            }
        }
    }
    Ok(pasts)
}

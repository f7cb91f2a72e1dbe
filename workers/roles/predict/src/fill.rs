//! Fills the table and keeps it full: at once from Redis when it answers, in any case from the end of the topic. Each
//! feature set has a reader of its own, so that one that is new keeps no row of the champion waiting.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use foresail_crds::records::{FeatureRecord, header};
use foresail_runtime_base::retry::Backoff;
use foresail_runtime_base::{RoleError, Shutdown, spawn};
use foresail_runtime_kafka::{Message, Reach, Settings, open_tail};

use crate::state::State;
use crate::table::{self, KEPT, Rows};

/// Fills and follows the feature sets that are wanted, until the end.
pub(crate) async fn fill(state: Arc<State>, end: Shutdown) {
    let mut wanted = state.wanted.subscribe();
    let mut readers: BTreeMap<String, Shutdown> = BTreeMap::new();
    while !end.is_cancelled() {
        let sets = wanted.borrow_and_update().clone();
        readers.retain(|set, reader| {
            let kept = sets.contains(set);
            if !kept {
                reader.cancel();
                state.table.forget(set);
            }
            kept
        });
        for set in sets {
            readers.entry(set.clone()).or_insert_with(|| {
                let reader = Shutdown::new();
                state.table.want(&set);
                spawn(fill_set(Arc::clone(&state), set, reader.clone()));
                reader
            });
        }
        tokio::select! {
            () = end.cancelled() => {}
            changed = wanted.changed() => if changed.is_err() { end.cancelled().await },
        }
    }
    readers.values().for_each(Shutdown::cancel);
}

/// Fills and follows one feature set until the end.
async fn fill_set(state: Arc<State>, fingerprint: String, end: Shutdown) {
    from_redis(&state, &fingerprint).await;
    let mut backoff = Backoff::new(Duration::from_millis(500), Duration::from_secs(10));
    while !end.is_cancelled() {
        if let Err(error) = follow(&state, &fingerprint, &end, &mut backoff).await {
            tracing::warn!(
                reason = error.reason,
                cause = error.message,
                "feature rows not followed, trying again"
            );
            backoff.wait(&end).await;
        }
    }
}

async fn from_redis(state: &State, fingerprint: &str) {
    let Some(cache) = &state.cache else {
        return;
    };
    let mut complete = true;
    for symbol in state.config.symbols() {
        match cache.rows(fingerprint, &symbol).await {
            Some(rows) if !rows.is_empty() => state.table.extend(fingerprint, rows),
            _ => complete = false,
        }
    }
    if complete {
        state.table.fill(fingerprint);
    }
    tracing::info!(fingerprint, complete, "table filled from Redis");
}

async fn follow(
    state: &State,
    fingerprint: &str,
    end: &Shutdown,
    backoff: &mut Backoff,
) -> Result<(), RoleError> {
    let settings = Settings::new(&state.config.kafka, &state.outside)?;
    let topic = state.config.topics().features;
    let symbols = state.config.symbols();
    let take = |rows: &mut Rows, message: Message| {
        if let Some(row) = record(fingerprint, &symbols, &message) {
            table::push(rows, row);
        }
    };
    let enough = |rows: &Rows, _: &Reach| {
        let full = |symbol| rows.get(symbol).is_some_and(|list| list.len() == KEPT);
        symbols.iter().all(full)
    };
    let records = KEPT * symbols.len();
    let (mut reader, rows) = tokio::select! {
        opened = open_tail(&settings, &topic, records, take, enough) => opened?,
        () = end.cancelled() => return Ok(()),
    };
    state.table.adopt(fingerprint, rows);
    state.table.fill(fingerprint);
    backoff.reset();
    while !end.is_cancelled() {
        let batch = reader.next_batch(2_000, Duration::from_millis(200)).await?;
        let row = |message| record(fingerprint, &symbols, message);
        state
            .table
            .extend(fingerprint, batch.iter().filter_map(row));
    }
    Ok(())
}

/// The feature row in a message, when it is of this feature set and of a declared symbol.
fn record(fingerprint: &str, symbols: &[String], message: &Message) -> Option<FeatureRecord> {
    let ours = message.header(header::FINGERPRINT) == Some(fingerprint);
    let row: Option<FeatureRecord> = ours.then(|| serde_json::from_slice(&message.value).ok())?;
    row.filter(|row| symbols.contains(&row.symbol))
}

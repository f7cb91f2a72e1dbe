//! Fills the table and keeps it full: at once from Redis when it answers, in any case from the end of the topic.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use foresail_crds::records::{FeatureRecord, header};
use foresail_runtime_base::retry::Backoff;
use foresail_runtime_base::{RoleError, Shutdown};
use foresail_runtime_kafka::{Message, Reach, Settings, open_tail};

use crate::state::State;
use crate::table::{self, KEPT, Rows};

/// Fills and follows until the end.
pub(crate) async fn fill(state: Arc<State>, end: Shutdown) {
    from_redis(&state).await;
    let mut backoff = Backoff::new(Duration::from_millis(500), Duration::from_secs(10));
    while !end.is_cancelled() {
        if let Err(error) = follow(&state, &end, &mut backoff).await {
            tracing::warn!(
                reason = error.reason,
                cause = error.message,
                "feature rows not followed, trying again"
            );
            backoff.wait(&end).await;
        }
    }
}

async fn from_redis(state: &State) {
    let Some(cache) = &state.cache else {
        return;
    };
    let mut complete = true;
    for symbol in state.config.symbols() {
        match cache.rows(&state.fingerprint, &symbol).await {
            Some(rows) if !rows.is_empty() => state.table.extend(rows),
            _ => complete = false,
        }
    }
    state.filled.store(complete, Ordering::Relaxed);
    tracing::info!(complete, "table filled from Redis");
}

async fn follow(state: &State, end: &Shutdown, backoff: &mut Backoff) -> Result<(), RoleError> {
    let settings = Settings::new(&state.config.kafka, &state.outside)?;
    let topic = state.config.topics().features;
    let symbols = state.config.symbols();
    let take = |rows: &mut Rows, message: Message| {
        if let Some(row) = record(&state.fingerprint, &symbols, &message) {
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
    state.table.adopt(rows);
    state.filled.store(true, Ordering::Relaxed);
    backoff.reset();
    while !end.is_cancelled() {
        let batch = reader.next_batch(2_000, Duration::from_millis(200)).await?;
        let row = |message| record(&state.fingerprint, &symbols, message);
        state.table.extend(batch.iter().filter_map(row));
    }
    Ok(())
}

/// The feature row in a message, when it is of our feature set and of a declared symbol.
fn record(fingerprint: &str, symbols: &[String], message: &Message) -> Option<FeatureRecord> {
    let ours = message.header(header::FINGERPRINT) == Some(fingerprint);
    let row: Option<FeatureRecord> = ours.then(|| serde_json::from_slice(&message.value).ok())?;
    row.filter(|row| symbols.contains(&row.symbol))
}

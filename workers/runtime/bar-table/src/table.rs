//! The Delta table of bars: opened or made, appended to with Kafka positions in the same commit.

use std::collections::BTreeMap;
use std::sync::Arc;

use deltalake_core::kernel::Transaction;
use deltalake_core::kernel::transaction::CommitProperties;
use deltalake_core::operations::create::CreateBuilder;
use deltalake_core::writer::{DeltaWriter, RecordBatchWriter};
use deltalake_core::{DeltaTable, DeltaTableError, TableProperty, checkpoints};
use foresail_crds::RoleError;
use foresail_runtime_base::effects::Effects;
use foresail_runtime_store::S3Uri;
use object_store::ObjectStore;

use crate::error::explain;
use crate::log::log_store;
use crate::schema::{self, Placed};

/// Commits between two checkpoints of the Delta log.
const CHECKPOINT_EVERY: u64 = 50;
/// Application id whose version is the newest event time in the table.
const NEWEST: &str = "newest-event-time";
/// Beginning of the application ids of numbers that the writer keeps with the table.
const NOTE: &str = "note/";
/// Application id whose version is how many records were gone before they could be stored.
const LOST: &str = "lost-records";

/// The open table.
pub struct BarTable {
    table: DeltaTable,
    rows: u64,
    uri: S3Uri,
    effects: Effects,
}

/// What is committed beside the bars.
#[derive(Clone, Debug, Default)]
pub struct Progress {
    /// Next offset per partition.
    pub next: BTreeMap<i32, i64>,
    /// Event time of the newest bar of the table, milliseconds UTC.
    pub newest: i64,
    /// Records that Kafka had removed before they were read, up to now.
    pub lost: i64,
    /// Numbers by name, kept with the table until they are written again.
    pub notes: Vec<(String, i64)>,
}

impl BarTable {
    /// Opens the table at `uri`, making it when it does not exist.
    ///
    /// # Errors
    /// S3 failures by class; `LakeUnreadable` when what is there is not such a table.
    pub async fn open(
        store: Arc<dyn ObjectStore>,
        uri: &S3Uri,
        effects: Effects,
    ) -> Result<Self, RoleError> {
        let uri = uri.clone();
        let log_store = log_store(store, &uri)?;
        let mut table = DeltaTable::new(log_store.clone());
        let exists = table.verify_deltatable_existence().await;
        if exists.map_err(|e| explain("looking for", &uri, &e))? {
            table
                .load()
                .await
                .map_err(|e| explain("opening", &uri, &e))?;
        } else {
            let create = CreateBuilder::new()
                .with_log_store(log_store)
                .with_columns(schema::fields())
                // A training run names the version it has read, and whoever reproduces it years later reads that one.
                .with_configuration_property(TableProperty::EnableExpiredLogCleanup, Some("false"));
            let made = effects
                .perform("s3", "delta-create", create.into_future())
                .await;
            table = match made {
                Ok(table) => table,
                // Another process made it first.
                Err(_) => {
                    table
                        .load()
                        .await
                        .map_err(|e| explain("making", &uri, &e))?;
                    table
                }
            };
        }
        Ok(Self {
            rows: rows(&table),
            table,
            uri,
            effects,
        })
    }

    /// Version of the last commit.
    pub fn version(&self) -> u64 {
        self.table.version().unwrap_or(0)
    }

    /// Bars in the table.
    pub fn rows(&self) -> u64 {
        self.rows
    }

    /// Records that Kafka had removed before they could be stored.
    ///
    /// # Errors
    /// Reading the Delta log.
    pub async fn lost(&self) -> Result<i64, RoleError> {
        Ok(self.transaction(LOST).await?.unwrap_or(0))
    }

    /// Newest event time in the table, milliseconds UTC.
    ///
    /// # Errors
    /// Reading the Delta log.
    pub async fn newest_event_time(&self) -> Result<Option<i64>, RoleError> {
        self.transaction(NEWEST).await
    }

    /// A number that was kept with the table.
    ///
    /// # Errors
    /// Reading the Delta log.
    pub async fn note(&self, name: &str) -> Result<Option<i64>, RoleError> {
        self.transaction(&format!("{NOTE}{name}")).await
    }

    /// Next offset per partition of `topic`.
    ///
    /// # Errors
    /// Reading the Delta log.
    pub async fn positions(
        &self,
        topic: &str,
        partitions: &[i32],
    ) -> Result<BTreeMap<i32, i64>, RoleError> {
        let mut positions = BTreeMap::new();
        for partition in partitions {
            if let Some(offset) = self.transaction(&app_id(topic, *partition)).await? {
                positions.insert(*partition, offset);
            }
        }
        Ok(positions)
    }

    async fn transaction(&self, id: &str) -> Result<Option<i64>, RoleError> {
        let log_store = self.table.log_store();
        let read = async {
            self.table
                .snapshot()?
                .transaction_version(log_store.as_ref(), id)
                .await
        };
        read.await
            .map_err(|e| explain("reading the log of", &self.uri, &e))
    }

    /// Appends bars, and how far they reach, in one commit.
    ///
    /// # Errors
    /// `LakeConflict` when another writer committed first: reopen. S3 failures by class. Nothing of a
    /// failed append is visible.
    pub async fn append(
        &mut self,
        bars: &[Placed],
        topic: &str,
        progress: &Progress,
    ) -> Result<(), RoleError> {
        let to_error = |what: &'static str, uri: &S3Uri| {
            let uri = uri.clone();
            move |e: DeltaTableError| explain(what, &uri, &e)
        };
        let mut transactions: Vec<Transaction> = progress
            .next
            .iter()
            .map(|(p, offset)| Transaction::new(app_id(topic, *p), *offset))
            .collect();
        transactions.push(Transaction::new(NEWEST, progress.newest));
        transactions.push(Transaction::new(LOST, progress.lost));
        let notes = progress.notes.iter();
        let notes = notes.map(|(name, number)| Transaction::new(format!("{NOTE}{name}"), *number));
        transactions.extend(notes);
        let properties = CommitProperties::default()
            .with_application_transactions(transactions)
            // Tables that were made before do not say so themselves.
            .with_cleanup_expired_logs(Some(false));
        let batch = schema::placed_batch(bars).map_err(|e| {
            RoleError::internal("LakeEncoding", format!("bars of {}: {e}", self.uri))
        })?;
        let mut writer = RecordBatchWriter::for_table(&self.table)
            .map_err(to_error("writing to", &self.uri))?
            .with_commit_properties(properties);
        writer
            .write(batch)
            .await
            .map_err(to_error("writing to", &self.uri))?;
        let commit = writer.flush_and_commit(&mut self.table);
        let version = self.effects.perform("s3", "delta-commit", commit).await;
        version.map_err(to_error("committing to", &self.uri))?;
        self.rows += bars.len() as u64;
        if self.version().is_multiple_of(CHECKPOINT_EVERY) {
            // A checkpoint only speeds up opening; the next one comes in any case.
            if let Err(error) = checkpoints::create_checkpoint(&self.table, None).await {
                tracing::warn!(%error, "no checkpoint made");
            }
        }
        Ok(())
    }
}

/// Bars in all files of a table.
fn rows(table: &DeltaTable) -> u64 {
    let files = table.snapshot().map(|s| s.log_data().into_iter());
    files.map_or(0, |f| {
        f.map(|file| file.num_records().unwrap_or(0) as u64).sum()
    })
}

fn app_id(topic: &str, partition: i32) -> String {
    format!("{topic}/{partition}")
}

#[cfg(test)]
mod tests {
    use foresail_domain::{Bar, Interval};
    use foresail_runtime_base::{Outside, Secrets};
    use object_store::memory::InMemory;

    use super::*;

    fn bar(symbol: &str, event_time: i64) -> Bar {
        Bar {
            symbol: symbol.into(),
            interval: Interval::Session,
            event_time,
            open: None,
            high: Some(2.0),
            low: Some(1.0),
            close: 1.5,
            volume: None,
            split_factor: 1.0,
            dividend: 0.0,
            ingested_at: 9,
            provider: "test".into(),
            revision: 0,
        }
    }

    fn placed(from: i64, to: i64) -> Vec<Placed> {
        (from..to)
            .map(|o| Placed {
                bar: bar("X", o),
                partition: 0,
                offset: o,
            })
            .collect()
    }

    #[tokio::test]
    async fn bars_and_positions_are_one_commit_and_a_stale_writer_loses() {
        let store: Arc<dyn ObjectStore> = Arc::new(InMemory::new());
        let uri = S3Uri::parse("s3://bucket/lake/n/p/bars").unwrap();
        let open = async || {
            let outside = Outside::plain(Secrets::at("/none"));
            let opened = BarTable::open(Arc::clone(&store), &uri, outside.effects);
            opened.await.unwrap()
        };
        let mut first = open().await;
        assert_eq!(
            (
                first.rows(),
                first.positions("t", &[0, 1]).await.unwrap().len()
            ),
            (0, 0)
        );

        let mut stale = open().await;
        let progress = |next: i64, lost| Progress {
            next: [(0, next)].into(),
            newest: next - 1,
            lost,
            notes: vec![("n".into(), 7 * next)],
        };
        first
            .append(&placed(0, 10), "t", &progress(10, 0))
            .await
            .unwrap();
        let error = stale
            .append(&placed(0, 10), "t", &progress(10, 0))
            .await
            .unwrap_err();
        assert_eq!(error.reason, "LakeConflict", "{error}");

        let mut again = open().await;
        assert_eq!(
            again.rows(),
            10,
            "the stale writer's bars must not be visible"
        );
        assert_eq!(
            again.positions("t", &[0, 1]).await.unwrap(),
            [(0, 10)].into()
        );
        assert_eq!(again.newest_event_time().await.unwrap(), Some(9));
        again
            .append(&placed(10, 15), "t", &progress(15, 3))
            .await
            .unwrap();
        assert_eq!((again.rows(), again.version()), (15, 2));
        let reopened = open().await;
        assert_eq!((reopened.rows(), reopened.lost().await.unwrap()), (15, 3));
        let notes = (reopened.note("n").await, reopened.note("m").await);
        assert_eq!((notes.0.unwrap(), notes.1.unwrap()), (Some(105), None));
    }

    /// Delta's own rule removes the log of what is older than 30 days whenever it makes a checkpoint.
    #[tokio::test]
    async fn a_version_that_was_trained_on_can_be_read_however_old_it_is() {
        let store: Arc<dyn ObjectStore> = Arc::new(InMemory::new());
        let uri = S3Uri::parse("s3://bucket/lake/n/p/bars").unwrap();
        let effects = || Outside::plain(Secrets::at("/none")).effects;
        // As an older release has made it, with a retention that is over at once.
        CreateBuilder::new()
            .with_log_store(log_store(Arc::clone(&store), &uri).unwrap())
            .with_columns(schema::fields())
            .with_configuration_property(
                TableProperty::LogRetentionDuration,
                Some("interval 0 seconds"),
            )
            .await
            .unwrap();
        let mut table = BarTable::open(Arc::clone(&store), &uri, effects())
            .await
            .unwrap();
        for commit in 0..120 {
            let progress = Progress {
                next: [(0, commit + 1)].into(),
                ..Progress::default()
            };
            let bars = placed(commit, commit + 1);
            table.append(&bars, "t", &progress).await.unwrap();
        }
        let mut old = DeltaTable::new(log_store(store, &uri).unwrap());
        old.load_version(5).await.unwrap();
        assert_eq!(rows(&old), 5);
    }
}

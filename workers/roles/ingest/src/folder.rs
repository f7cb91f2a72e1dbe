//! The files of a source that names several, read one behind the other in the order of their names. A file that is no table
//! is told and left out; the others are read without it.

use std::sync::Arc;
use std::time::Duration;

use foresail_bars::{Described, RawRow, Rows as RowsOfFile, in_order};
use foresail_crds::pipeline::spec::CsvSource;
use foresail_crds::pipeline::status::{ErrorClass, RefusedFile, SourceFiles};
use foresail_crds::role::LARGEST_SOURCE_BYTES;
use foresail_crds::role_error::presentable;
use foresail_crds::worker_config::{IngestConfig, SourceAddress};
use foresail_runtime_base::{Outside, RoleError};
use foresail_runtime_store::{Listed, ObjectStream, S3Uri, Store};
use futures::StreamExt;
use sha2::{Digest, Sha256};

use crate::pattern::Pattern;
use crate::spool::{Spool, Spooled};

/// Most files of one source.
pub(crate) const MOST_FILES: usize = 10_000;
/// Refused files that are named in status.
const EXAMPLES: usize = 8;
/// Longest name and message of one, as the schema of status has it.
const LONGEST_NAME: usize = 256;
const LONGEST_MESSAGE: usize = 512;
/// Files whose beginnings are waited for at a time.
const AHEAD: usize = 8;

/// Files that match a pattern, as they were when they were fetched.
pub(crate) struct Folder {
    pattern: Pattern,
    address: SourceAddress,
    spec: CsvSource,
    files: Vec<Fetched>,
    version: [u8; 32],
}

/// A file of a folder: on the scratch volume, or why it is not.
#[derive(Clone)]
struct Fetched {
    /// Its key.
    name: String,
    file: Result<Spooled, RoleError>,
}

impl Folder {
    /// Fetches all of them.
    ///
    /// # Errors
    /// S3 failures by class; outside errors `SourceMissing` when no file matches, and `ScratchFailed`; user errors
    /// `TooManyFiles` and `SourceTooLarge`.
    pub(crate) async fn open(
        pattern: Pattern,
        spec: CsvSource,
        (address, outside): (SourceAddress, &Outside),
    ) -> Result<Self, RoleError> {
        let store = Store::of_source(&address, outside)?;
        let listed = list(&pattern, &store, &spec.uri).await?;
        let version = version(&listed);
        let files = fetch(&store, listed).await?;
        Ok(Self {
            pattern,
            address,
            spec,
            files,
            version,
        })
    }

    /// Whether there are other files now, or others of the same names.
    ///
    /// # Errors
    /// Those of [`Self::open`].
    pub(crate) async fn has_changed(&self, outside: &Outside) -> Result<bool, RoleError> {
        let store = Store::of_source(&self.address, outside)?;
        let listed = list(&self.pattern, &store, &self.spec.uri).await?;
        Ok(version(&listed) != self.version)
    }

    /// How often it is looked at again.
    pub(crate) fn poll(&self) -> Option<Duration> {
        self.spec.poll.as_duration()
    }

    /// Their rows.
    pub(crate) fn rows(&self, config: &IngestConfig) -> FolderRows {
        FolderRows::new(
            self.files.clone(),
            Described::new(config, self.spec.clone()),
        )
    }
}

/// The files of a pattern, in the order of their names.
///
/// # Errors
/// Those of [`Folder::open`].
pub(crate) async fn list(
    pattern: &Pattern,
    store: &Store,
    uri: &str,
) -> Result<Vec<Listed>, RoleError> {
    let wanted = |key: &str| pattern.matches(key);
    let mut listed = store
        .list_stamped(&pattern.prefix, wanted, MOST_FILES + 1)
        .await?;
    if listed.len() > MOST_FILES {
        let message = format!(
            "more than {MOST_FILES} files match {uri}; make one file of those of each year, or name fewer in source.csv.uri"
        );
        return Err(RoleError::user("TooManyFiles", message));
    }
    if listed.is_empty() {
        let message = format!(
            "no file matches {uri}; upload one or correct source.csv.uri, it is looked for again"
        );
        return Err(RoleError::outside("SourceMissing", message));
    }
    listed.sort_by(|a, b| a.uri.key.cmp(&b.uri.key));
    Ok(listed)
}

fn version(listed: &[Listed]) -> [u8; 32] {
    let mut digest = Sha256::new();
    for file in listed {
        digest.update(format!("{:?}", (&file.uri.key, &file.stamp)));
    }
    digest.finalize().into()
}

/// Brings them to the scratch volume, where they are parts of one file: there may be more of them than a process may open.
async fn fetch(store: &Store, listed: Vec<Listed>) -> Result<Vec<Fetched>, RoleError> {
    let open = |file: Listed| async move {
        let object = store.stream(&file.uri).await;
        (file.uri, object)
    };
    let mut objects = futures::stream::iter(listed).map(open).buffered(AHEAD);
    let mut files = Vec::new();
    let mut last: Option<Spooled> = None;
    while let Some((uri, object)) = objects.next().await {
        let file = match spooled(&uri, object?, last.as_ref()).await {
            Ok(file) => {
                last = Some(file.clone());
                Ok(file)
            }
            Err(error) if error.reason == "SourceUnreadable" => Err(error),
            Err(error) => return Err(error),
        };
        files.push(Fetched {
            name: uri.key,
            file,
        });
    }
    Ok(files)
}

async fn spooled(
    uri: &S3Uri,
    mut object: ObjectStream,
    last: Option<&Spooled>,
) -> Result<Spooled, RoleError> {
    let shown = uri.to_string();
    let mut spool = match last {
        Some(last) => Spool::behind(last, &shown, LARGEST_SOURCE_BYTES)?,
        None => Spool::new(&shown)?,
    };
    while let Some(piece) = object.chunk().await? {
        spool.push(&piece)?;
    }
    spool.finish()
}

/// Rows of the files of a folder. Positions count through all of them.
pub(crate) struct FolderRows {
    of: Described,
    files: std::vec::IntoIter<Fetched>,
    open: Option<(Arc<str>, RowsOfFile<'static>)>,
    position: u64,
    told: SourceFiles,
}

impl FolderRows {
    fn new(files: Vec<Fetched>, of: Described) -> Self {
        Self {
            of,
            told: SourceFiles {
                found: u32::try_from(files.len()).unwrap_or(u32::MAX),
                ..SourceFiles::default()
            },
            files: files.into_iter(),
            open: None,
            position: 0,
        }
    }

    /// The next row and the name of its file.
    ///
    /// # Errors
    /// Those of reading the scratch volume.
    pub(crate) fn next(&mut self) -> Result<Option<(RawRow, Arc<str>)>, RoleError> {
        loop {
            if let Some((name, rows)) = &mut self.open
                && let Some(row) = rows.next()
            {
                let mut row = row?;
                row.position = self.position;
                self.position += 1;
                return Ok(Some((row, Arc::clone(name))));
            }
            let Some(next) = self.files.next() else {
                return Ok(None);
            };
            self.enter(next)?;
        }
    }

    /// What is known of the files so far.
    pub(crate) fn told(&self) -> &SourceFiles {
        &self.told
    }

    /// Opens a file, or takes note of why it is left out.
    fn enter(&mut self, fetched: Fetched) -> Result<(), RoleError> {
        self.open = None;
        let Fetched { name, file } = fetched;
        let mut of = self.of.clone();
        of.csv.uri.clone_from(&name);
        let rows = file.and_then(|file| {
            let of = file.described(of);
            in_order(|| Ok(file.reader()), &of, tempfile::tempfile)
        });
        match rows {
            Ok(rows) => self.open = Some((name.into(), rows)),
            Err(error) if error.class == ErrorClass::User => self.refuse(&name, &error),
            Err(error) => return Err(error),
        }
        Ok(())
    }

    fn refuse(&mut self, name: &str, error: &RoleError) {
        tracing::warn!(
            file = name,
            reason = error.reason,
            cause = error.message,
            "a file of the source is left out"
        );
        self.told.refused += 1;
        if self.told.examples.len() < EXAMPLES {
            self.told.examples.push(RefusedFile {
                name: presentable(name, LONGEST_NAME),
                reason: error.reason.clone(),
                message: presentable(&error.message, LONGEST_MESSAGE),
            });
        }
    }

    /// The error of a source of which no file can be read.
    pub(crate) fn hopeless(&self) -> Option<RoleError> {
        let first = self.told.examples.first();
        let first = first.filter(|_| self.told.refused == self.told.found)?;
        let message = format!(
            "none of the {} files can be read; the first one: {}",
            self.told.found, first.message
        );
        Some(RoleError {
            class: ErrorClass::User,
            reason: first.reason.clone(),
            message,
        })
    }
}

#[cfg(test)]
#[path = "folder_tests.rs"]
mod tests;

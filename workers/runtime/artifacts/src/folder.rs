//! An artifact in a folder of this machine, as a copy of one on S3 or as `foresail-trainer artifact` writes it: its files lie
//! side by side. Read by `foresail-worker serve`.

use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};

use bytes::Bytes;
use foresail_crds::RoleError;
use foresail_runtime_base::spawn_blocking;
use foresail_runtime_store::{Bounded, PutNew, S3Uri};

use crate::objects::Objects;

/// Name of the manifest in a folder.
pub const MANIFEST: &str = "manifest.json";
/// Bucket in addresses of files that lie in no bucket.
const BUCKET: &str = "folder";

/// The files of one artifact. Of an address only the last part counts: a manifest names its files by their keys on S3.
#[derive(Clone, Debug)]
pub struct Folder(PathBuf);

impl Folder {
    /// The artifact in `path`.
    pub fn at(path: impl Into<PathBuf>) -> Self {
        Self(path.into())
    }

    /// Address of the artifact.
    pub fn uri() -> S3Uri {
        S3Uri {
            bucket: BUCKET.into(),
            key: String::new(),
        }
    }

    /// An error in the words of this machine: paths in place of addresses.
    #[must_use]
    pub fn told(&self, error: RoleError) -> RoleError {
        let address = format!("s3://{BUCKET}/");
        let path = format!("{}/", self.0.display());
        RoleError {
            message: error.message.replace(&address, &path),
            ..error
        }
    }

    fn file(&self, uri: &S3Uri) -> Result<PathBuf, RoleError> {
        let name = Path::new(&uri.key).file_name();
        let name = name.ok_or_else(|| {
            RoleError::user("FileUnreadable", format!("`{}` names no file", uri.key))
        })?;
        Ok(self.0.join(name))
    }
}

impl Objects for Folder {
    async fn get_at_most(&self, uri: &S3Uri, most: u64) -> Result<Bounded, RoleError> {
        let path = self.file(uri)?;
        blocking(path, move |path| {
            let length = std::fs::metadata(path)?.len();
            if length > most {
                return Ok(Bounded::TooLong(length));
            }
            std::fs::read(path).map(|bytes| Bounded::Whole(bytes.into()))
        })
        .await
    }

    async fn exists(&self, uri: &S3Uri) -> Result<bool, RoleError> {
        blocking(self.file(uri)?, Path::try_exists).await
    }

    async fn put_new(&self, uri: &S3Uri, body: Bytes) -> Result<PutNew, RoleError> {
        blocking(self.file(uri)?, move |path| create(path, &body)).await
    }
}

/// Writes a file under another name first: whoever follows the folder never finds half of it.
fn create(path: &Path, body: &[u8]) -> std::io::Result<PutNew> {
    let part = path.with_extension("part");
    let mut file = std::fs::File::create(&part)?;
    file.write_all(body)?;
    file.sync_all()?;
    let linked = std::fs::hard_link(&part, path);
    std::fs::remove_file(&part)?;
    match linked {
        Ok(()) => Ok(PutNew::Created),
        Err(e) if e.kind() == ErrorKind::AlreadyExists => Ok(PutNew::Exists),
        Err(e) => Err(e),
    }
}

async fn blocking<T: Send + 'static>(
    path: PathBuf,
    work: impl FnOnce(&Path) -> std::io::Result<T> + Send + 'static,
) -> Result<T, RoleError> {
    let done = spawn_blocking(move || {
        work(&path)
            .map_err(|e| RoleError::user("FileUnreadable", format!("{}: {e}", path.display())))
    });
    done.await
        .unwrap_or_else(|e| Err(RoleError::internal("TaskLost", e.to_string())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn files_are_found_by_the_last_part_of_their_key_and_written_once() {
        let folder = tempfile::tempdir().unwrap();
        let files = Folder::at(folder.path());
        let uri = S3Uri {
            key: "n/p/models/r/abc.bin".into(),
            ..Folder::uri()
        };
        assert!(!files.exists(&uri).await.unwrap());
        let put = |bytes: &'static [u8]| files.put_new(&uri, Bytes::from_static(bytes));
        assert_eq!(put(b"one").await.unwrap(), PutNew::Created);
        assert_eq!(put(b"two").await.unwrap(), PutNew::Exists);
        let whole = Bounded::Whole(Bytes::from_static(b"one"));
        assert_eq!(files.get_at_most(&uri, 3).await.unwrap(), whole);
        assert_eq!(
            files.get_at_most(&uri, 2).await.unwrap(),
            Bounded::TooLong(3)
        );
        let names: Vec<_> = std::fs::read_dir(folder.path()).unwrap().collect();
        assert_eq!(names.len(), 1);
        for key in ["", "a/..", ".."] {
            let uri = S3Uri {
                key: key.into(),
                ..Folder::uri()
            };
            let error = files.get_at_most(&uri, 9).await.unwrap_err();
            assert!(error.message.contains("names no file"), "{key}: {error}");
        }
        let told = files.told(RoleError::user(
            "X",
            "v1 at s3://folder/manifest.json is bad",
        ));
        let expected = format!("v1 at {}/manifest.json is bad", folder.path().display());
        assert_eq!(told.message, expected);
    }
}

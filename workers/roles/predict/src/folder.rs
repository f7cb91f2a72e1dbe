//! Versions in a folder: `<number>/manifest.json` with the weights beside it. The highest number is the champion, the next
//! one `previous`. The folder is followed.

use std::path::{Path, PathBuf};
use std::time::Duration;

use foresail_artifacts::{Folder, MANIFEST};
use foresail_crds::names::sha256_hex;
use foresail_crds::worker_config::{ServedVersion, ServingConfig};
use foresail_runtime_base::{RoleError, Shutdown, spawn_blocking};
use tokio::sync::watch;

/// Time between two looks at the folder.
const LOOK: Duration = Duration::from_secs(1);
/// Versions that are loaded: the champion and the one before it.
const LOADED: usize = 2;
/// Largest manifest that is read, in bytes.
const LARGEST_MANIFEST: u64 = 16 << 20;

/// A folder of versions.
#[derive(Clone, Debug)]
pub(crate) struct Versions(PathBuf);

impl Versions {
    /// The versions below `path`.
    pub(crate) fn at(path: PathBuf) -> Self {
        Self(path)
    }

    /// Where the files of a version are.
    pub(crate) fn of(&self, version: u32) -> Folder {
        Folder::at(self.0.join(version.to_string()))
    }

    /// Which versions are to serve now.
    ///
    /// # Errors
    /// User errors: `FileUnreadable`, `NoVersion`.
    pub(crate) fn look(&self) -> Result<ServingConfig, RoleError> {
        let unreadable = |path: &Path, e: &std::io::Error| {
            RoleError::user("FileUnreadable", format!("{}: {e}", path.display()))
        };
        let entries = std::fs::read_dir(&self.0).map_err(|e| unreadable(&self.0, &e))?;
        let mut numbers = Vec::new();
        for entry in entries {
            let entry = entry.map_err(|e| unreadable(&self.0, &e))?;
            let number = number(&entry.file_name().to_string_lossy());
            // Its manifest comes last: until then it is being written.
            numbers.extend(number.filter(|_| entry.path().join(MANIFEST).is_file()));
        }
        numbers.sort_unstable_by(|a, b| b.cmp(a));
        let mut versions = Vec::new();
        for version in numbers.into_iter().take(LOADED) {
            let path = self.0.join(version.to_string()).join(MANIFEST);
            let length = std::fs::metadata(&path).map_err(|e| unreadable(&path, &e))?;
            if length.len() > LARGEST_MANIFEST {
                let e = std::io::Error::other("it is too long for a manifest");
                return Err(unreadable(&path, &e));
            }
            let bytes = std::fs::read(&path).map_err(|e| unreadable(&path, &e))?;
            versions.push(ServedVersion {
                version,
                manifest_uri: Folder::uri().join(MANIFEST).to_string(),
                manifest_sha256: sha256_hex(&bytes),
            });
        }
        let mut versions = versions.into_iter();
        let Some(champion) = versions.next() else {
            let message = format!(
                "{} holds no version; a version is a folder with a number for its name and {MANIFEST} in it",
                self.0.display()
            );
            return Err(RoleError::user("NoVersion", message));
        };
        Ok(ServingConfig {
            champion: Some(champion),
            previous: versions.next(),
            ..ServingConfig::default()
        })
    }

    /// Says which versions are to serve whenever that changes, until shutdown. What serves stays when the folder is away.
    pub(crate) async fn follow(self, serving: watch::Sender<ServingConfig>, shutdown: Shutdown) {
        let mut said = None;
        while !shutdown.is_cancelled() {
            tokio::select! {
                () = tokio::time::sleep(LOOK) => {}
                () = shutdown.cancelled() => return,
            }
            let versions = self.clone();
            let Ok(found) = spawn_blocking(move || versions.look()).await else {
                continue;
            };
            let fault = found.as_ref().err().cloned();
            if let Ok(found) = found {
                serving.send_if_modified(|current| {
                    let changed = *current != found;
                    *current = found;
                    changed
                });
            }
            if let Some(error) = fault.as_ref().filter(|_| fault != said) {
                tracing::error!(
                    reason = error.reason,
                    cause = error.message,
                    "versions stay as they are"
                );
            }
            said = fault;
        }
    }
}

/// The number of a version, as it is written without any other sign.
fn number(name: &str) -> Option<u32> {
    let number: u32 = name.parse().ok().filter(|number| *number > 0)?;
    (number.to_string() == name).then_some(number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_highest_number_is_the_champion_and_what_is_no_version_is_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let versions = Versions::at(folder.path().into());
        let put = |name: &str| {
            std::fs::create_dir_all(folder.path().join(name)).unwrap();
            std::fs::write(folder.path().join(name).join(MANIFEST), name).unwrap();
        };
        for other in ["0", "07", "+8", "v9", "10 "] {
            put(other);
        }
        std::fs::create_dir(folder.path().join("11")).unwrap();
        std::fs::write(folder.path().join("12"), "").unwrap();
        assert_eq!(versions.look().unwrap_err().reason, "NoVersion");
        put("2");
        let found = versions.look().unwrap();
        assert_eq!(found.champion.as_ref().unwrap().version, 2);
        assert_eq!(found.previous, None);
        for more in ["9", "1", "10"] {
            put(more);
        }
        let found = versions.look().unwrap();
        let number = |served: Option<ServedVersion>| served.unwrap().version;
        assert_eq!(number(found.champion.clone()), 10);
        assert_eq!(number(found.previous), 9);
        assert_eq!(found.champion.unwrap().manifest_sha256, sha256_hex(b"10"));
        folder.close().unwrap();
        assert_eq!(versions.look().unwrap_err().reason, "FileUnreadable");
    }
}

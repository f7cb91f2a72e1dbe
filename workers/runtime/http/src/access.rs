//! Who may ask a server: anybody, or whoever has a key. Who may is decided from what is known already; the files of the keys
//! are looked at every second, so that a new key is good at once and one that was removed is not.

use std::collections::BTreeMap;
use std::hint::black_box;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use arc_swap::ArcSwap;
use foresail_runtime_base::{RoleError, Shutdown};
use sha2::{Digest, Sha256};

use crate::server;

/// Longest key, in bytes.
const LONGEST_KEY: u64 = 4 << 10;
/// Most keys of a folder.
const MOST_KEYS: usize = 1_000;

/// Who may ask. Clones share the keys.
#[derive(Clone, Debug)]
pub enum Access {
    /// Anybody.
    Anonymous,
    /// Whoever sends `Authorization: Bearer` with one of these keys.
    Keys(Keys),
}

/// Why a request is not answered. It tells nobody how near a guess was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Denied {
    /// There is no key in it.
    NoKey,
    /// Its key is none of those that are known.
    WrongKey,
}

impl Denied {
    /// What the client is told.
    pub const fn message(self) -> &'static str {
        match self {
            Self::NoKey => "send `Authorization: Bearer` with a key of this server",
            Self::WrongKey => "the key is not one of this server",
        }
    }

    /// Header `WWW-Authenticate` of the answer, as RFC 6750 has it.
    pub const fn challenge(self) -> &'static str {
        match self {
            Self::NoKey => "Bearer realm=\"foresail\"",
            Self::WrongKey => "Bearer realm=\"foresail\", error=\"invalid_token\"",
        }
    }
}

impl Access {
    /// Whether a request with this header `Authorization` is answered.
    ///
    /// # Errors
    /// [`Denied`].
    pub fn allow(&self, authorization: Option<&[u8]>) -> Result<(), Denied> {
        match self {
            Self::Anonymous => Ok(()),
            Self::Keys(keys) => decide(&keys.0.known.load(), authorization),
        }
    }

    /// Why a key that is there does not count.
    pub fn fault(&self) -> Option<RoleError> {
        match self {
            Self::Anonymous => None,
            Self::Keys(keys) => keys.fault(),
        }
    }
}

/// SHA-256 of a key: the key itself is not kept.
type Hash = [u8; 32];

/// Hashes by the name of their file.
type Known = BTreeMap<String, Hash>;

/// The keys in a folder, one in each file. Clones share them.
#[derive(Clone, Debug)]
pub struct Keys(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    folder: PathBuf,
    known: ArcSwap<Known>,
    fault: Mutex<Option<RoleError>>,
}

impl Keys {
    /// The keys that are there.
    ///
    /// # Errors
    /// User error `KeysUnusable`: a folder that cannot be read, or holds no key; a file that holds none.
    pub fn open(folder: PathBuf) -> Result<Self, RoleError> {
        let (known, fault) = read(&folder)?;
        if let Some(fault) = fault {
            return Err(fault);
        }
        if known.is_empty() {
            return Err(unusable(&folder, "it holds no file with a key"));
        }
        Ok(Self(Arc::new(Inner {
            folder,
            known: ArcSwap::from_pointee(known),
            fault: Mutex::default(),
        })))
    }

    /// Takes keys as they come and go, until shutdown.
    pub async fn follow(self, shutdown: Shutdown) {
        server::follow(shutdown, move || self.look()).await;
    }

    /// Looks at the folder once. One that cannot be read keeps its keys; a file that cannot be read is no key.
    fn look(&self) {
        let fault = match read(&self.0.folder) {
            Ok((known, fault)) => {
                if **self.0.known.load() != known {
                    tracing::info!(keys = known.len(), "keys changed");
                    self.0.known.store(Arc::new(known));
                }
                fault
            }
            Err(error) => Some(error),
        };
        let current = self.0.fault.lock();
        let mut current = current.unwrap_or_else(PoisonError::into_inner);
        if *current != fault {
            if let Some(error) = &fault {
                tracing::error!(
                    reason = error.reason,
                    cause = error.message,
                    "a key does not count"
                );
            }
            *current = fault;
        }
    }

    fn fault(&self) -> Option<RoleError> {
        let fault = self.0.fault.lock();
        fault.unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// All keys are compared, each to its end: how long it takes tells nothing.
fn decide(known: &Known, authorization: Option<&[u8]>) -> Result<(), Denied> {
    let key = authorization.and_then(bearer).ok_or(Denied::NoKey)?;
    let hash: Hash = Sha256::digest(key).into();
    let equal = |ours: &Hash| {
        let pairs = ours.iter().zip(&hash);
        let differ = pairs.fold(0, |differ, (a, b)| differ | black_box(a ^ b));
        u8::from(differ == 0)
    };
    let found = known
        .values()
        .fold(0, |found, ours| found | black_box(equal(ours)));
    match found {
        0 => Err(Denied::WrongKey),
        _ => Ok(()),
    }
}

/// The key in a header: the scheme has any case, and stands before spaces.
fn bearer(authorization: &[u8]) -> Option<&[u8]> {
    let (scheme, key) = authorization.split_at_checked("Bearer ".len())?;
    let key = key.trim_ascii();
    (scheme.eq_ignore_ascii_case(b"Bearer ") && !key.is_empty()).then_some(key)
}

/// The keys of a folder, and the first file that holds none.
fn read(folder: &Path) -> Result<(Known, Option<RoleError>), RoleError> {
    let (mut known, mut fault) = (Known::new(), None);
    let files = std::fs::read_dir(folder).map_err(|e| unusable(folder, &e.to_string()))?;
    for file in files {
        let file = file.map_err(|e| unusable(folder, &e.to_string()))?;
        let name = file.file_name().to_string_lossy().into_owned();
        // A mounted Secret has `..data` beside its keys, and editors leave such files.
        if name.starts_with('.') {
            continue;
        }
        if known.len() == MOST_KEYS {
            return Err(unusable(
                folder,
                &format!("at most {MOST_KEYS} keys are read"),
            ));
        }
        match key(&file.path()) {
            Ok(key) => {
                known.insert(name, key);
            }
            Err(error) => fault = fault.or(Some(error)),
        }
    }
    Ok((known, fault))
}

fn key(path: &Path) -> Result<Hash, RoleError> {
    let length = std::fs::metadata(path).map_err(|e| unusable(path, &e.to_string()))?;
    if length.len() > LONGEST_KEY {
        return Err(unusable(
            path,
            &format!("a key has at most {LONGEST_KEY} bytes"),
        ));
    }
    let bytes = std::fs::read(path).map_err(|e| unusable(path, &e.to_string()))?;
    let key = bytes.trim_ascii();
    if key.is_empty() || !key.iter().all(u8::is_ascii_graphic) {
        let cause = "a key is one word of visible ASCII characters";
        return Err(unusable(path, cause));
    }
    Ok(Sha256::digest(key).into())
}

fn unusable(path: &Path, cause: &str) -> RoleError {
    let message = format!("keys in {} cannot be used: {cause}", path.display());
    RoleError::user("KeysUnusable", message)
}

#[cfg(test)]
mod tests;

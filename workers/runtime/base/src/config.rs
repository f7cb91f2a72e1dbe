//! The mounted configuration and secrets. Secrets are files, one per key, never environment.

use std::path::{Path, PathBuf};

use foresail_crds::worker_config::{SECRETS_DIR, WorkerConfig};

use crate::RoleError;

/// Largest secret file that is read.
const LARGEST_SECRET: u64 = 64 * 1024;

/// Reads `config.json`.
///
/// # Errors
/// User error `ConfigUnreadable` when the file is absent or not a configuration of this version.
pub fn load(path: &Path) -> Result<WorkerConfig, RoleError> {
    let unreadable = |cause: String| {
        let message = format!(
            "{} cannot be used: {cause}; the operator mounts it",
            path.display()
        );
        RoleError::user("ConfigUnreadable", message)
    };
    let text = std::fs::read(path).map_err(|e| unreadable(e.to_string()))?;
    serde_json::from_slice(&text).map_err(|e| unreadable(e.to_string()))
}

/// Reads one key of one system's secret, without surrounding white space; `None` when the file is absent.
///
/// # Errors
/// User error `SecretUnreadable` when the file is there but cannot be read as text.
pub fn secret(system: &str, key: &str) -> Result<Option<String>, RoleError> {
    let path = secrets_dir().join(system).join(key);
    let unreadable = |cause: String| {
        let message = format!("secret file {} cannot be used: {cause}", path.display());
        RoleError::user("SecretUnreadable", message)
    };
    match std::fs::metadata(&path) {
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(e) => return Err(unreadable(e.to_string())),
        Ok(meta) if meta.len() > LARGEST_SECRET => {
            return Err(unreadable(format!("{} bytes are too many", meta.len())));
        }
        Ok(_) => {}
    }
    let text = std::fs::read_to_string(&path).map_err(|e| unreadable(e.to_string()))?;
    Ok(Some(text.trim().to_string()))
}

/// Like [`secret`], but the key must be there.
///
/// # Errors
/// User error `SecretKeyMissing`, and those of [`secret`].
pub fn required_secret(system: &str, key: &str) -> Result<String, RoleError> {
    secret(system, key)?
        .filter(|text| !text.is_empty())
        .ok_or_else(|| {
            let message = format!("the Secret mounted for `{system}` must have the key `{key}`");
            RoleError::user("SecretKeyMissing", message)
        })
}

/// Path of a secret file, for libraries that read it themselves (CA certificates).
pub fn secret_path(system: &str, key: &str) -> Option<PathBuf> {
    let path = secrets_dir().join(system).join(key);
    path.is_file().then_some(path)
}

fn secrets_dir() -> PathBuf {
    std::env::var_os("FORESAIL_SECRETS_DIR").map_or_else(|| SECRETS_DIR.into(), PathBuf::from)
}

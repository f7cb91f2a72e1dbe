//! The mounted configuration.

use std::path::Path;

use foresail_crds::worker_config::WorkerConfig;

use crate::RoleError;

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

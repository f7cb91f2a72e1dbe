//! The mounted configuration.

use std::path::Path;

use foresail_crds::worker_config::RoleConfig;

use crate::RoleError;

/// Reads `config.json` of a role.
///
/// # Errors
/// User error `ConfigUnreadable` when the file is absent or not a configuration of this version.
pub fn load<C: RoleConfig>(path: &Path) -> Result<C, RoleError> {
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

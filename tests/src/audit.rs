//! The API server's audit log: who wrote what. What the operator did is counted here, not believed.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use serde_json::Value;

use crate::Cluster;
use crate::settings::NeedsNode;

/// One finished request that was not a read.
#[derive(Clone, Debug)]
pub struct Write {
    /// `create`, `update`, `patch`, `delete`.
    pub verb: String,
    /// User name, for example `system:serviceaccount:foresail-system:foresail`.
    pub user: String,
    /// Plural of the kind, with the subresource after a slash.
    pub resource: String,
    /// Name of the object.
    pub name: String,
    /// HTTP status.
    pub code: u64,
    /// When it was received, RFC 3339.
    pub time: String,
}

/// All writes to objects of a namespace, oldest first.
///
/// # Errors
/// When there is no audit log.
pub fn writes(cluster: &Cluster, namespace: &str) -> Result<Vec<Write>> {
    let log = cluster.settings.audit_log.as_ref().ok_or(NeedsNode)?;
    let mut found = Vec::new();
    for file in files(log)? {
        let text =
            fs::read_to_string(&file).with_context(|| format!("cannot read {}", file.display()))?;
        let quoted = format!("\"namespace\":\"{namespace}\"");
        let lines = text.lines().filter(|line| line.contains(&quoted));
        found.extend(
            lines
                .filter_map(|line| serde_json::from_str(line).ok())
                .filter_map(write),
        );
    }
    found.sort_by(|a: &Write, b: &Write| a.time.cmp(&b.time));
    Ok(found)
}

/// The log and its rotated predecessors.
fn files(log: &Path) -> Result<Vec<std::path::PathBuf>> {
    let folder = log.parent().context("the audit log has no folder")?;
    let stem = log
        .file_stem()
        .context("the audit log has no name")?
        .to_string_lossy()
        .into_owned();
    let mut files: Vec<_> = fs::read_dir(folder)?
        .flatten()
        .map(|entry| entry.path())
        .filter(|path| {
            path.file_name()
                .is_some_and(|name| name.to_string_lossy().starts_with(&stem))
        })
        .collect();
    files.sort();
    Ok(files)
}

fn write(event: Value) -> Option<Write> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let verb = text(&event["verb"]);
    if !matches!(
        verb.as_str(),
        "create" | "update" | "patch" | "delete" | "deletecollection"
    ) {
        return None;
    }
    let target = &event["objectRef"];
    let resource = match target["subresource"].as_str() {
        Some(sub) => format!("{}/{sub}", text(&target["resource"])),
        None => text(&target["resource"]),
    };
    Some(Write {
        verb,
        user: text(&event["user"]["username"]),
        resource,
        name: text(&target["name"]),
        code: event["responseStatus"]["code"].as_u64().unwrap_or_default(),
        time: text(&event["requestReceivedTimestamp"]),
    })
}

/// Training Jobs of a Pipeline that ever came into being, by name.
///
/// # Errors
/// When there is no audit log.
pub fn training_jobs(cluster: &Cluster, namespace: &str, pipeline: &str) -> Result<Vec<String>> {
    let prefix = format!("{pipeline}-train-");
    let made = writes(cluster, namespace)?
        .into_iter()
        .filter(|w| w.resource == "jobs" && w.code == 201);
    Ok(made
        .map(|w| w.name)
        .filter(|name| name.starts_with(&prefix))
        .collect())
}

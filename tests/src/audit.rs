//! The API server's audit log: who asked and wrote what. What the operator did is counted here, not believed.

use std::collections::{BTreeMap, BTreeSet};
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

/// What a service account asked of the API server, whatever object it was about: what a right is needed for.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Call {
    /// Group of the API, empty for the core.
    pub group: String,
    /// Plural of the kind, with the subresource after a slash.
    pub resource: String,
    /// `get`, `list`, `watch`, `create`, `update`, `patch`, `delete`.
    pub verb: String,
}

/// All writes to objects of a namespace, oldest first.
///
/// # Errors
/// When there is no audit log.
pub fn writes(cluster: &Cluster, namespace: &str) -> Result<Vec<Write>> {
    let quoted = format!("\"namespace\":\"{namespace}\"");
    let mut found: Vec<Write> = events(cluster, &quoted)?
        .into_iter()
        .filter_map(write)
        .collect();
    found.sort_by(|a: &Write, b: &Write| a.time.cmp(&b.time));
    Ok(found)
}

/// What service accounts have asked since the log began, by `namespace:name`; whether it was granted does not matter.
///
/// # Errors
/// When there is no audit log.
pub fn calls(cluster: &Cluster) -> Result<BTreeMap<String, BTreeSet<Call>>> {
    const ACCOUNT: &str = "system:serviceaccount:";
    let mut calls: BTreeMap<String, BTreeSet<Call>> = BTreeMap::new();
    for event in events(cluster, ACCOUNT)? {
        let user = event["user"]["username"].as_str().unwrap_or_default();
        // Addresses that are no objects, such as `/version`, are for everybody.
        if let (Some(account), true) = (user.strip_prefix(ACCOUNT), event["objectRef"].is_object())
        {
            let asked = calls.entry(account.to_owned()).or_default();
            let call = Call {
                group: text(&event["objectRef"]["apiGroup"]),
                resource: resource(&event["objectRef"]),
                verb: text(&event["verb"]),
            };
            // An apply that makes an object needs the right to create it.
            if call.verb == "patch" && event["responseStatus"]["code"] == 201 {
                asked.insert(Call {
                    verb: "create".into(),
                    ..call.clone()
                });
            }
            asked.insert(call);
        }
    }
    Ok(calls)
}

/// Events whose line holds `word`, in the order of the files.
fn events(cluster: &Cluster, word: &str) -> Result<Vec<Value>> {
    let log = cluster.settings.audit_log.as_ref().ok_or(NeedsNode)?;
    let mut found = Vec::new();
    for file in files(log)? {
        let text =
            fs::read_to_string(&file).with_context(|| format!("cannot read {}", file.display()))?;
        let lines = text.lines().filter(|line| line.contains(word));
        found.extend(lines.filter_map(|line| serde_json::from_str(line).ok()));
    }
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
    let verb = text(&event["verb"]);
    if !matches!(
        verb.as_str(),
        "create" | "update" | "patch" | "delete" | "deletecollection"
    ) {
        return None;
    }
    Some(Write {
        verb,
        user: text(&event["user"]["username"]),
        resource: resource(&event["objectRef"]),
        name: text(&event["objectRef"]["name"]),
        code: event["responseStatus"]["code"].as_u64().unwrap_or_default(),
        time: text(&event["requestReceivedTimestamp"]),
    })
}

fn resource(target: &Value) -> String {
    match target["subresource"].as_str() {
        Some(sub) => format!("{}/{sub}", text(&target["resource"])),
        None => text(&target["resource"]),
    }
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
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

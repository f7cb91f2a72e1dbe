//! Our own programs, run on this machine with the configuration the operator wrote for their pods.

use std::env;
use std::fs::{self, DirBuilder};
use std::os::unix::fs::DirBuilderExt;
use std::path::PathBuf;
use std::process::Stdio;

use anyhow::{Context, Result, ensure};
use bytes::Bytes;
use foresail_crds::Role;
use foresail_crds::worker_config::CONFIG_FILE;
use k8s_openapi::api::core::v1::ConfigMap;
use kube::api::ListParams;
use tokio::process::Command;

use crate::Space;

/// A program built with the tests: it lies above their own.
///
/// # Errors
/// When it was not built.
pub fn program(name: &str) -> Result<PathBuf> {
    let own = env::current_exe()?;
    let folder = own
        .parent()
        .and_then(|deps| deps.parent())
        .context("no folder above the tests")?;
    let path = folder.join(name);
    ensure!(
        path.is_file(),
        "{} is missing: build the workspace",
        path.display()
    );
    Ok(path)
}

/// The newest configuration of a role, as its pods have it.
///
/// # Errors
/// When there is none.
pub async fn configuration(space: &Space, pipeline: &str, role: Role) -> Result<String> {
    let prefix = format!("{pipeline}-config-{role}-");
    let maps = space
        .api::<ConfigMap>()
        .list(&ListParams::default())
        .await?;
    let newest = maps
        .items
        .into_iter()
        .filter(|map| {
            map.metadata
                .name
                .as_deref()
                .is_some_and(|n| n.starts_with(&prefix))
        })
        .max_by_key(|map| map.metadata.creation_timestamp.as_ref().map(|t| t.0))
        .with_context(|| format!("no ConfigMap {prefix}*"))?;
    let data = newest.data.unwrap_or_default();
    data.get(CONFIG_FILE)
        .cloned()
        .with_context(|| format!("no {CONFIG_FILE} in it"))
}

/// The Parquet file of `foresail-trainer dump`: the feature rows of a Delta version.
///
/// # Errors
/// What it prints when it fails.
pub async fn dump(space: &Space, pipeline: &str, delta_version: u64) -> Result<Bytes> {
    dump_as_of(space, pipeline, delta_version, None).await
}

/// The same of what was known at a time, RFC 3339.
///
/// # Errors
/// What it prints when it fails.
pub async fn dump_as_of(
    space: &Space,
    pipeline: &str,
    delta_version: u64,
    as_of: Option<&str>,
) -> Result<Bytes> {
    let folder = Folder::new(space, pipeline, "dump").await?;
    let file = folder.0.join("rows.parquet");
    let (version, output) = (delta_version.to_string(), file.display().to_string());
    let mut arguments = vec!["dump", "--delta-version", &version, "--output", &output];
    arguments.extend(as_of.iter().flat_map(|time| ["--as-of", *time]));
    folder.trainer(&arguments).await?;
    let rows = fs::read(&file);
    Ok(rows.context("no file was written")?.into())
}

/// What `foresail-trainer reproduce` prints of a manifest.
///
/// # Errors
/// What it prints when it fails, also when the weights differ.
pub async fn reproduce(space: &Space, pipeline: &str, manifest_uri: &str) -> Result<String> {
    let folder = Folder::new(space, pipeline, "reproduce").await?;
    folder.trainer(&["reproduce", manifest_uri]).await
}

/// What `foresail-trainer sql` prints.
///
/// # Errors
/// What it prints when it fails.
pub async fn sql(space: &Space, pipeline: &str, query: &str) -> Result<String> {
    sql_with(space, pipeline, &[query]).await
}

/// The same with arguments before the query.
///
/// # Errors
/// What it prints when it fails.
pub async fn sql_with(space: &Space, pipeline: &str, arguments: &[&str]) -> Result<String> {
    let folder = Folder::new(space, pipeline, "sql").await?;
    folder.trainer(&[&["sql"], arguments].concat()).await
}

/// Configuration and secrets as a pod has them; goes with its owner.
struct Folder(PathBuf);

impl Folder {
    async fn new(space: &Space, pipeline: &str, what: &str) -> Result<Self> {
        let folder = env::temp_dir().join(format!("foresail-{what}-{}-{pipeline}", space.name));
        let secrets = folder.join("secrets/lake");
        // The temporary folder is everybody's, the keys are not.
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(&secrets)?;
        let folder = Self(folder);
        let settings = &space.cluster.settings;
        fs::write(secrets.join("accessKeyId"), &settings.access_key)?;
        fs::write(secrets.join("secretAccessKey"), &settings.secret_key)?;
        let config = configuration(space, pipeline, Role::Train).await?;
        fs::write(folder.0.join(CONFIG_FILE), config)?;
        Ok(folder)
    }

    /// Runs the trainer; what it printed.
    async fn trainer(&self, arguments: &[&str]) -> Result<String> {
        let output = Command::new(program("foresail-trainer")?)
            .args(arguments)
            .arg("--config")
            .arg(self.0.join(CONFIG_FILE))
            .env("FORESAIL_SECRETS_DIR", self.0.join("secrets"))
            .stdin(Stdio::null())
            .output()
            .await
            .context("cannot run foresail-trainer")?;
        let printed = String::from_utf8_lossy(&output.stdout).into_owned();
        ensure!(
            output.status.success(),
            "foresail-trainer {arguments:?}: {printed}{}",
            String::from_utf8_lossy(&output.stderr)
        );
        Ok(printed)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        fs::remove_dir_all(&self.0).ok();
    }
}

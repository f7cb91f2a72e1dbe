//! Our own programs, run on this machine with the configuration the operator wrote for their pods.

use std::env;
use std::fs;
use std::path::PathBuf;
use std::process::Stdio;

use anyhow::{Context, Result, ensure};
use bytes::Bytes;
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

/// The newest configuration of a Pipeline, as its pods have it.
///
/// # Errors
/// When there is none.
pub async fn configuration(space: &Space, pipeline: &str) -> Result<String> {
    let prefix = format!("{pipeline}-config-");
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
/// Its own words.
pub async fn dump(space: &Space, pipeline: &str, delta_version: u64) -> Result<Bytes> {
    let folder = env::temp_dir().join(format!("foresail-dump-{}-{pipeline}", space.name));
    let secrets = folder.join("secrets/lake");
    fs::create_dir_all(&secrets)?;
    let settings = &space.cluster.settings;
    fs::write(secrets.join("accessKeyId"), &settings.access_key)?;
    fs::write(secrets.join("secretAccessKey"), &settings.secret_key)?;
    let config = folder.join(CONFIG_FILE);
    fs::write(&config, configuration(space, pipeline).await?)?;
    let file = folder.join("rows.parquet");
    let output = Command::new(program("foresail-trainer")?)
        .args([
            "dump",
            "--delta-version",
            &delta_version.to_string(),
            "--config",
        ])
        .arg(&config)
        .arg("--output")
        .arg(&file)
        .env("FORESAIL_SECRETS_DIR", folder.join("secrets"))
        .stdin(Stdio::null())
        .output()
        .await;
    let rows = fs::read(&file);
    fs::remove_dir_all(&folder)?;
    let output = output.context("cannot run foresail-trainer")?;
    ensure!(
        output.status.success(),
        "foresail-trainer dump: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    Ok(rows.context("no file was written")?.into())
}

//! Which tests run beside each other: four that make Pipelines, since the node has two cores, and a test that breaks
//! what all of them share runs alone. Each test is a process of its own, so a turn is a lock on a file: it ends with its
//! process, however that ends. Places go to tests in the order in which they asked, and nextest starts first those that wait
//! longest (`priority` in `.config/nextest.toml`).

use std::fs::{self, File, TryLockError};
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result};
use tokio::time::sleep;

const PLACES: usize = 4;
const POLL: Duration = Duration::from_millis(200);
/// All tests start within this time. Whoever wants to be alone waits for those that can share: first come first
/// served would make everybody wait for each of them.
const START: Duration = Duration::from_secs(3);

/// Held while a test runs.
#[derive(Debug)]
pub struct Turn {
    _locks: Vec<File>,
}

/// Where the turns of one cluster are taken.
pub fn folder(cluster: &str) -> PathBuf {
    std::env::temp_dir().join(format!("foresail-turns-{cluster}"))
}

/// A turn beside others.
///
/// # Errors
/// When the locks cannot be made.
pub async fn shared(folder: &Path) -> Result<Turn> {
    let all = open(folder, "all")?;
    // From here on those who want to be alone wait, also while this test waits for a place.
    while !taken(all.try_lock_shared())? {
        sleep(POLL).await;
    }
    let _first = first_in_line(open(folder, "line")?).await?;
    loop {
        for place in 0..PLACES {
            let place = open(folder, &format!("place-{place}"))?;
            if taken(place.try_lock())? {
                return Ok(Turn {
                    _locks: vec![place, all],
                });
            }
        }
        sleep(POLL).await;
    }
}

/// Waits behind those who came before: Linux hands a file's lock on in the order in which it was asked for. Whoever
/// gives up while waiting leaves the line a moment after its turn has come.
async fn first_in_line(line: File) -> Result<File> {
    let wait = move || line.lock().map(|()| line).context("cannot lock a turn");
    tokio::task::spawn_blocking(wait).await?
}

/// A turn with nobody beside it.
///
/// # Errors
/// When the lock cannot be made.
pub async fn alone(folder: &Path) -> Result<Turn> {
    sleep(START).await;
    let all = open(folder, "all")?;
    while !taken(all.try_lock())? {
        sleep(POLL).await;
    }
    Ok(Turn { _locks: vec![all] })
}

fn open(folder: &Path, name: &str) -> Result<File> {
    fs::create_dir_all(folder).with_context(|| format!("cannot create {}", folder.display()))?;
    let file = folder.join(name);
    File::create(&file).with_context(|| format!("cannot write {}", file.display()))
}

fn taken(answer: std::result::Result<(), TryLockError>) -> Result<bool> {
    match answer {
        Ok(()) => Ok(true),
        Err(TryLockError::WouldBlock) => Ok(false),
        Err(TryLockError::Error(error)) => Err(error).context("cannot lock a turn"),
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::timeout;

    use super::*;

    const SOON: Duration = Duration::from_millis(300);
    const LATER: Duration = Duration::from_secs(10);

    #[tokio::test]
    async fn some_share_and_one_more_waits() -> Result<()> {
        let folder = folder(&format!("shared-{}", std::process::id()));
        let mut turns = Vec::new();
        for _ in 0..PLACES {
            turns.push(timeout(SOON, shared(&folder)).await??);
        }
        assert!(timeout(SOON, shared(&folder)).await.is_err());
        turns.pop();
        timeout(LATER, shared(&folder)).await??;
        fs::remove_dir_all(folder)?;
        Ok(())
    }

    #[tokio::test]
    async fn who_is_alone_waits_for_all_and_lets_nobody_in() -> Result<()> {
        let folder = folder(&format!("alone-{}", std::process::id()));
        let other = shared(&folder).await?;
        assert!(timeout(START + SOON, alone(&folder)).await.is_err());
        drop(other);
        let turn = timeout(LATER, alone(&folder)).await??;
        assert!(timeout(SOON, shared(&folder)).await.is_err());
        drop(turn);
        timeout(SOON, shared(&folder)).await??;
        fs::remove_dir_all(folder)?;
        Ok(())
    }
}

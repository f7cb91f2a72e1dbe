//! Which tests run beside each other: four that make Pipelines, since the node has two cores, and a test that breaks
//! what all of them share runs alone; those that only break the operator run alone together. Each test is a process of
//! its own, so a turn is a lock on a file: it ends with its process, however that ends. Places go to tests in the order
//! in which they asked, and nextest starts first those that wait longest (`priority` in `.config/nextest.toml`).

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
    /// Of a group that runs alone together: its members hold it as long as they run.
    members: Option<File>,
}

impl Turn {
    fn new(locks: Vec<File>) -> Self {
        Self {
            _locks: locks,
            members: None,
        }
    }

    /// Gives the turn back; whoever has let others of a group in waits for them first.
    ///
    /// # Errors
    /// When the lock cannot be taken.
    pub async fn end(self) -> Result<()> {
        let Some(members) = self.members.as_ref() else {
            return Ok(());
        };
        members.unlock().context("cannot give a turn back")?;
        while !taken(members.try_lock())? {
            sleep(POLL).await;
        }
        Ok(())
    }
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
                return Ok(Turn::new(vec![place, all]));
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
    Ok(Turn::new(vec![all]))
}

/// A turn with nobody beside it but others of the same group.
///
/// # Errors
/// When the lock cannot be made.
pub async fn alone_together(folder: &Path, group: &str) -> Result<Turn> {
    let members = open(folder, &format!("{group}-members"))?;
    while !taken(members.try_lock_shared())? {
        sleep(POLL).await;
    }
    sleep(START).await;
    let (all, leads) = (
        open(folder, "all")?,
        open(folder, &format!("{group}-leads"))?,
    );
    loop {
        if taken(all.try_lock())? {
            leads.lock().context("cannot lock a turn")?;
            return Ok(Turn {
                _locks: vec![all, leads],
                members: Some(members),
            });
        }
        // One of us has the turn: it is ours too, and ends when we all have ended.
        if !taken(leads.try_lock_shared())? {
            return Ok(Turn::new(vec![members]));
        }
        leads.unlock().context("cannot give a turn back")?;
        sleep(POLL).await;
    }
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
    async fn a_group_is_alone_together_until_its_last_has_ended() -> Result<()> {
        let folder = folder(&format!("group-{}", std::process::id()));
        let ours = || timeout(LATER, alone_together(&folder, "ours"));
        let (first, second) = tokio::join!(ours(), ours());
        let (first, second) = (first??, second??);
        assert!(timeout(SOON, shared(&folder)).await.is_err());
        let (leader, member) = match first.members.is_some() {
            true => (first, second),
            false => (second, first),
        };
        assert!(leader.members.is_some() && member.members.is_none());
        let ending = tokio::spawn(leader.end());
        sleep(SOON).await;
        assert!(!ending.is_finished(), "the other one still runs");
        assert!(timeout(SOON, shared(&folder)).await.is_err());
        drop(member);
        timeout(LATER, ending).await???;
        timeout(SOON, shared(&folder)).await??;
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

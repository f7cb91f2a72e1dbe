//! The versions that answer, as requests name them.

use std::sync::Arc;

use crate::signature::Signature;

/// One loaded version.
#[derive(Clone, Debug)]
pub struct Version {
    /// Its number.
    pub number: u32,
    /// What it takes and gives.
    pub signature: Arc<Signature>,
}

/// What one request sees: the model of this server and the versions of it that are loaded.
#[derive(Clone, Debug)]
pub struct Models {
    /// Name of the model: that of the Pipeline.
    pub name: String,
    /// What answers where no version is asked for; absent until one is loaded.
    pub champion: Option<Version>,
    /// What answered before it.
    pub previous: Option<Version>,
    /// Loaded beside these, for requests that name them.
    pub others: Vec<Version>,
}

impl Models {
    /// Every version that is loaded, those with a label first.
    fn loaded(&self) -> impl Iterator<Item = &Version> {
        self.champion
            .iter()
            .chain(&self.previous)
            .chain(&self.others)
    }

    /// The loaded versions, newest first.
    pub fn versions(&self) -> Vec<&Version> {
        let mut loaded: Vec<&Version> = self.loaded().collect();
        loaded.sort_by_key(|version| std::cmp::Reverse(version.number));
        loaded.dedup_by_key(|version| version.number);
        loaded
    }

    /// A loaded version by its number.
    pub fn version(&self, number: u64) -> Option<&Version> {
        self.loaded().find(|v| u64::from(v.number) == number)
    }

    /// A version by its label, `champion` or `previous`; `None` for another label, and where none has it.
    pub fn labelled(&self, label: &str) -> Option<&Version> {
        match label {
            "champion" => self.champion.as_ref(),
            "previous" => self.previous.as_ref(),
            _ => None,
        }
    }
}

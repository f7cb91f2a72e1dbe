//! The key of an account, which nothing prints.

use std::fmt;

/// A secret that a provider knows an account by.
#[derive(Clone, PartialEq, Eq)]
pub struct Key(String);

impl Key {
    /// The key of this text, without the spaces and line ends around it that files of secrets have; `None` when nothing
    /// is left.
    pub fn new(text: &str) -> Option<Self> {
        let text = text.trim();
        (!text.is_empty()).then(|| Self(text.to_owned()))
    }

    /// The text, for the HTTP client and for what removes it from other texts.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Key(***)")
    }
}

//! Why an object is refused.

use std::fmt;

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// Place of the field, for example `spec.features[0].window`; empty for the object as a whole.
    pub path: String,
    /// What is wrong, in the API server's words; the field is named.
    pub message: String,
    /// The field must be text, and is something else.
    pub(crate) wants_text: bool,
}

impl Refusal {
    /// `message` about the field at `path`.
    pub(crate) fn new(path: impl Into<String>, message: impl fmt::Display) -> Self {
        let path = path.into();
        Self {
            message: format!("{path}: {message}"),
            path,
            wants_text: false,
        }
    }

    /// The object as a whole.
    pub(crate) fn whole(message: impl Into<String>) -> Self {
        Self {
            path: String::new(),
            message: message.into(),
            wants_text: false,
        }
    }

    /// A field that no schema has.
    pub(crate) fn unknown(path: impl Into<String>) -> Self {
        let path = path.into();
        Self {
            message: format!("strict decoding error: unknown field \"{path}\""),
            path,
            wants_text: false,
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

/// All that is wrong with a file, a line each.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}", .0.join("\n"))]
pub struct Refused(Vec<String>);

impl Refused {
    pub(crate) fn new(lines: Vec<String>) -> Self {
        Self(lines)
    }
}

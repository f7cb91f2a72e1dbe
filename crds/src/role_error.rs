//! Why a role cannot do its work, with the person who can mend it. Here and not beside the admin
//! server, so that pure crates can refuse a spec without linking one.

use crate::pipeline::status::{ErrorClass, WorkerError};

/// Why a role cannot do its work.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{reason}: {message}")]
pub struct RoleError {
    /// Who can mend it.
    pub class: ErrorClass,
    /// CamelCase reason; docs/operations.md lists all of them.
    pub reason: String,
    /// Object, cause, what happens next.
    pub message: String,
}

/// Longest reason that fits the schema of status.
const LONGEST_REASON: usize = 64;
/// Longest message that fits the schema of status.
const LONGEST_MESSAGE: usize = 1_000;

/// Text for status, conditions and Events, which may hold what a file or a server outside said: without characters that
/// the API server refuses or a terminal obeys, and at most `most` characters long.
pub fn presentable(text: &str, most: usize) -> String {
    let shown = |c: char| if c.is_control() { '\u{fffd}' } else { c };
    text.chars().map(shown).take(most).collect()
}

/// The address of a file for people: without what stands before `@` and behind `?`, which may be a password or a
/// signature.
pub fn shown_address(uri: &str) -> String {
    let open = uri.split(['?', '#']).next().unwrap_or_default();
    let Some((scheme, rest)) = open.split_once("://") else {
        return open.to_string();
    };
    let (authority, path) = rest.split_at(rest.find(['/', '\\']).unwrap_or(rest.len()));
    let host = authority.rsplit('@').next().unwrap_or_default();
    format!("{scheme}://{host}{path}")
}

impl RoleError {
    /// The declared configuration or data is wrong.
    pub fn user(reason: impl Into<String>, message: impl Into<String>) -> Self {
        Self::new(ErrorClass::User, reason, message)
    }

    /// A system outside Foresail fails.
    pub fn outside(reason: impl Into<String>, message: impl Into<String>) -> Self {
        Self::new(ErrorClass::Outside, reason, message)
    }

    /// Foresail is at fault.
    pub fn internal(reason: impl Into<String>, message: impl Into<String>) -> Self {
        Self::new(ErrorClass::Internal, reason, message)
    }

    fn new(class: ErrorClass, reason: impl Into<String>, message: impl Into<String>) -> Self {
        Self {
            class,
            reason: reason.into(),
            message: message.into(),
        }
    }

    /// For `status.<role>.error`, cut to the lengths of its schema.
    pub fn to_worker_error(&self) -> WorkerError {
        WorkerError {
            class: self.class,
            reason: presentable(&self.reason, LONGEST_REASON),
            message: presentable(&self.message, LONGEST_MESSAGE),
        }
    }

    /// Process exit code: 64 user, 75 outside, 70 internal. The Job's failure policy reads it.
    pub fn exit_code(&self) -> u8 {
        self.class.exit_code()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn status_gets_what_its_schema_takes() {
        let error = RoleError::user("R".repeat(100), "ä".repeat(2_000)).to_worker_error();
        assert_eq!(error.reason.len(), LONGEST_REASON);
        assert_eq!(error.message.chars().count(), LONGEST_MESSAGE);
        assert_eq!(error.class, ErrorClass::User);
        let error = RoleError::user("R", "a\u{0}b\u{1b}[31m\nc").to_worker_error();
        assert_eq!(error.message, "a\u{fffd}b\u{fffd}[31m\u{fffd}c");
    }

    #[test]
    fn an_address_is_shown_without_its_credentials() {
        for (uri, shown) in [
            ("https://h.com/a/b.csv?X-Sig=abc#d", "https://h.com/a/b.csv"),
            (
                "https://user:pa@ss@h.com:8443/b.csv",
                "https://h.com:8443/b.csv",
            ),
            ("https://h.com/a@b.csv", "https://h.com/a@b.csv"),
            ("https://user:pass@h.com?x", "https://h.com"),
            ("s3://bucket/key", "s3://bucket/key"),
            ("nothing?x", "nothing"),
        ] {
            assert_eq!(shown_address(uri), shown);
        }
    }

    #[test]
    fn the_exit_code_tells_the_class() {
        assert_eq!(RoleError::user("A", "b").exit_code(), 64);
        assert_eq!(RoleError::outside("A", "b").exit_code(), 75);
        assert_eq!(RoleError::internal("A", "b").exit_code(), 70);
        assert_eq!(RoleError::user("A", "b").to_string(), "A: b");
    }
}

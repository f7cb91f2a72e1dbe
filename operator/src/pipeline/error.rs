//! Why a reconcile did not finish, and what the API server refused.

use foresail_crds::Role;

/// A step that failed, and the object it failed on.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Reading what exists.
    #[error("reading {object}: {source}")]
    Dereference {
        /// Kind, and name where there is one.
        object: String,
        /// Cause.
        source: kube::Error,
    },
    /// Applying a child.
    #[error("applying {object}: {source}")]
    Apply {
        /// Kind and name.
        object: String,
        /// Cause.
        source: kube::Error,
    },
    /// Writing status.
    #[error("writing status: {0}")]
    Status(#[source] kube::Error),
    /// Setting or removing the finalizer.
    #[error("writing the finalizer: {0}")]
    Finalizer(#[source] kube::Error),
    /// Removing what the Pipeline has outside the cluster.
    #[error("cleaning up, {object}: {source}")]
    Cleanup {
        /// Kind, and name where there is one.
        object: String,
        /// Cause.
        source: kube::Error,
    },
}

impl Error {
    /// What the API server or the connection said.
    pub fn cause(&self) -> &kube::Error {
        match self {
            Self::Dereference { source, .. }
            | Self::Apply { source, .. }
            | Self::Cleanup { source, .. }
            | Self::Status(source)
            | Self::Finalizer(source) => source,
        }
    }

    /// The object was written by another between our read and our write.
    pub fn is_conflict(&self) -> bool {
        code(self.cause()) == Some(409)
    }

    /// The API server's words, when it answered and will answer the same until something is corrected: a quota, a
    /// policy, a value out of its range, a right that is missing.
    pub fn refusal(&self) -> Option<&str> {
        match self.cause() {
            kube::Error::Api(status) if is_final(status.code) => Some(&status.message),
            _ => None,
        }
    }

    /// The object it failed on, for people.
    pub fn object(&self) -> &str {
        match self {
            Self::Dereference { object, .. }
            | Self::Apply { object, .. }
            | Self::Cleanup { object, .. } => object,
            Self::Status(_) => "status",
            Self::Finalizer(_) => "finalizer",
        }
    }

    /// Low-cardinality name for metrics.
    pub fn category(&self) -> &'static str {
        match self {
            Self::Dereference { .. } => "Dereference",
            Self::Apply { .. } => "Apply",
            Self::Status(_) => "Status",
            Self::Finalizer(_) => "Finalizer",
            Self::Cleanup { .. } => "Cleanup",
        }
    }
}

/// A conflict and a request to slow down are answered otherwise the next time.
fn is_final(code: u16) -> bool {
    (400..500).contains(&code) && !matches!(code, 409 | 429)
}

/// An object that could not be read, made or removed, as conditions say it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused {
    /// The role it belongs to, where it belongs to one.
    pub role: Option<Role>,
    /// CamelCase reason.
    pub reason: &'static str,
    /// Object, the API server's words, what happens next.
    pub message: String,
}

impl Refused {
    /// What the API server refused; none for an error that is no refusal.
    pub fn by_server(error: &Error, role: Option<Role>) -> Option<Self> {
        let words = error.refusal()?;
        Some(Self {
            role,
            reason: "Refused",
            message: format!(
                "the API server refuses {}: {words}; correct what it names, it is tried again",
                error.object()
            ),
        })
    }
}

/// HTTP code of a refusal; none when there was no answer.
pub(super) fn code(error: &kube::Error) -> Option<u16> {
    match error {
        kube::Error::Api(status) => Some(status.code),
        _ => None,
    }
}

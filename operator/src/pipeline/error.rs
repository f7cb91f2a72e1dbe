//! Why a reconcile did not finish.

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

/// HTTP code of a refusal; none when there was no answer.
pub(super) fn code(error: &kube::Error) -> Option<u16> {
    match error {
        kube::Error::Api(status) => Some(status.code),
        _ => None,
    }
}

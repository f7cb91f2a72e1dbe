//! Errors that end or hold up a role, with the person who can mend them.

use foresail_crds::pipeline::status::{ErrorClass, WorkerError};

/// Why a role cannot do its work.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{reason}: {message}")]
pub struct RoleError {
    /// Who can mend it.
    pub class: ErrorClass,
    /// CamelCase reason.
    pub reason: String,
    /// Object, cause, what happens next.
    pub message: String,
}

/// Longest message that fits the schema of status.
const LONGEST_MESSAGE: usize = 1_000;

impl RoleError {
    /// The declared configuration or data is wrong.
    pub fn user(reason: impl Into<String>, message: impl Into<String>) -> Self {
        Self {
            class: ErrorClass::User,
            reason: reason.into(),
            message: message.into(),
        }
    }

    /// A system outside Foresail fails.
    pub fn outside(reason: impl Into<String>, message: impl Into<String>) -> Self {
        Self {
            class: ErrorClass::Outside,
            reason: reason.into(),
            message: message.into(),
        }
    }

    /// Foresail is at fault.
    pub fn internal(reason: impl Into<String>, message: impl Into<String>) -> Self {
        Self {
            class: ErrorClass::Internal,
            reason: reason.into(),
            message: message.into(),
        }
    }

    /// For `status.<role>.error`.
    pub fn to_worker_error(&self) -> WorkerError {
        WorkerError {
            class: self.class,
            reason: self.reason.chars().take(64).collect(),
            message: self.message.chars().take(LONGEST_MESSAGE).collect(),
        }
    }

    /// Process exit code: 64 user, 75 outside, 70 internal. The Job's failure policy reads it.
    pub fn exit_code(&self) -> u8 {
        self.class.exit_code()
    }
}

/// Ends a program: the error as one JSON line on standard error, where the kubelet picks it up as the
/// termination message, and the exit code the Job's failure policy reads.
pub fn exit_with(error: &RoleError) -> std::process::ExitCode {
    let line =
        serde_json::to_string(&error.to_worker_error()).unwrap_or_else(|_| error.to_string());
    eprintln!("{line}");
    // Outside a pod there is no such file, and nobody to read it.
    std::fs::write("/dev/termination-log", &line).ok();
    std::process::ExitCode::from(error.exit_code())
}

//! Errors of Delta and of the object store as errors of a role, by their kinds.

use std::error::Error;
use std::io;

use buoyant_kernel::Error as KernelError;
use deltalake_core::DeltaTableError;
use deltalake_core::kernel::transaction::TransactionError;
use foresail_crds::RoleError;
use foresail_runtime_store::S3Uri;
use object_store::Error as StoreError;
use object_store::client::HttpError;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// Another writer was first.
    Conflict,
    AccessDenied,
    BucketMissing,
    /// No answer.
    Unreachable,
    Unreadable,
}

/// `what` names the operation, for example "opening".
pub(crate) fn explain(what: &str, uri: &S3Uri, error: &DeltaTableError) -> RoleError {
    let message = format!(
        "{what} the bar table {uri}: {}; it is retried",
        without_body(&chain(error))
    );
    match kind(error) {
        Kind::Conflict => RoleError::outside("LakeConflict", message),
        Kind::AccessDenied => RoleError::user("S3AccessDenied", message),
        Kind::BucketMissing => RoleError::user("S3BucketMissing", message),
        Kind::Unreachable => RoleError::outside("S3Unreachable", message),
        Kind::Unreadable => RoleError::outside("LakeUnreadable", message),
    }
}

/// Whether S3 refused or did not answer, so that nothing is known about the table.
pub(crate) fn is_of_the_store(error: &DeltaTableError) -> bool {
    matches!(
        kind(error),
        Kind::AccessDenied | Kind::BucketMissing | Kind::Unreachable
    )
}

/// The first error of the chain that has a kind.
fn kind(error: &(dyn Error + 'static)) -> Kind {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(kind) = own_kind(error) {
            return kind;
        }
        next = inside(error);
    }
    Kind::Unreadable
}

/// The next error of the chain. Some wrappers do not name what they hold as their source.
fn inside<'a>(error: &'a (dyn Error + 'static)) -> Option<&'a (dyn Error + 'static)> {
    if let Some(KernelError::ObjectStore(inner)) = error.downcast_ref() {
        return Some(inner);
    }
    if let Some(io) = error.downcast_ref::<io::Error>() {
        return io.get_ref().map(|inner| inner as &(dyn Error + 'static));
    }
    error.source()
}

fn own_kind(error: &(dyn Error + 'static)) -> Option<Kind> {
    if let Some(delta) = error.downcast_ref::<DeltaTableError>() {
        let conflict = match delta {
            DeltaTableError::VersionAlreadyExists(_) => true,
            DeltaTableError::Transaction { source } => is_conflict(source),
            _ => false,
        };
        return conflict.then_some(Kind::Conflict);
    }
    if let Some(KernelError::FileAlreadyExists(_)) = error.downcast_ref() {
        return Some(Kind::Conflict);
    }
    if let Some(store) = error.downcast_ref::<StoreError>() {
        return kind_in_store(store);
    }
    // Whatever broke between the request and the whole answer.
    error.downcast_ref::<HttpError>().map(|_| Kind::Unreachable)
}

fn is_conflict(error: &TransactionError) -> bool {
    matches!(
        error,
        TransactionError::VersionAlreadyExists(_)
            | TransactionError::CommitConflict(_)
            | TransactionError::MaxCommitAttempts(_)
    )
}

fn kind_in_store(error: &StoreError) -> Option<Kind> {
    let text = error.to_string();
    // Servers differ in the HTTP status of these two; the code in the body is what S3 defines.
    match s3_code(&text) {
        Some("NoSuchBucket") => return Some(Kind::BucketMissing),
        Some(
            "AccessDenied" | "InvalidAccessKeyId" | "SignatureDoesNotMatch" | "XAdminUserNotFound",
        ) => return Some(Kind::AccessDenied),
        _ => {}
    }
    match error {
        StoreError::AlreadyExists { .. } | StoreError::Precondition { .. } => Some(Kind::Conflict),
        StoreError::PermissionDenied { .. } | StoreError::Unauthenticated { .. } => {
            Some(Kind::AccessDenied)
        }
        // Listing gives no other kind, and the type that holds its HTTP status is private.
        StoreError::Generic { .. } => {
            matches!(http_status(&text), Some("401" | "403")).then_some(Kind::AccessDenied)
        }
        _ => None,
    }
}

/// The HTTP status in the text of a request that failed.
fn http_status(text: &str) -> Option<&str> {
    let (_, rest) = text.split_once("status code: ")?;
    rest.get(..3)
}

/// `<Code>` of the XML that S3 answers errors with.
fn s3_code(text: &str) -> Option<&str> {
    let (_, rest) = text.split_once("<Code>")?;
    rest.split_once("</Code>").map(|(code, _)| code)
}

/// A text up to the HTTP status in it. The body that follows is what a server said, and it may be anybody's.
fn without_body(text: &str) -> &str {
    let status = text.find("status code: ");
    let body = status.and_then(|at| Some(at + text[at..].find(": ")? + 2));
    let end = body.and_then(|at| Some(at + text[at..].find(':')?));
    end.map_or(text, |end| &text[..end])
}

fn chain(error: &(dyn Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut next = inside(error);
    while let Some(inner) = next {
        let inner_text = inner.to_string();
        if !text.contains(&inner_text) {
            text = format!("{text}: {inner_text}");
        }
        next = inside(inner);
    }
    text
}

#[cfg(test)]
mod tests;

//! SDK errors as errors of a role.

use aws_sdk_s3::error::{ProvideErrorMetadata, SdkError};
use foresail_runtime_base::RoleError;
use foresail_runtime_base::address::NotAllowed;

/// HTTP status of an answered request.
pub(crate) fn status<E>(error: &SdkError<E>) -> Option<u16> {
    error.raw_response().map(|r| r.status().as_u16())
}

/// `what` names the operation and its object, for example "reading s3://b/k".
pub(crate) fn explain<E>(what: &str, endpoint: &str, error: &SdkError<E>) -> RoleError
where
    E: ProvideErrorMetadata + std::error::Error + 'static,
{
    if let Some(refused) = NotAllowed::within(error) {
        return refused.explain(&format!("{what} at {endpoint}"));
    }
    let code = code(error.code());
    let at = |cause: &str| format!("{what} at {endpoint}: {cause}");
    match (status(error), code) {
        (_, "NoSuchBucket") => RoleError::user(
            "S3BucketMissing",
            at("the bucket does not exist; make it or change the URI"),
        ),
        // The last one is what the Versity gateway calls an unknown access key (with HTTP 404).
        (
            _,
            "InvalidAccessKeyId" | "SignatureDoesNotMatch" | "AccessDenied" | "XAdminUserNotFound",
        )
        | (Some(401 | 403), _) => {
            let cause = format!(
                "access is denied ({code}); check the Secret's accessKeyId and secretAccessKey"
            );
            RoleError::user("S3AccessDenied", at(&cause))
        }
        (Some(404), "" | "NoSuchKey" | "NotFound") => {
            RoleError::outside("S3NotFound", at("the object does not exist"))
        }
        (Some(http), _) => RoleError::outside(
            "S3Failed",
            at(&format!("HTTP {http} {code}; it is retried")),
        ),
        (None, _) => {
            let cause = format!("no answer ({}); it is retried", root(error));
            RoleError::outside("S3Unreachable", at(&cause))
        }
    }
}

/// The word that S3 defines for an error. Nothing else of an answer is repeated: the server may be anybody's.
fn code(answered: Option<&str>) -> &str {
    let is_word = |code: &&str| {
        code.len() <= 64 && code.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'.')
    };
    answered.filter(is_word).unwrap_or("")
}

fn root(error: &dyn std::error::Error) -> String {
    let mut current = error;
    while let Some(source) = current.source() {
        current = source;
    }
    current.to_string()
}

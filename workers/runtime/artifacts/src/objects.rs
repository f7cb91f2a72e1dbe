//! What an artifact is read from and written to.

use std::future::Future;

use bytes::Bytes;
use foresail_crds::RoleError;
use foresail_crds::names::sha256_hex;
use foresail_runtime_store::{Bounded, PutNew, S3Uri, Store};

/// Objects by URI; S3, or memory in tests.
pub trait Objects: Sync {
    /// An object of at most `most` bytes.
    ///
    /// # Errors
    /// `S3NotFound`, failures of S3.
    fn get_at_most(
        &self,
        uri: &S3Uri,
        most: u64,
    ) -> impl Future<Output = Result<Bounded, RoleError>> + Send;

    /// Whether it exists.
    ///
    /// # Errors
    /// Failures of S3.
    fn exists(&self, uri: &S3Uri) -> impl Future<Output = Result<bool, RoleError>> + Send;

    /// Writes unless it exists.
    ///
    /// # Errors
    /// Failures of S3.
    fn put_new(
        &self,
        uri: &S3Uri,
        body: Bytes,
    ) -> impl Future<Output = Result<PutNew, RoleError>> + Send;
}

impl Objects for Store {
    async fn get_at_most(&self, uri: &S3Uri, most: u64) -> Result<Bounded, RoleError> {
        Store::get_at_most(self, uri, most).await
    }

    async fn exists(&self, uri: &S3Uri) -> Result<bool, RoleError> {
        Ok(self.size(uri).await?.is_some())
    }

    async fn put_new(&self, uri: &S3Uri, body: Bytes) -> Result<PutNew, RoleError> {
        Store::put_new(self, uri, body).await
    }
}

/// The bytes, when they have this SHA-256 (hex).
///
/// # Errors
/// User error `DigestMismatch`.
pub(crate) fn verified(uri: &S3Uri, bytes: Bytes, sha256: &str) -> Result<Bytes, RoleError> {
    let actual = sha256_hex(&bytes);
    if actual == sha256 {
        return Ok(bytes);
    }
    Err(damaged(
        uri,
        &format!("has SHA-256 {actual}, expected {sha256}"),
    ))
}

pub(crate) fn damaged(uri: &S3Uri, what: &str) -> RoleError {
    let message = format!("{uri} {what}: the object was damaged or replaced and is not used");
    RoleError::user("DigestMismatch", message)
}

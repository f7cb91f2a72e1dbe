//! What a store must be able to do before anything is built on it.

use bytes::Bytes;
use foresail_runtime_base::{RoleError, clock};

use crate::error::{explain, status};
use crate::{PutNew, S3Uri, Store};

impl Store {
    /// Writes, reads back and removes a small object below `folder`, and checks that create-only and
    /// match-only writes are honoured. Delta commits and manifests rest on both.
    ///
    /// # Errors
    /// User error `S3PreconditionsIgnored`, and those of the single operations.
    pub async fn probe(&self, folder: &S3Uri) -> Result<(), RoleError> {
        let uri = folder.join(&format!(
            ".probe-{}-{}",
            std::process::id(),
            clock::now_ms()
        ));
        let result = self.probe_object(&uri).await;
        // Removed whatever the result was; the first error is the one that matters.
        let removed = self.delete(&uri).await;
        result.and(removed)
    }

    async fn probe_object(&self, uri: &S3Uri) -> Result<(), RoleError> {
        let ignored = |what: &str| {
            let message = format!(
                "{} ignores {what} on PUT ({uri}); use a store that honours conditional writes",
                self.endpoint
            );
            RoleError::user("S3PreconditionsIgnored", message)
        };
        let body = Bytes::from_static(b"foresail probe");
        self.put_new(uri, body.clone()).await?;
        if self.put_new(uri, body.clone()).await? != PutNew::Exists {
            return Err(ignored("If-None-Match"));
        }
        if self.get(uri).await? != body {
            let message = format!("{uri} reads back other bytes than were written");
            return Err(RoleError::outside("S3Inconsistent", message));
        }
        let request = self.client.put_object().bucket(&uri.bucket).key(&uri.key);
        let request = request
            .if_match("\"00000000000000000000000000000000\"")
            .body(body.into());
        match self.effects.perform("s3", "probe", request.send()).await {
            Ok(_) => Err(ignored("If-Match")),
            Err(e) if matches!(status(&e), Some(412 | 409 | 404)) => Ok(()),
            Err(e) => Err(explain(&format!("probing {uri}"), &self.endpoint, &e)),
        }
    }
}

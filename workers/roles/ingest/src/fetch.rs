//! Brings a CSV file here, from S3 or HTTP, and sees whether it has changed since.

use bytes::Bytes;
use foresail_crds::role::LARGEST_SOURCE_BYTES;
use foresail_crds::role_error::shown_address;
use foresail_crds::worker_config::SourceAddress;
use foresail_runtime_base::{Outside, RoleError};
use foresail_runtime_http::{Answer, Client};
use foresail_runtime_store::{ObjectStream, S3Uri, Store};
use sha2::{Digest, Sha256};

use crate::spool::{Spool, Spooled, too_large};

/// What tells one state of a file from another.
pub(crate) struct Version {
    /// What the server says (`ETag`, `Last-Modified`); not every one does.
    stamp: Option<String>,
    /// Of the file as it came.
    digest: [u8; 32],
}

/// The whole file, on the scratch volume.
///
/// # Errors
/// S3 and HTTP failures by class; user errors `SourceTooLarge` and `SourceUnreadable`; outside error `ScratchFailed`.
pub(crate) async fn fetch(
    spec: &SourceAddress,
    outside: &Outside,
) -> Result<(Spooled, Version), RoleError> {
    let mut body = Body::open(spec, outside).await?;
    let mut spool = Spool::new(&spec.uri)?;
    if body.length().is_some_and(|n| n > LARGEST_SOURCE_BYTES) {
        let uri = shown_address(&spec.uri);
        return Err(too_large(&uri, LARGEST_SOURCE_BYTES, false));
    }
    while let Some(piece) = body.next().await? {
        spool.push(&piece)?;
    }
    let file = spool.finish()?;
    let version = Version {
        stamp: body.stamp(),
        digest: file.digest,
    };
    Ok((file, version))
}

/// Whether the file is another one than it was. A server that says nothing about that is asked for the whole file.
///
/// # Errors
/// S3 and HTTP failures by class.
pub(crate) async fn has_changed(
    spec: &SourceAddress,
    outside: &Outside,
    known: &Version,
) -> Result<bool, RoleError> {
    if known.stamp.is_some() {
        let stamp = match Server::new(spec, outside)? {
            Server::Http(client) => client.stamp(&spec.uri).await?,
            Server::S3(store, uri) => store.stamp(&uri).await?,
        };
        return Ok(stamp != known.stamp);
    }
    let mut body = Body::open(spec, outside).await?;
    let mut digest = Sha256::new();
    while let Some(piece) = body.next().await? {
        digest.update(&piece);
    }
    let digest: [u8; 32] = digest.finalize().into();
    Ok(digest != known.digest)
}

/// Who has the file.
enum Server {
    Http(Client),
    S3(Store, S3Uri),
}

impl Server {
    fn new(spec: &SourceAddress, outside: &Outside) -> Result<Self, RoleError> {
        if spec.uri.starts_with("s3://") {
            let uri = S3Uri::parse(&spec.uri)?;
            return Ok(Self::S3(Store::of_source(spec, outside)?, uri));
        }
        let client = Client::new(&spec.allowed_networks, &outside.secrets)?;
        Ok(Self::Http(client))
    }
}

/// A file on its way.
enum Body {
    Http(Answer),
    S3(Box<ObjectStream>),
}

impl Body {
    async fn open(spec: &SourceAddress, outside: &Outside) -> Result<Self, RoleError> {
        Ok(match Server::new(spec, outside)? {
            Server::Http(client) => Self::Http(client.get(&spec.uri).await?),
            Server::S3(store, uri) => Self::S3(Box::new(store.stream(&uri).await?)),
        })
    }

    async fn next(&mut self) -> Result<Option<Bytes>, RoleError> {
        match self {
            Self::Http(answer) => answer.chunk().await,
            Self::S3(object) => object.chunk().await,
        }
    }

    fn length(&self) -> Option<u64> {
        match self {
            Self::Http(answer) => answer.length(),
            Self::S3(object) => object.length(),
        }
    }

    fn stamp(&self) -> Option<String> {
        match self {
            Self::Http(answer) => answer.stamp(),
            Self::S3(object) => object.stamp(),
        }
    }
}

//! One S3 endpoint with one set of credentials.

use std::time::Duration;

use aws_credential_types::Credentials;
use aws_sdk_s3::Client;
use aws_sdk_s3::config::retry::RetryConfig;
use aws_sdk_s3::config::timeout::TimeoutConfig;
use aws_sdk_s3::config::{
    BehaviorVersion, Config, Region, RequestChecksumCalculation, ResponseChecksumValidation,
};
use aws_sdk_s3::operation::get_object::GetObjectOutput;
use aws_sdk_s3::primitives::ByteStream;
use aws_smithy_runtime_api::client::http::SharedHttpClient;
use bytes::{Bytes, BytesMut};
use foresail_crds::pipeline::spec::LakeSpec;
use foresail_crds::role_error::shown_address;
use foresail_crds::worker_config::{SourceAddress, secret as system};
use foresail_runtime_base::address::AddressRule;
use foresail_runtime_base::effects::Effects;
use foresail_runtime_base::{Outside, RoleError};
use futures::TryStreamExt;
use url::Url;

use crate::S3Uri;
use crate::client::{http, keys};
use crate::error::{explain, status};

/// Objects that are removed at one time.
const DELETIONS: usize = 16;

/// Result of a create-only write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PutNew {
    /// This call wrote it.
    Created,
    /// It was there already; nothing was changed.
    Exists,
}

/// Result of a read with a limit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Bounded {
    /// The object.
    Whole(Bytes),
    /// It has at least so many bytes, which is more than the limit.
    TooLong(u64),
}

/// An object of a listing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed {
    /// Where it is.
    pub uri: S3Uri,
    /// What changes with it: `ETag`, time of the last change and length, as far as the server says them.
    pub stamp: String,
}

/// An object that is being read.
pub struct ObjectStream {
    answer: GetObjectOutput,
    store: Store,
    uri: S3Uri,
}

impl ObjectStream {
    /// The next piece of the body; `None` at its end.
    ///
    /// # Errors
    /// Outside error `S3Failed` when the body breaks off.
    pub async fn chunk(&mut self) -> Result<Option<Bytes>, RoleError> {
        let chunk = self.answer.body.next().await.transpose();
        chunk.map_err(|e| self.store.broke_off(&self.uri, &e))
    }

    /// Bytes of the body, when the server says so.
    pub fn length(&self) -> Option<u64> {
        let length = self.answer.content_length();
        length.and_then(|n| u64::try_from(n).ok())
    }

    /// The `ETag`, to be compared with [`Store::stamp`].
    pub fn stamp(&self) -> Option<String> {
        self.answer.e_tag().map(str::to_string)
    }
}

/// A client of one endpoint.
#[derive(Clone)]
pub struct Store {
    pub(crate) client: Client,
    pub(crate) endpoint: String,
    pub(crate) effects: Effects,
}

impl Store {
    /// The store of lake and artifacts.
    ///
    /// # Errors
    /// User errors of the secret files, `CredentialRefused` among them. Nothing is connected yet.
    pub fn of_lake(lake: &LakeSpec, outside: &Outside) -> Result<Self, RoleError> {
        let place = (lake.endpoint.as_str(), lake.region.as_str());
        Self::open(place, system::LAKE, http(None), outside)
    }

    /// The store of a source, which may only be at the addresses that sources may be read from: what it answers with
    /// becomes bars and quarantine.
    ///
    /// # Errors
    /// Those of [`Self::of_lake`], and user errors `NoSourceEndpoint`, `BadS3Endpoint` and `AddressNotAllowed`.
    pub fn of_source(source: &SourceAddress, outside: &Outside) -> Result<Self, RoleError> {
        let endpoint = source.endpoint.as_deref().ok_or_else(|| {
            let message = "source.csv.endpoint must be set when source.csv.uri starts with s3://";
            RoleError::user("NoSourceEndpoint", message)
        })?;
        let rule = AddressRule::new(&source.allowed_networks)?;
        let url = Url::parse(endpoint).map_err(|e| {
            let message = format!("source.csv.endpoint is no address ({e}); correct it");
            RoleError::user("BadS3Endpoint", message)
        })?;
        // No resolver is asked about an address.
        let literal = rule.check_literal(url.host_str().unwrap_or_default());
        literal.map_err(|refused| {
            refused.explain(&format!("source at {}", shown_address(endpoint)))
        })?;
        // As it was judged: another parser may read another host in what the spec says.
        let place = (url.as_str(), source.region.as_str());
        Self::open(place, system::SOURCE, http(Some(rule)), outside)
    }

    /// Reads `accessKeyId` and `secretAccessKey` of the mounted secret of `system`.
    fn open(
        (endpoint, region): (&str, &str),
        system: &str,
        http: SharedHttpClient,
        outside: &Outside,
    ) -> Result<Self, RoleError> {
        let (key, secret) = keys(endpoint, system, outside)?;
        let timeouts = TimeoutConfig::builder()
            .connect_timeout(Duration::from_secs(3))
            .operation_attempt_timeout(Duration::from_secs(20))
            .operation_timeout(Duration::from_secs(60))
            .build();
        let config = Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .http_client(http)
            .endpoint_url(endpoint)
            .region(Region::new(region.to_string()))
            .credentials_provider(Credentials::new(key, secret, None, None, "secret-files"))
            .force_path_style(true)
            .retry_config(RetryConfig::standard().with_max_attempts(3))
            .timeout_config(timeouts)
            // Some S3 servers refuse the checksum trailers that the SDK adds by default.
            .request_checksum_calculation(RequestChecksumCalculation::WhenRequired)
            .response_checksum_validation(ResponseChecksumValidation::WhenRequired)
            .build();
        Ok(Self {
            client: Client::from_conf(config),
            endpoint: shown_address(endpoint),
            effects: outside.effects.clone(),
        })
    }

    /// Writes unless the key exists (`If-None-Match: *`).
    ///
    /// # Errors
    /// `S3AccessDenied`, `S3BucketMissing`, `S3Unreachable`, `S3Failed`.
    pub async fn put_new(&self, uri: &S3Uri, body: Bytes) -> Result<PutNew, RoleError> {
        let request = self
            .client
            .put_object()
            .bucket(&uri.bucket)
            .key(&uri.key)
            .if_none_match("*")
            .body(ByteStream::from(body))
            .send();
        match self.effects.perform("s3", "create", request).await {
            Ok(_) => Ok(PutNew::Created),
            // 409: another create-only write of the same key is under way; it will exist.
            Err(e) if matches!(status(&e), Some(412 | 409)) => Ok(PutNew::Exists),
            Err(e) => Err(explain(&format!("creating {uri}"), &self.endpoint, &e)),
        }
    }

    /// Writes in any case.
    ///
    /// # Errors
    /// As [`Self::put_new`].
    pub async fn put(&self, uri: &S3Uri, body: Bytes) -> Result<(), RoleError> {
        let request = self.client.put_object().bucket(&uri.bucket).key(&uri.key);
        let request = request.body(ByteStream::from(body)).send();
        let written = self.effects.perform("s3", "put", request).await;
        written
            .map(drop)
            .map_err(|e| explain(&format!("writing {uri}"), &self.endpoint, &e))
    }

    /// Reads a whole object.
    ///
    /// # Errors
    /// `S3NotFound`, and as [`Self::put_new`].
    pub async fn get(&self, uri: &S3Uri) -> Result<Bytes, RoleError> {
        let answer = self.open_object(uri).await?;
        let body = answer.body.collect().await;
        let body = body.map_err(|e| self.broke_off(uri, &e))?;
        Ok(body.into_bytes())
    }

    /// Reads an object of at most `most` bytes. A longer one is not read: its length comes before its body.
    ///
    /// # Errors
    /// As [`Self::get`].
    pub async fn get_at_most(&self, uri: &S3Uri, most: u64) -> Result<Bounded, RoleError> {
        let mut answer = self.open_object(uri).await?;
        let declared = answer.content_length().and_then(|n| u64::try_from(n).ok());
        if let Some(bytes) = declared.filter(|bytes| *bytes > most) {
            return Ok(Bounded::TooLong(bytes));
        }
        let capacity = declared.and_then(|bytes| usize::try_from(bytes).ok());
        let mut whole = BytesMut::with_capacity(capacity.unwrap_or(0));
        while let Some(chunk) = answer.body.next().await {
            whole.extend_from_slice(&chunk.map_err(|e| self.broke_off(uri, &e))?);
            // A server may send more than it has declared.
            let bytes = whole.len() as u64;
            if bytes > most {
                return Ok(Bounded::TooLong(bytes));
            }
        }
        Ok(Bounded::Whole(whole.freeze()))
    }

    /// Opens an object that is read piece by piece, whatever its length.
    ///
    /// # Errors
    /// As [`Self::get`].
    pub async fn stream(&self, uri: &S3Uri) -> Result<ObjectStream, RoleError> {
        let answer = self.open_object(uri).await?;
        Ok(ObjectStream {
            answer,
            store: self.clone(),
            uri: uri.clone(),
        })
    }

    /// Up to `most` bytes from the beginning of an object.
    ///
    /// # Errors
    /// As [`Self::get`].
    pub async fn head(&self, uri: &S3Uri, most: usize) -> Result<Vec<u8>, RoleError> {
        let request = self.client.get_object().bucket(&uri.bucket).key(&uri.key);
        let request = request.range(format!("bytes=0-{}", most.saturating_sub(1)));
        let mut answer = match request.send().await {
            Ok(answer) => answer,
            // Nothing is in it: no byte is the first one.
            Err(e) if status(&e) == Some(416) => return Ok(Vec::new()),
            Err(e) => return Err(explain(&format!("reading {uri}"), &self.endpoint, &e)),
        };
        let mut head = Vec::new();
        while head.len() < most {
            let Some(chunk) = answer.body.next().await else {
                break;
            };
            head.extend_from_slice(&chunk.map_err(|e| self.broke_off(uri, &e))?);
        }
        // A server may send the whole object.
        head.truncate(most);
        Ok(head)
    }

    /// The `ETag` of an object, without reading it; `None` when the server gives none.
    ///
    /// # Errors
    /// As [`Self::get`].
    pub async fn stamp(&self, uri: &S3Uri) -> Result<Option<String>, RoleError> {
        let request = self.client.head_object().bucket(&uri.bucket).key(&uri.key);
        let head = request.send().await;
        let head = head.map_err(|e| explain(&format!("looking for {uri}"), &self.endpoint, &e))?;
        Ok(head.e_tag().map(str::to_string))
    }

    async fn open_object(&self, uri: &S3Uri) -> Result<GetObjectOutput, RoleError> {
        let what = format!("reading {uri}");
        let request = self.client.get_object().bucket(&uri.bucket).key(&uri.key);
        let answer = request.send().await;
        answer.map_err(|e| explain(&what, &self.endpoint, &e))
    }

    fn broke_off(&self, uri: &S3Uri, error: &dyn std::error::Error) -> RoleError {
        let message = format!(
            "reading {uri} at {}: the body broke off ({error}); it is retried",
            self.endpoint
        );
        RoleError::outside("S3Failed", message)
    }

    /// Size of an object in bytes; `None` when absent.
    ///
    /// # Errors
    /// As [`Self::get`], without `S3NotFound`.
    pub async fn size(&self, uri: &S3Uri) -> Result<Option<u64>, RoleError> {
        let request = self.client.head_object().bucket(&uri.bucket).key(&uri.key);
        match request.send().await {
            Ok(head) => Ok(Some(
                u64::try_from(head.content_length().unwrap_or(0)).unwrap_or(0),
            )),
            Err(e) if status(&e) == Some(404) => Ok(None),
            Err(e) => Err(explain(&format!("looking for {uri}"), &self.endpoint, &e)),
        }
    }

    /// Keys below a prefix, in order.
    ///
    /// # Errors
    /// As [`Self::put_new`].
    pub async fn list(&self, prefix: &S3Uri) -> Result<Vec<S3Uri>, RoleError> {
        let listed = self.list_stamped(prefix, |_| true, usize::MAX).await?;
        Ok(listed.into_iter().map(|listed| listed.uri).collect())
    }

    /// Objects below a prefix whose keys are wanted, in the order of their keys; no more than `most` of them.
    ///
    /// # Errors
    /// As [`Self::put_new`].
    pub async fn list_stamped(
        &self,
        prefix: &S3Uri,
        wanted: impl Fn(&str) -> bool,
        most: usize,
    ) -> Result<Vec<Listed>, RoleError> {
        let mut pages = self
            .client
            .list_objects_v2()
            .bucket(&prefix.bucket)
            .prefix(&prefix.key)
            .into_paginator()
            .send();
        let mut found = Vec::new();
        while let Some(page) = pages.next().await {
            let page =
                page.map_err(|e| explain(&format!("listing {prefix}"), &self.endpoint, &e))?;
            for object in page.contents() {
                let Some(key) = object.key().filter(|key| wanted(key)) else {
                    continue;
                };
                found.push(Listed {
                    uri: S3Uri {
                        bucket: prefix.bucket.clone(),
                        key: key.into(),
                    },
                    stamp: format!(
                        "{} {:?} {:?}",
                        object.e_tag().unwrap_or_default(),
                        object.last_modified(),
                        object.size()
                    ),
                });
                if found.len() >= most {
                    return Ok(found);
                }
            }
        }
        Ok(found)
    }

    /// Removes one object; an absent one is no error.
    ///
    /// # Errors
    /// As [`Self::put_new`].
    pub async fn delete(&self, uri: &S3Uri) -> Result<(), RoleError> {
        let request = self
            .client
            .delete_object()
            .bucket(&uri.bucket)
            .key(&uri.key)
            .send();
        match self.effects.perform("s3", "delete", request).await {
            Ok(_) => Ok(()),
            Err(e) if status(&e) == Some(404) => Ok(()),
            Err(e) => Err(explain(&format!("deleting {uri}"), &self.endpoint, &e)),
        }
    }

    /// Removes everything below a folder; returns how many objects. What only begins with the same
    /// letters is another folder, and stays.
    ///
    /// # Errors
    /// As [`Self::put_new`]; internal error `UnsafePrefix` for a place that is no folder of a Pipeline.
    pub async fn delete_folder(&self, folder: &S3Uri) -> Result<usize, RoleError> {
        let key = folder.key.trim_matches('/');
        if !key.contains('/') {
            let message =
                format!("refusing to delete below {folder}: it must be a folder of a Pipeline");
            return Err(RoleError::internal("UnsafePrefix", message));
        }
        let prefix = S3Uri {
            bucket: folder.bucket.clone(),
            key: format!("{key}/"),
        };
        let uris = self.list(&prefix).await?;
        // One after the other, some twenty thousand would take longer than a cleanup is given.
        futures::stream::iter(uris.iter().map(Ok))
            .try_for_each_concurrent(DELETIONS, |uri| self.delete(uri))
            .await?;
        Ok(uris.len())
    }
}

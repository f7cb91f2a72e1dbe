//! The same store for Delta and DataFusion.

use std::sync::Arc;
use std::time::Duration;

use foresail_crds::pipeline::spec::LakeSpec;
use foresail_crds::role_error::shown_address;
use foresail_crds::worker_config::secret as system;
use foresail_runtime_base::{Outside, RoleError};
use object_store::aws::{AmazonS3Builder, S3ConditionalPut};
use object_store::{ClientOptions, ObjectStore, RetryConfig};

use crate::S3Uri;
use crate::client::keys;

/// An `object_store` on the lake's bucket, committing by create-only PUT.
///
/// # Errors
/// User errors of the secret files and of the URI.
pub fn object_store(lake: &LakeSpec, outside: &Outside) -> Result<Arc<dyn ObjectStore>, RoleError> {
    let (key, secret) = keys(&lake.endpoint, system::LAKE, outside)?;
    let options = ClientOptions::new()
        .with_timeout(Duration::from_secs(30))
        .with_connect_timeout(Duration::from_secs(3))
        .with_allow_http(lake.endpoint.starts_with("http://"));
    let retry = RetryConfig {
        max_retries: 3,
        retry_timeout: Duration::from_secs(30),
        ..RetryConfig::default()
    };
    let store = AmazonS3Builder::new()
        .with_bucket_name(S3Uri::parse(&lake.uri)?.bucket)
        .with_endpoint(&lake.endpoint)
        .with_region(&lake.region)
        .with_virtual_hosted_style_request(false)
        .with_access_key_id(key)
        .with_secret_access_key(secret)
        .with_conditional_put(S3ConditionalPut::ETagMatch)
        .with_client_options(options)
        .with_retry(retry)
        .build()
        .map_err(|e| {
            let endpoint = shown_address(&lake.endpoint);
            RoleError::user("BadS3Endpoint", format!("lake at {endpoint}: {e}"))
        })?;
    Ok(Arc::new(store))
}

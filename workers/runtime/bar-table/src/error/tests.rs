//! Real requests of the object store to a server that answers one thing, through Delta.

#![allow(clippy::unwrap_used)]

use std::sync::Arc;
use std::time::Duration;

use foresail_crds::pipeline::status::ErrorClass;
use foresail_runtime_base::{Outside, Secrets};
use object_store::aws::AmazonS3Builder;
use object_store::{ClientOptions, ObjectStore, RetryConfig};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use super::*;
use crate::{BarTable, files, newest_version};

fn store(endpoint: &str) -> Arc<dyn ObjectStore> {
    let options = ClientOptions::new()
        .with_allow_http(true)
        .with_timeout(Duration::from_millis(500));
    let retry = RetryConfig {
        max_retries: 0,
        ..RetryConfig::default()
    };
    let store = AmazonS3Builder::new()
        .with_bucket_name("bucket")
        .with_endpoint(endpoint)
        .with_region("us-east-1")
        .with_access_key_id("key")
        .with_secret_access_key("secret")
        .with_client_options(options)
        .with_retry(retry);
    Arc::new(store.build().unwrap())
}

/// Answers every request so; returns its address.
async fn server(status: &'static str, body: &'static str) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut connection, _)) = listener.accept().await {
            tokio::spawn(async move {
                let mut request = [0; 8192];
                let _ = connection.read(&mut request).await;
                let length = body.len();
                let answer = format!(
                    "HTTP/1.1 {status}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{body}"
                );
                let _ = connection.write_all(answer.as_bytes()).await;
            });
        }
    });
    format!("http://{address}")
}

fn uri() -> S3Uri {
    S3Uri::parse("s3://bucket/lake/n/p/bars").unwrap()
}

/// How every way into the table fails on this store.
async fn errors_of(endpoint: &str) -> Vec<RoleError> {
    let store = || store(endpoint);
    let uri = uri();
    let effects = Outside::plain(Secrets::at("/none")).effects;
    let opened = BarTable::open(store(), &uri, effects).await.map(|_| ());
    let read = files(store(), &uri, 3).await.map(|_| ());
    let newest = newest_version(store(), &uri).await.map(|_| ());
    [opened, read, newest]
        .into_iter()
        .map(|outcome| outcome.unwrap_err())
        .collect()
}

#[tokio::test]
async fn what_s3_answers_decides_the_reason() {
    let code = |code: &str| -> &'static str {
        format!(
            "<?xml version=\"1.0\"?><Error><Code>{code}</Code><Message>hidden</Message></Error>"
        )
        .leak()
    };
    let cases = [
        ("403 Forbidden", code("AccessDenied"), "S3AccessDenied"),
        ("403 Forbidden", "", "S3AccessDenied"),
        ("401 Unauthorized", "", "S3AccessDenied"),
        (
            "400 Bad Request",
            code("InvalidAccessKeyId"),
            "S3AccessDenied",
        ),
    ];
    for (status, body, reason) in cases {
        for error in errors_of(&server(status, body).await).await {
            assert_eq!(error.reason, reason, "{status} {body}: {error}");
            assert_eq!(error.class, ErrorClass::User, "{error}");
            let message = &error.message;
            assert!(
                message.contains(status) && !message.contains("hidden"),
                "{error}"
            );
        }
    }
}

#[tokio::test]
async fn a_store_that_does_not_answer_is_waited_for() {
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let silent = format!("http://{}", silent.local_addr().unwrap());
    // Port 1 refuses; the second took the connection and is gone.
    for endpoint in ["http://127.0.0.1:1", &silent] {
        for error in errors_of(endpoint).await {
            assert_eq!(error.reason, "S3Unreachable", "{endpoint}: {error}");
            assert_eq!(error.class, ErrorClass::Outside, "{error}");
        }
    }
}

#[test]
fn kinds_are_found_wherever_they_are_wrapped() {
    let store = |text: &str| StoreError::NotFound {
        path: "p".into(),
        source: text.into(),
    };
    let kernel = |error| DeltaTableError::from(KernelError::ObjectStore(error));
    let missing = "<Error><Code>NoSuchBucket</Code></Error>";
    let unknown = "<Error><Code>XAdminUserNotFound</Code></Error>";
    let exists = || StoreError::AlreadyExists {
        path: "p".into(),
        source: "".into(),
    };
    let cases = [
        (DeltaTableError::from(store(missing)), Kind::BucketMissing),
        (kernel(store(missing)), Kind::BucketMissing),
        (kernel(store(unknown)), Kind::AccessDenied),
        (kernel(store("<Code>NoSuchKey</Code>")), Kind::Unreadable),
        (kernel(exists()), Kind::Conflict),
        (DeltaTableError::from(exists()), Kind::Conflict),
        (DeltaTableError::VersionAlreadyExists(3), Kind::Conflict),
        (
            DeltaTableError::from(TransactionError::MaxCommitAttempts(15)),
            Kind::Conflict,
        ),
        (
            DeltaTableError::from(io::Error::other(exists())),
            Kind::Conflict,
        ),
        // English that has the words of another kind.
        (
            DeltaTableError::generic("conflict, access denied, connect timed out"),
            Kind::Unreadable,
        ),
    ];
    for (error, expected) in cases {
        assert_eq!(kind(&error), expected, "{error:?}");
    }
}

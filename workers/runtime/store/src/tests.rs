//! Against a small server on loopback that is not S3.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use foresail_crds::pipeline::spec::LakeSpec;
use foresail_crds::worker_config::SourceAddress;
use foresail_runtime_base::{Outside, Secrets};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use crate::{S3Uri, Store};

/// Answers each request with an error of its own words; counts connections.
async fn stranger() -> (u16, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let count = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&count);
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            counted.fetch_add(1, Ordering::Relaxed);
            let mut buffer = [0; 4096];
            let length = stream.read(&mut buffer).await.unwrap_or(0);
            let request = String::from_utf8_lossy(&buffer[..length]);
            assert!(request.starts_with("GET /latest/meta-data?"), "{request}");
            let body = "<Error><Code>Denied, hidden</Code><Message>hidden words</Message></Error>";
            let length = body.len();
            let head = format!(
                "HTTP/1.1 403 Forbidden\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n"
            );
            stream.write_all((head + body).as_bytes()).await.ok();
        }
    });
    (port, count)
}

/// Keys for the lake and for a source, gone with their owner.
struct Keys(PathBuf);

impl Keys {
    fn new(name: &str) -> Self {
        let folder = std::env::temp_dir().join(format!("foresail-{name}-{}", std::process::id()));
        for system in ["lake", "source"] {
            std::fs::create_dir_all(folder.join(system)).unwrap();
            for key in ["accessKeyId", "secretAccessKey"] {
                std::fs::write(folder.join(system).join(key), "key").unwrap();
            }
        }
        Self(folder)
    }

    fn outside(&self) -> Outside {
        foresail_runtime_base::init("test");
        Outside::plain(Secrets::at(&self.0))
    }
}

impl Drop for Keys {
    fn drop(&mut self) {
        std::fs::remove_dir_all(&self.0).ok();
    }
}

fn source(endpoint: String, allowed: &[&str]) -> SourceAddress {
    SourceAddress {
        uri: "s3://latest/meta-data".into(),
        endpoint: Some(endpoint),
        region: "us-east-1".into(),
        secret_name: Some("s".into()),
        allowed_networks: allowed.iter().map(ToString::to_string).collect(),
    }
}

#[tokio::test]
async fn a_source_on_s3_is_read_from_allowed_addresses_alone() {
    let (port, asked) = stranger().await;
    let keys = Keys::new("s3-source");
    let uri = S3Uri::parse("s3://latest/meta-data").unwrap();
    let read = async |host: &str, allowed: &[&str]| {
        let source = source(format!("http://{host}:{port}"), allowed);
        let store = Store::of_source(&source, &keys.outside())?;
        store.get(&uri).await
    };
    for host in [
        "127.0.0.1",
        "localhost",
        "2130706433",
        "[::1]",
        "169.254.169.254",
    ] {
        let error = read(host, &[]).await.unwrap_err();
        assert_eq!(error.reason, "AddressNotAllowed", "{host}: {error}");
    }
    assert_eq!(asked.load(Ordering::Relaxed), 0, "somebody was asked");
    for host in ["127.0.0.1", "localhost"] {
        let error = read(host, &["127.0.0.0/8"]).await.unwrap_err();
        assert_eq!(error.reason, "S3AccessDenied", "{host}: {error}");
        assert!(!error.message.contains("hidden"), "{error}");
    }
    assert!(asked.load(Ordering::Relaxed) >= 2);
}

#[tokio::test]
async fn keys_that_name_hosts_are_for_these_alone() {
    let keys = Keys::new("s3-hosts");
    let lake: LakeSpec = serde_json::from_value(serde_json::json!({
        "uri": "s3://bucket/lake", "endpoint": "http://evil.com", "secretName": "s"
    }))
    .unwrap();
    let open = || Store::of_lake(&lake, &keys.outside()).map(drop);
    // A signature never holds the key: without `hosts` it goes on as before.
    assert_eq!(open(), Ok(()));
    std::fs::write(keys.0.join("lake/hosts"), "s3.example.com").unwrap();
    assert_eq!(open().unwrap_err().reason, "CredentialRefused");
    let delta = crate::object_store(&lake, &keys.outside());
    assert_eq!(delta.unwrap_err().reason, "CredentialRefused");
    std::fs::write(keys.0.join("lake/hosts"), "s3.example.com, evil.com").unwrap();
    assert_eq!(open(), Ok(()));
}

//! Brings a CSV file here: S3 or HTTP, unpacked when its name ends in `.gz`.

use std::io::Read;

use flate2::read::MultiGzDecoder;
use foresail_crds::role_error::shown_address;
use foresail_crds::worker_config::SourceAddress;
use foresail_runtime_base::{Outside, RoleError};
use foresail_runtime_http::Client;
use foresail_runtime_store::{S3Uri, Store};

/// Largest file, packed and unpacked. The file is held in memory while it is read.
const LARGEST: u64 = 1 << 30;

/// The whole file.
///
/// # Errors
/// S3 and HTTP failures by class; user errors `SourceTooLarge` and `SourceUnreadable`.
pub(crate) async fn fetch_all(
    spec: &SourceAddress,
    outside: &Outside,
) -> Result<Vec<u8>, RoleError> {
    let packed = if spec.uri.starts_with("s3://") {
        let uri = S3Uri::parse(&spec.uri)?;
        let store = Store::of_source(spec, outside)?;
        if let Some(size) = store.size(&uri).await?.filter(|size| *size > LARGEST) {
            return Err(too_large(&spec.uri, size));
        }
        store.get(&uri).await?.to_vec()
    } else {
        http(spec, outside).await?
    };
    if !spec.uri.ends_with(".gz") {
        return Ok(packed);
    }
    let mut bytes = Vec::new();
    MultiGzDecoder::new(packed.as_slice())
        .take(LARGEST + 1)
        .read_to_end(&mut bytes)
        .map_err(|e| {
            RoleError::user(
                "SourceUnreadable",
                format!("{} is not a gzip file: {e}", shown_address(&spec.uri)),
            )
        })?;
    if bytes.len() as u64 > LARGEST {
        return Err(too_large(&spec.uri, bytes.len() as u64));
    }
    Ok(bytes)
}

/// Checks that the source answers, without reading all of it. Called by `prepare`.
///
/// # Errors
/// As ingest would meet them.
pub async fn reachable(spec: &SourceAddress, outside: &Outside) -> Result<(), RoleError> {
    if !spec.uri.starts_with("s3://") {
        return client(spec, outside)?.probe(&spec.uri).await;
    }
    let uri = S3Uri::parse(&spec.uri)?;
    if Store::of_source(spec, outside)?.size(&uri).await?.is_none() {
        let message = format!("{uri} does not exist; upload it or correct source.csv.uri");
        return Err(RoleError::outside("SourceMissing", message));
    }
    Ok(())
}

fn too_large(uri: &str, size: u64) -> RoleError {
    let uri = shown_address(uri);
    RoleError::user(
        "SourceTooLarge",
        format!("{uri} has {size} bytes; at most {LARGEST} are read"),
    )
}

async fn http(spec: &SourceAddress, outside: &Outside) -> Result<Vec<u8>, RoleError> {
    let mut answer = client(spec, outside)?.get(&spec.uri).await?;
    let mut bytes = Vec::new();
    while let Some(chunk) = answer.chunk().await? {
        bytes.extend_from_slice(&chunk);
        if bytes.len() as u64 > LARGEST {
            return Err(too_large(&spec.uri, bytes.len() as u64));
        }
    }
    Ok(bytes)
}

fn client(spec: &SourceAddress, outside: &Outside) -> Result<Client, RoleError> {
    Client::new(&spec.allowed_networks, &outside.secrets)
}

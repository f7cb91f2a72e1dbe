//! Brings a CSV file here: S3 or HTTP, unpacked when its name ends in `.gz`.

use std::io::Read;
use std::time::Duration;

use flate2::read::MultiGzDecoder;
use foresail_crds::worker_config::{SourceAddress, secret as system};
use foresail_runtime_base::{Outside, RoleError};
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
        let store = open_store(spec, outside)?;
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
                format!("{} is not a gzip file: {e}", spec.uri),
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
        return request(spec, outside, true).await.map(drop);
    }
    let uri = S3Uri::parse(&spec.uri)?;
    if open_store(spec, outside)?.size(&uri).await?.is_none() {
        let message = format!("{uri} does not exist; upload it or correct source.csv.uri");
        return Err(RoleError::outside("SourceMissing", message));
    }
    Ok(())
}

fn open_store(spec: &SourceAddress, outside: &Outside) -> Result<Store, RoleError> {
    let endpoint = spec.endpoint.as_deref().ok_or_else(|| {
        let message = "source.csv.endpoint must be set when source.csv.uri starts with s3://";
        RoleError::user("NoSourceEndpoint", message)
    })?;
    Store::open(endpoint, &spec.region, system::SOURCE, outside)
}

fn too_large(uri: &str, size: u64) -> RoleError {
    RoleError::user(
        "SourceTooLarge",
        format!("{uri} has {size} bytes; at most {LARGEST} are read"),
    )
}

async fn http(spec: &SourceAddress, outside: &Outside) -> Result<Vec<u8>, RoleError> {
    let mut answer = request(spec, outside, false).await?;
    let mut bytes = Vec::new();
    while let Some(chunk) = answer.chunk().await.map_err(|e| unreachable(spec, &e))? {
        bytes.extend_from_slice(&chunk);
        if bytes.len() as u64 > LARGEST {
            return Err(too_large(&spec.uri, bytes.len() as u64));
        }
    }
    Ok(bytes)
}

async fn request(
    spec: &SourceAddress,
    outside: &Outside,
    head: bool,
) -> Result<reqwest::Response, RoleError> {
    let client = reqwest::Client::builder()
        .connect_timeout(Duration::from_secs(5))
        .read_timeout(Duration::from_secs(30))
        .build()
        .map_err(|e| RoleError::internal("HttpClient", e.to_string()))?;
    let mut request = if head {
        client.head(&spec.uri)
    } else {
        client.get(&spec.uri)
    };
    if let Some(token) = outside.secrets.get(system::SOURCE, "token")? {
        request = request.bearer_auth(token);
    }
    let answer = request.send().await.map_err(|e| unreachable(spec, &e))?;
    let status = answer.status();
    let at = |what: &str| format!("{}: HTTP {status}; {what}", spec.uri);
    match status.as_u16() {
        200..=299 => Ok(answer),
        401 | 403 => Err(RoleError::user(
            "SourceAccessDenied",
            at("check the Secret's token"),
        )),
        404 | 410 => Err(RoleError::outside(
            "SourceMissing",
            at("correct source.csv.uri"),
        )),
        _ => Err(RoleError::outside("SourceFailed", at("it is retried"))),
    }
}

fn unreachable(spec: &SourceAddress, error: &reqwest::Error) -> RoleError {
    // The error's own text may hold the URL with credentials; its kind is enough.
    let kind = if error.is_timeout() {
        "no answer in time"
    } else {
        "no connection"
    };
    RoleError::outside(
        "SourceUnreachable",
        format!("{}: {kind}; it is retried", spec.uri),
    )
}

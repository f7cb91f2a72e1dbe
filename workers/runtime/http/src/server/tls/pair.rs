//! A certificate with its key, as settings of rustls: read, then judged without looking at anything else.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use foresail_crds::role_error::presentable;
use foresail_runtime_base::RoleError;
use rustls::client::verify_server_cert_signed_by_trust_anchor;
use rustls::crypto::{CryptoProvider, ring};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, UnixTime};
use rustls::server::{NoServerSessionStorage, ParsedCertificate, WebPkiClientVerifier};
use rustls::{CertificateError, Error, RootCertStore, ServerConfig};
use sha2::{Digest, Sha256};

use super::{Files, Speaks};

/// Largest file that is read, in bytes.
const LARGEST_FILE: u64 = 1 << 20;
/// Longest cause that is told, in characters.
const LONGEST_CAUSE: usize = 300;

/// What the files hold.
pub(super) struct Read<'a> {
    files: &'a Files,
    certificate: Vec<u8>,
    key: Vec<u8>,
    client_ca: Option<Vec<u8>>,
}

/// What connections are accepted with.
#[derive(Debug)]
pub(super) struct Pair {
    http1: Arc<ServerConfig>,
    http2: Arc<ServerConfig>,
    /// Of the files it was made from.
    digest: [u8; 32],
    /// Seconds since 1970.
    not_after: u64,
}

impl Pair {
    /// Reads the files.
    ///
    /// # Errors
    /// User error `CertificateUnusable`.
    pub(super) fn read(files: &Files) -> Result<Read<'_>, RoleError> {
        let client_ca = files.client_ca.as_deref().map(content).transpose()?;
        Ok(Read {
            files,
            certificate: content(&files.certificate)?,
            key: content(&files.key)?,
            client_ca,
        })
    }

    /// The settings for one protocol.
    pub(super) fn config(&self, speaks: Speaks) -> Arc<ServerConfig> {
        Arc::clone(match speaks {
            Speaks::Http1 => &self.http1,
            Speaks::Http2 => &self.http2,
        })
    }

    /// End of the certificate, seconds since 1970.
    pub(super) fn not_after(&self) -> i64 {
        i64::try_from(self.not_after).unwrap_or(i64::MAX)
    }

    /// An error once the certificate has ended: clients refuse it.
    pub(super) fn expired(&self, now: UnixTime) -> Option<RoleError> {
        (now.as_secs() > self.not_after).then(|| {
            let message = "the certificate in use has expired, and no other one has come; renew it";
            RoleError::user("CertificateUnusable", message)
        })
    }
}

impl Read<'_> {
    /// Whether these are the files that a pair was made from.
    pub(super) fn is(&self, pair: &Pair) -> bool {
        self.digest() == pair.digest
    }

    fn digest(&self) -> [u8; 32] {
        let mut digest = Sha256::new();
        for part in [
            Some(&self.certificate),
            Some(&self.key),
            self.client_ca.as_ref(),
        ] {
            let part = part.map_or(&[][..], Vec::as_slice);
            digest.update((part.len() as u64).to_le_bytes());
            digest.update(part);
        }
        digest.finalize().into()
    }

    /// Settings for connections from `now` on: TLS 1.2 and 1.3.
    ///
    /// # Errors
    /// User error `CertificateUnusable`: no PEM, not valid at this time, or a key of another certificate.
    pub(super) fn load(&self, now: UnixTime) -> Result<Pair, RoleError> {
        let certificate = &self.files.certificate;
        let of_certificate = |cause: &str| unusable(certificate, cause);
        let chain = certificates(&self.certificate).map_err(|e| of_certificate(&e))?;
        let key = PrivateKeyDer::from_pem_slice(&self.key);
        let key = key.map_err(|e| unusable(&self.files.key, &format!("no private key: {e}")))?;
        let provider = Arc::new(ring::default_provider());
        let not_after = not_after(&chain, &provider, now).map_err(|e| of_certificate(&e))?;
        let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()
            .map_err(|e| RoleError::internal("TlsSettings", e.to_string()))?;
        let builder = match self.roots()? {
            None => builder.with_no_client_auth(),
            Some((path, roots)) => {
                let verifier =
                    WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider).build();
                let verifier = verifier.map_err(|e| unusable(path, &e.to_string()))?;
                builder.with_client_cert_verifier(verifier)
            }
        };
        let mut http1 = builder.with_single_cert(chain, key).map_err(|e| match e {
            Error::InconsistentKeys(_) => {
                let key = self.files.key.display();
                of_certificate(&format!("the key in {key} is that of another certificate"))
            }
            other => of_certificate(&other.to_string()),
        })?;
        if self.client_ca.is_some() {
            // Whoever comes again shows its certificate again: it may be one that is not trusted any more.
            http1.session_storage = Arc::new(NoServerSessionStorage {});
            http1.send_tls13_tickets = 0;
        }
        http1.alpn_protocols = vec![b"http/1.1".to_vec()];
        let mut http2 = http1.clone();
        http2.alpn_protocols = vec![b"h2".to_vec()];
        Ok(Pair {
            http1: Arc::new(http1),
            http2: Arc::new(http2),
            digest: self.digest(),
            not_after,
        })
    }

    /// Authorities of clients.
    fn roots(&self) -> Result<Option<(&Path, RootCertStore)>, RoleError> {
        let (Some(path), Some(pem)) = (&self.files.client_ca, &self.client_ca) else {
            return Ok(None);
        };
        let mut roots = RootCertStore::empty();
        for authority in certificates(pem).map_err(|e| unusable(path, &e))? {
            let added = roots.add(authority);
            added.map_err(|e| unusable(path, &e.to_string()))?;
        }
        Ok(Some((path, roots)))
    }
}

fn content(path: &Path) -> Result<Vec<u8>, RoleError> {
    let length = std::fs::metadata(path).map(|meta| meta.len());
    match length {
        Ok(length) if length > LARGEST_FILE => {
            Err(unusable(path, &format!("{length} bytes are too many")))
        }
        Ok(_) => std::fs::read(path).map_err(|e| unusable(path, &e.to_string())),
        Err(e) => Err(unusable(path, &e.to_string())),
    }
}

fn certificates(pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, String> {
    let read: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
    let read = read.map_err(|e| e.to_string())?;
    match read.is_empty() {
        true => Err("it holds no certificate".into()),
        false => Ok(read),
    }
}

/// End of the first certificate, seconds since 1970.
fn not_after(
    chain: &[CertificateDer<'_>],
    provider: &CryptoProvider,
    now: UnixTime,
) -> Result<u64, String> {
    let first = chain.first().ok_or("it holds no certificate")?;
    let first = ParsedCertificate::try_from(first).map_err(|e| e.to_string())?;
    let roots = RootCertStore::empty();
    let algorithms = provider.signature_verification_algorithms.all;
    // Without an authority nothing is trusted; the time is looked at before that is found.
    let judged =
        |at| verify_server_cert_signed_by_trust_anchor(&first, &roots, &[], at, algorithms);
    if let Err(Error::InvalidCertificate(
        e @ (CertificateError::Expired
        | CertificateError::ExpiredContext { .. }
        | CertificateError::NotValidYet
        | CertificateError::NotValidYetContext { .. }
        | CertificateError::BadEncoding),
    )) = judged(now)
    {
        return Err(e.to_string());
    }
    // At the end of time every certificate has ended, and the error says when.
    match judged(UnixTime::since_unix_epoch(Duration::from_secs(
        i64::MAX as u64,
    ))) {
        Err(Error::InvalidCertificate(CertificateError::ExpiredContext { not_after, .. })) => {
            Ok(not_after.as_secs())
        }
        _ => Ok(u64::MAX),
    }
}

fn unusable(path: &Path, cause: &str) -> RoleError {
    let cause = presentable(cause, LONGEST_CAUSE);
    let message = format!("{} cannot be used: {cause}", path.display());
    RoleError::user("CertificateUnusable", message)
}

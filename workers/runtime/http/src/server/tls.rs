//! TLS of a server from files in the layout of cert-manager. They are looked at every second; a new pair is for new
//! connections, those that are there keep theirs. A new pair that cannot be used changes nothing but [`Tls::fault`].

mod pair;

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use arc_swap::ArcSwap;
use foresail_runtime_base::metrics::{Counter, Gauge, Labelled, Registry};
use foresail_runtime_base::{RoleError, Shutdown, clock};
use rustls::pki_types::UnixTime;
use tokio::net::TcpStream;
use tokio::sync::Semaphore;
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use pair::Pair;

/// Longest handshake.
pub const HANDSHAKE_DEADLINE: Duration = Duration::from_secs(5);
/// Most handshakes at one time: each holds memory for somebody who is not known yet.
const MOST_HANDSHAKES: usize = 1_024;

/// The files of a server. Each holds PEM.
#[derive(Clone, Debug)]
pub struct Files {
    /// Certificate of the server and those between it and its authority.
    pub certificate: PathBuf,
    /// Its private key.
    pub key: PathBuf,
    /// Authorities of clients; when it is there, every client must show a certificate of one of them.
    pub client_ca: Option<PathBuf>,
}

/// What is spoken inside TLS.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Speaks {
    /// HTTP/1.1.
    Http1,
    /// HTTP/2, as gRPC does.
    Http2,
}

/// TLS of a server. Clones share the certificate.
#[derive(Clone, Debug)]
pub struct Tls(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    files: Files,
    pair: ArcSwap<Pair>,
    fault: Mutex<Option<RoleError>>,
    places: Semaphore,
    metrics: Metrics,
}

#[derive(Debug)]
struct Metrics {
    handshakes: Labelled<Counter, 1>,
    loads: Labelled<Counter, 1>,
    not_after: Gauge,
}

impl Metrics {
    fn new(registry: &Registry) -> Self {
        Self {
            handshakes: registry.counters(
                "foresail_tls_handshakes_total",
                "Handshakes by outcome: ok, failed, slow, busy.",
                ["outcome"],
            ),
            loads: registry.counters(
                "foresail_tls_loads_total",
                "New certificates by outcome: ok, refused.",
                ["outcome"],
            ),
            not_after: registry.gauge(
                "foresail_tls_certificate_not_after_seconds",
                "End of the certificate in use, seconds since 1970.",
            ),
        }
    }
}

impl Tls {
    /// With the certificate that is there.
    ///
    /// # Errors
    /// User error `CertificateUnusable`, with the file and the cause.
    pub fn open(files: Files, registry: &Registry) -> Result<Self, RoleError> {
        let pair = Pair::read(&files)?.load(now())?;
        let metrics = Metrics::new(registry);
        metrics.not_after.set(pair.not_after());
        Ok(Self(Arc::new(Inner {
            files,
            pair: ArcSwap::from_pointee(pair),
            fault: Mutex::default(),
            places: Semaphore::new(MOST_HANDSHAKES),
            metrics,
        })))
    }

    /// Why the certificate in use is not the one that is wanted, or of no use any more.
    pub fn fault(&self) -> Option<RoleError> {
        let fault = self.0.fault.lock();
        fault.unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Takes new certificates as they come, until shutdown.
    pub async fn follow(self, shutdown: Shutdown) {
        super::follow(shutdown, move || self.look()).await;
    }

    /// Looks at the files once.
    pub(crate) fn look(&self) {
        let current = self.0.pair.load();
        let read = Pair::read(&self.0.files);
        let found = match read {
            Ok(read) if read.is(&current) => Ok(None),
            Ok(read) => read.load(now()).map(Some),
            Err(error) => Err(error),
        };
        match found {
            Ok(None) => self.set_fault(current.expired(now())),
            Ok(Some(pair)) => {
                let metrics = &self.0.metrics;
                metrics.not_after.set(pair.not_after());
                metrics.loads.with(["ok"]).inc();
                self.0.pair.store(Arc::new(pair));
                self.set_fault(None);
                tracing::info!("new certificate");
            }
            Err(error) => {
                let message = format!("{}; the one before it stays in use", error.message);
                self.set_fault(Some(RoleError { message, ..error }));
            }
        }
    }

    /// Says a fault once.
    fn set_fault(&self, new: Option<RoleError>) {
        let fault = self.0.fault.lock();
        let mut fault = fault.unwrap_or_else(PoisonError::into_inner);
        if *fault == new {
            return;
        }
        if let Some(error) = &new {
            self.0.metrics.loads.with(["refused"]).inc();
            tracing::error!(
                reason = error.reason,
                cause = error.message,
                "certificate not as it should be"
            );
        }
        *fault = new;
    }

    /// Shakes hands.
    ///
    /// # Errors
    /// The client cannot or does not in time, or too many do at this moment.
    pub async fn accept(
        &self,
        tcp: TcpStream,
        speaks: Speaks,
    ) -> std::io::Result<TlsStream<TcpStream>> {
        let count = |outcome| self.0.metrics.handshakes.with([outcome]).inc();
        let Ok(_place) = self.0.places.try_acquire() else {
            count("busy");
            return Err(std::io::Error::other("too many handshakes at one time"));
        };
        let acceptor = TlsAcceptor::from(self.0.pair.load().config(speaks));
        let Ok(shaken) = timeout(HANDSHAKE_DEADLINE, acceptor.accept(tcp)).await else {
            count("slow");
            return Err(std::io::ErrorKind::TimedOut.into());
        };
        count(if shaken.is_ok() { "ok" } else { "failed" });
        shaken
    }
}

fn now() -> UnixTime {
    let seconds = u64::try_from(clock::now_ms()).unwrap_or_default() / 1_000;
    UnixTime::since_unix_epoch(Duration::from_secs(seconds))
}

//! What all requests share, and what is known of a loaded version.

use std::collections::BTreeSet;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use foresail_crds::model_manifest::ResidualQuantiles;
use foresail_crds::pipeline::spec::FeatureSetSpec;
use foresail_crds::readiness::RefusedVersion;
use foresail_crds::worker_config::{PredictConfig, ServedVersion};
use foresail_domain::BarGrid;
use foresail_model::Predictor;
use foresail_protocol::Signature;
use foresail_runtime_base::{Health, Outside, RoleError};
use foresail_runtime_cache::Cache;
use foresail_runtime_http::access::Access;
use foresail_runtime_http::server::tls::Tls;
use moka::policy::EvictionPolicy;
use tokio::sync::watch;
use tracing::Span;

use crate::folder::Versions;
use crate::forecast::Forecast;
use crate::limits::Limits;
use crate::metrics::Metrics;
use crate::registry::{Refused, Registry};
use crate::served::ServedLog;
use crate::table::Table;
use crate::windows;

/// Most forecasts kept in process.
const LARGEST_CACHE: u64 = 10_000;

/// One loaded, verified and self-tested version.
#[derive(Debug)]
pub(crate) struct Loaded {
    pub served: ServedVersion,
    /// SHA-256 (hex) of its manifest: what it forecasts hangs on nothing else.
    pub digest: Arc<str>,
    pub predictor: Predictor,
    /// What it reads: rows with this fingerprint and no others.
    pub fingerprint: String,
    /// The same, to compute rows of bars in a request.
    pub feature_set: FeatureSetSpec,
    /// Absent in versions older than quantiles.
    pub quantiles: Option<ResidualQuantiles>,
    /// What it takes and gives, once somebody has asked.
    pub signature: OnceLock<Arc<Signature>>,
    /// Whoever asks it for a forecast panics.
    #[cfg(test)]
    pub panics: bool,
}

impl Loaded {
    /// What it takes and gives, as protocols show it.
    pub fn signature(&self) -> Arc<Signature> {
        let signature = self
            .signature
            .get_or_init(|| Arc::new(windows::signature(self)));
        Arc::clone(signature)
    }

    /// What `work` computes with its model. A panic fails this request and no other.
    ///
    /// # Errors
    /// [`Panicked`].
    pub fn compute<T>(&self, work: impl FnOnce() -> T) -> Result<T, Panicked> {
        let shielded = AssertUnwindSafe(|| {
            #[cfg(test)]
            assert!(!self.panics, "a model that panics");
            work()
        });
        catch_unwind(shielded).map_err(|_| {
            let version = self.served.version;
            tracing::error!(
                version,
                "a version panics; its request is answered with 500"
            );
            Panicked
        })
    }
}

/// A model has panicked instead of giving a result.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Panicked;

impl Panicked {
    /// What its client is told.
    pub const MESSAGE: &str = "this version fails on the request; its log says where";
}

/// Key of a forecast: symbol, checksum of the rows it is made from, digest of the version.
pub(crate) type Key = (String, u64, Arc<str>);

/// Shared by all requests.
pub(crate) struct State {
    pub config: PredictConfig,
    /// Where versions are when it serves alone: it knows no bars then, and asks neither Kafka nor Redis nor S3.
    pub folder: Option<Versions>,
    /// The certificate, where it is served over TLS.
    pub tls: Option<Tls>,
    /// Who is answered.
    pub access: Access,
    pub outside: Outside,
    pub metrics: Metrics,
    /// Names the role in every log line, also in those of the threads that answer requests.
    pub span: Span,
    /// Where bars begin and end.
    pub grid: BarGrid,
    /// The versions that are loaded.
    pub registry: Registry,
    pub table: Table,
    pub local: LocalCache,
    pub cache: Option<Cache>,
    pub log: Option<ServedLog>,
    /// What requests may take.
    pub limits: Limits,
    /// Fingerprints of the versions that are here: rows of them are followed.
    pub wanted: watch::Sender<BTreeSet<String>>,
    /// Why the version that is wanted does not answer.
    pub load_error: Mutex<Option<RoleError>>,
    /// Why versions that are wanted, this one or others, are not loaded.
    pub refused: Mutex<Refused>,
}

impl State {
    /// Shows what keeps requests from an answer, or from the version that is wanted; whether they can be answered.
    pub fn show(&self, health: &Health) -> bool {
        let here = self.registry.here();
        let champion = &here.champion;
        let refused = self.refused.lock();
        let refused = refused.unwrap_or_else(PoisonError::into_inner).clone();
        let refused = refused.into_iter().map(|(digest, error)| RefusedVersion {
            digest,
            error: error.to_worker_error(),
        });
        health.set_versions(here.digests(), refused.collect());
        let rows = champion.as_ref().map(|c| self.answerable(c));
        let load = self.load_error.lock();
        let load = load.unwrap_or_else(PoisonError::into_inner);
        let cannot = rows.as_ref().and_then(|rows| rows.as_ref().err());
        let is_filled = |c: &Arc<Loaded>| self.is_alone() || self.table.is_filled(&c.fingerprint);
        let filled = champion.as_ref().is_some_and(is_filled);
        // While the table is being filled, a lack of rows says nothing.
        let fault = || self.tls.as_ref().and_then(Tls::fault);
        let fault = fault().or_else(|| self.access.fault());
        let error = cannot.filter(|_| filled).or(load.as_ref());
        health.set_error(error.or(fault.as_ref()));
        filled && matches!(rows, Some(Ok(())))
    }

    /// Whether `version` can answer for at least one symbol.
    ///
    /// # Errors
    /// `RowsMissing`, with what is missing.
    pub fn answerable(&self, version: &Loaded) -> Result<(), RoleError> {
        // It answers from bars and rows in requests.
        if self.is_alone() {
            return Ok(());
        }
        let needed = version.predictor.lookback();
        let held = self.table.longest(&version.fingerprint);
        if held >= needed {
            return Ok(());
        }
        let message = format!(
            "v{} looks at {needed} rows of its features, and no symbol has more than {held} yet; it answers when they \
             have come",
            version.served.version
        );
        Err(RoleError::outside("RowsMissing", message))
    }

    /// Whether it knows no bars of a Pipeline.
    pub fn is_alone(&self) -> bool {
        self.folder.is_some()
    }

    /// Newest bar that a version can answer from.
    pub fn newest(&self, version: &Loaded) -> Option<i64> {
        self.table.newest(&version.fingerprint)
    }

    /// Whether `version` can answer in place of another, which answers from bars up to `reach`.
    ///
    /// # Errors
    /// `RowsMissing`, with what is missing.
    pub fn takes_over(&self, version: &Loaded, reach: Option<i64>) -> Result<(), RoleError> {
        self.answerable(version)?;
        if self.newest(version) >= reach {
            return Ok(());
        }
        let message = format!(
            "rows of the features of v{} do not reach the bars that are forecast from yet; it answers when they do",
            version.served.version
        );
        Err(RoleError::outside("RowsMissing", message))
    }

    /// Why the version that is wanted does not answer.
    pub fn load_error(&self) -> Option<RoleError> {
        let error = self.load_error.lock();
        error.unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Says why the version that is wanted does not answer, and which versions are not loaded.
    pub fn set_refused(&self, champion: Option<RoleError>, all: Refused) {
        let current = self.load_error.lock();
        *current.unwrap_or_else(PoisonError::into_inner) = champion;
        let current = self.refused.lock();
        *current.unwrap_or_else(PoisonError::into_inner) = all;
    }

    /// What answers where no version is named.
    pub fn champion(&self) -> Option<Arc<Loaded>> {
        self.registry.here().champion.clone()
    }
}

/// Forecasts of this process. They stay true for ever, so they have no time to live.
pub(crate) type LocalCache = moka::sync::Cache<Key, Arc<Forecast>>;

/// An empty cache that forgets what was not asked for the longest.
pub(crate) fn local_cache() -> LocalCache {
    moka::sync::Cache::builder()
        .max_capacity(LARGEST_CACHE)
        .eviction_policy(EvictionPolicy::lru())
        .build()
}

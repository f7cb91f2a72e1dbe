//! What a request sees. The loaded versions are swapped as one: a request takes them once and uses
//! nothing else.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use arc_swap::ArcSwapOption;
use foresail_crds::model_manifest::ResidualQuantiles;
use foresail_crds::worker_config::{PredictConfig, ServedVersion};
use foresail_domain::TradingCalendar;
use foresail_model::Predictor;
use foresail_runtime_base::Outside;
use foresail_runtime_cache::Cache;
use moka::policy::EvictionPolicy;
use tokio::sync::Semaphore;
use tracing::Span;

use crate::forecast::Forecast;
use crate::metrics::Metrics;
use crate::served::ServedLog;
use crate::table::Table;

/// Most forecasts kept in process.
const LARGEST_CACHE: u64 = 10_000;
/// Requests worked on at one time; the others are refused for the moment.
const MOST_IN_FLIGHT: usize = 512;

/// One loaded, verified and self-tested version.
#[derive(Debug)]
pub(crate) struct Loaded {
    pub served: ServedVersion,
    pub predictor: Predictor,
    /// Absent in versions older than quantiles.
    pub quantiles: Option<ResidualQuantiles>,
}

/// Key of a forecast: symbol, bar, version.
pub(crate) type Key = (String, i64, u32);

/// Shared by all requests.
pub(crate) struct State {
    pub config: PredictConfig,
    pub outside: Outside,
    pub metrics: Metrics,
    /// Names the role in every log line, also in those of the threads that answer requests.
    pub span: Span,
    pub fingerprint: String,
    pub calendar: TradingCalendar,
    pub champion: ArcSwapOption<Loaded>,
    /// Kept loaded for instant rollback.
    pub previous: ArcSwapOption<Loaded>,
    pub table: Table,
    pub local: LocalCache,
    pub cache: Option<Cache>,
    pub log: Option<ServedLog>,
    /// One permit per request worked on.
    pub in_flight: Arc<Semaphore>,
    /// The table has caught up once.
    pub filled: AtomicBool,
}

impl State {
    /// A champion is loaded and the table has been filled once.
    pub fn is_ready(&self) -> bool {
        self.champion.load().is_some() && self.filled.load(Ordering::Relaxed)
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

/// Permits of all requests that may be worked on at one time.
pub(crate) fn permits() -> Arc<Semaphore> {
    Arc::new(Semaphore::new(MOST_IN_FLIGHT))
}

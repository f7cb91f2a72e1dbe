//! What a request sees. The loaded versions are swapped as one: a request takes them once and uses
//! nothing else.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicUsize};
use std::sync::{Arc, Mutex, PoisonError};

use arc_swap::ArcSwapOption;
use foresail_crds::model_manifest::ResidualQuantiles;
use foresail_crds::worker_config::{ServedVersion, WorkerConfig};
use foresail_domain::TradingCalendar;
use foresail_model::Predictor;
use foresail_runtime_cache::Cache;

use crate::forecast::Forecast;
use crate::served::ServedLog;
use crate::table::Table;

/// Most forecasts kept in process.
const LARGEST_CACHE: usize = 10_000;

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
    pub config: WorkerConfig,
    pub fingerprint: String,
    pub calendar: TradingCalendar,
    pub champion: ArcSwapOption<Loaded>,
    /// Kept loaded for instant rollback.
    pub previous: ArcSwapOption<Loaded>,
    pub table: Table,
    pub local: Mutex<HashMap<Key, Arc<Forecast>>>,
    pub cache: Option<Cache>,
    pub log: Option<ServedLog>,
    pub in_flight: AtomicUsize,
    /// The table has caught up once.
    pub filled: AtomicBool,
}

impl State {
    /// A forecast kept in process.
    pub(crate) fn remembered(&self, key: &Key) -> Option<Arc<Forecast>> {
        self.local
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .get(key)
            .cloned()
    }

    /// Keeps a forecast; everything is forgotten when there are too many.
    pub(crate) fn remember(&self, key: Key, forecast: Arc<Forecast>) {
        let mut local = self.local.lock().unwrap_or_else(PoisonError::into_inner);
        if local.len() >= LARGEST_CACHE {
            local.clear();
        }
        local.insert(key, forecast);
    }
}

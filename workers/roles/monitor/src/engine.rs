//! The pure heart of the monitor: feature rows in, canonical forecasts and observations out, for
//! one champion and one drift reference. When either changes, or after a restart, a new engine
//! reads the feature topic from before the end of their training and arrives at the same state. Driven by `worker`.

use foresail_crds::records::{FeatureRecord, PredictionRecord};

use crate::drift_tracker::DriftTracker;
use crate::forecast_tracker::ForecastTracker;
use crate::session_watermark::Reading;

/// All that is computed for one champion and one drift reference.
pub struct MonitorEngine {
    /// Forecasts and realised error.
    pub forecasts: ForecastTracker,
    /// Drift; absent when the policy does not fit the reference.
    pub drift: Option<DriftTracker>,
}

impl MonitorEngine {
    /// Takes the next feature row of its partition; returns a forecast to write.
    pub fn push(&mut self, fingerprint: &str, row: &FeatureRecord) -> Option<PredictionRecord> {
        if let Some(drift) = &mut self.drift {
            drift.push(fingerprint, row);
        }
        self.forecasts.push(fingerprint, row)
    }

    /// Closes complete sessions; called after every batch, and when nothing arrives.
    pub fn settle(&mut self, reading: Reading) {
        if let Some(drift) = &mut self.drift {
            drift.settle(reading);
        }
        self.forecasts.settle(reading);
    }
}

#[cfg(test)]
mod tests;

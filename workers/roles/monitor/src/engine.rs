//! The pure heart of the monitor: feature rows in, canonical forecasts and observations out, for
//! one champion and one drift reference. When either changes, or after a restart, a new engine
//! reads the feature topic from before the end of their training and arrives at the same state. Driven by `worker`.

use foresail_crds::records::{FeatureRecord, PredictionRecord};

use crate::drift_tracker::DriftTracker;
use crate::forecast_tracker::ForecastTracker;
use crate::past_rows::{PastRows, Taken};
use crate::session_watermark::Reading;

/// Batches that a corrected past waits for while rows keep arriving: a correction is seldom alone.
const PATIENCE: u32 = 50;

/// All that is computed for one champion and one drift reference.
pub struct MonitorEngine {
    /// Forecasts and realised error.
    pub forecasts: ForecastTracker,
    /// Drift; absent when the policy does not fit the reference.
    pub drift: Option<DriftTracker>,
    past: PastRows,
    /// Rows of the past have changed since the trackers saw them.
    changed: bool,
    waited: u32,
}

impl MonitorEngine {
    /// An engine that has seen nothing.
    pub fn new(
        forecasts: ForecastTracker,
        drift: Option<DriftTracker>,
        symbols: &[String],
    ) -> Self {
        let (print, through) = forecasts.reads();
        let drift_reads = drift.as_ref().map_or((print, through), DriftTracker::reads);
        let after = through.min(drift_reads.1);
        let prints = [print, drift_reads.0];
        Self {
            past: PastRows::new(&prints, symbols, after, forecasts.lookback().max(1)),
            forecasts,
            drift,
            changed: false,
            waited: 0,
        }
    }

    /// Takes the next feature row of its partition; returns a forecast to write. A row that comes in place of an earlier
    /// one makes no forecast: those of past bars stay as they were made.
    pub fn push(&mut self, fingerprint: &str, row: &FeatureRecord) -> Option<PredictionRecord> {
        match self.past.take(fingerprint, row) {
            Taken::Foreign | Taken::Repeated => None,
            Taken::Again => {
                self.changed = true;
                self.forecasts.revise(fingerprint, row);
                None
            }
            Taken::Next => {
                if let Some(drift) = &mut self.drift {
                    drift.push(fingerprint, row);
                }
                self.forecasts.push(fingerprint, row)
            }
        }
    }

    /// Closes complete sessions; called after every batch, and when nothing arrives.
    pub fn settle(&mut self, reading: Reading) {
        self.waited = match reading {
            // What comes behind its end is shown at once.
            Reading::History | Reading::Quiet => PATIENCE,
            Reading::Busy => self.waited + 1,
        };
        if self.changed && reading != Reading::History && self.waited >= PATIENCE {
            self.waited = 0;
            self.changed = false;
            self.compute_again();
        }
        self.close(reading);
    }

    fn close(&mut self, reading: Reading) {
        if let Some(drift) = &mut self.drift {
            drift.settle(reading);
        }
        self.forecasts.settle(reading);
    }

    /// Everything that was observed, from the rows as they are now: what a restart would come to.
    fn compute_again(&mut self) {
        let Some(rows) = self.past.all() else {
            return;
        };
        self.forecasts.forget();
        if let Some(drift) = &mut self.drift {
            drift.forget();
        }
        let mut session = None;
        for (fingerprint, row) in rows {
            // Session by session, so that no more of them are open than have to be.
            if session.replace(row.event_time) != Some(row.event_time) {
                if let Some(drift) = &mut self.drift {
                    drift.settle(Reading::History);
                }
                self.forecasts.settle(Reading::History);
            }
            if let Some(drift) = &mut self.drift {
                drift.push(fingerprint, row);
            }
            self.forecasts.push_again(fingerprint, row);
        }
    }
}

#[cfg(test)]
mod tests;

//! Live feature rows against the drift reference: sessions after the reference's training data
//! are grouped, closed in order and scored. Driven by `engine`.

use std::collections::BTreeMap;

use foresail_crds::model_manifest::ModelManifest;
use foresail_crds::records::FeatureRecord;
use foresail_drift::{DriftError, DriftMonitor, DriftObservation, DriftPolicy, Session};

use crate::session_watermark::{Reading, SessionWatermark};

/// Scores of one reference.
pub struct DriftTracker {
    version: u32,
    fingerprint: String,
    /// Position of each reference feature in a feature row.
    columns: Vec<usize>,
    monitor: DriftMonitor,
    watermark: SessionWatermark,
    open: BTreeMap<i64, BTreeMap<String, Vec<f64>>>,
    latest: Option<DriftObservation>,
}

impl DriftTracker {
    /// A tracker of the reference stored with `version`. Only sessions after its training data count.
    ///
    /// # Errors
    /// The policy does not fit the reference.
    pub fn new(
        version: u32,
        manifest: &ModelManifest,
        policy: DriftPolicy,
        symbols: &[String],
    ) -> Result<Self, DriftError> {
        let reference = manifest.drift_reference.clone();
        let column = |name: &String| manifest.features.iter().position(|f| &f.name == name);
        let columns = reference
            .features
            .iter()
            .map(|f| {
                column(&f.name).ok_or_else(|| DriftError::UnknownFeature {
                    name: f.name.clone(),
                })
            })
            .collect::<Result<_, _>>()?;
        let monitor = DriftMonitor::new(reference, policy)?;
        if !monitor.has_own_level() {
            tracing::warn!(
                version,
                "the drift reference is of an older release: its alarm level is that of all features at the rate of \
                 its training, until another version is promoted"
            );
        }
        Ok(Self {
            version,
            fingerprint: manifest.fingerprint.clone(),
            columns,
            monitor,
            watermark: SessionWatermark::new(symbols, manifest.data.trained_through),
            open: BTreeMap::new(),
            latest: None,
        })
    }

    /// Fingerprint of the rows that count, and the event time after which they do, milliseconds UTC.
    pub fn reads(&self) -> (&str, i64) {
        (&self.fingerprint, self.watermark.starts_after())
    }

    /// Forgets every row.
    pub fn forget(&mut self) {
        self.monitor.clear();
        self.watermark.forget();
        self.open.clear();
        self.latest = None;
    }

    /// The same where a session of the calendar has so many bars.
    #[must_use]
    pub fn of_bars(mut self, each: u32) -> Self {
        self.watermark = self.watermark.of_bars(each);
        self
    }

    /// Takes a row, whatever feature set it was made with.
    pub fn push(&mut self, fingerprint: &str, row: &FeatureRecord) {
        if fingerprint != self.fingerprint || !self.watermark.seen(&row.symbol, row.event_time) {
            return;
        }
        let values = self.columns.iter().map(|c| row.values.get(*c).copied());
        let Some(values) = values.collect::<Option<Vec<f64>>>() else {
            tracing::warn!(
                symbol = row.symbol,
                "feature row is too short for the reference"
            );
            return;
        };
        let session = self.open.entry(row.event_time).or_default();
        session.insert(row.symbol.clone(), values);
    }

    /// Scores the sessions that are complete.
    pub fn settle(&mut self, reading: Reading) {
        for event_time in self.watermark.close(reading) {
            let Some(rows) = self.open.remove(&event_time) else {
                continue;
            };
            let rows = rows.into_values().collect();
            let observed = self.monitor.push(Session { event_time, rows });
            self.latest = observed.or(self.latest.take());
        }
    }

    /// Version whose reference is used.
    pub fn version(&self) -> u32 {
        self.version
    }

    /// Score of the newest full window.
    pub fn latest(&self) -> Option<&DriftObservation> {
        self.latest.as_ref()
    }
}

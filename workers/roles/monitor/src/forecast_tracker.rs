//! The champion's canonical forecasts: exactly one per symbol and bar, and their realised error
//! as the next bars arrive. Driven by `engine`.

use std::collections::{BTreeMap, VecDeque};

use foresail_crds::records::{FeatureRecord, PredictionRecord};
use foresail_drift::performance::{PerformanceMonitor, PerformanceObservation};

use crate::maturity::{Loss, Maturity};
use crate::session_watermark::{Reading, SessionWatermark};

/// A model that forecasts closes.
pub trait Forecaster: Send + Sync {
    /// Feature rows it needs at once.
    fn lookback(&self) -> usize;
    /// Steps it forecasts.
    fn horizon(&self) -> usize;
    /// Raw closes of steps 1..=horizon from `rows`, oldest first, the last one at the bar.
    ///
    /// # Errors
    /// What is wrong with the rows.
    fn closes(&self, rows: &[&FeatureRecord]) -> Result<Vec<f64>, String>;
}

/// The model that makes the forecasts.
pub struct Champion {
    /// Number of its ModelVersion.
    pub version: u32,
    /// Feature set it reads.
    pub fingerprint: String,
    /// Event time of the last row whose label it was trained on, milliseconds UTC.
    pub trained_through: i64,
    /// The model.
    pub forecaster: Box<dyn Forecaster>,
}

/// Forecasts found in the predictions topic.
#[derive(Clone, Debug, Default)]
pub struct Predicted {
    /// Event time of the newest forecast per symbol, of any version.
    pub through: BTreeMap<String, i64>,
    /// Forecasts of the present champion by symbol and event time.
    pub champion: BTreeMap<(String, i64), PredictionRecord>,
}

/// A forecast whose labels arrive.
struct Pending {
    event_time: i64,
    /// Adjusted close at the forecast.
    base: f64,
    /// Forecast adjusted closes.
    forecast: Vec<f64>,
    step: usize,
    champion: f64,
    naive: f64,
}

#[derive(Default)]
struct Series {
    newest: Option<i64>,
    rows: VecDeque<FeatureRecord>,
    pending: VecDeque<Pending>,
    rows_since_training: usize,
}

/// Forecasts of one champion, made and matured.
pub struct ForecastTracker {
    champion: Champion,
    predicted: Predicted,
    series: BTreeMap<String, Series>,
    watermark: SessionWatermark,
    maturity: Maturity,
    performance: PerformanceMonitor,
    latest: Option<PerformanceObservation>,
    failures: u64,
    refused: Option<String>,
}

impl ForecastTracker {
    /// A tracker of one champion. `window` is the number of forecast dates tested together.
    pub fn new(
        champion: Champion,
        predicted: Predicted,
        symbols: &[String],
        window: usize,
    ) -> Self {
        let horizon = champion.forecaster.horizon();
        Self {
            watermark: SessionWatermark::new(symbols, champion.trained_through),
            maturity: Maturity::new(u32::try_from(horizon).unwrap_or(u32::MAX)),
            performance: PerformanceMonitor::new(window, horizon),
            series: symbols
                .iter()
                .map(|s| (s.clone(), Series::default()))
                .collect(),
            champion,
            predicted,
            latest: None,
            failures: 0,
            refused: None,
        }
    }

    /// Fingerprint of the rows that count, and the event time after which they are forecast from, milliseconds UTC.
    pub fn reads(&self) -> (&str, i64) {
        (&self.champion.fingerprint, self.champion.trained_through)
    }

    /// Rows that the model looks at.
    pub fn lookback(&self) -> usize {
        self.champion.forecaster.lookback()
    }

    /// Forgets every row, and no forecast.
    pub fn forget(&mut self) {
        self.watermark.forget();
        self.maturity.forget();
        self.performance.clear();
        self.latest = None;
        for series in self.series.values_mut() {
            *series = Series::default();
        }
    }

    /// The same where a session of the calendar has so many bars.
    #[must_use]
    pub fn of_bars(mut self, each: u32) -> Self {
        self.watermark = self.watermark.of_bars(each);
        self.maturity = self.maturity.of_bars(each);
        self
    }

    /// Takes a row, whatever feature set it was made with; returns a forecast that is not in
    /// the predictions topic yet.
    pub fn push(&mut self, fingerprint: &str, row: &FeatureRecord) -> Option<PredictionRecord> {
        self.take(fingerprint, row, Self::forecast)
    }

    /// Takes a row that was taken before: no forecast is made.
    pub fn push_again(&mut self, fingerprint: &str, row: &FeatureRecord) {
        self.take(fingerprint, row, |_, _| None);
    }

    /// Takes a row in place of that of its event time, or where it belongs, for the forecasts that come.
    pub fn revise(&mut self, fingerprint: &str, row: &FeatureRecord) {
        if fingerprint != self.champion.fingerprint {
            return;
        }
        let lookback = self.lookback();
        if let Some(series) = self.series.get_mut(&row.symbol) {
            series.revise(row, lookback);
        }
    }

    fn take(
        &mut self,
        fingerprint: &str,
        row: &FeatureRecord,
        forecast: fn(&mut Self, &FeatureRecord) -> Option<PredictionRecord>,
    ) -> Option<PredictionRecord> {
        if fingerprint != self.champion.fingerprint {
            return None;
        }
        let series = self.series.get_mut(&row.symbol)?;
        if series.newest.is_some_and(|time| time >= row.event_time) {
            return None;
        }
        series.newest = Some(row.event_time);
        series.mature(row, &mut self.maturity);
        series.keep(row, self.champion.forecaster.lookback());
        let in_time = self.watermark.seen(&row.symbol, row.event_time);
        if row.event_time <= self.champion.trained_through {
            return None;
        }
        series.rows_since_training += 1;
        let key = (row.symbol.clone(), row.event_time);
        let (record, fresh) = match self.predicted.champion.get(&key) {
            Some(record) => (record.clone(), false),
            None => (forecast(self, row)?, true),
        };
        if in_time {
            self.follow(&record, row.adjustment_factor);
        }
        if !fresh {
            return None;
        }
        let through = self.predicted.through.entry(row.symbol.clone());
        let through = through.or_insert(row.event_time);
        *through = row.event_time.max(*through);
        self.predicted.champion.insert(key, record.clone());
        Some(record)
    }

    /// Judges the dates that are complete.
    pub fn settle(&mut self, reading: Reading) {
        for session in self.watermark.close(reading) {
            self.maturity.session_closed(session);
            while let Some(date) = self.maturity.next(session) {
                let Loss { champion, naive } = date.loss;
                let seen = self.performance.push(date.event_time, champion, naive);
                self.latest = Some(seen);
            }
        }
    }

    /// Version that forecasts.
    pub fn version(&self) -> u32 {
        self.champion.version
    }

    /// Realised error of the newest matured dates.
    pub fn latest(&self) -> Option<&PerformanceObservation> {
        self.latest.as_ref()
    }

    /// Rows the model could not forecast from.
    pub fn failures(&self) -> u64 {
        self.failures
    }

    /// Why the model gave no forecast for the newest row it was asked about.
    pub fn refused(&self) -> Option<&str> {
        self.refused.as_deref()
    }

    fn forecast(&mut self, row: &FeatureRecord) -> Option<PredictionRecord> {
        let through = self.predicted.through.get(&row.symbol);
        if through.is_some_and(|time| *time >= row.event_time) {
            return None;
        }
        let series = self.series.get(&row.symbol)?;
        if series.rows.len() < self.champion.forecaster.lookback() {
            return None;
        }
        let rows: Vec<&FeatureRecord> = series.rows.iter().collect();
        match self.champion.forecaster.closes(&rows) {
            Ok(forecast) => {
                self.refused = None;
                Some(PredictionRecord {
                    symbol: row.symbol.clone(),
                    event_time: row.event_time,
                    model_version: self.champion.version,
                    close: row.close,
                    adjustment_factor: row.adjustment_factor,
                    forecast,
                })
            }
            Err(error) => {
                self.failures += 1;
                let (symbol, event_time) = (&row.symbol, row.event_time);
                tracing::warn!(symbol, event_time, error, "no forecast from this row");
                self.refused = Some(error);
                None
            }
        }
    }

    /// Waits for the labels of a forecast, unless training has seen some of them: the last
    /// training label reaches `horizon` rows beyond the last training row. `factor` is that of the bar as it is known now: a
    /// split that was told late moves what was forecast, and is no error of the forecast.
    fn follow(&mut self, record: &PredictionRecord, factor: f64) {
        let Some(series) = self.series.get_mut(&record.symbol) else {
            return;
        };
        if series.rows_since_training < self.champion.forecaster.horizon() {
            return;
        }
        series.pending.push_back(Pending {
            event_time: record.event_time,
            base: record.close * factor,
            forecast: record.forecast.iter().map(|close| close * factor).collect(),
            step: 0,
            champion: 0.0,
            naive: 0.0,
        });
        self.maturity.expect(record.event_time, &record.symbol);
    }
}

impl Series {
    /// Adds a row's close as the next label of every pending forecast.
    fn mature(&mut self, row: &FeatureRecord, maturity: &mut Maturity) {
        let actual = row.close * row.adjustment_factor;
        for pending in &mut self.pending {
            let Some(forecast) = pending.forecast.get(pending.step) else {
                continue;
            };
            pending.champion += ((forecast - actual) / pending.base).powi(2);
            pending.naive += ((pending.base - actual) / pending.base).powi(2);
            pending.step += 1;
        }
        while let Some(oldest) = self.pending.front() {
            if oldest.step < oldest.forecast.len() {
                break;
            }
            let steps = oldest.forecast.len().max(1) as f64;
            let loss = Loss {
                champion: oldest.champion / steps,
                naive: oldest.naive / steps,
            };
            maturity.matured(oldest.event_time, &row.symbol, row.event_time, loss);
            self.pending.pop_front();
        }
    }

    fn revise(&mut self, row: &FeatureRecord, lookback: usize) {
        let time = row.event_time;
        let at = self.rows.partition_point(|known| known.event_time < time);
        match self.rows.get_mut(at) {
            Some(known) if known.event_time == time => *known = row.clone(),
            // A bar that was missing; before the first one it is too old to be looked at.
            Some(_) if at > 0 => {
                self.rows.insert(at, row.clone());
                while self.rows.len() > lookback.max(1) {
                    self.rows.pop_front();
                }
            }
            _ => {}
        }
    }

    fn keep(&mut self, row: &FeatureRecord, lookback: usize) {
        self.rows.push_back(row.clone());
        while self.rows.len() > lookback.max(1) {
            self.rows.pop_front();
        }
    }
}

//! Observations in the words of `Pipeline.status`. Used by `worker`.

use foresail_crds::Decimal;
use foresail_crds::pipeline::spec::DriftMetric;
use foresail_crds::pipeline::status::{
    AlarmEpisode, DriftStatus, FeatureDrift, PerformanceStatus, WorkerError,
};
use foresail_drift::DriftObservation;
use foresail_drift::performance::PerformanceObservation;
use foresail_runtime_base::{RoleError, RoleStatus};
use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use serde::Serialize;

use crate::engine::MonitorEngine;

/// Features named in status: as many as a spec may declare.
const MOST_FEATURES: usize = 64;

/// The fields of `Pipeline.status` that the monitor owns, applied together by one field manager.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct MonitorStatus {
    /// Drift of the newest full window.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub drift: Option<DriftStatus>,
    /// Realised error of the champion.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub performance: Option<PerformanceStatus>,
    /// Error of the monitor.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub monitor_error: Option<WorkerError>,
}

impl RoleStatus for MonitorStatus {
    fn set_error(&mut self, error: Option<WorkerError>) {
        self.monitor_error = error;
    }
}

impl MonitorStatus {
    /// What the engine knows now.
    pub(crate) fn from_engine(engine: &MonitorEngine, metric: DriftMetric) -> Self {
        let tracker = engine.drift.as_ref();
        let drifted = tracker.and_then(|t| Some((t.version(), t.latest()?)));
        let (version, seen) = (engine.forecasts.version(), engine.forecasts.latest());
        let mut status = Self {
            drift: drifted.and_then(|(version, seen)| drift(version, metric, seen)),
            performance: seen.and_then(|seen| performance(version, seen)),
            monitor_error: None,
        };
        // A number that no status can hold is reported as an error, not as another number.
        let unreported = match (drifted, seen) {
            (Some((version, _)), _) if status.drift.is_none() => Some((version, "drift score")),
            (_, Some(_)) if status.performance.is_none() => Some((version, "realised error")),
            _ => None,
        };
        let trouble = match unreported {
            Some((version, what)) => Some(format!("the {what} of v{version} is not finite")),
            None => {
                let refused = engine.forecasts.refused();
                refused.map(|cause| format!("v{version} gives no forecast: {cause}"))
            }
        };
        status.monitor_error = trouble.map(not_finite);
        status
    }
}

fn not_finite(trouble: String) -> WorkerError {
    let message = format!("{trouble}; pin another version with promotion.championVersion");
    RoleError::user("NotFinite", message).to_worker_error()
}

fn drift(version: u32, metric: DriftMetric, seen: &DriftObservation) -> Option<DriftStatus> {
    let features = seen.features.iter().take(MOST_FEATURES);
    Some(DriftStatus {
        model_version: version,
        metric,
        score: Decimal::rounded(seen.score)?,
        threshold: Decimal::rounded(seen.threshold)?,
        alarm: seen.alarm,
        alarm_since: seen.alarm_since.and_then(time),
        sessions_since_alarm: seen.sessions_since_alarm,
        longest_alarm: seen.longest_alarm.and_then(|longest| {
            Some(AlarmEpisode {
                since: time(longest.since)?,
                sessions: longest.sessions,
            })
        }),
        window_end_time: time(seen.event_time)?,
        features: features
            .map(|feature| {
                Some(FeatureDrift {
                    name: feature.name.clone(),
                    value: Decimal::rounded(feature.score)?,
                    psi: Some(Decimal::rounded(feature.psi)?),
                    ks: Some(Decimal::rounded(feature.ks)?),
                })
            })
            .collect::<Option<_>>()?,
    })
}

fn performance(version: u32, seen: &PerformanceObservation) -> Option<PerformanceStatus> {
    Some(PerformanceStatus {
        model_version: version,
        matured_through: time(seen.matured_through)?,
        dates: u32::try_from(seen.dates).unwrap_or(u32::MAX),
        rmse: Decimal::rounded(seen.rmse)?,
        naive_rmse: Decimal::rounded(seen.naive_rmse)?,
        excess_lower_bound: Decimal::rounded(seen.excess_lower_bound)?,
        worse_than_naive: seen.worse_than_naive,
        worse_since: seen.worse_since.and_then(time),
        sessions_since_worse: seen.sessions_since_worse,
    })
}

fn time(milliseconds: i64) -> Option<Time> {
    Timestamp::from_millisecond(milliseconds).ok().map(Time)
}

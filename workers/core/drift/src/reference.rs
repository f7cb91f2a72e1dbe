//! The reference a model carries: deciles and quantiles of every feature in its training window,
//! and the scores on that window that alarm levels are made from.

use foresail_crds::model_manifest::{DriftReference, FeatureReference};

use crate::calibrate::{self, FeatureScores};
use crate::{DriftError, Sessions};

/// Bins of PSI.
const DECILES: usize = 10;
/// Intervals between stored quantiles.
const QUANTILES: usize = 200;

/// Builds the reference from the training window.
///
/// Every sub-window of `window_sessions` is scored against the reference without a block around it
/// (so that the in-sample optimism of comparing a window with itself does not lower the level), for each feature by
/// itself: [`crate::DriftMonitor`] makes a level of them for the features it watches and the rate of its policy.
///
/// # Errors
/// [`DriftError::TooFewSessions`] below four windows, [`DriftError::BadValue`] for a missing or
/// non-finite value, [`DriftError::NoData`] without a feature or a row, [`DriftError::BadPolicy`] for
/// a number of sessions per year that is not above zero.
pub fn build_reference(
    data: &Sessions,
    window_sessions: usize,
    sessions_per_year: f64,
) -> Result<DriftReference, DriftError> {
    let needed = 4 * window_sessions;
    if data.sessions.len() < needed || window_sessions == 0 {
        let sessions = data.sessions.len();
        return Err(DriftError::TooFewSessions {
            sessions,
            window: window_sessions,
            needed,
        });
    }
    if data.names.is_empty() || data.sessions.iter().all(|s| s.rows.is_empty()) {
        return Err(DriftError::NoData);
    }
    positive("sessions per year", sessions_per_year)?;
    let mut features = Vec::with_capacity(data.names.len());
    let mut scores = Vec::with_capacity(data.names.len());
    for (column, name) in data.names.iter().enumerate() {
        let (feature, feature_scores) = one_feature(data, column, name, window_sessions)?;
        features.push(feature);
        scores.push(feature_scores);
    }
    let windows = scores.first().map_or(0, |s| s.psi.len());
    let together = calibrate::windows_per_score(features.len(), windows, window_sessions);
    for (feature, scores) in features.iter_mut().zip(&scores) {
        feature.psi_scores = calibrate::stored(&scores.psi, feature.psi_scale, together);
        feature.ks_scores = calibrate::stored(&scores.ks, feature.ks_scale, together);
    }
    Ok(DriftReference {
        window_sessions: u32::try_from(window_sessions).unwrap_or(u32::MAX),
        features,
        sessions_per_year,
        windows_per_score: u32::try_from(together).unwrap_or(u32::MAX),
        calibration: Vec::new(),
    })
}

fn positive(field: &'static str, value: f64) -> Result<(), DriftError> {
    if value.is_finite() && value > 0.0 {
        return Ok(());
    }
    Err(DriftError::BadPolicy {
        field,
        value: value.to_string(),
        expected: "a number above zero",
    })
}

fn one_feature(
    data: &Sessions,
    column: usize,
    name: &str,
    window: usize,
) -> Result<(FeatureReference, FeatureScores), DriftError> {
    let columns = extract(data, column, name)?;
    let mut sorted: Vec<f64> = columns.iter().flatten().copied().collect();
    sorted.sort_by(f64::total_cmp);
    let at = |part: usize, parts: usize| sorted[(sorted.len() - 1) * part / parts];
    let mut edges: Vec<f64> = (1..DECILES).map(|i| at(i, DECILES)).collect();
    edges.dedup();
    // An edge at the maximum would leave an empty bin above it.
    edges.retain(|edge| *edge < at(1, 1));
    let quantiles: Vec<f64> = (0..=QUANTILES).map(|i| at(i, QUANTILES)).collect();
    let shares = shares(&edges, &sorted);
    let mut feature = FeatureReference {
        name: name.into(),
        edges,
        shares,
        quantiles,
        psi_scale: 1.0,
        ks_scale: 1.0,
        psi_scores: Vec::new(),
        ks_scores: Vec::new(),
    };
    let scores = calibrate::sub_windows(&feature, &columns, window);
    feature.psi_scale = calibrate::scale_of(&scores.psi);
    feature.ks_scale = calibrate::scale_of(&scores.ks);
    Ok((feature, scores))
}

fn extract(data: &Sessions, column: usize, name: &str) -> Result<Vec<Vec<f64>>, DriftError> {
    let bad = |event_time| DriftError::BadValue {
        name: name.into(),
        event_time,
    };
    data.sessions
        .iter()
        .map(|session| {
            let value = |row: &Vec<f64>| row.get(column).copied().filter(|v| v.is_finite());
            let values: Option<Vec<f64>> = session.rows.iter().map(value).collect();
            values.ok_or_else(|| bad(session.event_time))
        })
        .collect()
}

fn shares(edges: &[f64], sorted: &[f64]) -> Vec<f64> {
    let mut previous = 0;
    let mut shares = Vec::with_capacity(edges.len() + 1);
    for edge in edges {
        let upto = sorted.partition_point(|v| v <= edge);
        shares.push((upto - previous) as f64 / sorted.len() as f64);
        previous = upto;
    }
    shares.push((sorted.len() - previous) as f64 / sorted.len() as f64);
    shares
}

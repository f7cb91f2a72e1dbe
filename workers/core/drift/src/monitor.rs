//! The live side: a rolling window of sessions scored against a reference.

use foresail_crds::model_manifest::DriftReference;
use foresail_crds::pipeline::spec::DriftMetric;

use crate::policy::{DriftPolicy, Threshold};
use crate::window::Window;
use crate::{DriftError, Session, calibrate, score};

/// Rolling comparison of the newest sessions with the reference of one model version. The window is
/// the reference's: its level holds for that length only.
#[derive(Clone, Debug)]
pub struct DriftMonitor {
    reference: DriftReference,
    policy: DriftPolicy,
    threshold: f64,
    own_level: bool,
    window: Window,
    alarm_since: Option<i64>,
    sessions_since_alarm: u32,
    longest_alarm: Option<Episode>,
    quiet: usize,
}

/// An alarm episode, ended or not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Episode {
    /// First window end above the level, milliseconds UTC.
    pub since: i64,
    /// Sessions after that while the alarm held.
    pub sessions: u32,
}

/// Score of the window that ends at one session.
#[derive(Clone, Debug, PartialEq)]
pub struct DriftObservation {
    /// Newest session in the window, milliseconds UTC.
    pub event_time: i64,
    /// Combined scaled score (Calibrated) or largest raw score (fixed threshold).
    pub score: f64,
    /// Alarm level of that score.
    pub threshold: f64,
    /// In an alarm episode: it starts above the level and ends after half a window at or below it.
    pub alarm: bool,
    /// First window end of the episode.
    pub alarm_since: Option<i64>,
    /// Sessions since then.
    pub sessions_since_alarm: u32,
    /// Longest episode of this reference, the first of equals. A reader that polls rarely would
    /// miss one that came and went between two polls.
    pub longest_alarm: Option<Episode>,
    /// Watched features, largest score first.
    pub features: Vec<FeatureScore>,
}

/// Drift of one feature.
#[derive(Clone, Debug, PartialEq)]
pub struct FeatureScore {
    /// Feature.
    pub name: String,
    /// The statistic of the policy, scaled (Calibrated) or raw (fixed threshold).
    pub score: f64,
    /// Population stability index.
    pub psi: f64,
    /// Kolmogorov-Smirnov distance.
    pub ks: f64,
}

/// The alarm level, and whether it is that of `watched` at the rate of the policy.
fn level(
    reference: &DriftReference,
    policy: &DriftPolicy,
    watched: &[usize],
) -> Result<(f64, bool), DriftError> {
    let (metric, rate) = (policy.metric, policy.false_alarms_per_year);
    if let Threshold::Fixed(level) = policy.threshold {
        return Ok((level, true));
    }
    if let Some(level) = calibrate::level(reference, watched, metric, rate) {
        return Ok((level, true));
    }
    let older = reference.calibration.iter().find(|c| c.metric == metric);
    let older = older.ok_or_else(|| DriftError::BadPolicy {
        field: "drift.metric",
        value: format!("{metric:?}"),
        expected: "a metric the model was calibrated for; retrain it",
    })?;
    Ok((older.threshold, false))
}

impl DriftMonitor {
    /// A monitor with an empty window.
    ///
    /// # Errors
    /// [`DriftError::UnknownFeature`] when the policy names one the reference lacks;
    /// [`DriftError::BadPolicy`] when the reference holds no level for the metric.
    pub fn new(mut reference: DriftReference, policy: DriftPolicy) -> Result<Self, DriftError> {
        let index = |name: &String| {
            let position = reference.features.iter().position(|f| &f.name == name);
            position.ok_or_else(|| DriftError::UnknownFeature { name: name.clone() })
        };
        let watched: Vec<usize> = if policy.features.is_empty() {
            (0..reference.features.len()).collect()
        } else {
            policy
                .features
                .iter()
                .map(index)
                .collect::<Result<_, _>>()?
        };
        let (threshold, own_level) = level(&reference, &policy, &watched)?;
        let size = usize::try_from(reference.window_sessions).unwrap_or(usize::MAX);
        let window = Window::new(size, &watched, &reference.features);
        for feature in &mut reference.features {
            feature.psi_scores = Vec::new();
            feature.ks_scores = Vec::new();
        }
        Ok(Self {
            reference,
            policy,
            threshold,
            own_level,
            window,
            alarm_since: None,
            sessions_since_alarm: 0,
            longest_alarm: None,
            quiet: 0,
        })
    }

    /// The alarm level.
    pub fn threshold(&self) -> f64 {
        self.threshold
    }

    /// Whether the level is that of the watched features at the rate of the policy. A version of an older trainer has
    /// one level, that of all its features at the rate of its training.
    pub fn has_own_level(&self) -> bool {
        self.own_level
    }

    /// Forgets every session: the window is empty, and no alarm was.
    pub fn clear(&mut self) {
        self.window.clear();
        self.alarm_since = None;
        self.sessions_since_alarm = 0;
        self.longest_alarm = None;
        self.quiet = 0;
    }

    /// Adds a session; an observation once the window is full.
    pub fn push(&mut self, session: Session) -> Option<DriftObservation> {
        let event_time = session.event_time;
        if !self.window.push(&session) {
            return None;
        }
        let size = usize::try_from(self.reference.window_sessions).unwrap_or(usize::MAX);
        let mut features = self.scores();
        features.sort_by(|a, b| b.score.total_cmp(&a.score));
        let score = features.first().map_or(0.0, |f| f.score);
        self.update_alarm(event_time, score, size);
        self.keep_longest();
        Some(DriftObservation {
            event_time,
            score,
            threshold: self.threshold,
            alarm: self.alarm_since.is_some(),
            alarm_since: self.alarm_since,
            sessions_since_alarm: self.sessions_since_alarm,
            longest_alarm: self.longest_alarm,
            features,
        })
    }

    fn scores(&self) -> Vec<FeatureScore> {
        let metric = self.policy.metric;
        let one = |(column, [psi, ks]): (usize, [f64; 2])| {
            let feature = self.reference.features.get(column)?;
            let raw = match metric {
                DriftMetric::Psi => psi,
                DriftMetric::Ks => ks,
            };
            let score = match self.policy.threshold {
                Threshold::Calibrated => raw / score::scale(metric, feature),
                Threshold::Fixed(_) => raw,
            };
            Some(FeatureScore {
                name: feature.name.clone(),
                score,
                psi,
                ks,
            })
        };
        let scores = self.window.scores(&self.reference.features);
        scores.into_iter().filter_map(one).collect()
    }

    fn keep_longest(&mut self) {
        let Some(since) = self.alarm_since else {
            return;
        };
        let sessions = self.sessions_since_alarm;
        if self.longest_alarm.is_none_or(|l| sessions > l.sessions) {
            self.longest_alarm = Some(Episode { since, sessions });
        }
    }

    fn update_alarm(&mut self, event_time: i64, score: f64, window: usize) {
        if score > self.threshold {
            self.quiet = 0;
            if self.alarm_since.is_none() {
                self.alarm_since = Some(event_time);
                self.sessions_since_alarm = 0;
                return;
            }
        } else {
            self.quiet += 1;
            if self.quiet >= (window / 2).max(1) {
                self.alarm_since = None;
            }
        }
        if self.alarm_since.is_some() {
            self.sessions_since_alarm = self.sessions_since_alarm.saturating_add(1);
        } else {
            self.sessions_since_alarm = 0;
        }
    }
}

#[cfg(test)]
mod tests;

//! The drift policy of a Pipeline, parsed once.

use foresail_crds::pipeline::spec::{DriftMetric, DriftSpec};

use crate::DriftError;

/// Parsed `spec.drift`.
#[derive(Clone, Debug, PartialEq)]
pub struct DriftPolicy {
    /// Statistic.
    pub metric: DriftMetric,
    /// Alarm level.
    pub threshold: Threshold,
    /// Accepted alarms per year while nothing changes.
    pub false_alarms_per_year: f64,
    /// Sessions in the current window.
    pub window_sessions: usize,
    /// Features to watch; all when empty.
    pub features: Vec<String>,
}

/// Alarm level.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Threshold {
    /// The level stored with the model, for the combined scaled score.
    Calibrated,
    /// A fixed level for the largest raw feature score.
    Fixed(f64),
}

impl TryFrom<&DriftSpec> for DriftPolicy {
    type Error = DriftError;

    fn try_from(spec: &DriftSpec) -> Result<Self, DriftError> {
        let threshold = if spec.threshold == "Calibrated" {
            Threshold::Calibrated
        } else {
            let level = spec
                .threshold
                .parse()
                .ok()
                .filter(|v: &f64| v.is_finite() && *v > 0.0);
            Threshold::Fixed(level.ok_or_else(|| DriftError::BadPolicy {
                field: "drift.threshold",
                value: spec.threshold.clone(),
                expected: "Calibrated or a number above zero",
            })?)
        };
        let alarms = spec
            .false_alarms_per_year
            .as_f64()
            .filter(|v| (0.01..=50.0).contains(v));
        Ok(Self {
            metric: spec.metric,
            threshold,
            false_alarms_per_year: alarms.ok_or_else(|| DriftError::BadPolicy {
                field: "drift.falseAlarmsPerYear",
                value: spec.false_alarms_per_year.to_string(),
                expected: "between 0.01 and 50",
            })?,
            window_sessions: usize::try_from(spec.window_sessions.max(1)).unwrap_or(1),
            features: spec.features.clone(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_the_word_are_read_and_the_rest_refused() {
        let spec = DriftSpec::default();
        assert_eq!(
            DriftPolicy::try_from(&spec).unwrap().threshold,
            Threshold::Calibrated
        );
        let fixed = DriftSpec {
            threshold: "0.2".into(),
            ..spec.clone()
        };
        assert_eq!(
            DriftPolicy::try_from(&fixed).unwrap().threshold,
            Threshold::Fixed(0.2)
        );
        for bad in ["0", "-1", "abc", "inf"] {
            let spec = DriftSpec {
                threshold: bad.into(),
                ..spec.clone()
            };
            assert!(DriftPolicy::try_from(&spec).is_err(), "{bad}");
        }
    }
}

//! The drift policy of a Pipeline, parsed once.

use foresail_crds::Decimal;
use foresail_crds::pipeline::spec::DriftMetric;
use foresail_crds::worker_config::DriftWatch;

use crate::DriftError;

/// What is watched, parsed.
#[derive(Clone, Debug, PartialEq)]
pub struct DriftPolicy {
    /// Statistic.
    pub metric: DriftMetric,
    /// Alarm level.
    pub threshold: Threshold,
    /// Alarms per year that a calibrated level accepts.
    pub false_alarms_per_year: f64,
    /// Sessions in the current window.
    pub window_sessions: usize,
    /// Features to watch; all when empty.
    pub features: Vec<String>,
}

/// Alarm level.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Threshold {
    /// The level that gives `false_alarms_per_year` on the training data, for the combined scaled score.
    Calibrated,
    /// A fixed level for the largest raw feature score.
    Fixed(f64),
}

impl TryFrom<&DriftWatch> for DriftPolicy {
    type Error = DriftError;

    fn try_from(spec: &DriftWatch) -> Result<Self, DriftError> {
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
        Ok(Self {
            metric: spec.metric,
            threshold,
            false_alarms_per_year: alarm_rate(&spec.false_alarms_per_year)?,
            window_sessions: usize::try_from(spec.window_sessions.max(1)).unwrap_or(1),
            features: spec.features.clone(),
        })
    }
}

/// Accepted alarms per year while nothing changes: a number between 0.01 and 50.
fn alarm_rate(rate: &Decimal) -> Result<f64, DriftError> {
    let alarms = rate.as_f64().filter(|v| (0.01..=50.0).contains(v));
    alarms.ok_or_else(|| DriftError::BadPolicy {
        field: "drift.falseAlarmsPerYear",
        value: rate.to_string(),
        expected: "between 0.01 and 50",
    })
}

#[cfg(test)]
mod tests {
    use foresail_crds::pipeline::spec::DriftSpec;

    use super::*;

    #[test]
    fn numbers_and_the_word_are_read_and_the_rest_refused() {
        let spec = DriftWatch::from(&DriftSpec::default());
        assert_eq!(
            DriftPolicy::try_from(&spec).unwrap().threshold,
            Threshold::Calibrated
        );
        let fixed = DriftWatch {
            threshold: "0.2".into(),
            ..spec.clone()
        };
        assert_eq!(
            DriftPolicy::try_from(&fixed).unwrap().threshold,
            Threshold::Fixed(0.2)
        );
        for bad in ["0", "-1", "abc", "inf"] {
            let spec = DriftWatch {
                threshold: bad.into(),
                ..spec.clone()
            };
            assert!(DriftPolicy::try_from(&spec).is_err(), "{bad}");
            let spec = DriftWatch {
                threshold: "Calibrated".into(),
                false_alarms_per_year: bad.into(),
                ..spec
            };
            assert!(DriftPolicy::try_from(&spec).is_err(), "{bad} a year");
        }
    }

    #[test]
    fn a_rate_of_false_alarms_has_bounds() {
        assert_eq!(alarm_rate(&"0.5".into()), Ok(0.5));
        for bad in ["0", "51", "-1", "often"] {
            assert!(alarm_rate(&bad.into()).is_err(), "{bad}");
        }
    }
}

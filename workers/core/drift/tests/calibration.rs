//! The calibrated level keeps its promise on data it has not seen, and a break is caught.

#![allow(clippy::unwrap_used)]

use foresail_crds::pipeline::spec::{DriftMetric, DriftSpec};
use foresail_crds::worker_config::DriftWatch;
use foresail_drift::{DriftError, DriftMonitor, DriftPolicy, Session, Sessions, build_reference};

const WINDOW: usize = 60;
const PER_YEAR: f64 = 252.0;

/// SplitMix64 with a Box-Muller normal: deterministic, no dependency.
struct Noise(u64);

impl Noise {
    fn uniform(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        ((z ^ (z >> 31)) >> 11) as f64 / (1u64 << 53) as f64
    }

    fn normal(&mut self) -> f64 {
        let radius = (-2.0 * (1.0 - self.uniform()).ln()).sqrt();
        radius * (2.0 * std::f64::consts::PI * self.uniform()).cos()
    }
}

/// Three symbols with clustered volatility; features: return and a persistent volatility estimate.
struct Market {
    noise: Noise,
    variance: [f64; 3],
    estimate: [f64; 3],
    time: i64,
}

impl Market {
    fn new(seed: u64) -> Self {
        let mut market = Self {
            noise: Noise(seed),
            variance: [1.0; 3],
            estimate: [1.0; 3],
            time: 0,
        };
        market.sessions(200, 1.0);
        market
    }

    fn session(&mut self, scale: f64) -> Session {
        self.time += 1;
        let rows = (0..3)
            .map(|s| {
                let shock = self.noise.normal() * self.variance[s].sqrt();
                self.variance[s] = 0.05 + 0.05 * shock * shock + 0.9 * self.variance[s];
                let value = scale * shock;
                self.estimate[s] = 0.9 * self.estimate[s] + 0.1 * value.abs();
                vec![value, self.estimate[s]]
            })
            .collect();
        Session {
            event_time: self.time,
            rows,
        }
    }

    fn sessions(&mut self, count: usize, scale: f64) -> Vec<Session> {
        (0..count).map(|_| self.session(scale)).collect()
    }
}

fn monitor(market: &mut Market, metric: DriftMetric, budget: f64, years: usize) -> DriftMonitor {
    let names = vec!["ret".into(), "vol".into()];
    let data = Sessions {
        names,
        sessions: market.sessions(years * 252, 1.0),
    };
    let reference = build_reference(&data, WINDOW, PER_YEAR, budget).unwrap();
    let policy = DriftPolicy::try_from(&DriftWatch::from(&DriftSpec {
        metric,
        ..DriftSpec::default()
    }))
    .unwrap();
    DriftMonitor::new(reference, policy).unwrap()
}

/// Over unseen stationary years of many markets: alarm episodes per year, share of time in alarm.
fn false_alarms(metric: DriftMetric, budget: f64, reference_years: usize) -> (f64, f64) {
    let (markets, years) = (20, 10);
    let (mut alarms, mut in_alarm, mut windows) = (0, 0, 0);
    for seed in 0..markets {
        let mut market = Market::new(seed * 7 + 1);
        let mut monitor = monitor(&mut market, metric, budget, reference_years);
        let mut since = None;
        for session in market.sessions(years * 252, 1.0) {
            let Some(seen) = monitor.push(session) else {
                continue;
            };
            windows += 1;
            in_alarm += usize::from(seen.alarm);
            alarms += usize::from(seen.alarm && seen.alarm_since != since);
            since = seen.alarm_since;
        }
    }
    let rate = alarms as f64 / (markets as usize * years) as f64;
    (rate, in_alarm as f64 / windows as f64)
}

#[test]
fn stationary_years_stay_within_the_declared_budget() {
    for metric in [DriftMetric::Psi, DriftMetric::Ks] {
        // The last budget is far less than one alarm in the whole reference.
        for (budget, reference_years) in [(1.0, 8), (0.5, 8), (0.1, 2)] {
            let (rate, _) = false_alarms(metric, budget, reference_years);
            assert!(
                rate <= 1.5 * budget,
                "{metric:?}: {rate} alarms a year, {budget} declared"
            );
            assert!(
                rate >= 0.1 * budget,
                "{metric:?}: {rate} alarms a year, {budget} declared: the level is far too high"
            );
        }
    }
}

#[test]
fn a_budget_that_cannot_be_reached_is_no_endless_alarm() {
    for metric in [DriftMetric::Psi, DriftMetric::Ks] {
        let (rate, in_alarm) = false_alarms(metric, 20.0, 4);
        assert!(
            in_alarm < 0.75,
            "{metric:?}: in alarm {in_alarm} of the time"
        );
        assert!(rate > 0.75, "{metric:?}: {rate} alarms a year");
    }
}

#[test]
fn a_doubled_volatility_is_caught_within_the_window() {
    for metric in [DriftMetric::Psi, DriftMetric::Ks] {
        for seed in 0..10 {
            let mut market = Market::new(seed + 100);
            let mut monitor = monitor(&mut market, metric, 0.5, 8);
            let mut seen: Vec<_> = Vec::new();
            for session in market.sessions(WINDOW, 1.0) {
                seen.extend(monitor.push(session));
            }
            let alarm = market
                .sessions(WINDOW, 2.0)
                .into_iter()
                .position(|session| monitor.push(session).is_some_and(|o| o.alarm));
            assert!(
                alarm.is_some(),
                "{metric:?}, market {seed}: no alarm after {WINDOW} sessions"
            );
        }
    }
}

#[test]
fn too_little_data_and_bad_values_are_refused() {
    let mut market = Market::new(1);
    let names: Vec<String> = vec!["ret".into(), "vol".into()];
    let short = Sessions {
        names: names.clone(),
        sessions: market.sessions(3 * WINDOW, 1.0),
    };
    assert!(build_reference(&short, WINDOW, PER_YEAR, 1.0).is_err());
    let mut bad = Sessions {
        names,
        sessions: market.sessions(5 * WINDOW, 1.0),
    };
    bad.sessions[7].rows[1][0] = f64::NAN;
    let message = build_reference(&bad, WINDOW, PER_YEAR, 1.0)
        .unwrap_err()
        .to_string();
    assert!(message.contains("ret"), "{message}");
    bad.sessions[7].rows[1].clear();
    assert!(build_reference(&bad, WINDOW, PER_YEAR, 1.0).is_err());
    for session in &mut bad.sessions {
        session.rows.clear();
    }
    let empty = build_reference(&bad, WINDOW, PER_YEAR, 1.0);
    assert_eq!(empty.unwrap_err(), DriftError::NoData);
    bad.names.clear();
    assert!(build_reference(&bad, WINDOW, PER_YEAR, 1.0).is_err());
    let good = Sessions {
        names: vec!["ret".into(), "vol".into()],
        sessions: market.sessions(5 * WINDOW, 1.0),
    };
    for budget in [0.0, -1.0, f64::NAN, f64::INFINITY] {
        assert!(build_reference(&good, WINDOW, PER_YEAR, budget).is_err());
    }
}

#[test]
fn constant_features_neither_alarm_nor_fail() {
    let sessions: Vec<Session> = (0..300)
        .map(|t| Session {
            event_time: t,
            rows: vec![vec![1.0]; 3],
        })
        .collect();
    let data = Sessions {
        names: vec!["flat".into()],
        sessions: sessions.clone(),
    };
    let reference = build_reference(&data, WINDOW, PER_YEAR, 1.0).unwrap();
    let policy = DriftPolicy::try_from(&DriftWatch::from(&DriftSpec::default())).unwrap();
    let mut monitor = DriftMonitor::new(reference, policy).unwrap();
    for session in sessions {
        assert!(
            monitor
                .push(session)
                .is_none_or(|o| !o.alarm && o.score.is_finite())
        );
    }
}

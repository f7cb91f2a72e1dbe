//! A simple long/flat strategy on the forecasts, with costs, beside buying and holding.
//!
//! Forecasts `horizon` sessions ahead overlap. Capital is cut into `horizon` tranches: each session one
//! tranche is set to long or flat by the newest forecast and kept for `horizon` sessions (Jegadeesh and
//! Titman 1993). Each forecast is thus held over the very sessions it speaks of, and the result does
//! not hang on the day one starts; the nearest step alone would judge only one of the steps.

use serde::{Deserialize, Serialize};

use crate::error::{InputError, enough};

/// How it is traded.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Rules {
    /// Cost of a change of the whole position from flat to long or back, in hundredths of a percent of
    /// what is traded; 0 to 10000.
    pub cost_bps: f64,
    /// Sessions a forecast looks ahead, and a tranche is held; at least 1.
    pub horizon: usize,
    /// Sessions between a forecast and its trade. 1 trades at the next close; 0 trades at the very
    /// close the forecast is made from, which is a little kind.
    pub delay: usize,
    /// Sessions in a year, above zero; 252 for shares.
    pub sessions_per_year: f64,
}

/// One session of one symbol.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Session {
    /// Bar end, milliseconds UTC.
    pub event_time: i64,
    /// Adjusted close, above zero.
    pub close: f64,
    /// Forecast close `horizon` sessions ahead; without one the tranche is flat.
    pub forecast: Option<f64>,
}

/// Result of a simulation. Shares, not percent.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Outcome {
    /// Return over the whole time.
    pub total_return: f64,
    /// Geometric return a year; -1 after a total loss.
    pub annual_return: f64,
    /// Standard deviation of the returns of a session, annualised.
    pub volatility: f64,
    /// Mean return over its deviation, annualised, against a riskless rate of zero; `None` without
    /// deviation.
    pub sharpe: Option<f64>,
    /// Largest fall from a peak, 0..=1.
    pub max_drawdown: f64,
    /// Sum of absolute changes of position, a year.
    pub turnover: f64,
    /// Mean share of capital that was long, 0..=1.
    pub exposure: f64,
}

/// The strategy beside buying at the first close and holding, which pays the cost once.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Simulation {
    /// On the forecasts.
    pub strategy: Outcome,
    /// Buy and hold.
    pub hold: Outcome,
    /// Return of the strategy from each session to the next, net of costs: for a bootstrap.
    pub returns: Vec<f64>,
}

/// Simulates one symbol over sessions in order of time.
///
/// # Errors
/// Fewer than three sessions, times that do not ascend, closes that are not finite and above zero,
/// forecasts that are not finite, rules out of range, wealth beyond the range of numbers.
pub fn simulate(sessions: &[Session], rules: &Rules) -> Result<Simulation, InputError> {
    check(sessions, rules)?;
    let positions = positions(sessions, rules);
    let (returns, traded) = returns(sessions, &positions, rules);
    let held = vec![1.0; positions.len()];
    let (hold, bought) = self::returns(sessions, &held, rules);
    Ok(Simulation {
        strategy: outcome(&returns, &positions, traded, rules)?,
        hold: outcome(&hold, &held, bought, rules)?,
        returns,
    })
}

/// Share of capital that is long from each session to the next.
fn positions(sessions: &[Session], rules: &Rules) -> Vec<f64> {
    let long = |s: &Session| f64::from(u8::from(s.forecast.is_some_and(|f| f > s.close)));
    let signals: Vec<f64> = sessions.iter().map(long).collect();
    let open = |t: usize| {
        // Tranches of the `horizon` newest signals that are `delay` sessions old or older.
        let end = (t + 1).saturating_sub(rules.delay);
        let start = end.saturating_sub(rules.horizon);
        let sum = signals.get(start..end).map_or(0.0, |s| s.iter().sum());
        sum / rules.horizon as f64
    };
    (0..sessions.len() - 1).map(open).collect()
}

/// Net return from each session to the next, and the sum of absolute changes of position.
fn returns(sessions: &[Session], positions: &[f64], rules: &Rules) -> (Vec<f64>, f64) {
    let (mut before, mut traded) = (0.0, 0.0);
    let pairs = sessions.iter().zip(sessions.iter().skip(1));
    let one = |((now, next), position): ((&Session, &Session), &f64)| {
        let change = (position - before).abs();
        before = *position;
        traded += change;
        let market = next.close / now.close - 1.0;
        (1.0 - change * rules.cost_bps * 1e-4) * (1.0 + position * market) - 1.0
    };
    let returns = pairs.zip(positions).map(one).collect();
    (returns, traded)
}

fn outcome(
    returns: &[f64],
    positions: &[f64],
    traded: f64,
    rules: &Rules,
) -> Result<Outcome, InputError> {
    let n = returns.len() as f64;
    let (mut wealth, mut peak, mut fall) = (1.0f64, 1.0f64, 0.0f64);
    for r in returns {
        wealth *= 1.0 + r;
        peak = peak.max(wealth);
        fall = fall.max(1.0 - wealth / peak);
    }
    let mean = returns.iter().sum::<f64>() / n;
    let squares = returns.iter().map(|r| (r - mean).powi(2)).sum::<f64>();
    let deviation = (squares / (n - 1.0).max(1.0)).sqrt();
    let year = rules.sessions_per_year;
    let annual_return = wealth.max(0.0).powf(year / n) - 1.0;
    if !(annual_return + deviation + wealth).is_finite() {
        let expected = "within the range of numbers";
        return Err(InputError::range("wealth", wealth, expected));
    }
    Ok(Outcome {
        total_return: wealth - 1.0,
        annual_return,
        volatility: deviation * year.sqrt(),
        sharpe: (deviation > 1e-12 * mean.abs()).then(|| mean / deviation * year.sqrt()),
        max_drawdown: fall,
        turnover: traded / n * year,
        exposure: positions.iter().sum::<f64>() / positions.len().max(1) as f64,
    })
}

fn check_rules(rules: &Rules) -> Result<(), InputError> {
    enough("horizon", rules.horizon, 1)?;
    if !(0.0..=1e4).contains(&rules.cost_bps) {
        return Err(InputError::range("cost_bps", rules.cost_bps, "0 to 10000"));
    }
    let year = rules.sessions_per_year;
    if !(year > 0.0 && year.is_finite()) {
        let expected = "finite and above zero";
        return Err(InputError::range("sessions_per_year", year, expected));
    }
    Ok(())
}

fn check(sessions: &[Session], rules: &Rules) -> Result<(), InputError> {
    enough("sessions", sessions.len(), 3)?;
    check_rules(rules)?;
    let mut before = None;
    for (index, s) in sessions.iter().enumerate() {
        let bad = |what, value: String, expected| InputError::BadValue {
            what,
            index,
            value,
            expected,
        };
        if !(s.close > 0.0 && s.close.is_finite()) {
            let expected = "finite and above zero";
            return Err(bad("close", s.close.to_string(), expected));
        }
        if let Some(f) = s.forecast.filter(|f| !f.is_finite()) {
            return Err(bad("forecast", f.to_string(), "finite"));
        }
        if before.is_some_and(|b| b >= s.event_time) {
            let expected = "later than the one before";
            return Err(bad("event time", s.event_time.to_string(), expected));
        }
        before = Some(s.event_time);
    }
    Ok(())
}

#[cfg(test)]
#[path = "strategy_tests.rs"]
mod tests;

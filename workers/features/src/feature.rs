//! A feature: kernels bound to bar columns. The catalogue is `FeatureFunction`; each formula stands
//! once, here. Rules: a constant window has z-score 0 and band position 0.5; a missing volume repeats
//! the last known one (0 before the first); a bar without high or without low has range 0.

use foresail_crds::pipeline::spec::{FeatureFunction as F, FeatureSpec};
use serde::{Deserialize, Serialize};

use crate::adjust::AdjustedBar;
use crate::kernels::{Adx, Ema, Ring, Rsi, Smoothed};
use crate::spec::{FeatureError, Parameters, parameters};
use crate::window::{BarWindow, true_range};

/// State of one feature of one symbol.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Feature {
    function: F,
    state: State,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
enum State {
    /// The last `window` closes; the one leaving is `window` sessions old.
    Lag {
        closes: Ring,
    },
    /// Moments of closes, log returns, ranges or volumes.
    Window {
        values: Ring,
        previous: Option<f64>,
        deviations: f64,
    },
    Ema(Ema),
    Macd {
        fast: Ema,
        slow: Ema,
        signal: Ema,
    },
    Rsi(Rsi),
    Atr {
        range: Smoothed,
        previous: Option<f64>,
    },
    Adx {
        index: Adx,
        previous: Option<f64>,
    },
    Bars(BarWindow),
    /// Nothing is kept: the date of the bar is all.
    Date,
}

impl Feature {
    pub(crate) fn new(spec: &FeatureSpec) -> Result<Self, FeatureError> {
        let Parameters {
            window,
            fast,
            slow,
            signal,
            deviations,
        } = parameters(spec)?;
        let state = match spec.function {
            F::LogReturn | F::LogReturnOver | F::RateOfChange => State::Lag {
                closes: Ring::new(window),
            },
            F::EmaRatio => State::Ema(Ema::new(window)),
            F::Rsi => State::Rsi(Rsi::new(window)),
            F::Macd | F::MacdSignal | F::MacdHistogram => State::Macd {
                fast: Ema::new(fast),
                slow: Ema::new(slow),
                signal: Ema::new(signal),
            },
            F::AtrRatio => State::Atr {
                range: Smoothed::new(window),
                previous: None,
            },
            F::Adx => State::Adx {
                index: Adx::new(window),
                previous: None,
            },
            F::DayOfWeek | F::DayOfMonth | F::MonthOfYear => State::Date,
            F::SmaRatio
            | F::Volatility
            | F::ZScore
            | F::BollingerUpper
            | F::BollingerLower
            | F::BollingerWidth
            | F::BollingerPercentB
            | F::VolumeZScore
            | F::RangeMean => State::Window {
                values: Ring::new(window),
                previous: None,
                deviations,
            },
            bars => State::Bars(BarWindow::new(bars, window, signal)),
        };
        Ok(Self {
            function: spec.function,
            state,
        })
    }

    /// Bars needed for the first value, found by counting: exact by construction.
    pub(crate) fn warm_up(&self) -> usize {
        let mut probe = self.clone();
        let bar = AdjustedBar {
            event_time: 0,
            open: Some(1.0),
            close: 1.0,
            high: 1.0,
            low: 1.0,
            share_price: 1.0,
            volume: Some(1.0),
        };
        let mut bars = 1;
        while probe.push(&bar).is_none() {
            bars += 1;
        }
        bars
    }

    /// Whether this restored state is sound and of the same function and windows as `fresh`.
    pub(crate) fn continues(&self, fresh: &Self) -> bool {
        self.function == fresh.function
            && match (&self.state, &fresh.state) {
                (State::Lag { closes }, State::Lag { closes: new }) => closes.continues(new),
                (
                    State::Window {
                        values, deviations, ..
                    },
                    State::Window {
                        values: new,
                        deviations: declared,
                        ..
                    },
                ) => values.continues(new) && deviations == declared,
                (State::Ema(ema), State::Ema(new)) => ema.continues(new),
                (State::Rsi(rsi), State::Rsi(new)) => rsi.continues(new),
                (
                    State::Macd { fast, slow, signal },
                    State::Macd {
                        fast: new_fast,
                        slow: new_slow,
                        signal: new_signal,
                    },
                ) => {
                    fast.continues(new_fast)
                        && slow.continues(new_slow)
                        && signal.continues(new_signal)
                }
                (State::Atr { range, .. }, State::Atr { range: new, .. }) => range.continues(new),
                (State::Adx { index, .. }, State::Adx { index: new, .. }) => index.continues(new),
                (State::Bars(window), State::Bars(new)) => window.continues(new),
                (State::Date, State::Date) => true,
                _ => false,
            }
    }

    /// The value at this bar, once warm.
    pub(crate) fn push(&mut self, bar: &AdjustedBar) -> Option<f64> {
        let close = bar.close;
        match &mut self.state {
            State::Lag { closes } => {
                let past = closes.push(close)?;
                Some(match self.function {
                    F::RateOfChange => close / past - 1.0,
                    _ => (close / past).ln(),
                })
            }
            State::Ema(ema) => Some(ema.push(close)? / close - 1.0),
            State::Rsi(rsi) => rsi.push(close),
            State::Atr { range, previous } => {
                let before = previous.replace(close)?;
                Some(range.push(true_range(bar, before))? / close)
            }
            State::Adx { index, previous } => {
                let before = previous.replace(close);
                let range = before.map(|before| true_range(bar, before));
                index.push(bar.high, bar.low, range)
            }
            State::Bars(window) => window.push(self.function, bar),
            State::Date => Some(calendar(self.function, bar.event_time)),
            State::Macd { fast, slow, signal } => {
                let (fast, slow) = (fast.push(close), slow.push(close));
                let macd = (fast? - slow?) / close;
                match self.function {
                    F::Macd => Some(macd),
                    F::MacdSignal => signal.push(macd),
                    _ => Some(macd - signal.push(macd)?),
                }
            }
            State::Window {
                values,
                previous,
                deviations,
            } => {
                let value = column(self.function, bar, previous)?;
                values.push(value);
                values
                    .is_full()
                    .then(|| moments(self.function, values, value, *deviations))
            }
        }
    }
}

/// A number of the session's date. A bar ends within its session's day, or at the midnight after it.
fn calendar(function: F, event_time: i64) -> f64 {
    let last = jiff::Timestamp::from_millisecond(event_time.saturating_sub(1));
    let date = last.map_or(jiff::civil::Date::ZERO, |t| {
        t.to_zoned(jiff::tz::TimeZone::UTC).date()
    });
    f64::from(match function {
        F::DayOfWeek => date.weekday().to_monday_zero_offset(),
        F::DayOfMonth => date.day(),
        _ => date.month(),
    })
}

/// The number a window feature collects from a bar.
fn column(function: F, bar: &AdjustedBar, previous: &mut Option<f64>) -> Option<f64> {
    match function {
        F::Volatility => {
            let past = previous.replace(bar.close)?;
            Some((bar.close / past).ln())
        }
        F::VolumeZScore => {
            let volume = bar.volume.or(*previous).unwrap_or(0.0);
            *previous = Some(volume);
            Some(volume)
        }
        F::RangeMean => Some((bar.high - bar.low) / bar.close),
        _ => Some(bar.close),
    }
}

/// A window feature's value; `newest` is the value just pushed.
fn moments(function: F, values: &Ring, newest: f64, deviations: f64) -> f64 {
    let score = |(mean, std): (f64, f64)| {
        if std > 0.0 {
            (newest - mean) / std
        } else {
            0.0
        }
    };
    match function {
        F::SmaRatio => values.mean() / newest - 1.0,
        F::Volatility => values.sample().1,
        F::ZScore | F::VolumeZScore => score(values.sample()),
        F::RangeMean => values.mean(),
        _ => {
            let (mean, std) = values.population();
            let half = deviations * std;
            match function {
                F::BollingerUpper => (mean + half) / newest - 1.0,
                F::BollingerLower => (mean - half) / newest - 1.0,
                F::BollingerWidth => 2.0 * half / mean,
                _ if half > 0.0 => (newest - (mean - half)) / (2.0 * half),
                _ => 0.5,
            }
        }
    }
}

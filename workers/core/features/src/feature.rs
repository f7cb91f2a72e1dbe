//! A feature: kernels bound to bar columns. The catalogue is `FeatureFunction`; lags, recursive
//! averages and dates are here, everything over a window of bars is in `window` and `rolling`.

use foresail_crds::pipeline::spec::{FeatureFunction as F, FeatureSpec};
use serde::{Deserialize, Serialize};

use crate::adjust::AdjustedBar;
use crate::kernels::{Adx, Ema, Ring, Rsi, Shared, Smoothed};
use crate::rolling::Rolling;
use crate::spec::{FeatureError, Parameters, is_rolling, parameters};
use crate::window::{BarWindow, true_range};

/// State of one feature of one symbol; [`crate::FeatureSet`] holds several, with their checks.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Feature {
    function: F,
    state: State,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
enum State {
    /// The last `window` closes; the one leaving is `window` sessions old.
    Lag {
        closes: Ring,
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
    Window(BarWindow),
    Rolling(Rolling),
    /// Nothing is kept: an expression is arithmetic over the row.
    Expression,
    /// Nothing is kept: the date of the bar is all.
    Date,
}

impl Feature {
    /// Empty state.
    ///
    /// # Errors
    /// A parameter that is absent or out of range.
    pub fn new(spec: &FeatureSpec) -> Result<Self, FeatureError> {
        let Parameters {
            window,
            fast,
            slow,
            signal,
            deviations,
            column,
            quantile,
        } = parameters(spec)?;
        let state = match spec.function {
            F::LogReturn | F::LogReturnOver | F::SimpleReturn | F::RateOfChange => State::Lag {
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
            F::Expression => State::Expression,
            rolling if is_rolling(rolling) => {
                State::Rolling(Rolling::new(column, window, quantile))
            }
            other => State::Window(BarWindow::new(other, window, (signal, deviations))),
        };
        Ok(Self {
            function: spec.function,
            state,
        })
    }

    /// Bars needed for the first value, found by counting: exact by construction. An expression adds
    /// none to what the features it uses need.
    pub(crate) fn warm_up(&self) -> usize {
        if self.state == State::Expression {
            return 1;
        }
        let mut probe = self.clone();
        let mut bar = AdjustedBar {
            event_time: 0,
            open: Some(1.0),
            close: 1.0,
            change: None,
            high: 1.0,
            low: 1.0,
            share_price: 1.0,
            volume: Some(1.0),
        };
        let mut bars = 1;
        while probe.push(&bar).is_none() {
            bars += 1;
            bar.change = Some(0.0);
        }
        bars
    }

    /// Whether this restored state is sound and of the same function and windows as `fresh`.
    pub(crate) fn continues(&self, fresh: &Self) -> bool {
        self.function == fresh.function
            && match (&self.state, &fresh.state) {
                (State::Lag { closes }, State::Lag { closes: new }) => closes.continues(new),
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
                (State::Window(window), State::Window(new)) => window.continues(new),
                (State::Rolling(rolling), State::Rolling(new)) => rolling.continues(new),
                (State::Date, State::Date) | (State::Expression, State::Expression) => true,
                _ => false,
            }
    }

    /// The value at this bar, once warm; none of an expression, which does not read bars.
    pub fn push(&mut self, bar: &AdjustedBar) -> Option<f64> {
        self.push_among(bar, &mut Shared::among(0))
    }

    /// The same beside other features of the same bars.
    pub(crate) fn push_among(&mut self, bar: &AdjustedBar, shared: &mut Shared) -> Option<f64> {
        let close = bar.close;
        match &mut self.state {
            State::Lag { closes } => {
                let past = closes.push(close)?;
                match self.function {
                    F::RateOfChange | F::SimpleReturn => Some(close / past - 1.0),
                    F::LogReturn => bar.change,
                    _ => Some((close / past).ln()),
                }
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
            State::Window(window) => window.push(self.function, bar, shared),
            State::Rolling(rolling) => rolling.push(self.function, bar),
            State::Expression => None,
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

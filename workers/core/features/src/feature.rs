//! A feature: a kernel bound to bar columns, as `binding` says. Lags, recursive averages and dates are
//! here, everything over a window of bars is in `window` and `rolling`.

use foresail_crds::pipeline::spec::{FeatureFunction as F, FeatureSpec};
use serde::{Deserialize, Serialize};

use crate::adjust::AdjustedBar;
use crate::binding::{Binding, DatePart, Lag, MacdLine, binding};
use crate::kernels::{Adx, Ema, Ring, Rsi, Shared, Smoothed};
use crate::rolling::Rolling;
use crate::spec::{FeatureError, Parameters, parameters};
use crate::window::{BarWindow, Sizes, true_range};

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
        let state = match binding(spec.function) {
            Binding::Lag(_) => State::Lag {
                closes: Ring::new(window),
            },
            Binding::Ema => State::Ema(Ema::new(window)),
            Binding::Rsi => State::Rsi(Rsi::new(window)),
            Binding::Macd(_) => State::Macd {
                fast: Ema::new(fast),
                slow: Ema::new(slow),
                signal: Ema::new(signal),
            },
            Binding::Atr => State::Atr {
                range: Smoothed::new(window),
                previous: None,
            },
            Binding::Adx => State::Adx {
                index: Adx::new(window),
                previous: None,
            },
            Binding::Date(_) => State::Date,
            Binding::Expression => State::Expression,
            Binding::Rolling(_) => State::Rolling(Rolling::new(column, window, quantile)),
            Binding::Window(kept, statistic) => State::Window(BarWindow::new(
                (kept, statistic),
                Sizes {
                    window,
                    signal,
                    deviations,
                },
            )),
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

    /// Whether this restored state is valid and of the same function and windows as `fresh`.
    pub(crate) fn is_compatible_with(&self, fresh: &Self) -> bool {
        self.function == fresh.function
            && match (&self.state, &fresh.state) {
                (State::Lag { closes }, State::Lag { closes: new }) => {
                    closes.is_compatible_with(new)
                }
                (State::Ema(ema), State::Ema(new)) => ema.is_compatible_with(new),
                (State::Rsi(rsi), State::Rsi(new)) => rsi.is_compatible_with(new),
                (
                    State::Macd { fast, slow, signal },
                    State::Macd {
                        fast: new_fast,
                        slow: new_slow,
                        signal: new_signal,
                    },
                ) => {
                    fast.is_compatible_with(new_fast)
                        && slow.is_compatible_with(new_slow)
                        && signal.is_compatible_with(new_signal)
                }
                (State::Atr { range, .. }, State::Atr { range: new, .. }) => {
                    range.is_compatible_with(new)
                }
                (State::Adx { index, .. }, State::Adx { index: new, .. }) => {
                    index.is_compatible_with(new)
                }
                (State::Window(window), State::Window(new)) => window.is_compatible_with(new),
                (State::Rolling(rolling), State::Rolling(new)) => rolling.is_compatible_with(new),
                (State::Date, State::Date) | (State::Expression, State::Expression) => true,
                _ => false,
            }
    }

    /// The value at this bar, once warm; none of an expression, which does not read bars.
    pub fn push(&mut self, bar: &AdjustedBar) -> Option<f64> {
        self.push_shared(bar, &mut Shared::with_capacity(0))
    }

    /// The same, with what other features have worked out of the same bars.
    pub(crate) fn push_shared(&mut self, bar: &AdjustedBar, shared: &mut Shared) -> Option<f64> {
        let close = bar.close;
        match (&mut self.state, binding(self.function)) {
            (State::Lag { closes }, Binding::Lag(lag)) => {
                let past = closes.push(close)?;
                match lag {
                    Lag::Change => bar.change,
                    Lag::Ratio => Some(close / past - 1.0),
                    Lag::LogRatio => Some((close / past).ln()),
                }
            }
            (State::Ema(ema), Binding::Ema) => Some(ema.push(close)? / close - 1.0),
            (State::Macd { fast, slow, signal }, Binding::Macd(line)) => {
                let (fast, slow) = (fast.push(close), slow.push(close));
                let macd = (fast? - slow?) / close;
                match line {
                    MacdLine::Macd => Some(macd),
                    MacdLine::Signal => signal.push(macd),
                    MacdLine::Histogram => Some(macd - signal.push(macd)?),
                }
            }
            (State::Rsi(rsi), Binding::Rsi) => rsi.push(close),
            (State::Atr { range, previous }, Binding::Atr) => {
                let before = previous.replace(close)?;
                Some(range.push(true_range(bar, before))? / close)
            }
            (State::Adx { index, previous }, Binding::Adx) => {
                let before = previous.replace(close);
                let range = before.map(|before| true_range(bar, before));
                index.push(bar.high, bar.low, range)
            }
            (State::Window(window), Binding::Window(kept, statistic)) => {
                window.push((kept, statistic), bar, shared)
            }
            (State::Rolling(rolling), Binding::Rolling(level)) => rolling.push(level, bar),
            (State::Date, Binding::Date(part)) => Some(date_part(part, bar.event_time)),
            (State::Expression, Binding::Expression) => None,
            // Of another kernel: neither `new` nor `is_compatible_with` lets it come about.
            (
                State::Lag { .. }
                | State::Ema(_)
                | State::Macd { .. }
                | State::Rsi(_)
                | State::Atr { .. }
                | State::Adx { .. }
                | State::Window(_)
                | State::Rolling(_)
                | State::Date
                | State::Expression,
                _,
            ) => None,
        }
    }
}

/// A number of the session's date. A bar ends within its session's day, or at the midnight after it.
fn date_part(part: DatePart, event_time: i64) -> f64 {
    let last = jiff::Timestamp::from_millisecond(event_time.saturating_sub(1));
    let date = last.map_or(jiff::civil::Date::ZERO, |t| {
        t.to_zoned(jiff::tz::TimeZone::UTC).date()
    });
    f64::from(match part {
        DatePart::DayOfWeek => date.weekday().to_monday_zero_offset(),
        DatePart::DayOfMonth => date.day(),
        DatePart::Month => date.month(),
    })
}

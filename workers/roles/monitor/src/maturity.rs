//! Losses of forecasts whose labels are known, gathered per forecast date and handed on in
//! order of date. Driven by `forecast_tracker`.

use std::collections::BTreeMap;

/// Sessions of the calendar that a date waits for a symbol that has stopped trading, beyond the horizon.
const PATIENCE: u32 = 5;

/// Mean squared relative errors of one forecast over its steps.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Loss {
    /// The champion's.
    pub champion: f64,
    /// The naive forecast's.
    pub naive: f64,
}

/// Mean losses over the symbols of one forecast date.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct MaturedDate {
    /// Time of the forecasts, milliseconds UTC.
    pub event_time: i64,
    /// Means over the symbols.
    pub loss: Loss,
}

#[derive(Clone, Debug, Default)]
struct Date {
    /// Forecasts made, with their losses and the session that brought the last label.
    forecasts: BTreeMap<String, Option<(i64, Loss)>>,
    closed: bool,
    sessions_since: u32,
}

/// Dates whose losses are not handed on yet.
#[derive(Clone, Debug)]
pub struct Maturity {
    horizon: u32,
    /// Bars that a date waits beyond the horizon.
    patience: u32,
    dates: BTreeMap<i64, Date>,
}

impl Maturity {
    /// Expects no forecast yet; labels reach `horizon` bars ahead.
    pub fn new(horizon: u32) -> Self {
        Self {
            horizon,
            patience: PATIENCE,
            dates: BTreeMap::new(),
        }
    }

    /// Forgets every forecast.
    pub fn forget(&mut self) {
        self.dates.clear();
    }

    /// The same where a session of the calendar has so many bars.
    #[must_use]
    pub fn of_bars(mut self, each: u32) -> Self {
        self.patience = PATIENCE.saturating_mul(each.max(1));
        self
    }

    /// A forecast was made.
    pub fn expect(&mut self, event_time: i64, symbol: &str) {
        let date = self.dates.entry(event_time).or_default();
        date.forecasts.insert(symbol.to_string(), None);
    }

    /// The labels of the forecast at `event_time` are known, the last one since session
    /// `matured_at`. Ignored when the date was handed on without it.
    pub fn matured(&mut self, event_time: i64, symbol: &str, matured_at: i64, loss: Loss) {
        if let Some(date) = self.dates.get_mut(&event_time)
            && let Some(known) = date.forecasts.get_mut(symbol)
        {
            *known = Some((matured_at, loss));
        }
    }

    /// A session is complete: no more forecasts will be made at it.
    pub fn session_closed(&mut self, event_time: i64) {
        if let Some(date) = self.dates.get_mut(&event_time) {
            date.closed = true;
        }
        for (_, date) in self.dates.range_mut(..event_time) {
            date.sessions_since += 1;
        }
    }

    /// Hands on the oldest date when it is complete by the closed session `now`: all its losses
    /// are known, or those missing have had the horizon and some patience. What later sessions
    /// brought does not count yet, so the reading order of partitions changes nothing. Call
    /// until `None` after every closed session.
    pub fn next(&mut self, now: i64) -> Option<MaturedDate> {
        loop {
            let (event_time, date) = self.dates.first_key_value()?;
            let event_time = *event_time;
            let by_now = |known: &Option<(i64, Loss)>| known.filter(|(at, _)| *at <= now);
            let known = date.forecasts.values().all(|k| by_now(k).is_some());
            let waited = date.sessions_since >= self.horizon.saturating_add(self.patience);
            if !(date.closed && (known || waited)) {
                return None;
            }
            let (_, date) = self.dates.pop_first()?;
            let losses: Vec<Loss> = date
                .forecasts
                .values()
                .filter_map(by_now)
                .map(|(_, loss)| loss)
                .collect();
            if losses.is_empty() {
                continue;
            }
            let count = losses.len() as f64;
            return Some(MaturedDate {
                event_time,
                loss: Loss {
                    champion: losses.iter().map(|l| l.champion).sum::<f64>() / count,
                    naive: losses.iter().map(|l| l.naive).sum::<f64>() / count,
                },
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn loss(champion: f64) -> Loss {
        Loss {
            champion,
            naive: 2.0 * champion,
        }
    }

    #[test]
    fn dates_are_handed_on_in_order_with_means_over_symbols() {
        let mut maturity = Maturity::new(2);
        for (time, symbol) in [(1, "A"), (1, "B"), (2, "A"), (2, "B")] {
            maturity.expect(time, symbol);
        }
        maturity.session_closed(1);
        maturity.session_closed(2);
        maturity.matured(2, "A", 4, loss(1.0));
        maturity.matured(2, "B", 4, loss(1.0));
        maturity.matured(1, "A", 3, loss(1.0));
        assert_eq!(maturity.next(4), None, "B of date 1 is outstanding");
        maturity.matured(1, "B", 3, loss(3.0));
        let first = maturity.next(3).unwrap();
        assert_eq!((first.event_time, first.loss), (1, loss(2.0)));
        assert_eq!(
            maturity.next(3),
            None,
            "labels of session 4 do not count at 3"
        );
        assert_eq!(maturity.next(4).unwrap().event_time, 2);
        assert_eq!(maturity.next(4), None);
    }

    #[test]
    fn an_open_date_waits_for_more_forecasts() {
        let mut maturity = Maturity::new(1);
        maturity.expect(1, "A");
        maturity.matured(1, "A", 2, loss(1.0));
        assert_eq!(maturity.next(2), None);
        maturity.session_closed(1);
        assert_eq!(maturity.next(2).unwrap().event_time, 1);
    }

    #[test]
    fn a_symbol_that_stopped_trading_holds_nothing_up() {
        let mut maturity = Maturity::new(2);
        maturity.expect(1, "A");
        maturity.expect(1, "B");
        maturity.matured(1, "A", 3, loss(1.0));
        for session in 1..=7 {
            maturity.session_closed(session);
            assert_eq!(maturity.next(session), None, "session {session}");
        }
        maturity.session_closed(8);
        // B traded again at session 9, seen before session 8 was closed: too late all the same.
        maturity.matured(1, "B", 9, loss(9.0));
        assert_eq!(maturity.next(8).unwrap().loss, loss(1.0));
        assert_eq!(maturity.next(9), None);
    }
}

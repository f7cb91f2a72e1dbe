//! A deterministic market: clustered volatility (GARCH(1,1), Bollerslev 1986), autocorrelated
//! returns, splits, gaps, damaged rows, and a declared break. It writes the same text rows a CSV
//! file would hold, so that checks and quarantine go one way.

use foresail_crds::RoleError;
use foresail_crds::pipeline::spec::{SimulatorBreak, SimulatorSource};
use foresail_domain::{BarGrid, Span};
use jiff::civil::Date;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use smol_str::SmolStr;

use crate::checks::date_of;
use crate::row::{Fields, RawRow};
use crate::stamp;

/// Share of the clustering that comes from the last bar's shock; the rest from its variance.
const SHOCK_SHARE: f64 = 0.2;
/// First price.
const FIRST_CLOSE: f64 = 100.0;
/// Above this price a due split happens, so that prices stay in a usual range.
const SPLIT_ABOVE: f64 = 20.0;

/// Parameters of one regime, per bar.
#[derive(Clone, Copy, Debug)]
struct Regime {
    /// Variance of a return.
    variance: f64,
    /// First-order autocorrelation of returns.
    autocorrelation: f64,
}

/// One simulated instrument.
struct Instrument {
    symbol: String,
    random: ChaCha8Rng,
    close: f64,
    previous_return: f64,
    /// Variance of the shock relative to the regime's.
    level: f64,
    /// The session is missing.
    gap: bool,
}

/// Iterator over the rows of the simulated market, bar by bar and within a bar symbol by symbol.
pub struct Simulator {
    grid: BarGrid,
    dates: Vec<Date>,
    /// Bars of the session.
    spans: Vec<Span>,
    instruments: Vec<Instrument>,
    calm: Regime,
    broken: Option<(usize, Regime)>,
    clustering: f64,
    spec: SimulatorSource,
    session: usize,
    /// Of the session.
    bar: usize,
    instrument: usize,
    position: u64,
    /// Good rows made so far; decides where a damaged one goes.
    made: u64,
    /// The good row that follows a damaged copy of it.
    waiting: Option<Fields>,
}

impl Simulator {
    /// A market before its first session.
    ///
    /// # Errors
    /// User error `BadSimulator` for numbers out of range.
    pub fn new(
        spec: &SimulatorSource,
        symbols: &[String],
        grid: &BarGrid,
    ) -> Result<Self, RoleError> {
        let start = date_of(Some(&spec.start), "source.simulator.start")?.unwrap_or(Date::MIN);
        let first = std::iter::successors(Some(start), |d| d.tomorrow().ok());
        let sessions = usize::try_from(spec.sessions).unwrap_or(0);
        let dates: Vec<Date> = first
            .filter(|d| grid.calendar().is_session(*d))
            .take(sessions)
            .collect();
        let year = grid.bars_per_year();
        let regime = |volatility: &foresail_crds::Decimal,
                      autocorrelation: &foresail_crds::Decimal| {
            let volatility = number(volatility, "annualVolatility", 1e-6, 10.0)?;
            let variance = volatility * volatility / year;
            let autocorrelation = number(autocorrelation, "autocorrelation", -0.9, 0.9)?;
            Ok::<_, RoleError>(Regime {
                variance,
                autocorrelation,
            })
        };
        let broken = |b: &SimulatorBreak| {
            let at = usize::try_from(b.at_session).unwrap_or(usize::MAX);
            Ok::<_, RoleError>((at, regime(&b.annual_volatility, &b.autocorrelation)?))
        };
        let instrument = |(index, symbol): (usize, &String)| Instrument {
            symbol: symbol.clone(),
            random: ChaCha8Rng::seed_from_u64(
                spec.seed.wrapping_mul(1_000_003).wrapping_add(index as u64),
            ),
            close: FIRST_CLOSE,
            previous_return: 0.0,
            level: 1.0,
            gap: false,
        };
        let spans = dates.first().map(|date| grid.session(*date).collect());
        Ok(Self {
            grid: grid.clone(),
            spans: spans.unwrap_or_default(),
            dates,
            instruments: symbols.iter().enumerate().map(instrument).collect(),
            calm: regime(&spec.annual_volatility, &spec.autocorrelation)?,
            broken: spec.break_.as_ref().map(broken).transpose()?,
            clustering: number(
                &spec.volatility_clustering,
                "volatilityClustering",
                0.0,
                0.98,
            )?,
            spec: spec.clone(),
            session: 0,
            bar: 0,
            instrument: 0,
            position: 0,
            made: 0,
            waiting: None,
        })
    }

    fn regime(&self) -> Regime {
        match self.broken {
            Some((at, regime)) if self.session >= at => regime,
            _ => self.calm,
        }
    }

    /// The next instrument's bar; `None` at a gap.
    fn fields(&mut self) -> Option<Fields> {
        let (regime, clustering) = (self.regime(), self.clustering);
        let is_first = self.bar == 0;
        let (splits, gaps) = (
            self.spec.split_every_sessions,
            u64::from(self.spec.gap_every_sessions),
        );
        let shares = f64::from(self.grid.bars_per_session());
        let date = match self.grid.interval().is_intraday() {
            true => stamp::text(self.spans.get(self.bar)?.start)?,
            false => self.dates.get(self.session)?.to_string(),
        };
        let instrument = self.instruments.get_mut(self.instrument)?;
        let mut bar = instrument.bar(regime, clustering, if is_first { splits } else { 0 });
        bar.volume = (bar.volume / shares).round();
        if is_first {
            let gap = gaps > 0 && instrument.random.random_range(0..gaps) == 0;
            // A split must not vanish in a gap.
            instrument.gap = gap && bar.split_factor == 1.0;
        }
        (!instrument.gap).then(|| bar.fields(&instrument.symbol, &date))
    }

    /// Goes on to the next instrument, bar or session.
    fn step(&mut self) {
        self.instrument += 1;
        if self.instrument < self.instruments.len() {
            return;
        }
        (self.instrument, self.bar) = (0, self.bar + 1);
        if self.bar < self.spans.len() {
            return;
        }
        (self.bar, self.session) = (0, self.session + 1);
        let date = self.dates.get(self.session);
        self.spans = date.map_or_else(Vec::new, |date| self.grid.session(*date).collect());
    }

    fn row(&mut self, fields: Fields) -> RawRow {
        let position = self.position;
        self.position += 1;
        let text = |field: &Option<SmolStr>| field.as_deref().unwrap_or_default().to_owned();
        let original = [
            &fields.symbol,
            &fields.date,
            &fields.open,
            &fields.high,
            &fields.low,
            &fields.close,
            &fields.volume,
            &fields.split_factor,
            &fields.dividend,
        ]
        .map(text)
        .join(",");
        RawRow {
            position,
            line: 0,
            part: None,
            length: original.len() as u64,
            original: original.into_bytes().into(),
            fields,
            superseded: false,
            next_adjusted: None,
        }
    }
}

impl Iterator for Simulator {
    type Item = RawRow;

    fn next(&mut self) -> Option<RawRow> {
        if let Some(fields) = self.waiting.take() {
            return Some(self.row(fields));
        }
        while self.session < self.dates.len() {
            let fields = self.fields();
            self.step();
            let Some(fields) = fields else { continue };
            self.made += 1;
            let every = u64::from(self.spec.bad_row_every);
            if every > 0 && self.made.is_multiple_of(every) {
                let damaged = damage(&fields, self.made / every);
                self.waiting = Some(fields);
                return Some(self.row(damaged));
            }
            return Some(self.row(fields));
        }
        None
    }
}

/// Numbers of one simulated bar.
struct Made {
    open: f64,
    high: f64,
    low: f64,
    close: f64,
    volume: f64,
    split_factor: f64,
}

impl Instrument {
    fn bar(&mut self, regime: Regime, clustering: f64, split_every: u32) -> Made {
        let phi = regime.autocorrelation;
        let shock_variance = regime.variance * (1.0 - phi * phi);
        let shock = (shock_variance * self.level).sqrt() * self.normal();
        let relative = shock * shock / shock_variance;
        let (alpha, beta) = (SHOCK_SHARE * clustering, (1.0 - SHOCK_SHARE) * clustering);
        self.level = (1.0 - clustering) + alpha * relative + beta * self.level;
        self.previous_return = (phi * self.previous_return + shock).clamp(-0.5, 0.5);
        let split = split_every > 0 && self.random.random_range(0..split_every) == 0;
        let split_factor = if split && self.close > SPLIT_ABOVE {
            2.0
        } else {
            1.0
        };
        let before = self.close / split_factor;
        self.close = before * self.previous_return.exp();
        let spread = regime.variance.sqrt();
        let open = before * (0.3 * spread * self.normal()).exp();
        let (top, bottom) = (open.max(self.close), open.min(self.close));
        let high = top * (0.5 * spread * self.normal().abs()).exp();
        let low = bottom * (-0.5 * spread * self.normal().abs()).exp();
        let volume = (1e6 * (0.3 * self.normal()).exp() * (0.5 + relative.min(9.0) / 2.0)).round();
        Made {
            open,
            high,
            low,
            close: self.close,
            volume,
            split_factor,
        }
    }

    /// Box-Muller from two uniforms: the same bits on every platform that has IEEE arithmetic.
    fn normal(&mut self) -> f64 {
        let (a, b): (f64, f64) = (self.random.random(), self.random.random());
        (-2.0 * (1.0 - a).ln()).sqrt() * (2.0 * std::f64::consts::PI * b).cos()
    }
}

impl Made {
    fn fields(&self, symbol: &str, date: &str) -> Fields {
        let price = |value: f64| Some(format!("{value:.6}").into());
        Fields {
            symbol: Some(symbol.into()),
            date: Some(date.into()),
            open: price(self.open.clamp(self.low, self.high)),
            high: price(self.high + 1e-6),
            low: price(self.low - 1e-6),
            close: price(self.close),
            volume: Some(self.volume.to_string().into()),
            adjusted_close: None,
            split_factor: Some(self.split_factor.to_string().into()),
            dividend: Some("0".into()),
        }
    }
}

/// A copy with one of six defects in turn.
fn damage(good: &Fields, which: u64) -> Fields {
    let mut bad = good.clone();
    match which % 6 {
        0 => bad.close = good.close.as_ref().map(|c| format!("-{c}").into()),
        1 => (bad.high, bad.low) = (good.low.clone(), good.high.clone()),
        2 => bad.close = None,
        3 => bad.date = None,
        4 => bad.close = Some("n.a.n".into()),
        _ => bad.volume = Some("-1".into()),
    }
    bad
}

fn number(
    text: &foresail_crds::Decimal,
    field: &str,
    least: f64,
    most: f64,
) -> Result<f64, RoleError> {
    text.as_f64()
        .filter(|v| (least..=most).contains(v))
        .ok_or_else(|| {
            let message = format!(
                "source.simulator.{field} is `{text}`; it must be between {least} and {most}"
            );
            RoleError::user("BadSimulator", message)
        })
}

#[cfg(test)]
mod tests {
    use foresail_domain::{Interval, TradingCalendar};

    use super::*;

    fn spec(extra: serde_json::Value) -> SimulatorSource {
        let mut value = serde_json::json!({"seed": 7, "start": "2000-01-03", "sessions": 4000});
        value
            .as_object_mut()
            .unwrap()
            .extend(extra.as_object().unwrap().clone());
        serde_json::from_value(value).unwrap()
    }

    fn weekdays(interval: Interval) -> BarGrid {
        BarGrid::new(TradingCalendar::Weekdays, interval)
    }

    fn rows(extra: serde_json::Value) -> Vec<RawRow> {
        let symbols = ["A".to_string(), "B".to_string()];
        Simulator::new(&spec(extra), &symbols, &weekdays(Interval::Session))
            .unwrap()
            .collect()
    }

    fn autocorrelation(rows: &[RawRow]) -> f64 {
        let closes: Vec<f64> = rows
            .iter()
            .filter(|r| r.fields.symbol.as_deref() == Some("A"))
            .map(|r| r.fields.close.as_ref().unwrap().parse().unwrap())
            .collect();
        let returns: Vec<f64> = closes.windows(2).map(|w| (w[1] / w[0]).ln()).collect();
        let products: f64 = returns.windows(2).map(|w| w[0] * w[1]).sum();
        products / returns.iter().map(|r| r * r).sum::<f64>()
    }

    #[test]
    fn the_same_seed_gives_the_same_rows_and_another_one_does_not() {
        let extra = serde_json::json!({"badRowEvery": 50, "gapEverySessions": 30, "splitEverySessions": 200});
        assert_eq!(rows(extra.clone()), rows(extra.clone()));
        let mut other = extra;
        other["seed"] = 8.into();
        assert_ne!(rows(other.clone())[0], rows(serde_json::json!({}))[0]);
    }

    #[test]
    fn the_break_turns_the_autocorrelation_and_doubles_the_volatility() {
        let rows = rows(serde_json::json!({
            "autocorrelation": "0.4",
            "break": {"atSession": 2000, "annualVolatility": "0.4", "autocorrelation": "-0.4"}
        }));
        let (before, after) = rows.split_at(4000);
        assert!(
            (autocorrelation(before) - 0.4).abs() < 0.06,
            "{}",
            autocorrelation(before)
        );
        assert!(
            (autocorrelation(after) + 0.4).abs() < 0.06,
            "{}",
            autocorrelation(after)
        );
    }

    #[test]
    fn damaged_rows_are_extra_and_their_good_copy_follows() {
        let clean = rows(serde_json::json!({}));
        let damaged = rows(serde_json::json!({"badRowEvery": 100}));
        assert_eq!(damaged.len(), clean.len() + clean.len() / 100);
        assert_eq!(damaged[100].fields, clean[99].fields);
        assert_ne!(damaged[99].fields, clean[99].fields);
    }

    #[test]
    fn parts_of_sessions_make_the_volatility_of_a_year_and_go_whole_when_a_session_is_missing() {
        let spec = spec(serde_json::json!({"sessions": 60, "gapEverySessions": 6}));
        let grid = BarGrid::new(TradingCalendar::Xnys, Interval::OneMinute);
        let rows: Vec<RawRow> = Simulator::new(&spec, &["A".into()], &grid)
            .unwrap()
            .collect();
        let mut days: std::collections::BTreeMap<&str, usize> = std::collections::BTreeMap::new();
        for row in &rows {
            *days
                .entry(&row.fields.date.as_deref().unwrap()[..10])
                .or_default() += 1;
        }
        assert!(days.len() < 60 && days.len() > 40, "{}", days.len());
        assert!(days.values().all(|bars| *bars == 390));
        // A step over a session that is missing is as wide as all bars of it.
        let date = |row: &RawRow| row.fields.date.as_deref().unwrap()[..10].to_owned();
        let close = |row: &RawRow| row.fields.close.as_ref().unwrap().parse::<f64>().unwrap();
        let within = rows.windows(2).filter(|w| date(&w[0]) == date(&w[1]));
        let steps: Vec<f64> = within.map(|w| (close(&w[1]) / close(&w[0])).ln()).collect();
        let squares: f64 = steps.iter().map(|step| step.powi(2)).sum();
        let annual = (squares / steps.len() as f64 * grid.bars_per_year()).sqrt();
        assert!((annual - 0.2).abs() < 0.02, "{annual}");
    }

    #[test]
    fn numbers_out_of_range_are_named() {
        let bad = spec(serde_json::json!({"autocorrelation": "1.5"}));
        let error = Simulator::new(&bad, &["A".into()], &weekdays(Interval::Session))
            .err()
            .unwrap();
        assert!(error.message.contains("autocorrelation"), "{error}");
    }
}

//! Moves between two bars of a symbol that the rows themselves cannot explain: a split that nobody declared, another unit, a
//! tripling. Each is told with both prices; what becomes of the bar is what `source.onSuspicion` declares.
//!
//! The policy, with `before` the last accepted close of the symbol and prices of the next bar times its split factor:
//! - all prices at least [`UNIT`] times `before`, or at most that part of it: [`SuspicionKind::Unit`]. No market makes such a
//!   move, so the bar is held back whatever is declared. The next bar is compared with the same `before`: a single wrong row
//!   leaves no trace in what follows;
//! - all prices near what a usual split would make of `before`, the close within [`SPLIT_TOLERANCE`]: [`SuspicionKind::Split`];
//! - a close of at least [`JUMP`] times `before`, or at most that part of it: [`SuspicionKind::Jump`];
//! - the last two are moves that markets make as well. They are accepted and told, or held back where it is declared;
//! - [`RUN`] bars in a row that are held back and fit each other are a new level: the last of them is accepted and told,
//!   and is what later bars are compared with. Those before it stay in quarantine.

use std::fmt;

use foresail_domain::{Bar, Calendar};
use jiff::Timestamp;
use jiff::civil::Date;

/// Least factor of another unit. The largest moves of a session at listed markets are some ten times: a bar that is 100 times
/// too large is found although the market halved on that day.
const UNIT: f64 = 50.0;
/// Least factor of a move that is worth a look whatever its size.
const JUMP: f64 = 3.0;
/// Splits that companies make, as the price before over the price after. The other way round they are reverse splits,
/// but for the first.
const SPLITS: [f64; 14] = [
    1.5, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 10.0, 15.0, 20.0, 25.0, 30.0, 40.0,
];
/// Part of a price within which a split explains it.
const SPLIT_TOLERANCE: f64 = 0.02;
/// Bars on a new level that make it one: two wrong rows in a row happen, three on one level are the vendor's unit.
const RUN: u32 = 3;
/// Sessions that may be missing between two bars whose move is judged as that of one session.
const MISSING: usize = 10;

/// What a move looks like.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum SuspicionKind {
    /// A split of so many new shares for an old one (below one in a reverse split) that nothing declares.
    Split(f64),
    /// Another unit, or a lost decimal point: all prices are many times those before, or a fraction of them.
    Unit,
    /// A close of three times the one before, or a third of it.
    Jump,
}

/// The close of a bar.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Quote {
    /// Session.
    pub date: Date,
    /// End of the bar, where it is a part of the session.
    pub time: Option<Timestamp>,
    /// As traded.
    pub close: f64,
}

/// A move that looks like a mistake of the source.
#[derive(Clone, Debug, PartialEq)]
pub struct Suspicion {
    /// What it looks like.
    pub kind: SuspicionKind,
    /// Instrument code.
    pub symbol: String,
    /// The last close that was accepted before it.
    pub before: Quote,
    /// The close after it.
    pub after: Quote,
    /// Split factor that the source declares on that session; 1 without one.
    pub declared: f64,
    /// Bars before this one that are on the new level and were held back: they are in quarantine.
    pub held: u32,
}

impl Quote {
    fn new(bar: &Bar, date: Date) -> Self {
        let end = Timestamp::from_millisecond(bar.event_time).ok();
        Self {
            date,
            time: end.filter(|_| bar.interval.is_intraday()),
            close: bar.close,
        }
    }

    /// The session, or the end of a part of it.
    fn when(&self) -> String {
        self.time
            .map_or_else(|| self.date.to_string(), |time| time.to_string())
    }
}

impl Suspicion {
    /// CamelCase name, as in the quarantine and in status.
    pub fn reason(&self) -> &'static str {
        match self.kind {
            SuspicionKind::Split(_) => "SuspectedSplit",
            SuspicionKind::Unit => "SuspectedUnit",
            SuspicionKind::Jump => "PriceJump",
        }
    }

    /// What is seen, with dates and prices, and without the symbol.
    pub fn told(&self) -> String {
        let Self { before, after, .. } = self;
        let factor = after.close * self.declared / before.close;
        let what = match self.kind {
            SuspicionKind::Split(_) if self.declared != 1.0 => format!(
                "which does not show the declared split factor {}: prices that are adjusted already need no column of splits",
                self.declared
            ),
            SuspicionKind::Split(split) => {
                format!(
                    "as after a split of {}, and nothing declares one",
                    ratio(split)
                )
            }
            SuspicionKind::Unit => {
                format!("all prices {factor:.4} times those before, as in another unit")
            }
            SuspicionKind::Jump if after.time.is_some() => {
                format!("{factor:.4} times as much in a bar")
            }
            SuspicionKind::Jump => format!("{factor:.4} times as much in a session"),
        };
        let held = match self.held {
            0 => String::new(),
            held => format!(
                "; the new level is accepted, its first {held} bars are in quarantine as {}",
                self.reason()
            ),
        };
        format!(
            "{} closes at {} and {} at {}, {what}{held}",
            before.when(),
            before.close,
            after.when(),
            after.close
        )
    }
}

impl fmt::Display for Suspicion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.symbol, self.told())
    }
}

/// `4:1`, `3:2` or `1:10`.
fn ratio(split: f64) -> String {
    if split == 1.5 {
        "3:2".into()
    } else if split > 1.0 {
        format!("{split}:1")
    } else {
        format!("1:{}", (1.0 / split).round())
    }
}

/// What a bar is, compared with those before.
#[derive(Debug, PartialEq)]
pub(crate) enum Move {
    Usual,
    /// To quarantine.
    Held(Suspicion),
    /// Accepted, and told.
    Told(Suspicion),
}

/// How moves are judged.
#[derive(Clone, Debug)]
pub(crate) struct Judge {
    pub calendar: Calendar,
    /// Whether moves that markets make as well are held back.
    pub holds: bool,
}

/// The price level of one symbol.
#[derive(Debug)]
pub(crate) struct Level {
    last: Quote,
    /// Bars in a row that were held back.
    run: Option<Run>,
}

#[derive(Debug)]
struct Run {
    kind: SuspicionKind,
    close: f64,
    /// End of the last of them, milliseconds UTC.
    end: i64,
    bars: u32,
}

impl Level {
    /// The level of a symbol's first bar.
    pub(crate) fn new(bar: &Bar, date: Date) -> Self {
        Self::at(Quote::new(bar, date))
    }

    /// The level of a close.
    pub(crate) fn at(last: Quote) -> Self {
        Self { last, run: None }
    }

    /// The last close that was accepted.
    pub(crate) fn close(&self) -> f64 {
        self.last.close
    }

    /// Takes the next bar that is good otherwise.
    pub(crate) fn next(&mut self, bar: &Bar, date: Date, judge: &Judge) -> Move {
        let found = suspected(self.last.close, bar);
        let found = found.filter(|kind| *kind == SuspicionKind::Unit || self.is_near(date, judge));
        let Some(kind) = found.or_else(|| self.as_held(bar)) else {
            *self = Self::new(bar, date);
            return Move::Usual;
        };
        let before = self.last;
        let told = |held| Suspicion {
            kind,
            symbol: bar.symbol.clone(),
            before,
            after: Quote::new(bar, date),
            declared: bar.split_factor,
            held,
        };
        if kind != SuspicionKind::Unit && !judge.holds {
            let told = told(0);
            *self = Self::new(bar, date);
            return Move::Told(told);
        }
        let bars = match &self.run {
            // A row that comes twice says nothing new.
            Some(run) if run.end >= bar.event_time => return Move::Held(told(0)),
            Some(run) if suspected(run.close, bar).is_none() => run.bars + 1,
            _ => 1,
        };
        if bars < RUN {
            let held = told(0);
            self.run = Some(Run {
                kind,
                close: bar.close,
                end: bar.event_time,
                bars,
            });
            return Move::Held(held);
        }
        let told = told(bars - 1);
        *self = Self::new(bar, date);
        Move::Told(told)
    }

    /// What the bars before were held back for, when this one is nearer to them than to the last that was accepted: a market
    /// that goes on from a new level is soon no longer within the bounds of what led there.
    fn as_held(&self, bar: &Bar) -> Option<SuspicionKind> {
        let run = self.run.as_ref()?;
        let distance = |close: f64| (bar.close * bar.split_factor / close).ln().abs();
        (distance(run.close) < distance(self.last.close)).then_some(run.kind)
    }

    /// Whether a bar comes so soon after the last one that its move is judged as that of one session.
    fn is_near(&self, date: Date, judge: &Judge) -> bool {
        let Ok(day_after) = self.last.date.tomorrow() else {
            return true;
        };
        let sessions = judge.calendar.sessions(day_after, date);
        sessions.take(MISSING + 2).count() <= MISSING + 1
    }
}

/// What the move from a close to a bar looks like; `None` for a usual one.
fn suspected(before: f64, bar: &Bar) -> Option<SuspicionKind> {
    let factor = |price: f64| (price + bar.dividend) * bar.split_factor / before;
    let moved = factor(bar.close);
    // Most bars: nothing of what follows can be.
    if (0.69..1.9).contains(&moved) {
        return None;
    }
    let known = [bar.open, bar.high, bar.low, Some(bar.close)];
    let factors = || known.into_iter().flatten().map(factor);
    if factors().all(|f| f >= UNIT) || factors().all(|f| f <= 1.0 / UNIT) {
        return Some(SuspicionKind::Unit);
    }
    if let Some(split) = split_of(moved) {
        // On the other side of the middle between both levels, as a bar that opened after the split.
        let middle = (1.0 / split).sqrt();
        let apart = |f: f64| if split > 1.0 { f < middle } else { f > middle };
        if factors().all(apart) {
            return Some(SuspicionKind::Split(split));
        }
    }
    (moved >= JUMP || moved <= 1.0 / JUMP).then_some(SuspicionKind::Jump)
}

/// The usual split that explains a move to so many times the price before.
fn split_of(moved: f64) -> Option<f64> {
    let near = |split: &f64| (moved * split - 1.0).abs() <= SPLIT_TOLERANCE;
    let reverse = SPLITS.iter().skip(1).map(|split| 1.0 / split);
    SPLITS.into_iter().chain(reverse).find(near)
}

#[cfg(test)]
#[path = "suspicions_tests.rs"]
mod tests;

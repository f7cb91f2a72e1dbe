//! State of one symbol: its feature set, its newest bars, and what was counted. A bar that changes the past makes the rows
//! from it on once more. Used by `partition` only.

use std::collections::VecDeque;

use foresail_crds::pipeline::spec::{Adjustment, FeatureSpec};
use foresail_crds::records::{FeatureRecord, Refusal, StreamSnapshot};
use foresail_domain::{Bar, Interval};
use foresail_features::{FeatureRow, FeatureSet, PushError};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::history::{History, Past, Place};

/// Bars whose identity is remembered beyond those that are kept: a repeat of one of them needs no look at the topic.
const REMEMBERED: usize = 64;

/// What a bar led to.
pub(crate) enum Outcome {
    /// A repeat, or contained in the restored state.
    Known,
    /// Used; the first rows need more bars, or those that change are made by [`SymbolState::rewritten`].
    NoRow,
    /// Used, and complete: the feature row.
    Row(FeatureRecord),
    /// Not used; the feature state is unchanged.
    Refused(Refusal),
}

/// A bar of the topic, as far as the state does not know it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Arrival<'a> {
    pub bar: &'a Bar,
    /// Offset of its message.
    pub offset: i64,
    /// No earlier run has written what it leads to.
    pub fresh: bool,
}

/// Rows that have to be made once more.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rewrite {
    /// Event time of the first one.
    from: i64,
    /// Event time of the first one that no earlier run has written.
    fresh_from: Option<i64>,
    /// Offset of the last bar that changed them.
    pub offset: i64,
    /// When it was read from its source.
    pub timestamp: i64,
}

/// Rows made once more, oldest first, each with whether no earlier run has written it.
pub(crate) struct Rewritten {
    pub rewrite: Rewrite,
    pub rows: Vec<(FeatureRecord, bool)>,
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Counts {
    bars: u64,
    rows: u64,
    last_row_time: Option<i64>,
    /// Event time and revision of the newest bars.
    recent: VecDeque<(i64, u32)>,
    /// Event times with a bar. Absent in states of older releases.
    #[serde(default)]
    used: u64,
    /// Bars that took the place of another, or came late.
    #[serde(default)]
    revised: u64,
}

#[derive(Deserialize)]
struct Stored {
    counts: Counts,
    set: Value,
}

/// What has to survive a restart for one symbol, and the offset it contains.
pub(crate) struct SymbolState {
    /// Features after the newest bar, unless rows are to be made once more.
    set: FeatureSet,
    counts: Counts,
    contains_below: i64,
    history: History,
    rewrite: Option<Rewrite>,
    /// The topic has lost its beginning.
    is_cut: bool,
}

impl SymbolState {
    pub(crate) fn new(template: &FeatureSet) -> Self {
        Self::with(template.clone(), Counts::default(), 0)
    }

    fn with(set: FeatureSet, counts: Counts, contains_below: i64) -> Self {
        Self {
            history: History::new(set.clone()),
            set,
            counts,
            contains_below,
            rewrite: None,
            is_cut: false,
        }
    }

    /// The state inside a snapshot, or `None` when it cannot be used.
    pub(crate) fn restore(
        specs: &[FeatureSpec],
        adjustment: Adjustment,
        snapshot: &StreamSnapshot,
    ) -> Option<Self> {
        let Stored { mut counts, set } = Stored::deserialize(&snapshot.state).ok()?;
        let set = FeatureSet::restore(specs, adjustment, &set).ok()?;
        if counts.used == 0 {
            let before_rows = u64::from(set.warm_up()).saturating_sub(1);
            counts.used = match counts.rows {
                0 => counts.bars,
                rows => rows + before_rows,
            };
        }
        Some(Self::with(set, counts, snapshot.next_offset))
    }

    /// Called when no rows are to be made once more.
    pub(crate) fn to_json(&self) -> Value {
        serde_json::json!({ "counts": self.counts, "set": self.set.snapshot() })
    }

    /// Bars below this offset are contained in the restored state.
    pub(crate) fn contains_below(&self) -> i64 {
        self.contains_below
    }

    pub(crate) fn bars(&self) -> u64 {
        self.counts.bars
    }

    pub(crate) fn rows(&self) -> u64 {
        self.counts.rows
    }

    pub(crate) fn revised(&self) -> u64 {
        self.counts.revised
    }

    pub(crate) fn last_row_time(&self) -> Option<i64> {
        self.counts.last_row_time
    }

    /// Bars that are kept.
    pub(crate) fn kept(&self) -> usize {
        self.history.len()
    }

    /// The rows to be made once more: their number, at most.
    pub(crate) fn rewrites(&self) -> Option<(Rewrite, usize)> {
        let rewrite = self.rewrite?;
        Some((rewrite, self.history.count_from(rewrite.from)))
    }

    /// Whether a bar changes what lies before all that is kept, so that the symbol's bars are needed from the first.
    pub(crate) fn lacks(&self, bar: &Bar, offset: i64) -> bool {
        let is_new = offset >= self.contains_below && !self.is_recent(bar);
        is_new
            && !self.is_cut
            && bar.check_numbers().is_ok()
            && self.history.place(bar) == Place::Behind
    }

    /// Takes all bars of the symbol below the offset of the bar that is taken next. Rows that they do not lead to, as
    /// those of an older release that refused late bars, are made once more.
    pub(crate) fn supply(&mut self, past: Past, template: &FeatureSet, next: Arrival<'_>) {
        if past.is_cut {
            self.is_cut = true;
            return;
        }
        let history = History::whole(template.clone(), past);
        let set = history.fold(next.bar, drop);
        self.refresh(next.bar);
        let differs = set.snapshot() != self.set.snapshot();
        self.counts.used = history.len() as u64;
        let before_rows = u64::from(set.warm_up()).saturating_sub(1);
        self.counts.rows = self.counts.used.saturating_sub(before_rows);
        self.history = history;
        self.set = set;
        if differs {
            self.rewrite_from(i64::MIN, next);
        }
    }

    pub(crate) fn push(&mut self, arrival: Arrival<'_>) -> Outcome {
        let bar = arrival.bar;
        if arrival.offset < self.contains_below || self.is_recent(bar) {
            return Outcome::Known;
        }
        let event_time = bar.event_time;
        if let Err(source) = bar.check_numbers() {
            return self.refuse(bar, PushError::NonFinite { event_time, source });
        }
        let place = self.history.place(bar);
        match place {
            Place::Known => return Outcome::Known,
            Place::Behind => {
                let last = self.set.last_event_time().unwrap_or(event_time);
                return self.refuse(bar, PushError::OutOfOrder { event_time, last });
            }
            Place::Newest | Place::Within { .. } => {}
        }
        self.count(bar);
        self.history.put(bar);
        let added = place != Place::Within { added: false };
        self.counts.used += u64::from(added);
        let has_row = self.counts.used >= u64::from(self.set.warm_up());
        self.counts.rows += u64::from(added && has_row);
        if place == Place::Newest {
            return self.advance(bar);
        }
        self.counts.revised += 1;
        self.rewrite_from(event_time, arrival);
        Outcome::NoRow
    }

    /// Whether the rows to be made once more are due before a bar is taken: it is new, and its row is one of its own.
    pub(crate) fn is_due_before(&self, bar: &Bar, offset: i64) -> bool {
        let is_new = offset >= self.contains_below && !self.is_recent(bar);
        self.rewrite.is_some()
            && is_new
            && bar.check_numbers().is_ok()
            && self.history.place(bar) == Place::Newest
    }

    /// Takes a bar after all others.
    fn advance(&mut self, bar: &Bar) -> Outcome {
        match self.set.push(bar) {
            Ok(Some(row)) => {
                self.counts.last_row_time = Some(row.event_time);
                Outcome::Row(record(bar, row))
            }
            Ok(None) => Outcome::NoRow,
            Err(error) => Outcome::Refused(Refusal::from(error)),
        }
    }

    fn is_recent(&self, bar: &Bar) -> bool {
        self.counts.recent.contains(&(bar.event_time, bar.revision))
    }

    fn refuse(&mut self, bar: &Bar, error: PushError) -> Outcome {
        self.count(bar);
        Outcome::Refused(Refusal::from(error))
    }

    fn count(&mut self, bar: &Bar) {
        self.counts.bars += 1;
        let identity = (bar.event_time, bar.revision);
        self.counts.recent.push_back(identity);
        if self.counts.recent.len() > REMEMBERED {
            self.counts.recent.pop_front();
        }
    }

    /// Takes note that the rows from an event time on, and those after, are others now.
    fn rewrite_from(&mut self, event_time: i64, arrival: Arrival<'_>) {
        let Arrival { bar, offset, fresh } = arrival;
        let before = self.rewrite;
        let earlier = |of: Option<i64>| of.map_or(event_time, |time| time.min(event_time));
        let fresh_before = before.and_then(|before| before.fresh_from);
        self.rewrite = Some(Rewrite {
            from: earlier(before.map(|before| before.from)),
            fresh_from: if fresh {
                Some(earlier(fresh_before))
            } else {
                fresh_before
            },
            offset,
            timestamp: bar.ingested_at,
        });
    }

    /// Brings the features to the newest bar.
    fn refresh(&mut self, like: &Bar) {
        if self.rewrite.is_some() {
            self.set = self.history.fold(like, drop);
        }
    }

    /// Makes the rows that have to be made once more, those up to the newest bar, in order: whoever reads the topic from
    /// anywhere then has rows without a hole.
    pub(crate) fn rewritten(&mut self, symbol: &str) -> Option<Rewritten> {
        let rewrite = self.rewrite.take()?;
        let like = any_bar(symbol);
        let mut rows = Vec::with_capacity(self.history.count_from(rewrite.from));
        let made = |row: FeatureRow| {
            if row.event_time >= rewrite.from {
                let fresh = rewrite
                    .fresh_from
                    .is_some_and(|from| row.event_time >= from);
                rows.push((record(&like, row), fresh));
            }
        };
        self.set = self.history.fold(&like, made);
        if let Some((newest, _)) = rows.last() {
            self.counts.last_row_time = Some(newest.event_time);
        }
        Some(Rewritten { rewrite, rows })
    }

    /// Forgets the oldest bars when there are more than twice `keep`.
    pub(crate) fn trim(&mut self, keep: usize, symbol: &str) {
        if self.history.len() > 2 * keep {
            self.history.trim(keep, &any_bar(symbol));
        }
    }
}

/// Carries the symbol, and nothing that features read.
fn any_bar(symbol: &str) -> Bar {
    Bar {
        symbol: symbol.to_owned(),
        interval: Interval::default(),
        event_time: 0,
        open: None,
        high: None,
        low: None,
        close: 0.0,
        volume: None,
        split_factor: 1.0,
        dividend: 0.0,
        ingested_at: 0,
        provider: String::new(),
        revision: 0,
    }
}

fn record(bar: &Bar, row: FeatureRow) -> FeatureRecord {
    FeatureRecord {
        symbol: bar.symbol.clone(),
        event_time: row.event_time,
        close: row.close,
        adjustment_factor: row.adjustment_factor,
        values: row.values,
    }
}

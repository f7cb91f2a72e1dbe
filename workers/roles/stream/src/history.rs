//! The newest bars of one symbol, one per event time, and the features before them: what a bar that changes the past is
//! computed again from. Only what it costs hangs on how much is kept, never what comes out. Used by `symbol`.

use std::collections::BTreeMap;

use foresail_domain::Bar;
use foresail_features::{FeatureRow, FeatureSet};

/// What the features read of a bar.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Kept {
    event_time: i64,
    revision: u32,
    open: Option<f64>,
    high: Option<f64>,
    low: Option<f64>,
    close: f64,
    volume: Option<f64>,
    split_factor: f64,
    dividend: f64,
}

/// All bars of one symbol that lie below an offset of the bars topic, one per event time.
#[derive(Clone, Debug, Default)]
pub struct Past {
    pub(crate) bars: BTreeMap<i64, Kept>,
    /// The topic has lost its beginning: these are not all of them.
    pub is_cut: bool,
}

/// Where a bar belongs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// After all others.
    Newest,
    /// In place of another, or between two.
    Within {
        /// There was none of its event time.
        added: bool,
    },
    /// Nowhere: it is a repeat, or of a lower revision than the one known.
    Known,
    /// Before everything that is kept.
    Behind,
}

/// See the module.
#[derive(Clone, Debug)]
pub(crate) struct History {
    /// Features before the first of `bars`.
    base: FeatureSet,
    /// Oldest first.
    bars: Vec<Kept>,
}

impl From<&Bar> for Kept {
    fn from(bar: &Bar) -> Self {
        Self {
            event_time: bar.event_time,
            revision: bar.revision,
            open: bar.open,
            high: bar.high,
            low: bar.low,
            close: bar.close,
            volume: bar.volume,
            split_factor: bar.split_factor,
            dividend: bar.dividend,
        }
    }
}

impl Kept {
    fn to_bar(self, like: &Bar) -> Bar {
        Bar {
            event_time: self.event_time,
            revision: self.revision,
            open: self.open,
            high: self.high,
            low: self.low,
            close: self.close,
            volume: self.volume,
            split_factor: self.split_factor,
            dividend: self.dividend,
            ..like.clone()
        }
    }
}

impl Past {
    /// Takes the next bar of the symbol, in the order of the topic.
    pub fn take(&mut self, bar: &Bar) {
        if bar.check_numbers().is_err() {
            return;
        }
        let known = self.bars.entry(bar.event_time).or_insert(bar.into());
        if bar.revision > known.revision {
            *known = bar.into();
        }
    }
}

impl History {
    /// Nothing but the features so far.
    pub(crate) fn new(base: FeatureSet) -> Self {
        Self {
            base,
            bars: Vec::new(),
        }
    }

    /// Everything there is. `empty` has seen no bar.
    pub(crate) fn whole(empty: FeatureSet, past: Past) -> Self {
        Self {
            base: empty,
            bars: past.bars.into_values().collect(),
        }
    }

    /// Bars that are kept.
    pub(crate) fn len(&self) -> usize {
        self.bars.len()
    }

    /// Bars from an event time on.
    pub(crate) fn count_from(&self, event_time: i64) -> usize {
        self.bars.len()
            - self
                .bars
                .partition_point(|kept| kept.event_time < event_time)
    }

    /// Where a bar belongs.
    pub(crate) fn place(&self, bar: &Bar) -> Place {
        let time = bar.event_time;
        if self.base.last_event_time().is_some_and(|last| time <= last) {
            return Place::Behind;
        }
        match self.find(time) {
            Ok(at) => match self.bars.get(at) {
                Some(known) if bar.revision > known.revision => Place::Within { added: false },
                _ => Place::Known,
            },
            Err(at) if at == self.bars.len() => Place::Newest,
            Err(_) => Place::Within { added: true },
        }
    }

    /// Takes a bar that is not behind.
    pub(crate) fn put(&mut self, bar: &Bar) {
        match self.find(bar.event_time) {
            Ok(at) => {
                if let Some(known) = self.bars.get_mut(at) {
                    *known = bar.into();
                }
            }
            Err(at) => self.bars.insert(at, bar.into()),
        }
    }

    fn find(&self, event_time: i64) -> Result<usize, usize> {
        self.bars
            .binary_search_by_key(&event_time, |kept| kept.event_time)
    }

    /// Features after the last bar; `made` sees every row on the way. `like` is any bar of the symbol.
    pub(crate) fn fold(&self, like: &Bar, mut made: impl FnMut(FeatureRow)) -> FeatureSet {
        let mut set = self.base.clone();
        for kept in &self.bars {
            // They are in order and were checked, so none is refused.
            if let Ok(Some(row)) = set.push(&kept.to_bar(like)) {
                made(row);
            }
        }
        set
    }

    /// Forgets the oldest bars when there are more than twice `keep`.
    pub(crate) fn trim(&mut self, keep: usize, like: &Bar) {
        if self.bars.len() <= 2 * keep {
            return;
        }
        let leaving = self.bars.len() - keep;
        for kept in self.bars.drain(..leaving) {
            self.base.push(&kept.to_bar(like)).ok();
        }
        self.bars.shrink_to_fit();
    }
}

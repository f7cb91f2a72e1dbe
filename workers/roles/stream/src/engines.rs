//! One engine per feature set over the same bars: the declared one first, then those of versions that serve. An edit of
//! the features takes no row from a champion that way. Pure; driven by `worker`.

use std::collections::BTreeMap;

use foresail_crds::pipeline::spec::FeatureSetSpec;
use foresail_features::FeatureError;

use crate::engine::{Recovered, StreamEngine};
use crate::history::Past;
use crate::partition::ReadBar;
use crate::step::{BarMessage, Lack, Output, Step, Totals};

/// Feature state of all feature sets. A set is known by its place.
pub struct Engines(Vec<StreamEngine>);

/// State to write: of a feature set, and of a partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Due {
    /// Place of the feature set.
    pub set: usize,
    /// Partition.
    pub partition: i32,
}

impl Engines {
    /// Engines that go on where earlier runs stopped, each with what was `recovered` of it.
    ///
    /// # Errors
    /// A feature set that cannot be computed.
    pub fn recover<'a>(
        sets: impl IntoIterator<Item = (&'a FeatureSetSpec, Recovered)>,
    ) -> Result<Self, FeatureError> {
        let engines = sets.into_iter().map(|(set, recovered)| {
            StreamEngine::recover(&set.features, set.adjustment, &recovered)
        });
        engines.collect::<Result<_, _>>().map(Self)
    }

    /// First offset to read, per partition that all of them know: the others are read from their beginning.
    pub fn positions(&self) -> BTreeMap<i32, i64> {
        let each: Vec<_> = self.0.iter().map(StreamEngine::positions).collect();
        let Some((first, rest)) = each.split_first() else {
            return BTreeMap::new();
        };
        let earliest = |(partition, offset): (&i32, &i64)| {
            let mut others = rest.iter().map(|positions| positions.get(partition));
            let earliest = others.try_fold(*offset, |a, b| Some(a.min(*b?)));
            Some((*partition, earliest?))
        };
        first.iter().filter_map(earliest).collect()
    }

    /// Highest offset, plus one, that anything written earlier refers to, per known partition.
    pub fn known_ends(&self) -> BTreeMap<i32, i64> {
        let mut ends = BTreeMap::new();
        for (partition, end) in self.0.iter().flat_map(StreamEngine::known_ends) {
            let known = ends.entry(partition).or_insert(end);
            *known = end.max(*known);
        }
        ends
    }

    /// Takes note of records of a partition that were gone before they were read: whoever was further had read them.
    pub fn lose(&mut self, partition: i32, records: u64) {
        let of = |positions: BTreeMap<i32, i64>| positions.get(&partition).copied();
        let first = of(self.positions());
        let behind = self.0.iter_mut();
        for engine in behind.filter(|engine| of(engine.positions()) == first) {
            engine.lose(partition, records);
        }
    }

    /// Takes the next message of its partition: at most one row per feature set, and one refusal in all. Of a bar that changes
    /// the past, the rows are what [`Self::rewrite`] makes; those come before the row of the symbol's next new bar.
    ///
    /// # Errors
    /// What is needed first; nothing has changed. [`Self::supply`] it and take the message again.
    pub fn push(&mut self, message: &BarMessage) -> Result<Vec<Step>, Lack> {
        let read = ReadBar::of(message);
        if let Some(lack) = self.lack(&read) {
            return Err(lack);
        }
        let mut steps = Vec::new();
        let mut refused = false;
        for (set, engine) in self.0.iter_mut().enumerate() {
            for mut step in engine.push(&read) {
                step.set = set;
                if matches!(step.output, Output::Refused(_)) {
                    step.fresh &= !refused;
                    refused |= step.fresh;
                }
                steps.push(step);
            }
        }
        Ok(steps)
    }

    /// What is needed before a message can be taken.
    pub fn lacks(&self, message: &BarMessage) -> Option<Lack> {
        self.lack(&ReadBar::of(message))
    }

    fn lack(&self, read: &ReadBar<'_>) -> Option<Lack> {
        let symbol = self.0.iter().find_map(|engine| engine.lacks(read))?;
        Some(Lack {
            partition: read.message.partition,
            symbol: symbol.to_owned(),
        })
    }

    /// Takes all bars of the message's symbol in the bars topic that lie below it, where they are needed.
    pub fn supply(&mut self, message: &BarMessage, past: &Past) {
        let read = ReadBar::of(message);
        for engine in &mut self.0 {
            if engine.lacks(&read).is_some() {
                engine.supply(&read, past.clone());
            }
        }
    }

    /// Rows that are to be made once more, at most.
    pub fn rewrites(&self) -> usize {
        self.0.iter().map(StreamEngine::rewrites).sum()
    }

    /// Makes those of one symbol and feature set; empty when there are none. Outputs of one transaction with what the
    /// messages so far led to, and behind it.
    pub fn rewrite(&mut self) -> Vec<Step> {
        for (set, engine) in self.0.iter_mut().enumerate() {
            let mut steps = engine.rewrite();
            if !steps.is_empty() {
                steps.iter_mut().for_each(|step| step.set = set);
                return steps;
            }
        }
        Vec::new()
    }

    /// Bars that are kept to compute from.
    pub fn kept(&self) -> usize {
        self.0.iter().map(StreamEngine::kept).sum()
    }

    /// Forgets bars beyond what may be kept for long.
    pub fn trim(&mut self) {
        self.0.iter_mut().for_each(StreamEngine::trim);
    }

    /// What its next snapshot is due of; with `idle` all that changed since the last one.
    pub fn due(&self, idle: bool) -> Vec<Due> {
        let engines = self.0.iter().enumerate();
        let due = engines.flat_map(|(set, engine)| {
            let partitions = engine.due(idle).into_iter();
            partitions.map(move |partition| Due { set, partition })
        });
        due.collect()
    }

    /// All partitions that are known, of each feature set.
    pub fn partitions(&self) -> Vec<Due> {
        let engines = self.0.iter().enumerate();
        let all = engines.flat_map(|(set, engine)| {
            let partitions = engine.positions().into_keys();
            partitions.map(move |partition| Due { set, partition })
        });
        all.collect()
    }

    /// The engine of a feature set.
    pub fn of(&mut self, set: usize) -> Option<&mut StreamEngine> {
        self.0.get_mut(set)
    }

    /// Counts over all partitions, of the declared features.
    pub fn totals(&self) -> Totals {
        self.0.first().map(StreamEngine::totals).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests;

//! The rolling window of the monitor: what bins its values are in, and how many are in each. A row that comes or goes changes
//! counts, so that a score costs the same however long the window is.

use std::collections::VecDeque;

use foresail_crds::model_manifest::FeatureReference;

use crate::{Session, score};

/// In place of a bin, where a row lacks the value.
const NONE: u8 = u8::MAX;

/// Bins and counts of one feature.
#[derive(Clone, Debug)]
struct Counted {
    /// Its place in a row.
    column: usize,
    edges: Vec<f64>,
    /// Values of the window by bin of `edges`.
    coarse: Vec<u32>,
    /// Distinct quantiles of the reference.
    quantiles: Vec<f64>,
    /// Values of the window below all quantiles, and by bin of `quantiles`.
    fine: Vec<u32>,
}

/// The newest bars, in time, with the bins of their values: two bytes for each.
#[derive(Clone, Debug)]
pub(crate) struct Window {
    size: usize,
    features: Vec<Counted>,
    bars: VecDeque<Box<[u8]>>,
}

impl Counted {
    fn new(column: usize, reference: &FeatureReference) -> Self {
        let mut quantiles = reference.quantiles.clone();
        quantiles.dedup();
        Self {
            column,
            edges: reference.edges.clone(),
            coarse: vec![0; reference.shares.len()],
            fine: vec![0; quantiles.len() + 2],
            quantiles,
        }
    }

    fn bins(&self, row: &[f64]) -> [u8; 2] {
        let Some(value) = row.get(self.column) else {
            return [NONE; 2];
        };
        let small = |bin: usize| u8::try_from(bin).unwrap_or(NONE);
        let is_below = self.quantiles.first().is_none_or(|least| value < least);
        let fine = match value.is_nan() {
            true => self.fine.len() - 1,
            false if is_below => 0,
            false => score::bin(&self.quantiles, *value) + 1,
        };
        [small(score::bin(&self.edges, *value)), small(fine)]
    }

    fn count(&mut self, [coarse, fine]: [u8; 2], by: impl Fn(&mut u32)) {
        if let Some(count) = self.coarse.get_mut(usize::from(coarse)) {
            by(count);
        }
        if let Some(count) = self.fine.get_mut(usize::from(fine)) {
            by(count);
        }
    }
}

impl Window {
    /// An empty window of `size` bars over the watched features, by their places in the reference.
    pub(crate) fn new(size: usize, watched: &[usize], reference: &[FeatureReference]) -> Self {
        let of = |column: &usize| Some(Counted::new(*column, reference.get(*column)?));
        Self {
            size,
            features: watched.iter().filter_map(of).collect(),
            bars: VecDeque::new(),
        }
    }

    /// Adds a bar, in order of time, and drops one that is no longer in the window. True when the window is full.
    pub(crate) fn push(&mut self, bar: &Session) -> bool {
        let mut bins = Vec::with_capacity(2 * bar.rows.len() * self.features.len());
        for row in &bar.rows {
            for feature in &mut self.features {
                let both = feature.bins(row);
                feature.count(both, |count| *count += 1);
                bins.extend(both);
            }
        }
        self.bars.push_back(bins.into());
        if self.bars.len() > self.size {
            self.drop_first();
        }
        self.bars.len() >= self.size
    }

    /// Drops every bar.
    pub(crate) fn clear(&mut self) {
        self.bars.clear();
        for feature in &mut self.features {
            feature.coarse.fill(0);
            feature.fine.fill(0);
        }
    }

    fn drop_first(&mut self) {
        let Some(bins) = self.bars.pop_front() else {
            return;
        };
        let each = (2 * self.features.len()).max(1);
        for row in bins.chunks_exact(each) {
            for (feature, both) in self.features.iter_mut().zip(row.chunks_exact(2)) {
                feature.count([both[0], both[1]], |count| *count = count.saturating_sub(1));
            }
        }
    }

    /// PSI and KS of each feature, with its place in the reference.
    pub(crate) fn scores(&self, reference: &[FeatureReference]) -> Vec<(usize, [f64; 2])> {
        let of = |counted: &Counted| {
            let feature = reference.get(counted.column)?;
            let psi = score::psi(&feature.shares, &counted.coarse);
            let (below, fine) = counted.fine.split_first()?;
            let ks = score::ks_of_counts(&feature.quantiles, *below, fine);
            Some((counted.column, [psi, ks]))
        };
        self.features.iter().filter_map(of).collect()
    }
}

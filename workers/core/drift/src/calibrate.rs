//! Alarm levels from the reference itself: score every sub-window, count alarm episodes, choose the
//! smallest level within the declared budget.

use foresail_crds::model_manifest::{DriftCalibration, FeatureReference};
use foresail_crds::pipeline::spec::DriftMetric;

use crate::score;

/// Scores of all sub-windows of one feature, one per window end.
pub(crate) struct FeatureScores {
    pub psi: Vec<f64>,
    pub ks: Vec<f64>,
}

/// Combined score per window end.
pub(crate) struct Combined(Vec<f64>);

/// Scores every window of `window` sessions against the reference without the window and half a
/// window on both sides, using prefix sums of bin counts per session.
pub(crate) fn sub_windows(
    feature: &FeatureReference,
    sessions: &[Vec<f64>],
    window: usize,
) -> FeatureScores {
    let coarse = Prefix::new(&feature.edges, sessions);
    let fine = Prefix::new(&distinct(&feature.quantiles), sessions);
    let ends = window..=sessions.len();
    let (mut psi, mut ks) = (Vec::with_capacity(ends.clone().count()), Vec::new());
    for end in ends {
        let start = end - window;
        let block = (
            start.saturating_sub(window / 2),
            (end + window / 2).min(sessions.len()),
        );
        let counts = coarse.counts(start, end);
        psi.push(score::psi(&coarse.shares_without(block), &counts));
        ks.push(gap(&fine.shares_without(block), &fine.counts(start, end)));
    }
    FeatureScores { psi, ks }
}

fn distinct(quantiles: &[f64]) -> Vec<f64> {
    let mut edges = quantiles.to_vec();
    edges.dedup();
    edges
}

/// Largest distance of two cumulative distributions given by bin shares and bin counts.
fn gap(reference: &[f64], counts: &[u32]) -> f64 {
    let total: f64 = counts.iter().map(|c| f64::from(*c)).sum();
    if total == 0.0 {
        return 0.0;
    }
    let (mut p, mut q, mut largest) = (0.0, 0.0, 0.0f64);
    for (share, count) in reference.iter().zip(counts) {
        p += share;
        q += f64::from(*count) / total;
        largest = largest.max((p - q).abs());
    }
    largest
}

/// Cumulative bin counts: `sums[s]` holds the counts of sessions before `s`.
struct Prefix {
    sums: Vec<Vec<u32>>,
}

impl Prefix {
    fn new(edges: &[f64], sessions: &[Vec<f64>]) -> Self {
        let mut current = vec![0u32; edges.len() + 1];
        let mut sums = Vec::with_capacity(sessions.len() + 1);
        sums.push(current.clone());
        for session in sessions {
            for value in session {
                current[score::bin(edges, *value)] += 1;
            }
            sums.push(current.clone());
        }
        Self { sums }
    }

    fn counts(&self, start: usize, end: usize) -> Vec<u32> {
        self.sums[end]
            .iter()
            .zip(&self.sums[start])
            .map(|(a, b)| a - b)
            .collect()
    }

    fn shares_without(&self, (start, end): (usize, usize)) -> Vec<f64> {
        let all = self.counts(0, self.sums.len() - 1);
        let kept: Vec<u32> = all
            .iter()
            .zip(self.counts(start, end))
            .map(|(a, block)| a - block)
            .collect();
        let total: f64 = kept.iter().map(|c| f64::from(*c)).sum::<f64>().max(1.0);
        kept.iter().map(|c| f64::from(*c) / total).collect()
    }
}

/// 95 % point of a feature's sub-window scores, at least 1e-9.
pub(crate) fn scale_of(scores: &[f64]) -> f64 {
    let mut sorted = scores.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted
        .get(sorted.len().saturating_sub(1) * 95 / 100)
        .copied()
        .unwrap_or(1.0)
        .max(1e-9)
}

/// Largest scaled feature score per window end.
pub(crate) fn combined(
    metric: DriftMetric,
    features: &[FeatureReference],
    scores: &[FeatureScores],
) -> Combined {
    let windows = scores.first().map_or(0, |s| s.psi.len());
    let scaled = |f: usize, w: usize| {
        let raw = match metric {
            DriftMetric::Psi => scores[f].psi[w],
            DriftMetric::Ks => scores[f].ks[w],
        };
        raw / score::scale(metric, &features[f])
    };
    let largest = |w| (0..scores.len()).map(|f| scaled(f, w)).fold(0.0, f64::max);
    Combined((0..windows).map(largest).collect())
}

impl Combined {
    /// The smallest level with at most `budget` episodes per year.
    ///
    /// Episodes are few at high levels, most at some middle one, and merge into a single endless one
    /// below it, so the level is never below the one of most episodes: a budget the reference cannot
    /// even reach would otherwise choose an alarm that never ends. A budget below one episode in
    /// the whole reference is extrapolated, see [`beyond`].
    pub(crate) fn level(
        self,
        metric: DriftMetric,
        window: usize,
        sessions_per_year: f64,
        budget: f64,
    ) -> DriftCalibration {
        let mut scores = self.0.clone();
        scores.sort_by(f64::total_cmp);
        let allowed = budget * self.0.len() as f64 / sessions_per_year;
        let threshold = if allowed >= 1.0 {
            self.within(&scores, window, allowed)
        } else {
            // PSI grows with the square of a shift, KS in proportion to it: the tail is fitted to the shift.
            match metric {
                DriftMetric::Psi => {
                    let shifts: Vec<f64> = scores.iter().map(|s| s.max(0.0).sqrt()).collect();
                    beyond(&shifts, window, allowed).powi(2)
                }
                DriftMetric::Ks => beyond(&scores, window, allowed),
            }
        };
        DriftCalibration {
            metric,
            scores: thin(scores),
            sessions_per_year,
            threshold,
        }
    }

    fn within(&self, sorted: &[f64], window: usize, allowed: f64) -> f64 {
        let counts: Vec<usize> = sorted
            .iter()
            .map(|level| episodes(&self.0, *level, window))
            .collect();
        let most = counts.iter().max().copied().unwrap_or(0);
        let too_many = counts.iter().rposition(|count| *count as f64 > allowed);
        let index = match too_many {
            Some(index) => index + 1,
            None => counts.iter().rposition(|c| *c == most).unwrap_or(0),
        };
        let last = sorted.len().saturating_sub(1);
        sorted.get(index.min(last)).copied().unwrap_or(1.0)
    }
}

/// A level above the largest score, for a budget of `allowed` < 1 episodes in the whole reference.
///
/// The tail is taken as exponential, its scale as the mean excess over the median. That scale comes
/// from only `n` independent excursions (windows overlap: one per two window lengths), so the margin
/// is the predictive one, `scale * n * (allowed^(-1/n) - 1)`, which tends to the plain
/// `scale * ln(1 / allowed)` as n grows.
fn beyond(sorted: &[f64], window: usize, allowed: f64) -> f64 {
    let top = sorted.last().copied().unwrap_or(1.0);
    let upper = &sorted[sorted.len() / 2..];
    let median = upper.first().copied().unwrap_or(0.0);
    let scale = upper.iter().map(|s| s - median).sum::<f64>() / upper.len().max(1) as f64;
    let n = (sorted.len() as f64 / (2 * window.max(1)) as f64).max(1.0);
    top + scale * n * (allowed.powf(-1.0 / n) - 1.0)
}

/// At most 501 order statistics are stored with the model.
fn thin(sorted: Vec<f64>) -> Vec<f64> {
    const STORED: usize = 500;
    if sorted.len() <= STORED {
        return sorted;
    }
    (0..=STORED)
        .map(|i| sorted[(sorted.len() - 1) * i / STORED])
        .collect()
}

/// Alarm episodes of a score series: one starts above `level` and ends after half a window at or
/// below it, the hysteresis of [`crate::DriftMonitor`].
pub(crate) fn episodes(scores: &[f64], level: f64, window: usize) -> usize {
    let (mut count, mut quiet) = (0, usize::MAX);
    for score in scores {
        if *score > level {
            if quiet >= (window / 2).max(1) {
                count += 1;
            }
            quiet = 0;
        } else {
            quiet = quiet.saturating_add(1);
        }
    }
    count
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn episodes_with_hysteresis() {
        let scores = [0.0, 2.0, 0.0, 2.0, 0.0, 0.0, 2.0];
        assert_eq!(
            episodes(&scores, 1.0, 4),
            2,
            "one quiet session does not end an episode"
        );
        assert_eq!(episodes(&scores, 1.0, 2), 3);
        assert_eq!(episodes(&scores, 3.0, 2), 0);
    }

    #[test]
    fn an_unresolvable_budget_extrapolates_beyond_the_largest_score() {
        let scores: Vec<f64> = (0..252).map(|i| f64::from(i) / 100.0).collect();
        let level = |budget| {
            Combined(scores.clone())
                .level(DriftMetric::Psi, 10, 252.0, budget)
                .threshold
        };
        assert!(level(0.1) > 2.51);
        assert!(level(0.01) > level(0.1));
        assert!(level(1.0) <= 2.51);
    }

    #[test]
    fn the_margin_beyond_the_reference_by_hand() {
        // Median 3, excesses 0, 1, 2, 3: scale 1.5. Eight windows of 4 sessions: n = 1.
        let sorted = [-1.0, 0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0];
        assert!((beyond(&sorted, 4, 0.25) - (6.0 + 1.5 * 3.0)).abs() < 1e-12);
        assert!((beyond(&sorted, 4, 1.0) - 6.0).abs() < 1e-12);
    }

    #[test]
    fn a_budget_beyond_reach_does_not_choose_an_endless_alarm() {
        let wave: Vec<f64> = (0..600)
            .map(|i| (f64::from(i) * 0.0628).sin() + 1.0)
            .collect();
        let level = Combined(wave.clone()).level(DriftMetric::Psi, 20, 252.0, 50.0);
        // Six waves, begun and ended inside a seventh.
        assert_eq!(episodes(&wave, level.threshold, 20), 7);
        assert_eq!(episodes(&wave, 0.0, 20), 1, "the lowest level merges all");
    }
}

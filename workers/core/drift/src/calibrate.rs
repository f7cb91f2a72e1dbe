//! Alarm levels from the reference itself: the trainer scores every sub-window, the monitor counts alarm episodes of the
//! features it watches and chooses the smallest level within the declared budget.

use foresail_crds::model_manifest::{DriftReference, FeatureReference};
use foresail_crds::pipeline::spec::DriftMetric;

use crate::score;

/// Scores of all sub-windows of one feature, one per window end.
pub(crate) struct FeatureScores {
    pub psi: Vec<f64>,
    pub ks: Vec<f64>,
}

/// Largest scaled score of the watched features, in order of time.
struct Combined(Vec<f64>);

/// Scores every window of `window` bars, in time, against the reference without the window and half a window on both sides.
/// Counts slide with the window: the memory does not grow with the bars.
pub(crate) fn sub_windows(
    feature: &FeatureReference,
    sessions: &[Vec<f64>],
    window: usize,
) -> FeatureScores {
    let mut coarse = Sliding::new(feature.edges.clone(), sessions);
    let mut fine = Sliding::new(distinct(&feature.quantiles), sessions);
    let ends = window..=sessions.len();
    let (mut psi, mut ks) = (Vec::with_capacity(ends.clone().count()), Vec::new());
    for end in ends {
        let start = end - window;
        let block = (
            start.saturating_sub(window / 2),
            (end + window / 2).min(sessions.len()),
        );
        coarse.slide((start, end), block);
        fine.slide((start, end), block);
        psi.push(score::psi(&coarse.shares_without(), &coarse.window.counts));
        ks.push(gap(&fine.shares_without(), &fine.window.counts));
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

/// Counts by bin over bars from `start` to before `end`, which both only go forward.
#[derive(Default)]
struct Counts {
    start: usize,
    end: usize,
    counts: Vec<u32>,
}

/// Counts of all bars, of a window and of the block around it.
struct Sliding<'a> {
    edges: Vec<f64>,
    bars: &'a [Vec<f64>],
    all: Vec<u32>,
    window: Counts,
    block: Counts,
}

impl Counts {
    fn slide(&mut self, edges: &[f64], bars: &[Vec<f64>], (start, end): (usize, usize)) {
        for value in bars.get(self.end..end).into_iter().flatten().flatten() {
            self.counts[score::bin(edges, *value)] += 1;
        }
        for value in bars.get(self.start..start).into_iter().flatten().flatten() {
            self.counts[score::bin(edges, *value)] -= 1;
        }
        (self.start, self.end) = (start, end);
    }
}

impl<'a> Sliding<'a> {
    fn new(edges: Vec<f64>, bars: &'a [Vec<f64>]) -> Self {
        let none = || Counts {
            counts: vec![0; edges.len() + 1],
            ..Counts::default()
        };
        let mut all = none();
        all.slide(&edges, bars, (0, bars.len()));
        Self {
            all: all.counts,
            window: none(),
            block: none(),
            edges,
            bars,
        }
    }

    fn slide(&mut self, window: (usize, usize), block: (usize, usize)) {
        self.window.slide(&self.edges, self.bars, window);
        self.block.slide(&self.edges, self.bars, block);
    }

    fn shares_without(&self) -> Vec<f64> {
        let both = self.all.iter().zip(&self.block.counts);
        let kept: Vec<u32> = both.map(|(all, block)| all - block).collect();
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

/// Parts of a feature's scale that a stored score counts.
const PARTS: f64 = 1000.0;

/// Scores of windows as they are stored: the largest of each `together` in a row, in parts of `scale`, rounded up.
pub(crate) fn stored(scores: &[f64], scale: f64, together: usize) -> Vec<u64> {
    let largest = |block: &[f64]| block.iter().copied().fold(0.0, f64::max);
    let parts = |score: f64| (score / scale * PARTS).ceil() as u64;
    let blocks = scores.chunks(together.max(1));
    blocks.map(|block| parts(largest(block))).collect()
}

/// Most scores stored with a model, but for very short windows: some 2 MB of JSON.
const MOST_STORED: usize = 400_000;
/// Most scores of one feature: a level is looked for among all of them, and each is counted over all.
const MOST_OF_FEATURE: usize = 25_000;

/// Windows that share a stored score, so that many features over many years take a bounded place. An episode ends
/// after half a window, which must stay more than one score.
pub(crate) fn windows_per_score(features: usize, windows: usize, window: usize) -> usize {
    let all = 2 * features * windows;
    let shared = all.div_ceil(MOST_STORED);
    let shared = shared.max(windows.div_ceil(MOST_OF_FEATURE));
    shared.clamp(1, (window / 4).max(1))
}

/// The level of the features in `watched` (places in the reference) for `false_alarms_per_year`; `None` where the
/// version is older than the scores it is made from.
pub(crate) fn level(
    reference: &DriftReference,
    watched: &[usize],
    metric: DriftMetric,
    false_alarms_per_year: f64,
) -> Option<f64> {
    let series = |place: &usize| {
        let feature = reference.features.get(*place)?;
        let scores = match metric {
            DriftMetric::Psi => &feature.psi_scores,
            DriftMetric::Ks => &feature.ks_scores,
        };
        Some(scores.as_slice()).filter(|scores| !scores.is_empty())
    };
    let series: Vec<&[u64]> = watched.iter().map(series).collect::<Option<_>>()?;
    let windows = series.iter().map(|scores| scores.len()).min()?;
    let largest = |w: usize| series.iter().map(|scores| scores[w]).max().unwrap_or(0);
    let combined = Combined((0..windows).map(|w| largest(w) as f64 / PARTS).collect());
    let together = reference.windows_per_score.max(1);
    let window = usize::try_from(reference.window_sessions / together).unwrap_or(usize::MAX);
    let per_year = reference.sessions_per_year / f64::from(together);
    let usable = per_year > 0.0 && false_alarms_per_year > 0.0;
    usable.then(|| combined.level(metric, window.max(1), per_year, false_alarms_per_year))
}

impl Combined {
    /// The smallest level with at most `budget` episodes per year, of which `per_year` scores are one.
    ///
    /// Episodes are few at high levels, most at some middle one, and merge into a single endless one
    /// below it, so the level is never below the one of most episodes: a budget the reference cannot
    /// even reach would otherwise choose an alarm that never ends. A budget below one episode in
    /// the whole reference is extrapolated, see [`beyond`].
    fn level(&self, metric: DriftMetric, window: usize, per_year: f64, budget: f64) -> f64 {
        let mut scores = self.0.clone();
        scores.sort_by(f64::total_cmp);
        let allowed = budget * self.0.len() as f64 / per_year;
        if allowed >= 1.0 {
            return self.within(&scores, window, allowed);
        }
        // PSI grows with the square of a shift, KS in proportion to it: the tail is fitted to the shift.
        match metric {
            DriftMetric::Psi => {
                let shifts: Vec<f64> = scores.iter().map(|s| s.max(0.0).sqrt()).collect();
                beyond(&shifts, window, allowed).powi(2)
            }
            DriftMetric::Ks => beyond(&scores, window, allowed),
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
        let level = |budget| Combined(scores.clone()).level(DriftMetric::Psi, 10, 252.0, budget);
        assert!(level(0.1) > 2.51);
        assert!(level(0.01) > level(0.1));
        assert!(level(1.0) <= 2.51);
    }

    #[test]
    fn scores_are_stored_rounded_up_and_the_largest_of_those_that_share_a_place() {
        assert_eq!(stored(&[0.2, 0.1, 0.30004], 0.1, 1), [2000, 1000, 3001]);
        assert_eq!(stored(&[0.2, 0.1, 0.3], 0.1, 2), [2000, 3000]);
        assert_eq!(stored(&[0.0, 0.5], 1e-9, 1), [0, 500_000_000_000]);
        assert_eq!(windows_per_score(8, 6_500, 60), 1);
        assert_eq!(windows_per_score(64, 6_500, 60), 3);
        assert_eq!(windows_per_score(64, 6_500, 10), 2);
        // Two years of minutes.
        assert_eq!(windows_per_score(1, 196_000, 23_400), 8);
    }

    #[test]
    fn scores_that_share_a_place_give_nearly_the_same_level() {
        // Two waves of other lengths: excursions of many heights, each of some thirty windows.
        let wave: Vec<f64> = (0..4_000)
            .map(f64::from)
            .map(|i| 2.0 + (i * 0.11).sin() + (i * 0.0373).sin())
            .collect();
        let level_of = |together: u32, rate: f64| {
            let scores = stored(&wave, 1.0, together as usize);
            let feature = FeatureReference {
                name: "x".into(),
                edges: vec![],
                shares: vec![1.0],
                quantiles: vec![],
                psi_scale: 1.0,
                ks_scale: 1.0,
                psi_scores: scores.clone(),
                ks_scores: scores,
            };
            let reference = DriftReference {
                window_sessions: 60,
                features: vec![feature],
                sessions_per_year: 252.0,
                windows_per_score: together,
                calibration: vec![],
            };
            level(&reference, &[0], DriftMetric::Ks, rate).unwrap()
        };
        for rate in [0.02, 0.5, 1.0, 2.0] {
            let (each, shared) = (level_of(1, rate), level_of(4, rate));
            assert!(
                (each / shared - 1.0).abs() < 0.02,
                "{rate}: {each} {shared}"
            );
        }
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
        assert_eq!(episodes(&wave, level, 20), 7);
        assert_eq!(episodes(&wave, 0.0, 20), 1, "the lowest level merges all");
    }
}

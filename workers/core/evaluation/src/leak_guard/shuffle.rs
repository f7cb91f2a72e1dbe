//! The control with labels that mean nothing.

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::verdict::{Evidence, Guard, Verdict};
use crate::against_naive::against_naive;
use crate::metrics::DateLoss;

/// Fewest blocks that make a shuffle, and fewest test dates that make a test.
const FEWEST: usize = 10;

/// How labels are shuffled and tested.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Control {
    /// Dates of a block that stay together, at least the horizon, so that overlap stays.
    pub block: usize,
    /// Steps forecast.
    pub horizon: usize,
    /// Level of each test; 0.001 in this project.
    pub alpha: f64,
    /// Seed.
    pub seed: u64,
}

/// A pipeline on moved labels: losses of its test dates, or why it stopped.
pub type ShuffledRun<'a> = &'a dyn Fn(&[usize]) -> Result<Vec<DateLoss>, String>;

/// Runs the pipeline on labels moved in blocks of dates: `run` gets, for each date, the date whose
/// labels to take, and gives the losses of its test dates. A model that then beats naive, by
/// Diebold-Mariano or by Clark-West at `alpha`, knows what it cannot know.
///
/// Centre the labels of each symbol and step first: a drift survives shuffling, and an intercept that
/// learns it is no leak.
pub fn shuffled_labels(dates: usize, control: &Control, run: ShuffledRun) -> Verdict {
    let guard = Guard::ShuffledLabels;
    let fail = |detail: String| Verdict::fail(guard, 0, detail, None);
    let block = control.block.max(control.horizon).max(1);
    if dates / block < FEWEST {
        return fail(format!(
            "{dates} dates are fewer than {FEWEST} blocks of {block}: nothing to shuffle"
        ));
    }
    let losses = match run(&block_permutation(dates, block, control.seed)) {
        Ok(losses) => losses,
        Err(error) => return fail(format!("the pipeline stopped: {error}")),
    };
    let tested = |l: &DateLoss| [l.model, l.naive, l.clark_west];
    let finite = |l: &DateLoss| tested(l).iter().all(|v| v.is_finite());
    if losses.len() < FEWEST || !losses.iter().all(finite) {
        return fail(format!(
            "{} test dates with finite losses are needed, {} were given",
            FEWEST,
            losses.len()
        ));
    }
    let p = against_naive(&losses, control.horizon);
    let found = format!(
        "p = {:.3e} (Diebold-Mariano), {:.3e} (Clark-West)",
        p.diebold_mariano, p.clark_west
    );
    if p.diebold_mariano < control.alpha || p.clark_west < control.alpha {
        let evidence = Evidence {
            expected: format!("p >= {}", control.alpha),
            found,
            ..Evidence::default()
        };
        let detail = "the model beats naive on shuffled labels";
        return Verdict::fail(guard, losses.len(), detail.into(), Some(evidence));
    }
    Verdict::pass(guard, losses.len(), found)
}

/// For each date the date it gets its labels from: blocks of `block` dates (the last may be shorter)
/// in one random cycle, so that no block keeps its own labels (Sattolo 1986).
pub fn block_permutation(dates: usize, block: usize, seed: u64) -> Vec<usize> {
    let all: Vec<usize> = (0..dates).collect();
    let blocks: Vec<&[usize]> = all.chunks(block.max(1)).collect();
    let mut order: Vec<usize> = (0..blocks.len()).collect();
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    for last in (1..order.len()).rev() {
        order.swap(last, random.random_range(0..last));
    }
    let moved = order.iter().filter_map(|b| blocks.get(*b));
    moved.flat_map(|b| b.iter().copied()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_move_whole_and_none_stays() {
        for seed in 0..50 {
            let order = block_permutation(100, 10, seed);
            let mut all = order.clone();
            all.sort_unstable();
            assert_eq!(all, (0..100).collect::<Vec<_>>());
            assert!(order.iter().enumerate().all(|(i, from)| i != *from));
            let broken = order.windows(2).filter(|w| w[0] + 1 != w[1]).count();
            assert!(broken <= 9);
        }
        assert_eq!(block_permutation(0, 0, 1), [0usize; 0]);
        assert_ne!(block_permutation(100, 5, 1), block_permutation(100, 5, 2));
    }

    #[test]
    fn too_little_is_no_pass() {
        let control = Control {
            block: 5,
            horizon: 5,
            alpha: 0.001,
            seed: 1,
        };
        let none = |_: &[usize]| Ok(Vec::new());
        assert!(!shuffled_labels(49, &control, &none).passed);
        assert!(!shuffled_labels(50, &control, &none).passed);
        let stopped = shuffled_labels(50, &control, &|_| Err("no rows".into()));
        assert!(!stopped.passed && stopped.detail.contains("no rows"));
        let nan = DateLoss {
            event_time: 0,
            model: f64::NAN,
            naive: 1.0,
            model_abs: 1.0,
            naive_abs: 1.0,
            clark_west: 0.0,
        };
        assert!(!shuffled_labels(50, &control, &|_| Ok(vec![nan; 50])).passed);
    }
}

//! Splits and dividends derived from a fully adjusted close, for sources that give no columns for them.
//!
//! With `adj` computed backwards from the newest row (CRSP style), consecutive rows satisfy
//! `(adj[t-1]/close[t-1]) / (adj[t]/close[t]) = (1/split) * (1 - dividend/close[t-1])`.

/// A corporate action effective on a session.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Action {
    /// Shares after / shares before; 1 without a split.
    pub split_factor: f64,
    /// Cash per share; 0 without a dividend.
    pub dividend: f64,
}

impl Action {
    /// Nothing happened.
    pub const NONE: Self = Self {
        split_factor: 1.0,
        dividend: 0.0,
    };
}

/// Close and adjusted close of one row; `adjusted_half_unit` is half the last decimal of the
/// adjusted close (0.005 for two decimals), the error interval of its rounding.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct AdjustedRow {
    /// Raw close, positive.
    pub close: f64,
    /// Adjusted close, positive.
    pub adjusted: f64,
    /// Half unit of its last decimal.
    pub adjusted_half_unit: f64,
}

/// Share counts above six that are recognised against one, in splits and reverse splits.
const LARGE_RATIOS: [u32; 25] = [
    7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 25, 30, 35, 40, 45, 50, 60, 70, 75, 80,
    100,
];
/// Steps this near to one are dividends unless they are a split ratio exactly.
const NEAR_ONE: (f64, f64) = (0.75, 1.25);
/// A split is distinguished from a dividend near one only when the step is known this well.
const EXACT: f64 = 0.005;
/// Largest dividend, as a share of the price, that may go ex on the day of a split.
const DIVIDEND_WITH_SPLIT: f64 = 0.03;
/// A dividend or spin-off above this share of the price is not believed: no action.
const LARGEST_DIVIDEND: f64 = 0.6;

/// Derives the action effective on `current` from two consecutive rows.
///
/// With `step` as in the module header and `error` the sum of both rows' relative rounding errors:
/// - a step within `2 * error` of one is no action;
/// - a step that is a ratio of small whole numbers is a split; below it, up to 3 % may remain as a
///   dividend of the same day. Between 0.75 and 1.25 the ratio must be met within `2 * error` and
///   that must be below 0.5 %, since a 5:4 split and a 20 % dividend look alike otherwise;
/// - any other step down to 0.4 is a dividend (a spin-off is one too), so that adjusted returns stay
///   those of the vendor; vendors that divide by the ex-day close give amounts some percent off;
/// - the rest, upward steps above all, is a fault of the source and no action.
pub fn derive(previous: AdjustedRow, current: AdjustedRow) -> Action {
    let step = (previous.adjusted / previous.close) / (current.adjusted / current.close);
    let error = previous.adjusted_half_unit / previous.adjusted
        + current.adjusted_half_unit / current.adjusted
        + 1e-9;
    let tolerance = 2.0 * error;
    if !step.is_finite() || step <= 0.0 || (step - 1.0).abs() <= tolerance {
        return Action::NONE;
    }
    let split = split_of(step, tolerance);
    let share = 1.0 - step * split.unwrap_or(1.0);
    let paid = share > tolerance && share <= LARGEST_DIVIDEND;
    Action {
        split_factor: split.unwrap_or(1.0),
        dividend: if paid { share * previous.close } else { 0.0 },
    }
}

/// The ratio nearest to `1 / step` that leaves nothing but a small dividend.
fn split_of(step: f64, tolerance: f64) -> Option<f64> {
    let near_one = step > NEAR_ONE.0 && step < NEAR_ONE.1;
    let least = match near_one {
        true if tolerance > EXACT => return None,
        true => 1.0 - tolerance,
        false => 1.0 - tolerance - DIVIDEND_WITH_SPLIT,
    };
    let remainder = |factor: &f64| step * factor;
    ratios()
        .filter(|factor| (least..=1.0 + tolerance).contains(&remainder(factor)))
        .min_by(|a, b| {
            let distance = |factor| (remainder(factor) - 1.0).abs();
            distance(a).total_cmp(&distance(b))
        })
}

/// Shares after / shares before of every split that is recognised.
fn ratios() -> impl Iterator<Item = f64> {
    let small = (1..=6).flat_map(|new| (1..=6).map(move |old| (new, old)));
    let large = LARGE_RATIOS.into_iter().flat_map(|n| [(n, 1), (1, n)]);
    small
        .filter(|(new, old)| new != old)
        .chain(large)
        .map(|(new, old)| f64::from(new) / f64::from(old))
}

/// How finely a source rounds, by its numbers alone: `12.30` and `12.3` are one number, whoever printed it. Most numbers use
/// all decimals they are rounded to, so the most frequent count of decimals is that of the source.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rounding {
    /// Numbers seen with so many decimals.
    seen: [u32; MOST_DECIMALS + 1],
}

/// Decimals that a number of some size can have.
const MOST_DECIMALS: usize = 15;

impl Rounding {
    /// Takes note of a number.
    pub fn add(&mut self, value: f64) {
        if let Some(seen) = self.seen.get_mut(decimals(value)) {
            *seen = seen.saturating_add(1);
        }
    }

    /// Half of the last decimal; of the finest unit when two are as frequent.
    pub fn half_unit(&self) -> f64 {
        let most = (0..=MOST_DECIMALS).max_by_key(|decimals| self.seen[*decimals]);
        0.5 / POWERS[most.unwrap_or_default()]
    }
}

/// Powers of ten, all of them exact.
const POWERS: [f64; MOST_DECIMALS + 1] = [
    1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15,
];

/// Decimals of the shortest text that reads as this number.
fn decimals(value: f64) -> usize {
    let is = |power: &f64| (value * power).round() / power == value;
    POWERS.iter().position(is).unwrap_or(MOST_DECIMALS)
}

/// The adjusted close of a row that has none, between two that have: the step from `previous` to `next` falls on the first
/// row whose price has made more than half of it, or on `next`. `before` is the close before this row. A dividend alone is
/// too small for prices to show its day, so it falls on `next`.
pub fn fill(previous: AdjustedRow, before: f64, close: f64, next: AdjustedRow) -> f64 {
    let factor = |row: AdjustedRow| row.adjusted / row.close;
    let split = derive(previous, next).split_factor;
    if split != 1.0 && (before / close).ln() / split.ln() > 0.5 {
        close * factor(next)
    } else {
        close * factor(previous)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(close: f64, adjusted: f64) -> AdjustedRow {
        AdjustedRow {
            close,
            adjusted,
            adjusted_half_unit: 0.005,
        }
    }

    #[test]
    fn a_two_for_one_split_is_recognised() {
        let action = derive(row(88.0, 44.0), row(44.5, 44.5));
        assert_eq!(
            action,
            Action {
                split_factor: 2.0,
                dividend: 0.0
            }
        );
    }

    #[test]
    fn a_dividend_is_recovered_within_rounding() {
        let (close, dividend) = (100.0, 1.0);
        let action = derive(row(close, 99.0), row(101.0, 101.0));
        assert_eq!(action.split_factor, 1.0);
        assert!((action.dividend - dividend).abs() < 0.02, "{action:?}");
    }

    #[test]
    fn rounding_noise_is_no_action() {
        assert_eq!(derive(row(14.0, 3.41), row(14.1, 3.43)), Action::NONE);
        assert_eq!(derive(row(14.0, 3.41), row(14.0, 3.42)), Action::NONE);
    }

    #[test]
    fn reverse_and_fractional_splits() {
        // 3:2 split: the raw price falls to two thirds, the adjusted one does not move.
        assert_eq!(derive(row(90.0, 60.0), row(60.0, 60.0)).split_factor, 1.5);
        // 1:10 reverse split: the raw price grows tenfold.
        assert_eq!(derive(row(2.0, 20.0), row(20.0, 20.0)).split_factor, 0.1);
    }

    #[test]
    fn every_ratio_is_found_with_and_without_a_dividend() {
        let exact = |close: f64, adjusted: f64| AdjustedRow {
            close,
            adjusted,
            adjusted_half_unit: 5e-7,
        };
        for factor in ratios() {
            let action = derive(exact(60.0, 60.0 / factor), exact(60.0, 60.0));
            assert!(
                (action.split_factor - factor).abs() < 1e-12,
                "{factor}: {action:?}"
            );
            assert_eq!(action.dividend, 0.0, "{factor}");
        }
        for factor in [2.0, 3.0, 1.5, 7.0, 0.1, 20.0] {
            let action = derive(exact(60.0, 0.99 * 60.0 / factor), exact(60.0, 60.0));
            assert_eq!(action.split_factor, factor);
            assert!((action.dividend - 0.6).abs() < 1e-4, "{factor}: {action:?}");
        }
    }

    #[test]
    fn the_forward_factor_undoes_the_step_of_the_vendor() {
        for percent in 1..=60 {
            let share = f64::from(percent) / 100.0;
            let action = derive(row(50.0, 50.0 * (1.0 - share)), row(50.0, 50.0));
            let factor = action.split_factor / (1.0 - action.dividend / 50.0);
            assert!(
                (factor * (1.0 - share) - 1.0).abs() < 2e-3,
                "{percent}: {action:?}"
            );
        }
    }

    #[test]
    fn near_one_only_exact_ratios_are_splits() {
        assert_eq!(derive(row(100.0, 80.0), row(80.0, 80.0)).split_factor, 1.25);
        let special = derive(row(100.0, 81.0), row(80.0, 80.0));
        assert_eq!(special.split_factor, 1.0);
        assert!((special.dividend - 19.0).abs() < 0.1, "{special:?}");
        // Adjusted closes below one dollar with two decimals do not tell them apart.
        assert_eq!(derive(row(100.0, 0.8), row(80.0, 0.8)).split_factor, 1.0);
    }

    #[test]
    fn faults_of_the_source_are_no_action() {
        // Upwards by an eighth, down to a fifth, then a row that makes no sense.
        assert_eq!(derive(row(80.0, 91.0), row(80.0, 80.0)), Action::NONE);
        assert_eq!(derive(row(80.0, 12.7), row(80.0, 80.0)), Action::NONE);
        assert_eq!(
            derive(row(80.0, 80.0), row(80.0, f64::INFINITY)),
            Action::NONE
        );
        assert_eq!(derive(row(80.0, 80.0), row(80.0, 0.0)), Action::NONE);
    }

    #[test]
    fn the_rounding_of_a_source_is_that_of_its_numbers() {
        let half_unit = |texts: &[&str]| {
            let mut rounding = Rounding::default();
            texts
                .iter()
                .for_each(|text| rounding.add(text.parse().unwrap()));
            rounding.half_unit()
        };
        let printed = ["12.34", "12.30", "12.35", "13.00", "12.41"];
        let numbers = ["12.34", "12.3", "12.35", "13", "1.241e1"];
        assert_eq!(half_unit(&printed), 0.005);
        assert_eq!(half_unit(&printed), half_unit(&numbers));
        assert_eq!(half_unit(&["101", "102", "98"]), 0.5);
        assert_eq!(half_unit(&["0.1"]), 0.05);
        // A damaged row is no other source.
        assert_eq!(half_unit(&["12.34", "12.35", "12.3412345"]), 0.005);
        for decimals in 0..=MOST_DECIMALS {
            let unit = 10f64.powi(-i32::try_from(decimals).unwrap());
            let value = format!("{:.decimals$}", 7.0 * unit);
            let value: f64 = value.parse().unwrap();
            assert_eq!(super::decimals(value), decimals, "{value}");
        }
    }

    #[test]
    fn a_split_in_a_hole_falls_on_the_day_whose_price_shows_it() {
        let exact = |close: f64, adjusted: f64| AdjustedRow {
            close,
            adjusted,
            adjusted_half_unit: 5e-7,
        };
        let (previous, next) = (exact(100.0, 25.0), exact(26.0, 26.0));
        // The split is on the row without an adjusted close, before it, or behind it.
        assert_eq!(fill(previous, 100.0, 25.5, next), 25.5);
        assert_eq!(fill(previous, 100.0, 101.0, next), 25.25);
        assert_eq!(fill(exact(25.0, 25.0), 25.0, 25.5, next), 25.5);
        // A dividend alone falls on the next row that has one.
        let paid = (exact(100.0, 99.0), exact(99.0, 99.0));
        assert_eq!(fill(paid.0, 100.0, 99.5, paid.1), 99.5 * 0.99);
    }
}

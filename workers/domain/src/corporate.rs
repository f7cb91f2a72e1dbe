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

/// Close and adjusted close of one row; `adjusted_half_unit` is half the last printed decimal of
/// the adjusted close (0.005 for two decimals), the error interval of its rounding.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct AdjustedRow {
    /// Raw close, positive.
    pub close: f64,
    /// Adjusted close, positive.
    pub adjusted: f64,
    /// Half unit of its last decimal.
    pub adjusted_half_unit: f64,
}

/// Largest share count of a split ratio that is recognised (20 for one).
const LARGEST_RATIO: u32 = 20;
/// A dividend above this share of the price is not believed; the step is read as a split instead.
const LARGEST_DIVIDEND: f64 = 0.25;

/// Derives the action effective on `current` from two consecutive rows.
///
/// Steps inside the rounding error of the adjusted closes are no action. A step near a ratio of
/// small whole numbers is a split; what remains below it is a dividend.
pub fn derive(previous: AdjustedRow, current: AdjustedRow) -> Action {
    let step = (previous.adjusted / previous.close) / (current.adjusted / current.close);
    if !step.is_finite() || step <= 0.0 {
        return Action::NONE;
    }
    let error = previous.adjusted_half_unit / previous.adjusted
        + current.adjusted_half_unit / current.adjusted
        + 1e-9;
    if (step - 1.0).abs() <= 2.0 * error {
        return Action::NONE;
    }
    let split_factor = nearest_split(step, error);
    let remainder = step * split_factor;
    let share = 1.0 - remainder;
    if share <= 2.0 * error || share >= LARGEST_DIVIDEND {
        return Action {
            split_factor,
            dividend: 0.0,
        };
    }
    Action {
        split_factor,
        dividend: share * previous.close,
    }
}

/// The split whose factor explains `step` with a remainder that can be a dividend; 1 if none does.
fn nearest_split(step: f64, error: f64) -> f64 {
    if step > 1.0 - LARGEST_DIVIDEND && step <= 1.0 + 2.0 * error {
        return 1.0;
    }
    let mut best = (f64::INFINITY, 1.0);
    for new in 1..=LARGEST_RATIO {
        for old in 1..=LARGEST_RATIO {
            let simple = new == 1 || old == 1 || (new <= 5 && old <= 5);
            if new == old || !simple {
                continue;
            }
            let factor = f64::from(new) / f64::from(old);
            let distance = (step * factor - 1.0).abs();
            if distance < best.0 {
                best = (distance, factor);
            }
        }
    }
    if best.0 <= (10.0 * error).max(0.03) {
        best.1
    } else {
        1.0
    }
}

/// Half of the last decimal printed in `text`: `"12.34"` gives 0.005.
pub fn half_unit(text: &str) -> f64 {
    let decimals = text
        .trim()
        .split_once('.')
        .map_or(0, |(_, fraction)| fraction.len());
    0.5 * 10f64.powi(-i32::try_from(decimals.min(15)).unwrap_or(15))
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
    fn half_units() {
        assert_eq!(half_unit("12.34"), 0.005);
        assert_eq!(half_unit("12"), 0.5);
    }
}

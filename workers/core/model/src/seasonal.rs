//! The seasonal naive forecast: the adjusted close of the same place in the last season
//! (Hyndman and Athanasopoulos 2021, section 5.2).

use foresail_crds::pipeline::spec::Target;

use crate::sizes::Sizes;

/// Changes per step, `[steps]`, from the newest of `closes` (`[rows]`, oldest first): step `k` repeats the close `season`
/// sessions before it, or whole seasons before where `k` exceeds one. `None` for too few closes.
pub(crate) fn changes(closes: &[f64], season: usize, sizes: &Sizes) -> Option<Vec<f64>> {
    let now = *closes.last()?;
    let one = |step: usize| {
        // 0 is the newest close, 1 the one before it, ...
        let back = (season - step % season) % season;
        let then = closes
            .len()
            .checked_sub(1 + back)
            .and_then(|i| closes.get(i))?;
        Some(match sizes.target {
            Target::LogReturn => (then / now).ln(),
            Target::Close => then / now - 1.0,
        })
    };
    (1..=sizes.steps).map(one).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_step_repeats_the_same_place_of_the_last_season() {
        let sizes = Sizes {
            features: 1,
            steps: 4,
            hidden: 0,
            layers: 0,
            sequence: 1,
            season: 3,
            target: Target::Close,
        };
        // The season before: 20, 40, 10 (now).
        let found = changes(&[99.0, 20.0, 40.0, 10.0], 3, &sizes).unwrap();
        assert_eq!(found, [1.0, 3.0, 0.0, 1.0]);
        assert_eq!(changes(&[20.0, 10.0], 3, &sizes), None);
    }
}

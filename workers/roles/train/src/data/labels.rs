//! Labels: the one place that looks ahead. A label belongs to the row it is forecast from, and is
//! known only when the symbol's bar `horizon` sessions later is.

use foresail_crds::pipeline::spec::Target;

/// Labels per row: change from the adjusted close at the row to each of the next `horizon` bars of
/// the same symbol; `None` where the future is not known yet. `closes` are adjusted, oldest first.
pub(crate) fn labels(closes: &[f64], horizon: usize, target: Target) -> Vec<Option<Vec<f64>>> {
    let change = |now: f64, later: f64| match target {
        Target::LogReturn => (later / now).ln(),
        Target::Close => later / now - 1.0,
    };
    (0..closes.len())
        .map(|i| {
            let now = *closes.get(i)?;
            let ahead = closes.get(i + 1..i + 1 + horizon)?;
            Some(ahead.iter().map(|later| change(now, *later)).collect())
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_by_hand() {
        let found = labels(&[1.0, 2.0, 4.0, 2.0], 2, Target::Close);
        assert_eq!(
            found,
            [Some(vec![1.0, 3.0]), Some(vec![1.0, 0.0]), None, None]
        );
        let log = labels(&[1.0, 2.0, 4.0], 1, Target::LogReturn);
        assert_eq!(log[0].as_ref().unwrap()[0], 2f64.ln());
    }
}

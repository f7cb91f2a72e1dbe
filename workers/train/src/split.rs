//! Splits by time: training | purge | validation | purge | gate. No label of one part reaches into
//! the next, so nothing fitted has seen what it is judged on.

use std::collections::BTreeSet;

use foresail_runtime_base::RoleError;

use crate::dataset::{Dataset, Sample};

/// Fewest rows a model is fitted on.
const FEWEST_ROWS: usize = 50;

/// Parts of the data.
#[derive(Clone, Debug)]
pub(crate) struct Split<'a> {
    /// For fitting.
    pub train: Vec<&'a Sample>,
    /// For choosing and for the numbers that are printed.
    pub validation: Vec<&'a Sample>,
    /// For challenger against champion; empty for a first version.
    pub gate: Vec<&'a Sample>,
}

/// How to split.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Plan {
    /// Share of the dates before the gate that validate.
    pub validation_fraction: f64,
    /// Newest dates kept for the gate; 0 for a first version.
    pub gate_sessions: usize,
    /// Newest dates used at all before the gate.
    pub max_sessions: Option<usize>,
}

/// Splits; rows without known labels are in no part.
///
/// # Errors
/// User error `NotEnoughRows` when training or validation would be too small.
pub(crate) fn split(data: &Dataset, plan: Plan) -> Result<Split<'_>, RoleError> {
    let labelled = |s: &&Sample| s.labels.is_some();
    let all: Vec<&Sample> = data.samples.iter().filter(labelled).collect();
    let dates: BTreeSet<i64> = all.iter().map(|s| s.event_time).collect();
    let dates: Vec<i64> = dates.into_iter().collect();
    let gate_dates = plan.gate_sessions.min(dates.len());
    let (before, gate) = dates.split_at(dates.len() - gate_dates);
    let newest = plan.max_sessions.unwrap_or(usize::MAX).min(before.len());
    let before = before.split_at(before.len() - newest).1;
    let held = (before.len() as f64 * plan.validation_fraction).round() as usize;
    let (fit, validation) = before.split_at(before.len() - held.min(before.len()));
    let part = |dates: &[i64], next: Option<&i64>| -> Vec<&Sample> {
        let (Some(first), Some(last)) = (dates.first(), dates.last()) else {
            return Vec::new();
        };
        all.iter()
            .filter(|s| (*first..=*last).contains(&s.event_time))
            // Purge: a label that is known only in the next part would leak it.
            .filter(|s| next.is_none_or(|next| s.labels_end.is_some_and(|end| end < *next)))
            .copied()
            .collect()
    };
    let train = part(fit, validation.first().or(gate.first()));
    let validation = part(validation, gate.first());
    if train.len() < FEWEST_ROWS || validation.is_empty() {
        let message = format!(
            "{} training and {} validation rows are too few (at least {FEWEST_ROWS} and 1) of {} bars; widen \
             source.backfill, shorten feature windows or raise training.maxSessions",
            train.len(),
            validation.len(),
            data.bars
        );
        return Err(RoleError::user("NotEnoughRows", message));
    }
    Ok(Split {
        train,
        validation,
        gate: part(gate, None),
    })
}

/// The rows of the newest `share` of the dates, and before them those whose labels end earlier.
/// `samples` are in order of time.
pub(crate) fn hold_out<'a>(
    samples: &[&'a Sample],
    share: f64,
) -> (Vec<&'a Sample>, Vec<&'a Sample>) {
    let mut dates: Vec<i64> = samples.iter().map(|s| s.event_time).collect();
    dates.dedup();
    let held = (dates.len() as f64 * share).round() as usize;
    let start = dates.get(dates.len().saturating_sub(held)).copied();
    let start = start.unwrap_or(i64::MAX);
    let newer = samples.iter().filter(|s| s.event_time >= start);
    let older = samples
        .iter()
        .filter(|s| s.labels_end.is_some_and(|end| end < start));
    (older.copied().collect(), newer.copied().collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dataset::Past;

    fn data(dates: usize, horizon: usize) -> Dataset {
        let sample = |t: usize, symbol: usize| Sample {
            symbol,
            event_time: t as i64,
            close: 1.0,
            adjustment_factor: 1.0,
            window: vec![Past::of(&[0.0], 1.0)],
            labels: (t + horizon < dates).then(|| vec![0.0; horizon]),
            labels_end: (t + horizon < dates).then_some((t + horizon) as i64),
        };
        let samples = (0..dates)
            .flat_map(|t| [sample(t, 0), sample(t, 1)])
            .collect();
        Dataset {
            samples,
            ..Dataset::default()
        }
    }

    #[test]
    fn no_label_reaches_into_the_next_part() {
        for horizon in [1, 5, 20] {
            let data = data(400, horizon);
            let plan = Plan {
                validation_fraction: 0.2,
                gate_sessions: 40,
                max_sessions: Some(200),
            };
            let split = split(&data, plan).unwrap();
            let end = |part: &[&Sample]| part.iter().filter_map(|s| s.labels_end).max().unwrap();
            let start = |part: &[&Sample]| part.iter().map(|s| s.event_time).min().unwrap();
            assert!(end(&split.train) < start(&split.validation));
            assert!(end(&split.validation) < start(&split.gate));
            assert_eq!(split.gate.len(), 80);
            let span = start(&split.gate) - start(&split.train);
            assert_eq!(span, 200, "maxSessions counts the dates before the gate");
        }
    }

    #[test]
    fn too_little_data_is_a_users_matter() {
        let plan = Plan {
            validation_fraction: 0.2,
            gate_sessions: 0,
            max_sessions: None,
        };
        assert_eq!(
            split(&data(20, 5), plan).unwrap_err().reason,
            "NotEnoughRows"
        );
        assert!(split(&data(100, 5), plan).unwrap().gate.is_empty());
    }

    #[test]
    fn held_out_rows_are_the_newest_dates_and_no_label_reaches_into_them() {
        let data = data(100, 5);
        let all: Vec<&Sample> = data.samples.iter().filter(|s| s.labels.is_some()).collect();
        let (older, newer) = hold_out(&all, 0.2);
        let start = newer.iter().map(|s| s.event_time).min().unwrap();
        assert_eq!(newer.len(), 2 * 19);
        assert!(older.iter().all(|s| s.labels_end.unwrap() < start) && !older.is_empty());
    }
}

//! Which bars were known at a time. One rule for whoever reads the past: a training run, `foresail-trainer sql` and `dump`.

use crate::Bar;

/// Of the bars of one symbol, ordered by event time, those that count, one per event time, oldest first: as they are known
/// now, or as they were known at `time` (milliseconds UTC).
///
/// A bar is known from the time it was ingested on. What was there before anything was ingested (a revision 0 that ended
/// before the first bar of the symbol was ingested) is history that was filled in later: it counts as known since it
/// ended, or no time before the Pipeline was made would have bars. A correction of it is no history.
pub fn bars_known(mut bars: Vec<Bar>, time: Option<i64>) -> Vec<Bar> {
    if let Some(time) = time {
        let first_ingest = bars.iter().map(|bar| bar.ingested_at).min();
        let first_ingest = first_ingest.unwrap_or(i64::MAX);
        bars.retain(|bar| known_since(bar, first_ingest) <= time);
    }
    bars.dedup_by(|next, kept| {
        let is_same = next.event_time == kept.event_time;
        if is_same && next.counts_before(kept) {
            std::mem::swap(next, kept);
        }
        is_same
    });
    bars
}

/// From when on a bar is known, milliseconds UTC. `first_ingest` is when the first bar of its symbol was ingested.
fn known_since(bar: &Bar, first_ingest: i64) -> i64 {
    if bar.revision == 0 && bar.event_time < first_ingest {
        bar.event_time
    } else {
        // Clocks differ: no bar is known before it ends.
        bar.ingested_at.max(bar.event_time)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Interval;

    /// Each bar has a close of its own.
    fn bar(event_time: i64, revision: u32, ingested_at: i64) -> Bar {
        Bar {
            symbol: "X".into(),
            interval: Interval::default(),
            event_time,
            open: None,
            high: None,
            low: None,
            close: (100 * event_time + i64::from(revision)) as f64,
            volume: None,
            split_factor: 1.0,
            dividend: 0.0,
            ingested_at,
            provider: "test".into(),
            revision,
        }
    }

    fn closes(bars: &[Bar], time: Option<i64>) -> Vec<f64> {
        let known = bars_known(bars.to_vec(), time);
        known.iter().map(|bar| bar.close).collect()
    }

    /// Days 1 to 3 were filled in on day 10, 11 and 12 came live, 2 and 11 were corrected, 13 is a hole that was closed.
    fn bars() -> Vec<Bar> {
        vec![
            bar(1, 0, 10),
            bar(2, 0, 10),
            bar(2, 1, 20),
            bar(2, 2, 30),
            bar(3, 0, 11),
            bar(11, 0, 11),
            bar(11, 1, 14),
            bar(13, 0, 40),
            bar(14, 0, 14),
        ]
    }

    #[test]
    fn the_highest_revision_known_at_the_time_counts() {
        let expected: [(i64, &[f64]); 10] = [
            (0, &[]),
            (1, &[100.0]),
            (2, &[100.0, 200.0]),
            (5, &[100.0, 200.0, 300.0]),
            (11, &[100.0, 200.0, 300.0, 1100.0]),
            (14, &[100.0, 200.0, 300.0, 1101.0, 1400.0]),
            (19, &[100.0, 200.0, 300.0, 1101.0, 1400.0]),
            (20, &[100.0, 201.0, 300.0, 1101.0, 1400.0]),
            (30, &[100.0, 202.0, 300.0, 1101.0, 1400.0]),
            (40, &[100.0, 202.0, 300.0, 1101.0, 1300.0, 1400.0]),
        ];
        for (time, closes_then) in expected {
            assert_eq!(closes(&bars(), Some(time)), closes_then, "as of {time}");
        }
        assert_eq!(closes(&bars(), None), closes(&bars(), Some(i64::MAX)));
        assert!(closes(&[], Some(1)).is_empty());
    }

    #[test]
    fn what_comes_later_changes_nothing_that_was_known() {
        let known: Vec<Vec<f64>> = (0..20).map(|t| closes(&bars(), Some(t))).collect();
        let mut more = bars();
        more.extend([
            bar(1, 1, 20),
            bar(12, 0, 21),
            bar(14, 3, 22),
            bar(15, 0, 23),
        ]);
        more.sort_by_key(|bar| (bar.event_time, bar.revision));
        let then: Vec<Vec<f64>> = (0..20).map(|t| closes(&more, Some(t))).collect();
        assert_eq!(then, known);
        assert_ne!(closes(&more, Some(23)), closes(&bars(), Some(23)));
    }

    #[test]
    fn repeats_and_the_order_of_revisions_do_not_matter_and_what_cannot_be_computed_with_never_counts()
     {
        let mut mixed = bars();
        mixed.extend([bar(2, 1, 20), bar(14, 0, 14)]);
        mixed.sort_by_key(|bar| (bar.event_time, u32::MAX - bar.revision));
        assert_eq!(closes(&mixed, None), closes(&bars(), None));
        let damaged = Bar {
            close: f64::NAN,
            ..bar(3, 1, 12)
        };
        mixed.insert(4, damaged.clone());
        mixed.sort_by_key(|bar| bar.event_time);
        assert_eq!(closes(&mixed, None), closes(&bars(), None));
        // Alone it is there for whoever says why it is left out.
        assert_eq!(bars_known(vec![damaged], None).len(), 1);
    }
}

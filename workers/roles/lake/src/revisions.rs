//! Bars that were revised after they were stored: the entries of `status.lake.revised`, by which the operator knows versions
//! that were trained on what is superseded. Kept with the table. Driven by `worker`.

use foresail_bar_table::{BarTable, Placed};
use foresail_crds::RoleError;
use foresail_crds::pipeline::status::RevisedBars;
use foresail_domain::Bar;
use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

/// Entries that are kept; beyond them the two oldest become one, which then stands for too much rather than too little.
const MOST: usize = 8;
/// Numbers of an entry as they are kept.
const FIELDS: [&str; 4] = ["version", "first", "bars", "ingested"];

/// Revisions that one commit has brought, or several.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Entry {
    version: i64,
    first_event_time: i64,
    bars: i64,
    last_ingested: i64,
}

/// Oldest first. Each reaches back further than those after it: a later entry that reaches back as far as an earlier one
/// stands for both.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Revisions(Vec<Entry>);

impl Revisions {
    /// What the table says.
    ///
    /// # Errors
    /// Reading the Delta log.
    pub(crate) async fn read(table: &BarTable) -> Result<Self, RoleError> {
        let count = table.note("revised").await?.unwrap_or(0);
        let mut entries = Vec::new();
        for place in 0..count.clamp(0, MOST as i64) {
            let mut numbers = [0; FIELDS.len()];
            for (number, field) in numbers.iter_mut().zip(FIELDS) {
                let known = table.note(&format!("revised/{place}/{field}")).await?;
                *number = known.unwrap_or(0);
            }
            let [version, first_event_time, bars, last_ingested] = numbers;
            entries.push(Entry {
                version,
                first_event_time,
                bars,
                last_ingested,
            });
        }
        Ok(Self(entries))
    }

    /// Takes the bars of the commit that makes `version`; true when some of them are revisions. Only those of these symbols
    /// count, or all when there are none.
    pub(crate) fn take(&mut self, bars: &[Placed], symbols: &[String], version: u64) -> bool {
        let counts = |bar: &&Bar| symbols.is_empty() || symbols.contains(&bar.symbol);
        let revised = bars.iter().map(|placed| &placed.bar);
        let revised = revised.filter(|bar| bar.revision > 0).filter(counts);
        let entry = revised.fold(None::<Entry>, |entry, bar| {
            let known = entry.unwrap_or(Entry {
                version: i64::try_from(version).unwrap_or(i64::MAX),
                first_event_time: bar.event_time,
                bars: 0,
                last_ingested: bar.ingested_at,
            });
            Some(Entry {
                first_event_time: known.first_event_time.min(bar.event_time),
                bars: known.bars + 1,
                last_ingested: known.last_ingested.max(bar.ingested_at),
                ..known
            })
        });
        entry.map(|entry| self.add(entry)).is_some()
    }

    fn add(&mut self, mut entry: Entry) {
        while let Some(before) = self
            .0
            .pop_if(|e| e.first_event_time >= entry.first_event_time)
        {
            entry.bars += before.bars;
            entry.last_ingested = entry.last_ingested.max(before.last_ingested);
        }
        self.0.push(entry);
        if self.0.len() > MOST {
            let oldest = self.0.remove(0);
            if let Some(next) = self.0.first_mut() {
                next.first_event_time = oldest.first_event_time;
                next.bars += oldest.bars;
                next.last_ingested = next.last_ingested.max(oldest.last_ingested);
            }
        }
    }

    /// As they are kept with the table.
    pub(crate) fn notes(&self) -> Vec<(String, i64)> {
        let mut notes = vec![("revised".to_owned(), self.0.len() as i64)];
        for (place, entry) in self.0.iter().enumerate() {
            let numbers = [
                entry.version,
                entry.first_event_time,
                entry.bars,
                entry.last_ingested,
            ];
            let names = FIELDS.map(|field| format!("revised/{place}/{field}"));
            notes.extend(names.into_iter().zip(numbers));
        }
        notes
    }

    /// As the status says it.
    pub(crate) fn to_status(&self) -> Vec<RevisedBars> {
        let time = |ms| Timestamp::from_millisecond(ms).ok().map(Time);
        let entry = |entry: &Entry| {
            Some(RevisedBars {
                delta_version: u64::try_from(entry.version).ok()?,
                first_event_time: time(entry.first_event_time)?,
                bars: u64::try_from(entry.bars).ok()?,
                last_ingested_time: time(entry.last_ingested)?,
            })
        };
        self.0.iter().filter_map(entry).collect()
    }
}

#[cfg(test)]
mod tests {
    use foresail_domain::Interval;

    use super::*;

    fn placed(event_time: i64, revision: u32) -> Placed {
        Placed {
            bar: Bar {
                symbol: "X".into(),
                interval: Interval::default(),
                event_time,
                open: None,
                high: None,
                low: None,
                close: 1.0,
                volume: None,
                split_factor: 1.0,
                dividend: 0.0,
                ingested_at: 10_000 + event_time,
                provider: "test".into(),
                revision,
            },
            partition: 0,
            offset: 0,
        }
    }

    fn entries(revisions: &Revisions) -> Vec<(i64, i64, i64, i64)> {
        let entry = |e: &Entry| (e.version, e.first_event_time, e.bars, e.last_ingested);
        revisions.0.iter().map(entry).collect()
    }

    #[test]
    fn a_later_entry_that_reaches_back_as_far_stands_for_both() {
        let mut revisions = Revisions::default();
        assert!(!revisions.take(&[placed(5, 0)], &[], 1));
        assert!(revisions.take(&[placed(5, 1), placed(3, 2), placed(9, 0)], &[], 2));
        assert!(revisions.take(&[placed(7, 1)], &[], 3));
        assert_eq!(entries(&revisions), [(2, 3, 2, 10_005), (3, 7, 1, 10_007)]);
        assert!(revisions.take(&[placed(6, 1)], &[], 4));
        assert_eq!(entries(&revisions), [(2, 3, 2, 10_005), (4, 6, 2, 10_007)]);
        assert!(revisions.take(&[placed(3, 3)], &[], 5));
        assert_eq!(entries(&revisions), [(5, 3, 5, 10_007)]);
    }

    #[test]
    fn revisions_of_symbols_that_are_not_declared_concern_nobody() {
        let mut revisions = Revisions::default();
        let bars = [placed(5, 1)];
        assert!(!revisions.take(&bars, &["Y".to_owned()], 1));
        assert_eq!(revisions, Revisions::default());
        assert!(revisions.take(&bars, &["Y".to_owned(), "X".to_owned()], 1));
    }

    #[test]
    fn of_many_entries_the_oldest_become_one_that_stands_for_too_much() {
        let mut revisions = Revisions::default();
        for version in 1..=10 {
            revisions.take(&[placed(version * 10, 1)], &[], version as u64);
        }
        let kept = entries(&revisions);
        assert_eq!(kept.len(), MOST);
        assert_eq!(kept[0], (3, 10, 3, 10_030));
        assert_eq!(revisions.to_status().len(), MOST);
        assert_eq!(revisions.notes().len(), 1 + 4 * MOST);
    }
}

//! What the bars topic holds of the newest bars of a symbol: by it a bar that a provider has changed is known, and one that
//! was missing. Pure.

use std::collections::BTreeMap;

use foresail_bars::Quote;
use foresail_domain::Bar;
use foresail_providers::Row;
use jiff::Timestamp;
use jiff::civil::Date;

/// Bars that differ by one factor, after which a provider has restated them and not corrected them.
const RESTATED: usize = 3;
/// Largest difference of factors that are one, as a part of them.
const ONE_FACTOR: f64 = 1e-3;

/// What was sent of a bar.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Sent {
    /// Its numbers; `None` when they are not to be compared: a file has them, which may be of another vendor.
    pub row: Option<Row>,
    /// The revision that was sent last.
    pub revision: u32,
}

impl Sent {
    /// A bar of the topic, of the session of this day and with this first second, when it is of one of the `providers` that are
    /// asked.
    pub(crate) fn of(bar: &Bar, (date, start): (Date, Option<i64>), providers: &[&str]) -> Self {
        let is_asked = providers.contains(&&*bar.provider);
        let row = match (bar.open, bar.high, bar.low) {
            (Some(open), Some(high), Some(low)) if is_asked => Some(Row {
                split_factor: bar.split_factor,
                dividend: bar.dividend,
                ..Row::new(date, start, [open, high, low, bar.close], bar.volume)
            }),
            _ => None,
        };
        Self {
            row,
            revision: bar.revision,
        }
    }

    /// A bar that nobody can read.
    pub(crate) const UNREADABLE: Self = Self {
        row: None,
        revision: 0,
    };
}

/// What a row is, compared with what was sent of its bar.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Found {
    /// The same, or nothing that could be compared.
    Known,
    /// Nothing was sent of it.
    Missing,
    /// Another bar: what is sent of it next has this revision.
    Changed(u32),
}

/// The newest bars that were sent of a symbol.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Memory {
    /// Event time from which on each bar that was sent is known.
    from: i64,
    bars: BTreeMap<i64, Sent>,
    /// Bars that are kept.
    keep: usize,
    /// Older bars are kept as well, for a while.
    is_wide: bool,
}

impl Memory {
    /// Of a symbol that has no bar; it will keep so many.
    pub(crate) fn empty(keep: usize) -> Self {
        Self::new(i64::MAX, BTreeMap::new(), keep)
    }

    /// These bars, which are all from an event time on.
    pub(crate) fn new(from: i64, bars: BTreeMap<i64, Sent>, keep: usize) -> Self {
        let mut memory = Self {
            from,
            bars,
            keep,
            is_wide: false,
        };
        memory.forget();
        memory
    }

    /// Adds the bars from an event time on, which are all there are since then, until [`Self::narrow`].
    pub(crate) fn widen(&mut self, from: i64, bars: BTreeMap<i64, Sent>) {
        self.is_wide = true;
        self.from = self.from.min(from);
        self.bars.extend(bars);
    }

    /// Keeps the newest bars alone, as before.
    pub(crate) fn narrow(&mut self) {
        self.is_wide = false;
        self.forget();
    }

    /// Rows of bars before a day, oldest first.
    pub(crate) fn rows_before(&self, date: Date) -> Vec<Row> {
        let rows = self.bars.values().filter_map(|sent| sent.row);
        rows.take_while(|row| row.date < date).collect()
    }

    /// Whether each bar from this event time on is known.
    pub(crate) fn covers(&self, end: i64) -> bool {
        end >= self.from
    }

    /// Compares a row of the bar that ends at `end`.
    pub(crate) fn compare(&self, end: i64, row: &Row) -> Found {
        match self.bars.get(&end) {
            None if self.covers(end) => Found::Missing,
            Some(Sent {
                row: Some(sent),
                revision,
            }) if !sent.says_as(row) => Found::Changed(revision.saturating_add(1)),
            _ => Found::Known,
        }
    }

    /// Takes note of a bar that was sent.
    pub(crate) fn add(&mut self, end: i64, sent: Sent) {
        if self.bars.is_empty() {
            // Before the first bar nothing is missing.
            self.from = end;
        }
        if self.covers(end) {
            self.bars.insert(end, sent);
            self.forget();
        }
    }

    fn forget(&mut self) {
        let mut forgot = false;
        while self.bars.len() > self.keep && !self.is_wide {
            self.bars.pop_first();
            forgot = true;
        }
        if forgot {
            let first = self.bars.keys().next();
            self.from = first.copied().unwrap_or(i64::MAX);
        }
    }

    /// Takes over the volumes that were sent where those of rows are the same but for a rounding, in shares, that depends on
    /// the day. `end` is the end of the bar of a row.
    pub(crate) fn round_volumes(
        &self,
        rows: &mut [Row],
        end: impl Fn(&Row) -> i64,
        rounding: impl Fn(Date) -> f64,
    ) {
        for row in rows {
            let sent = self.bars.get(&end(row)).and_then(|sent| sent.row);
            let both = sent.and_then(|sent| sent.volume).zip(row.volume);
            if let Some((sent, told)) = both
                && (sent - told).abs() <= rounding(row.date)
            {
                row.volume = Some(sent);
            }
        }
    }

    /// The first day of a bar that is compared.
    pub(crate) fn first(&self) -> Option<Date> {
        let mut rows = self.bars.values().filter_map(|sent| sent.row);
        rows.next().map(|row| row.date)
    }

    /// The close before a bar, as it was sent.
    pub(crate) fn before(&self, end: i64) -> Option<Quote> {
        let mut earlier = self.bars.range(..end).rev();
        let (end, row) = earlier.find_map(|(end, sent)| Some((*end, sent.row?)))?;
        Some(quote(&row, end))
    }

    /// Ends of the bars that were sent and that an answer with bars of these ends, oldest first, leaves out.
    pub(crate) fn left_out(&self, ends: &[i64]) -> Vec<i64> {
        let Some((first, last)) = ends.first().zip(ends.last()) else {
            return Vec::new();
        };
        let within = self.bars.range(first..=last);
        let own = within.filter(|(_, sent)| sent.row.is_some());
        let ends_of_own = own.map(|(end, _)| *end);
        ends_of_own
            .filter(|end| ends.binary_search(end).is_err())
            .collect()
    }

    /// The factor by which a provider has restated the bars that were sent, when that is what has happened: several rows
    /// with other prices, and all of them so many times what was sent. A split is undone before, and changes the bar of its
    /// day alone; what is left is a provider that has restated too much, or too little. `end` is the end of the bar of a row.
    pub(crate) fn restated(&self, rows: &[Row], end: impl Fn(&Row) -> i64) -> Option<f64> {
        let factors = rows.iter().filter_map(|row| self.factor(end(row), row));
        let moved: Vec<f64> = factors.filter(|factor| !is_one(*factor)).collect();
        let first = *moved.first()?;
        let agree = moved.iter().all(|other| is_one(other / first));
        (agree && moved.len() >= RESTATED).then_some(first)
    }

    /// How many times the close that was sent of its bar the close of a row is.
    pub(crate) fn factor(&self, end: i64, row: &Row) -> Option<f64> {
        let sent = self.bars.get(&end)?.row?;
        Some(row.close / sent.close)
    }
}

/// The close of a row whose bar ends then.
pub(crate) fn quote(row: &Row, end: i64) -> Quote {
    let end = Timestamp::from_millisecond(end).ok();
    Quote {
        date: row.date,
        time: end.filter(|_| row.start.is_some()),
        close: row.close,
    }
}

/// Whether a factor is one, but for rounding.
pub(crate) fn is_one(factor: f64) -> bool {
    (factor - 1.0).abs() <= ONE_FACTOR
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;

    use super::*;

    const FIRST: i8 = 4;

    fn row(day: i8, close: f64) -> Row {
        Row::new(date(2024, 3, day), None, [close; 4], Some(1e6))
    }

    /// Days stand for event times.
    fn end(row: &Row) -> i64 {
        i64::from(row.date.day())
    }

    fn known(days: std::ops::Range<i8>, keep: usize) -> Memory {
        let mut memory = Memory::empty(keep);
        for day in days {
            let row = Some(row(day, 100.0 + f64::from(day)));
            memory.add(i64::from(day), Sent { row, revision: 0 });
        }
        memory
    }

    #[test]
    fn a_row_is_compared_with_the_newest_bars_alone() {
        let memory = known(FIRST..14, 5);
        assert!(memory.covers(9) && !memory.covers(8));
        for (day, close, found) in [
            (9, 109.0, Found::Known),
            (9, 109.0005, Found::Known),
            (9, 109.01, Found::Changed(1)),
            (8, 1.0, Found::Known),
        ] {
            assert_eq!(memory.compare(i64::from(day), &row(day, close)), found);
        }
        let nothing = known(FIRST..14, 0);
        assert!(!nothing.covers(13));
        assert_eq!(nothing.compare(13, &row(13, 1.0)), Found::Known);
        let all = known(FIRST..6, 5);
        assert_eq!(
            all.compare(3, &row(3, 1.0)),
            Found::Known,
            "before the first"
        );
        let mut wide = known(FIRST..14, 2);
        let older = Sent {
            row: Some(row(6, 106.0)),
            revision: 0,
        };
        wide.widen(5, BTreeMap::from([(6, older)]));
        for (day, found) in [
            (4, Found::Known),
            (5, Found::Missing),
            (6, Found::Changed(1)),
        ] {
            assert_eq!(wide.compare(i64::from(day), &row(day, 1.0)), found, "{day}");
        }
        assert_eq!(wide.rows_before(date(2024, 3, 12)), [row(6, 106.0)]);
        wide.narrow();
        assert_eq!(wide, known(FIRST..14, 2));
    }

    #[test]
    fn what_a_file_has_is_not_compared_and_what_was_revised_is_revised_again() {
        let mut memory = known(FIRST..9, 5);
        let file = Sent {
            row: None,
            revision: 0,
        };
        memory.add(6, file);
        assert_eq!(memory.compare(6, &row(6, 1.0)), Found::Known);
        let row_of = |close| Some(row(7, close));
        let revised = Sent {
            row: row_of(90.0),
            revision: 4,
        };
        memory.add(7, revised);
        assert_eq!(memory.compare(7, &row(7, 90.0)), Found::Known);
        assert_eq!(memory.compare(7, &row(7, 107.0)), Found::Changed(5));
        assert_eq!(memory.before(7).map(|quote| quote.close), Some(105.0));
    }

    #[test]
    fn sessions_between_the_rows_of_an_answer_may_be_left_out() {
        let memory = known(FIRST..9, 9);
        assert_eq!(memory.left_out(&[5, 8]), [6, 7]);
        assert_eq!(memory.left_out(&[]), [0; 0]);
    }

    #[test]
    fn a_volume_that_was_rounded_is_the_one_that_was_sent() {
        let memory = known(FIRST..9, 9);
        let volumes = |told: f64, rounding: f64| {
            let mut rows = [5, 10].map(|day| Row {
                volume: Some(told),
                ..row(day, 100.0 + f64::from(day))
            });
            memory.round_volumes(&mut rows, end, |_| rounding);
            rows.map(|row| row.volume.unwrap())
        };
        assert_eq!(volumes(1e6 + 40.0, 50.0), [1e6, 1e6 + 40.0]);
        assert_eq!(volumes(1e6 + 60.0, 50.0), [1e6 + 60.0, 1e6 + 60.0]);
    }

    #[test]
    fn bars_that_differ_by_one_factor_are_restated_and_not_corrected() {
        let memory = known(FIRST..14, 9);
        let by = |factor: f64, days: std::ops::Range<i8>| -> Vec<Row> {
            days.map(|day| row(day, (100.0 + f64::from(day)) * factor))
                .collect()
        };
        let restated = memory.restated(&by(0.25, 6..12), end).unwrap();
        assert!((restated - 0.25).abs() < 1e-6);
        assert_eq!(memory.restated(&by(0.25, 6..8), end), None, "two of them");
        assert_eq!(memory.restated(&by(1.0, 6..12), end), None);
        let mut corrected = by(0.9, 6..12);
        corrected[2].close = 100.0;
        assert_eq!(memory.restated(&corrected, end), None);
        // What a split of one day changes is no price.
        let mut split = by(1.0, 6..12);
        split[1].split_factor = 4.0;
        assert_eq!(memory.restated(&split, end), None);
        let mut both = by(0.25, 6..12);
        both[1] = split[1];
        assert!(memory.restated(&both, end).is_some());
    }
}

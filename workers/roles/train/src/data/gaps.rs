//! Bars that are missing between bars. What reaches over many of them is of no single bar: a return of a year that is taken
//! for one of a day is worth less than no row.

use std::ops::RangeInclusive;

use foresail_domain::BarGrid;

const DAY_MS: i64 = 86_400_000;

/// Which gaps count.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Gaps<'a> {
    pub grid: &'a BarGrid,
    /// Most bars that may be missing between two bars.
    pub most: usize,
}

impl Gaps<'_> {
    /// Whether more bars are missing between two bars than may be; times are bar ends, milliseconds UTC.
    fn is_long(self, before: i64, after: i64) -> bool {
        // Nearly all bars: there is no more than one session a day, and a bar that is cut short has a pause behind it.
        let length = self.grid.interval().length_ms().unwrap_or(DAY_MS);
        let most = i64::try_from(self.most).unwrap_or(i64::MAX);
        if after - before <= most.saturating_add(1).saturating_mul(length) {
            return false;
        }
        let missing = self.grid.ended(before, after);
        missing.saturating_sub(1) > self.most
    }
}

/// Long gaps between the bars of one symbol, as its rows see them.
pub(crate) struct LongGaps<'a> {
    gaps: Option<Gaps<'a>>,
    /// Bars before its own that a row is computed from.
    reach: usize,
    last: Option<i64>,
    /// Long gaps before each bar.
    before: Vec<u32>,
    /// The bar of each row.
    rows: Vec<usize>,
}

impl<'a> LongGaps<'a> {
    /// Of a symbol without bars so far; `warm_up` is that of the features.
    pub(crate) fn new(gaps: Option<Gaps<'a>>, warm_up: u32) -> Self {
        Self {
            gaps,
            reach: usize::try_from(warm_up)
                .unwrap_or(usize::MAX)
                .saturating_sub(1),
            last: None,
            before: Vec::new(),
            rows: Vec::new(),
        }
    }

    /// Takes the next bar of the symbol, and whether there is a row of it.
    pub(crate) fn push(&mut self, event_time: i64, has_row: bool) {
        let last = self.last.replace(event_time);
        let is_long = |gaps: Gaps<'_>| last.is_some_and(|last| gaps.is_long(last, event_time));
        let so_far = self.before.last().copied().unwrap_or(0);
        let long = self.gaps.is_some_and(is_long);
        if has_row {
            self.rows.push(self.before.len());
        }
        self.before.push(so_far + u32::from(long));
    }

    /// Whether a long gap lies between the bars that these rows, by number, are computed from.
    pub(crate) fn any(&self, rows: RangeInclusive<usize>) -> bool {
        let bar = |row: usize| self.rows.get(row).copied();
        let (Some(first), Some(last)) = (bar(*rows.start()), bar(*rows.end())) else {
            return false;
        };
        let gaps = |bar: usize| self.before.get(bar);
        gaps(first.saturating_sub(self.reach)) != gaps(last)
    }
}

#[cfg(test)]
mod tests {
    use foresail_domain::{Interval, TradingCalendar};

    use super::*;

    fn weekdays() -> BarGrid {
        BarGrid::new(TradingCalendar::Weekdays, Interval::Session)
    }

    fn end(text: &str) -> i64 {
        weekdays().calendar().session_end(text.parse().unwrap())
    }

    #[test]
    fn bars_of_parts_of_sessions_are_counted_over_nights_breaks_and_half_days() {
        let at = |text: &str| text.parse::<jiff::Timestamp>().unwrap().as_millisecond();
        // The last bar of a half day, and the first and third of the Monday after it.
        let hours = BarGrid::new(TradingCalendar::Xnys, Interval::OneHour);
        let last = at("2024-11-29T18:00:00Z");
        let gaps = |grid, most| Gaps { grid, most };
        assert!(!gaps(&hours, 0).is_long(last, at("2024-12-02T15:30:00Z")));
        assert!(gaps(&hours, 0).is_long(last, at("2024-12-02T16:30:00Z")));
        assert!(!gaps(&hours, 1).is_long(last, at("2024-12-02T16:30:00Z")));
        // The shorter last bar of a day, and the shorter one before the break in Tokyo.
        let afternoon = at("2024-12-02T19:30:00Z");
        assert!(!gaps(&hours, 0).is_long(afternoon, at("2024-12-02T20:30:00Z")));
        assert!(gaps(&hours, 0).is_long(afternoon, at("2024-12-02T21:00:00Z")));
        let tokyo = BarGrid::new(TradingCalendar::Xtks, Interval::OneHour);
        assert!(!gaps(&tokyo, 0).is_long(at("2024-12-02T02:30:00Z"), at("2024-12-02T04:30:00Z")));
        assert!(gaps(&tokyo, 0).is_long(at("2024-12-02T02:00:00Z"), at("2024-12-02T04:30:00Z")));
    }

    #[test]
    fn weekends_are_no_gaps_and_sessions_are_counted() {
        let grid = weekdays();
        let gaps = |most| Gaps { grid: &grid, most };
        let friday = end("2020-01-03");
        for (date, long) in [
            ("2020-01-06", false),
            ("2020-01-08", false),
            ("2020-01-09", true),
        ] {
            assert_eq!(gaps(2).is_long(friday, end(date)), long, "{date}");
        }
        let none = gaps(0);
        assert!(!none.is_long(friday, end("2020-01-06")));
        assert!(none.is_long(friday, end("2020-01-07")));
    }

    #[test]
    fn a_row_reaches_from_the_first_bar_of_its_features_to_the_last_of_its_labels() {
        // Three bars for a row; the gap lies before the bar of number 5.
        let grid = weekdays();
        let most = Gaps {
            grid: &grid,
            most: 2,
        };
        let mut gaps = LongGaps::new(Some(most), 3);
        let mut time = end("2020-01-06");
        for bar in 0..10 {
            time += if bar == 5 { 10 * DAY_MS } else { DAY_MS };
            gaps.push(time, bar >= 2);
        }
        let over: Vec<usize> = (0..7).filter(|row| gaps.any(*row..=row + 1)).collect();
        // Row 2 is of bar 4 and its label of bar 5; row 4 is of bar 6 and reads bars 4 to 6.
        assert_eq!(over, [2, 3, 4]);
        // The window of a row begins three rows before.
        assert!(gaps.any(3..=6) && !gaps.any(5..=7) && !gaps.any(0..=1));
        assert!(!gaps.any(6..=9), "the future is not known");
    }
}

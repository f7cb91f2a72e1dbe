//! From rows as providers cut sessions to the bars of the grid. Pure.
//!
//! Where a provider has no rows of an interval, or cuts them elsewhere, shorter ones are asked for and put together. Whatever
//! begins with no bar stays as it is: the checker refuses it and says why.

use foresail_providers::Row;

use super::timetable::Timetable;

/// The bars of `rows`, oldest first, which are `seconds` long. When an answer may begin within a bar, that one is left out.
pub(crate) fn bars(
    rows: Vec<Row>,
    seconds: i64,
    may_be_cut: bool,
    timetable: &Timetable,
) -> Vec<Row> {
    let step = seconds.max(1).saturating_mul(1000);
    let mut bars: Vec<Row> = Vec::with_capacity(rows.len());
    let mut cut = None;
    for (index, mut row) in rows.into_iter().enumerate() {
        let start = row.start.unwrap_or_default().saturating_mul(1000);
        let span = timetable.grid().bar_at(start);
        let Some(span) = span.filter(|span| (start - span.start) % step == 0) else {
            bars.push(row);
            continue;
        };
        if index == 0 && may_be_cut && start > span.start {
            cut = Some(span);
        }
        if cut == Some(span) {
            continue;
        }
        row.date = timetable.session(span.end);
        row.start = Some(span.start.div_euclid(1000));
        match bars.last_mut() {
            Some(bar) if bar.start == row.start => add(bar, &row),
            _ => bars.push(row),
        }
    }
    bars
}

/// Adds the next part of a bar.
fn add(bar: &mut Row, part: &Row) {
    bar.high = bar.high.max(part.high);
    bar.low = bar.low.min(part.low);
    bar.close = part.close;
    bar.volume = bar.volume.zip(part.volume).map(|(sum, more)| sum + more);
    bar.is_final &= part.is_final;
}

/// Whether a row is the first bar of its session.
pub(crate) fn is_first(row: &Row, timetable: &Timetable) -> bool {
    let open = timetable.start(row.date).div_euclid(1000);
    row.start.is_none_or(|start| start == open)
}

#[cfg(test)]
mod tests {
    use foresail_domain::Interval;
    use jiff::civil::date;

    use super::super::timetable::of_interval;
    use super::*;

    /// Half past nine in New York on a Tuesday of winter.
    const OPEN: i64 = 1_704_205_800;

    fn row(minutes: i64, [open, high, low, close]: [f64; 4]) -> Row {
        let start = Some(OPEN + minutes * 60);
        Row::new(
            date(2024, 1, 2),
            start,
            [open, high, low, close],
            Some(10.0),
        )
    }

    #[test]
    fn short_rows_are_put_together_to_bars_that_begin_with_the_session() {
        let timetable = of_interval(Interval::OneHour);
        let rows = vec![
            row(0, [1.0, 3.0, 1.0, 2.0]),
            row(30, [2.0, 2.5, 0.5, 2.2]),
            // Nobody traded in its first half.
            row(90, [4.0, 4.0, 4.0, 4.0]),
            row(360, [5.0, 5.0, 5.0, 5.0]),
        ];
        let bars = bars(rows, 1800, false, &timetable);
        let first = Row {
            volume: Some(20.0),
            ..row(0, [1.0, 3.0, 0.5, 2.2])
        };
        let second = Row {
            start: Some(OPEN + 3600),
            ..row(0, [4.0; 4])
        };
        assert_eq!(bars, [first, second, row(360, [5.0; 4])]);
        let ends = bars.iter().map(|bar| timetable.row_end(bar) / 1000 - OPEN);
        // The last bar of New York is half an hour.
        assert_eq!(ends.collect::<Vec<_>>(), [3600, 7200, 390 * 60]);
        assert!(is_first(&bars[0], &timetable) && !is_first(&bars[1], &timetable));
    }

    #[test]
    fn a_bar_that_an_answer_cuts_is_left_out_and_an_unfinished_part_keeps_it_open() {
        let timetable = of_interval(Interval::ThirtyMinutes);
        let live = Row {
            is_final: false,
            ..row(45, [2.0; 4])
        };
        let rows = vec![row(15, [1.0; 4]), row(30, [2.0; 4]), live];
        let cut = bars(rows.clone(), 900, true, &timetable);
        assert_eq!((cut.len(), cut[0].start), (1, Some(OPEN + 1800)));
        assert!(!cut[0].is_final);
        assert_eq!(bars(rows, 900, false, &timetable).len(), 2);
    }

    #[test]
    fn what_begins_with_no_bar_stays_and_takes_the_place_of_none() {
        let timetable = of_interval(Interval::FiveMinutes);
        // Within a bar, before the open, behind the close.
        let rows = vec![row(-5, [1.0; 4]), row(7, [1.0; 4]), row(390, [1.0; 4])];
        assert_eq!(bars(rows.clone(), 300, false, &timetable), rows);
        let ends: Vec<i64> = rows.iter().map(|row| timetable.row_end(row)).collect();
        let minutes = ends.iter().map(|end| (end / 1000 - OPEN) / 60);
        assert_eq!(minutes.collect::<Vec<_>>(), [0, 12, 395]);
    }
}

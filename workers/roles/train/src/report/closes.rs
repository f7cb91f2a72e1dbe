//! The chart of the closes of one symbol, however long its series.

use maud::{Markup, html};
use plotters::prelude::*;

use super::charts::{ChartError, GRID, MODEL, SOFT, WIDTH, draw, figure, text};

/// Height of a chart of closes, pixels, and most closes drawn.
const HEIGHT: u32 = 180;
const MOST_CLOSES: usize = 800;

/// Closes of one symbol, oldest first: at most [`MOST_CLOSES`] of them, spread over all, in which the lowest and the highest
/// are.
///
/// # Errors
/// The backend's.
pub(crate) fn closes(title: &str, dates: &[String], closes: &[f64]) -> Result<Markup, ChartError> {
    let positive = closes.iter().all(|close| *close > 0.0);
    // Many years are seen on a logarithmic scale only.
    let scaled = |close: f64| if positive { close.ln() } else { close };
    let close_at = move |value: f64| if positive { value.exp() } else { value };
    let points: Vec<(usize, f64)> = thinned(closes)
        .into_iter()
        .map(|place| {
            (
                place,
                scaled(closes.get(place).copied().unwrap_or_default()),
            )
        })
        .collect();
    let values = points.iter().map(|(_, value)| *value);
    let (least, most) = values.fold((f64::MAX, f64::MIN), |(a, b), v| (a.min(v), b.max(v)));
    if points.len() < 2 || !(most - least).is_finite() {
        return Ok(html! { p { "Too few bars to draw." } });
    }
    let room = if most > least {
        0.05 * (most - least)
    } else {
        0.01
    };
    let newest = closes.len() - 1;
    let svg = draw(WIDTH, HEIGHT, |area| {
        let mut chart = ChartBuilder::on(area)
            .margin(6)
            .x_label_area_size(30)
            .y_label_area_size(80)
            .build_cartesian_2d(0..newest, least - room..most + room)?;
        let date = |place: &usize| dates.get(*place).cloned().unwrap_or_default();
        chart
            .configure_mesh()
            .disable_x_mesh()
            .light_line_style(WHITE)
            .bold_line_style(GRID)
            .axis_style(GRID)
            .label_style(text(SOFT))
            .x_labels(7)
            .y_labels(5)
            .x_label_formatter(&date)
            .y_label_formatter(&|value| format!("{:.2}", close_at(*value)))
            .draw()?;
        chart.draw_series(LineSeries::new(points, MODEL.stroke_width(1)))?;
        Ok(())
    })?;
    let label = format!("{title}: closes");
    Ok(figure(title, &label, svg))
}

/// Places of the values that are drawn: of each part the lowest and the highest, and both ends.
fn thinned(values: &[f64]) -> Vec<usize> {
    if values.len() <= MOST_CLOSES {
        return (0..values.len()).collect();
    }
    let size = values.len().div_ceil(MOST_CLOSES / 2 - 1);
    let mut places = vec![0, values.len() - 1];
    for (part, chunk) in values.chunks(size).enumerate() {
        let at = |(place, _): (usize, &f64)| part * size + place;
        let by = |a: &(usize, &f64), b: &(usize, &f64)| a.1.total_cmp(b.1);
        places.extend(chunk.iter().enumerate().min_by(by).map(at));
        places.extend(chunk.iter().enumerate().max_by(by).map(at));
    }
    places.sort_unstable();
    places.dedup();
    places
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn few_closes_are_drawn_of_many_and_no_extreme_is_lost() {
        for count in [0, 1, 800, 801, 2_000, 100_003] {
            let mut closes = vec![5.0; count];
            if let Some(close) = closes.get_mut(count / 3) {
                *close = 1.0;
            }
            if let Some(close) = closes.get_mut(count / 2) {
                *close = 9.0;
            }
            let places = thinned(&closes);
            assert!(places.len() <= MOST_CLOSES && places.is_sorted(), "{count}");
            for place in [0, count / 3, count / 2, count.saturating_sub(1)] {
                assert_eq!(places.contains(&place), place < count, "{count}, {place}");
            }
        }
    }
}

//! Charts as SVG for the page. They are drawn at the size they are shown at, so that their text has the
//! size of the page's small text.

use maud::{Markup, PreEscaped, html};
use plotters::coord::Shift;
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

/// Width of a chart over the whole page, and of one of two beside each other, pixels.
pub(crate) const WIDTH: u32 = 930;
pub(crate) const HALF: u32 = 449;
/// Height of a chart of lines, pixels.
const HEIGHT: u32 = 320;
/// Size of text: `--small` of the page, pixels.
pub(crate) const TEXT: f64 = 13.0;
/// The SVG backend writes a size divided by this.
const BACKEND_SCALE: f64 = 1.24;
/// Width of a letter of [`TEXT`], and most letters of a name, for the room left of bars.
const LETTER: f64 = 7.5;
const MOST_LETTERS: usize = 40;
/// Room for a number behind a bar, pixels.
const NUMBER: u32 = 70;

const INK: RGBColor = RGBColor(28, 36, 48);
pub(super) const SOFT: RGBColor = RGBColor(75, 86, 100);
pub(super) const GRID: RGBColor = RGBColor(215, 222, 230);
pub(super) const MODEL: RGBColor = RGBColor(11, 107, 203);
const NAIVE: RGBColor = RGBColor(217, 119, 6);

/// Why a chart cannot be drawn.
pub(crate) type ChartError =
    DrawingAreaErrorKind<<SVGBackend<'static> as DrawingBackend>::ErrorType>;
type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;

/// Actual and forecast closes over a band; all of one length.
pub(crate) struct Lines {
    pub title: String,
    pub dates: Vec<String>,
    pub actual: Vec<f64>,
    pub forecast: Vec<f64>,
    pub low: Vec<f64>,
    pub high: Vec<f64>,
}

/// Horizontal bars of shares.
pub(crate) struct Bars {
    pub title: String,
    /// What the axis says; values are shown in percent.
    pub unit: &'static str,
    pub width: u32,
    pub bars: Vec<Bar>,
}

/// One bar, and the naive forecast's below it.
pub(crate) struct Bar {
    pub name: String,
    pub share: f64,
    pub naive: Option<f64>,
}

/// Forecast against actual.
///
/// # Errors
/// The backend's.
pub(crate) fn lines(lines: &Lines) -> Result<Markup, ChartError> {
    let all = [&lines.actual, &lines.forecast, &lines.low, &lines.high];
    let finite = all.into_iter().flatten().copied().filter(|v| v.is_finite());
    let (least, most) = finite.fold((f64::MAX, f64::MIN), |(a, b), v| (a.min(v), b.max(v)));
    if lines.actual.len() < 2 || least >= most {
        return Ok(html! { p { "Too few forecasts to draw." } });
    }
    let svg = draw(WIDTH, HEIGHT, |area| {
        let newest = lines.actual.len() - 1;
        let range = most - least;
        // The key stands above the lines.
        let (bottom, top) = (least - 0.03 * range, most + 0.28 * range);
        let mut chart = ChartBuilder::on(area)
            .margin(6)
            .x_label_area_size(44)
            .y_label_area_size(70)
            .build_cartesian_2d(0..newest, bottom..top)?;
        let date = |place: &usize| lines.dates.get(*place).cloned().unwrap_or_default();
        chart
            .configure_mesh()
            .disable_x_mesh()
            .light_line_style(WHITE)
            .bold_line_style(GRID)
            .axis_style(GRID)
            .label_style(text(SOFT))
            .axis_desc_style(text(SOFT))
            .x_labels(7)
            .y_labels(6)
            .x_label_formatter(&date)
            .y_label_formatter(&|close| format!("{close:.2}"))
            .x_desc("date of the forecast")
            .y_desc("close, units of the price")
            .draw()?;
        let points = |values: &[f64]| values.iter().copied().enumerate().collect::<Vec<_>>();
        let mut band = points(&lines.high);
        band.extend(points(&lines.low).into_iter().rev());
        chart
            .draw_series(std::iter::once(Polygon::new(band, MODEL.mix(0.15))))?
            .label("10 to 90 % of the residuals")
            .legend(|(x, y)| {
                Rectangle::new([(x, y - 5), (x + 16, y + 5)], MODEL.mix(0.15).filled())
            });
        for (name, values, colour) in [
            ("actual", &lines.actual, INK),
            ("forecast", &lines.forecast, MODEL),
        ] {
            chart
                .draw_series(LineSeries::new(points(values), colour.stroke_width(2)))?
                .label(name)
                .legend(move |(x, y)| {
                    PathElement::new([(x, y), (x + 16, y)], colour.stroke_width(2))
                });
        }
        chart
            .configure_series_labels()
            .position(SeriesLabelPosition::UpperLeft)
            .label_font(text(INK))
            .background_style(WHITE.mix(0.85))
            .border_style(GRID)
            .draw()
    })?;
    let label = format!("{}: actual and forecast close", lines.title);
    Ok(figure(&lines.title, &label, svg))
}

/// Bars under each other, the first at the top.
///
/// # Errors
/// The backend's.
pub(crate) fn bars(chart: &Bars) -> Result<Markup, ChartError> {
    let count = chart.bars.len();
    if count == 0 {
        return Ok(html! { p { "Nothing to draw." } });
    }
    let paired = chart.bars.iter().any(|bar| bar.naive.is_some());
    let (row, key_height) = if paired { (44, 26) } else { (26, 0) };
    let height = key_height + row * u32::try_from(count).unwrap_or(1) + 58;
    let svg = draw(chart.width, height, |area| {
        let (top, area) = area.split_vertically(key_height);
        if paired {
            key(&top)?;
        }
        draw_bars(&area, chart)
    })?;
    let label = format!("{}: {}", chart.title, chart.unit);
    Ok(figure(&chart.title, &label, svg))
}

fn draw_bars(area: &Area, bars: &Bars) -> Result<(), ChartError> {
    let shares = bars
        .bars
        .iter()
        .flat_map(|bar| [Some(bar.share), bar.naive]);
    let shares = shares.flatten().filter(|share| share.is_finite());
    let (least, most) = shares.fold((0.0f64, 0.0f64), |(a, b), v| (a.min(v), b.max(v)));
    let most = if most > least { most } else { least + 0.01 };
    let names: Vec<String> = bars.bars.iter().map(|bar| shortened(&bar.name)).collect();
    let longest = names.iter().map(|name| name.chars().count()).max();
    let left = (longest.unwrap_or(0) as f64 * LETTER) as u32 + 16;
    // Room for the number behind the longest bar.
    let inside = f64::from(bars.width.saturating_sub(left + NUMBER).max(1));
    let beyond = (most - least) * f64::from(NUMBER) / inside;
    let rows = bars.bars.len() as f64;
    let mut chart = ChartBuilder::on(area)
        .margin(6)
        .x_label_area_size(42)
        .y_label_area_size(left)
        .build_cartesian_2d(least..most + beyond, rows..0.0)?;
    chart
        .configure_mesh()
        .disable_y_mesh()
        .light_line_style(WHITE)
        .bold_line_style(GRID)
        .axis_style(GRID)
        .label_style(text(SOFT))
        .axis_desc_style(text(SOFT))
        .x_labels(5)
        .y_labels(0)
        .x_label_formatter(&|share| format!("{:.2}", 100.0 * share))
        .x_desc(bars.unit)
        .draw()?;
    let right = Pos::new(HPos::Right, VPos::Center);
    let middle = Pos::new(HPos::Left, VPos::Center);
    for (row, (bar, name)) in bars.bars.iter().zip(names).enumerate() {
        let row = row as f64;
        let name = Text::new(name, (-8, 0), text(INK).pos(right));
        chart.draw_series([EmptyElement::at((least, row + 0.5)) + name])?;
        let shares = match bar.naive {
            Some(naive) => vec![(bar.share, MODEL, 0.10, 0.48), (naive, NAIVE, 0.52, 0.90)],
            None => vec![(bar.share, MODEL, 0.15, 0.85)],
        };
        for (share, colour, from, to) in shares {
            let corners = [(0.0, row + from), (share, row + to)];
            chart.draw_series([Rectangle::new(corners, colour.filled())])?;
            let number = format!("{:.3} %", 100.0 * share);
            let number = Text::new(number, (6, 0), text(INK).pos(middle));
            let end = (share.max(0.0), row + 0.5 * (from + to));
            chart.draw_series([EmptyElement::at(end) + number])?;
        }
    }
    Ok(())
}

/// What the two colours are.
fn key(area: &Area) -> Result<(), ChartError> {
    let middle = Pos::new(HPos::Left, VPos::Center);
    for (x, colour, name) in [(8, MODEL, "this version"), (128, NAIVE, "naive forecast")] {
        area.draw(&Rectangle::new([(x, 8), (x + 16, 20)], colour.filled()))?;
        area.draw(&Text::new(name, (x + 22, 14), text(INK).pos(middle)))?;
    }
    Ok(())
}

/// An SVG of this size.
pub(super) fn draw(
    width: u32,
    height: u32,
    paint: impl FnOnce(&Area) -> Result<(), ChartError>,
) -> Result<String, ChartError> {
    let mut svg = String::new();
    let area = SVGBackend::with_string(&mut svg, (width, height)).into_drawing_area();
    area.fill(&WHITE)?;
    paint(&area)?;
    area.present()?;
    drop(area);
    Ok(svg)
}

pub(super) fn text(colour: RGBColor) -> TextStyle<'static> {
    let mut style = TextStyle::from(("sans-serif", TEXT * BACKEND_SCALE).into_font());
    style.color = colour.to_backend_color();
    style
}

fn shortened(name: &str) -> String {
    if name.chars().count() <= MOST_LETTERS {
        return name.into();
    }
    let kept: String = name.chars().take(MOST_LETTERS - 1).collect();
    format!("{kept}\u{2026}")
}

/// `label` is for those who cannot see the chart.
pub(super) fn figure(title: &str, label: &str, svg: String) -> Markup {
    html! {
        figure role="img" aria-label=(label) {
            figcaption { (title) }
            (PreEscaped(svg))
        }
    }
}

//! Drawings as inline SVG.

use std::fmt::Write as _;

use super::escaped;

/// One line of a chart.
pub(super) struct Line<'a> {
    /// Also its CSS class.
    pub name: &'a str,
    pub values: Vec<f64>,
}

const WIDTH: f64 = 960.0;
const HEIGHT: f64 = 300.0;
/// Room for the numbers at the left and the dates below.
const LEFT: f64 = 60.0;
const BELOW: f64 = 22.0;

/// Lines over a band, all of one length, with a name at each end of the axis.
pub(super) fn lines(
    title: &str,
    lines: &[Line<'_>],
    (low, high): (&[f64], &[f64]),
    ends: &[String; 2],
) -> String {
    let all = lines.iter().flat_map(|l| l.values.iter());
    let finite = all
        .chain(low)
        .chain(high)
        .copied()
        .filter(|v| v.is_finite());
    let (least, most) = finite.fold((f64::MAX, f64::MIN), |(a, b), v| (a.min(v), b.max(v)));
    if low.len() < 2 || least >= most {
        return "<p>Too few forecasts to draw.</p>".into();
    }
    let x = |i: usize| LEFT + (WIDTH - LEFT) * i as f64 / (low.len() - 1) as f64;
    let y = |v: f64| (HEIGHT - BELOW) * (1.0 - (v - least) / (most - least));
    let point = |(i, value): (usize, &f64)| format!("{:.1},{:.1} ", x(i), y(*value));
    let points = |values: &[f64]| values.iter().enumerate().map(point).collect::<String>();
    let names: Vec<&str> = lines.iter().map(|l| l.name).collect();
    let label = format!("{title}: {}", names.join(" and "));
    let mut svg = figure(title, &label, (WIDTH, HEIGHT));
    for part in 0..=4 {
        let value = least + (most - least) * f64::from(part) / 4.0;
        let at = y(value);
        write!(
            svg,
            "<line class=\"axis\" x1=\"{LEFT}\" x2=\"{WIDTH}\" y1=\"{at:.1}\" y2=\"{at:.1}\"/>"
        )
        .ok();
        let text = (at + 10.0).min(HEIGHT - BELOW);
        write!(svg, "<text x=\"0\" y=\"{text:.1}\">{value:.2}</text>").ok();
    }
    let there = points(high);
    let back: String = low.iter().enumerate().rev().map(point).collect();
    write!(svg, "<polygon class=\"band\" points=\"{there}{back}\"/>").ok();
    for line in lines {
        let (class, points) = (line.name, points(&line.values));
        write!(svg, "<polyline class=\"{class}\" points=\"{points}\"/>").ok();
    }
    let [first, last] = ends.each_ref().map(|text| escaped(text));
    write!(
        svg,
        "<text x=\"{LEFT}\" y=\"{HEIGHT}\">{first}</text><text x=\"{WIDTH}\" y=\"{HEIGHT}\" text-anchor=\"end\">{last}</text></svg></figure>"
    )
    .ok();
    svg
}

/// Horizontal bars of shares, with a second value behind each.
pub(super) struct Bars {
    pub title: String,
    /// Name, value, and the value beside it.
    pub values: Vec<(String, f64, f64)>,
}

pub(super) fn bars(bars: &Bars) -> String {
    const ROW: f64 = 24.0;
    const NAME: f64 = 120.0;
    const NUMBER: f64 = 150.0;
    let width = 480.0;
    let most = bars
        .values
        .iter()
        .fold(0.0f64, |m, (_, a, b)| m.max(*a).max(*b));
    let most = if most > 0.0 { most } else { 1.0 };
    let length = |v: f64| (width - NAME - NUMBER) * (v / most).clamp(0.0, 1.0);
    let number = |v: f64| format!("{:.3} %", 100.0 * v);
    let height = ROW * bars.values.len() as f64;
    let mut svg = figure(&bars.title, &bars.title, (width, height));
    for (row, (name, value, beside)) in bars.values.iter().enumerate() {
        let top = ROW * row as f64;
        write!(
            svg,
            "<text x=\"0\" y=\"{:.1}\">{}</text>",
            top + 15.0,
            escaped(name)
        )
        .ok();
        let mut text = number(*value);
        if *beside > 0.0 {
            write!(
                svg,
                "<rect class=\"naive\" x=\"{NAME}\" y=\"{:.1}\" width=\"{:.1}\" height=\"6\"/>",
                top + 13.0,
                length(*beside)
            )
            .ok();
            text = format!("{text} (naive {})", number(*beside));
        }
        write!(
            svg,
            "<rect class=\"model\" x=\"{NAME}\" y=\"{:.1}\" width=\"{:.1}\" height=\"8\"/>",
            top + 4.0,
            length(*value)
        )
        .ok();
        write!(
            svg,
            "<text x=\"{width}\" y=\"{:.1}\" text-anchor=\"end\">{text}</text>",
            top + 15.0
        )
        .ok();
    }
    svg.push_str("</svg></figure>");
    svg
}

/// The start of a drawing; `label` is for those who cannot see it.
fn figure(title: &str, label: &str, (width, height): (f64, f64)) -> String {
    format!(
        "<figure><figcaption>{}</figcaption><svg viewBox=\"0 0 {width} {height}\" role=\"img\" aria-label=\"{}\">",
        escaped(title),
        escaped(label)
    )
}

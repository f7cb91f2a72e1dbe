//! An inspection for a terminal, however narrow.

use std::fmt::{self, Write};

use foresail_domain::Bar;

use super::inspection::{Inspection, Symbol};

/// Bars shown at each end.
pub(super) const ENDS: usize = 3;
/// Symbols that are shown; of the others the number is told.
const SYMBOLS: usize = 20;
/// Suspicions that are shown of one symbol.
const SUSPICIONS: usize = 10;
/// Dates that are named of many.
const NAMED: usize = 3;
/// Columns of a terminal whose width is not known.
const USUAL: usize = 80;
/// Columns of a table of whole bars; a narrower terminal gets date and close.
const TABLE: usize = 74;
/// Signs of a plot.
const PLOT: usize = 64;

impl Inspection {
    /// For a terminal of so many columns.
    pub fn text(&self, columns: usize) -> String {
        let mut text = String::new();
        // Writing into a string cannot fail.
        let _ = self.write(&mut text, columns);
        text
    }

    fn write(&self, text: &mut String, columns: usize) -> fmt::Result {
        writeln!(text, "{}\n  {}", self.file, self.dialect)?;
        writeln!(text, "{}", self.rows.accounted())?;
        let sessions = self.sessions();
        if sessions.iter().any(|(count, _)| *count > 0) {
            let words = sessions.map(|(count, what)| format!("{count} {what}"));
            let (unit, name) = (self.unit(), self.grid.calendar().name());
            writeln!(text, "  {unit} of {name}: {}", words.join(", "))?;
        }
        for (name, bars, symbol) in self.each().take(SYMBOLS) {
            self.describe(text, (name, bars, symbol), columns)?;
        }
        let more = self.symbols.len().saturating_sub(SYMBOLS);
        if more > 0 {
            let symbols = self.symbols.iter().skip(SYMBOLS);
            let moves: usize = symbols.map(|symbol| symbol.suspicions.len()).sum();
            let moves = match moves {
                0 => String::new(),
                moves => format!(", with {moves} suspicious moves"),
            };
            writeln!(text, "\n{more} more symbols{moves}: --html PAGE shows them")?;
        }
        if let Some(spec) = &self.spec {
            text.push_str("\nIn the spec of a Pipeline:\n");
            for line in spec.lines() {
                writeln!(text, "  {line}")?;
            }
        }
        Ok(())
    }

    fn describe(
        &self,
        text: &mut String,
        (name, bars, symbol): (&str, &[Bar], &Symbol),
        columns: usize,
    ) -> fmt::Result {
        let (Some(first), Some(last)) = (bars.first(), bars.last()) else {
            return Ok(());
        };
        let closes = || bars.iter().map(|bar| bar.close);
        let (low, high) = closes().fold((f64::MAX, f64::MIN), |(a, b), c| (a.min(c), b.max(c)));
        writeln!(
            text,
            "\n{name}: {} bars, {} to {}, closes from {low} to {high}",
            bars.len(),
            self.date(first),
            self.date(last)
        )?;
        writeln!(
            text,
            "  {}",
            plot(bars, columns.saturating_sub(2).min(PLOT))
        )?;
        self.table(text, bars, columns)?;
        if !symbol.missing.is_empty() {
            writeln!(
                text,
                "  {} {} of {} {}: {}",
                symbol.missing.len(),
                self.unit(),
                self.grid.calendar().name(),
                self.lacking(),
                some(&symbol.missing)
            )?;
        }
        for suspicion in symbol.suspicions.iter().take(SUSPICIONS) {
            writeln!(text, "  {suspicion}")?;
        }
        let more = symbol.suspicions.len().saturating_sub(SUSPICIONS);
        if more > 0 {
            writeln!(text, "  and {more} more of them")?;
        }
        Ok(())
    }

    fn table(&self, text: &mut String, bars: &[Bar], columns: usize) -> fmt::Result {
        let (first, last) = ends(bars);
        let wide = columns >= TABLE;
        let heads = ["open", "high", "low", "close", "volume"].map(str::to_owned);
        writeln!(text, "  {:<10}{}", "date", cells(&heads, wide))?;
        for bar in first.iter().chain(last) {
            let action = if wide { action(bar) } else { String::new() };
            let cells = cells(&numbers(bar), wide);
            writeln!(text, "  {:<10}{cells}{action}", self.date(bar))?;
        }
        Ok(())
    }
}

impl fmt::Display for Inspection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text(USUAL))
    }
}

/// The first and the last bars; of a short series all, once.
pub(super) fn ends(bars: &[Bar]) -> (&[Bar], &[Bar]) {
    let (first, rest) = bars.split_at(bars.len().min(ENDS));
    (first, rest.split_at(rest.len().saturating_sub(ENDS)).1)
}

/// Open, high, low, close and volume; `-` for what is missing.
pub(super) fn numbers(bar: &Bar) -> [String; 5] {
    [bar.open, bar.high, bar.low, Some(bar.close), bar.volume]
        .map(|value| value.map_or_else(|| "-".into(), |v| v.to_string()))
}

/// Split and dividend of the day.
pub(super) fn action(bar: &Bar) -> String {
    let mut action = String::new();
    if bar.split_factor != 1.0 {
        action.push_str(&format!("  split {}", bar.split_factor));
    }
    if bar.dividend != 0.0 {
        action.push_str(&format!("  dividend {}", bar.dividend));
    }
    action
}

fn cells([open, high, low, close, volume]: &[String; 5], wide: bool) -> String {
    if wide {
        format!(" {open:>11} {high:>11} {low:>11} {close:>11} {volume:>13}")
    } else {
        format!(" {close:>11}")
    }
}

/// The first of many dates.
pub(super) fn some(dates: &[String]) -> String {
    let mut named: Vec<String> = dates.iter().take(NAMED).cloned().collect();
    if dates.len() > NAMED {
        named.push("...".into());
    }
    named.join(", ")
}

/// Closes from first to last, on a logarithmic scale where all are above zero.
fn plot(bars: &[Bar], width: usize) -> String {
    const SIGNS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
    let width = width.min(bars.len());
    let positive = bars.iter().all(|bar| bar.close > 0.0);
    let at = |i: usize| {
        let bar = bars.get(i * (bars.len() - 1) / width.saturating_sub(1).max(1));
        let close = bar.map_or(0.0, |bar| bar.close);
        if positive { close.ln() } else { close }
    };
    let values: Vec<f64> = (0..width).map(at).collect();
    let low = values.iter().copied().fold(f64::INFINITY, f64::min);
    let high = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let sign = |value: &f64| {
        let part = if high > low {
            (value - low) / (high - low)
        } else {
            0.5
        };
        SIGNS[((part * 8.0) as usize).min(7)]
    };
    values.iter().map(sign).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bars(closes: impl IntoIterator<Item = f64>) -> Vec<Bar> {
        let bar = |close| Bar {
            close,
            ..crate::testing::bar("X", 1)
        };
        closes.into_iter().map(bar).collect()
    }

    #[test]
    fn a_plot_rises_with_the_closes() {
        let doubling = bars((1..=8).map(|i| f64::from(1 << i)));
        assert_eq!(plot(&doubling, 64), "▁▂▃▄▅▆▇█");
        assert_eq!(plot(&doubling, 2), "▁█");
        assert_eq!(plot(&bars([3.0]), 64).chars().count(), 1);
        assert_eq!(plot(&bars([-8.0, 0.0, 8.0]), 64), "▁▅█");
    }

    #[test]
    fn both_ends_are_shown_and_no_bar_twice() {
        for (count, shown) in [(0, 0), (1, 1), (3, 3), (5, 5), (6, 6), (40, 6)] {
            let bars = bars((0..count).map(f64::from));
            let (first, last) = ends(&bars);
            assert_eq!(first.len() + last.len(), shown, "{count}");
        }
    }
}

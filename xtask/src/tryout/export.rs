//! Ten years of made-up prices, written as market sites export them: newest first, US dates, `$` before prices,
//! `Close/Last`, some volumes `N/A`. Nothing of it is anybody's data.

use anyhow::{Context, Result};
use foresail_domain::TradingCalendar;

const HEADER: &str = "Date,Close/Last,Volume,Open,High,Low";
const FIRST: &str = "2014-01-02";
const LAST: &str = "2023-12-29";
/// One volume in so many is not known.
const NO_VOLUME_IN: usize = 250;

/// The file.
///
/// # Errors
/// None: the dates above are dates.
pub fn make() -> Result<String> {
    let date = |text: &str| text.parse().with_context(|| format!("{text} is no date"));
    let sessions = TradingCalendar::Xnys.sessions(date(FIRST)?, date(LAST)?);
    let mut noise = Noise(2014);
    // Logarithms of the price and of the level that it comes back to.
    let (mut price, mut level) = (4.0_f64, 4.0_f64);
    let mut lines: Vec<String> = Vec::new();
    for (session, date) in sessions.enumerate() {
        level += 0.0003 + 0.006 * noise.next();
        let open = price + 0.003 * noise.next();
        price += 0.12 * (level - price) + 0.012 * noise.next();
        let (low, high) = (open.min(price), open.max(price));
        let (low, high) = (
            low - 0.005 * noise.next().abs(),
            high + 0.005 * noise.next().abs(),
        );
        let volume = match session % NO_VOLUME_IN {
            17 => "N/A".to_owned(),
            _ => ((14.5 + 0.3 * noise.next()).exp() as u64).to_string(),
        };
        let [close, open, high, low] =
            [price, open, high, low].map(|log| format!("${:.2}", log.exp()));
        lines.push(format!(
            "{},{close},{volume},{open},{high},{low}",
            date.strftime("%m/%d/%Y")
        ));
    }
    lines.push(HEADER.to_owned());
    lines.reverse();
    Ok(lines.join("\n") + "\n")
}

/// The same numbers each time, on every machine.
struct Noise(u64);

impl Noise {
    /// About normal: mean 0, variance 1.
    fn next(&mut self) -> f64 {
        let uniform = |state: &mut u64| {
            *state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            (*state >> 33) as f64 / (1u64 << 31) as f64 - 0.5
        };
        (0..12).map(|_| uniform(&mut self.0)).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_row_is_a_bar_that_can_be() {
        let file = make().unwrap();
        let mut lines = file.lines();
        assert_eq!(lines.next(), Some(HEADER));
        let rows: Vec<Vec<&str>> = lines.map(|line| line.split(',').collect()).collect();
        assert_eq!(rows.len(), 2516);
        assert!(rows[0][0].starts_with("12/29/2023") && rows[2515][0] == "01/02/2014");
        assert!(rows.iter().any(|row| row[2] == "N/A"));
        for row in rows {
            let price = |column: usize| {
                row[column]
                    .strip_prefix('$')
                    .unwrap()
                    .parse::<f64>()
                    .unwrap()
            };
            let (close, open, high, low) = (price(1), price(3), price(4), price(5));
            assert!(
                low > 0.0 && low <= open.min(close) && high >= open.max(close),
                "{row:?}"
            );
        }
        assert_eq!(file, make().unwrap());
    }
}

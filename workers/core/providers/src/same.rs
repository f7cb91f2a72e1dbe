//! When two reports of a bar say the same.

use foresail_domain::Bar;

/// Largest difference of two numbers that are the same, as a part of the larger one. One provider sends 32-bit floats
/// printed long.
pub const TOLERANCE: f64 = 1e-5;

/// Whether two numbers are the same within [`TOLERANCE`]. Zero is near nothing but zero, and what is no number near nothing.
pub fn near(a: f64, b: f64) -> bool {
    a == b || (a - b).abs() <= a.abs().max(b.abs()) * TOLERANCE && (a - b).is_finite()
}

/// Whether two bars say the same of one session: prices, volume, split and dividend, each within [`TOLERANCE`]. Who
/// reported them, and when, is not asked. What one knows and the other does not is a difference.
pub fn same(a: &Bar, b: &Bar) -> bool {
    let both = |a: Option<f64>, b: Option<f64>| match (a, b) {
        (Some(a), Some(b)) => near(a, b),
        (None, None) => true,
        _ => false,
    };
    let is_one = a.symbol == b.symbol && a.interval == b.interval && a.event_time == b.event_time;
    is_one
        && both(a.open, b.open)
        && both(a.high, b.high)
        && both(a.low, b.low)
        && near(a.close, b.close)
        && both(a.volume, b.volume)
        && near(a.split_factor, b.split_factor)
        && near(a.dividend, b.dividend)
}

#[cfg(test)]
mod tests {
    use foresail_domain::TradingCalendar;
    use jiff::civil::date;

    use super::*;
    use crate::row::Row;

    fn bar() -> Bar {
        let row = Row::new(
            date(2026, 1, 9),
            None,
            [127.1, 128.0, 126.0, 127.1425],
            Some(9e6),
        );
        row.bar("IBM", TradingCalendar::Xnys, "yahoo", 5)
    }

    #[test]
    fn numbers_of_32_bits_are_those_they_were() {
        assert!(near(127.142_501_831_054_69, 127.1425));
        for value in [1e-6, 0.37, 127.1425, 5_123.77, 6e5, 4e9] {
            assert!(near(f64::from(value as f32), value), "{value}");
            assert!(near(value * (1.0 + 0.9e-5), value) && near(value, value * (1.0 + 0.9e-5)));
            assert!(!near(value * (1.0 + 1.2e-5), value), "{value}");
        }
        assert!(near(0.0, 0.0) && !near(0.0, 1e-300));
        assert!(!near(f64::NAN, f64::NAN) && !near(f64::INFINITY, 1.0) && !near(1.0, -1.0));
    }

    #[test]
    fn bars_differ_in_any_number_and_not_in_who_reported_them() {
        let later = Bar {
            ingested_at: 77,
            provider: "alpha-vantage".into(),
            revision: 3,
            close: bar().close * (1.0 + 1e-6),
            ..bar()
        };
        assert!(same(&bar(), &later));
        let changes: [fn(&mut Bar); 11] = [
            |bar| bar.symbol.push('X'),
            |bar| bar.event_time += 1,
            |bar| bar.open = Some(127.2),
            |bar| bar.open = None,
            |bar| bar.high = Some(128.1),
            |bar| bar.low = Some(126.1),
            |bar| bar.close = 127.2,
            |bar| bar.volume = Some(9.001e6),
            |bar| bar.volume = None,
            |bar| bar.split_factor = 2.0,
            |bar| bar.dividend = 0.01,
        ];
        for (at, change) in changes.iter().enumerate() {
            let mut changed = bar();
            change(&mut changed);
            assert!(!same(&bar(), &changed) && !same(&changed, &bar()), "{at}");
        }
    }
}

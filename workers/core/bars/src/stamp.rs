//! The moment that a row of an intraday file speaks of, as its normal text: UTC, so that moments sort as their texts do, and
//! within the bar, so that the day of the text is the day of the bar. The row of a bar that is stamped with its end has
//! the last millisecond before it.

use foresail_crds::pipeline::spec::Stamp;
use jiff::Timestamp;
use jiff::tz::TimeZone;

/// A moment as it is written in a file, as the normal text of the bar it stamps.
pub(crate) fn normal(at: Timestamp, stamp: Stamp) -> Option<String> {
    let at = at.as_millisecond();
    text(match stamp {
        Stamp::Start => at,
        Stamp::End => at - 1,
    })
}

/// A moment as rows within a session have it, `2024-01-02 14:30:00` in UTC, with milliseconds where there are some; `None`
/// for one that is no date.
pub fn text(ms: i64) -> Option<String> {
    let at = Timestamp::from_millisecond(ms).ok()?;
    let civil = at.to_zoned(TimeZone::UTC).datetime();
    let form = if ms.rem_euclid(1_000) == 0 {
        "%Y-%m-%d %H:%M:%S"
    } else {
        "%Y-%m-%d %H:%M:%S%.3f"
    };
    Some(civil.strftime(form).to_string())
}

/// Milliseconds since the Unix epoch of a normal text; `None` for a date alone, and for anything else.
pub(crate) fn read(text: &str) -> Option<i64> {
    if text.as_bytes().get(10) != Some(&b' ') {
        return None;
    }
    let civil: jiff::civil::DateTime = text.parse().ok()?;
    let at = civil.to_zoned(TimeZone::UTC).ok()?;
    Some(at.timestamp().as_millisecond())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_read_as_it_was_written_and_lies_in_its_bar() {
        let at: Timestamp = "2024-01-02T00:00:00Z".parse().unwrap();
        let (start, end) = (normal(at, Stamp::Start), normal(at, Stamp::End));
        assert_eq!(start.as_deref(), Some("2024-01-02 00:00:00"));
        assert_eq!(end.as_deref(), Some("2024-01-01 23:59:59.999"));
        assert_eq!(read(&start.unwrap()), Some(at.as_millisecond()));
        assert_eq!(read(&end.unwrap()), Some(at.as_millisecond() - 1));
        for other in ["2024-01-02", "2024-01-02T14:30:00", "2024-01-02 x", ""] {
            assert_eq!(read(other), None, "{other}");
        }
    }
}

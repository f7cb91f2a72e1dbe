//! The headers of an answer, and the times that stand in them.

use std::time::Duration;

use jiff::Timestamp;
use jiff::fmt::rfc2822::DateTimeParser;

/// Longest wait in seconds that is taken from an answer: one day. What a provider asks beyond it is asked again then.
const LONGEST: u64 = 86_400;

/// Headers of an HTTP answer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Headers(Vec<(String, String)>);

/// How long a provider wants to be left alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wait {
    /// From now on, one day at most.
    For(Duration),
    /// Until an instant on the provider's clock, of an answer that does not say what that clock shows.
    Until(Timestamp),
}

impl<N: Into<String>, V: Into<String>> FromIterator<(N, V)> for Headers {
    fn from_iter<I: IntoIterator<Item = (N, V)>>(pairs: I) -> Self {
        let pairs = pairs.into_iter();
        Self(pairs.map(|(n, v)| (n.into(), v.into())).collect())
    }
}

impl Headers {
    /// The first header of this name, in any case, without the spaces around its value.
    pub fn get(&self, name: &str) -> Option<&str> {
        let found = self.0.iter().find(|(n, _)| n.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value.trim())
    }

    /// When the answer was made, on the clock of the provider: its `Date`.
    pub fn date(&self) -> Option<Timestamp> {
        self.get("date").and_then(http_date)
    }

    /// `Retry-After`, of either form; `None` without one that can be read. A date is taken as the time from the answer's
    /// own `Date` to it, so that the clock of the caller need not be right.
    pub fn retry_after(&self) -> Option<Wait> {
        let text = self.get("retry-after")?;
        if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) {
            let seconds = text.parse().unwrap_or(LONGEST).min(LONGEST);
            return Some(Wait::For(Duration::from_secs(seconds)));
        }
        let until = http_date(text)?;
        let Some(now) = self.date() else {
            return Some(Wait::Until(until));
        };
        let seconds = until.as_second().saturating_sub(now.as_second());
        let seconds = u64::try_from(seconds).unwrap_or(0).min(LONGEST);
        Some(Wait::For(Duration::from_secs(seconds)))
    }
}

fn http_date(text: &str) -> Option<Timestamp> {
    // The day of the week is not checked: a wrong one says nothing of the instant.
    let parser = DateTimeParser::new().relaxed_weekday(true);
    parser.parse_timestamp(text).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const DATE: &str = "Fri, 09 Jan 2026 21:00:00 GMT";

    fn seconds(seconds: u64) -> Option<Wait> {
        Some(Wait::For(Duration::from_secs(seconds)))
    }

    #[test]
    fn retry_after_is_read_in_both_forms() {
        let wait = |text: &str| Headers::from_iter([("Retry-After", text)]).retry_after();
        assert_eq!(wait("120"), seconds(120));
        assert_eq!(wait("99999999999999999999999"), seconds(86_400));
        assert_eq!(wait(""), None);
        assert_eq!(wait("-3"), None);
        assert_eq!(wait("soon"), None);
        let at: Timestamp = "2026-01-09T21:00:00Z".parse().unwrap();
        assert_eq!(wait(DATE), Some(Wait::Until(at)));
        let dated = |text: &str| {
            let pairs = [("date", DATE), ("retry-after", text)];
            Headers::from_iter(pairs).retry_after()
        };
        assert_eq!(dated("Fri, 09 Jan 2026 21:05:00 GMT"), seconds(300));
        assert_eq!(dated("Fri, 09 Jan 2026 20:05:00 GMT"), seconds(0));
        assert_eq!(dated("Fri, 09 Jan 2099 20:05:00 GMT"), seconds(86_400));
    }

    #[test]
    fn names_have_no_case() {
        let headers = Headers::from_iter([("RETRY-after", " 7 ")]);
        assert_eq!(headers.get("Retry-After"), Some("7"));
        assert_eq!(headers.get("date"), None);
    }
}

//! When a bar is expected. Pure: times are handed in, milliseconds UTC.

use std::time::Duration;

use foresail_bars::{CALENDARS_FROM, date_of};
use foresail_crds::duration::DurationString;
use foresail_crds::pipeline::spec::ProviderSource;
use foresail_crds::worker_config::IngestConfig;
use foresail_domain::Calendar;
use foresail_runtime_base::RoleError;
use jiff::civil::Date;
use jiff::tz::Offset;
use jiff::{Span, Timestamp};

/// No exchange is closed for so many days in a row.
const LONGEST_CLOSURE: i64 = 30;

/// The sessions of a Pipeline, and when the provider has their bars.
pub(crate) struct Timetable {
    calendar: Calendar,
    delay: i64,
    poll: i64,
    recheck: usize,
    from: Option<Date>,
    to: Option<Date>,
}

impl Timetable {
    /// The timetable of a configuration.
    ///
    /// # Errors
    /// User error `BadDate` when a date of the spec does not exist.
    pub(crate) fn new(config: &IngestConfig, source: &ProviderSource) -> Result<Self, RoleError> {
        let backfill = &config.source.backfill;
        Ok(Self {
            calendar: config.calendar.clone(),
            delay: millis(&source.delay, Duration::ZERO),
            poll: millis(&source.poll, Duration::from_secs(600)),
            recheck: usize::try_from(source.recheck_sessions).unwrap_or(usize::MAX),
            from: date_of(backfill.from.as_deref(), "source.backfill.from")?,
            to: date_of(backfill.to.as_deref(), "source.backfill.to")?,
        })
    }

    /// Time between two attempts at a bar that has not come.
    pub(crate) fn poll(&self) -> i64 {
        self.poll
    }

    /// Newest sessions of a symbol that are compared with what was sent of them.
    pub(crate) fn recheck(&self) -> usize {
        self.recheck
    }

    /// First day that is wanted.
    pub(crate) fn from(&self) -> Option<Date> {
        self.from
    }

    /// End of a session: the event time of its bar.
    pub(crate) fn end(&self, date: Date) -> i64 {
        self.calendar.session_end(date)
    }

    /// Start of a session.
    pub(crate) fn start(&self, date: Date) -> i64 {
        self.calendar.session_open(date)
    }

    /// The session that ends at an event time.
    pub(crate) fn session(&self, event_time: i64) -> Date {
        self.calendar.session_date(event_time)
    }

    /// The day at the exchange.
    pub(crate) fn today(&self, now: i64) -> Date {
        self.calendar.date_at(timestamp(now), Offset::UTC)
    }

    /// Whether the bar of this day is wanted, and expected by now.
    pub(crate) fn is_expected(&self, date: Date, now: i64) -> bool {
        let is_wanted =
            self.from.is_none_or(|from| date >= from) && self.to.is_none_or(|to| date <= to);
        is_wanted && self.end(date).saturating_add(self.delay) <= now
    }

    /// The newest session whose bar is expected by now.
    pub(crate) fn newest_expected(&self, now: i64) -> Option<Date> {
        let today = self.today(now);
        let last = self.to.map_or(today, |to| to.min(today));
        let newest = |last: Date| {
            let first = last.saturating_sub(Span::new().days(LONGEST_CLOSURE));
            let sessions = self.calendar.sessions(first, last);
            // A bar of a day that may be a holiday is not asked for: it would be refused if it came.
            let known = sessions.filter(|date| !self.calendar.is_expired(*date));
            known.filter(|date| self.is_expected(*date, now)).last()
        };
        // Behind the end of the calendar it is a session before it.
        let end = self.calendar.exchange().valid_through();
        newest(last).or_else(|| (last > end).then(|| newest(end))?)
    }

    /// Sessions of these days, both included, as far as the calendar knows them.
    pub(crate) fn sessions(&self, from: Date, to: Date) -> impl Iterator<Item = Date> {
        let known = CALENDARS_FROM.max(self.calendar.valid_from());
        let through = self.calendar.valid_through();
        self.calendar.sessions(from.max(known), to.min(through))
    }

    /// When the next bar is expected; `None` when there will be none, or when the calendar does not know of a session.
    pub(crate) fn next_expected(&self, now: i64) -> Option<i64> {
        let before = |date: Date| date.yesterday().unwrap_or(date);
        // The newest one that is expected may be of yesterday, with one of today to come.
        let after = self
            .newest_expected(now)
            .unwrap_or_else(|| before(self.today(now)));
        let after = self.from.map_or(after, |from| after.max(before(from)));
        let next = self.calendar.next_session(after);
        let is_wanted = self.to.is_none_or(|to| next <= to) && !self.calendar.is_expired(next);
        is_wanted.then(|| self.end(next).saturating_add(self.delay))
    }

    /// The session so many before a session.
    pub(crate) fn back(&self, date: Date, sessions: usize) -> Date {
        let days = i64::try_from(sessions).unwrap_or(0) * 2 + LONGEST_CLOSURE;
        let first = date.saturating_sub(Span::new().days(days));
        let all: Vec<Date> = self.calendar.sessions(first, date).collect();
        let index = all.len().saturating_sub(sessions + 1);
        all.get(index).copied().unwrap_or(first)
    }

    /// Sessions that ended since an event time.
    pub(crate) fn sessions_since(&self, event_time: i64, now: i64) -> usize {
        self.calendar.sessions_ended(event_time, now)
    }
}

/// An instant; the end of time for what is behind it.
pub(crate) fn timestamp(ms: i64) -> Timestamp {
    Timestamp::from_millisecond(ms).unwrap_or(Timestamp::MAX)
}

fn millis(text: &DurationString, otherwise: Duration) -> i64 {
    let duration = text.as_duration().unwrap_or(otherwise);
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}

/// One of the New York exchange, for tests.
#[cfg(test)]
pub(super) fn new_york() -> Timetable {
    let config = serde_json::json!({
        "pipeline": {"namespace": "n", "name": "p"},
        "instruments": [{"symbol": "IBM"}],
        "calendar": "XNYS",
        "source": {"provider": {"account": "a"}},
        "kafka": {"bootstrapServers": "k:9092", "topicPrefix": ""}
    });
    let config: IngestConfig = serde_json::from_value(config).unwrap();
    Timetable::new(&config, config.source.provider.as_ref().unwrap()).unwrap()
}

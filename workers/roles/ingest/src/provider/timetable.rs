//! When a bar is expected. Pure: times are handed in, milliseconds UTC.

use std::time::Duration;

use foresail_bars::{CALENDARS_FROM, date_of};
use foresail_crds::duration::DurationString;
use foresail_crds::pipeline::spec::ProviderSource;
use foresail_crds::worker_config::IngestConfig;
use foresail_domain::{BarGrid, Calendar, Interval};
use foresail_providers::Row;
use foresail_runtime_base::RoleError;
use jiff::civil::Date;
use jiff::tz::Offset;
use jiff::{Span, Timestamp};

/// No exchange is closed for so many days in a row.
const LONGEST_CLOSURE: i64 = 30;

/// Most bars of a symbol that are kept in memory to be compared: five sessions of minutes.
const MOST_KEPT: usize = 2_000;

/// The bars of a Pipeline, and when the provider has them.
pub(crate) struct Timetable {
    grid: BarGrid,
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
            grid: config.bar_grid(),
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

    /// When a bar that has not come is asked for again. Within a session the pauses grow as long as it is overdue: nobody may
    /// have traded, and the last bar of a day would be asked for all night.
    pub(crate) fn again(&self, attempted: i64, now: i64) -> i64 {
        let newest = self.newest_expected(now).filter(|_| self.is_intraday());
        let overdue = newest.map_or(0, |end| {
            attempted.saturating_sub(end.saturating_add(self.delay))
        });
        attempted.saturating_add(self.poll.max(overdue))
    }

    /// Where bars begin and end.
    pub(crate) fn grid(&self) -> &BarGrid {
        &self.grid
    }

    /// Whether bars are parts of sessions.
    pub(crate) fn is_intraday(&self) -> bool {
        self.grid.interval().is_intraday()
    }

    fn calendar(&self) -> &Calendar {
        self.grid.calendar()
    }

    /// Newest sessions of a symbol that are compared with what was sent of them.
    pub(crate) fn recheck(&self) -> usize {
        self.recheck
    }

    /// Newest bars of a symbol that are kept to be compared.
    pub(crate) fn kept(&self) -> usize {
        let bars = self
            .recheck
            .saturating_mul(self.grid.bars_per_session() as usize);
        match self.grid.interval() {
            Interval::Session => bars,
            _ => bars.min(MOST_KEPT),
        }
    }

    /// First day that is wanted.
    pub(crate) fn from(&self) -> Option<Date> {
        self.from
    }

    /// Last day that is wanted.
    pub(crate) fn to(&self) -> Option<Date> {
        self.to
    }

    /// End of a session, which is the event time of its last bar.
    pub(crate) fn end(&self, date: Date) -> i64 {
        self.calendar().session_end(date)
    }

    /// The event time of the bar of a row: providers stamp rows within a session with their start. A row that begins with no
    /// bar has an end of its own, so that it takes the place of none.
    pub(crate) fn row_end(&self, row: &Row) -> i64 {
        let Some(start) = row.start else {
            return self.end(row.date);
        };
        let start = start.saturating_mul(1000);
        match self.grid.bar_at(start) {
            Some(span) if span.start == start => span.end,
            _ => start.saturating_add(self.grid.interval().length_ms().unwrap_or(0)),
        }
    }

    /// Session and first second of the bar that ends at an event time, as rows have them.
    pub(crate) fn place(&self, event_time: i64) -> (Date, Option<i64>) {
        let span = self.grid.ending(event_time).filter(|_| self.is_intraday());
        let start = span.map(|span| span.start.div_euclid(1000));
        (self.session(event_time), start)
    }

    /// Start of a session.
    pub(crate) fn start(&self, date: Date) -> i64 {
        self.calendar().session_open(date)
    }

    /// The session that ends at an event time.
    pub(crate) fn session(&self, event_time: i64) -> Date {
        self.calendar().session_date(event_time)
    }

    /// The day at the exchange.
    pub(crate) fn today(&self, now: i64) -> Date {
        self.calendar().date_at(timestamp(now), Offset::UTC)
    }

    /// Whether the bar of a row is wanted, and expected by now.
    pub(crate) fn is_expected(&self, row: &Row, now: i64) -> bool {
        self.is_wanted(row.date) && self.row_end(row).saturating_add(self.delay) <= now
    }

    fn is_wanted(&self, date: Date) -> bool {
        self.from.is_none_or(|from| date >= from) && self.to.is_none_or(|to| date <= to)
    }

    /// The end of the newest bar that is expected by now.
    pub(crate) fn newest_expected(&self, now: i64) -> Option<i64> {
        let (today, calendar) = (self.today(now), self.calendar());
        let last = self.to.map_or(today, |to| to.min(today));
        let due = now.saturating_sub(self.delay);
        let newest = |last: Date| {
            let first = last.saturating_sub(Span::new().days(LONGEST_CLOSURE));
            let sessions = calendar.sessions(first, last);
            // A bar of a day that may be a holiday is not asked for: it would be refused if it came.
            let known = sessions.filter(|date| !calendar.is_expired(*date));
            let wanted = known.filter(|date| self.is_wanted(*date));
            wanted
                .filter_map(|date| self.grid.newest_ended(date, due))
                .last()
        };
        // Behind the end of the calendar it is of a session before it.
        let end = calendar.exchange().valid_through();
        newest(last).or_else(|| (last > end).then(|| newest(end))?)
    }

    /// Sessions of these days, both included, as far as the calendar knows them.
    pub(crate) fn sessions(&self, from: Date, to: Date) -> impl Iterator<Item = Date> {
        let known = CALENDARS_FROM.max(self.calendar().valid_from());
        let through = self.calendar().valid_through();
        self.calendar().sessions(from.max(known), to.min(through))
    }

    /// When the next bar is expected; `None` when there will be none, or when the calendar does not know of a session.
    pub(crate) fn next_expected(&self, now: i64) -> Option<i64> {
        let before = |date: Date| self.end(date.yesterday().unwrap_or(date));
        // The newest one that is expected may be of yesterday, with one of today to come.
        let after = self
            .newest_expected(now)
            .unwrap_or_else(|| before(self.today(now)));
        let after = self.from.map_or(after, |from| after.max(before(from)));
        let next = self.grid.after(after, 1);
        let date = self.session(next);
        let is_wanted = self.to.is_none_or(|to| date <= to) && !self.calendar().is_expired(date);
        is_wanted.then(|| next.saturating_add(self.delay))
    }

    /// The session so many before a session.
    pub(crate) fn back(&self, date: Date, sessions: usize) -> Date {
        let days = i64::try_from(sessions).unwrap_or(0) * 2 + LONGEST_CLOSURE;
        let first = date.saturating_sub(Span::new().days(days));
        let all: Vec<Date> = self.calendar().sessions(first, date).collect();
        let index = all.len().saturating_sub(sessions + 1);
        all.get(index).copied().unwrap_or(first)
    }

    /// Bars that ended since an event time.
    pub(crate) fn bars_since(&self, event_time: i64, now: i64) -> usize {
        self.grid.ended(event_time, now)
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
    of_interval(Interval::Session)
}

/// The same with bars of an interval.
#[cfg(test)]
pub(super) fn of_interval(interval: Interval) -> Timetable {
    let config = serde_json::json!({
        "pipeline": {"namespace": "n", "name": "p"},
        "instruments": [{"symbol": "IBM"}],
        "calendar": "XNYS",
        "source": {"interval": interval, "provider": {"account": "a"}},
        "kafka": {"bootstrapServers": "k:9092", "topicPrefix": ""}
    });
    let config: IngestConfig = serde_json::from_value(config).unwrap();
    Timetable::new(&config, config.source.provider.as_ref().unwrap()).unwrap()
}

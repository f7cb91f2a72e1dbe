//! Checks rows in order: a bar, a refusal with its reason, or out of the declared scope.
//! Pure but for the clock handed in; reading the source again gives the same outcomes.

use foresail_crds::RoleError;
use foresail_crds::pipeline::spec::{CsvEncoding, CsvSource, OnSuspicion};
use foresail_crds::records::Refusal;
use foresail_crds::worker_config::IngestConfig;
use foresail_domain::corporate::{self, Action, AdjustedRow, Rounding};
use foresail_domain::{Bar, BarGrid, Calendar, Interval, Span};
use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::Offset;
use smol_str::SmolStr;

use crate::dialect::iso;
use crate::lines::LONGEST_ROW;
use crate::row::{Fields, RawRow, shown};
use crate::stamp;
use crate::suspicions::{Judge, Level, Move, Quote, Suspicion};
use crate::turns::Turns;

/// Reason of a bar that has not ended: it is one later.
pub const UNFINISHED: &str = "Unfinished";
/// Reason of a row of a day that the calendar does not know yet.
pub const CALENDAR_EXPIRED: &str = "CalendarExpired";
/// First day whose sessions calendars may know; before, exchanges traded on Saturdays as well.
pub const CALENDARS_FROM: Date = Date::constant(1960, 1, 1);
/// Part of a price within which high and low give way: vendors multiply each price by an adjustment of its own, which
/// moves them apart in the last bits.
const LAST_BITS: f64 = 1e-12;

/// Open, high and low, and whether one of them had to give way.
struct Range {
    open: Option<f64>,
    high: Option<f64>,
    low: Option<f64>,
    clamped: bool,
}

/// What a row is.
#[expect(
    clippy::large_enum_variant,
    reason = "nearly all rows are bars, and a box would allocate for each of them"
)]
#[derive(Clone, Debug, PartialEq)]
pub enum RowOutcome {
    /// A bar to send, and what is to be told of it.
    Bar(Bar, Notes),
    /// To quarantine.
    Refused(Refusal),
    /// Another symbol, or a date outside backfill and replay: not part of this Pipeline.
    OutOfScope,
}

/// What is to be told of an accepted bar.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Notes {
    /// Its move looks like a mistake of the source.
    pub suspicion: Option<Suspicion>,
    /// High or low gave way to open or close in the last bits.
    pub clamped: bool,
}

/// State over the rows seen so far.
pub struct Checker {
    grid: BarGrid,
    /// Those that are part of the Pipeline, each with its last good row.
    symbols: Turns<Option<Last>>,
    from: Option<Date>,
    to: Option<Date>,
    zero_open_is_missing: bool,
    /// UTF-8 is declared.
    utf8: bool,
    judge: Judge,
    provider: &'static str,
    /// The last date, and the bar that it speaks of: many rows on end have the same.
    located: Option<(SmolStr, Place)>,
}

/// The bar that a row speaks of.
#[derive(Clone, Copy)]
struct Place {
    /// Its session.
    date: Date,
    /// `None` where no bar of the day has its moment.
    span: Option<Span>,
    /// The moment that is written, or the end of the session.
    moment: i64,
}

/// The bar of a row of a declared symbol.
struct Identity<'a> {
    symbol: &'a str,
    /// Of the symbol among those that are declared.
    place: usize,
    /// Its session.
    date: Date,
    /// When it ended, milliseconds UTC.
    end: i64,
}

/// The last good row of a symbol.
struct Last {
    /// When its bar ended, milliseconds UTC.
    end: i64,
    adjusted: Adjusted,
    level: Level,
}

/// What was known of a symbol.
pub struct Kept(Last);

/// What is known of the adjusted closes of a symbol.
#[derive(Clone, Default)]
struct Adjusted {
    /// The last row that had one: steps are taken from it over rows that have none.
    row: Option<AdjustedRow>,
    rounding: Rounding,
}

impl Checker {
    /// A checker before the first row.
    ///
    /// # Errors
    /// User error `BadDate` when a date of the spec does not exist.
    pub fn new(config: &IngestConfig, provider: &'static str) -> Result<Self, RoleError> {
        let source = &config.source;
        let last = match (&source.replay, &source.backfill.to) {
            (Some(replay), _) => replay.to.as_deref(),
            (None, to) => to.as_deref(),
        };
        let mut symbols = Turns::default();
        for symbol in config.symbols() {
            if symbols.find(Some(&symbol)).is_none() {
                symbols.insert(Some(&symbol), None);
            }
        }
        Ok(Self {
            grid: config.bar_grid(),
            symbols,
            from: date_of(source.backfill.from.as_deref(), "source.backfill.from")?,
            to: date_of(last, "the end of backfill or replay")?,
            utf8: source.csv.as_ref().is_some_and(is_utf8),
            zero_open_is_missing: source.csv.as_ref().is_some_and(|c| c.zero_open_is_missing),
            judge: Judge {
                calendar: config.calendar.clone(),
                holds: source.on_suspicion == Some(OnSuspicion::Quarantine),
            },
            provider,
            located: None,
        })
    }

    /// Sessions that bars are of.
    pub fn calendar(&self) -> &Calendar {
        self.grid.calendar()
    }

    /// Where bars begin and end.
    pub fn grid(&self) -> &BarGrid {
        &self.grid
    }

    /// Checks the next row; `now` is wall time in milliseconds UTC.
    pub fn check(&mut self, row: &RawRow, now: i64) -> RowOutcome {
        match self.bar(row, now) {
            Ok(Some((bar, notes))) => RowOutcome::Bar(bar, notes),
            Ok(None) => RowOutcome::OutOfScope,
            Err(refusal) => RowOutcome::Refused(refusal),
        }
    }

    /// When the bar that a row names has ended (milliseconds UTC), and its symbol; `None` when it names none.
    pub fn place<'a>(&self, row: &'a RawRow) -> Option<(&'a str, i64)> {
        let place = self.located(row.fields.date.as_deref()?)?;
        let symbol = row.fields.symbol.as_deref()?;
        Some((symbol, place.span?.end))
    }

    /// The bar that the normal text of a date speaks of; `None` for what is no date, or has no time where bars need one.
    fn located(&self, text: &str) -> Option<Place> {
        let calendar = self.calendar();
        if self.grid.interval() == Interval::Session {
            let date = read_date(text)?;
            let (start, end) = (calendar.session_open(date), calendar.session_end(date));
            return Some(Place {
                date,
                span: Some(Span { start, end }),
                moment: end,
            });
        }
        let moment = stamp::read(text)?;
        // The first or the last moment of a bar, and no other.
        let stamps = |span: &Span| span.start == moment || span.end - 1 == moment;
        Some(Place {
            date: calendar.session_date(moment + 1),
            span: self.grid.bar_at(moment).filter(stamps),
            moment,
        })
    }

    /// The same for rows one after the other.
    fn located_again(&mut self, text: &SmolStr) -> Option<Place> {
        match &self.located {
            Some((last, place)) if last == text => Some(*place),
            _ => {
                let place = self.located(text)?;
                self.located = Some((text.clone(), place));
                Some(place)
            }
        }
    }

    /// A bar for a message: its session, or its end where it is a part of one.
    fn named(&self, end: i64) -> String {
        match self.grid.interval() {
            Interval::Session => self.calendar().session_date(end).to_string(),
            _ => moment(end),
        }
    }

    /// Symbols that are part of the Pipeline.
    pub fn symbols(&self) -> impl Iterator<Item = String> {
        self.symbols.symbols().flatten().map(str::to_owned)
    }

    /// The rows that come next are of this provider.
    pub fn set_provider(&mut self, provider: &'static str) {
        self.provider = provider;
    }

    /// Forgets what the rows of a symbol were so far: its next row is the first one. Another file may be written on another
    /// basis, with all prices of before adjusted once more.
    pub fn set_aside(&mut self, symbol: &str) -> Option<Kept> {
        let place = self.symbols.find(Some(symbol))?;
        self.replace(place, None).map(Kept)
    }

    /// Goes on where [`Self::set_aside`] was called.
    pub fn put_back(&mut self, symbol: &str, kept: Kept) {
        if let Some(place) = self.symbols.find(Some(symbol)) {
            self.replace(place, Some(kept.0));
        }
    }

    /// Takes a row for the last good one of a symbol, and gives the one before.
    fn replace(&mut self, place: usize, last: Option<Last>) -> Option<Last> {
        std::mem::replace(self.symbols.get_mut(place)?, last)
    }

    /// Checks a row of a session that is not newer than the last one of its symbol: a correction, or a bar that was missing.
    /// Its move is judged by the close `before` it, which must be of an earlier session; without one it is not judged. What is
    /// known of the symbol stays as it is, unless the row is of its last session, or of a newer one.
    pub fn check_beside(&mut self, row: &RawRow, before: Option<Quote>, now: i64) -> RowOutcome {
        let Some(place) = self.symbols.find(row.fields.symbol.as_deref()) else {
            return self.check(row, now);
        };
        let before = before.map(|before| Last {
            end: before.time.map_or_else(
                || self.calendar().session_end(before.date),
                |time| time.as_millisecond(),
            ),
            adjusted: Adjusted::default(),
            level: Level::at(before),
        });
        let kept = self.replace(place, before);
        let outcome = self.check(row, now);
        let found = self.replace(place, None);
        let is_last = |kept: &Last| found.as_ref().is_some_and(|found| found.end >= kept.end);
        let is_bar = matches!(outcome, RowOutcome::Bar(..));
        let replaces = is_bar && kept.as_ref().is_some_and(is_last);
        self.replace(place, if replaces { found } else { kept });
        outcome
    }

    fn bar(&mut self, row: &RawRow, now: i64) -> Result<Option<(Bar, Notes)>, Refusal> {
        let Some(identity) = self.identity(row, now)? else {
            return Ok(None);
        };
        let Identity { symbol, end, .. } = identity;
        let fields = &row.fields;
        if row.superseded {
            let bar = self.named(end);
            let message = format!("a later row has {symbol} of {bar} too, and the last one counts");
            return Err(Refusal::new("Superseded", message));
        }
        let last = self.in_order(&identity)?;
        let close = number(fields.close.as_deref(), "close")?
            .ok_or_else(|| Refusal::new("MissingClose", "close is empty"))?;
        let adjusted = adjusted(row, last, close)?;
        let previous = last.and_then(|last| last.adjusted.row);
        let action = action(fields, previous, &adjusted)?;
        let range = self.range(fields, close)?;
        let bar = Bar {
            symbol: symbol.to_owned(),
            interval: self.grid.interval(),
            event_time: end,
            open: range.open,
            high: range.high,
            low: range.low,
            close,
            volume: number(fields.volume.as_deref(), "volume")?,
            split_factor: action.split_factor,
            dividend: action.dividend,
            ingested_at: now,
            provider: self.provider.to_string(),
            revision: 0,
        };
        bar.check(now)
            .map_err(|e| Refusal::new(e.reason(), e.to_string()))?;
        let notes = Notes {
            suspicion: self.accept(&bar, &identity, adjusted)?,
            clamped: range.clamped,
        };
        Ok(Some((bar, notes)))
    }

    /// Open, high and low.
    fn range(&self, fields: &Fields, close: f64) -> Result<Range, Refusal> {
        let price = |text: &Option<SmolStr>, name| number(text.as_deref(), name);
        let mut open = price(&fields.open, "open")?;
        let (mut high, mut low) = (price(&fields.high, "high")?, price(&fields.low, "low")?);
        if self.zero_open_is_missing {
            let is_zero = |price: Option<f64>| price == Some(0.0);
            // A suspended day has no range.
            if is_zero(high) && is_zero(low) {
                (high, low) = (None, None);
            }
            open = open.filter(|price| *price != 0.0);
        }
        let declared = (high, low);
        for price in [open, Some(close)].into_iter().flatten() {
            let near = |bound: f64| (price - bound).abs() <= bound.abs() * LAST_BITS;
            high = high.map(|high| if near(high) { high.max(price) } else { high });
            low = low.map(|low| if near(low) { low.min(price) } else { low });
        }
        Ok(Range {
            open,
            high,
            low,
            clamped: (high, low) != declared,
        })
    }

    /// The bar that a row is of; `None` when it is not part of this Pipeline.
    fn identity<'a>(&mut self, row: &'a RawRow, now: i64) -> Result<Option<Identity<'a>>, Refusal> {
        let fields = &row.fields;
        if *fields == Fields::default() {
            return Err(unreadable(row, self.utf8));
        }
        let symbol = fields
            .symbol
            .as_deref()
            .ok_or_else(|| Refusal::new("MissingSymbol", "symbol is empty"))?;
        let text = fields
            .date
            .as_ref()
            .ok_or_else(|| Refusal::new("MissingDate", "date is empty"))?;
        let place = self.located_again(text).ok_or_else(|| {
            let form = match self.grid.interval() {
                Interval::Session => "YYYY-MM-DD",
                _ => "YYYY-MM-DD with a time of day behind it",
            };
            let message = format!("date `{}` must be {form}", shown(text));
            Refusal::new("BadDate", message)
        })?;
        let end = self.check_place(&place, now)?;
        let date = place.date;
        let outside = self.from.is_some_and(|f| date < f) || self.to.is_some_and(|t| date > t);
        let declared = self.symbols.find(Some(symbol)).filter(|_| !outside);
        Ok(declared.map(|place| Identity {
            symbol,
            place,
            date,
            end,
        }))
    }

    /// A bar is of a session of the calendar, and one that has ended: its end.
    fn check_place(&self, place: &Place, now: i64) -> Result<i64, Refusal> {
        let calendar = self.calendar();
        let date = place.date;
        let is_session = self.grid.interval() == Interval::Session;
        let end = place.span.map_or(place.moment, |span| span.end);
        let is_ahead = end > now;
        let is_to_come = || match place.span.filter(|_| !is_session) {
            Some(span) => span.start > now,
            None => {
                let today = Timestamp::from_millisecond(now).unwrap_or(Timestamp::MAX);
                date > calendar.date_at(today, Offset::UTC)
            }
        };
        if is_ahead && is_to_come() {
            let message = match is_session {
                true => format!("session {date} ends after now"),
                false => format!("the bar until {} begins after now", moment(end)),
            };
            return Err(Refusal::new("InTheFuture", message));
        }
        if calendar.is_expired(date) {
            let exchange = calendar.exchange();
            let message = format!(
                "{date} is behind the end of the calendar {} ({}), and no override says what it is; a newer release knows \
                 more of it",
                exchange.name(),
                exchange.valid_through()
            );
            return Err(Refusal::new(CALENDAR_EXPIRED, message));
        }
        if is_off_session(calendar, date) {
            let calendar = calendar.name();
            let message = format!("{date} is no session of the calendar {calendar}");
            return Err(Refusal::new("OffSession", message));
        }
        if place.span.is_none() {
            return Err(self.off_grid(place));
        }
        if is_ahead {
            let what = match is_session {
                true => format!("session {date} has not ended; its bar is taken"),
                false => format!("the bar until {} has not ended; it is taken", moment(end)),
            };
            return Err(Refusal::new(UNFINISHED, format!("{what} once it has")));
        }
        Ok(end)
    }

    /// Why no bar of a session has a moment.
    fn off_grid(&self, place: &Place) -> Refusal {
        let (interval, written) = (self.grid.interval(), place.moment);
        match self.grid.bar_at(written) {
            Some(span) => {
                let (start, end) = (moment(span.start), moment(span.end));
                let message = format!(
                    "{} is neither the start nor the end of a bar of {interval}: it lies in that from {start} to {end}",
                    moment(written)
                );
                Refusal::new("OffGrid", message)
            }
            None => {
                let calendar = self.calendar();
                let (open, close) = (
                    moment(calendar.session_open(place.date)),
                    moment(calendar.session_end(place.date)),
                );
                let message = format!(
                    "{} lies outside of the session of {} from {open} to {close}, or in its break",
                    moment(written),
                    calendar.name()
                );
                Refusal::new("OffHours", message)
            }
        }
    }

    /// Takes a bar for the last one of its symbol, unless its move is held back.
    fn accept(
        &mut self,
        bar: &Bar,
        identity: &Identity<'_>,
        adjusted: Adjusted,
    ) -> Result<Option<Suspicion>, Refusal> {
        let (end, date) = (identity.end, identity.date);
        let Some(last) = self.symbols.get_mut(identity.place) else {
            return Ok(None);
        };
        let Some(last) = last else {
            let level = Level::new(bar, date);
            *last = Some(Last {
                end,
                adjusted,
                level,
            });
            return Ok(None);
        };
        let suspicion = match last.level.next(bar, date, &self.judge) {
            Move::Held(held) => return Err(Refusal::new(held.reason(), held.to_string())),
            Move::Told(told) => Some(told),
            Move::Usual => None,
        };
        (last.end, last.adjusted) = (end, adjusted);
        Ok(suspicion)
    }

    /// The symbol's last good row, when a bar comes after it.
    fn in_order(&self, bar: &Identity<'_>) -> Result<Option<&Last>, Refusal> {
        let Identity { symbol, end, .. } = *bar;
        match self.symbols.get(bar.place).and_then(Option::as_ref) {
            Some(last) if last.end == end => {
                let message = format!("{symbol} already has a bar of {}", self.named(end));
                Err(Refusal::new("Duplicate", message))
            }
            Some(last) if last.end > end => {
                let (bar, last) = (self.named(end), self.named(last.end));
                let message = format!("{symbol} of {bar} comes after its bar of {last}");
                Err(Refusal::new("OutOfOrder", message))
            }
            last => Ok(last),
        }
    }
}

/// A moment for a message: that behind the last millisecond of a bar is its end.
fn moment(ms: i64) -> String {
    let ms = ms + ms.rem_euclid(2);
    Timestamp::from_millisecond(ms).map_or_else(|_| ms.to_string(), |at| at.to_string())
}

fn is_utf8(csv: &CsvSource) -> bool {
    let encoding = csv.dialect.as_ref().and_then(|dialect| dialect.encoding);
    encoding == Some(CsvEncoding::Utf8)
}

/// Whether no session can have been on this day. Before 1960, every day may have had one.
pub fn is_off_session(calendar: &Calendar, date: Date) -> bool {
    date >= CALENDARS_FROM.max(calendar.valid_from()) && !calendar.is_session(date)
}

fn unreadable(row: &RawRow, utf8: bool) -> Refusal {
    let whole = row.original.len() as u64 == row.length;
    if utf8 && whole && std::str::from_utf8(&row.original).is_err() {
        let message = format!("`{}` is not UTF-8, which is declared", row.shown());
        return Refusal::new("NotUtf8", message);
    }
    let message = if row.length > LONGEST_ROW as u64 {
        format!(
            "`{}` has {} bytes, at most {LONGEST_ROW} are read",
            row.shown(),
            row.length
        )
    } else {
        format!("`{}` does not have the columns of the header", row.shown())
    };
    Refusal::new("Unreadable", message)
}

/// A date of the spec, `YYYY-MM-DD`.
///
/// # Errors
/// User error `BadDate` with the name of the field.
pub fn date_of(text: Option<&str>, field: &str) -> Result<Option<Date>, RoleError> {
    let Some(text) = text else { return Ok(None) };
    read_date(text).map(Some).ok_or_else(|| {
        RoleError::user(
            "BadDate",
            format!("{field} is `{text}`; it must be a date that exists, YYYY-MM-DD"),
        )
    })
}

/// `YYYY-MM-DD`, also with a time of day behind it. With a zone or a word behind it, it may be another date.
pub(crate) fn read_date(text: &str) -> Option<Date> {
    let (date, time) = text.split_at_checked(10)?;
    let divided = matches!(time.as_bytes().first(), None | Some(b' ' | b'T'));
    let plain = time
        .bytes()
        .skip(1)
        .all(|b| b.is_ascii_digit() || b == b':' || b == b'.');
    (divided && plain).then(|| iso(date).or_else(|| date.parse().ok()))?
}

fn number(text: Option<&str>, field: &'static str) -> Result<Option<f64>, Refusal> {
    let Some(text) = text else { return Ok(None) };
    let value = text.parse::<f64>();
    if let Ok(value) = value
        && value.is_finite()
    {
        return Ok(Some(value));
    }
    let is_nothing = |word: &&str| word.eq_ignore_ascii_case(text);
    if ["nan", "null", "na", "n/a"].iter().any(is_nothing) {
        return Ok(None);
    }
    let (reason, what) = match value {
        Ok(_) => ("NotFinite", "finite number"),
        Err(_) => ("NotANumber", "number"),
    };
    let message = format!("{field} `{}` is not a {what}", shown(text));
    Err(Refusal::new(reason, message))
}

/// What is known of a symbol's adjusted closes with this row: its own, or one from between those around it.
fn adjusted(row: &RawRow, last: Option<&Last>, close: f64) -> Result<Adjusted, Refusal> {
    let known = last.map(|last| last.adjusted.clone()).unwrap_or_default();
    if row.fields.adjusted_close.is_none() && row.next_adjusted.is_none() {
        return Ok(known);
    }
    let Adjusted {
        row: previous,
        mut rounding,
    } = known;
    let own = number(row.fields.adjusted_close.as_deref(), "adjusted close")?;
    let own = own.filter(|value| *value > 0.0);
    own.iter().for_each(|value| rounding.add(*value));
    let adjusted_half_unit = rounding.half_unit();
    let row_of = |close, adjusted| AdjustedRow {
        close,
        adjusted,
        adjusted_half_unit,
    };
    let filled = || {
        let (previous, next) = (previous?, row.next_adjusted.as_deref()?);
        let [next_close, next] = next.each_ref().map(|text| text.parse().ok());
        let next = row_of(next_close?, next?);
        let before = last?.level.close();
        let filled = corporate::fill(
            row_of(previous.close, previous.adjusted),
            before,
            close,
            next,
        );
        Some(row_of(close, filled))
    };
    let own = own.map(|own| row_of(close, own));
    Ok(Adjusted {
        row: own.or_else(filled).or(previous),
        rounding,
    })
}

/// From the source's own columns where it has them, otherwise from the adjusted close.
fn action(
    fields: &Fields,
    previous: Option<AdjustedRow>,
    adjusted: &Adjusted,
) -> Result<Action, Refusal> {
    if fields.split_factor.is_some() || fields.dividend.is_some() {
        // Vendors write 0 on a day without a split.
        let split_factor = number(fields.split_factor.as_deref(), "split factor")?
            .filter(|factor| *factor != 0.0)
            .unwrap_or(1.0);
        let dividend = number(fields.dividend.as_deref(), "dividend")?.unwrap_or(0.0);
        return Ok(Action {
            split_factor,
            dividend,
        });
    }
    let both = previous
        .zip(adjusted.row)
        .filter(|(p, c)| p.close > 0.0 && c.close > 0.0);
    Ok(both.map_or(Action::NONE, |(mut p, c)| {
        p.adjusted_half_unit = c.adjusted_half_unit;
        corporate::derive(p, c)
    }))
}

#[cfg(test)]
#[path = "checks_tests.rs"]
mod tests;

//! Other accounts, asked in order for what those before them cannot give. Pure: what is decided here is asked in `run`.
//!
//! An account that is not to be asked, or does not know a symbol, has its place taken at once. One that does not answer, or has
//! no bar, is given the time of a poll: most of what is late comes, and a bar from elsewhere would be revised then.

use super::account::Account;
use super::entry::{Entry, Own};
use super::quorum::{DIFFER, UNCONFIRMED};
use super::review::{Review, Why};
use super::timetable::Timetable;

/// Reasons that do not pass within the time of a poll.
const AT_ONCE: [&str; 10] = [
    "AccountForbidden",
    "AccountMissing",
    "AddressNotAllowed",
    "BadKey",
    "BadSymbol",
    "NotEntitled",
    "ProviderRefused",
    "QuotaExhausted",
    "SecretKeyMissing",
    "SecretUnreadable",
];

/// One of the other accounts.
#[derive(Debug)]
pub(crate) struct Fallback {
    pub account: Account,
    /// How many fallbacks are before it.
    place: u8,
    symbols: Vec<OfSymbol>,
}

/// One symbol, as a fallback knows it.
#[derive(Debug, Default)]
struct OfSymbol {
    own: Own,
    /// Since when those before it lack the newest bar.
    vacant: Option<i64>,
    /// Event time of the newest bar that it has brought.
    brought: Option<i64>,
}

/// Whose turn it is of each symbol: true where all accounts so far lack its newest bar for long enough.
pub(crate) struct Turns(Vec<bool>);

impl Turns {
    /// Before the first account.
    pub(crate) fn new(symbols: usize) -> Self {
        Self(vec![true; symbols])
    }
}

impl Fallback {
    /// The one of this name, behind so many others. Nothing is known of it yet.
    pub(crate) fn new(name: &str, place: usize, symbols: usize) -> Self {
        Self {
            account: Account::new(name),
            place: u8::try_from(place).unwrap_or(u8::MAX),
            symbols: (0..symbols).map(|_| OfSymbol::default()).collect(),
        }
    }

    /// A new connection.
    pub(crate) fn reopen(&mut self) {
        self.symbols
            .iter_mut()
            .for_each(|symbol| symbol.own.reopen());
    }

    /// Narrows the turns to the symbols whose newest bar the account before it lacks for long enough: the one of the provider
    /// (`first`), or another fallback (`before`).
    pub(crate) fn take_turns(
        &mut self,
        turns: &mut Turns,
        (first, before): (&Account, Option<&Self>),
        entries: &[Entry],
        (timetable, now): (&Timetable, i64),
    ) {
        let stop = before.map_or(first, |before| &before.account).stop(now);
        let stop = stop.map(|(stopped, _)| &*stopped.error.reason);
        let newest = timetable.newest_expected(now);
        let symbols = self.symbols.iter_mut().zip(entries).zip(&mut turns.0);
        for (index, ((symbol, entry), turn)) in symbols.enumerate() {
            let lack = match before {
                None => entry.lack.as_ref().map(|(reason, _)| &**reason),
                Some(before) => before.symbols.get(index).and_then(|known| known.own.lack()),
            };
            // A bar that differs from that of another account, or waits for it, is there.
            let is_held = lack.is_some_and(|lack| [DIFFER, UNCONFIRMED].contains(&lack));
            let is_held = is_held && entry.attempted >= newest;
            let is_missing = *turn && !is_held && entry.misses_newest(timetable, now);
            let mut reasons = stop.into_iter().chain(lack).peekable();
            if !is_missing || reasons.peek().is_none() {
                (symbol.vacant, *turn) = (None, false);
                continue;
            }
            let since = *symbol.vacant.get_or_insert(now);
            let is_long = now.saturating_sub(since) >= timetable.poll();
            *turn = is_long || reasons.any(|reason| AT_ONCE.contains(&reason));
        }
    }

    /// The symbols that it is to be asked for now.
    pub(crate) fn due(&self, turns: &Turns, timetable: &Timetable, now: i64) -> Vec<usize> {
        let is_stopped = self.account.stop(now).is_some();
        let symbols = self.symbols.iter().zip(&turns.0).enumerate();
        let due = symbols.filter(|(_, (symbol, turn))| {
            let is_free = symbol.own.free_at(timetable.poll()) <= Some(now);
            **turn && is_free && !is_stopped
        });
        due.map(|(index, _)| index).collect()
    }

    /// The sessions without a bar that are left to it and may be asked for now, with the index of their symbol.
    pub(crate) fn left(
        &self,
        entries: &[Entry],
        timetable: &Timetable,
        now: i64,
    ) -> Vec<(usize, Review)> {
        let is_stopped = self.account.stop(now).is_some();
        let symbols = self.symbols.iter().zip(entries).enumerate();
        let left = symbols.filter_map(|(index, (symbol, entry))| {
            let (from, mark) = entry.gaps.left_to(self.place).zip(entry.mark)?;
            let is_free = symbol.own.free_for_review_at() <= Some(now) && !is_stopped;
            let (why, to) = (Why::Left(self.place), timetable.session(mark));
            is_free.then_some((index, Review { why, from, to }))
        });
        left.collect()
    }

    /// When it is to be looked at again, once it was asked for what was due.
    pub(crate) fn next_time(
        &self,
        turns: &Turns,
        entries: &[Entry],
        (timetable, now): (&Timetable, i64),
    ) -> Option<i64> {
        let poll = timetable.poll();
        let stopped_until = self.account.stop(now).map(|(_, until)| *until);
        let symbols = self.symbols.iter().zip(entries).zip(&turns.0);
        let times = symbols.flat_map(|((symbol, entry), turn)| {
            let free = symbol.own.free_at(poll).max(stopped_until).max(Some(now));
            let waits = symbol.vacant.map(|since| since.saturating_add(poll));
            let is_missing = entry.misses_newest(timetable, now);
            let bar = if *turn { free } else { waits };
            let bar = bar.filter(|_| is_missing);
            let review = symbol.own.free_for_review_at().max(stopped_until);
            let review = review.max(Some(now));
            let gap = review.filter(|_| entry.gaps.left_to(self.place).is_some());
            bar.into_iter().chain(gap)
        });
        times.min()
    }

    /// What it knows of a symbol.
    pub(crate) fn own(&mut self, index: usize) -> Option<&mut Own> {
        self.symbols.get_mut(index).map(|symbol| &mut symbol.own)
    }

    /// It has brought the bar of this event time, the newest one of a symbol.
    pub(crate) fn brought(&mut self, index: usize, mark: Option<i64>) {
        if let Some(symbol) = self.symbols.get_mut(index) {
            symbol.brought = mark;
        }
    }

    /// Symbols whose newest bar it has brought.
    pub(crate) fn standing_in(&self, entries: &[Entry]) -> usize {
        let symbols = self.symbols.iter().zip(entries);
        let own = symbols
            .filter(|(symbol, entry)| symbol.brought.is_some() && symbol.brought == entry.mark);
        own.count()
    }
}

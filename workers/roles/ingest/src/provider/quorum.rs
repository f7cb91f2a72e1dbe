//! A second account that confirms bars: a bar of which both have the same close is sent, one of which they differ goes to the
//! quarantine with both. Pure: what is decided here is asked in `run`.
//!
//! A bar that the second account does not have is given the time of a poll, and is sent then: a provider that is down must not
//! keep a forecast from being made for a day.

use std::collections::BTreeMap;

use foresail_crds::pipeline::status::QuorumState;
use foresail_crds::records::Refusal;
use foresail_providers::request::Provider;
use foresail_providers::verdict::Basis;
use foresail_providers::{Request, Row, Series, traded};
use jiff::civil::Date;

use super::account::Account;
use super::entry::{Entry, Own};
use super::review::{Review, Why};
use super::timetable::Timetable;
use super::wanted::{self, OVERLAP, Source};

/// Reason of a bar of which two accounts differ.
pub(crate) const DIFFER: &str = "SourcesDiffer";
/// Reason of a bar that waits for the second account.
pub(crate) const UNCONFIRMED: &str = "Unconfirmed";

/// The second account.
#[derive(Debug)]
pub(crate) struct Quorum {
    pub account: Account,
    tolerance: f64,
    symbols: Vec<OfSymbol>,
    /// Bars since the process began: those that it has confirmed, and those that were sent without.
    confirmed: u64,
    unconfirmed: u64,
}

/// One symbol, as the second account knows it.
#[derive(Debug, Default)]
struct OfSymbol {
    own: Own,
    /// Since when bars wait for it.
    since: Option<i64>,
    /// Sessions of which both have another close, with the two.
    differing: BTreeMap<Date, [f64; 2]>,
}

/// What the second account says of a symbol.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Said {
    /// Closes as they were traded.
    Closes(BTreeMap<Date, f64>),
    /// It will not have it: it does not know the symbol, or does not sell it.
    Never,
    /// It could not be asked, or did not answer.
    Nothing,
}

/// What becomes of a row.
enum Opinion {
    Same,
    Differs(f64),
    /// It has no bar of the session, and will not.
    None,
    /// It may have one later.
    NotYet,
}

impl Said {
    fn of(&self, row: &Row, tolerance: f64) -> Opinion {
        let closes = match self {
            Self::Closes(closes) => closes,
            Self::Never => return Opinion::None,
            Self::Nothing => return Opinion::NotYet,
        };
        match closes.get(&row.date) {
            Some(other) if agree(row.close, *other, tolerance) => Opinion::Same,
            Some(other) => Opinion::Differs(*other),
            // Between others, or further back than it reaches.
            None if closes.keys().next_back() > Some(&row.date) => Opinion::None,
            None => Opinion::NotYet,
        }
    }
}

/// Whether two closes are the same within a part of the larger one.
fn agree(a: f64, b: f64, tolerance: f64) -> bool {
    (a - b).abs() <= a.abs().max(b.abs()) * tolerance
}

/// The next request to the second account about a symbol at `now`, milliseconds UTC; `None` when its closes are there. Where prices
/// are as they were traded, neither splits nor dividends are asked for.
pub(crate) fn request(
    entry: &Entry,
    source: &Source,
    timetable: &Timetable,
    now: i64,
) -> Option<Request> {
    let is_whole = source.provider == Provider::AlphaVantage && entry.parts.series.is_some();
    wanted::request(entry, source, timetable, now).filter(|_| !is_whole)
}

/// The closes of a series as they were traded.
pub(crate) fn closes(mut series: Series, today: Date) -> BTreeMap<Date, f64> {
    if series.basis == Basis::SplitAdjusted {
        let mut happened = series.splits.items;
        happened.retain(|split| split.date <= today);
        traded::undo_splits(&mut series.rows, &happened);
    }
    let rows = series.rows.iter().filter(|row| row.is_final);
    rows.map(|row| (row.date, row.close)).collect()
}

impl Quorum {
    /// The account of this name, which agrees with another within a part of the close.
    pub(crate) fn new(name: &str, tolerance: f64, symbols: usize) -> Self {
        Self {
            account: Account::new(name),
            tolerance,
            symbols: (0..symbols).map(|_| OfSymbol::default()).collect(),
            confirmed: 0,
            unconfirmed: 0,
        }
    }

    /// A new connection: what was refused may have been lost with its transaction.
    pub(crate) fn reopen(&mut self) {
        for symbol in &mut self.symbols {
            symbol.own.reopen();
            symbol.differing.clear();
        }
    }

    /// What it knows of a symbol.
    pub(crate) fn own(&mut self, index: usize) -> Option<&mut Own> {
        self.symbols.get_mut(index).map(|symbol| &mut symbol.own)
    }

    /// What is told of it.
    pub(crate) fn state(&self) -> QuorumState {
        let differing: usize = self.symbols.iter().map(|s| s.differing.len()).sum();
        QuorumState {
            confirmed: self.confirmed,
            unconfirmed: self.unconfirmed,
            differing: u64::try_from(differing).unwrap_or(u64::MAX),
        }
    }

    /// Takes out of what is ready of a symbol the rows that the second account does not confirm, and gives back those that are
    /// to be refused. `from` is the account that they are from.
    pub(crate) fn judge(
        &mut self,
        index: usize,
        (entry, from): (&mut Entry, &str),
        said: &Said,
        (timetable, now): (&Timetable, i64),
    ) -> Vec<(Row, Refusal)> {
        let Some(symbol) = self.symbols.get_mut(index) else {
            return Vec::new();
        };
        let pause = timetable.poll();
        let is_long = symbol
            .since
            .is_some_and(|since| now.saturating_sub(since) >= pause);
        let (mut refused, mut waits) = (Vec::new(), false);
        let mut newest = None;
        for row in std::mem::take(&mut entry.ready) {
            if !entry.would_send(&row, timetable) {
                entry.ready.push(row);
                continue;
            }
            match said.of(&row, self.tolerance) {
                Opinion::Same => self.confirmed += 1,
                Opinion::None => self.unconfirmed += 1,
                Opinion::NotYet if is_long => self.unconfirmed += 1,
                Opinion::NotYet => {
                    waits = true;
                    continue;
                }
                Opinion::Differs(other) => {
                    let message = differ(entry, (&row, from), (other, &self.account.name));
                    let both = [row.close, other];
                    if symbol.differing.insert(row.date, both) != Some(both) {
                        refused.push((row, Refusal::new(DIFFER, message.clone())));
                    }
                    newest = Some((row.date, message));
                    continue;
                }
            }
            symbol.differing.remove(&row.date);
            entry.ready.push(row);
        }
        symbol.since = waits.then(|| symbol.since.unwrap_or(now));
        if waits {
            // Nothing is there yet of one that was never sent.
            entry.is_begun &= entry.mark.is_some();
            let name = &self.account.name;
            let message = format!(
                "ProviderAccount {name} does not have it; it is sent when that has lasted for source.provider.poll"
            );
            entry.lacks(UNCONFIRMED, message);
        } else if let Some((date, message)) = newest
            && entry.ready.last().is_none_or(|row| row.date < date)
        {
            entry.lacks(DIFFER, message);
            // Both will hardly have changed before they have another bar.
            entry.rest_until(timetable.next_expected(now));
        }
        refused
    }

    /// Leaves out of what is ready of a symbol, from the second account itself, the sessions of which it differs from another.
    pub(crate) fn leave_out(&mut self, index: usize, entry: &mut Entry, timetable: &Timetable) {
        let Some(symbol) = self.symbols.get(index) else {
            return;
        };
        entry
            .ready
            .retain(|row| !symbol.differing.contains_key(&row.date));
        let ready = std::mem::take(&mut entry.ready);
        let sent = ready.iter().filter(|row| entry.would_send(row, timetable));
        self.unconfirmed += sent.count() as u64;
        entry.ready = ready;
    }
}

/// What is asked again of the second account to confirm the rows that are ready: `Some` when there are any, with a review when
/// they are older than what it is asked for with each bar.
pub(crate) fn needed(entry: &Entry, timetable: &Timetable) -> Option<Option<Review>> {
    let mut ready = entry.ready.iter();
    let first = ready.find(|row| entry.would_send(row, timetable))?.date;
    let to = entry.ready.last()?.date;
    let overlap = timetable.recheck().max(OVERLAP);
    let known = entry.mark.map(|mark| timetable.session(mark));
    let is_old = known.is_some_and(|newest| first < timetable.back(newest, overlap));
    let review = Review {
        why: Why::Turn,
        from: first,
        to,
    };
    Some(is_old.then_some(review))
}

fn differ(entry: &Entry, (row, from): (&Row, &str), (other, second): (f64, &str)) -> String {
    let (symbol, date, close) = (&entry.symbol, row.date, row.close);
    let percent = (close / other - 1.0).abs() * 100.0;
    format!(
        "{symbol} of {date}: close {close} by account {from} and {other} by account {second}, {percent:.2} % apart; it is sent when they \
         agree"
    )
}

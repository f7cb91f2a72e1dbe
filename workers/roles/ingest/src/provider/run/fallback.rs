//! Asks other accounts for what those before them cannot give. Which, of whom and when is decided in `provider::fallback`.

use std::sync::Arc;

use foresail_crds::pipeline::status::AccountState;
use foresail_crds::secret::OTHER_PROVIDERS;
use foresail_runtime_base::{RoleError, clock};
use foresail_runtime_cluster::Api;
use foresail_runtime_providers::Stopped;

use super::{Context, Live, Others, open_account, quorum};
use crate::provider::entry::Entry;
use crate::provider::fallback::{Fallback, Turns};
use crate::provider::review::Review;
use crate::provider::round;

/// Symbols of which gaps are asked for at the same time.
const FILLED_TOGETHER: usize = 4;

impl Others {
    /// The other accounts that the source names. One that is named twice is one: it is what it has seen of its ledger.
    ///
    /// # Errors
    /// Those of the configuration.
    pub(super) fn open(api: &Api, context: &Context) -> Result<Self, RoleError> {
        let config = &context.config;
        let mut opened = Vec::new();
        for (other, system) in config.other_accounts.iter().zip(OTHER_PROVIDERS) {
            let provider = open_account((&other.name, &other.spec), system, api, context)?;
            opened.push((other.name.clone(), Arc::new(provider)));
        }
        // Those that stand in come first.
        let stand_in = opened.iter().take(config.source.fallback.len());
        let symbols = config.symbols().len();
        let fallbacks = stand_in.enumerate().map(|(place, (name, provider))| {
            let fallback = Fallback::new(name, place, symbols);
            (Arc::clone(provider), fallback)
        });
        Ok(Self {
            fallbacks: fallbacks.collect(),
            quorum: quorum::open(config, &opened),
        })
    }

    /// A new connection.
    pub(super) fn reopen(&mut self) {
        self.fallbacks
            .iter_mut()
            .for_each(|(_, other)| other.reopen());
        if let Some((_, quorum)) = &mut self.quorum {
            quorum.reopen();
        }
    }
}

impl Live<'_> {
    /// Asks each fallback for the newest bars that all accounts before it lack.
    pub(super) async fn fall_back(&mut self, now: i64) -> Result<(), RoleError> {
        let mut turns = Turns::new(self.entries.len());
        self.fallback_next = None;
        for place in 0..self.fallbacks.len() {
            let due = self.due_of(place, &mut turns, now);
            if !due.is_empty() {
                let reviews = due.into_iter().map(|index| (index, None));
                self.ask_fallback(place, reviews.collect(), now).await?;
            }
            let next = self.fallbacks.get(place).and_then(|(_, other)| {
                other.next_time(&turns, self.entries, (self.timetable, now))
            });
            self.fallback_next = self.fallback_next.into_iter().chain(next).min();
        }
        Ok(())
    }

    fn due_of(&mut self, place: usize, turns: &mut Turns, now: i64) -> Vec<usize> {
        let (before, rest) = self.fallbacks.split_at_mut(place);
        let Some((_, other)) = rest.first_mut() else {
            return Vec::new();
        };
        let before = (&self.account, before.last().map(|(_, before)| before));
        other.take_turns(turns, before, self.entries, (self.timetable, now));
        other.due(turns, self.timetable, now)
    }

    /// Asks each fallback for the sessions that nobody before it had a bar of. `stopped` is what keeps the first account from
    /// being asked.
    pub(super) async fn fill_gaps(&mut self, stopped: Option<&Stopped>) -> Result<(), RoleError> {
        let now = clock::now_ms();
        for place in 0..self.fallbacks.len() {
            let left = self.fallbacks.get(place);
            let left = left.map(|(_, other)| other.left(self.entries, self.timetable, now));
            let mut left = left.unwrap_or_default();
            left.truncate(FILLED_TOGETHER);
            if left.is_empty() {
                continue;
            }
            let reviews = left
                .into_iter()
                .map(|(index, review)| (index, Some(review)));
            self.ask_fallback(place, reviews.collect(), now).await?;
            self.publish(stopped, clock::now_ms());
        }
        Ok(())
    }

    /// Asks one of them for symbols: for their newest bars, or for what is to be read again. Sends what fills something.
    async fn ask_fallback(
        &mut self,
        place: usize,
        asked: Vec<(usize, Option<Review>)>,
        now: i64,
    ) -> Result<(), RoleError> {
        let due = self.lend(place, asked);
        let Some((provider, other)) = self.fallbacks.get_mut(place) else {
            return Ok(());
        };
        let (answered, outcome) = round::ask_all(due, provider, self.timetable, now).await;
        let stopped = outcome.stopped.as_ref();
        other.account.was_asked(stopped, self.timetable.poll(), now);
        other.account.answers += outcome.answers;
        let (name, from) = (provider.kind().name(), other.account.name.clone());
        let (mut indices, mut marks, mut unknown) = (Vec::new(), Vec::new(), Vec::new());
        for mut asked in answered {
            asked.entry.fill_only(self.timetable);
            asked.entry.postpone(now);
            indices.push(asked.place);
            marks.push(asked.entry.mark);
            unknown.extend(asked.unknown.into_iter().map(|text| (asked.place, text)));
            self.put_back([(asked.place, asked.entry)]);
        }
        self.state.answers += outcome.answers;
        self.state.entries_without_bar += outcome.without_bar;
        let before = self.progress.rows_sent();
        self.progress.set_provider(name);
        let refused = self.confirm(&indices, &from, now).await;
        let result = self.send(unknown, refused).await;
        self.progress.set_provider(self.provider.kind().name());
        if let Some((_, other)) = self.fallbacks.get_mut(place) {
            other.account.bars += self.progress.rows_sent().saturating_sub(before);
        }
        self.take_back(place, indices.into_iter().zip(marks));
        result
    }

    /// Takes symbols out of their places, with what a fallback knows of them in place of what the first account does.
    fn lend(&mut self, place: usize, asked: Vec<(usize, Option<Review>)>) -> Vec<(usize, Entry)> {
        let mut due = Vec::new();
        let Some((_, other)) = self.fallbacks.get_mut(place) else {
            return due;
        };
        for (index, review) in asked {
            if let Some((entry, own)) = self.entries.get_mut(index).zip(other.own(index)) {
                entry.exchange(own);
                if let Some(review) = review {
                    entry.begin(review);
                }
                let empty = Entry::new(entry.symbol.clone());
                due.push((index, std::mem::replace(entry, empty)));
            }
        }
        due
    }

    /// Puts what the first account knows of symbols back. Each comes with its newest bar before the fallback was asked.
    fn take_back(&mut self, place: usize, lent: impl Iterator<Item = (usize, Option<i64>)>) {
        let Some((_, other)) = self.fallbacks.get_mut(place) else {
            return;
        };
        for (index, mark) in lent {
            let Some(entry) = self.entries.get_mut(index) else {
                continue;
            };
            if entry.mark > mark {
                other.brought(index, entry.mark);
            }
            if let Some(own) = other.own(index) {
                entry.exchange(own);
            }
        }
    }

    /// Every newest bar is there, some of them from a fallback.
    pub(super) fn stands_in(&self) -> bool {
        let now = clock::now_ms();
        let misses = |entry: &Entry| entry.misses_newest(self.timetable, now);
        !self.fallbacks.is_empty() && !self.entries.iter().any(misses)
    }

    /// When to look again because of a fallback: also when a bar is due of an account that cannot be asked.
    pub(super) fn fallback_wake(&self, now: i64) -> i64 {
        if self.fallbacks.is_empty() {
            return i64::MAX;
        }
        let due = self.timetable.next_expected(now);
        self.fallback_next
            .into_iter()
            .chain(due)
            .min()
            .unwrap_or(i64::MAX)
    }

    /// What came from each of several accounts.
    pub(super) fn account_states(&self) -> Vec<AccountState> {
        let others = self.fallbacks.iter();
        let others = others.map(|(_, other)| other.account.state(other.standing_in(self.entries)));
        let first = std::iter::once(self.account.state(0));
        let mut all: Vec<AccountState> = first.chain(others).collect();
        if let Some((_, quorum)) = self.quorum.as_deref() {
            let confirms = quorum.account.state(0);
            match all.iter_mut().find(|s| s.account == confirms.account) {
                Some(state) => state.answers += confirms.answers,
                None => all.push(confirms),
            }
        }
        // Of one account alone the rest of the status tells.
        if all.len() > 1 { all } else { Vec::new() }
    }
}

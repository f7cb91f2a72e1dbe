//! Before anything is asked: how many requests a day the Pipelines of an account need, and the smallest change that fits.

use std::fmt;
use std::time::Duration;

use thiserror::Error;

use crate::Limits;

/// What one Pipeline asks while all goes well. History is not counted: it is read with what is left.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Load {
    /// `namespace/name`.
    pub pipeline: String,
    /// Symbols.
    pub symbols: Vec<String>,
    /// Length of a bar, as the Pipeline names it.
    pub interval: String,
    /// How often each symbol is asked for while a session is open; once a session when it is as long as one.
    pub poll: Duration,
    /// Time from the first to the last poll of a day: the longest session of the calendar. Zero for one poll after it.
    pub open: Duration,
    /// Requests per symbol and poll: the functions that bring bars.
    pub per_poll: u32,
    /// Requests per symbol and session besides: splits, dividends.
    pub per_session: u32,
}

/// Live requests of a day: symbols times (polls of a session times functions, and what is asked once).
pub fn requests_per_day(load: &Load) -> u32 {
    Size::of(load).per_day()
}

/// A change of what is declared.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// These Pipelines take the bars of another one that reads the same symbols, by `source.pipelineRef`.
    PipelineRef {
        /// Pipelines to change, each with the one to refer to.
        pipelines: Vec<(String, String)>,
    },
    /// One Pipeline polls less often.
    LongerPoll {
        /// Pipeline.
        pipeline: String,
        /// Its new poll, whole minutes.
        poll: Duration,
    },
    /// Every Pipeline polls less often.
    LongerPolls {
        /// Each poll is to be so many times as long.
        factor: u32,
    },
    /// Fewer symbols.
    FewerSymbols {
        /// Pipelines to change, each with how many symbols to leave out and how many it has.
        pipelines: Vec<(String, u32, u32)>,
    },
    /// No change of the Pipelines fits: one symbol each is too much.
    LargerAccount,
}

/// The account cannot carry its Pipelines.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub struct Infeasible {
    /// Requests that the Pipelines need: a day, or a minute when `per_minute`.
    pub needed: u32,
    /// Requests that the account allows in that time.
    pub limit: u32,
    /// It is the minute that does not suffice.
    pub per_minute: bool,
    /// Changes each of which fits on its own, the smallest first. Never empty.
    pub changes: Vec<Change>,
}

/// Whether the account can carry these Pipelines.
///
/// # Errors
/// [`Infeasible`] with the changes that fit.
pub fn feasible(loads: &[Load], limits: &Limits) -> Result<(), Infeasible> {
    let sizes: Vec<Size> = loads.iter().map(Size::of).collect();
    let day = limits.per_day.map(std::num::NonZeroU32::get);
    let (needed, limit, per_minute) = match day.filter(|limit| per_day(&sizes) > *limit) {
        Some(limit) => (per_day(&sizes), limit, false),
        None if per_minute(&sizes) > minute(limits) => (per_minute(&sizes), minute(limits), true),
        None => return Ok(()),
    };
    let search = Search {
        loads,
        sizes,
        limits,
    };
    // What loses nothing first, then what is only later, then what is missing.
    let changes = [
        search.pipeline_ref(),
        search.longer_poll(),
        search.longer_polls(),
        search.fewer_symbols_of_one(),
        search.fewer_symbols(),
    ];
    let mut changes: Vec<Change> = changes.into_iter().flatten().collect();
    changes.dedup();
    if changes.is_empty() {
        changes.push(Change::LargerAccount);
    }
    Err(Infeasible {
        needed,
        limit,
        per_minute,
        changes,
    })
}

/// A load in numbers.
#[derive(Clone, Copy, Debug)]
struct Size {
    symbols: u32,
    poll: Duration,
    open: Duration,
    per_poll: u32,
    per_session: u32,
}

impl Size {
    fn of(load: &Load) -> Self {
        Self {
            symbols: u32::try_from(load.symbols.len()).unwrap_or(u32::MAX),
            poll: load.poll.max(Duration::from_secs(1)),
            open: load.open,
            per_poll: load.per_poll,
            per_session: load.per_session,
        }
    }

    fn polls(&self) -> u32 {
        let polls = self.open.as_millis().div_ceil(self.poll.as_millis().max(1));
        u32::try_from(polls).unwrap_or(u32::MAX).max(1)
    }

    fn per_symbol(&self) -> u32 {
        self.per_poll
            .saturating_mul(self.polls())
            .saturating_add(self.per_session)
    }

    fn per_day(&self) -> u32 {
        self.symbols.saturating_mul(self.per_symbol())
    }

    /// Requests a minute while the session is open; none to speak of for one poll a session.
    fn per_minute(&self) -> f64 {
        if self.polls() == 1 {
            return 0.0;
        }
        f64::from(self.symbols.saturating_mul(self.per_poll)) * 60.0 / self.poll.as_secs_f64()
    }
}

fn per_day(sizes: &[Size]) -> u32 {
    sizes
        .iter()
        .fold(0, |sum, size| sum.saturating_add(size.per_day()))
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a rate is positive, and a cast saturates"
)]
fn per_minute(sizes: &[Size]) -> u32 {
    sizes.iter().map(Size::per_minute).sum::<f64>().ceil() as u32
}

/// Requests that live can have in a minute: one grant every 3.5 s, the gap between two and one turn.
fn minute(limits: &Limits) -> u32 {
    let paced = limits.per_grant().get().saturating_mul(60 * 2 / 7);
    limits
        .per_minute
        .map_or(paced, |limit| limit.get().min(paced))
}

/// The search for changes that fit.
struct Search<'a> {
    loads: &'a [Load],
    sizes: Vec<Size>,
    limits: &'a Limits,
}

impl Search<'_> {
    fn fits(&self, sizes: &[Size]) -> bool {
        let day = self
            .limits
            .per_day
            .is_none_or(|limit| per_day(sizes) <= limit.get());
        day && per_minute(sizes) <= minute(self.limits)
    }

    /// The sizes with one of them changed.
    fn with(&self, index: usize, change: impl FnOnce(&mut Size)) -> Vec<Size> {
        let mut sizes = self.sizes.clone();
        if let Some(size) = sizes.get_mut(index) {
            change(size);
        }
        sizes
    }

    /// As few Pipelines as suffice, those that save the most first. Nobody refers to a Pipeline that refers itself.
    fn pipeline_ref(&self) -> Option<Change> {
        let mut order: Vec<usize> = (0..self.loads.len()).collect();
        order.sort_by_key(|index| std::cmp::Reverse(self.sizes.get(*index).map(Size::per_day)));
        let (mut sizes, mut pipelines) = (self.sizes.clone(), Vec::<(String, String)>::new());
        for index in order {
            let load = self.loads.get(index)?;
            let refers = |name: &str| pipelines.iter().any(|(from, _)| from == name);
            let is_source = pipelines.iter().any(|(_, to)| *to == load.pipeline);
            let source = self
                .loads
                .iter()
                .find(|other| other.can_serve(load) && !refers(&other.pipeline));
            let Some(source) = source.filter(|_| !is_source) else {
                continue;
            };
            pipelines.push((load.pipeline.clone(), source.pipeline.clone()));
            if let Some(size) = sizes.get_mut(index) {
                size.symbols = 0;
            }
            if self.fits(&sizes) {
                return Some(Change::PipelineRef { pipelines });
            }
        }
        None
    }

    /// The one Pipeline whose poll grows by the smallest factor.
    fn longer_poll(&self) -> Option<Change> {
        let one = |(index, size): (usize, &Size)| {
            let polls = (1..size.polls()).rev();
            let poll = polls.map(|polls| whole_minutes(size.open / polls));
            let poll =
                { poll }.find(|poll| self.fits(&self.with(index, |size| size.poll = *poll)))?;
            Some((poll.as_secs_f64() / size.poll.as_secs_f64(), index, poll))
        };
        let best = self.sizes.iter().enumerate().filter_map(one);
        let (_, index, poll) = best.min_by(|a, b| a.0.total_cmp(&b.0))?;
        let pipeline = self.loads.get(index)?.pipeline.clone();
        Some(Change::LongerPoll { pipeline, poll })
    }

    /// The smallest factor for all, when there are several.
    fn longer_polls(&self) -> Option<Change> {
        let most = self
            .sizes
            .iter()
            .map(Size::polls)
            .max()
            .filter(|_| self.sizes.len() > 1)?;
        let longer = |factor: u32| -> Vec<Size> {
            let longer = |size: &Size| Size {
                poll: size.poll.saturating_mul(factor),
                ..*size
            };
            self.sizes.iter().map(longer).collect()
        };
        let factor = (2..=most).find(|factor| self.fits(&longer(*factor)))?;
        Some(Change::LongerPolls { factor })
    }

    /// The one Pipeline that has to leave out the fewest symbols; one stays.
    fn fewer_symbols_of_one(&self) -> Option<Change> {
        let one = |(index, size): (usize, &Size)| {
            let out = (1..size.symbols)
                .find(|out| self.fits(&self.with(index, |size| size.symbols -= out)))?;
            Some((out, size.symbols, index))
        };
        let (out, of, index) = self.sizes.iter().enumerate().filter_map(one).min()?;
        let pipeline = self.loads.get(index)?.pipeline.clone();
        Some(Change::FewerSymbols {
            pipelines: vec![(pipeline, out, of)],
        })
    }

    /// One symbol after the other, from the Pipeline that has the most left; one stays in each.
    fn fewer_symbols(&self) -> Option<Change> {
        let mut sizes = self.sizes.clone();
        while !self.fits(&sizes) {
            let several = sizes.iter_mut().filter(|size| size.symbols > 1);
            several.max_by_key(|size| size.per_day())?.symbols -= 1;
        }
        let all = self.loads.iter().zip(&self.sizes).zip(&sizes);
        let out = all.map(|((load, before), after)| {
            (
                load.pipeline.clone(),
                before.symbols - after.symbols,
                before.symbols,
            )
        });
        Some(Change::FewerSymbols {
            pipelines: out.filter(|(_, out, _)| *out > 0).collect(),
        })
    }
}

impl Load {
    /// Whether this Pipeline reads all that `other` reads, as often.
    fn can_serve(&self, other: &Self) -> bool {
        self.pipeline != other.pipeline
            && self.interval == other.interval
            && self.poll <= other.poll
            && other
                .symbols
                .iter()
                .all(|symbol| self.symbols.contains(symbol))
    }
}

fn whole_minutes(time: Duration) -> Duration {
    Duration::from_secs(
        time.as_millis()
            .div_ceil(60_000)
            .try_into()
            .unwrap_or(u64::MAX / 60)
            * 60,
    )
}

impl fmt::Display for Infeasible {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let time = if self.per_minute { "minute" } else { "day" };
        let (needed, limit) = (self.needed, self.limit);
        write!(
            f,
            "the Pipelines of this account need {needed} requests a {time} and it allows {limit}"
        )?;
        let mut join = ". The smallest change that fits: ";
        for change in &self.changes {
            write!(f, "{join}{change}")?;
            join = "; or ";
        }
        Ok(())
    }
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let list = |parts: Vec<String>| parts.join(", ");
        match self {
            Self::PipelineRef { pipelines } => {
                let part = |(from, to): &(String, String)| format!("`{to}` in {from}");
                let parts = list(pipelines.iter().map(part).collect());
                write!(
                    f,
                    "set source.pipelineRef, which reads the same symbols once, to {parts}"
                )
            }
            Self::LongerPoll { pipeline, poll } => {
                write!(f, "poll every {} min in {pipeline}", poll.as_secs() / 60)
            }
            Self::LongerPolls { factor } => write!(f, "make every poll {factor} times as long"),
            Self::FewerSymbols { pipelines } => {
                let part =
                    |(name, out, of): &(String, u32, u32)| format!("{out} of {of} in {name}");
                let parts = list(pipelines.iter().map(part).collect());
                write!(f, "leave out symbols: {parts}")
            }
            Self::LargerAccount => f.write_str("an account with larger limits, or fewer Pipelines"),
        }
    }
}

#[cfg(test)]
mod tests;

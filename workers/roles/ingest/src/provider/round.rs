//! Asks for every symbol that is due, several at a time: they share the requests of a grant.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use foresail_providers::{Answer, Verdict};
use foresail_quota::Purpose;
use foresail_runtime_providers::{Provider, Stopped};
use futures::{StreamExt, stream};

use super::entry::{Entry, Step};
use super::timetable::Timetable;
use super::traded;
use super::wanted::{self, Source};

/// Symbols that are asked for at the same time.
pub(crate) const TOGETHER: usize = 8;
/// Most requests about one symbol in a round.
pub(crate) const MOST_REQUESTS: usize = 64;
/// Rows that a round holds before it ends, and its longest time: what came is sent, and the rest is asked for then.
const MOST_ROWS: usize = 400_000;
const LONGEST: Duration = Duration::from_secs(60);

/// What came of a round, beside what the entries know.
#[derive(Debug, Default)]
pub(crate) struct Outcome {
    /// Answers received.
    pub answers: u64,
    /// Entries of answers that hold no bar.
    pub without_bar: u64,
    /// Answers of no known kind that were not seen before, with the index of their symbol.
    pub unknown: Vec<(usize, String)>,
    /// Why nothing more could be asked.
    pub stopped: Option<Stopped>,
    /// Why answers brought nothing, of the last symbol that it happened to.
    pub failed: Option<Stopped>,
}

/// A round on its way.
struct Round<'a> {
    provider: &'a Provider,
    source: Source,
    timetable: &'a Timetable,
    now: i64,
    began: Instant,
    held: AtomicUsize,
    is_stopped: AtomicBool,
    outcome: Mutex<Outcome>,
}

/// Asks for these symbols at `now`, milliseconds UTC, and gives them back in the same order. Those that the round did not come
/// to are as they were.
pub(crate) async fn ask(
    entries: Vec<Entry>,
    provider: &Provider,
    timetable: &Timetable,
    now: i64,
) -> (Vec<Entry>, Outcome) {
    let level = match provider.level().await {
        Ok(level) => level,
        Err(stopped) => {
            let outcome = Outcome {
                stopped: Some(stopped),
                ..Outcome::default()
            };
            return (entries, outcome);
        }
    };
    let round = Round {
        provider,
        source: Source {
            provider: provider.kind(),
            level,
        },
        timetable,
        now,
        began: Instant::now(),
        held: AtomicUsize::new(0),
        is_stopped: AtomicBool::new(false),
        outcome: Mutex::default(),
    };
    let asked: Vec<_> = entries
        .into_iter()
        .enumerate()
        .map(|(index, entry)| round.symbol(index, entry))
        .collect();
    let entries = stream::iter(asked).buffered(TOGETHER).collect().await;
    let outcome = round.outcome.into_inner();
    (entries, outcome.unwrap_or_else(PoisonError::into_inner))
}

impl Round<'_> {
    fn is_over(&self) -> bool {
        self.is_stopped.load(Ordering::Relaxed)
            || self.held.load(Ordering::Relaxed) > MOST_ROWS
            || self.began.elapsed() > LONGEST
    }

    fn note(&self, note: impl FnOnce(&mut Outcome)) {
        note(&mut self.outcome.lock().unwrap_or_else(PoisonError::into_inner));
    }

    async fn symbol(&self, index: usize, mut entry: Entry) -> Entry {
        if self.is_over() {
            return entry;
        }
        for _ in 0..MOST_REQUESTS {
            let request = wanted::request(&entry, &self.source, self.timetable, self.now);
            let Some(request) = request else {
                self.settle(&mut entry);
                return entry;
            };
            if self.is_stopped.load(Ordering::Relaxed) {
                return entry;
            }
            let purpose = match entry.review {
                Some(_) => Purpose::Repair,
                None => wanted::purpose(&request, self.now),
            };
            let verdict = match self.provider.fetch(&request, purpose).await {
                Ok(verdict) => verdict,
                Err(stopped) => {
                    self.stop(&mut entry, stopped);
                    return entry;
                }
            };
            self.note(|outcome| outcome.answers += 1);
            match &verdict {
                Verdict::Data(answer) => {
                    if let Answer::Series(series) = &**answer {
                        let dropped = series.dropped.total();
                        self.note(|outcome| outcome.without_bar += dropped);
                    }
                }
                Verdict::Unknown { scrubbed } if entry.is_news(scrubbed) => {
                    self.note(|outcome| outcome.unknown.push((index, scrubbed.clone())));
                }
                _ => {}
            }
            if entry.take(&request, verdict, self.now) == Step::Over {
                break;
            }
        }
        self.asked(&mut entry);
        entry
    }

    /// All that was to be asked of a symbol was asked.
    fn asked(&self, entry: &mut Entry) {
        match entry.review {
            Some(_) => entry.reviewed(self.timetable, self.now),
            None => entry.attempted(self.now),
        }
    }

    /// All that can be had of a symbol is there.
    fn settle(&self, entry: &mut Entry) {
        match traded::settle(entry, self.timetable, self.now) {
            _ if entry.review.is_some() => {}
            true => entry.lack = None,
            false => entry.lacks(
                "NotYet",
                "the provider does not have it yet; it is asked again",
            ),
        }
        self.held.fetch_add(entry.ready.len(), Ordering::Relaxed);
        self.asked(entry);
    }

    fn stop(&self, entry: &mut Entry, stopped: Stopped) {
        let is_review = entry.review.is_some();
        entry.postpone(self.now);
        if stopped.is_general {
            self.is_stopped.store(true, Ordering::Relaxed);
            self.note(|outcome| outcome.stopped = outcome.stopped.take().or(Some(stopped)));
            return;
        }
        if !is_review {
            entry.lacks(&stopped.error.reason, stopped.error.message.clone());
            entry.attempted(self.now);
        }
        self.note(|outcome| outcome.failed = Some(stopped));
    }
}

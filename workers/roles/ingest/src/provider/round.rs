//! Asks for every symbol that is due, several at a time: they share the requests of a grant. Each is handed on as soon as all
//! of it is there, so that no bar waits for the answers of others.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use foresail_providers::{Answer, Verdict};
use foresail_quota::Purpose;
use foresail_runtime_providers::{Provider, Stopped};
use futures::{StreamExt, stream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};

use super::entry::{Entry, Step};
use super::timetable::Timetable;
use super::traded;
use super::wanted::{self, Source};

/// Symbols that are asked for at the same time.
pub(crate) const TOGETHER: usize = 8;
/// Most requests about one symbol in a round.
pub(crate) const MOST_REQUESTS: usize = 64;
/// Rows that wait to be sent, beside those of symbols that are asked for. More are not asked for meanwhile.
const MOST_ROWS: u32 = 10_000;
/// Symbols that wait to be sent.
pub(crate) const MOST_WAITING: usize = 64;
/// Longest time of a round: what is due meanwhile may be more urgent than the rest.
const LONGEST: Duration = Duration::from_secs(60);

/// A symbol when all that was to be asked of it was asked.
pub(crate) struct Asked {
    /// Its place among all symbols.
    pub place: usize,
    /// What is known of it.
    pub entry: Entry,
    /// Answers of no known kind that were not seen before.
    pub unknown: Vec<String>,
    /// Kept until its rows are sent; `None` without rows.
    pub room: Option<OwnedSemaphorePermit>,
}

/// What came of a round, beside what the entries know.
#[derive(Debug, Default)]
pub(crate) struct Outcome {
    /// Answers received.
    pub answers: u64,
    /// Entries of answers that hold no bar.
    pub without_bar: u64,
    /// Why nothing more could be asked.
    pub stopped: Option<Stopped>,
    /// Why answers brought nothing, of the last symbol that it happened to.
    pub failed: Option<Stopped>,
}

/// A round on its way.
pub(crate) struct Round<'a> {
    provider: &'a Provider,
    source: Source,
    timetable: &'a Timetable,
    now: i64,
    began: Instant,
    /// A permit for each row that may wait.
    room: Arc<Semaphore>,
    is_stopped: AtomicBool,
    outcome: Mutex<Outcome>,
}

/// Asks for these symbols at `now`, milliseconds UTC, and gives them back when all of them were asked for.
pub(crate) async fn ask_all(
    due: Vec<(usize, Entry)>,
    provider: &Provider,
    timetable: &Timetable,
    now: i64,
) -> (Vec<Asked>, Outcome) {
    let round = match Round::begin(provider, timetable, now).await {
        Ok(round) => round,
        Err(stopped) => {
            let asked = due
                .into_iter()
                .map(|(place, entry)| Asked::new(place, entry));
            return (asked.collect(), Outcome::stopped(stopped));
        }
    };
    let (asked, mut came) = mpsc::channel(MOST_WAITING);
    let mut all = Vec::new();
    let collect = async {
        while let Some(asked) = came.recv().await {
            // Whoever is asked for next finds room.
            all.push(Asked {
                room: None,
                ..asked
            });
        }
    };
    tokio::join!(round.ask(due, asked), collect);
    (all, round.outcome())
}

impl Asked {
    fn new(place: usize, entry: Entry) -> Self {
        Self {
            place,
            entry,
            unknown: Vec::new(),
            room: None,
        }
    }
}

impl Outcome {
    /// Nothing could be asked.
    pub(crate) fn stopped(stopped: Stopped) -> Self {
        Self {
            stopped: Some(stopped),
            ..Self::default()
        }
    }
}

impl<'a> Round<'a> {
    /// A round with what the account may be asked for.
    ///
    /// # Errors
    /// Why nothing can be asked.
    pub(crate) async fn begin(
        provider: &'a Provider,
        timetable: &'a Timetable,
        now: i64,
    ) -> Result<Self, Stopped> {
        let level = provider.level().await?;
        let source = Source {
            provider: provider.kind(),
            level,
        };
        Ok(Self::new(provider, source, timetable, now))
    }

    /// A round at `now`, milliseconds UTC.
    pub(crate) fn new(
        provider: &'a Provider,
        source: Source,
        timetable: &'a Timetable,
        now: i64,
    ) -> Self {
        Self {
            provider,
            source,
            timetable,
            now,
            began: Instant::now(),
            room: Arc::new(Semaphore::new(MOST_ROWS as usize)),
            is_stopped: AtomicBool::new(false),
            outcome: Mutex::default(),
        }
    }

    /// Asks for these symbols and hands on each of them. Those that the round does not come to are as they were.
    pub(crate) async fn ask(&self, due: Vec<(usize, Entry)>, asked: mpsc::Sender<Asked>) {
        let asked = &asked;
        let one = |(place, entry)| async move {
            let symbol = self.symbol(place, entry).await;
            // They are taken until the last one.
            asked.send(symbol).await.ok();
        };
        stream::iter(due).for_each_concurrent(TOGETHER, one).await;
    }

    /// No other symbol is asked for.
    pub(crate) fn end(&self) {
        self.is_stopped.store(true, Ordering::Relaxed);
    }

    /// What came of it.
    pub(crate) fn outcome(self) -> Outcome {
        self.outcome
            .into_inner()
            .unwrap_or_else(PoisonError::into_inner)
    }

    fn is_over(&self) -> bool {
        self.is_stopped.load(Ordering::Relaxed) || self.began.elapsed() > LONGEST
    }

    fn note(&self, note: impl FnOnce(&mut Outcome)) {
        note(&mut self.outcome.lock().unwrap_or_else(PoisonError::into_inner));
    }

    async fn symbol(&self, place: usize, entry: Entry) -> Asked {
        let mut asked = Asked::new(place, entry);
        if !self.is_over() {
            self.requests(&mut asked).await;
            asked.room = self.room_for(asked.entry.ready.len()).await;
        }
        asked
    }

    /// Waits until so many rows may wait to be sent.
    async fn room_for(&self, rows: usize) -> Option<OwnedSemaphorePermit> {
        let rows = u32::try_from(rows).unwrap_or(u32::MAX).min(MOST_ROWS);
        match rows {
            0 => None,
            // It is never closed.
            _ => Arc::clone(&self.room).acquire_many_owned(rows).await.ok(),
        }
    }

    /// Asks all that is to be asked of a symbol.
    async fn requests(&self, asked: &mut Asked) {
        for _ in 0..MOST_REQUESTS {
            let entry = &mut asked.entry;
            let request = wanted::request(entry, &self.source, self.timetable, self.now);
            let Some(request) = request else {
                return self.settle(entry);
            };
            if self.is_stopped.load(Ordering::Relaxed) {
                return;
            }
            let purpose = match entry.review {
                Some(_) => Purpose::Repair,
                None => wanted::purpose(&request, self.now),
            };
            let verdict = match self.provider.fetch(&request, purpose).await {
                Ok(verdict) => verdict,
                Err(stopped) => return self.stop(entry, stopped),
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
                    asked.unknown.push(scrubbed.clone());
                }
                _ => {}
            }
            if entry.take(&request, verdict, self.now) == Step::Over {
                break;
            }
        }
        self.asked(&mut asked.entry);
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
        self.asked(entry);
    }

    fn stop(&self, entry: &mut Entry, stopped: Stopped) {
        let is_review = entry.review.is_some();
        entry.postpone(self.now);
        if stopped.is_general {
            self.end();
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

#[cfg(test)]
mod tests;

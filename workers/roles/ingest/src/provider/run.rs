//! The IO loop of a provider: rounds of questions, transactions of what came meanwhile, and the wait until something is expected
//! again. Any failure ends the connection; the next one reads from the topic how far each symbol was sent.

use std::sync::Arc;
use std::time::Duration;

use foresail_bars::Checker;
use foresail_crds::ProviderAccountSpec;
use foresail_crds::names::Topics;
use foresail_crds::pipeline::spec::ProviderSource;
use foresail_crds::pipeline::status::{IngestStatus, ProviderState};
use foresail_crds::records::{Refusal, SourceState};
use foresail_crds::secret::PROVIDER;
use foresail_crds::worker_config::IngestConfig;
use foresail_domain::Symbol;
use foresail_providers::Row;
use foresail_runtime_base::{Connecting, RoleContext, RoleError, clock};
use foresail_runtime_cluster::Api;
use foresail_runtime_providers::{Client, Kubernetes, Provider, Stopped};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use tokio::sync::{Mutex, OnceCell, mpsc};

use super::account::Account;
use super::entry::Entry;
use super::fallback::Fallback;
use super::harvest::Harvest;
use super::quorum::Quorum;
use super::recent::{Recent, Wanted};
use super::report;
use super::round::{MOST_WAITING, Outcome, Round};
use super::timetable::{Timetable, timestamp};
use crate::batch::Progress;
use crate::metrics::Metrics;
use crate::position::Position;
use crate::reading::{Start, Trail};
use crate::sessions;
use crate::sink::{CHECK_TOPIC_EVERY, Sink};

mod again;
mod fallback;
mod quorum;
mod sending;

type Context = RoleContext<IngestConfig, IngestStatus>;

/// Longest time without a look at what is due, milliseconds: clocks are set, and Secrets change.
const LONGEST_WAIT: i64 = 60 * 60 * 1000;
/// Shortest time between two rounds.
const SHORTEST_WAIT: i64 = 1_000;
/// Most that chance adds to a wait.
const JITTER: i64 = 5_000;

/// A provider as the source, as long as the process runs.
pub(crate) struct Polling {
    source: ProviderSource,
    api: Api,
    /// Made once: what it has seen of the ledger decides when it may ask.
    provider: OnceCell<Provider>,
    entries: Mutex<Vec<Entry>>,
    others: Mutex<Option<Others>>,
}

/// The other accounts of a source.
struct Others {
    /// Those that stand in, in order.
    fallbacks: Vec<(Arc<Provider>, Fallback)>,
    /// The one that confirms bars.
    quorum: Option<(Arc<Provider>, Quorum)>,
}

/// An open connection.
struct Live<'a> {
    context: &'a Context,
    provider: &'a Provider,
    timetable: &'a Timetable,
    entries: &'a mut Vec<Entry>,
    symbols: &'a [String],
    /// Names of all providers that are asked, as bars carry them.
    names: &'a [&'a str],
    /// What came of the account of the provider.
    account: Account,
    fallbacks: &'a mut [(Arc<Provider>, Fallback)],
    quorum: Option<&'a mut (Arc<Provider>, Quorum)>,
    /// When a fallback is to be looked at again.
    fallback_next: Option<i64>,
    /// It is known which sessions have no bar.
    is_surveyed: bool,
    sink: Sink,
    progress: Progress,
    /// Position of the next row in this reading.
    next: u64,
    state: ProviderState,
}

impl Polling {
    pub(crate) fn new(source: &ProviderSource, api: Api) -> Self {
        Self {
            source: source.clone(),
            api,
            provider: OnceCell::new(),
            entries: Mutex::default(),
            others: Mutex::default(),
        }
    }

    /// Asks until shutdown.
    ///
    /// # Errors
    /// Those of Kafka and of the configuration. What the provider does is reported and waited out.
    pub(crate) async fn run(
        &self,
        context: &Context,
        metrics: &Metrics,
        connecting: &Connecting<'_>,
    ) -> Result<(), RoleError> {
        let config = &context.config;
        let timetable = Timetable::new(config, &self.source)?;
        let open = || async { open(&self.source, &self.api, context) };
        let provider = self.provider.get_or_try_init(open).await?;
        let symbols = config.symbols();
        let (sink, position) = Sink::open(config, &context.outside, metrics).await?;
        let name = provider.kind().name();
        let mut others = self.others.lock().await;
        let others = match &mut *others {
            Some(others) => others,
            none => none.insert(Others::open(&self.api, context)?),
        };
        others.reopen();
        let names = others
            .fallbacks
            .iter()
            .map(|(other, _)| other.kind().name());
        let names: Vec<&str> = std::iter::once(name).chain(names).collect();
        let wanted = Wanted {
            symbols: &symbols,
            keep: timetable.kept(),
            providers: &names,
            timetable: &timetable,
        };
        let recent = sink.recent(&wanted).await?;
        let marks = recent.marks();
        sessions::check(position.state.as_ref(), &marks, &config.bar_grid())?;
        let mut entries = self.entries.lock().await;
        let is_new = entries.is_empty();
        reopen(&mut entries, &symbols, recent, &timetable)?;
        let followed = position.state.as_ref().and_then(|s| s.refetched.as_ref());
        if is_new {
            again::refetch(&mut entries, config.refetch.as_ref(), followed);
        }
        let start = start(&position);
        tracing::info!(
            reading = start.reading,
            provider = name,
            account = self.source.account,
            "source open"
        );
        let checker = Checker::new(config, name)?;
        let is_surveyed = marks.0.is_empty();
        let progress = Progress::new(checker, Trail::new(config), (start, marks), name);
        connecting.ready();
        let mut live = Live {
            context,
            provider,
            timetable: &timetable,
            entries: &mut entries,
            symbols: &symbols,
            names: &names,
            account: Account::new(&self.source.account),
            fallbacks: &mut others.fallbacks,
            quorum: others.quorum.as_mut(),
            fallback_next: None,
            is_surveyed,
            sink,
            progress,
            next: 0,
            state: ProviderState::default(),
        };
        while !context.shutdown.is_cancelled() {
            let stopped = live.round().await?;
            if stopped.is_none() || live.stands_in() {
                connecting.succeeded();
            }
            if stopped.is_none() {
                live.review().await?;
            }
            live.fill_gaps(stopped.as_ref()).await?;
            live.rest(stopped.as_ref()).await?;
        }
        Ok(())
    }
}

/// The provider that the source names, through its account.
fn open(source: &ProviderSource, api: &Api, context: &Context) -> Result<Provider, RoleError> {
    let spec = context.config.account.as_ref().ok_or_else(|| {
        let message = format!(
            "the ProviderAccount {} is not in the configuration of ingest; make it",
            source.account
        );
        RoleError::user("AccountMissing", message)
    })?;
    open_account((&source.account, spec), PROVIDER, api, context)
}

/// The provider of an account, whose key is in the folder of a system.
fn open_account(
    (name, spec): (&str, &ProviderAccountSpec),
    system: &'static str,
    api: &Api,
    context: &Context,
) -> Result<Provider, RoleError> {
    let (config, outside) = (&context.config, &context.outside);
    let client = Client::new(spec, &config.allowed_provider_hosts, &outside.secrets)?;
    let client = client.with_key_of(system);
    let pipeline = &config.pipeline;
    let store = Kubernetes::new(api.clone(), &pipeline.namespace, name)?;
    Ok(Provider::new(
        spec,
        (name, &pipeline.to_string()),
        (client, Arc::new(store)),
        (outside, &context.registry),
        context.shutdown.clone(),
    ))
}

/// Every connection is another reading, which goes on counting where the last record of before ends.
pub(super) fn start(position: &Position) -> Start {
    let before = position.state.as_ref().map(|state| state.reading);
    // A release that left no state counted as the first reading.
    let before = before.or((position.next > 0).then_some(0));
    Start {
        reading: before.map_or(0, |reading| reading + 1),
        next: 0,
        counted: Some(SourceState {
            asked: true,
            ..position.state.clone().unwrap_or_default()
        }),
        last_news: position.last_news,
    }
}

fn reopen(
    entries: &mut Vec<Entry>,
    symbols: &[String],
    mut recent: Recent,
    timetable: &Timetable,
) -> Result<(), RoleError> {
    if entries.is_empty() {
        for symbol in symbols {
            let symbol = Symbol::new(symbol.as_str());
            let symbol = symbol.map_err(|e| RoleError::user("BadSymbol", e.to_string()))?;
            entries.push(Entry::new(symbol));
        }
    }
    let marks = recent.marks();
    for entry in entries {
        let memory = recent.memory(&entry.symbol, timetable.kept());
        entry.reopen(marks.0.get(&*entry.symbol).copied(), memory);
    }
    Ok(())
}

impl Live<'_> {
    /// Asks for what is due and sends it. Says why not all of it could be asked.
    async fn round(&mut self) -> Result<Option<Stopped>, RoleError> {
        let now = clock::now_ms();
        let mut due = self.take_due(now);
        let mut outcome = Outcome::default();
        if !due.is_empty() {
            // New bars first, and of those who wait the one that waits longest.
            due.sort_by_key(|(_, entry)| (entry.mark.is_none(), entry.attempted));
            outcome = self.ask(due, now).await?;
            let poll = self.timetable.poll();
            let stopped = outcome.stopped.as_ref();
            self.account.was_asked(stopped, poll, now);
        }
        self.fall_back(now).await?;
        let failed = outcome.stopped.as_ref().or(outcome.failed.as_ref());
        self.publish(failed, clock::now_ms());
        Ok(outcome.stopped)
    }

    /// Asks for these symbols, puts them back to their places, and sends what came while others are still asked for.
    async fn ask(&mut self, due: Vec<(usize, Entry)>, now: i64) -> Result<Outcome, RoleError> {
        let round = match Round::begin(self.provider, self.timetable, now).await {
            Ok(round) => round,
            Err(stopped) => {
                self.put_back(due);
                return Ok(Outcome::stopped(stopped));
            }
        };
        let before = self.progress.rows_sent();
        let (asked, came) = mpsc::channel(MOST_WAITING);
        let (_, sent) = tokio::join!(round.ask(due, asked), self.send_as_they_come(&round, came));
        sent?;
        let outcome = round.outcome();
        self.state.answers += outcome.answers;
        self.state.entries_without_bar += outcome.without_bar;
        self.account.answers += outcome.answers;
        self.account.bars += self.progress.rows_sent().saturating_sub(before);
        Ok(outcome)
    }

    /// The symbols that are to be asked for now, out of their places.
    fn take_due(&mut self, now: i64) -> Vec<(usize, Entry)> {
        let timetable = self.timetable;
        let is_now = |entry: &Entry| {
            entry.is_due(timetable, now)
                && entry
                    .next_attempt(timetable, now)
                    .is_some_and(|at| at <= now)
        };
        let mut due = Vec::new();
        for (index, place) in self.entries.iter_mut().enumerate() {
            if is_now(place) {
                let empty = Entry::new(place.symbol.clone());
                due.push((index, std::mem::replace(place, empty)));
            }
        }
        due
    }

    fn put_back(&mut self, entries: impl IntoIterator<Item = (usize, Entry)>) {
        for (index, entry) in entries {
            if let Some(place) = self.entries.get_mut(index) {
                *place = entry;
            }
        }
    }

    async fn send(
        &mut self,
        unknown: Vec<(usize, String)>,
        refused: Vec<(usize, Row, Refusal)>,
    ) -> Result<(), RoleError> {
        let mut harvest = Harvest::new(self.entries, unknown, self.timetable).with_refused(refused);
        let (entries, timetable) = (&mut *self.entries, self.timetable);
        let counted = (&mut self.progress, &mut self.next);
        let mut next = |target: (&Topics, i64)| {
            let known = (entries.as_mut_slice(), timetable);
            let counted = (&mut *counted.0, &mut *counted.1);
            harvest.batch(known, counted, target, clock::now_ms())
        };
        let (mut batch, mut is_more) = next(self.sink.target())?;
        while is_more {
            // Kafka takes one while the next one is made.
            (_, (batch, is_more)) = self.sink.commit_while(batch, &mut next).await?;
        }
        self.sink.commit(batch).await?;
        self.sink.check_topic().await
    }

    /// Waits until something is due, and makes sure meanwhile that the topic is the same one.
    async fn rest(&mut self, stopped: Option<&Stopped>) -> Result<(), RoleError> {
        let now = clock::now_ms();
        let until = self.wake(stopped, now);
        let chance = ((until - now) / 20).clamp(0, JITTER);
        let until = until.saturating_add(rand::random_range(0..=chance));
        while !self.context.shutdown.is_cancelled() {
            let left = until.saturating_sub(clock::now_ms());
            let Some(left) = u64::try_from(left).ok().filter(|left| *left > 0) else {
                break;
            };
            tokio::select! {
                () = tokio::time::sleep(Duration::from_millis(left).min(CHECK_TOPIC_EVERY)) => {}
                () = self.context.shutdown.cancelled() => break,
            }
            self.sink.check_topic().await?;
        }
        Ok(())
    }

    /// When to look again.
    fn wake(&self, stopped: Option<&Stopped>, now: i64) -> i64 {
        let next = match stopped {
            Some(stopped) => next_try(stopped, self.timetable, now),
            None => report::next_time(self.entries, self.timetable, now).unwrap_or(i64::MAX),
        };
        let next = next.min(self.fallback_wake(now));
        next.clamp(now + SHORTEST_WAIT, now + LONGEST_WAIT)
    }

    /// Reports how far ingest is, with what keeps it from being further.
    fn publish(&mut self, failed: Option<&Stopped>, now: i64) {
        let next = match failed.filter(|stopped| stopped.is_general) {
            Some(stopped) => Some(next_try(stopped, self.timetable, now)),
            None => report::next_time(self.entries, self.timetable, now),
        };
        self.state.next_attempt = next.map(|next| Time(timestamp(next.max(now))));
        self.state.missing = report::missing(self.entries, self.timetable, now);
        report::compared(self.entries, &mut self.state);
        self.state.accounts = self.account_states();
        self.state.quorum = self.quorum.as_ref().map(|(_, quorum)| quorum.state());
        if let Some(wanted) = &self.context.config.refetch {
            let refetch = report::refetched(self.entries, &wanted.asked);
            if refetch.left == 0 {
                self.progress.refetched(&wanted.asked);
            }
            self.state.refetch = Some(refetch);
        }
        let reporter = &self.context.reporter;
        reporter.update(|status| {
            self.progress.report(status);
            report::told(self.entries, self.timetable, now, status);
            status.provider = Some(self.state.clone());
        });
        // What others have made up for is told with the accounts.
        if let Some(stopped) = failed.filter(|stopped| stopped.is_fault && !self.stands_in()) {
            tracing::warn!(
                reason = stopped.error.reason,
                cause = stopped.error.message,
                "the provider brought less than was asked"
            );
            reporter.fail(&stopped.error);
        }
    }
}

/// When a provider that stopped is asked again.
fn next_try(stopped: &Stopped, timetable: &Timetable, now: i64) -> i64 {
    let until = stopped.until.map(jiff::Timestamp::as_millisecond);
    until.unwrap_or_else(|| now.saturating_add(timetable.poll()))
}

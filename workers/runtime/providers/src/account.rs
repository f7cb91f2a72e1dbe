//! One account, as one pod knows it: every version of the ledger is seen, and grants are committed before they are used.

use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use foresail_quota::{
    CLOCK_ERROR, Decision, GRANT, Grant, Ledger, Limits, Outcome, ParkReason, Purpose, Wait, Want,
};
use foresail_runtime_base::effects::Effects;
use foresail_runtime_base::{RoleError, Shutdown, spawn};
use jiff::{SignedDuration, Timestamp};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout};

use crate::known::Known;
use crate::metrics::Metrics;
use crate::stopped::{Stopped, left};
use crate::store::{Store, Version, Written};

/// Time that a write may take.
const WRITE: Duration = Duration::from_secs(10);
/// Longest time that somebody stands in line. What takes longer is told.
const LONGEST_WAIT: Duration = Duration::from_secs(90);
/// Most that is added to a wait by chance.
const JITTER: Duration = Duration::from_millis(250);
/// How often the clock is compared with that of the API server.
const CLOCK_CHECK: Duration = Duration::from_secs(10 * 60);
/// Writes that end in doubt, or too late to be used, before it is told.
const MOST_DOUBTS: u32 = 3;
/// Attempts to enter what an answer taught.
const MOST_LESSONS: u32 = 20;

/// Who asks, and by which limits.
#[derive(Clone, Debug)]
pub struct Terms {
    /// Name of the ProviderAccount.
    pub name: String,
    /// `namespace/name` of the Pipeline.
    pub pipeline: String,
    /// What the account may ask.
    pub limits: Limits,
}

/// One account. One of it in a pod, as long as the pod runs: what it has seen of the ledger decides when it may ask.
pub struct Account {
    terms: Terms,
    store: Arc<dyn Store>,
    effects: Effects,
    shutdown: Shutdown,
    metrics: Metrics,
    known: Arc<Known>,
    watching: JoinHandle<()>,
}

/// Requests that are entered in the ledger and may be sent.
#[derive(Clone, Copy, Debug)]
pub struct Granted {
    /// How many.
    pub requests: u32,
    /// From then on nothing may be sent, by the monotonic clock.
    before: Instant,
    /// The same by the wall's: the other one stands still while a machine sleeps.
    before_wall: Timestamp,
}

impl Account {
    /// An account whose ledger lies in `store`.
    pub(crate) fn new(
        terms: Terms,
        store: Arc<dyn Store>,
        (effects, metrics): (Effects, Metrics),
        shutdown: Shutdown,
    ) -> Self {
        let known = Arc::new(Known::default());
        let (see, clock) = (Arc::clone(&known), Arc::clone(&store));
        let seen = Arc::new(move |version| see.see(version, clock.now()));
        let watching = spawn(store.watch(seen));
        Self {
            terms,
            store,
            effects,
            shutdown,
            metrics,
            known,
            watching,
        }
    }

    /// Its terms.
    pub(crate) fn terms(&self) -> &Terms {
        &self.terms
    }

    /// The newest ledger this pod has seen.
    ///
    /// # Errors
    /// There is none yet, and it cannot be read.
    pub(crate) async fn ledger(&self) -> Result<Ledger, Stopped> {
        Ok(self.newest().await?.ledger)
    }

    /// Waits for up to `requests` requests. `key` is the hash of the key that they will be made with.
    ///
    /// # Errors
    /// The account is parked, or the wait would be long; the ledger cannot be read or written.
    pub(crate) async fn ask(
        &self,
        purpose: Purpose,
        requests: NonZeroU32,
        key: Option<&str>,
    ) -> Result<Granted, Stopped> {
        let mut doubts = 0;
        loop {
            if self.shutdown.is_cancelled() {
                return Err(Stopped::ending());
            }
            self.check_clock().await?;
            let mut newer = self.known.newest.subscribe();
            let over = self.newest().await?;
            newer.mark_unchanged();
            let want = Want {
                pipeline: &self.terms.pipeline,
                purpose,
                requests: requests.get(),
            };
            match self.decide(&over, &want, key) {
                Decision::Granted(grant) => {
                    if let Some(granted) = self.commit(*grant, &over, &mut doubts).await? {
                        return Ok(granted);
                    }
                }
                Decision::Wait(wait) => self.wait(wait, &mut newer).await?,
                Decision::Parked { until, reason } => {
                    self.stand_parked(until, reason, &mut newer).await?;
                }
            }
        }
    }

    fn decide(&self, over: &Version, want: &Want<'_>, key: Option<&str>) -> Decision {
        let mut observer = self.known.observer();
        let uptime = self.known.uptime();
        let moment = observer.look(&over.ledger, self.store.now(), uptime);
        let own = key.map(|key| over.ledger.with_key(key));
        let ledger = own.as_ref().unwrap_or(&over.ledger);
        ledger.ask(&self.terms.limits, want, &moment)
    }

    /// Writes a grant; `None` when it must be asked for again.
    async fn commit(
        &self,
        grant: Grant,
        over: &Version,
        doubts: &mut u32,
    ) -> Result<Option<Granted>, Stopped> {
        let granted = Granted {
            requests: grant.requests,
            before: self.known.instant(grant.send_before),
            before_wall: self
                .store
                .now()
                .checked_add(signed(GRANT))
                .unwrap_or_default(),
        };
        let cause = match self.write(&grant.ledger, over).await {
            Written::Done(_) if granted.is_usable(self.store.now()) => return Ok(Some(granted)),
            Written::Done(_) => "it took longer than a grant may be used".to_owned(),
            Written::Conflict => {
                self.read().await?;
                self.pause(JITTER / 4).await;
                return Ok(None);
            }
            Written::Refused(error) => return Err(Stopped::general(error, None)),
            Written::Doubt(cause) => cause,
        };
        // Whatever was entered is spent: a request may not leave on a grant that nobody can vouch for.
        *doubts += 1;
        tracing::warn!(cause, "a grant is lost");
        if *doubts >= MOST_DOUBTS {
            let name = &self.terms.name;
            let message = format!(
                "the ledger of the ProviderAccount {name} cannot be written: {cause}; nothing is asked until it can"
            );
            let error = RoleError::outside("AccountUnreachable", message);
            return Err(Stopped::general(error, None));
        }
        self.pause(JITTER * (1 << *doubts)).await;
        self.read().await?;
        Ok(None)
    }

    async fn write(&self, ledger: &Ledger, over: &Version) -> Written {
        let write = timeout(WRITE, self.store.write(ledger, over));
        let written = self.effects.perform("kubernetes", "ledger", write).await;
        let written = written
            .unwrap_or_else(|_| Written::Doubt(format!("no answer within {} s", WRITE.as_secs())));
        if let Written::Done(version) = &written {
            self.known.see((**version).clone(), self.store.now());
        }
        written
    }

    /// Enters what an answer taught. What cannot be entered is lost: the next answer teaches it again.
    pub(crate) async fn learn(&self, outcome: Outcome) {
        if let Err(error) = self.try_learn(outcome).await {
            tracing::warn!(%error, "what an answer taught is not entered in the ledger");
        }
    }

    async fn try_learn(&self, outcome: Outcome) -> Result<(), RoleError> {
        let jitter = rand::random::<f64>();
        let mut over = self.newest().await?;
        for _ in 0..MOST_LESSONS {
            let next = over
                .ledger
                .learn(outcome, &self.terms.limits, self.store.now(), jitter);
            if next == over.ledger {
                return Ok(());
            }
            let is_doubtful = match self.write(&next, &over).await {
                Written::Done(_) => return Ok(()),
                Written::Refused(error) => return Err(error),
                Written::Conflict => false,
                Written::Doubt(cause) => {
                    tracing::warn!(cause, "ledger not written, trying again");
                    true
                }
            };
            self.pause(JITTER).await;
            over = self.read().await?;
            // After a conflict it is the same lesson of somebody else, and each counts.
            if is_doubtful && over.ledger == next {
                return Ok(());
            }
        }
        let message = format!("{MOST_LESSONS} attempts met others who wrote");
        Err(RoleError::outside("AccountUnreachable", message))
    }

    async fn wait(
        &self,
        wait: Wait,
        newer: &mut watch::Receiver<Option<Version>>,
    ) -> Result<(), Stopped> {
        self.metrics.waits.with([&format!("{:?}", wait.why)]).inc();
        if left(self.store.now(), wait.until) > LONGEST_WAIT {
            return Err(Stopped::waiting(&self.terms.name, wait));
        }
        self.sleep(wait.until, newer).await;
        Ok(())
    }

    /// Short parks are stood out.
    async fn stand_parked(
        &self,
        until: Option<Timestamp>,
        reason: ParkReason,
        newer: &mut watch::Receiver<Option<Version>>,
    ) -> Result<(), Stopped> {
        self.metrics.waits.with([&format!("{reason:?}")]).inc();
        let short = until.filter(|until| left(self.store.now(), *until) <= LONGEST_WAIT);
        match short {
            Some(until) if reason == ParkReason::Burst => {
                self.sleep(until, newer).await;
                Ok(())
            }
            _ => Err(Stopped::parked(&self.terms.name, until, reason)),
        }
    }

    /// Until a time, or until the ledger changes, or until shutdown.
    async fn sleep(&self, until: Timestamp, newer: &mut watch::Receiver<Option<Version>>) {
        let wait = left(self.store.now(), until) + JITTER.mul_f64(rand::random());
        tokio::select! {
            () = tokio::time::sleep(wait) => {}
            _ = newer.changed() => {}
            () = self.shutdown.cancelled() => {}
        }
    }

    async fn pause(&self, longest: Duration) {
        let wait = longest.mul_f64(rand::random());
        tokio::select! {
            () = tokio::time::sleep(wait) => {}
            () = self.shutdown.cancelled() => {}
        }
    }

    async fn newest(&self) -> Result<Version, Stopped> {
        let newest = self.known.newest.borrow().clone();
        match newest {
            Some(version) => Ok(version),
            None => self.read().await,
        }
    }

    async fn read(&self) -> Result<Version, Stopped> {
        let read = self.store.read().await;
        let version = read.map_err(|error| Stopped::general(error, None))?;
        let now = self.store.now();
        if let Some(date) = version.date {
            self.known.compare(now.duration_since(date));
        }
        self.known.see(version.clone(), now);
        Ok(version)
    }

    /// Day and minute of the ledger are only as true as the clock.
    async fn check_clock(&self) -> Result<(), Stopped> {
        if self.known.clock_is_older_than(CLOCK_CHECK) {
            self.read().await?;
        }
        let ahead = self.known.ahead().unwrap_or_default();
        if ahead.unsigned_abs() <= CLOCK_ERROR {
            return Ok(());
        }
        self.known.forget_clock();
        let direction = if ahead.is_negative() {
            "behind"
        } else {
            "ahead of"
        };
        let message = format!(
            "the clock of this pod is {} s {direction} that of the API server; nothing is asked of the provider until they \
             agree within {} s. Correct the clock of the node",
            ahead.unsigned_abs().as_secs(),
            CLOCK_ERROR.as_secs()
        );
        let error = RoleError::outside("ClockWrong", message);
        Err(Stopped::general(error, None))
    }

    /// Whether a request of this grant may leave now.
    pub(crate) fn may_send(&self, granted: &Granted) -> bool {
        granted.is_usable(self.store.now())
    }
}

impl Drop for Account {
    fn drop(&mut self) {
        self.watching.abort();
    }
}

impl Granted {
    fn is_usable(&self, now: Timestamp) -> bool {
        Instant::now() < self.before && now < self.before_wall
    }
}

fn signed(duration: Duration) -> SignedDuration {
    SignedDuration::try_from(duration).unwrap_or(SignedDuration::MAX)
}

#[cfg(test)]
#[path = "account_tests.rs"]
mod tests;

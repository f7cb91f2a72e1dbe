//! From a request to a verdict: a grant, one request, what the answer means, and what it teaches.

use std::num::NonZeroU32;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use foresail_crds::ProviderAccountSpec;
use foresail_providers::request::{Kind, Size};
use foresail_providers::{Answer, Key, Request, Verdict, Wait};
use foresail_quota::{Level, Outcome, Purpose, key};
use foresail_runtime_base::metrics::Registry;
use foresail_runtime_base::{Outside, RoleError, Shutdown};
use foresail_runtime_http::Unanswered;
use jiff::Timestamp;
use tokio::sync::Mutex;

use crate::account::{Account, Granted, Terms};
use crate::client::Client;
use crate::endpoint;
use crate::metrics::Metrics;
use crate::stopped::{Stopped, bad_key};
use crate::store::Store;

/// How often the same is asked when requests follow one another too fast.
const ATTEMPTS: u32 = 4;
/// Most requests that are asked for together.
const TOGETHER: u32 = 50;
/// Hashes of keys are compared within a cluster. The keys are long and random, so that one salt for all is enough.
const SALT: &str = "foresail.dev/provideraccounts";

/// A provider of market data, asked by one account.
pub struct Provider {
    account: Account,
    client: Client,
    metrics: Metrics,
    kind: foresail_providers::Provider,
    /// A grant that was not used up, for each purpose: one holds requests for all who wait.
    purses: [Mutex<Option<Granted>>; 3],
    /// How many wait for requests of each purpose.
    waiting: [AtomicU32; 3],
}

/// Counts one who waits, as long as it lives.
struct Waiting<'a>(&'a AtomicU32);

impl<'a> Waiting<'a> {
    fn begin(count: &'a AtomicU32) -> Self {
        count.fetch_add(1, Ordering::Relaxed);
        Self(count)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Provider {
    /// A provider, asked by `client` on the terms of the account whose ledger lies in `store`.
    pub fn new(
        spec: &ProviderAccountSpec,
        (name, pipeline): (&str, &str),
        (client, store): (Client, Arc<dyn Store>),
        (outside, registry): (&Outside, &Registry),
        shutdown: Shutdown,
    ) -> Self {
        let terms = Terms {
            name: name.to_owned(),
            pipeline: pipeline.to_owned(),
            limits: spec.limits(),
        };
        let metrics = Metrics::new(registry);
        let effects = outside.effects.clone();
        Self {
            account: Account::new(terms, store, (effects, metrics.clone()), shutdown),
            client,
            metrics,
            kind: endpoint::provider(spec.provider),
            purses: Default::default(),
            waiting: Default::default(),
        }
    }

    /// Who it is.
    pub fn kind(&self) -> foresail_providers::Provider {
        self.kind
    }

    /// How much of a series the key may read, as far as the ledger knows.
    ///
    /// # Errors
    /// The ledger cannot be read.
    pub async fn level(&self) -> Result<Level, Stopped> {
        let ledger = self.account.ledger().await?;
        let key = self.key_hash(self.key()?.as_ref());
        let ledger = key.map_or(ledger.clone(), |key| ledger.with_key(&key));
        Ok(ledger.entitlement.level)
    }

    /// Asks one thing. A verdict is one of what was asked: data, or a refusal that concerns this request alone, or an
    /// answer of no known kind.
    ///
    /// # Errors
    /// Nothing was asked, or the answer brought nothing: user error `BadKey`; outside errors `QuotaExhausted`,
    /// `QuotaSetAside`, `ProviderMidnight`, `ProviderBusy`, `ProviderRefused`, `ProviderDown`, `ProviderMalformed`,
    /// `ClockWrong`, `AccountUnreachable`; user errors `AccountMissing`, `AddressNotAllowed` and those of the Secret.
    pub async fn fetch(&self, request: &Request, purpose: Purpose) -> Result<Verdict, Stopped> {
        for _ in 0..ATTEMPTS {
            let key = self.key()?;
            self.admit(purpose, key.as_ref()).await?;
            let verdict = match self.client.get(request, key.as_ref()).await {
                Ok(verdict) => verdict,
                Err(why) => return Err(self.unanswered(&why).await),
            };
            self.metrics.answers.with([verdict.reason()]).inc();
            self.account.learn(outcome(request, &verdict)).await;
            match self.judge(verdict).await? {
                Some(verdict) => return Ok(verdict),
                None => continue,
            }
        }
        let message = format!(
            "ProviderAccount {}: {ATTEMPTS} requests in a row came too fast for the provider; it is asked again later",
            self.account.terms().name
        );
        Err(Stopped::general(
            RoleError::outside("ProviderBusy", message),
            None,
        ))
    }

    fn key(&self) -> Result<Option<Key>, Stopped> {
        let key = self.client.key();
        key.map_err(|error| Stopped::general(error, None))
    }

    fn key_hash(&self, key: Option<&Key>) -> Option<String> {
        key.map(|key| key::hash(SALT, key.reveal()))
    }

    /// Takes one request out of a grant; returns right before it may be sent.
    async fn admit(&self, purpose: Purpose, key: Option<&Key>) -> Result<(), Stopped> {
        let index = match purpose {
            Purpose::Repair => 0,
            Purpose::Backfill => 1,
            Purpose::Live => 2,
        };
        let (Some(purse), Some(count)) = (self.purses.get(index), self.waiting.get(index)) else {
            return Ok(());
        };
        let hash = self.key_hash(key);
        let _waiting = Waiting::begin(count);
        let mut purse = purse.lock().await;
        loop {
            let usable = purse
                .take()
                .filter(|granted| self.account.may_send(granted));
            if let Some(mut granted) = usable {
                granted.requests = granted.requests.saturating_sub(1);
                *purse = (granted.requests > 0).then_some(granted);
                return Ok(());
            }
            let wanted = count.load(Ordering::Relaxed).clamp(1, TOGETHER);
            let wanted = NonZeroU32::new(wanted).unwrap_or(NonZeroU32::MIN);
            *purse = Some(self.account.ask(purpose, wanted, hash.as_deref()).await?);
        }
    }

    /// What concerns more than this request is an error; `None` asks for another attempt.
    async fn judge(&self, verdict: Verdict) -> Result<Option<Verdict>, Stopped> {
        let name = &self.account.terms().name;
        match verdict {
            Verdict::Burst { .. } => Ok(None),
            Verdict::DailyQuota | Verdict::Refused { .. } => Err(self.parked(&verdict).await),
            Verdict::BadKey | Verdict::DemoKey => Err(Stopped::general(bad_key(name), None)),
            Verdict::Down => Err(self.failed("ProviderDown", "the provider does not answer")),
            Verdict::Malformed(fault) => {
                let what = format!("an answer cannot be believed ({})", fault.reason());
                Err(self.failed("ProviderMalformed", &what))
            }
            verdict => Ok(Some(verdict)),
        }
    }

    async fn unanswered(&self, why: &Unanswered) -> Stopped {
        self.metrics.answers.with(["None"]).inc();
        if let Unanswered::NotAllowed(refused) = why {
            // Nothing left this pod, so that the provider is not to blame.
            let what = format!("ProviderAccount {}", self.account.terms().name);
            return Stopped::general(refused.explain(&what), None);
        }
        self.account.learn(Outcome::Down).await;
        self.failed("ProviderDown", &why.to_string())
    }

    /// The park that an answer has led to.
    async fn parked(&self, verdict: &Verdict) -> Stopped {
        let name = &self.account.terms().name;
        let reason = match verdict {
            Verdict::DailyQuota => foresail_quota::ParkReason::DailyQuota,
            _ => foresail_quota::ParkReason::Refused,
        };
        let ledger = self.account.ledger().await.ok();
        let until = ledger.and_then(|ledger| ledger.parked?.until);
        Stopped::parked(name, until, reason)
    }

    fn failed(&self, reason: &str, what: &str) -> Stopped {
        let name = &self.account.terms().name;
        let message = format!("ProviderAccount {name}: {what}; it is asked again");
        Stopped::alone(RoleError::outside(reason, message))
    }
}

/// What an answer teaches about the account.
fn outcome(request: &Request, verdict: &Verdict) -> Outcome {
    let sized = |size| matches!(request.kind, Kind::Daily(asked) | Kind::DailyAdjusted(asked) if asked == size);
    match verdict {
        Verdict::Data(answer) => {
            let is_compact = matches!(&**answer, Answer::Series(series) if series.is_compact);
            Outcome::Ok {
                full: sized(Size::Full) && !is_compact,
            }
        }
        Verdict::Burst { wait } => Outcome::Burst { wait: *wait },
        Verdict::DailyQuota => Outcome::DailyQuota,
        // Only a refusal of all rows says that the key reads the last ones alone.
        Verdict::NotEntitled { .. } if sized(Size::Full) => Outcome::NotEntitled,
        Verdict::BadKey | Verdict::DemoKey => Outcome::BadKey,
        Verdict::NotEntitled { .. }
        | Verdict::BadSymbol
        | Verdict::OutOfReach { .. }
        | Verdict::WindowTooWide { .. }
        | Verdict::Empty => Outcome::Ok { full: false },
        Verdict::Refused { wait } => Outcome::Refused {
            wait: wait.map(|wait| match wait {
                Wait::For(wait) => wait,
                Wait::Until(until) => crate::stopped::left(Timestamp::now(), until),
            }),
        },
        Verdict::Down => Outcome::Down,
        Verdict::Malformed(_) => Outcome::Malformed,
        Verdict::Unknown { .. } => Outcome::Unknown,
    }
}

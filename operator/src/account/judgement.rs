//! What the condition of an account says: the first of what keeps its Pipelines from their bars. Pure.

use foresail_crds::{ProviderAccount, ProviderName};
use foresail_providers::{Provider, place};
use foresail_quota::key::others_with_key;
use foresail_quota::plan::{Change, Infeasible, Load, feasible, requests_per_day};
use foresail_quota::{BreakerState, Ledger, Park, ParkReason};
use jiff::Timestamp;

use super::title;

/// Bursts in a row from which on they are a state: one is over in seconds.
const TOLD_BURSTS: u32 = 3;

/// What a judgement is made from.
#[derive(Clone, Copy)]
pub struct Seen<'a> {
    /// The account.
    pub account: &'a ProviderAccount,
    /// All accounts whose key is known: `namespace/name` and the hash of the key.
    pub keys: &'a [(String, &'a str)],
    /// What its Pipelines ask.
    pub loads: &'a [Load],
    /// Hosts that the administrator allows.
    pub hosts: &'a [String],
}

/// What the condition Ready says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdict {
    pub ready: bool,
    /// CamelCase reason.
    pub reason: &'static str,
    /// What is wrong, who acts, and what happens next.
    pub message: String,
}

impl Verdict {
    /// Something is to be done, or waited for.
    pub fn bad(reason: &'static str, message: String) -> Self {
        Self {
            ready: false,
            reason,
            message,
        }
    }
}

/// The verdict: what a person must correct comes before what passes by itself.
pub fn judge(seen: Seen<'_>) -> Verdict {
    not_allowed(seen)
        .or_else(|| bad_key(seen))
        .or_else(|| same_key(seen))
        .or_else(|| infeasible(seen))
        .or_else(|| parked(seen))
        .or_else(|| down(seen))
        .unwrap_or_else(|| ready(seen))
}

impl<'a> Seen<'a> {
    fn ledger(self) -> Option<&'a Ledger> {
        self.account.status.as_ref()?.ledger.as_ref()
    }

    fn park(self) -> Option<&'a Park> {
        self.ledger()?.parked.as_ref()
    }
}

fn not_allowed(seen: Seen<'_>) -> Option<Verdict> {
    let spec = &seen.account.spec;
    let provider = match spec.provider {
        ProviderName::AlphaVantage => Provider::AlphaVantage,
        ProviderName::Yahoo => Provider::Yahoo,
    };
    // Ingest judges the same again before it connects; here a person is told before anything is asked.
    let bad = place(provider, spec.endpoint.as_deref(), seen.hosts).err()?;
    let message = format!(
        "spec.endpoint {bad}; ask the administrator to allow it with the chart value providers.allowedHosts, or remove it"
    );
    Some(Verdict::bad("NotAllowed", message))
}

fn bad_key(seen: Seen<'_>) -> Option<Verdict> {
    seen.park().filter(|p| p.reason == ParkReason::BadKey)?;
    let secret = seen.account.spec.secret_name.as_deref().unwrap_or_default();
    let message = format!(
        "the provider does not know the key (BadKey), and nothing is asked; put another one into apiKey of Secret {secret}, \
         then it is asked again by itself"
    );
    Some(Verdict::bad("Parked", message))
}

fn same_key(seen: Seen<'_>) -> Option<Verdict> {
    let hash = seen.ledger()?.key_hash.as_deref()?;
    let keys: Vec<(&str, &str)> = seen
        .keys
        .iter()
        .map(|(n, hash)| (n.as_str(), *hash))
        .collect();
    let others = others_with_key(&title(seen.account), hash, &keys);
    if others.is_empty() {
        return None;
    }
    let message = format!(
        "its key is that of {} too, and each account counts its own requests only, so that the limits of the key are \
         exceeded; keep one of these accounts, or give each a key of its own",
        others.join(", ")
    );
    Some(Verdict::bad("SameKey", message))
}

fn infeasible(seen: Seen<'_>) -> Option<Verdict> {
    let found = feasible(seen.loads, &seen.account.spec.limits()).err()?;
    let message = format!(
        "{}; until then requests wait for their turn, and bars come late",
        that_can_be_declared(found)
    );
    Some(Verdict::bad("PlanInfeasible", message))
}

/// Without the changes that no field of a Pipeline stands for yet.
fn that_can_be_declared(mut found: Infeasible) -> Infeasible {
    let is_declared = |change: &Change| !matches!(change, Change::PipelineRef { .. });
    found.changes.retain(is_declared);
    if found.changes.is_empty() {
        found.changes.push(Change::LargerAccount);
    }
    found
}

fn parked(seen: Seen<'_>) -> Option<Verdict> {
    let park = seen.park()?;
    let why = match park.reason {
        ParkReason::Burst if park.attempt < TOLD_BURSTS => return None,
        ParkReason::Burst => {
            "requests followed one another too fast (Burst); if that repeats, lower limits.perSecond or limits.perMinute"
        }
        ParkReason::Refused => "the provider told us to wait (Refused); nothing is to be done",
        ParkReason::DailyQuota => {
            "the provider says that the requests of the day are used up (DailyQuota); nothing is to be done, unless \
             limits are not those of the key"
        }
        ParkReason::BadKey => "the provider does not know the key (BadKey)",
    };
    Some(Verdict::bad(
        "Parked",
        format!("{why}; {}", again(park.until)),
    ))
}

fn down(seen: Seen<'_>) -> Option<Verdict> {
    let breaker = &seen.ledger()?.breaker;
    if breaker.state == BreakerState::Closed {
        return None;
    }
    let message = format!(
        "the provider does not answer, or not in a form that can be read (Down); nothing is to be done; {}",
        again(breaker.until)
    );
    Some(Verdict::bad("Parked", message))
}

/// What happens next. The time is that of the ledger, so that the message stays the same until it is written again.
fn again(until: Option<Timestamp>) -> String {
    match until {
        Some(until) => format!("one request tries again at {until:.0}"),
        None => "nothing is asked before an edit".into(),
    }
}

fn ready(seen: Seen<'_>) -> Verdict {
    let planned = seen.loads.iter().map(requests_per_day);
    let planned = planned.fold(0, u32::saturating_add);
    let pipelines = match seen.loads.len() {
        0 => "no Pipeline asks for new bars".to_string(),
        1 => format!("1 Pipeline plans {planned} requests a day"),
        many => format!("{many} Pipelines plan {planned} requests a day"),
    };
    let message = match seen.account.spec.limits().per_day {
        Some(limit) => format!("{pipelines}, of which {limit} are allowed"),
        None => pipelines,
    };
    Verdict {
        ready: true,
        reason: "Ready",
        message,
    }
}

#[cfg(test)]
mod tests;

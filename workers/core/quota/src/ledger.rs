//! The document that all pods share.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::Limits;
use crate::window::Window;

/// Most Pipelines with a share of their own; the others share [`SHARED`].
pub const MAX_PIPELINES: usize = 64;
/// The share of the Pipelines that found no place, and of names that are too long.
pub const SHARED: &str = "*";
/// Longest name of a Pipeline, in bytes: namespace, slash and name fit.
const LONGEST_NAME: usize = 128;

/// What an account has spent and learnt. Small and bounded: at most 16 recent grants and 65 shares, about 10 KiB.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", default)]
pub struct Ledger {
    /// Number of the newest grant.
    pub grants: u64,
    /// Newest time that a grant was made at. Never gone behind.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(with = "Option<String>", extend("format" = "date-time")))]
    pub newest: Option<Timestamp>,
    /// Grants of about the last minute, oldest first.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub recent: Vec<Recent>,
    /// The current day of each claim about when the provider starts one; the day in which Pipelines share first.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub days: Vec<Day>,
    /// What each Pipeline planned and spent, by name.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub shares: Vec<Share>,
    /// Why nothing is asked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub parked: Option<Park>,
    /// Whether the provider answers at all.
    pub breaker: Breaker,
    /// What the key is allowed to read.
    pub entitlement: Entitlement,
    /// Salted hash of the key, by which two accounts that hold the same key are found.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key_hash: Option<String>,
}

/// Grants that follow one another closely, counted as if all were made with the last.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", default)]
pub struct Recent {
    /// Number of the first grant.
    pub first: u64,
    /// Number of the last grant.
    pub last: u64,
    /// Requests in them.
    pub requests: u32,
}

/// What was spent in one day of the provider.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct Day {
    /// Where the day is counted: a time zone.
    pub name: String,
    /// When it began.
    #[cfg_attr(feature = "schema", schemars(with = "String", extend("format" = "date-time")))]
    pub start: Timestamp,
    /// Requests granted since.
    pub spent: u32,
}

/// One Pipeline's part of the day.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", default)]
pub struct Share {
    /// `namespace/name`.
    pub pipeline: String,
    /// Live requests it plans for each day.
    #[serde(skip_serializing_if = "is_zero")]
    pub live_planned: u32,
    /// Live requests granted today.
    #[serde(skip_serializing_if = "is_zero")]
    pub live: u32,
    /// Other requests granted today.
    #[serde(skip_serializing_if = "is_zero")]
    pub other: u32,
    /// Number of its last grant; 0 before the first.
    pub last_grant: u64,
}

fn is_zero(count: &u32) -> bool {
    *count == 0
}

/// Nothing is asked for a while.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct Park {
    /// Next attempt; never, without an edit, when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(with = "Option<String>", extend("format" = "date-time")))]
    pub until: Option<Timestamp>,
    /// Why.
    pub reason: ParkReason,
    /// Refusals in a row, from 1.
    pub attempt: u32,
    /// One request was granted to find out whether the reason is over, and its answer is not known.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub probing: bool,
}

/// Why nothing is asked, the mildest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum ParkReason {
    /// Requests followed one another too fast.
    Burst,
    /// The provider told us to wait.
    Refused,
    /// The provider says that the day is used up.
    DailyQuota,
    /// The provider does not know the key. Over when the Secret holds another.
    BadKey,
}

/// Stops asking a provider that does not answer.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", default)]
pub struct Breaker {
    /// State.
    pub state: BreakerState,
    /// Failures in a row while it was closed.
    #[serde(skip_serializing_if = "is_zero")]
    pub failures: u32,
    /// Times it opened without an answer in between.
    #[serde(skip_serializing_if = "is_zero")]
    pub openings: u32,
    /// When one request may try again.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(with = "Option<String>", extend("format" = "date-time")))]
    pub until: Option<Timestamp>,
}

/// State of a [`Breaker`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum BreakerState {
    /// Requests pass.
    #[default]
    Closed,
    /// None passes until a time.
    Open,
    /// One passed, and its answer is not known. Another may try at the time, in case the first was lost.
    HalfOpen,
}

/// What a key is allowed to read, and when that was learnt.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", default)]
pub struct Entitlement {
    /// How much.
    pub level: Level,
    /// When that was learnt.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(with = "Option<String>", extend("format" = "date-time")))]
    pub learnt: Option<Timestamp>,
}

/// How much of a series a key may read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum Level {
    /// Not known yet.
    #[default]
    Unknown,
    /// The newest points only.
    Compact,
    /// All of it.
    Full,
}

/// The live requests that a Pipeline will make each day.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LivePlan {
    /// `namespace/name`.
    pub pipeline: String,
    /// Requests a day.
    pub requests: u32,
}

impl Ledger {
    /// The ledger with exactly these Pipelines on it, for the operator to write when Pipelines come, change or go. One
    /// that left keeps what it spent until the day ends. Beyond [`MAX_PIPELINES`] they are added to [`SHARED`].
    pub fn with_plans(&self, plans: &[LivePlan]) -> Self {
        let mut next = self.clone();
        next.shares.retain(|share| share.live + share.other > 0);
        for share in &mut next.shares {
            share.live_planned = 0;
        }
        for plan in plans {
            let index = next.enroll(&plan.pipeline);
            let Some(share) = next.shares.get_mut(index) else {
                continue;
            };
            share.live_planned = share.live_planned.saturating_add(plan.requests);
            // A turn is kept across days and plans.
            let before = self
                .shares
                .iter()
                .find(|before| before.pipeline == share.pipeline);
            share.last_grant = before.map_or(share.last_grant, |before| before.last_grant);
        }
        next
    }

    /// The ledger of the key with this hash. Another key ends what was learnt about the old one; what was spent stays, so
    /// that keys cannot be changed to get round a limit.
    pub fn with_key(&self, hash: &str) -> Self {
        if self.key_hash.as_deref() == Some(hash) {
            return self.clone();
        }
        let bad = |park: &Park| park.reason == ParkReason::BadKey;
        Self {
            key_hash: Some(hash.to_owned()),
            parked: self.parked.clone().filter(|park| !bad(park)),
            entitlement: Entitlement::default(),
            ..self.clone()
        }
    }

    /// The index of a Pipeline's share, which is made when it is absent.
    pub(crate) fn enroll(&mut self, pipeline: &str) -> usize {
        let own = self
            .shares
            .iter()
            .filter(|share| share.pipeline != SHARED)
            .count();
        let find = |name: &str| {
            self.shares
                .binary_search_by(|share| share.pipeline.as_str().cmp(name))
        };
        let mut name = pipeline;
        let mut place = find(name);
        if place.is_err() && (own >= MAX_PIPELINES || name.len() > LONGEST_NAME) {
            name = SHARED;
            place = find(name);
        }
        place.unwrap_or_else(|index| {
            let share = Share {
                pipeline: name.to_owned(),
                ..Share::default()
            };
            self.shares.insert(index, share);
            index
        })
    }

    /// Makes `days` those of `windows`. A new day starts with nothing spent; a day that was not counted before (another
    /// time zone was declared) with the most that any was, since those requests may all be in it.
    pub(crate) fn roll(&mut self, windows: &[Window]) {
        let most = self.days.iter().map(|day| day.spent).max().unwrap_or(0);
        let first = self.days.first().map(|day| (day.name.clone(), day.start));
        let days = windows.iter().map(|window| {
            let known = self.days.iter().find(|day| day.name == window.name);
            let spent = match known {
                Some(day) if day.start < window.start => 0,
                Some(day) => day.spent,
                None => most,
            };
            let start = known.map_or(window.start, |day| day.start.max(window.start));
            Day {
                name: window.name.clone(),
                start,
                spent,
            }
        });
        self.days = days.collect();
        let now_first = self.days.first().map(|day| (day.name.clone(), day.start));
        if first.is_some() && first != now_first {
            self.shares
                .retain(|share| share.live_planned > 0 || share.live + share.other > 0);
            for share in &mut self.shares {
                (share.live, share.other) = (0, 0);
            }
        }
    }

    /// Requests that the provider may have counted in its current day, and the limit, at `now`.
    pub fn spent_today(&self, limits: &Limits, now: Timestamp) -> (u32, Option<u32>) {
        let mut rolled = self.clone();
        rolled.roll(&limits.reset_time_zone.windows(now));
        let spent = rolled.days.iter().map(|day| day.spent).max();
        (
            spent.unwrap_or(0),
            limits.per_day.map(std::num::NonZeroU32::get),
        )
    }
}

#[cfg(test)]
mod tests;

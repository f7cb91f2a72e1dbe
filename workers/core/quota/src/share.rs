//! How a day is shared among the Pipelines of one account. The rules stand at the top of the crate.

use jiff::Timestamp;

use crate::ledger::{Ledger, Share};
use crate::purpose::Purpose;
use crate::time::between;
use crate::window::Window;

/// The day in which Pipelines share, and how far it has passed.
pub struct Sharing {
    parts: Vec<Part>,
    /// Requests of this day that are left.
    left: u32,
    /// How far a Pipeline may be ahead of its own part.
    lead: u32,
}

/// One Pipeline's part of the day.
#[derive(Clone, Copy, Debug, Default)]
struct Part {
    /// Planned live requests that it has not had.
    live: u32,
    /// What it has not had of its even part.
    even: u32,
    /// What it had beyond its even part.
    ahead: u32,
    /// What nobody else may have: of `live`, and of `even`.
    held_live: u32,
    held_even: u32,
}

impl Sharing {
    /// The sharing of `window`, the day whose counts the shares hold. `ledger` is rolled to it. Where a second day is
    /// claimed and has more spent, the excess lies before this day began and cannot be had again in it.
    pub fn new(ledger: &Ledger, limit: u32, window: &Window, at: Timestamp) -> Self {
        let spent = ledger.days.first().map_or(0, |day| day.spent);
        let most = ledger.days.iter().map(|day| day.spent).max().unwrap_or(0);
        let budget = limit.saturating_sub(most.saturating_sub(spent));
        let left = limit.saturating_sub(most);
        let millis = |to| u64::try_from(between(window.start, to).as_millis()).unwrap_or(u64::MAX);
        let length = millis(window.end).max(1);
        let passed = millis(at).min(length);
        let mut parts = parts(&ledger.shares, budget);
        // Pipelines that come during the day may find less than their parts: what is left is cut to one level.
        let live: Vec<u32> = parts.iter().map(|part| part.live).collect();
        let live = level(left, &live);
        let rest = left.saturating_sub(live.iter().sum());
        let even = parts
            .iter()
            .map(|part| nearest(part.even, length - passed, length));
        let even = level(rest, &even.collect::<Vec<_>>());
        for ((part, live), even) in parts.iter_mut().zip(live).zip(even) {
            (part.held_live, part.held_even) = (live, even);
        }
        let lead = u128::from(budget) * u128::from(passed) / u128::from(length);
        let lead = u32::try_from(lead).unwrap_or(budget).saturating_add(1);
        Self { parts, left, lead }
    }

    /// Requests that the Pipeline at `index` may be granted now for `purpose`.
    pub fn allowed(&self, index: usize, purpose: Purpose) -> u32 {
        let Some(own) = self.parts.get(index) else {
            return 0;
        };
        let held: u32 = self
            .parts
            .iter()
            .map(|part| part.held_live + part.held_even)
            .sum();
        let free = self.left.saturating_sub(held) + own.held_even;
        let (free, part) = match purpose {
            Purpose::Live => (free + own.held_live, own.live.saturating_add(own.even)),
            Purpose::Backfill | Purpose::Repair => (free, own.even),
        };
        free.min(part.saturating_add(self.lead.saturating_sub(own.ahead)))
    }
}

/// What each Pipeline may still claim of a day of `budget` requests: its plan, and an even part of what the plans leave.
fn parts(shares: &[Share], budget: u32) -> Vec<Part> {
    let wanted: Vec<u32> = shares.iter().map(|share| share.live_planned).collect();
    let planned = level(budget, &wanted);
    let count = u32::try_from(shares.len()).unwrap_or(u32::MAX).max(1);
    let even = budget.saturating_sub(planned.iter().sum()) / count;
    let part = |(share, planned): (&Share, u32)| {
        let beyond = beyond_plan(share, planned);
        Part {
            live: planned.saturating_sub(share.live),
            even: even.saturating_sub(beyond),
            ahead: beyond.saturating_sub(even),
            ..Part::default()
        }
    };
    shares.iter().zip(planned).map(part).collect()
}

/// `count` times `part` of `whole`, to the nearest number.
fn nearest(count: u32, part: u64, whole: u64) -> u32 {
    let whole = u128::from(whole);
    let product = u128::from(count) * u128::from(part) + whole / 2;
    u32::try_from(product / whole).unwrap_or(count)
}

/// Requests of today that the plan does not cover.
fn beyond_plan(share: &Share, planned: u32) -> u32 {
    share
        .live
        .saturating_sub(planned)
        .saturating_add(share.other)
}

/// `wanted` cut to one level, the highest at which the sum fits into `total`.
fn level(total: u32, wanted: &[u32]) -> Vec<u32> {
    let mut order: Vec<u32> = wanted.to_vec();
    order.sort_unstable();
    let mut left = total;
    for (many, smallest) in (1_u32..=u32::try_from(order.len()).unwrap_or(u32::MAX))
        .rev()
        .zip(order)
    {
        let even = left / many;
        if smallest > even {
            return wanted.iter().map(|want| (*want).min(even)).collect();
        }
        left -= smallest;
    }
    wanted.to_vec()
}

#[cfg(test)]
mod tests;

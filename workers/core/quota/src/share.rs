//! How a day is shared among the Pipelines of one account. The rules stand at the top of the crate.

use jiff::Timestamp;

use crate::ask::Purpose;
use crate::ledger::{Ledger, Share};
use crate::time::between;
use crate::window::Window;

/// The day in which Pipelines share, and how far it has passed.
pub struct Sharing<'a> {
    shares: &'a [Share],
    /// Live requests set aside, in the order of `shares`.
    planned: Vec<u32>,
    /// Each Pipeline's even part of what the plans leave.
    even: u32,
    /// Most requests of this day.
    budget: u32,
    /// Requests of this day that are left.
    left: u32,
    /// Milliseconds that passed, and of the whole day.
    passed: u64,
    length: u64,
}

impl<'a> Sharing<'a> {
    /// The sharing of `window`, the day whose counts the shares hold. `ledger` is rolled to it. Where a second day is
    /// claimed and has more spent, the excess lies before this day began and cannot be had again in it.
    pub fn new(ledger: &'a Ledger, limit: u32, window: &Window, at: Timestamp) -> Self {
        let spent = ledger.days.first().map_or(0, |day| day.spent);
        let most = ledger.days.iter().map(|day| day.spent).max().unwrap_or(0);
        let budget = limit.saturating_sub(most.saturating_sub(spent));
        let wanted: Vec<u32> = ledger
            .shares
            .iter()
            .map(|share| share.live_planned)
            .collect();
        let planned = level(budget, &wanted);
        let aside: u32 = planned.iter().sum();
        let count = u32::try_from(ledger.shares.len())
            .unwrap_or(u32::MAX)
            .max(1);
        let millis = |to| u64::try_from(between(window.start, to).as_millis()).unwrap_or(u64::MAX);
        let length = millis(window.end).max(1);
        Self {
            shares: &ledger.shares,
            planned,
            even: budget.saturating_sub(aside) / count,
            budget,
            left: limit.saturating_sub(most),
            passed: millis(at).min(length),
            length,
        }
    }

    /// Requests that the Pipeline at `index` may be granted now for `purpose`.
    pub fn allowed(&self, index: usize, purpose: Purpose) -> u32 {
        let others = self.shares.iter().zip(&self.planned).enumerate();
        let others = others.filter(|(other, _)| *other != index);
        let held: u32 = others
            .map(|(_, (share, planned))| self.held(share, *planned))
            .sum();
        let Some((share, planned)) = self.shares.get(index).zip(self.planned.get(index)) else {
            return 0;
        };
        let live_left = planned.saturating_sub(share.live);
        let (own_live, kept) = match purpose {
            Purpose::Live => (live_left, 0),
            Purpose::Backfill | Purpose::Repair => (0, live_left),
        };
        let free = self.left.saturating_sub(held).saturating_sub(kept);
        let beyond_plan = beyond_plan(share, *planned);
        let even_left = self.even.saturating_sub(beyond_plan);
        let ahead = beyond_plan.saturating_sub(self.even);
        let lead = self.part_passed(self.budget).saturating_add(1);
        let own = own_live.saturating_add(even_left);
        free.min(own.saturating_add(lead.saturating_sub(ahead)))
    }

    /// Requests that nobody else may have: the plan until the day ends, and of the even part what the day that is left
    /// stands for, to the nearest request.
    fn held(&self, share: &Share, planned: u32) -> u32 {
        let unclaimed = self.even.saturating_sub(beyond_plan(share, planned));
        let left = u128::from(self.length - self.passed);
        let length = u128::from(self.length);
        let held = (u128::from(unclaimed) * left + length / 2) / length;
        let held = u32::try_from(held).unwrap_or(unclaimed);
        planned.saturating_sub(share.live).saturating_add(held)
    }

    /// What part of `count` the day that has passed stands for, rounded down.
    fn part_passed(&self, count: u32) -> u32 {
        let part = u128::from(count) * u128::from(self.passed) / u128::from(self.length);
        u32::try_from(part).unwrap_or(count)
    }
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

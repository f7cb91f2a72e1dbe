//! May this pod ask the provider now?

use std::num::NonZeroU32;
use std::time::Duration;

use jiff::Timestamp;

use crate::ledger::{BreakerState, Ledger, Park, ParkReason, Recent};
use crate::purpose::Purpose;
use crate::share::Sharing;
use crate::time::{after, before, between};
use crate::window::Window;
use crate::{CLOCK_ERROR, GAP, GRANT, Limits, Moment, TRAVEL, YIELD, learn};

/// What one Pipeline would ask.
#[derive(Clone, Copy, Debug)]
pub struct Want<'a> {
    /// `namespace/name`.
    pub pipeline: &'a str,
    /// What for.
    pub purpose: Purpose,
    /// How many requests, at least 1: as many as the pod can send within [`GRANT`].
    pub requests: u32,
}

/// The answer to a [`Want`].
#[derive(Clone, Debug, PartialEq)]
pub enum Decision {
    /// Commit the ledger, then send.
    Granted(Box<Grant>),
    /// Ask again later.
    Wait(Wait),
    /// The account is parked.
    Parked {
        /// Next attempt, by the clock that was handed in; not before an edit, when absent.
        until: Option<Timestamp>,
        /// Why.
        reason: ParkReason,
    },
}

/// Requests that may be sent once the ledger is committed.
#[derive(Clone, Debug, PartialEq)]
pub struct Grant {
    /// The ledger with the spend in it, to be committed before anything is sent.
    pub ledger: Ledger,
    /// How many requests, from 1 to what was wanted.
    pub requests: u32,
    /// Reading of the monotonic clock from which on nothing may be sent.
    pub send_before: Duration,
}

/// When to ask again, and why not now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wait {
    /// Always later than the time that was handed in, by the same clock.
    pub until: Timestamp,
    /// Why.
    pub why: WaitReason,
}

/// What a pod waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WaitReason {
    /// The limit a second, or another whose turn it is.
    Second,
    /// The limit a minute.
    Minute,
    /// The limit a day is used up.
    Day,
    /// A day of the provider ends or begins.
    Midnight,
    /// What is left of the day is set aside for live requests or for other Pipelines.
    Share,
    /// The provider does not answer.
    Breaker,
    /// The ledger was written at a time that this clock will reach only later than two clocks can honestly differ.
    ClockBehind,
}

/// How long a grant counts in a window of a minute: its use, the minute, and the time on the way.
const MINUTE: Duration = Duration::from_secs(60)
    .saturating_add(GRANT)
    .saturating_add(TRAVEL);
/// Grants that follow one another within this time are counted together.
const COUNTED_TOGETHER: Duration = Duration::from_secs(5);
/// Most entries in [`Ledger::recent`].
const MOST_RECENT: usize = 16;
/// The most that two honest clocks differ.
const CLOCKS_DIFFER: Duration = Duration::from_secs(2 * CLOCK_ERROR.as_secs());
/// After a ledger was idle for so long, by any honest clock its last minute is over.
const IDLE: Duration = Duration::from_secs(CLOCKS_DIFFER.as_secs() + 120);

/// What is looked at for one decision.
struct Asking<'a> {
    limits: &'a Limits,
    want: &'a Want<'a>,
    moment: &'a Moment<'a>,
    /// The pod's time or the newest of the ledger, whichever is later.
    at: Timestamp,
    windows: Vec<Window>,
}

impl Ledger {
    /// Whether `want` may be sent at `moment`, which stems from a look at this ledger.
    pub fn ask(&self, limits: &Limits, want: &Want<'_>, moment: &Moment<'_>) -> Decision {
        let newest = self.newest.unwrap_or(Timestamp::MIN);
        if between(moment.now, newest) > CLOCKS_DIFFER {
            let until = before(newest, CLOCKS_DIFFER).max(after(moment.now, YIELD));
            return Decision::Wait(Wait {
                until,
                why: WaitReason::ClockBehind,
            });
        }
        let at = moment.now.max(newest);
        let windows = limits.reset_time_zone.windows(at);
        let asking = Asking {
            limits,
            want,
            moment,
            at,
            windows,
        };
        if let Some(decision) = self.stopped(&asking) {
            return decision;
        }
        let mut next = self.clone();
        next.roll(&asking.windows);
        let index = next.enroll(want.pipeline);
        match next.allowed(index, &asking) {
            Ok(requests) => {
                Decision::Granted(Box::new(next.granted(index, requests.get(), &asking)))
            }
            Err(wait) => Decision::Wait(asking.later(wait)),
        }
    }

    /// The provider does not want to be asked, or does not answer.
    fn stopped(&self, asking: &Asking<'_>) -> Option<Decision> {
        if let Some(park) = self.parked.as_ref().filter(|park| park.holds(asking.at)) {
            return Some(Decision::Parked {
                until: park
                    .until
                    .map(|until| until.max(after(asking.moment.now, YIELD))),
                reason: park.reason,
            });
        }
        let until = self.breaker.until.filter(|until| asking.at < *until)?;
        let open = self.breaker.state != BreakerState::Closed;
        let wait = Wait {
            until,
            why: WaitReason::Breaker,
        };
        open.then(|| Decision::Wait(asking.later(wait)))
    }

    /// Whether the next request finds out if a reason to stop is over.
    fn probes(&self) -> bool {
        self.breaker.state != BreakerState::Closed
            || self
                .parked
                .as_ref()
                .is_some_and(|park| park.reason == ParkReason::DailyQuota)
    }

    /// Requests that every limit allows the Pipeline at `index`. The longest wait is looked for first.
    fn allowed(&self, index: usize, asking: &Asking<'_>) -> Result<NonZeroU32, Wait> {
        let wanted = asking.want.requests.max(1);
        let most = if self.probes() {
            1
        } else {
            asking.limits.per_grant().get()
        };
        let day = self.allowed_today(index, asking)?;
        let minute = self.allowed_this_minute(asking)?;
        self.second_is_free(index, asking)?;
        let requests = wanted.min(most).min(day).min(minute);
        Ok(NonZeroU32::new(requests).unwrap_or(NonZeroU32::MIN))
    }

    fn allowed_today(&self, index: usize, asking: &Asking<'_>) -> Result<u32, Wait> {
        let Some(limit) = asking.limits.per_day else {
            return Ok(u32::MAX);
        };
        let quiet = asking
            .windows
            .iter()
            .filter_map(|window| window.quiet_until(asking.at))
            .max();
        if let Some(until) = quiet {
            return Err(Wait {
                until,
                why: WaitReason::Midnight,
            });
        }
        let days = self.days.iter().zip(&asking.windows);
        let full = days.filter(|(day, _)| day.spent >= limit.get());
        if let Some(until) = full.map(|(_, window)| window.next_opens()).max() {
            return Err(Wait {
                until,
                why: WaitReason::Day,
            });
        }
        let Some(window) = asking.windows.first() else {
            return Ok(0);
        };
        let sharing = Sharing::new(self, limit.get(), window, asking.at);
        match sharing.allowed(index, asking.want.purpose) {
            // Shares change as the day passes, and when others spend or plan.
            0 => {
                let until = after(asking.at, window.length() / 144).min(window.next_opens());
                Err(Wait {
                    until,
                    why: WaitReason::Share,
                })
            }
            allowed => Ok(allowed),
        }
    }

    /// The sum of the last minute has room. A quarter of it is kept for live requests.
    fn allowed_this_minute(&self, asking: &Asking<'_>) -> Result<u32, Wait> {
        let Some(limit) = asking.limits.per_minute else {
            return Ok(u32::MAX);
        };
        let limit = match asking.want.purpose {
            Purpose::Live => limit.get(),
            Purpose::Backfill | Purpose::Repair => limit.get() - limit.get() / 4,
        };
        let counted = self.counted(asking);
        let mut over = counted.iter().map(|(_, requests)| *requests).sum::<u32>();
        if over < limit {
            return Ok(limit - over);
        }
        let mut wait = MINUTE;
        for (age, requests) in counted {
            wait = MINUTE.saturating_sub(age);
            over = over.saturating_sub(requests);
            if over < limit {
                break;
            }
        }
        Err(Wait {
            until: after(asking.moment.now, wait),
            why: WaitReason::Minute,
        })
    }

    /// Age and requests of the grants that may still count in a minute, oldest first.
    fn counted(&self, asking: &Asking<'_>) -> Vec<(Duration, u32)> {
        let counted = self
            .recent
            .iter()
            .map(|recent| (self.age(recent.last, asking), recent.requests));
        counted.filter(|(age, _)| *age < MINUTE).collect()
    }

    /// The newest grant is old enough, and nobody else goes first. Where neither a second nor a minute has a limit there is
    /// nothing to wait for, and nobody in whose way it would be.
    fn second_is_free(&self, index: usize, asking: &Asking<'_>) -> Result<(), Wait> {
        if !asking.limits.has_pace() {
            return Ok(());
        }
        let pause = GAP + asking.want.purpose.yields() + self.turn(index);
        let age = self.age(self.grants, asking);
        if self.grants == 0 || age >= pause {
            return Ok(());
        }
        Err(Wait {
            until: after(asking.moment.now, pause - age),
            why: WaitReason::Second,
        })
    }

    /// How much longer a Pipeline waits than the one whose last grant is the longest ago, among those that ask at all
    /// lately: less than [`YIELD`].
    fn turn(&self, index: usize) -> Duration {
        let lately = 2 * u64::try_from(self.shares.len()).unwrap_or(u64::MAX / 2);
        let Some(own) = self.shares.get(index).filter(|share| share.last_grant > 0) else {
            return Duration::ZERO;
        };
        let active = |share: &&crate::Share| {
            share.last_grant > 0 && share.last_grant.saturating_add(lately) > self.grants
        };
        let active: Vec<_> = self.shares.iter().filter(active).collect();
        let earlier = active
            .iter()
            .filter(|share| share.last_grant < own.last_grant)
            .count();
        let count = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
        YIELD * count(earlier) / count(active.len() + 1)
    }

    /// The least age of a grant.
    fn age(&self, grant: u64, asking: &Asking<'_>) -> Duration {
        let idle = self
            .newest
            .map_or(IDLE, |newest| between(newest, asking.moment.now));
        if idle >= IDLE {
            idle
        } else {
            asking.moment.age(grant)
        }
    }

    /// This ledger with the spend in it.
    fn granted(mut self, index: usize, requests: u32, asking: &Asking<'_>) -> Grant {
        if self.probes() {
            self.presume_refused(asking);
        }
        self.count_recent(requests, asking);
        self.newest = Some(after(asking.at, Duration::ZERO));
        for day in &mut self.days {
            day.spent = day.spent.saturating_add(requests);
        }
        if let Some(share) = self.shares.get_mut(index) {
            let count = match asking.want.purpose {
                Purpose::Live => &mut share.live,
                Purpose::Backfill | Purpose::Repair => &mut share.other,
            };
            *count = count.saturating_add(requests);
            share.last_grant = self.grants;
        }
        let send_before = asking.moment.uptime.saturating_add(GRANT);
        Grant {
            ledger: self,
            requests,
            send_before,
        }
    }

    fn count_recent(&mut self, requests: u32, asking: &Asking<'_>) {
        self.grants = self.grants.saturating_add(1);
        let grant = self.grants;
        let over: Vec<u64> = self.recent.iter().map(|recent| recent.last).collect();
        let over: Vec<u64> = over
            .into_iter()
            .filter(|last| self.age(*last, asking) >= MINUTE)
            .collect();
        self.recent.retain(|recent| !over.contains(&recent.last));
        let first = self
            .recent
            .last()
            .map(|recent| self.age(recent.first, asking));
        match self.recent.last_mut() {
            Some(recent) if first.is_some_and(|age| age < COUNTED_TOGETHER) => {
                recent.last = grant;
                recent.requests = recent.requests.saturating_add(requests);
            }
            _ => self.recent.push(Recent {
                first: grant,
                last: grant,
                requests,
            }),
        }
        if self.recent.len() > MOST_RECENT {
            let oldest = self.recent.remove(0);
            // Counted with the next, and so a little longer.
            if let Some(next) = self.recent.first_mut() {
                next.first = oldest.first;
                next.requests = next.requests.saturating_add(oldest.requests);
            }
        }
    }

    /// Whoever sends a probe may be killed before its answer is known: until then it counts as refused, so that nobody
    /// else probes as well.
    fn presume_refused(&mut self, asking: &Asking<'_>) {
        if self.breaker.state != BreakerState::Closed {
            self.breaker.state = BreakerState::HalfOpen;
            self.breaker.openings = self.breaker.openings.saturating_add(1);
            let pause = learn::breaker_pause(self.breaker.openings);
            self.breaker.until = Some(after(asking.at, pause));
        }
        let quota = self
            .parked
            .as_mut()
            .filter(|park| park.reason == ParkReason::DailyQuota);
        if let Some(park) = quota {
            park.attempt = park.attempt.saturating_add(1);
            park.probing = true;
            let pause = learn::probe_pause(park.attempt, &asking.windows);
            park.until = Some(after(asking.at, pause));
        }
    }
}

impl Park {
    /// Whether nothing is asked at this time.
    pub(crate) fn holds(&self, at: Timestamp) -> bool {
        self.until.is_none_or(|until| at < until)
    }
}

impl Asking<'_> {
    /// `wait`, but later than now by the pod's clock.
    fn later(&self, wait: Wait) -> Wait {
        let soonest = after(self.moment.now, Duration::from_millis(10));
        Wait {
            until: wait.until.max(soonest),
            ..wait
        }
    }
}

#[cfg(test)]
mod tests;

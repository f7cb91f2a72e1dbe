//! How long a pod has known each grant, measured on its own monotonic clock.

use std::collections::VecDeque;
use std::time::Duration;

use jiff::Timestamp;

use crate::Ledger;

/// How long a look is remembered: more than any window that is measured this way.
const REMEMBERED: Duration = Duration::from_secs(120);
/// Most looks remembered. Forgetting one makes grants look younger, never older.
const MOST_LOOKS: usize = 128;

/// What one pod remembers of a ledger between two looks. One per pod and account, kept as long as the pod runs.
#[derive(Clone, Debug, Default)]
pub struct Observer {
    /// The number of the newest grant and when it was first seen, oldest look first.
    looks: VecDeque<(u64, Duration)>,
}

/// The time at a pod, together with what it has seen.
#[derive(Clone, Copy, Debug)]
pub struct Moment<'a> {
    /// The pod's wall clock.
    pub now: Timestamp,
    /// The pod's monotonic clock, from any fixed point.
    pub uptime: Duration,
    observer: &'a Observer,
}

impl Observer {
    /// Notes that `ledger` is seen. `uptime` is a monotonic clock that runs on while the pod is suspended.
    pub fn look(&mut self, ledger: &Ledger, now: Timestamp, uptime: Duration) -> Moment<'_> {
        let newest = self.looks.back().map(|(grant, _)| *grant);
        if newest.is_some_and(|grant| grant > ledger.grants) {
            // Another ledger, or an older version of this one, which cannot be written any more.
            self.looks.clear();
        }
        if self
            .looks
            .back()
            .is_none_or(|(grant, _)| *grant < ledger.grants)
        {
            self.looks.push_back((ledger.grants, uptime));
        }
        // The front is needed until the look after it is old enough to stand for the same grants.
        while self.looks.len() > MOST_LOOKS
            || self
                .looks
                .get(1)
                .is_some_and(|(_, seen)| uptime.saturating_sub(*seen) > REMEMBERED)
        {
            self.looks.pop_front();
        }
        Moment {
            now,
            uptime,
            observer: self,
        }
    }
}

impl Moment<'_> {
    /// The least age of a grant: the time since a ledger that holds it was first seen.
    pub(crate) fn age(&self, grant: u64) -> Duration {
        let known = self
            .observer
            .looks
            .iter()
            .find(|(newest, _)| *newest >= grant);
        known.map_or(Duration::ZERO, |(_, seen)| {
            self.uptime.saturating_sub(*seen)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ledger(grants: u64) -> Ledger {
        Ledger {
            grants,
            ..Ledger::default()
        }
    }

    #[test]
    fn a_grant_is_as_old_as_the_first_look_at_it() {
        let second = Duration::from_secs;
        let mut observer = Observer::default();
        observer.look(&ledger(4), Timestamp::UNIX_EPOCH, second(10));
        observer.look(&ledger(4), Timestamp::UNIX_EPOCH, second(12));
        let moment = observer.look(&ledger(6), Timestamp::UNIX_EPOCH, second(15));
        assert_eq!(moment.age(3), second(5));
        assert_eq!(moment.age(4), second(5));
        assert_eq!(moment.age(5), second(0));
        assert_eq!(moment.age(9), second(0), "never seen");
        // An idle ledger: the old look goes once the one after it is old as well.
        let moment = observer.look(&ledger(7), Timestamp::UNIX_EPOCH, second(500));
        assert_eq!(moment.age(6), second(485));
        assert_eq!(moment.age(7), second(0));
        // A ledger that was made anew is not taken for the old one.
        let moment = observer.look(&ledger(1), Timestamp::UNIX_EPOCH, second(501));
        assert_eq!(moment.age(1), second(0));
    }

    #[test]
    fn what_is_remembered_is_bounded() {
        let mut observer = Observer::default();
        for grant in 0..1_000 {
            observer.look(
                &ledger(grant),
                Timestamp::UNIX_EPOCH,
                Duration::from_millis(grant * 10),
            );
        }
        assert!(observer.looks.len() <= MOST_LOOKS);
    }
}

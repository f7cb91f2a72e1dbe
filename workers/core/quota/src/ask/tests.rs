use super::*;
use crate::ledger::LivePlan;
use crate::{Observer, Reset};

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn second(seconds: f64) -> Duration {
    Duration::from_secs_f64(seconds)
}

fn limits(second: u32, minute: u32, day: u32) -> Limits {
    Limits {
        per_second: NonZeroU32::new(second),
        per_minute: NonZeroU32::new(minute),
        per_day: NonZeroU32::new(day),
        reset_time_zone: Reset::zone("UTC").unwrap(),
    }
}

/// One pod on an account: its clocks run together from noon.
struct Pod {
    limits: Limits,
    ledger: Ledger,
    observer: Observer,
}

impl Pod {
    fn new(limits: Limits) -> Self {
        let plans = ["a", "b"].map(|name| LivePlan {
            pipeline: name.into(),
            requests: 0,
        });
        Self {
            limits,
            ledger: Ledger::default().with_plans(&plans),
            observer: Observer::default(),
        }
    }

    fn ask(&mut self, uptime: f64, pipeline: &str, purpose: Purpose, requests: u32) -> Decision {
        let now = after(at("2026-07-01T12:00:00Z"), second(uptime));
        let moment = self.observer.look(&self.ledger, now, second(uptime));
        self.ledger.ask(
            &self.limits,
            &Want {
                pipeline,
                purpose,
                requests,
            },
            &moment,
        )
    }

    /// Requests granted and committed.
    fn spend(&mut self, uptime: f64, purpose: Purpose, requests: u32) -> u32 {
        match self.ask(uptime, "a", purpose, requests) {
            Decision::Granted(grant) => {
                self.ledger = grant.ledger;
                let now = after(at("2026-07-01T12:00:00Z"), second(uptime));
                self.observer.look(&self.ledger, now, second(uptime));
                grant.requests
            }
            _ => 0,
        }
    }

    /// Seconds from `uptime` that it is told to wait, and why.
    fn waits(&mut self, uptime: f64, purpose: Purpose) -> (f64, WaitReason) {
        match self.ask(uptime, "a", purpose, 1) {
            Decision::Wait(wait) => {
                let until = between(
                    after(at("2026-07-01T12:00:00Z"), second(uptime)),
                    wait.until,
                );
                (until.as_secs_f64(), wait.why)
            }
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn a_grant_holds_the_spend_and_ends_after_a_second() {
    let mut pod = Pod::new(limits(3, 0, 25));
    let Decision::Granted(grant) = pod.ask(5.0, "a", Purpose::Live, 7) else {
        panic!("not granted");
    };
    assert_eq!((grant.requests, grant.send_before), (3, second(6.0)));
    assert_eq!(grant.ledger.days[0].spent, 3);
    assert_eq!(
        (grant.ledger.shares[0].live, grant.ledger.shares[0].other),
        (3, 0)
    );
    assert_eq!(
        (grant.ledger.grants, grant.ledger.newest),
        (1, Some(at("2026-07-01T12:00:05Z")))
    );
    assert_eq!(pod.spend(5.0, Purpose::Live, 0), 1, "none is taken for one");
}

#[test]
fn two_grants_are_a_gap_apart_and_lower_purposes_let_more_time_pass() {
    let mut pod = Pod::new(limits(1, 0, 0));
    assert_eq!(pod.spend(0.0, Purpose::Live, 1), 1);
    assert_eq!(pod.waits(0.0, Purpose::Live), (2.5, WaitReason::Second));
    assert_eq!(pod.waits(1.0, Purpose::Backfill), (2.5, WaitReason::Second));
    assert_eq!(pod.waits(1.0, Purpose::Repair), (3.5, WaitReason::Second));
    assert_eq!(pod.spend(2.4, Purpose::Live, 1), 0);
    assert_eq!(pod.spend(2.5, Purpose::Live, 1), 1);
    assert_eq!(pod.spend(5.0, Purpose::Backfill, 1), 0);
    assert_eq!(pod.spend(6.0, Purpose::Backfill, 1), 1);
}

#[test]
fn without_a_limit_a_second_or_a_minute_grants_follow_without_a_pause() {
    let mut pod = Pod::new(limits(0, 0, 100));
    for purpose in [Purpose::Live, Purpose::Repair, Purpose::Backfill] {
        assert_eq!(pod.spend(0.0, purpose, 8), 8, "{purpose:?}");
    }
    assert_eq!(pod.ledger.days[0].spent, 24);
    let mut paced = Pod::new(limits(0, 1_200, 100));
    assert_eq!(paced.spend(0.0, Purpose::Live, 8), 8);
    assert_eq!(paced.spend(0.0, Purpose::Live, 8), 0);
}

#[test]
fn another_pod_measures_the_gap_from_when_it_saw_the_grant_whatever_its_clock_says() {
    let mut pod = Pod::new(limits(1, 60, 0));
    assert_eq!(pod.spend(0.0, Purpose::Live, 1), 1);
    for clock in [
        "2026-07-01T11:56:00Z",
        "2026-07-01T12:00:00Z",
        "2026-07-01T12:04:00Z",
    ] {
        let mut other = Observer::default();
        let mut ask = |uptime: f64| {
            let now = after(at(clock), second(uptime));
            let moment = other.look(&pod.ledger, now, second(uptime));
            let want = Want {
                pipeline: "b",
                purpose: Purpose::Live,
                requests: 1,
            };
            pod.ledger.ask(&pod.limits, &want, &moment)
        };
        assert!(matches!(ask(90.0), Decision::Wait(_)), "{clock}");
        assert!(matches!(ask(92.4), Decision::Wait(_)), "{clock}");
        assert!(matches!(ask(92.5), Decision::Granted(_)), "{clock}");
    }
}

#[test]
fn who_was_granted_last_lets_the_others_go_first() {
    let mut pod = Pod::new(limits(1, 0, 0));
    assert_eq!(pod.spend(0.0, Purpose::Live, 1), 1);
    let Decision::Granted(grant) = pod.ask(5.0, "b", Purpose::Live, 1) else {
        panic!("not granted");
    };
    pod.ledger = grant.ledger;
    // a had the one before: it goes first, b a third of a second later.
    assert!(matches!(
        pod.ask(5.0, "a", Purpose::Live, 1),
        Decision::Wait(_)
    ));
    assert!(matches!(
        pod.ask(7.5, "b", Purpose::Live, 1),
        Decision::Wait(_)
    ));
    assert!(matches!(
        pod.ask(7.5, "a", Purpose::Live, 1),
        Decision::Granted(_)
    ));
    assert!(matches!(
        pod.ask(7.9, "b", Purpose::Live, 1),
        Decision::Granted(_)
    ));
}

#[test]
fn the_sum_of_any_minute_is_kept_and_a_quarter_is_left_to_live() {
    let mut pod = Pod::new(limits(10, 20, 0));
    assert_eq!(pod.spend(0.0, Purpose::Backfill, 10), 10);
    assert_eq!(
        pod.spend(10.0, Purpose::Backfill, 10),
        5,
        "fifteen of twenty"
    );
    assert_eq!(
        pod.waits(20.0, Purpose::Backfill),
        (41.5, WaitReason::Minute)
    );
    assert_eq!(pod.spend(20.0, Purpose::Live, 10), 5);
    assert_eq!(pod.waits(30.0, Purpose::Live), (31.5, WaitReason::Minute));
    assert_eq!(pod.spend(61.4, Purpose::Live, 10), 0);
    assert_eq!(pod.spend(61.5, Purpose::Live, 20), 10);
    assert_eq!(pod.spend(71.5, Purpose::Live, 20), 5);
}

#[test]
fn recent_grants_stay_few_and_none_is_forgotten_too_early() {
    let mut pod = Pod::new(limits(1, 600, 0));
    for step in 0..200 {
        assert_eq!(pod.spend(f64::from(step) * 3.0, Purpose::Live, 1), 1);
        assert!(pod.ledger.recent.len() <= MOST_RECENT);
    }
    let counted: u32 = pod.ledger.recent.iter().map(|recent| recent.requests).sum();
    assert!(
        (21..=25).contains(&counted),
        "{counted} of the twenty-one in a minute"
    );
}

#[test]
fn a_pod_that_starts_on_an_idle_account_does_not_wait() {
    let mut pod = Pod::new(limits(1, 1, 0));
    assert_eq!(pod.spend(0.0, Purpose::Live, 1), 1);
    let ask = |minutes: u64| {
        let mut observer = Observer::default();
        let now = after(
            at("2026-07-01T12:00:00Z"),
            Duration::from_secs(minutes * 60),
        );
        let moment = observer.look(&pod.ledger, now, Duration::ZERO);
        pod.ledger.ask(
            &pod.limits,
            &Want {
                pipeline: "a",
                purpose: Purpose::Repair,
                requests: 1,
            },
            &moment,
        )
    };
    assert!(matches!(ask(12), Decision::Granted(_)));
    // By two clocks that err this may be one minute only.
    assert!(matches!(ask(11), Decision::Wait(_)));
}

#[test]
fn a_used_up_day_waits_for_the_next_and_midnight_is_quiet() {
    let mut pod = Pod::new(limits(9, 0, 5));
    let day = 86_400.0;
    pod.ledger = Ledger::default();
    assert_eq!(pod.spend(0.0, Purpose::Live, 9), 5);
    assert_eq!(
        pod.waits(10.0, Purpose::Live),
        (day / 2.0 + 350.0, WaitReason::Day)
    );
    assert_eq!(pod.spend(day / 2.0 + 359.0, Purpose::Live, 1), 0);
    assert_eq!(
        pod.waits(day / 2.0 - 100.0, Purpose::Live).1,
        WaitReason::Midnight
    );
    assert_eq!(pod.spend(day / 2.0 + 360.0, Purpose::Live, 1), 1);
    assert_eq!(pod.ledger.days[0].spent, 1);
}

#[test]
fn a_part_that_is_held_for_others_is_waited_for() {
    let mut pod = Pod::new(limits(9, 0, 8));
    pod.ledger = pod
        .ledger
        .with_plans(&["a", "b", "c", "d"].map(|name| LivePlan {
            pipeline: name.into(),
            requests: 2,
        }));
    assert_eq!(pod.spend(0.0, Purpose::Live, 9), 2);
    let (wait, why) = pod.waits(10.0, Purpose::Live);
    assert_eq!((wait, why), (600.0, WaitReason::Share));
}

#[test]
fn a_clock_far_behind_the_ledger_waits_and_one_slightly_behind_goes_on() {
    let mut pod = Pod::new(limits(1, 0, 5));
    pod.ledger.newest = Some(at("2026-07-01T12:11:00Z"));
    assert_eq!(
        pod.waits(0.0, Purpose::Live),
        (60.0, WaitReason::ClockBehind)
    );
    // Honest clocks can differ by ten minutes: the later time counts, and stays.
    pod.ledger.newest = Some(at("2026-07-02T00:06:00Z"));
    let mut observer = Observer::default();
    let moment = observer.look(&pod.ledger, at("2026-07-01T23:56:30Z"), Duration::ZERO);
    let want = Want {
        pipeline: "a",
        purpose: Purpose::Live,
        requests: 1,
    };
    let Decision::Granted(grant) = pod.ledger.ask(&pod.limits, &want, &moment) else {
        panic!("not granted");
    };
    assert_eq!(grant.ledger.newest, Some(at("2026-07-02T00:06:00Z")));
    assert_eq!(grant.ledger.days[0].start, at("2026-07-02T00:00:00Z"));
}

#[test]
fn an_unknown_reset_keeps_the_limit_in_both_days() {
    let mut pod = Pod::new(Limits {
        reset_time_zone: Reset::Unknown,
        ..limits(9, 0, 8)
    });
    // 12:00 UTC is 08:00 in New York. All is spent today; a new day UTC does not help before New York has one too.
    pod.ledger
        .roll(&Reset::Unknown.windows(at("2026-07-01T12:00:00Z")));
    pod.ledger.days[0].spent = 8;
    pod.ledger.days[1].spent = 8;
    let hour = 3_600.0;
    assert_eq!(
        pod.waits(13.0 * hour, Purpose::Live),
        (3.0 * hour + 360.0, WaitReason::Day)
    );
    assert!(pod.spend(16.1 * hour, Purpose::Live, 1) == 1);
    let spent: Vec<_> = pod.ledger.days.iter().map(|day| day.spent).collect();
    assert_eq!(spent, [1, 1]);
}

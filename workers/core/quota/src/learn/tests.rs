use super::*;
use crate::ledger::LivePlan;
use crate::{Decision, Observer, Purpose, Reset, Want};

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn after_seconds(time: Timestamp, seconds: u64) -> Timestamp {
    after(time, Duration::from_secs(seconds))
}

fn learn(ledger: &Ledger, outcome: Outcome, now: Timestamp) -> Ledger {
    ledger.learn(outcome, &Limits::alpha_vantage_free(), now, 0.0)
}

/// What a fresh pod that saw the ledger long ago is told.
fn ask(ledger: &Ledger, now: Timestamp) -> Decision {
    let mut observer = Observer::default();
    observer.look(ledger, now, Duration::ZERO);
    let moment = observer.look(ledger, now, Duration::from_secs(100));
    let want = Want {
        pipeline: "a",
        purpose: Purpose::Live,
        requests: 5,
    };
    let limits = Limits {
        per_second: None,
        ..Limits::alpha_vantage_free()
    };
    ledger.ask(&limits, &want, &moment)
}

fn granted(ledger: &Ledger, now: Timestamp) -> (Ledger, u32) {
    match ask(ledger, now) {
        Decision::Granted(grant) => (grant.ledger, grant.requests),
        other => panic!("{other:?}"),
    }
}

fn parked_until(ledger: &Ledger) -> Timestamp {
    ledger.parked.as_ref().unwrap().until.unwrap()
}

const NOON: &str = "2026-07-01T16:00:00Z";
const OK: Outcome = Outcome::Ok { full: false };

#[test]
fn an_answer_that_teaches_nothing_needs_no_write() {
    let ledger = Ledger::default().with_plans(&[LivePlan {
        pipeline: "a".into(),
        requests: 1,
    }]);
    assert_eq!(learn(&ledger, OK, at(NOON)), ledger);
    assert_eq!(learn(&ledger, Outcome::Unknown, at(NOON)), ledger);
    let full = learn(&ledger, Outcome::Ok { full: true }, at(NOON));
    assert_eq!(
        full.entitlement,
        Entitlement {
            level: Level::Full,
            learnt: Some(at(NOON))
        }
    );
    assert_eq!(
        learn(
            &full,
            Outcome::Ok { full: true },
            after_seconds(at(NOON), 9)
        ),
        full
    );
    let compact = learn(&full, Outcome::NotEntitled, at(NOON));
    assert_eq!(compact.entitlement.level, Level::Compact);
    assert_eq!(compact.parked, None, "the account goes on, with less");
}

#[test]
fn a_used_up_day_is_tried_again_after_the_first_claimed_midnight_and_then_ever_more_seldom() {
    let ledger = learn(&Ledger::default(), Outcome::DailyQuota, at(NOON));
    // Midnight UTC comes before that of New York.
    assert_eq!(parked_until(&ledger), at("2026-07-02T00:06:00Z"));
    let spread = Ledger::default().learn(
        Outcome::DailyQuota,
        &Limits::alpha_vantage_free(),
        at(NOON),
        1.0,
    );
    assert_eq!(parked_until(&spread), at("2026-07-02T00:16:00Z"));
    let mut now = at("2026-07-02T00:06:00Z");
    let parked = Decision::Parked {
        until: Some(now),
        reason: ParkReason::DailyQuota,
    };
    assert_eq!(ask(&ledger, at("2026-07-02T00:05:59Z")), parked);
    let mut ledger = ledger;
    for (attempt, hours) in [(2, 1), (3, 2), (4, 4), (5, 8), (6, 12), (7, 12)] {
        // One request, and nobody else until its answer is known.
        let (probing, requests) = granted(&ledger, now);
        assert_eq!(requests, 1);
        let next = after_seconds(now, hours * 3_600);
        assert_eq!(
            ask(&probing, after_seconds(now, 5)),
            Decision::Parked {
                until: Some(next),
                reason: ParkReason::DailyQuota
            }
        );
        ledger = learn(&probing, Outcome::DailyQuota, after_seconds(now, 2));
        let park = ledger.parked.clone().unwrap();
        assert_eq!(
            (park.attempt, park.until, park.probing),
            (attempt, Some(next), false)
        );
        // Attempts that fall into the quiet minutes are put off.
        now = after_seconds(next, 13 * 60);
    }
    let (probing, _) = granted(&ledger, now);
    assert_eq!(learn(&probing, OK, after_seconds(now, 2)).parked, None);
    // The pod was killed: the next attempt comes without an answer to this one.
    assert!(matches!(
        ask(&probing, after_seconds(now, 13 * 3_600)),
        Decision::Granted(_)
    ));
}

#[test]
fn a_declared_time_zone_is_believed() {
    let reset = Reset::zone("America/New_York").unwrap();
    let limits = Limits {
        reset_time_zone: reset,
        ..Limits::alpha_vantage_free()
    };
    let ledger = Ledger::default().learn(Outcome::DailyQuota, &limits, at(NOON), 0.0);
    assert_eq!(parked_until(&ledger), at("2026-07-02T04:06:00Z"));
}

#[test]
fn answers_to_requests_from_before_a_park_say_nothing_about_it() {
    let now = at(NOON);
    let parked = learn(&Ledger::default(), Outcome::DailyQuota, now);
    for outcome in [
        OK,
        Outcome::DailyQuota,
        Outcome::Burst {
            wait: Duration::ZERO,
        },
        Outcome::Refused { wait: None },
    ] {
        assert_eq!(
            learn(&parked, outcome, after_seconds(now, 3)),
            parked,
            "{outcome:?}"
        );
    }
    let burst = Outcome::Burst {
        wait: Duration::from_secs(60),
    };
    let mut ledger = learn(&Ledger::default(), burst, now);
    for _ in 0..5 {
        ledger = learn(&ledger, burst, now);
    }
    assert_eq!(
        ledger
            .parked
            .as_ref()
            .map(|park| (park.reason, park.attempt)),
        Some((ParkReason::Burst, 1))
    );
}

#[test]
fn a_burst_waits_and_three_of_a_minute_in_a_row_are_the_day() {
    let mut now = at(NOON);
    let short = learn(
        &Ledger::default(),
        Outcome::Burst {
            wait: Duration::ZERO,
        },
        now,
    );
    assert_eq!(
        parked_until(&short),
        after_seconds(now, 1),
        "at least a second"
    );
    assert!(matches!(
        ask(&short, now),
        Decision::Parked {
            reason: ParkReason::Burst,
            ..
        }
    ));
    assert!(matches!(
        ask(&short, after_seconds(now, 1)),
        Decision::Granted(_)
    ));
    let burst = Outcome::Burst {
        wait: Duration::from_secs(60),
    };
    let mut ledger = Ledger::default();
    for (attempt, reason) in [
        (1, ParkReason::Burst),
        (2, ParkReason::Burst),
        (1, ParkReason::DailyQuota),
    ] {
        ledger = learn(&ledger, burst, now);
        let park = ledger.parked.clone().unwrap();
        assert_eq!((park.attempt, park.reason), (attempt, reason));
        now = after_seconds(now, 61);
    }
    // An answer in between starts anew.
    let mut ledger = learn(&Ledger::default(), burst, at(NOON));
    ledger = learn(&ledger, OK, after_seconds(at(NOON), 61));
    assert_eq!(ledger.parked, None);
}

#[test]
fn a_bad_key_waits_for_another_secret() {
    let now = at(NOON);
    let ledger = learn(&Ledger::default().with_key("one"), Outcome::BadKey, now);
    let never = Decision::Parked {
        until: None,
        reason: ParkReason::BadKey,
    };
    assert_eq!(ask(&ledger, after_seconds(now, 9_000_000)), never);
    assert_eq!(learn(&ledger, OK, now).parked, ledger.parked);
    assert_eq!(
        learn(&ledger, Outcome::DailyQuota, now).parked,
        ledger.parked
    );
    assert!(matches!(
        ask(&ledger.with_key("two"), now),
        Decision::Granted(_)
    ));
}

#[test]
fn a_wait_that_the_provider_names_is_kept_within_a_day() {
    let now = at(NOON);
    let refused = |ledger: &Ledger, wait: Option<u64>, now| {
        learn(
            ledger,
            Outcome::Refused {
                wait: wait.map(Duration::from_secs),
            },
            now,
        )
    };
    assert_eq!(
        parked_until(&refused(&Ledger::default(), Some(90), now)),
        after_seconds(now, 90)
    );
    assert_eq!(
        parked_until(&refused(&Ledger::default(), Some(u64::MAX), now)),
        after_seconds(now, 86_400)
    );
    let (mut ledger, mut now) = (Ledger::default(), now);
    for minutes in [1, 2, 4, 8, 16, 32, 60, 60] {
        ledger = refused(&ledger, None, now);
        assert_eq!(parked_until(&ledger), after_seconds(now, minutes * 60));
        now = parked_until(&ledger);
    }
}

#[test]
fn the_breaker_opens_after_five_failures_in_a_row_and_lets_one_request_through() {
    let mut now = at(NOON);
    let mut ledger = Ledger::default();
    for failure in 1..=4 {
        let outcome = if failure % 2 == 0 {
            Outcome::Down
        } else {
            Outcome::Malformed
        };
        ledger = learn(&ledger, outcome, now);
        assert!(
            matches!(ask(&ledger, now), Decision::Granted(_)),
            "{failure}"
        );
    }
    assert_eq!(
        learn(&ledger, Outcome::NotEntitled, now).breaker,
        Breaker::default(),
        "it answers"
    );
    ledger = learn(&ledger, Outcome::Down, now);
    for seconds in [30, 60, 120, 240, 480, 960, 1_800, 1_800] {
        let until = after_seconds(now, seconds);
        assert_eq!(
            (ledger.breaker.state, ledger.breaker.until),
            (BreakerState::Open, Some(until))
        );
        assert!(matches!(ask(&ledger, now), Decision::Wait(wait) if wait.until == until));
        // Failures of requests from before it opened.
        assert_eq!(learn(&ledger, Outcome::Down, now), ledger);
        let (probing, requests) = granted(&ledger, until);
        assert_eq!(
            (requests, probing.breaker.state),
            (1, BreakerState::HalfOpen)
        );
        assert!(
            matches!(ask(&probing, after_seconds(until, 9)), Decision::Wait(_)),
            "one at a time"
        );
        assert_eq!(learn(&probing, OK, until).breaker, Breaker::default());
        let lost = probing.breaker.until.unwrap();
        assert_eq!(granted(&probing, lost).1, 1, "the pod was killed");
        ledger = learn(&probing, Outcome::Down, until);
        now = until;
    }
}

#[test]
fn jitter_that_is_no_number_is_none() {
    let limits = Limits::default();
    let spread = |jitter| {
        parked_until(&Ledger::default().learn(Outcome::DailyQuota, &limits, at(NOON), jitter))
    };
    assert_eq!(spread(f64::NAN), spread(0.0));
    assert_eq!(spread(-3.0), spread(0.0));
    assert_eq!(spread(7.0), spread(1.0));
}

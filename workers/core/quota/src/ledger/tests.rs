use serde_json::json;

use super::*;
use crate::Reset;

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn plan(pipeline: &str, requests: u32) -> LivePlan {
    LivePlan {
        pipeline: pipeline.into(),
        requests,
    }
}

#[test]
fn the_ledger_is_written_as_a_status() {
    let ledger = Ledger {
        grants: 7,
        newest: Some(at("2026-07-01T20:05:00.125Z")),
        recent: vec![Recent {
            first: 6,
            last: 7,
            requests: 2,
        }],
        days: vec![Day {
            name: "UTC".into(),
            start: at("2026-07-01T00:00:00Z"),
            spent: 7,
        }],
        shares: vec![Share {
            pipeline: "a/b".into(),
            live_planned: 2,
            live: 1,
            other: 0,
            last_grant: 7,
        }],
        parked: Some(Park {
            until: None,
            reason: ParkReason::BadKey,
            attempt: 1,
            probing: false,
        }),
        key_hash: Some("0011223344556677".into()),
        ..Ledger::default()
    };
    let value = json!({
        "grants": 7,
        "newest": "2026-07-01T20:05:00.125Z",
        "recent": [{"first": 6, "last": 7, "requests": 2}],
        "days": [{"name": "UTC", "start": "2026-07-01T00:00:00Z", "spent": 7}],
        "shares": [{"pipeline": "a/b", "livePlanned": 2, "live": 1, "lastGrant": 7}],
        "parked": {"reason": "BadKey", "attempt": 1},
        "breaker": {"state": "Closed"},
        "entitlement": {"level": "Unknown"},
        "keyHash": "0011223344556677",
    });
    assert_eq!(serde_json::to_value(&ledger).unwrap(), value);
    assert_eq!(serde_json::from_value::<Ledger>(value).unwrap(), ledger);
    assert_eq!(
        serde_json::from_value::<Ledger>(json!({})).unwrap(),
        Ledger::default()
    );
}

#[test]
fn a_new_day_resets_what_was_spent_and_keeps_plans_and_turns() {
    let reset = Reset::zone("America/New_York").unwrap();
    let mut ledger = Ledger::default().with_plans(&[plan("a", 2)]);
    ledger.roll(&reset.windows(at("2026-03-08T04:59:59Z")));
    let gone = ledger.enroll("gone");
    ledger.shares[gone].other = 4;
    ledger.shares[0] = Share {
        live: 2,
        other: 3,
        last_grant: 9,
        ..ledger.shares[0].clone()
    };
    ledger.days[0].spent = 9;
    let before = ledger.clone();
    ledger.roll(&reset.windows(at("2026-03-08T04:59:59Z")));
    assert_eq!(ledger, before, "the same day");
    // Daylight saving begins on the 8th: the day is 23 h long.
    ledger.roll(&reset.windows(at("2026-03-08T05:00:00Z")));
    assert_eq!(
        ledger.days[0],
        Day {
            name: "America/New_York".into(),
            start: at("2026-03-08T05:00:00Z"),
            spent: 0
        }
    );
    assert_eq!(
        ledger.shares[0],
        Share {
            pipeline: "a".into(),
            live_planned: 2,
            last_grant: 9,
            ..Share::default()
        }
    );
    ledger.days[0].spent = 1;
    ledger.roll(&reset.windows(at("2026-03-09T03:59:59Z")));
    assert_eq!(ledger.days[0].spent, 1, "still the 8th");
    ledger.roll(&reset.windows(at("2026-03-09T04:00:00Z")));
    assert_eq!(ledger.days[0].spent, 0);
    assert_eq!(
        ledger.shares.len(),
        1,
        "nobody plans or spends there any more"
    );
    // A clock that is behind does not bring a day back.
    let before = ledger.clone();
    ledger.roll(&reset.windows(at("2026-03-08T12:00:00Z")));
    assert_eq!(ledger, before);
}

#[test]
fn another_time_zone_counts_all_that_was_spent() {
    let mut ledger = Ledger::default();
    ledger.roll(&Reset::Unknown.windows(at("2026-07-01T12:00:00Z")));
    ledger.days[0].spent = 5;
    ledger.days[1].spent = 9;
    ledger.roll(
        &Reset::zone("Europe/Berlin")
            .unwrap()
            .windows(at("2026-07-01T12:00:00Z")),
    );
    assert_eq!(ledger.days.len(), 1);
    assert_eq!(ledger.days[0].spent, 9);
    let limits = Limits::alpha_vantage_free();
    assert_eq!(
        ledger.spent_today(&limits, at("2026-07-01T12:00:00Z")),
        (9, Some(25))
    );
}

#[test]
fn plans_come_and_go_and_what_was_spent_stays() {
    let mut ledger = Ledger::default().with_plans(&[plan("b", 1), plan("a", 2), plan("c", 3)]);
    let names = |ledger: &Ledger| -> Vec<String> {
        ledger.shares.iter().map(|s| s.pipeline.clone()).collect()
    };
    assert_eq!(names(&ledger), ["a", "b", "c"]);
    ledger.shares[1].live = 1;
    ledger.shares[2].last_grant = 8;
    let next = ledger.with_plans(&[plan("c", 4)]);
    assert_eq!(names(&next), ["b", "c"], "b has spent, a has not");
    assert_eq!((next.shares[0].live_planned, next.shares[0].live), (0, 1));
    assert_eq!(
        (next.shares[1].live_planned, next.shares[1].last_grant),
        (4, 8)
    );
    assert_eq!(
        next.with_plans(&[plan("c", 4)]),
        next,
        "two operators change nothing"
    );
}

#[test]
fn the_ledger_is_bounded() {
    let plans: Vec<_> = (0..200)
        .map(|number| plan(&format!("team/p{number:03}"), 1))
        .collect();
    let ledger = Ledger::default().with_plans(&plans);
    assert_eq!(ledger.shares.len(), MAX_PIPELINES + 1);
    let shared = ledger
        .shares
        .iter()
        .find(|share| share.pipeline == SHARED)
        .unwrap();
    assert_eq!(
        shared.live_planned,
        200 - 64,
        "their plans are kept together"
    );
    let long = Ledger::default().with_plans(&[plan(&"x".repeat(300), 1)]);
    assert_eq!(long.shares[0].pipeline, SHARED);
}

#[test]
fn another_key_ends_what_was_learnt_about_the_old_and_spends_no_less() {
    let mut ledger = Ledger::default().with_key("one");
    ledger.roll(&Reset::Unknown.windows(at("2026-07-01T12:00:00Z")));
    ledger.days[0].spent = 20;
    ledger.entitlement.level = Level::Full;
    ledger.parked = Some(Park {
        until: None,
        reason: ParkReason::BadKey,
        attempt: 1,
        probing: false,
    });
    assert_eq!(ledger.with_key("one"), ledger);
    let next = ledger.with_key("two");
    assert_eq!(next.parked, None);
    assert_eq!(next.entitlement.level, Level::Unknown);
    assert_eq!(next.days[0].spent, 20);
    let quota = Park {
        until: None,
        reason: ParkReason::DailyQuota,
        attempt: 1,
        probing: false,
    };
    ledger.parked = Some(quota.clone());
    assert_eq!(
        ledger.with_key("two").parked,
        Some(quota),
        "no other key to get round a limit"
    );
}

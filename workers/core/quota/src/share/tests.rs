use super::*;
use crate::Reset;
use crate::ledger::{Day, LivePlan};

/// Sharing of 1 July 2026, UTC; shares are (planned, live, other).
fn allowed(limit: u32, shares: &[(u32, u32, u32)], at: &str, purpose: Purpose) -> Vec<u32> {
    let at: Timestamp = format!("2026-07-01T{at}:00Z").parse().unwrap();
    let window = Reset::zone("UTC").unwrap().windows(at).remove(0);
    let name = |number: usize| format!("p{number:02}");
    let plan = |(number, share): (usize, &(u32, u32, u32))| LivePlan {
        pipeline: name(number),
        requests: share.0,
    };
    let plans: Vec<_> = shares.iter().enumerate().map(plan).collect();
    let mut ledger = Ledger::default().with_plans(&plans);
    for (share, (_, live, other)) in ledger.shares.iter_mut().zip(shares) {
        (share.live, share.other) = (*live, *other);
    }
    let spent = shares.iter().map(|(_, live, other)| live + other).sum();
    ledger.days = vec![Day {
        name: window.name.clone(),
        start: window.start,
        spent,
    }];
    let sharing = Sharing::new(&ledger, limit, &window, at);
    (0..shares.len())
        .map(|index| sharing.allowed(index, purpose))
        .collect()
}

#[test]
fn live_plans_are_set_aside_until_the_day_ends() {
    let shares = [(5, 0, 0), (5, 0, 0)];
    // Ten of twelve are planned; the even part of the rest is one each, and each may be one ahead.
    assert_eq!(allowed(12, &shares, "00:10", Purpose::Backfill), [1, 1]);
    assert_eq!(allowed(12, &shares, "00:10", Purpose::Live), [6, 6]);
    assert_eq!(allowed(12, &shares, "23:50", Purpose::Backfill), [2, 2]);
    assert_eq!(allowed(10, &shares, "23:50", Purpose::Backfill), [0, 0]);
    // What live has had is not held any more.
    let shares = [(5, 5, 0), (5, 5, 0)];
    assert_eq!(allowed(12, &shares, "23:50", Purpose::Repair), [2, 2]);
}

#[test]
fn plans_that_are_too_large_are_cut_to_one_level() {
    assert_eq!(level(25, &[5, 1, 30, 30]), [5, 1, 9, 9]);
    assert_eq!(level(25, &[2, 30, 30]), [2, 11, 11]);
    assert_eq!(level(25, &[1; 20]), [1; 20]);
    assert_eq!(level(25, &[4; 20]), [1; 20]);
    assert_eq!(level(3, &[4; 20]), [0; 20]);
    assert_eq!(level(25, &[]), [0; 0]);
    // Nine each, and of the two that are left one more.
    assert_eq!(
        allowed(20, &[(30, 0, 0), (30, 0, 0)], "00:10", Purpose::Live),
        [10, 10]
    );
}

#[test]
fn an_even_part_is_held_and_released_as_the_day_passes() {
    let shares = [(0, 0, 10), (0, 0, 0)];
    let greedy = |at| allowed(20, &shares, at, Purpose::Backfill)[0];
    assert_eq!(greedy("00:10"), 0, "its half is spent");
    assert_eq!(greedy("06:00"), 2, "of ten that are held eight are left");
    assert_eq!(greedy("12:00"), 5);
    assert_eq!(greedy("23:50"), 10);
    assert_eq!(
        allowed(20, &shares, "00:10", Purpose::Backfill)[1],
        10,
        "the other still has its own"
    );
}

#[test]
fn one_ahead_and_more_as_the_day_passes() {
    // Twenty Pipelines share five: none has an even part.
    let mut shares = vec![(1, 0, 0); 20];
    let greedy = |shares: &[_], at| allowed(25, shares, at, Purpose::Backfill)[0];
    assert_eq!(greedy(&shares, "00:10"), 1);
    shares[0].2 = 1;
    assert_eq!(greedy(&shares, "00:10"), 0);
    assert_eq!(greedy(&shares, "01:00"), 1);
    shares[0].2 = 5;
    assert_eq!(
        greedy(&shares, "23:00"),
        0,
        "the rest is set aside for live"
    );
}

#[test]
fn requests_from_before_this_day_began_are_missing_in_it() {
    let at: Timestamp = "2026-07-01T12:00:00Z".parse().unwrap();
    let windows = Reset::Unknown.windows(at);
    let plans: Vec<_> = (0..20)
        .map(|number| LivePlan {
            pipeline: format!("p{number:02}"),
            requests: 1,
        })
        .collect();
    let mut ledger = Ledger::default().with_plans(&plans);
    ledger.roll(&windows);
    // Ten between the midnight of UTC and that of New York.
    ledger.days[1].spent = 10;
    let sharing = Sharing::new(&ledger, 25, &windows[0], at);
    // Not enough for everyone's plan, but what there is can be had.
    assert!((0..20).all(|index| sharing.allowed(index, Purpose::Live) >= 1));
    ledger.days[1].spent = 25;
    let sharing = Sharing::new(&ledger, 25, &windows[0], at);
    assert!((0..20).all(|index| sharing.allowed(index, Purpose::Live) == 0));
}

#[test]
fn a_pipeline_that_comes_late_finds_what_is_left_and_nobody_is_locked_out() {
    // The first took twenty of twenty-five before ten others came.
    let mut shares = vec![(1, 0, 0); 10];
    shares.push((0, 0, 20));
    let live = allowed(25, &shares, "09:00", Purpose::Live);
    assert!(live[..10].iter().all(|allowed| *allowed > 0), "{live:?}");
    assert_eq!(live[10], 0, "it had its part");
    shares[0].1 = 5;
    assert_eq!(
        allowed(25, &shares, "09:00", Purpose::Live)[1],
        0,
        "nothing is left"
    );
}

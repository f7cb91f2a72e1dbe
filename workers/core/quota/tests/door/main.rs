//! No limit is broken at the provider's door, whatever happens to clocks, writes and pods; and nobody waits for ever.

#![allow(clippy::unwrap_used)]

mod world;

use foresail_quota::{Limits, LivePlan, Purpose, Reset};
use world::{ROUGH, Weather, World, count, millis};

const SEEDS: u64 = 4;
const HOUR: i64 = 3_600_000;

/// The midnights of New York around the start of daylight saving, on 8 March 2026.
const NEW_YORK: [&str; 5] = [
    "2026-03-07T05:00:00Z",
    "2026-03-08T05:00:00Z",
    "2026-03-09T04:00:00Z",
    "2026-03-10T04:00:00Z",
    "2026-03-11T04:00:00Z",
];
const UTC: [&str; 5] = [
    "2026-03-07T00:00:00Z",
    "2026-03-08T00:00:00Z",
    "2026-03-09T00:00:00Z",
    "2026-03-10T00:00:00Z",
    "2026-03-11T00:00:00Z",
];

fn free(reset: Reset) -> Limits {
    Limits {
        per_minute: count(5),
        reset_time_zone: reset,
        ..Limits::alpha_vantage_free()
    }
}

fn name(number: usize) -> String {
    format!("team/p{number:02}")
}

/// Twenty Pipelines, two pods each (a rollout never ends), that all want more than there is; `live` requests a day each
/// are planned and due at 21:00 UTC.
fn twenty(seed: u64, limits: Limits, weather: Weather, live: u32) -> World {
    let mut world = World::new(seed, NEW_YORK[0], limits, weather);
    let plans: Vec<_> = (0..20)
        .map(|number| LivePlan {
            pipeline: name(number),
            requests: live,
        })
        .collect();
    world.store.1 = std::rc::Rc::new(world.store.1.with_plans(&plans));
    for number in 0..20 {
        let pod = world.pod(&name(number), Some(Purpose::Backfill));
        world.pod(&name(number), Some(Purpose::Backfill));
        for day in 0..3 {
            world.due(pod, millis(NEW_YORK[0]) + 16 * HOUR + day * 24 * HOUR, live);
        }
    }
    world
}

#[test]
fn no_limit_is_broken_at_the_door_on_three_days_with_twenty_pipelines() {
    let (mut kills, mut wasted) = (0, 0);
    for seed in 0..SEEDS {
        for reset in [Reset::zone("America/New_York").unwrap(), Reset::Unknown] {
            for live in [0, 1, 4] {
                let mut world = twenty(seed, free(reset.clone()), ROUGH, live);
                world.run_until(millis(NEW_YORK[3]));
                assert!(world.busiest(1_000) <= 1, "{seed} {reset}: in a second");
                assert!(world.busiest(60_000) <= 5, "{seed} {reset}: in a minute");
                let days = world.days(&NEW_YORK);
                assert!(
                    days.iter().all(|day| *day <= 25),
                    "{seed} {reset}: {days:?}"
                );
                if reset == Reset::Unknown {
                    let days = world.days(&UTC);
                    assert!(days.iter().all(|day| *day <= 25), "{seed} UTC: {days:?}");
                }
                kills += world.kills;
                wasted += world.wasted;
            }
        }
    }
    assert!(
        kills > 200 && wasted > 200,
        "the world is not rough: {kills} kills, {wasted} wasted"
    );
}

#[test]
fn a_day_is_used_up_and_every_pipeline_gets_its_fair_part_of_it() {
    for seed in 0..SEEDS {
        for live in [0, 1, 4] {
            let reset = Reset::zone("America/New_York").unwrap();
            let mut world = twenty(seed, free(reset), ROUGH, live);
            world.run_until(millis(NEW_YORK[3]));
            for day in NEW_YORK[..4].windows(2) {
                let spent = world.spent(millis(day[0]), millis(day[1]));
                assert_eq!(spent.values().sum::<u32>(), 25, "{seed} {live}: {spent:?}");
                // The fair part is 1.25.
                assert!(
                    spent.values().all(|spent| (1..=2).contains(spent)),
                    "{seed} {live}: {spent:?}"
                );
            }
        }
    }
}

#[test]
fn planned_live_requests_are_served_on_time_although_backfill_is_greedy() {
    for seed in 0..SEEDS {
        for reset in [Reset::zone("America/New_York").unwrap(), Reset::Unknown] {
            let calm = Weather {
                kills: 0.0,
                slow: 0.0,
                ..ROUGH
            };
            let mut world = twenty(seed, free(reset.clone()), calm, 1);
            world.run_until(millis(NEW_YORK[3]));
            let live = world
                .granted
                .iter()
                .filter(|granted| granted.purpose == Purpose::Live);
            assert!(live.count() >= 60, "{seed} {reset}");
            // Without a crash a grant is wasted only when the API server is slower than a second.
            assert_eq!(world.live_waits.len() + lost(&world), 60, "{seed} {reset}");
            let longest = world.live_waits.iter().max().unwrap();
            // Twenty requests at five a minute.
            assert!(*longest < 6 * 60_000, "{seed} {reset}: {longest} ms");
        }
    }
}

/// Live requests still waiting.
fn lost(world: &World) -> usize {
    world.pods.iter().map(|pod| pod.live.len()).sum()
}

#[test]
fn one_greedy_pipeline_gets_what_the_others_leave_and_no_more() {
    for seed in 0..SEEDS {
        let reset = Reset::zone("America/New_York").unwrap();
        let calm = Weather {
            kills: 0.0,
            slow: 0.0,
            ..ROUGH
        };
        let mut world = World::new(seed, NEW_YORK[0], free(reset), calm);
        let plans: Vec<_> = (0..10)
            .map(|number| LivePlan {
                pipeline: name(number),
                requests: 1,
            })
            .collect();
        world.store.1 = std::rc::Rc::new(world.store.1.with_plans(&plans));
        world.pod(&name(0), Some(Purpose::Backfill));
        let quiet: Vec<_> = (1..10)
            .map(|number| world.pod(&name(number), None))
            .collect();
        for pod in quiet {
            // Late in the evening, when all that is not set aside is gone.
            world.due(pod, millis(NEW_YORK[0]) + 22 * HOUR, 1);
        }
        world.run_until(millis(NEW_YORK[0]) + 21 * HOUR);
        let greedy = world.spent(0, i64::MAX)[&name(0)];
        assert_eq!(
            greedy, 15,
            "{seed}: its plan stays for live, that of the others as well"
        );
        world.run_until(millis(NEW_YORK[1]));
        assert_eq!(lost(&world), 0, "{seed}");
    }
}

/// A paid key: three greedy Pipelines read history, seven ask for new bars every two minutes.
fn paid(seed: u64) -> World {
    let limits = Limits {
        per_second: count(3),
        per_minute: count(40),
        ..Limits::default()
    };
    let mut world = World::new(
        seed,
        "2026-06-01T12:00:00Z",
        limits,
        Weather {
            kills: 0.05,
            ..ROUGH
        },
    );
    for number in 0..3 {
        world.pod(&name(number), Some(Purpose::Backfill));
    }
    for number in 3..10 {
        let pod = world.pod(&name(number), None);
        for round in 1..29 {
            world.due(pod, world.now + round * 120_000, 4);
        }
    }
    world
}

#[test]
fn a_busy_key_keeps_to_its_limits_and_live_goes_first() {
    for seed in 0..SEEDS {
        let mut world = paid(seed);
        let start = world.now;
        world.run_until(start + HOUR);
        assert!(
            world.busiest(1_000) <= 3,
            "{seed}: {} in a second",
            world.busiest(1_000)
        );
        assert!(
            world.busiest(60_000) <= 40,
            "{seed}: {} in a minute",
            world.busiest(60_000)
        );
        // Used, not only kept: clocks and crashes cost less than half.
        let granted: u32 = world.granted.iter().map(|granted| granted.requests).sum();
        assert!(
            granted > 40 * 60 * 6 / 10,
            "{seed}: {granted} granted in an hour"
        );
        assert_eq!(lost(&world), 0, "{seed}: nothing waits for ever");
        let longest = world.live_waits.iter().max().unwrap();
        // 28 requests a round at 40 a minute, of which history takes no more than 30, and pods that die.
        assert!(*longest < 120_000, "{seed}: {longest} ms");
        // While live requests wait, in the first seconds of each round, history is not read.
        let round = |at: i64| (at - start) % 120_000;
        let backfill = world
            .granted
            .iter()
            .filter(|granted| granted.purpose == Purpose::Backfill);
        let early = backfill.filter(|granted| {
            (1_000..9_000).contains(&round(granted.at))
                && granted.at > start + 120_000
                && granted.at < start + 56 * 60_000
        });
        assert!(early.count() <= 3, "{seed}");
    }
}

#[test]
fn greedy_pipelines_of_a_busy_key_take_turns() {
    for seed in 0..SEEDS {
        let mut world = paid(seed);
        let start = world.now;
        world.run_until(start + HOUR);
        let spent = world.spent(start, start + HOUR);
        let greedy: Vec<_> = (0..3).map(|number| spent[&name(number)]).collect();
        let (least, most) = (greedy.iter().min().unwrap(), greedy.iter().max().unwrap());
        assert!(most - least <= most / 4, "{seed}: {greedy:?}");
    }
}

#[test]
fn a_day_holds_when_clocks_err_by_five_minutes_and_requests_take_half_a_minute() {
    for seed in 0..SEEDS {
        let reset = Reset::zone("America/New_York").unwrap();
        let limits = Limits {
            per_second: count(5),
            per_day: count(2_000),
            reset_time_zone: reset,
            per_minute: None,
        };
        let weather = Weather {
            clock_error: 299_000,
            travel: 30_000,
            kills: 0.02,
            ..ROUGH
        };
        let mut world = World::new(seed, "2026-03-08T03:00:00Z", limits, weather);
        for number in 0..6 {
            world.pod(&name(number), Some(Purpose::Backfill));
        }
        world.run_until(millis(NEW_YORK[3]));
        let days = world.days(&[
            "2026-03-07T05:00:00Z",
            NEW_YORK[1],
            NEW_YORK[2],
            NEW_YORK[3],
        ]);
        assert!(days.iter().all(|day| *day <= 2_000), "{seed}: {days:?}");
        let spent = world.spent(millis(NEW_YORK[1]), millis(NEW_YORK[2]));
        assert_eq!(spent.values().sum::<u32>(), 2_000, "{seed}");
        // Nothing arrives in the wrong day: what was granted before a midnight was there before it.
        for midnight in [millis(NEW_YORK[1]), millis(NEW_YORK[2])] {
            let near = world
                .door
                .iter()
                .filter(|at| (midnight - 25_000..midnight + 55_000).contains(*at));
            assert_eq!(near.count(), 0, "{seed}");
        }
    }
}

#[test]
fn a_provider_that_fails_half_of_the_time_is_still_asked() {
    for seed in 0..SEEDS {
        let weather = Weather { down: 0.5, ..ROUGH };
        let reset = Reset::zone("America/New_York").unwrap();
        let mut world = twenty(seed, free(reset), weather, 1);
        world.run_until(millis(NEW_YORK[3]));
        for day in NEW_YORK[..4].windows(2) {
            let spent = world.spent(millis(day[0]), millis(day[1]));
            assert_eq!(spent.values().sum::<u32>(), 25, "{seed}");
        }
    }
}

#[test]
fn a_provider_that_never_answers_is_asked_seldom() {
    let weather = Weather { down: 1.0, ..ROUGH };
    let limits = Limits {
        per_second: count(5),
        ..Limits::default()
    };
    let mut world = World::new(1, "2026-06-01T00:00:00Z", limits, weather);
    for number in 0..10 {
        world.pod(&name(number), Some(Purpose::Backfill));
    }
    let start = world.now;
    world.run_until(start + 24 * HOUR);
    let sent = world.door.len();
    // Half an hour apart at last, one request each.
    assert!((40..60).contains(&sent), "{sent}");
}

#[test]
fn with_more_pipelines_than_requests_nobody_is_left_out_for_long() {
    for seed in 0..SEEDS {
        let reset = Reset::zone("America/New_York").unwrap();
        let mut world = World::new(seed, NEW_YORK[0], free(reset), ROUGH);
        let plans: Vec<_> = (0..40)
            .map(|number| LivePlan {
                pipeline: name(number),
                requests: 3,
            })
            .collect();
        world.store.1 = std::rc::Rc::new(world.store.1.with_plans(&plans));
        for number in 0..40 {
            world.pod(&name(number), Some(Purpose::Backfill));
        }
        let start = world.now;
        world.run_until(start + 4 * 24 * HOUR);
        let spent = world.spent(start, start + 4 * 24 * HOUR);
        // The fair part is 2.5.
        assert!(
            spent.values().all(|spent| (1..=4).contains(spent)),
            "{seed}: {spent:?}"
        );
    }
}

#[test]
fn the_short_days_of_a_simulated_provider_hold_as_well() {
    for seed in 0..SEEDS {
        let limits = Limits {
            per_minute: None,
            ..free(Reset::Every(std::time::Duration::from_secs(120)))
        };
        let weather = Weather {
            clock_error: 0,
            kills: 0.05,
            travel: 400,
            ..ROUGH
        };
        let mut world = twenty(seed, limits, weather, 0);
        let start = world.now;
        assert_eq!(start % 120_000, 0);
        world.run_until(start + 3 * 120_000);
        for day in 0..3 {
            let day = start + day * 120_000;
            let arrived = world
                .door
                .iter()
                .filter(|at| (day..day + 120_000).contains(*at))
                .count();
            assert!(arrived <= 25, "{seed}: {arrived}");
            let spent = world.spent(day, day + 120_000);
            assert!(spent.values().sum::<u32>() >= 15, "{seed}: {spent:?}");
        }
        assert!(world.busiest(1_000) <= 1, "{seed}");
    }
}

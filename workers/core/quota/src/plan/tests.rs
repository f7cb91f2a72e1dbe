use std::num::NonZeroU32;

use super::*;

const MINUTE: Duration = Duration::from_secs(60);

/// A Pipeline that polls `polls` times in a session of 390 min.
fn load(name: &str, symbols: u32, polls: u32) -> Load {
    Load {
        pipeline: name.into(),
        symbols: (0..symbols)
            .map(|number| format!("{name}{number}"))
            .collect(),
        interval: "5min".into(),
        poll: MINUTE * 390 / polls,
        open: MINUTE * 390,
        per_poll: 1,
        per_session: 0,
    }
}

fn a_day(limit: u32) -> Limits {
    Limits {
        per_day: NonZeroU32::new(limit),
        per_second: NonZeroU32::new(5),
        ..Limits::default()
    }
}

fn first(loads: &[Load], limits: &Limits) -> Change {
    feasible(loads, limits).unwrap_err().changes.remove(0)
}

#[test]
fn requests_of_a_day_are_symbols_times_polls_and_functions() {
    assert_eq!(requests_per_day(&load("a", 3, 1)), 3);
    assert_eq!(requests_per_day(&load("a", 3, 78)), 234);
    let with_actions = Load {
        per_session: 2,
        ..load("a", 5, 1)
    };
    assert_eq!(requests_per_day(&with_actions), 15);
    let after_close = Load {
        open: Duration::ZERO,
        ..load("a", 4, 1)
    };
    assert_eq!(requests_per_day(&after_close), 4);
    // A poll that does not divide the session is rounded up.
    let odd = Load {
        poll: MINUTE * 200,
        ..load("a", 1, 1)
    };
    assert_eq!(requests_per_day(&odd), 2);
}

#[test]
fn what_fits_is_feasible() {
    assert_eq!(
        feasible(&[load("a", 25, 1)], &Limits::alpha_vantage_free()),
        Ok(())
    );
    assert_eq!(
        feasible(
            &[load("a", 10, 1), load("b", 15, 1)],
            &Limits::alpha_vantage_free()
        ),
        Ok(())
    );
    assert_eq!(feasible(&[], &a_day(1)), Ok(()));
    assert!(feasible(&[load("a", 26, 1)], &Limits::alpha_vantage_free()).is_err());
}

#[test]
fn the_same_symbols_are_read_once_before_anything_is_lost() {
    let mut loads = vec![load("a", 10, 1), load("b", 10, 1), load("c", 10, 1)];
    for load in &mut loads {
        load.symbols = (0..10).map(|number| format!("S{number}")).collect();
    }
    let refer = |from: &str, to: &str| (from.to_owned(), to.to_owned());
    assert_eq!(
        first(&loads, &a_day(25)),
        Change::PipelineRef {
            pipelines: vec![refer("a", "b")]
        }
    );
    // A Pipeline that others refer to cannot refer itself.
    let both = Change::PipelineRef {
        pipelines: vec![refer("a", "b"), refer("c", "b")],
    };
    assert_eq!(first(&loads, &a_day(15)), both);
    // Another interval, or bars that come more seldom, are not the same.
    loads[0].interval = "1d".into();
    loads[1].poll = MINUTE * 400;
    loads[2].symbols.push("other".into());
    let change = first(&loads, &a_day(21));
    assert_eq!(
        change,
        Change::PipelineRef {
            pipelines: vec![refer("b", "c")]
        }
    );
    assert!(!matches!(
        first(&loads, &a_day(20)),
        Change::PipelineRef { .. }
    ));
}

#[test]
fn a_longer_poll_is_the_shortest_that_fits() {
    let loads = [load("a", 2, 78), load("b", 1, 1)];
    // 157 requests; 24 are left for two symbols: 12 polls in 390 min.
    let change = first(&loads, &a_day(25));
    assert_eq!(
        change,
        Change::LongerPoll {
            pipeline: "a".into(),
            poll: MINUTE * 33
        }
    );
    let mut changed = loads.clone();
    changed[0].poll = MINUTE * 33;
    assert_eq!(feasible(&changed, &a_day(25)), Ok(()));
    changed[0].poll = MINUTE * 32;
    assert!(feasible(&changed, &a_day(25)).is_err());
    // No single poll suffices: all become longer.
    let both = [load("a", 2, 78), load("b", 2, 78)];
    assert_eq!(first(&both, &a_day(25)), Change::LongerPolls { factor: 13 });
}

#[test]
fn as_few_symbols_as_possible_are_left_out() {
    let fewer = |parts: &[(&str, u32, u32)]| Change::FewerSymbols {
        pipelines: parts
            .iter()
            .map(|(name, out, of)| ((*name).to_owned(), *out, *of))
            .collect(),
    };
    // Each symbol of b costs three requests, each of a costs one.
    let loads = [
        load("a", 20, 1),
        Load {
            per_session: 2,
            ..load("b", 4, 1)
        },
    ];
    assert_eq!(first(&loads, &a_day(25)), fewer(&[("b", 3, 4)]));
    assert_eq!(first(&loads, &a_day(29)), fewer(&[("b", 1, 4)]));
    let loads = [load("a", 20, 1), load("b", 20, 1)];
    assert_eq!(
        first(&loads, &a_day(10)),
        fewer(&[("a", 15, 20), ("b", 15, 20)])
    );
    let loads: Vec<_> = (0..30)
        .map(|number| load(&format!("p{number}"), 1, 1))
        .collect();
    assert_eq!(first(&loads, &a_day(25)), Change::LargerAccount);
}

#[test]
fn a_minute_can_be_too_short_as_well() {
    let limits = Limits::alpha_vantage_paid(NonZeroU32::new(75).unwrap());
    assert_eq!(feasible(&[load("a", 60, 390)], &limits), Ok(()));
    let error = feasible(&[load("a", 100, 390)], &limits).unwrap_err();
    assert_eq!((error.per_minute, error.needed), (true, 100));
    assert_eq!(
        error.changes[0],
        Change::LongerPoll {
            pipeline: "a".into(),
            poll: MINUTE * 2
        }
    );
    // Once a session there is time enough.
    assert_eq!(feasible(&[load("a", 5_000, 1)], &limits), Ok(()));
}

#[test]
fn a_person_can_read_what_to_do() {
    let text = |loads: &[Load], limit| feasible(loads, &a_day(limit)).unwrap_err().to_string();
    assert_eq!(
        text(&[load("team/a", 30, 1)], 25),
        "the Pipelines of this account need 30 requests a day and it allows 25. The smallest change that fits: \
         leave out symbols: 5 of 30 in team/a"
    );
    let mut twins = [load("team/a", 2, 13), load("team/b", 2, 13)];
    twins[1].symbols = twins[0].symbols.clone();
    let words = text(&twins, 30);
    for part in [
        "set source.pipelineRef, which reads the same symbols once, to `team/b` in team/a",
        "; or poll every 195 min in team/a",
        "; or make every poll 2 times as long",
        "; or leave out symbols: 1 of 2 in team/a, 1 of 2 in team/b",
    ] {
        assert!(words.contains(part), "{words}");
    }
}

use super::*;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// Rows of `symbols` symbols; each misses a session with chance `gaps`, so labels reach further.
fn rows(sessions: &[i64], symbols: usize, horizon: usize, gaps: f64) -> Vec<Span> {
    let mut random = ChaCha8Rng::seed_from_u64(7);
    let mut spans = Vec::new();
    for _ in 0..symbols {
        let traded: Vec<i64> = sessions
            .iter()
            .copied()
            .filter(|_| random.random::<f64>() >= gaps)
            .collect();
        spans.extend(traded.iter().enumerate().map(|(i, t)| Span {
            event_time: *t,
            label_end: traded.get(i + horizon).copied(),
        }));
    }
    spans
}

fn plan(horizon: usize, embargo: usize) -> Plan {
    Plan {
        window: TrainingWindow::Expanding,
        min_train: 50,
        blocks: Blocks::Sessions(20),
        embargo,
        horizon,
    }
}

#[test]
fn folds_by_hand() {
    let sessions: Vec<i64> = (0..12).collect();
    let spans = rows(&sessions, 1, 2, 0.0);
    let plan = Plan {
        min_train: 3,
        blocks: Blocks::Sessions(2),
        ..plan(2, 2)
    };
    let found = folds(&sessions, &spans, &plan).unwrap();
    // First test session 3 + 2 + 2 = 7; labels are known for sessions 0..=9.
    let tests: Vec<Range<usize>> = found.iter().map(|f| f.test_sessions.clone()).collect();
    assert_eq!(tests, [7..9, 9..10]);
    assert_eq!(
        found[0].train,
        [0, 1, 2],
        "label of row 2 ends at 4 < 7 - 2"
    );
    assert_eq!(found[1].train, [0, 1, 2, 3, 4]);
    assert_eq!((found[0].fit_until, found[1].fit_until), (4, 6));
}

#[test]
fn no_label_reaches_the_embargo_and_every_test_date_is_in_one_fold() {
    let mut random = ChaCha8Rng::seed_from_u64(1);
    let mut purged = 0;
    for case in 0..200 {
        let horizon = random.random_range(1..12);
        let embargo = horizon + random.random_range(0..6);
        let gaps = [0.0, 0.05, 0.4][case % 3];
        let count = random.random_range(120..400);
        let sessions: Vec<i64> = (0..count).map(|i| i * 86_400_000 + i % 7).collect();
        let spans = rows(&sessions, random.random_range(1..5), horizon, gaps);
        let plan = Plan {
            window: match case % 2 {
                0 => TrainingWindow::Expanding,
                _ => TrainingWindow::Rolling(random.random_range(50..90)),
            },
            blocks: match case % 5 {
                0 => Blocks::Count(random.random_range(1..8)),
                _ => Blocks::Sessions(random.random_range(10..50)),
            },
            ..plan(horizon, embargo)
        };
        let found = folds(&sessions, &spans, &plan).unwrap();
        let mut tested = vec![0; sessions.len()];
        for fold in &found {
            let barrier = sessions[fold.test_sessions.start - embargo];
            let ends = fold.train.iter().map(|r| spans[*r].label_end.unwrap());
            assert!(ends.max().unwrap() < barrier, "{plan:?}");
            assert!(fold.fit_until < barrier);
            assert!(fold.test_sessions.start >= fold.train_sessions.end + horizon + embargo);
            fold.test_sessions.clone().for_each(|s| tested[s] += 1);
            for row in &fold.test {
                let at = sessions.binary_search(&spans[*row].event_time).unwrap();
                assert!(fold.test_sessions.contains(&at));
            }
            if let TrainingWindow::Rolling(n) = plan.window {
                assert!(fold.train_sessions.len() <= n);
            }
            purged += fold.purged;
        }
        let first = found[0].test_sessions.start;
        let last = found.last().unwrap().test_sessions.end;
        assert_eq!(first, plan.min_train + horizon + embargo);
        for (session, times) in tested.iter().enumerate() {
            assert_eq!(*times, usize::from((first..last).contains(&session)));
        }
        let newest = spans.iter().filter(|s| s.label_end.is_some());
        let newest = newest.map(|s| s.event_time).max().unwrap();
        assert_eq!(sessions[last - 1], newest);
        if let Blocks::Count(n) = plan.blocks {
            assert_eq!(found.len(), n);
        }
    }
    assert!(purged > 0, "gaps make labels reach further");
}

#[test]
fn impossible_plans_say_why() {
    let sessions: Vec<i64> = (0..100).collect();
    let spans = rows(&sessions, 2, 5, 0.0);
    let small = |field, value, least| {
        Err(PlanError::TooSmall {
            field,
            value,
            least,
        })
    };
    let run = |plan: Plan| folds(&sessions, &spans, &plan);
    assert_eq!(run(plan(5, 4)), small("embargo", 4, 5));
    assert_eq!(run(plan(0, 4)), small("horizon", 0, 1));
    let with = |change: fn(&mut Plan)| {
        let mut plan = plan(5, 5);
        change(&mut plan);
        run(plan)
    };
    assert_eq!(with(|p| p.min_train = 0), small("minTrain", 0, 1));
    let none = with(|p| p.blocks = Blocks::Count(0));
    assert_eq!(none, small("blocks.count", 0, 1));
    let short = with(|p| p.window = TrainingWindow::Rolling(9));
    assert_eq!(short, small("window.rolling", 9, 50));
    let few = with(|p| p.min_train = 86);
    assert_eq!(
        few,
        Err(PlanError::TooFewSessions {
            found: 95,
            needed: 97
        })
    );
    assert!(with(|p| p.min_train = usize::MAX).is_err());
    assert!(with(|p| p.embargo = usize::MAX).is_err());
    assert!(with(|p| p.blocks = Blocks::Count(usize::MAX)).is_err());
    assert!(with(|p| p.blocks = Blocks::Sessions(usize::MAX)).is_ok());
}

#[test]
fn bad_rows_are_refused() {
    let sessions: Vec<i64> = (0..100).collect();
    let span = |event_time, end| Span {
        event_time,
        label_end: Some(end),
    };
    let run = |sessions: &[i64], spans: &[Span]| folds(sessions, spans, &plan(5, 5)).unwrap_err();
    assert_eq!(
        run(&sessions, &[span(1000, 1001)]),
        PlanError::NoSession {
            row: 0,
            event_time: 1000
        }
    );
    assert!(matches!(
        run(&sessions, &[span(3, 3)]),
        PlanError::LabelTooEarly { row: 0, .. }
    ));
    assert_eq!(run(&[1, 2, 2], &[]), PlanError::NotAscending { index: 2 });
    assert!(matches!(
        run(&[], &[]),
        PlanError::TooFewSessions { found: 0, .. }
    ));
    // One row at the end: a test row, and nothing to train on.
    assert!(matches!(
        run(&sessions, &[span(61, 66)]),
        PlanError::EmptyFold { train: 0, .. }
    ));
}

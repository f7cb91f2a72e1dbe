//! Many pods on one ledger that meets conflicts and loses answers. Time is tokio's, which stands still while nobody waits.

use std::sync::Mutex as Lock;

use foresail_quota::{BreakerState, Reset};
use foresail_runtime_base::metrics::Registry;

use super::*;
use crate::memory::{Memory, Weather};

const DAY: u64 = 600;
const ROUGH: Weather = Weather {
    way: 120,
    conflicts: 0.2,
    doubts: 0.05,
    ahead: SignedDuration::ZERO,
};

fn limits() -> Limits {
    Limits {
        per_second: NonZeroU32::new(1),
        per_minute: NonZeroU32::new(6),
        per_day: NonZeroU32::new(25),
        reset_time_zone: Reset::Every(Duration::from_secs(DAY)),
    }
}

fn noon() -> Timestamp {
    "2026-05-05T12:05:00Z".parse().unwrap()
}

fn account(memory: &Memory, pipeline: &str, limits: Limits) -> Account {
    let terms = Terms {
        name: "free".into(),
        pipeline: pipeline.into(),
        limits,
    };
    let registry = Registry::default();
    let parts = (Effects::new(&registry, None), Metrics::new(&registry));
    Account::new(terms, Arc::new(memory.clone()), parts, Shutdown::new())
}

/// Asks for ever; each request arrives a little after it was sent.
async fn pod(memory: Memory, pipeline: String, door: Arc<Lock<Vec<i64>>>) {
    let account = account(&memory, &pipeline, limits());
    loop {
        let asked = account.ask(Purpose::Backfill, NonZeroU32::MIN, None).await;
        match asked {
            Ok(granted) => {
                tokio::time::sleep(Duration::from_millis(rand::random_range(0..900))).await;
                if account.may_send(&granted) {
                    let arrives = memory.now().as_millisecond() + rand::random_range(5..450);
                    door.lock().unwrap().push(arrives);
                }
            }
            Err(stopped) => {
                let until = stopped.until.map(|until| left(memory.now(), until));
                tokio::time::sleep(until.unwrap_or(Duration::from_secs(5))).await;
            }
        }
    }
}

/// The most arrivals within so many milliseconds.
fn busiest(door: &[i64], length: i64) -> usize {
    let from = |start: usize| {
        let rest = door[start..].iter();
        rest.take_while(|at| **at < door[start] + length).count()
    };
    (0..door.len()).map(from).max().unwrap_or(0)
}

#[tokio::test(start_paused = true)]
async fn many_pods_break_no_limit_and_use_what_there_is() {
    let memory = Memory::new(Ledger::default(), noon(), ROUGH);
    let door = Arc::new(Lock::new(Vec::new()));
    let pods = (0..8).map(|number| {
        let pod = pod(memory.clone(), format!("n/p{number}"), Arc::clone(&door));
        tokio::spawn(pod)
    });
    let pods: Vec<_> = pods.collect();
    tokio::time::sleep(Duration::from_secs(4 * DAY)).await;
    for pod in pods {
        pod.abort();
    }
    let mut door = door.lock().unwrap().clone();
    door.sort_unstable();
    assert_eq!(busiest(&door, 1_000), 1);
    assert!(busiest(&door, 60_000) <= 6, "{}", busiest(&door, 60_000));
    let length = i64::try_from(DAY * 1_000).unwrap();
    let mut days = std::collections::BTreeMap::<i64, usize>::new();
    for at in &door {
        *days.entry(at.div_euclid(length)).or_default() += 1;
    }
    assert!(days.values().all(|asked| *asked <= 25), "{days:?}");
    // Three whole days lie within. Some grants are lost with their answers, most are not.
    let good = days.values().filter(|asked| **asked >= 15).count();
    assert!(good >= 3, "{days:?}");
}

#[tokio::test(start_paused = true)]
async fn a_wrong_clock_asks_nothing() {
    for minutes in [-6, 6] {
        let weather = Weather {
            ahead: SignedDuration::from_mins(minutes),
            ..Weather::default()
        };
        let memory = Memory::new(Ledger::default(), noon(), weather);
        let account = account(&memory, "n/p", limits());
        let asked = account.ask(Purpose::Live, NonZeroU32::MIN, None).await;
        let stopped = asked.unwrap_err();
        assert_eq!(stopped.error.reason, "ClockWrong");
        assert!(stopped.error.message.contains("360 s"), "{}", stopped.error);
        assert_eq!(memory.ledger().grants, 0);
    }
    let weather = Weather {
        ahead: SignedDuration::from_mins(4),
        ..Weather::default()
    };
    let memory = Memory::new(Ledger::default(), noon(), weather);
    let account = account(&memory, "n/p", limits());
    account
        .ask(Purpose::Live, NonZeroU32::MIN, None)
        .await
        .unwrap();
}

#[tokio::test(start_paused = true)]
async fn what_one_learns_all_know() {
    let memory = Memory::new(Ledger::default(), noon(), ROUGH);
    let accounts: Vec<_> = (0..10)
        .map(|number| Arc::new(account(&memory, &format!("n/p{number}"), limits())))
        .collect();
    let learn = |outcome| {
        let lessons = accounts.iter().map(|account| async move {
            account.read().await.unwrap();
            account.learn(outcome).await;
        });
        futures::future::join_all(lessons)
    };
    learn(Outcome::Down).await;
    assert_eq!(memory.ledger().breaker.state, BreakerState::Open);
    learn(Outcome::DailyQuota).await;
    assert_eq!(memory.ledger().breaker.state, BreakerState::Closed);
    for account in &accounts {
        let asked = account.ask(Purpose::Live, NonZeroU32::MIN, None).await;
        let stopped = asked.unwrap_err();
        assert_eq!(stopped.error.reason, "QuotaExhausted");
        let until = stopped.until.unwrap();
        assert!(until > memory.now(), "{until}");
        let shown = Timestamp::from_second(until.as_second())
            .unwrap()
            .to_string();
        assert!(stopped.error.message.contains(&shown), "{}", stopped.error);
    }
}

#[tokio::test(start_paused = true)]
async fn a_bad_key_is_not_tried_again_and_another_one_is() {
    let memory = Memory::new(Ledger::default(), noon(), Weather::default());
    let account = account(&memory, "n/p", limits());
    let ask = async |key| account.ask(Purpose::Live, NonZeroU32::MIN, Some(key)).await;
    ask("old").await.unwrap();
    account.learn(Outcome::BadKey).await;
    let stopped = ask("old").await.unwrap_err();
    assert_eq!(
        (stopped.error.reason.as_str(), stopped.until),
        ("BadKey", None)
    );
    ask("new").await.unwrap();
    assert_eq!(memory.ledger().key_hash.as_deref(), Some("new"));
    assert_eq!(memory.ledger().parked, None);
}

#[tokio::test(start_paused = true)]
async fn a_shutdown_ends_every_wait() {
    let memory = Memory::new(Ledger::default(), noon(), Weather::default());
    let account = account(&memory, "n/p", limits());
    account
        .ask(Purpose::Live, NonZeroU32::MIN, None)
        .await
        .unwrap();
    let began = Instant::now();
    let shutdown = account.shutdown.clone();
    let asked = account.ask(Purpose::Live, NonZeroU32::MIN, None);
    let (asked, ()) = tokio::join!(asked, async { shutdown.cancel() });
    assert_eq!(asked.unwrap_err().error.reason, "ShuttingDown");
    assert!(began.elapsed() < Duration::from_secs(1));
}

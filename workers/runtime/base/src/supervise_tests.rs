use std::sync::Mutex;
use std::time::Instant;

use foresail_crds::Role;
use foresail_crds::names::PipelineName;
use foresail_crds::pipeline::status::LakeStatus;

use super::*;
use crate::{Observations, Secrets};

/// What an attempt says before it fails.
#[derive(Clone, Copy, PartialEq)]
enum Before {
    Nothing,
    Open,
    Work,
}

/// Fails as often as it is told, then works until shutdown.
struct Flaky {
    failures: usize,
    before: Before,
    attempts: Mutex<Vec<Instant>>,
    shutdown: Shutdown,
}

impl Supervised for Flaky {
    type Status = LakeStatus;

    async fn run_connected(&self, connecting: &Connecting<'_>) -> Result<(), RoleError> {
        let attempt = {
            let mut attempts = self.attempts.lock().unwrap();
            attempts.push(Instant::now());
            attempts.len()
        };
        if attempt <= self.failures {
            if self.before != Before::Nothing {
                connecting.ready();
            }
            if self.before == Before::Work {
                connecting.succeeded();
            }
            return Err(RoleError::outside("Away", format!("attempt {attempt}")));
        }
        connecting.ready();
        connecting.succeeded();
        self.shutdown.cancelled().await;
        Ok(())
    }
}

struct World {
    context: RoleContext<(), LakeStatus>,
    role: Flaky,
    observations: Observations,
}

fn world(failures: usize, before: Before) -> World {
    let pipeline = PipelineName::new("n", "p");
    let secrets = Secrets::at("/none");
    let (context, observations) = RoleContext::detached((), Role::Lake, &pipeline, secrets);
    let role = Flaky {
        failures,
        before,
        attempts: Mutex::default(),
        shutdown: context.shutdown.clone(),
    };
    World {
        context,
        role,
        observations,
    }
}

async fn until(what: &str, condition: impl Fn() -> bool) {
    let end = Instant::now() + Duration::from_secs(10);
    while !condition() {
        assert!(Instant::now() < end, "never: {what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test]
async fn failures_are_reported_and_waited_out_and_the_last_word_is_written() {
    let World {
        context,
        role,
        observations,
    } = world(2, Before::Nothing);
    let writer = async {
        let reported = || observations.latest.borrow().clone().unwrap_or_default();
        until("the second failure", || {
            reported()["lake"]["error"]["message"] == "attempt 2"
        })
        .await;
        assert!(!context.health.is_ready());
        until("ready", || context.health.is_ready()).await;
        context.reporter.update(|status| status.rows = 7);
        context.shutdown.cancel();
        // The last report is written before the role ends.
        observations.hurry.notified().await;
        assert_eq!(reported()["lake"]["rows"], 7);
        assert!(reported()["lake"].get("error").is_none());
        observations.written.send_replace(Some(reported()));
    };
    let (ended, ()) = tokio::join!(supervise(&role, &context), writer);
    assert_eq!(ended, Ok(()));
    let attempts = role.attempts.into_inner().unwrap();
    let waits: Vec<_> = attempts.windows(2).map(|w| w[1] - w[0]).collect();
    assert_eq!(waits.len(), 2);
    assert!(
        waits[0] >= FIRST_WAIT / 2 && waits[1] >= FIRST_WAIT,
        "{waits:?}"
    );
}

#[tokio::test]
async fn work_that_succeeded_starts_the_waits_over() {
    let World {
        context,
        role,
        observations,
    } = world(3, Before::Work);
    drop(observations);
    let stop = async {
        until("connected", || role.attempts.lock().unwrap().len() == 4).await;
        context.shutdown.cancel();
    };
    let (ended, ()) = tokio::join!(supervise(&role, &context), stop);
    assert_eq!(ended, Ok(()));
    let attempts = role.attempts.lock().unwrap();
    for pair in attempts.windows(2) {
        let wait = pair[1] - pair[0];
        assert!(wait < FIRST_WAIT + Duration::from_millis(400), "{wait:?}");
    }
}

#[tokio::test]
async fn opening_alone_neither_ends_an_error_nor_starts_the_waits_over() {
    let World {
        context,
        role,
        observations,
    } = world(3, Before::Open);
    let reported = || observations.latest.borrow().clone().unwrap_or_default();
    let attempts = || role.attempts.lock().unwrap().len();
    let stop = async {
        for attempt in 2..=4 {
            until("another attempt", || attempts() >= attempt).await;
            let said = reported()["lake"]["error"]["reason"].clone();
            assert_eq!(said, "Away", "attempt {attempt}");
        }
        context.shutdown.cancel();
        observations.hurry.notified().await;
        observations.written.send_replace(Some(reported()));
    };
    let (ended, ()) = tokio::join!(supervise(&role, &context), stop);
    assert_eq!(ended, Ok(()));
    let attempts = role.attempts.lock().unwrap();
    let wait = attempts[3] - attempts[2];
    assert!(wait >= FIRST_WAIT * 2, "{wait:?}");
}

#[tokio::test]
async fn a_port_in_use_ends_the_role() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let mut world = world(0, Before::Nothing);
    world.context.admin = taken.local_addr().unwrap();
    let ended = supervise(&world.role, &world.context).await;
    assert_eq!(ended.unwrap_err().reason, "PortInUse");
    assert!(world.role.attempts.into_inner().unwrap().is_empty());
}

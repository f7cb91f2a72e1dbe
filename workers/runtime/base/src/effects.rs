//! The one layer every write to the outside passes: counted always, and in tests crashed or delayed.
//!
//! `FORESAIL_FAULT=<system>.<operation>:<n>:<fault>` acts on the n-th call (from 1) of an operation
//! in this process; faults are `crash-before`, `crash-after` and `delay-ms=<ms>`. The operation `*`
//! counts every write to the system except the renewal of Leases, which come by the clock.

use std::sync::{LazyLock, Mutex, PoisonError};
use std::time::Duration;

use prometheus::{IntCounterVec, register_int_counter_vec};

static EFFECTS: LazyLock<IntCounterVec> = LazyLock::new(|| {
    register_int_counter_vec!(
        "foresail_effects_total",
        "Writes to outside systems that were begun.",
        &["system", "operation"]
    )
    .expect("the metric is registered once, with a valid name")
});

static FAULT: LazyLock<Option<Fault>> = LazyLock::new(|| {
    std::env::var("FORESAIL_FAULT")
        .ok()
        .and_then(|text| Fault::parse(&text))
});

/// Writes so far that the fault concerns.
static CALLS: Mutex<u64> = Mutex::new(0);

#[derive(Clone, Debug, PartialEq, Eq)]
struct Fault {
    system: String,
    operation: String,
    call: u64,
    kind: Kind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    CrashBefore,
    CrashAfter,
    Delay(Duration),
}

impl Fault {
    fn parse(text: &str) -> Option<Self> {
        let mut parts = text.splitn(3, ':');
        let (system, operation) = parts.next()?.split_once('.')?;
        let call = parts.next()?.parse().ok()?;
        let kind = match parts.next()? {
            "crash-before" => Kind::CrashBefore,
            "crash-after" => Kind::CrashAfter,
            other => Kind::Delay(Duration::from_millis(
                other.strip_prefix("delay-ms=")?.parse().ok()?,
            )),
        };
        Some(Self {
            system: system.into(),
            operation: operation.into(),
            call,
            kind,
        })
    }

    fn concerns(&self, system: &str, operation: &str) -> bool {
        let every = self.operation == "*" && operation != "lease";
        self.system == system && (every || self.operation == operation)
    }
}

/// Carries out one write. `system` is `kubernetes`, `kafka`, `s3` or `redis`; `operation` a fixed word.
pub async fn perform<F: Future>(
    system: &'static str,
    operation: &'static str,
    write: F,
) -> F::Output {
    EFFECTS.with_label_values(&[system, operation]).inc();
    let fault = due(system, operation);
    match fault {
        Some(Kind::CrashBefore) => crash(system, operation, "before"),
        Some(Kind::Delay(delay)) => tokio::time::sleep(delay).await,
        _ => {}
    }
    let output = write.await;
    if fault == Some(Kind::CrashAfter) {
        crash(system, operation, "after");
    }
    output
}

fn due(system: &'static str, operation: &'static str) -> Option<Kind> {
    let fault = FAULT.as_ref()?;
    if !fault.concerns(system, operation) {
        return None;
    }
    let mut calls = CALLS.lock().unwrap_or_else(PoisonError::into_inner);
    *calls += 1;
    (*calls == fault.call).then_some(fault.kind)
}

/// Ends the process as SIGKILL would: no destructor, no flush.
fn crash(system: &str, operation: &str, position: &str) -> ! {
    eprintln!("injected crash {position} {system}.{operation}");
    std::process::abort()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn faults_are_read_and_nonsense_ignored() {
        let fault = Fault::parse("kafka.commit:3:crash-before");
        assert_eq!(
            fault.map(|f| (f.call, f.kind)),
            Some((3, Kind::CrashBefore))
        );
        let delay = Fault::parse("s3.put:1:delay-ms=20").map(|f| f.kind);
        assert_eq!(delay, Some(Kind::Delay(Duration::from_millis(20))));
        let every = Fault::parse("kubernetes.*:1:crash-after").unwrap();
        assert!(every.concerns("kubernetes", "apply") && !every.concerns("s3", "put"));
        assert!(!every.concerns("kubernetes", "lease"));
        for bad in [
            "",
            "kafka",
            "kafka.commit:x:crash-before",
            "kafka.commit:1:explode",
        ] {
            assert_eq!(Fault::parse(bad), None, "{bad}");
        }
    }

    #[tokio::test]
    async fn writes_are_counted_and_their_result_returned() {
        let before = EFFECTS.with_label_values(&["test", "write"]).get();
        assert_eq!(perform("test", "write", async { 7 }).await, 7);
        assert_eq!(
            EFFECTS.with_label_values(&["test", "write"]).get(),
            before + 1
        );
    }
}

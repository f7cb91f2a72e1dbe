//! The one layer every write to the outside passes: counted always, and in tests crashed or delayed.
//!
//! A fault `<system>.<operation>:<n>:<fault>` (`main` reads it from `FORESAIL_FAULT`) acts on the n-th
//! call (from 1) of an operation in this program; it is `crash-before`, `crash-after` or `delay-ms=<ms>`.
//! The operation `*` counts every write to the system but the renewal of Leases, which come by the clock.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use crate::metrics::{Counter, Labelled, Registry};

/// The layer itself. Clones share the counts.
#[derive(Clone, Debug)]
pub struct Effects(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    begun: Labelled<Counter, 2>,
    fault: Option<Fault>,
    /// Writes so far that the fault concerns.
    calls: Mutex<u64>,
}

/// What happens to one write, in tests.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
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
    /// Reads the form above; nonsense is no fault.
    pub fn parse(text: &str) -> Option<Self> {
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

impl Effects {
    /// Counts in `registry`; `fault` is what a test does to one of the writes.
    pub fn new(registry: &Registry, fault: Option<Fault>) -> Self {
        Self(Arc::new(Inner {
            begun: registry.counters(
                "foresail_effects_total",
                "Writes to outside systems that were begun.",
                ["system", "operation"],
            ),
            fault,
            calls: Mutex::default(),
        }))
    }

    /// Carries out one write. `system` is `kubernetes`, `kafka`, `s3` or `redis`; `operation` a fixed word.
    pub async fn perform<F: Future>(
        &self,
        system: &'static str,
        operation: &'static str,
        write: F,
    ) -> F::Output {
        self.0.begun.with([system, operation]).inc();
        let fault = self.due(system, operation);
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

    fn due(&self, system: &'static str, operation: &'static str) -> Option<Kind> {
        let fault = self.0.fault.as_ref()?;
        if !fault.concerns(system, operation) {
            return None;
        }
        let mut calls = self.0.calls.lock().unwrap_or_else(PoisonError::into_inner);
        *calls += 1;
        (*calls == fault.call).then_some(fault.kind)
    }
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
        let registry = Registry::default();
        let fault = Fault::parse("kafka.commit:2:delay-ms=60");
        let effects = Effects::new(&registry, fault);
        let commit = || effects.perform("kafka", "commit", async { 7 });
        assert_eq!(commit().await, 7);
        assert_eq!(effects.perform("s3", "put", async { 8 }).await, 8);
        let begin = std::time::Instant::now();
        assert_eq!(commit().await, 7);
        assert!(begin.elapsed() >= Duration::from_millis(60));
        let text = registry.encode();
        let line = "foresail_effects_total{system=\"kafka\",operation=\"commit\"} 2\n";
        assert!(text.contains(line), "{text}");
    }
}
